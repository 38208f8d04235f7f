//! What the end of a login makes of the state. Pure.

use std::sync::Arc;

use crate::cache::cached_token::CachedToken;
use crate::cache::policy::{FailureSettings, LifetimeSettings};
use crate::cache::state::{State, same_token_returned};
use crate::error::Error;
use crate::moment::Moment;
use crate::token::Token;

/// Under which circumstances a login ended.
#[derive(Clone, Copy, Debug)]
pub struct LoginContext<'a> {
    /// The state's generation when the login started.
    pub generation: u64,
    /// It is the repetition of a login that a report overtook.
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
    pub next: State,
    pub outcome: LoginResult,
}

/// What came of a login.
#[derive(Debug)]
pub enum LoginResult {
    Token {
        token: Token,
        /// It came back although it was reported as rejected, and serves again.
        came_back: bool,
    },
    Failure {
        error: Error,
        /// The fingerprint of the token that came back although it was reported as rejected.
        same_token: Option<String>,
        /// The token that callers may go on with all the same.
        usable: Option<Token>,
    },
}

impl State {
    /// Takes in the result of a login. `None`: it brought the token that was reported as rejected
    /// after the login had started, so the answer may be older than the report: log in again, once.
    ///
    /// A login that brings back a token which the user's code reported fails, and that is remembered
    /// like a refusal. When the next login, after that time, brings it back again, Salesforce has the
    /// last word: for it the session lives, so the report had another reason, and the token serves
    /// again. Each time that happens in a row, the failure holds longer.
    ///
    /// A token that an adapter reported serves again at once: the call that was refused finds that it
    /// is the same and fails, and the client's other calls have no part in that.
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
        let is_insisted_on = self.is_insisted_on(fingerprint);
        if is_insisted_on || self.is_rejected_for_a_call(fingerprint) {
            let next = self.accept_reissued(cached, now, lifetimes, random);
            return Some(success(next, token, !is_insisted_on));
        }
        let error = same_token_returned(fingerprint);
        let next = self.reject_returned(fingerprint, error.clone(), now, failures, random);
        Some(failure(next, error, Some(fingerprint.to_owned()), now))
    }
}

fn success(next: State, token: Token, came_back: bool) -> AfterLogin {
    AfterLogin {
        next,
        outcome: LoginResult::Token { token, came_back },
    }
}

fn failure(next: State, error: Error, same_token: Option<String>, now: Moment) -> AfterLogin {
    // The memory may have added how long the failure holds.
    let remembered = next.failure.as_ref().map(|failure| failure.error.clone());
    let outcome = LoginResult::Failure {
        error: remembered.unwrap_or(error),
        same_token,
        usable: next.classify(now).token(),
    };
    AfterLogin { next, outcome }
}
