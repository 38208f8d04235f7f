//! The client id and secret: where they come from, which pair is used, and how they rotate.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;

use crate::environment;
use crate::error::{Cause, Code, Error, invalid_option};
use crate::secret::{Secret, fingerprint, redact};

/// A consumer key and consumer secret, in OAuth's terms client id and client secret.
#[derive(Clone, Debug)]
pub struct KeyPair {
    client_id: String,
    client_secret: Secret,
}

impl KeyPair {
    /// Trims both, as people paste blanks and newlines, and refuses what can not be right.
    ///
    /// # Errors
    /// `missing_credentials` for an empty one, `invalid_option` for one that is not a single word.
    pub fn new(
        client_id: impl AsRef<str>,
        client_secret: impl Into<Secret>,
    ) -> Result<Self, Error> {
        let client_id = client_id.as_ref().trim();
        let client_secret = client_secret.into().trimmed();
        if client_id.is_empty() {
            return Err(missing("client_id", "SALESFORCE_CLIENT_ID", "consumer key"));
        }
        if client_secret.expose().is_empty() {
            return Err(missing(
                "client_secret",
                "SALESFORCE_CLIENT_SECRET",
                "consumer secret",
            ));
        }
        if client_id
            .chars()
            .any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(invalid_option(
                "client_id",
                "it holds a blank or a control character in its middle",
                "A consumer key is one word of about 85 characters that starts with 3MVG9. Copy it again from the app's settings.",
            ));
        }
        if client_secret.expose().chars().any(char::is_control) {
            return Err(invalid_option(
                "client_secret",
                "it holds a control character (a line break?) in its middle",
                "A consumer secret is one word. Copy it again from the app's settings.",
            ));
        }
        Ok(Self {
            client_id: client_id.to_owned(),
            client_secret,
        })
    }

    /// The client id (consumer key).
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn client_secret(&self) -> &Secret {
        &self.client_secret
    }

    /// 16 hexadecimal digits that tell one pair from another; safe to log.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let secret = Secret::new(format!(
            "{}\0{}",
            self.client_id,
            self.client_secret.expose()
        ));
        fingerprint(secret.expose())
    }
}

/// The pairs that an app has: Salesforce lets two be live at once while one replaces the other.
#[derive(Clone, Debug)]
pub struct KeyPairs {
    current: KeyPair,
    next: Option<KeyPair>,
}

impl KeyPairs {
    /// One pair.
    #[must_use]
    pub fn new(current: KeyPair) -> Self {
        Self {
            current,
            next: None,
        }
    }

    /// A second pair, which is tried when the first is refused.
    #[must_use]
    pub fn with_next(self, next: KeyPair) -> Self {
        Self {
            next: Some(next),
            ..self
        }
    }

    fn iter(&self) -> impl Iterator<Item = &KeyPair> {
        std::iter::once(&self.current).chain(&self.next)
    }
}

/// What a credentials callback returns.
pub type LoadedKeyPairs = Pin<
    Box<dyn Future<Output = Result<KeyPairs, Box<dyn std::error::Error + Send + Sync>>> + Send>,
>;

type Load = Arc<dyn Fn() -> LoadedKeyPairs + Send + Sync>;

/// Where credentials come from.
#[derive(Clone)]
pub(crate) enum Source {
    /// From the caller, who replaces them.
    Given(KeyPairs),
    /// The environment, and the secret's file that it may name.
    Environment,
    /// A file that holds the secret, as container secrets are mounted.
    SecretFile { client_id: String, path: PathBuf },
    /// A callback.
    Callback(Load),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given",
            Self::Environment => "Environment",
            Self::SecretFile { .. } => "SecretFile",
            Self::Callback(_) => "Callback",
        })
    }
}

/// The pairs at hand. Plain data behind an atomic pointer, so a fork finds it whole.
#[derive(Debug)]
pub(crate) struct Keyring {
    source: Source,
    held: ArcSwapOption<Held>,
}

#[derive(Clone, Debug)]
struct Held {
    pairs: KeyPairs,
    /// The fingerprint of the pair that worked last.
    active: Option<String>,
    /// The state of the secret's file when it was read.
    stamp: Option<Stamp>,
}

