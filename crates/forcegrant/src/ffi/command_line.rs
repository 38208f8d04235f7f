//! For the command line, which mixes the environment with its options and explains both.

use std::path::{Path, PathBuf};

use url::Url;

use crate::connections::{Connections, connection_variable};
use crate::environment::Environment;
use crate::http::{Proxy, ProxyRules};
#[cfg(feature = "store-file")]
use crate::store::FileStore;
use forcegrant_proto::error::{Error, Setting};
use forcegrant_proto::pasted_text as text;
use forcegrant_proto::secret::Secret;
use forcegrant_support::tls::Roots;

pub use crate::environment::{EnvironmentCredentials, FoundVariable, Wanted};

/// How the host of a client is reached, and why so: `through proxy.example:3128 (HTTPS_PROXY)`.
///
/// # Errors
/// `invalid_option` for a proxy that is of no use.
pub fn route(proxy: &Proxy, environment: &Environment, host: &str) -> Result<String, Error> {
    let rules = ProxyRules::new(proxy, environment)?;
    let url = Url::parse(&format!("https://{host}"));
    Ok(url.map_or_else(|_| String::new(), |url| rules.decide(&url).to_string()))
}

/// The connections of this folder, or of the one that the environment names. The keys come from the environment.
///
/// # Errors
/// `invalid_option`: the folder is no absolute path, or the environment names none.
pub fn connections(
    folder: Option<PathBuf>,
    environment: &Environment,
) -> Result<Connections, Error> {
    match folder {
        Some(folder) => Connections::in_folder(folder, environment.clone()),
        None => Connections::from_environment(environment.clone()),
    }
}

/// The id of the connection that `FORCEGRANT_CONNECTION` names.
///
/// # Errors
/// `ambiguous_credentials`: the environment names credentials too.
pub fn connection_id(environment: &Environment) -> Result<Option<String>, Error> {
    let id = connection_variable(environment)?;
    Ok(id.map(|id| id.expose().to_owned()))
}

/// The store in the user's cache folder.
///
/// # Errors
/// `invalid_option`: the environment does not name one, as for users without a home.
#[cfg(feature = "store-file")]
pub fn user_cache_store(environment: &Environment) -> Result<FileStore, Error> {
    FileStore::in_user_cache_of(environment)
}

/// A variable that says what kind of session this is, such as `DISPLAY`.
#[must_use]
pub fn is_set(environment: &Environment, name: &'static str) -> bool {
    environment.read(name).is_ok_and(|value| value.is_some())
}

/// The secret in a file that an option names.
///
/// # Errors
/// `invalid_option` says what is wrong with the file, and shows nothing of it.
pub fn read_secret_file(option: &str, path: &Path) -> Result<Secret, Error> {
    crate::secret_file::read_secret_file(Setting::Option(option), path)
}

/// What these roots are: how many certificates, and which variables name them.
#[must_use]
pub fn describe_roots(roots: &Roots) -> String {
    forcegrant_support::tls::describe_roots(roots)
}

/// A value as it is used: without what people paste along with it.
#[must_use]
pub fn meant(text: &str) -> &str {
    text::meant(text)
}
