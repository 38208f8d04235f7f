//! What the end of a mint makes of the state. Pure.

use crate::cache::policy::{FailureSettings, LifetimeSettings};
use crate::cache::state::{Lease, State, same_token_returned};
use crate::clock::Moment;
use crate::error::Error;
use crate::token::Token;

/// Under which circumstances a mint ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    /// The state's generation when the mint started.
    pub(crate) generation: u64,
    /// It is the repetition of a mint that a report overtook.
    pub(crate) overtaken: bool,
    pub(crate) now: Moment,
    pub(crate) lifetimes: &'a LifetimeSettings,
    pub(crate) failures: &'a FailureSettings,
    /// In 0..=1, for the back-off.
    pub(crate) random: f64,
}

/// The next state, and what to tell.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) next: State,
    pub(crate) outcome: Outcome,
}

/// What came of a mint.
#[derive(Debug)]
pub(crate) enum Outcome {
    Token(Token),
    Failure {
        error: Error,
        /// The fingerprint of the token that came back although it was reported as rejected.
        same_token: Option<String>,
        /// The token that callers may go on with all the same.
        usable: Option<Token>,
    },
}

impl State {
    /// Takes in the result of a mint. `None`: it brought the token that was reported as rejected
    /// after the mint had started, so the answer may be older than the report: mint again, once.
    pub(crate) fn landed(
        &self,
        result: Result<Lease, Error>,
        circumstances: &Circumstances<'_>,
    ) -> Option<Landed> {
        let mut same_token = None;
        let error = match result {
            Ok(lease) if self.is_rejected(lease.token.fingerprint()) => {
                if self.generation != circumstances.generation && !circumstances.overtaken {
                    return None;
                }
                let fingerprint = lease.token.fingerprint();
                same_token = Some(fingerprint.to_owned());
                same_token_returned(fingerprint)
            }
            Ok(lease) => {
                let token = lease.token.clone();
                return Some(Landed {
                    next: self.minted(lease, circumstances.now, circumstances.lifetimes),
                    outcome: Outcome::Token(token),
                });
            }
            Err(error) => error,
        };
        let Circumstances {
            now,
            failures,
            random,
            ..
        } = *circumstances;
        let next = self.failed(error, now, failures, random);
        // The memory may have added how long the failure holds.
        let error = next.failure.as_ref()?.error.clone();
        Some(Landed {
            outcome: Outcome::Failure {
                error,
                same_token,
                usable: next.classify(now).token(),
            },
            next,
        })
    }
}
