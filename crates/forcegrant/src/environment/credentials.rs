//! The variables that name an org and an app. They come in families, and a family is taken whole: a
//! login URL of one and a secret of the other may be of two orgs.

use std::path::PathBuf;

use crate::credentials::read_secret_file;
use crate::environment::Environment;
use forcegrant_proto::error::{Error, ErrorCode, InputField, Setting, SetupStep};
use forcegrant_proto::host::{LoginEndpoint, TrustPolicy};
use forcegrant_proto::pasted_text;
use forcegrant_proto::secret::Secret;

/// Names that belong together.
struct Family {
    login_url: &'static [&'static str],
    client_id: &'static [&'static str],
    client_secret: &'static [&'static str],
    /// Names the file that holds the secret.
    secret_file: Option<&'static str>,
}

/// In the order in which they are looked at.
const FAMILIES: [Family; 2] = [
    Family {
        login_url: &[
            "SALESFORCE_LOGIN_URL",
            "SALESFORCE_MY_DOMAIN",
            "SALESFORCE_DOMAIN",
            "SALESFORCE_INSTANCE_URL",
        ],
        client_id: &["SALESFORCE_CLIENT_ID", "SALESFORCE_CONSUMER_KEY"],
        client_secret: &["SALESFORCE_CLIENT_SECRET", "SALESFORCE_CONSUMER_SECRET"],
        secret_file: Some("SALESFORCE_CLIENT_SECRET_FILE"),
    },
    Family {
        login_url: &["SF_LOGIN_URL"],
        client_id: &["SF_CLIENT_ID"],
        client_secret: &["SF_CLIENT_SECRET"],
        secret_file: None,
    },
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    LoginUrl,
    ClientId,
    ClientSecret,
}

const PARTS: [Part; 3] = [Part::LoginUrl, Part::ClientId, Part::ClientSecret];

/// Which values the environment has to bring; the others are given in another way.
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

/// What the environment says, each value by itself: whoever asks can name all that is wrong.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The login URL.
    pub login_url: Result<Found, Error>,
    /// The client id.
    pub client_id: Result<Found, Error>,
    /// The client secret.
    pub client_secret: Result<Found, Error>,
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub struct Found {
    /// The variable.
    pub name: &'static str,
    /// Its value, or the content of the file that it names.
    pub value: Secret,
    /// That file.
    pub file: Option<PathBuf>,
    /// Variables of another family that are set to something else, and do not count.
    pub unused: Vec<&'static str>,
}

impl Parts {
    /// Reads the variables, and the file that one may name.
    ///
    /// The first family of which a wanted variable is set brings all that is wanted. What it lacks is
    /// missing or, when another family has it, `ambiguous_credentials`; and so are two variables of
    /// a family that say different things.
    #[must_use]
    pub fn read(environment: &Environment, wanted: Wanted) -> Self {
        let is_used = |family: &&Family| {
            let mut parts = PARTS.into_iter().filter(|part| wanted.has(*part));
            // A value that is of no use is set too.
            parts.any(|part| !matches!(family.look(environment, part), Ok(None)))
        };
        let family = FAMILIES.iter().find(is_used).unwrap_or(&FAMILIES[0]);
        let part = |part| match family.look(environment, part)? {
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

/// The file that holds the secret, when no variable does.
pub(crate) fn secret_file(environment: &Environment) -> Option<PathBuf> {
    let family = FAMILIES
        .iter()
        .find(|family| family.secret_file.is_some())?;
    let in_variable = environment.first(family.client_secret);
    let path = environment.read(family.secret_file?).ok()??;
    matches!(in_variable, Ok(None)).then(|| PathBuf::from(path.expose()))
}

/// The first variable that is set of those with a client id or a client secret.
pub(super) fn variable(environment: &Environment) -> Option<&'static str> {
    let names = |part| FAMILIES.iter().flat_map(move |family| family.names(part));
    let mut names = names(Part::ClientId).chain(names(Part::ClientSecret));
    names.find(|name| !matches!(environment.read(name), Ok(None)))
}

/// The names of all these variables.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let of_part = |part| FAMILIES.iter().flat_map(move |family| family.names(part));
    PARTS.into_iter().flat_map(of_part)
}

impl Family {
    fn names(&self, part: Part) -> impl Iterator<Item = &'static str> {
        let (names, file) = match part {
            Part::LoginUrl => (self.login_url, None),
            Part::ClientId => (self.client_id, None),
            Part::ClientSecret => (self.client_secret, self.secret_file),
        };
        names.iter().copied().chain(file)
    }

    /// What this family says. All of its variables that are set have to agree.
    fn look(&self, environment: &Environment, part: Part) -> Result<Option<Found>, Error> {
        let mut first: Option<Found> = None;
        for name in self.names(part) {
            let Some(value) = environment.read(name)? else {
                continue;
            };
            let found = if Some(name) == self.secret_file {
                Found::in_file(name, &value)?
            } else {
                Found::new(name, value)
            };
            match &first {
                None => first = Some(found),
                Some(first) if agree(part, first, &found) => {}
                Some(first) => return Err(two_values(part, first.name, name)),
            }
        }
        Ok(first)
    }

    /// The error for what this family has not got.
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

impl Found {
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
        let content = read_secret_file(setting, &path)?;
        let value = Secret::new(pasted_text::meant(content.expose()));
        pasted_text::check(setting, value.expose())?;
        Ok(Self {
            file: Some(path),
            ..Self::new(name, value)
        })
    }

    /// With the names of other families' variables that say something else.
    fn beside(mut self, environment: &Environment, family: &Family, part: Part) -> Self {
        let others = FAMILIES
            .iter()
            .filter(|other| !std::ptr::eq(*other, family));
        for other in others {
            match other.look(environment, part) {
                Ok(Some(found)) if !agree(part, &self, &found) => self.unused.push(found.name),
                Ok(_) => {}
                Err(_) => self.unused.extend(other.names(part).next()),
            }
        }
        self
    }
}

fn agree(part: Part, one: &Found, other: &Found) -> bool {
    let (one, other) = (one.value.expose(), other.value.expose());
    let host = |text: &str| {
        let trust = TrustPolicy::new([], true).ok()?;
        let endpoint = LoginEndpoint::from_login_url(text, &trust).ok()?;
        Some(endpoint.host().to_owned())
    };
    one == other
        || (part == Part::LoginUrl && host(one).is_some_and(|one| Some(one) == host(other)))
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::LoginUrl => "login URL",
            Self::ClientId => "client id",
            Self::ClientSecret => "client secret",
        }
    }
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
            "{one} and {other} are both set, and name a different {}",
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
