//! One login of a client, from its beginning to the next state: what the thread of the logins does for
//! a flight.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::cache::landing::{self, Circumstances};
use crate::clock::to_wall;
use crate::engine::Engine;
use crate::error::Error;
use crate::event::Event;
use crate::flight::Flight;
use crate::mint;
use crate::obtain::{self, Obtained};
use crate::random;
use crate::token::Token;

/// What a flight is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Callers wait for a token.
    Token,
    /// A usable token is served meanwhile.
    Refresh,
    /// Nobody waits for it yet.
    Ahead,
    /// Only a login of its own will do.
    Login,
}

/// The job of a flight. A mint that a report of a dead token overtook is repeated once, as its
/// answer may be older than the report.
pub(crate) async fn fly(engine: Arc<Engine>, flight: Flight<Token>, purpose: Purpose) {
    let mut overtaken = false;
    let (result, counting) = loop {
        let generation = engine.slot.state().generation;
        let (outcome, holding) = match obtain::obtain(&engine, purpose == Purpose::Login).await {
            Obtained::Adopted(lease) => (mint::Outcome::of_another(Ok(lease)), None),
            Obtained::Told(error) => (mint::Outcome::of_another(Err(error)), None),
            Obtained::Login(holding) => {
                let background = matches!(purpose, Purpose::Refresh | Purpose::Ahead);
                engine.emit(&Event::MintStarted { background });
                let login = mint::in_turn(&engine, background);
                let outcome = match &holding {
                    Some(holding) => holding.during(login).await,
                    None => login.await,
                };
                (outcome, holding)
            }
        };
        let logins = outcome.answers;
        let brought = outcome.result.as_ref().ok();
        let brought = holding
            .as_ref()
            .zip(brought)
            .map(|(holding, lease)| (Token::of(lease), holding.pack(lease)));
        let settled = settle(&engine, outcome, generation, overtaken);
        let mut counting = None;
        if let Some(holding) = holding {
            counting = Some(holding.counting(logins));
            let packed = brought
                .filter(|(token, _)| serves(token, settled.as_ref()))
                .map(|(_, packed)| packed);
            // Before the callers go on: a script that ends with its first token has shared it.
            let failure = settled.as_ref().and_then(|result| result.as_ref().err());
            holding.hand_over(packed, failure).await;
        }
        if let Some(result) = settled {
            break (result, counting);
        }
        if let Some(counting) = counting {
            counting.await;
        }
        overtaken = true;
    };
    flight.land(&result);
    engine.desk().lock().clear();
    if let Some(counting) = counting {
        counting.await;
    }
}

/// Whether callers get what a login brought: not if it came too late, or back after a rejection.
fn serves(brought: &Token, settled: Option<&Result<Token, Error>>) -> bool {
    matches!(settled, Some(Ok(token)) if token.fingerprint() == brought.fingerprint())
}

/// Makes the outcome of a mint the next state. `None`: mint again.
fn settle(
    engine: &Engine,
    outcome: mint::Outcome,
    generation: u64,
    overtaken: bool,
) -> Option<Result<Token, Error>> {
    let landed = {
        let desk = engine.desk();
        let _lock = desk.lock();
        let state = engine.slot.state();
        let circumstances = Circumstances {
            generation,
            overtaken,
            now: engine.profile.clock.now(),
            lifetimes: &engine.profile.lifetimes,
            failures: &engine.profile.failures,
            random: random::unit(),
        };
        let landed = state.landed(outcome.result, &circumstances)?;
        engine.slot.replace(landed.next);
        landed.outcome
    };
    let (attempts, took) = (outcome.attempts, outcome.took);
    match landed {
        landing::Outcome::Token { token, came_back } => {
            let fingerprint = token.fingerprint().to_owned();
            if came_back {
                let fingerprint = fingerprint.clone();
                engine.emit(&Event::SameTokenReturned { fingerprint });
            }
            let lifetime = left(&token, engine.profile.clock.now().wall);
            if outcome.is_of_another {
                engine.emit(&Event::TokenAdopted {
                    fingerprint,
                    expiry: token.expiry(),
                    lifetime,
                });
                return Some(Ok(token));
            }
            engine.mints.fetch_add(1, Ordering::Relaxed);
            if outcome.signature_matches == Some(false) {
                let fingerprint = fingerprint.clone();
                engine.emit(&Event::SignatureMismatch { fingerprint });
            }
            engine.emit(&Event::MintSucceeded {
                fingerprint,
                expiry: token.expiry(),
                lifetime,
                attempts,
                took,
            });
            Some(Ok(token))
        }
        landing::Outcome::Failure {
            error,
            same_token,
            usable,
        } => {
            engine.failed.fetch_add(1, Ordering::Relaxed);
            if let Some(fingerprint) = same_token {
                engine.emit(&Event::SameTokenReturned { fingerprint });
            }
            engine.emit(&Event::MintFailed {
                error: error.clone(),
                attempts,
                took,
            });
            Some(usable.ok_or(error))
        }
    }
}

/// What is left of a token's life, by the wall clock.
fn left(token: &Token, wall: i64) -> Duration {
    let left = to_wall(token.expiry().at()).saturating_sub(wall);
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}
