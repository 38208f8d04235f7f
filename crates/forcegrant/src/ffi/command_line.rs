//! For the command line, which mixes the environment with its options and explains both.

use std::path::Path;

use url::Url;

use crate::environment::Environment;
use crate::http::{Proxy, ProxyRules};
use forcegrant_proto::error::{Error, Setting};
use forcegrant_proto::pasted_text as text;
use forcegrant_proto::secret::Secret;

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

/// The secret in a file that an option names.
///
/// # Errors
/// `invalid_option` says what is wrong with the file, and shows nothing of it.
pub fn read_secret_file(option: &str, path: &Path) -> Result<Secret, Error> {
    crate::secret_file::read_secret_file(Setting::Option(option), path)
}

/// A value as it is used: without what people paste along with it.
#[must_use]
pub fn meant(text: &str) -> &str {
    text::meant(text)
}