type Stamp = (SystemTime, u64);

impl Keyring {
    /// Reads the source once, where that needs no waiting, so that a wrong one is noticed when the
    /// client is built.
    pub(crate) fn new(source: Source) -> Result<Self, Error> {
        let stamp = source.stamp();
        let pairs = match &source {
            Source::Callback(_) => None,
            other => Some(other.read()?),
        };
        let held = pairs.map(|pairs| {
            Arc::new(Held {
                pairs,
                active: None,
                stamp,
            })
        });
        Ok(Self {
            source,
            held: ArcSwapOption::new(held),
        })
    }

    /// The pair to log in with: the one that worked last, else the current one. A file that has
    /// changed is read first, a callback is asked the first time.
    pub(crate) async fn pair(&self, limit: Duration) -> Result<KeyPair, Error> {
        if self.held.load().is_none() || self.has_changed() {
            self.reload(limit).await?;
        }
        self.at_hand().ok_or_else(|| unavailable("there are none"))
    }

    /// The pair to log in with, without reading anything.
    pub(crate) fn at_hand(&self) -> Option<KeyPair> {
        let held = self.held.load_full()?;
        let active = held.active.as_ref();
        let found = held
            .pairs
            .iter()
            .find(|pair| Some(&pair.fingerprint()) == active);
        Some(found.unwrap_or(&held.pairs.current).clone())
    }

    /// A pair at hand that was not tried yet.
    pub(crate) fn untried(&self, tried: &[String]) -> Option<KeyPair> {
        let held = self.held.load_full()?;
        let untried = |pair: &&KeyPair| !tried.contains(&pair.fingerprint());
        held.pairs.iter().find(untried).cloned()
    }

    /// Reads the source again; a callback has until `limit`.
    pub(crate) async fn reload(&self, limit: Duration) -> Result<(), Error> {
        let stamp = self.source.stamp();
        let pairs = match &self.source {
            Source::Given(_) => return Ok(()),
            Source::Callback(load) => match tokio::time::timeout(limit, load()).await {
                Ok(Ok(pairs)) => pairs,
                Ok(Err(error)) => {
                    let cause = Cause::of(error.as_ref(), &|text| redact(text, &[], 300));
                    return Err(unavailable("the callback failed").with_cause(cause));
                }
                Err(_) => return Err(unavailable("the callback did not answer in time")),
            },
            other => other.read()?,
        };
        self.hold(pairs, stamp);
        Ok(())
    }

    /// Pairs from the caller, in place of those at hand.
    pub(crate) fn replace(&self, pairs: KeyPairs) {
        self.hold(pairs, self.source.stamp());
    }

    fn hold(&self, pairs: KeyPairs, stamp: Option<Stamp>) {
        let active = self
            .held
            .load()
            .as_ref()
            .and_then(|held| held.active.clone());
        self.held.store(Some(Arc::new(Held {
            pairs,
            active,
            stamp,
        })));
    }

    /// Notes the pair that worked. `true`: it is another one than before.
    pub(crate) fn worked(&self, pair: &KeyPair) -> bool {
        let Some(held) = self.held.load_full() else {
            return false;
        };
        let fingerprint = Some(pair.fingerprint());
        if held.active == fingerprint {
            return false;
        }
        let rotated =
            held.active.is_some() || fingerprint != Some(held.pairs.current.fingerprint());
        self.held.store(Some(Arc::new(Held {
            active: fingerprint,
            ..Held::clone(&held)
        })));
        rotated
    }

    /// Whether a pair of this fingerprint is still one of those at hand.
    pub(crate) fn holds(&self, fingerprint: &str) -> bool {
        let held = self.held.load_full();
        held.is_some_and(|held| {
            held.pairs
                .iter()
                .any(|pair| pair.fingerprint() == fingerprint)
        })
    }

    /// Whether the secret's file is another than the one that was read. Looks at the file's
    /// metadata only.
    pub(crate) fn has_changed(&self) -> bool {
        let stamp = self.source.stamp();
        stamp.is_some()
            && self
                .held
                .load()
                .as_ref()
                .is_some_and(|held| held.stamp != stamp)
    }
}

