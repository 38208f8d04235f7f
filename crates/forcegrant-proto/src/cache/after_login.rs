//! How the end of a login changes the state. Pure.

use std::sync::Arc;

use crate::cache::cached_token::CachedToken;
use crate::cache::policy::{FailureSettings, LifetimeSettings};
use crate::cache::state::{CacheSnapshot, same_token_returned};
use crate::error::Error;
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
