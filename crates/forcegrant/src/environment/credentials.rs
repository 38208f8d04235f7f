//! The login URL, client id and secret in the environment. All three are taken from variables with the same prefix (a
//! family): a login URL of one family and a secret of the other may belong to two orgs.

use std::path::PathBuf;

use crate::environment::Environment;
use crate::environment::names::{FAMILIES, Family, PARTS, Part};
use crate::secret_file::read_secret_file;
use forcegrant_proto::error::{Error, ErrorCode, InputField, Setting, SetupStep};
use forcegrant_proto::host::{LoginEndpoint, TrustPolicy};
use forcegrant_proto::secret::Secret;

/// Which values to take from the environment; the others are given in another way.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The login URL.
    pub login_url: bool,
    /// The client id.
    pub client_id: bool,
    /// The client secret.
    pub client_secret: bool,
}

impl Wanted {
    /// All three.
    pub const ALL: Self = Self {
        login_url: true,
        client_id: true,
        client_secret: true,
    };

    fn has(self, part: Part) -> bool {
        match part {
            Part::LoginUrl => self.login_url,
            Part::ClientId => self.client_id,
            Part::ClientSecret => self.client_secret,
        }
    }
}

/// The values in the environment, each with its own error, so that a caller can show all of them.
#[derive(Clone, Debug)]
pub struct EnvironmentCredentials {
    /// The login URL.
    pub login_url: Result<FoundVariable, Error>,
    /// The client id.
    pub client_id: Result<FoundVariable, Error>,
    /// The client secret.
    pub client_secret: Result<FoundVariable, Error>,
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub struct FoundVariable {
    /// The variable.
    pub name: &'static str,
    /// Its value, or the content of the file that it names.
    pub value: Secret,
    /// That file.
    pub file: Option<PathBuf>,
    /// Variables of another family that have another value, and do not count.
    pub unused: Vec<&'static str>,
}

impl EnvironmentCredentials {
    /// Reads the variables, and the file that one may name.
    ///
    /// All wanted values come from the first family with a wanted variable that is set. A value that it lacks is
    /// missing, or `ambiguous_credentials` if another family has it. Two variables of a family with different values
    /// are `ambiguous_credentials` too.
    #[must_use]
    pub fn read(environment: &Environment, wanted: Wanted) -> Self {
        let is_used = |family: &&Family| {
            let mut parts = PARTS.into_iter().filter(|part| wanted.has(*part));
            // An invalid value counts as set.
            parts.any(|part| !matches!(family.find(environment, part), Ok(None)))
        };
        let family = FAMILIES.iter().find(is_used).unwrap_or(&FAMILIES[0]);
        let part = |part| match family.find(environment, part)? {
            Some(found) => Ok(found.beside(environment, family, part)),
            None => Err(family.lacks(environment, wanted, part)),
        };
        Self {
            login_url: part(Part::LoginUrl),
            client_id: part(Part::ClientId),
            client_secret: part(Part::ClientSecret),
        }
    }
}

/// The file that holds the secret, if no variable does.
pub(crate) fn secret_file(environment: &Environment) -> Option<PathBuf> {
    let family = FAMILIES
        .iter()
        .find(|family| family.secret_file.is_some())?;
    let in_variable = environment.first(family.client_secret);
    let path = environment.read(family.secret_file?).ok()??;
    matches!(in_variable, Ok(None)).then(|| PathBuf::from(path.expose()))
}

impl Environment {
    /// The first variable that is set of those with a client id or a client secret.
    pub(crate) fn credentials_variable(&self) -> Option<&'static str> {
        let names = |part| FAMILIES.iter().flat_map(move |family| family.names(part));
        let mut names = names(Part::ClientId).chain(names(Part::ClientSecret));
        names.find(|name| !matches!(self.read(name), Ok(None)))
    }
}

