//! Which folder the connections of a user are in.

use std::path::PathBuf;

use crate::environment::Environment;
use forcegrant_proto::error::{Error, Setting};

/// Names the folder.
pub(super) const FOLDER: &str = "FORCEGRANT_CONNECTIONS";

/// By the customs of the system; never a temporary folder or the one that the process works in.
pub(super) fn folder(environment: &Environment) -> Result<PathBuf, Error> {
    let setting = Setting::Variable(FOLDER);
    if let Some(named) = environment.read(FOLDER)? {
        let path = PathBuf::from(named.expose());
        return if path.is_absolute() {
            Ok(path)
        } else {
            Err(setting.wrong(
                "it does not name a folder by its absolute path",
                "Name the folder from the root: `/etc/my-service/connections`.",
            ))
        };
    }
    let absolute = |name| {
        let path = environment.read(name).ok().flatten();
        let path = path.map(|path| PathBuf::from(path.expose()));
        path.filter(|path| path.is_absolute())
    };
    let config = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("HOME").map(|home| home.join("Library").join("Application Support"))
    } else {
        let home = || absolute("HOME").map(|home| home.join(".config"));
        absolute("XDG_CONFIG_HOME").or_else(home)
    };
    match config {
        Some(config) => Ok(config.join("forcegrant").join("connections")),
        None => Err(setting.wrong(
            "it is not set, and this user has no home folder",
            "Name the folder of the connections: `/etc/my-service/connections`.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<PathBuf, Error> {
        folder(&Environment::of(variables.iter().copied()))
    }

    #[test]
    fn no_home_is_an_error_that_names_the_variable() {
        for variables in [
            &[][..],
            &[("HOME", ""), ("LOCALAPPDATA", "")],
            &[("HOME", "relative")],
        ] {
            let error = of(variables).unwrap_err();
            assert_eq!(error.code(), "invalid_option");
            assert!(error.message().contains(FOLDER), "{error}");
        }
        let error = of(&[(FOLDER, "relative"), ("HOME", "/home/me")]).unwrap_err();
        assert!(error.message().contains(FOLDER), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_variable_comes_before_the_customs_of_the_system() {
        for (variables, expected) in [
            (
                &[("HOME", "/home/me")][..],
                "/home/me/.config/forcegrant/connections",
            ),
            (
                &[("HOME", "/home/me"), ("XDG_CONFIG_HOME", "/xdg")],
                "/xdg/forcegrant/connections",
            ),
            (
                &[("HOME", "/home/me"), ("XDG_CONFIG_HOME", "xdg")],
                "/home/me/.config/forcegrant/connections",
            ),
            (&[("HOME", "/home/me"), (FOLDER, "/run/sf")], "/run/sf"),
        ] {
            assert_eq!(
                of(variables).unwrap(),
                PathBuf::from(expected),
                "{variables:?}"
            );
        }
    }
}