impl Source {
    fn read(&self) -> Result<KeyPairs, Error> {
        match self {
            Self::Given(pairs) => Ok(pairs.clone()),
            Self::Environment => {
                let found = environment::read_process()?;
                KeyPair::new(found.client_id, found.client_secret).map(KeyPairs::new)
            }
            Self::SecretFile { client_id, path } => {
                let secret = read_secret_file("client_secret_file", path)?;
                KeyPair::new(client_id, secret).map(KeyPairs::new)
            }
            Self::Callback(_) => Err(unavailable("a callback can not be read at once")),
        }
    }

    fn stamp(&self) -> Option<Stamp> {
        let path = match self {
            Self::SecretFile { path, .. } => path.clone(),
            Self::Environment => environment::secret_file()?,
            Self::Given(_) | Self::Callback(_) => return None,
        };
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }
}

/// Reads a file whose whole content is the consumer secret.
pub(crate) fn read_secret_file(option: &str, path: &Path) -> Result<Secret, Error> {
    std::fs::read_to_string(path).map(Secret::new).map_err(|error| {
        invalid_option(
            option,
            &format!("the file can not be read: {}", error.kind()),
            "It names a file whose whole content is the consumer secret, as container secrets are mounted.",
        )
    })
}

/// Whether a refusal says that the pair is wrong, so that another may be right.
pub(crate) fn is_about_the_pair(error: &Error) -> bool {
    matches!(error.code(), "invalid_client_id" | "invalid_client_secret")
}

fn unavailable(problem: &str) -> Error {
    Error::new(
        Code::CredentialsUnavailable,
        format!("no credentials could be had: {problem}"),
    )
    .with_help("The source that was given for the credentials did not deliver. Its own error is the cause of this one.")
}

fn missing(option: &str, variable: &str, salesforce: &str) -> Error {
    Error::new(Code::MissingCredentials, format!("`{option}` is empty")).with_help(format!(
        "Give the app's {salesforce} as `{option}`, or in the environment variable {variable}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(id: &str, secret: &str) -> KeyPair {
        KeyPair::new(id, secret).unwrap()
    }

    #[test]
    fn pasted_blanks_are_trimmed() {
        let pair = pair(" 3MVG9x\n", "\tABC \r\n");
        assert_eq!(pair.client_id(), "3MVG9x");
        assert_eq!(pair.client_secret().expose(), "ABC");
    }

    #[test]
    fn nonsense_is_refused_without_showing_it() {
        for (id, secret) in [("", "x"), ("x", " "), ("a b", "x"), ("x", "hunter\n22")] {
            let error = KeyPair::new(id, secret).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        }
        assert!(!format!("{:?}", pair("id", "hunter22")).contains("hunter22"));
    }

    #[test]
    fn the_fingerprint_depends_on_both() {
        assert_ne!(pair("a", "b").fingerprint(), pair("a", "c").fingerprint());
        assert_ne!(pair("a", "b").fingerprint(), pair("c", "b").fingerprint());
        assert_eq!(pair("a", "b").fingerprint(), pair("a ", "b").fingerprint());
    }

    #[test]
    fn the_pair_that_worked_last_comes_first() {
        let (one, two) = (pair("a", "1"), pair("a", "2"));
        let ring = Keyring::new(Source::Given(
            KeyPairs::new(one.clone()).with_next(two.clone()),
        ))
        .unwrap();
        let at_hand = || ring.at_hand().unwrap().fingerprint();
        assert_eq!(at_hand(), one.fingerprint());
        assert!(!ring.worked(&one), "the first success is no rotation");
        assert_eq!(
            ring.untried(&[one.fingerprint()]).unwrap().fingerprint(),
            two.fingerprint()
        );
        assert!(ring.worked(&two));
        assert_eq!(at_hand(), two.fingerprint());
        assert!(
            ring.untried(&[one.fingerprint(), two.fingerprint()])
                .is_none()
        );
        // Once the old pair is gone, the new one is the current one.
        ring.replace(KeyPairs::new(two.clone()));
        assert!(ring.holds(&two.fingerprint()) && !ring.holds(&one.fingerprint()));
        assert_eq!(at_hand(), two.fingerprint());
    }
}