impl Family {
    /// The value of this family. All of its variables that are set must agree.
    fn find(&self, environment: &Environment, part: Part) -> Result<Option<FoundVariable>, Error> {
        let mut first: Option<FoundVariable> = None;
        for name in self.names(part) {
            let Some(value) = environment.read(name)? else {
                continue;
            };
            let found = if Some(name) == self.secret_file {
                FoundVariable::in_file(name, &value)?
            } else {
                FoundVariable::new(name, value)
            };
            match &first {
                None => first = Some(found),
                Some(first) if agree(part, first, &found) => {}
                Some(first) => return Err(two_values(part, first.name, name)),
            }
        }
        Ok(first)
    }

    /// The error for a value that this family lacks.
    fn lacks(&self, environment: &Environment, wanted: Wanted, part: Part) -> Error {
        let set = |family: &Self, part| {
            let is_set = |name: &&'static str| !matches!(environment.read(name), Ok(None));
            family.names(part).find(is_set)
        };
        let ours = PARTS
            .into_iter()
            .filter(|part| wanted.has(*part))
            .find_map(|part| set(self, part));
        let mut others = FAMILIES.iter().filter(|other| !std::ptr::eq(*other, self));
        let theirs = others.find_map(|other| set(other, part));
        match (ours, theirs) {
            (Some(ours), Some(theirs)) => mixture(part, ours, theirs),
            _ => missing(part),
        }
    }
}

impl FoundVariable {
    fn new(name: &'static str, value: Secret) -> Self {
        Self {
            name,
            value,
            file: None,
            unused: Vec::new(),
        }
    }

    fn in_file(name: &'static str, path: &Secret) -> Result<Self, Error> {
        let path = PathBuf::from(path.expose());
        let setting = Setting::Variable(name);
        let value = read_secret_file(setting, &path)?;
        Ok(Self {
            file: Some(path),
            ..Self::new(name, value)
        })
    }

    /// With the names of other families' variables that have another value.
    fn beside(mut self, environment: &Environment, family: &Family, part: Part) -> Self {
        let others = FAMILIES
            .iter()
            .filter(|other| !std::ptr::eq(*other, family));
        for other in others {
            match other.find(environment, part) {
                Ok(Some(found)) if !agree(part, &self, &found) => self.unused.push(found.name),
                Ok(_) => {}
                Err(_) => self.unused.extend(other.names(part).next()),
            }
        }
        self
    }
}

fn agree(part: Part, one: &FoundVariable, other: &FoundVariable) -> bool {
    let (one, other) = (one.value.expose(), other.value.expose());
    let host = |text: &str| {
        let trust = TrustPolicy::new([], true).ok()?;
        let endpoint = LoginEndpoint::from_login_url(text, &trust).ok()?;
        Some(endpoint.host().to_owned())
    };
    one == other
        || (part == Part::LoginUrl && host(one).is_some_and(|one| Some(one) == host(other)))
}

fn mixture(part: Part, ours: &str, theirs: &str) -> Error {
    Error::new(
        ErrorCode::AmbiguousCredentials,
        format!(
            "{ours} is set, but the {} is only in {theirs}: they may belong to different orgs",
            part.as_str()
        ),
    )
    .with_help(
        "Set all three variables with the same prefix, SALESFORCE_ or SF_, and unset those of the other.",
    )
}

fn two_values(part: Part, one: &str, other: &str) -> Error {
    Error::new(
        ErrorCode::AmbiguousCredentials,
        format!(
            "{one} and {other} are both set, and give a different {}",
            part.as_str()
        ),
    )
    .with_help("Unset one of them.")
}

fn missing(part: Part) -> Error {
    let names: Vec<_> = FAMILIES
        .iter()
        .flat_map(|family| family.names(part))
        .collect();
    let (step, field) = match part {
        Part::LoginUrl => (SetupStep::Hostname, InputField::LoginUrl),
        Part::ClientId => (SetupStep::KeyAndSecret, InputField::ClientId),
        Part::ClientSecret => (SetupStep::KeyAndSecret, InputField::ClientSecret),
    };
    Error::new(
        ErrorCode::MissingCredentials,
        format!("the environment variable {} is not set", names[0]),
    )
    .with_setup_step(Some(step))
    .with_field(Some(field))
    .with_help(format!("These names are read: {}.", names.join(", ")))
}

#[cfg(test)]
mod tests;
