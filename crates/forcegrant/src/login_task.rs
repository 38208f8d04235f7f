//! One login of a client, from its beginning to the next state: what the thread of the logins does for
//! a flight.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::to_wall;
use crate::engine::Engine;
use crate::login;
use crate::random;
use crate::single_flight::InFlight;
use crate::store_session::{self, Obtained};
use forcegrant_proto::cache::after_login::{self, LoginContext};
use forcegrant_proto::error::Error;
use forcegrant_proto::event::Event;
use forcegrant_proto::token::Token;

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

/// The job of a flight. A login that a report of a dead token overtook is repeated once, as its
/// answer may be older than the report.
pub(crate) async fn run_login(engine: Arc<Engine>, flight: InFlight<Token>, purpose: Purpose) {
    let mut overtaken = false;
    let (result, counting) = loop {
        let generation = engine.slot.state().generation;
        let (outcome, held) = match store_session::obtain(&engine, purpose == Purpose::Login).await
        {
            Obtained::Adopted(cached) => (login::LoginOutcome::of_another(Ok(cached)), None),
            Obtained::Told(error) => (login::LoginOutcome::of_another(Err(error)), None),
            Obtained::Login(held) => {
                let background = matches!(purpose, Purpose::Refresh | Purpose::Ahead);
                engine.emit(&Event::login_started(background));
                let login = login::log_in_when_permitted(&engine, background);
                let outcome = match &held {
                    Some(held) => held.renew_while(login).await,
                    None => login.await,
                };
                (outcome, held)
            }
        };
        let logins = outcome.answers;
        let brought = outcome.result.as_ref().ok();
        let brought = held
            .as_ref()
            .zip(brought)
            .map(|(held, cached)| (Token::of(cached), held.pack(cached)));
        let settled = settle(&engine, outcome, generation, overtaken);
        let mut counting = None;
        if let Some(held) = held {
            counting = Some(held.counting(logins));
            let packed = brought
                .filter(|(token, _)| serves(token, settled.as_ref()))
                .map(|(_, packed)| packed);
            // Before the callers go on: a script that ends with its first token has shared it.
            let failure = settled.as_ref().and_then(|result| result.as_ref().err());
            held.publish(packed, failure).await;
        }
        if let Some(result) = settled {
            break (result, counting);
        }
        if let Some(counting) = counting {
            counting.await;
        }
        overtaken = true;
    };
    flight.complete(&result);
    engine.single_flight().lock().clear();
    if let Some(counting) = counting {
        counting.await;
    }
}

/// Whether callers get what a login brought: not if it came too late, or back after a rejection.
fn serves(brought: &Token, settled: Option<&Result<Token, Error>>) -> bool {
    matches!(settled, Some(Ok(token)) if token.fingerprint() == brought.fingerprint())
}

/// Makes the outcome of a login the next state. `None`: log in again.
fn settle(
    engine: &Engine,
    outcome: login::LoginOutcome,
    generation: u64,
    overtaken: bool,
) -> Option<Result<Token, Error>> {
    let after_login = {
        let single_flight = engine.single_flight();
        let _lock = single_flight.lock();
        let state = engine.slot.state();
        let circumstances = LoginContext {
            generation,
            overtaken,
            now: engine.profile.clock.now(),
            lifetimes: &engine.profile.lifetimes,
            failures: &engine.profile.failures,
            random: random::unit(),
        };
        let after_login = state.after_login(outcome.result, &circumstances)?;
        engine.slot.replace(after_login.next);
        after_login.outcome
    };
    let (attempts, took) = (outcome.attempts, outcome.took);
    match after_login {
        after_login::LoginResult::Token { token, came_back } => {
            let fingerprint = token.fingerprint().to_owned();
            if came_back {
                let fingerprint = fingerprint.clone();
                engine.emit(&Event::same_token_returned(fingerprint));
            }
            let lifetime = left(&token, engine.profile.clock.now().wall);
            if outcome.is_of_another {
                engine.emit(&Event::token_adopted(fingerprint, token.expiry(), lifetime));
                return Some(Ok(token));
            }
            engine.logins.fetch_add(1, Ordering::Relaxed);
            if outcome.signature_matches == Some(false) {
                let fingerprint = fingerprint.clone();
                engine.emit(&Event::signature_mismatch(fingerprint));
            }
            engine.emit(&Event::login_succeeded(
                fingerprint,
                token.expiry(),
                lifetime,
                attempts,
                took,
            ));
            Some(Ok(token))
        }
        after_login::LoginResult::Failure {
            error,
            same_token,
            usable,
        } => {
            engine.failed.fetch_add(1, Ordering::Relaxed);
            if let Some(fingerprint) = same_token {
                engine.emit(&Event::same_token_returned(fingerprint));
            }
            engine.emit(&Event::login_failed(error.clone(), attempts, took));
            Some(usable.ok_or(error))
        }
    }
}

/// What is left of a token's life, by the wall clock.
fn left(token: &Token, wall: i64) -> Duration {
    let left = to_wall(token.expiry().at()).saturating_sub(wall);
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}
