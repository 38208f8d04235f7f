//! Environment variables as a value: those of this process, or those of a host language.

mod credentials;
mod names;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

pub(crate) use self::credentials::secret_file;
pub use self::credentials::{EnvironmentCredentials, FoundVariable, Wanted};
pub(crate) use self::names::{NO_PROXY, PROXY};
use forcegrant_proto::error::{Error, Setting};
use forcegrant_proto::pasted_text;
use forcegrant_proto::secret::Secret;

/// The environment variables that the options of a client are read from.
///
/// A host language can have its own environment: each worker thread of Node has one, and Python programs replace
/// `os.environ` in tests. It passes on the variables that it sees, and those of the process are not read.
///
/// ```
/// use forcegrant::{ClientBuilder, Environment};
/// let environment = Environment::of([
///     ("SALESFORCE_LOGIN_URL", "acme.my.salesforce.com"),
///     ("SALESFORCE_CLIENT_ID", "3MVG9..."),
///     ("SALESFORCE_CLIENT_SECRET", "..."),
/// ]);
/// let client = ClientBuilder::from_environment(environment)?.build()?;
/// assert_eq!(client.login_host(), "acme.my.salesforce.com");
/// # Ok::<(), forcegrant::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<BTreeMap<String, Value>>>);

/// `None`: it is not Unicode.
type Value = Option<Secret>;

impl Environment {
    /// The variables of this process, read anew each time.
    #[must_use]
    pub fn process() -> Self {
        Self(None)
    }

    /// These variables, and no others.
    #[must_use]
    pub fn of<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter().map(|(name, value)| {
            let value = value.into().into_string().ok();
            (name.into(), value.map(Secret::new))
        });
        Self(Some(Arc::new(variables.collect())))
    }

    /// The names of all variables that are read: those that a host language has to pass on.
    pub fn names() -> impl Iterator<Item = &'static str> {
        names::all()
    }

    /// The value of a variable as it was meant: without the blanks, invisible characters and quotes
    /// around it. `None` if nothing is left.
    ///
    /// # Errors
    /// `invalid_option` names a variable whose value is not Unicode, or has characters in its middle
    /// that nobody can see.
    pub(crate) fn read(&self, name: &'static str) -> Result<Option<Secret>, Error> {
        let value = match &self.0 {
            Some(variables) => variables.get(name).cloned(),
            None => std::env::var_os(name).map(|value| value.into_string().ok().map(Secret::new)),
        };
        let setting = Setting::Variable(name);
        match value {
            None => Ok(None),
            Some(None) => Err(setting.wrong("its value is not valid UTF-8", pasted_text::ANEW)),
            Some(Some(value)) => {
                let value = Secret::new(pasted_text::meant(value.expose()));
                if value.expose().is_empty() {
                    return Ok(None);
                }
                pasted_text::check(setting, value.expose())?;
                Ok(Some(value))
            }
        }
    }

    /// The first of these variables that is set, and its name.
    pub(crate) fn first(
        &self,
        names: &[&'static str],
    ) -> Result<Option<(&'static str, Secret)>, Error> {
        for name in names {
            if let Some(value) = self.read(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            None => "Environment::process()",
            // Values can be secrets.
            Some(_) => "Environment::of([redacted])",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_trimmed_and_empty_ones_are_unset() {
        let environment = Environment::of([
            ("A", " \u{feff}\"x\"\r\n"),
            ("B", "\u{200b}"),
            ("C", "''"),
            ("D", "a\u{200b}b"),
        ]);
        let read = |name| environment.read(name).unwrap();
        assert_eq!(read("A").unwrap().expose(), "x");
        assert!(read("B").is_none() && read("C").is_none() && read("E").is_none());
        let error = environment.read("D").unwrap_err();
        assert!(
            error.message().contains("`D`") && error.message().contains("U+200B"),
            "{error}"
        );
        let (name, value) = environment.first(&["B", "A"]).unwrap().unwrap();
        assert_eq!((name, value.expose()), ("A", "x"));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_unicode_is_refused_and_not_unset() {
        use std::os::unix::ffi::OsStringExt as _;
        let environment = Environment::of([("A", OsString::from_vec(vec![b'a', 0xff]))]);
        let error = environment.read("A").unwrap_err();
        assert_eq!(error.code(), "invalid_option");
        assert!(error.message().contains("`A`"), "{error}");
    }

    #[test]
    fn nothing_is_shown() {
        let environment = Environment::of([("SF_CLIENT_SECRET", "hunter22")]);
        assert!(!format!("{environment:?}").contains("hunter22"));
    }
}
