//! The environment variables that name an org and an app. Read only when asked.

use std::path::{Path, PathBuf};

use crate::error::{Code, Error, SetupStep, invalid_option};
use crate::secret::Secret;

const LOGIN_URL: &[&str] = &[
    "SALESFORCE_LOGIN_URL",
    "SALESFORCE_MY_DOMAIN",
    "SALESFORCE_DOMAIN",
    "SALESFORCE_INSTANCE_URL",
    "SF_LOGIN_URL",
];
const CLIENT_ID: &[&str] = &[
    "SALESFORCE_CLIENT_ID",
    "SALESFORCE_CONSUMER_KEY",
    "SF_CLIENT_ID",
];
const CLIENT_SECRET: &[&str] = &[
    "SALESFORCE_CLIENT_SECRET",
    "SALESFORCE_CONSUMER_SECRET",
    "SF_CLIENT_SECRET",
];
const SECRET_FILE: &str = "SALESFORCE_CLIENT_SECRET_FILE";

/// What the environment says.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) login_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
}

/// Reads the variables through `variable` and the secret's file through `file`. Empty ones count as
/// unset. The first name that is set wins; a secret in a variable wins over a file.
pub(crate) fn read(
    variable: impl Fn(&str) -> Option<String>,
    file: impl Fn(&Path) -> std::io::Result<String>,
) -> Result<Environment, Error> {
    let first = |names: &[&str]| {
        names
            .iter()
            .filter_map(|name| variable(name))
            .find(|value| !value.trim().is_empty())
    };
    let needed = |names: &[&str]| first(names).ok_or_else(|| missing(names));
    let client_secret = match (first(CLIENT_SECRET), first(&[SECRET_FILE])) {
        (Some(secret), _) => Secret::new(secret),
        (None, Some(path)) => Secret::new(file(Path::new(path.trim())).map_err(|error| {
            invalid_option(
                SECRET_FILE,
                &format!("the file can not be read: {}", error.kind()),
                "It names a file whose whole content is the consumer secret, as container secrets are mounted.",
            )
        })?),
        (None, None) => return Err(missing(&[CLIENT_SECRET, &[SECRET_FILE]].concat())),
    };
    Ok(Environment {
        login_url: needed(LOGIN_URL)?,
        client_id: needed(CLIENT_ID)?,
        client_secret,
    })
}

/// Reads the environment of this process.
pub(crate) fn read_process() -> Result<Environment, Error> {
    read(
        |name| std::env::var(name).ok(),
        |path| std::fs::read_to_string(path),
    )
}

/// The file that holds the secret, when no variable does.
pub(crate) fn secret_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if CLIENT_SECRET.iter().any(|name| set(name)) {
        return None;
    }
    let path = std::env::var(SECRET_FILE).ok()?;
    Some(PathBuf::from(path.trim())).filter(|path| !path.as_os_str().is_empty())
}

fn missing(names: &[&str]) -> Error {
    let step = if names == LOGIN_URL {
        SetupStep::Hostname
    } else {
        SetupStep::KeyAndSecret
    };
    Error::new(
        Code::MissingCredentials,
        format!("the environment variable {} is not set", names[0]),
    )
    .with_setup_step(Some(step))
    .with_help(format!(
        "These names are read, and the first that is set counts: {}.",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io;

    use super::*;

    fn read_from(pairs: &[(&str, &str)]) -> Result<Environment, Error> {
        let variables: HashMap<_, _> = pairs.iter().copied().collect();
        read(
            |name| variables.get(name).map(|value| (*value).to_owned()),
            |path| match path.to_str() {
                Some("/run/secrets/sf") => Ok("from-file\n".to_owned()),
                _ => Err(io::Error::from(io::ErrorKind::NotFound)),
            },
        )
    }

    #[test]
    fn own_names_come_before_aliases() {
        let found = read_from(&[
            ("SALESFORCE_LOGIN_URL", "a.my.salesforce.com"),
            ("SALESFORCE_DOMAIN", "b.my.salesforce.com"),
            ("SALESFORCE_CLIENT_ID", "  "),
            ("SF_CLIENT_ID", "id"),
            ("SALESFORCE_CLIENT_SECRET", "s3cret"),
            ("SALESFORCE_CLIENT_SECRET_FILE", "/run/secrets/sf"),
        ])
        .unwrap();
        assert_eq!(found.login_url, "a.my.salesforce.com");
        assert_eq!(found.client_id, "id");
        assert_eq!(found.client_secret.expose(), "s3cret");
    }

    #[test]
    fn the_secret_can_be_a_file() {
        let base = [
            ("SALESFORCE_LOGIN_URL", "a.my"),
            ("SALESFORCE_CLIENT_ID", "id"),
        ];
        let with = |path| read_from(&[base[0], base[1], (SECRET_FILE, path)]);
        assert_eq!(
            with("/run/secrets/sf").unwrap().client_secret.expose(),
            "from-file\n"
        );
        let error = with("/nowhere").unwrap_err();
        assert!(error.message().contains(SECRET_FILE), "{error}");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let all = [
            ("SALESFORCE_LOGIN_URL", "a.my"),
            ("SALESFORCE_CLIENT_ID", "id"),
            ("SALESFORCE_CLIENT_SECRET", "s"),
        ];
        for left_out in 0..3 {
            let pairs: Vec<_> = all
                .iter()
                .enumerate()
                .filter(|(i, _)| *i != left_out)
                .map(|(_, p)| *p)
                .collect();
            let error = read_from(&pairs).unwrap_err();
            assert_eq!(error.code(), "missing_credentials");
            assert!(error.message().contains(all[left_out].0), "{error}");
        }
    }
}
