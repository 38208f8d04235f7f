//! Values that must never be shown: redacted when printed, zeroed when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// What is shown in place of a secret.
pub const HIDDEN: &str = "[redacted]";

/// A secret text: a client secret or an access token.
///
/// Its `Debug` form says only `[redacted]`. It has no `Display` and no `Serialize` form, so it cannot
/// reach a log by accident. The memory is overwritten when the value is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text. The original `String` is moved, not copied.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Do not print it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// SHA-256 of a secret, cut to 16 hexadecimal digits: tells two secrets apart and is safe to log.
pub fn fingerprint(secret: &str) -> String {
    CredentialsFingerprint::of(&[secret]).to_string()
}

/// What a [`fingerprint`] shows, as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialsFingerprint(u64);

impl CredentialsFingerprint {
    /// Of a secret in parts.
    pub fn of(parts: &[&str]) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for part in parts {
            context.update(part.as_bytes());
        }
        let digest = context.finish();
        let start = digest.as_ref().iter().take(8);
        Self(start.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

impl CredentialsFingerprint {
    /// Not 0, save once in 2^64.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CredentialsFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// `Secret` has no `Display`:
/// ```compile_fail,E0277
/// println!("{}", forcegrant::Secret::new("s3cret"));
/// ```
/// and no `Serialize`:
/// ```compile_fail,E0277
/// serde_json::to_string(&forcegrant::Secret::new("s3cret")).unwrap();
/// ```
/// and neither has `Token`:
/// ```compile_fail,E0277
/// fn show(token: &forcegrant::Token) -> String { format!("{token}") }
/// ```
/// ```compile_fail,E0277
/// fn show(token: &forcegrant::Token) -> String { serde_json::to_string(token).unwrap() }
/// ```
#[cfg(doctest)]
pub struct SecretsCannotBeShown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted() {
        assert_eq!(format!("{:?}", Secret::new("hunter22")), "[redacted]");
    }

    #[test]
    fn fingerprint_is_the_start_of_sha256() {
        assert_eq!(fingerprint("abc"), "ba7816bf8f01cfea");
    }
}
