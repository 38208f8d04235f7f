//! How the end of a login changes the state. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::cached_token::CachedToken;
use crate::cache::policy::{self, FailureClass, FailureSettings, LifetimeSettings};
use crate::cache::state::{CacheSnapshot, FailureMemory, Memory};
use crate::error::{Error, ErrorCode};
use crate::moment::Moment;
use crate::token::Token;

/// The circumstances in which a login ended.
#[derive(Clone, Copy, Debug)]
pub struct LoginContext<'a> {
    /// The state's generation when the login started.
    pub generation: u64,
    /// A report overtook the login before this one, which repeats it.
    pub overtaken: bool,
    pub now: Moment,
    pub lifetimes: &'a LifetimeSettings,
    pub failures: &'a FailureSettings,
    /// In 0..=1, for the back-off.
    pub random: f64,
}

/// The next state, and what to tell.
#[derive(Debug)]
pub struct AfterLogin {
    pub next: CacheSnapshot,
    pub outcome: LoginResult,
}

/// The result of a login.
#[derive(Debug)]
pub enum LoginResult {
    Token {
        token: Token,
        /// It was reported as rejected, was returned again, and is served again.
        was_returned: bool,
    },
    Failure {
        error: Error,
        /// The fingerprint of the token that was returned although it was reported as rejected.
        same_token: Option<String>,
        /// A token that callers may still use.
        usable: Option<Token>,
    },
}

impl CacheSnapshot {
    /// Takes in the result of a login. `None`: the token was reported as rejected after the login had started, so the
    /// response may be older than the report: log in again, once.
    ///
    /// If a login returns a token that the user's code reported, it fails, and the failure is remembered like a
    /// refusal. If the next login after that time returns the token again, then the session is alive for Salesforce
    /// and the report had another reason: the token is served again. Each time that this happens in a row, the
    /// failure holds longer.
    ///
    /// A token that an adapter reported is served again at once: the call that was refused notices that it is the
    /// same and fails, and the client's other calls are not affected.
    pub fn after_login(
        &self,
        result: Result<Arc<CachedToken>, Error>,
        circumstances: &LoginContext<'_>,
    ) -> Option<AfterLogin> {
        let LoginContext {
            generation,
            overtaken,
            now,
            lifetimes,
            failures,
            random,
        } = *circumstances;
        let cached = match result {
            Ok(cached) => cached,
            Err(error) => {
                let next = self.failed(error.clone(), now, failures, random);
                return Some(failure(next, error, None, now));
            }
        };
        let token = Token::of(&cached);
        let fingerprint = token.fingerprint();
        if !self.is_rejected(fingerprint) {
            return Some(success(
                self.new_token(cached, now, lifetimes),
                token,
                false,
            ));
        }
        if self.generation != generation && !overtaken {
            return None;
        }
        let was_returned_once = self.was_returned_once(fingerprint);
        if was_returned_once || self.is_rejected_for_a_call(fingerprint) {
            let next = self.accept_reissued(cached, now, lifetimes, random);
            return Some(success(next, token, !was_returned_once));
        }
        let error = same_token_returned(fingerprint);
        let next = self.reject_returned(fingerprint, error.clone(), now, failures, random);
        Some(failure(next, error, Some(fingerprint.to_owned()), now))
    }

    /// After a login that brought a usable token. If the token before it lived until its refresh was due without a
    /// rejection, the learned lifetime rises.
    #[must_use]
    pub(super) fn new_token(
        &self,
        cached: Arc<CachedToken>,
        now: Moment,
        settings: &LifetimeSettings,
    ) -> Self {
        let survived = self
            .cached
            .as_ref()
            // Past its estimated end it was not used, which proves nothing.
            .is_some_and(|old| {
                old.is_estimated()
                    && (old.windows.refresh_due..old.windows.ends).contains(&old.age(now))
            });
        let learned = if survived {
            self.learned.survived(policy::estimate(settings).length)
        } else {
            self.learned
        };
        let memory = Memory {
            failure: None,
            returned_token: None,
            accepted_reissues: 0,
            learned,
            ..self.memory()
        };
        Self::new(Some(cached), memory)
    }

    /// After a login that returned a token which was reported as rejected, and which is served again.
    #[must_use]
    fn accept_reissued(
        &self,
        cached: Arc<CachedToken>,
        now: Moment,
        settings: &LifetimeSettings,
        random: f64,
    ) -> Self {
        let fingerprint = cached.parts.fingerprint().to_owned();
        let was_returned_once = self.was_returned_once(&fingerprint);
        let new_token = self.new_token(cached, now, settings);
        let mut memory = new_token.memory();
        memory.rejected.retain(|one| one.fingerprint != fingerprint);
        if was_returned_once {
            memory.accepted_reissues = self.accepted_reissues.saturating_add(1);
            // The login before this one was the renewal.
            memory.renewals = memory.renewals.counted(&fingerprint, now, random);
        }
        new_token.remembering(memory)
    }

    /// After a login that returned a token which was reported as rejected, and which is not served.
    #[must_use]
    fn reject_returned(
        &self,
        fingerprint: &str,
        error: Error,
        now: Moment,
        settings: &FailureSettings,
        random: f64,
    ) -> Self {
        let failed = self.failed_at_least(self.accepted_reissues, error, now, settings, random);
        failed.remembering(Memory {
            returned_token: Some(fingerprint.to_owned()),
            ..failed.memory()
        })
    }

    /// After a login that failed. A token that still works stays.
    #[must_use]
    pub(super) fn failed(
        &self,
        error: Error,
        now: Moment,
        settings: &FailureSettings,
        random: f64,
    ) -> Self {
        self.failed_at_least(0, error, now, settings, random)
    }

    /// The same, with the back-off of at least so many failures before this one.
    fn failed_at_least(
        &self,
        least: u32,
        error: Error,
        now: Moment,
        settings: &FailureSettings,
        random: f64,
    ) -> Self {
        let class = FailureClass::of(&error);
        let repeats = self
            .failure
            .as_ref()
            .filter(|earlier| earlier.class == class)
            .map_or(0, |earlier| earlier.repeats.saturating_add(1))
            .max(least);
        let holds = policy::hold(class, repeats, error.retry_after(), settings, random);
        let error = if class == FailureClass::LoginRate {
            // Salesforce does not say how long; the remembered failure does.
            error.with_retry_after(Some(Duration::from_millis(holds)))
        } else {
            error
        };
        let failure = Some(FailureMemory {
            error,
            class,
            repeats,
            at: now,
            holds,
        });
        self.remembering(Memory {
            failure,
            ..self.memory()
        })
    }
}

fn success(next: CacheSnapshot, token: Token, was_returned: bool) -> AfterLogin {
    AfterLogin {
        next,
        outcome: LoginResult::Token {
            token,
            was_returned,
        },
    }
}

fn failure(
    next: CacheSnapshot,
    error: Error,
    same_token: Option<String>,
    now: Moment,
) -> AfterLogin {
    // The memory may have added how long the failure holds.
    let remembered = next.failure.as_ref().map(|failure| failure.error.clone());
    let outcome = LoginResult::Failure {
        error: remembered.unwrap_or(error),
        same_token,
        usable: next.classify(now).token(),
    };
    AfterLogin { next, outcome }
}

/// The error for a login that returned a token which was reported as rejected.
pub fn same_token_returned(fingerprint: &str) -> Error {
    Error::new(
        ErrorCode::SameTokenReturned,
        format!("Salesforce returned the very token that was reported as rejected (fingerprint {fingerprint})"),
    )
    .with_help("For Salesforce the session is alive, so the API refused the call for another reason: look at the API's response\n(scopes of the app, permissions of the Run-As user, IP restrictions). The token is not used while this failure holds;
if the next login returns it once more, it is used again. `reset()` ends the wait.")
}
