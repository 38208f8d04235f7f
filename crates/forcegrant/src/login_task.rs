//! One login of a client, from its beginning to the next state: the job of the worker.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::client_inner::ClientInner;
use crate::clock::to_wall;
use crate::login::{LoginOutcome, NewLogin, log_in};
use crate::obtained::Obtained;
use crate::random;
use crate::sharing::{self, LoginRight};
use crate::single_flight::InFlight;
use forcegrant_proto::cache::after_login::{LoginContext, LoginResult};
use forcegrant_proto::error::Error;
use forcegrant_proto::event::Event;
use forcegrant_proto::token::Token;

/// What a login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Callers wait for a token.
    Token,
    /// A usable token is served meanwhile.
    Refresh,
    /// Nobody waits for it yet.
    Prewarm,
    /// Only a login of its own will do.
    Verify,
}

/// Logs in, or takes over the token of another client. A login that was overtaken by a report of a dead token is
/// repeated once, because its response may be older than the report.
pub(crate) async fn run_login(client: Arc<ClientInner>, flight: InFlight<Token>, purpose: Purpose) {
    let mut is_repeated = false;
    let total = client.config.retry.total;
    if client.credentials.follow(&client.label, total).await {
        // Nothing that is known belongs to the org that the connection names now.
        client.reset();
    }
    loop {
        let generation = client.cell.state().generation;
        let (outcome, right) = match sharing::obtain(&client, purpose == Purpose::Verify).await {
            Obtained::OfAnother(result) => (LoginOutcome::of_another(result), LoginRight::Alone),
            Obtained::Right(right) => {
                let background = matches!(purpose, Purpose::Refresh | Purpose::Prewarm);
                client.emit(&Event::login_started(background));
                let login = Box::pin(log_in(&client, &flight, background));
                let outcome = match &right {
                    LoginRight::Store(lease) => Box::pin(lease.renew_while(login)).await,
                    LoginRight::Alone | LoginRight::Process(_) => login.await,
                };
                (outcome, right)
            }
        };
        let counting = right.counting(outcome.responses);
        let new_login = outcome.result.clone().ok();
        let result = take_in(&client, outcome, generation, is_repeated);
        // A token that came too late, or back after a rejection, serves no other client either.
        let serves = |new: &NewLogin| matches!(&result, Some(Ok(token)) if new.is_of(token));
        let failure = result.as_ref().and_then(|result| result.as_ref().err());
        // Before the callers go on: a script that ends with its first token has shared it.
        right
            .publish(&client, new_login.filter(serves), failure)
            .await;
        let Some(result) = result else {
            counting.await;
            is_repeated = true;
            continue;
        };
        flight.complete(&result);
        client.single_flight().lock().clear();
        return counting.await;
    }
}

/// Makes the outcome of a login the next state. `None`: log in again.
fn take_in(
    client: &ClientInner,
    outcome: LoginOutcome,
    generation: u64,
    is_repeated: bool,
) -> Option<Result<Token, Error>> {
    let config = &client.config;
    let result = {
        let single_flight = client.single_flight();
        let _lock = single_flight.lock();
        let context = LoginContext {
            generation,
            overtaken: is_repeated,
            now: config.clock.now(),
            lifetimes: &config.lifetimes,
            failures: &config.failures,
            random: random::unit(),
        };
        let cached = outcome.result.map(|new| new.cached);
        let after_login = client.cell.state().after_login(cached, &context)?;
        client.cell.replace(after_login.next);
        after_login.outcome
    };
    let (attempts, took) = (outcome.attempts, outcome.took);
    match result {
        LoginResult::Token {
            token,
            was_returned,
        } => {
            let fingerprint = || token.fingerprint().to_owned();
            if was_returned {
                client.emit(&Event::same_token_returned(fingerprint()));
            }
            let lifetime = lifetime_left(&token, config.clock.now().wall);
            if outcome.is_of_another {
                client.emit(&Event::token_adopted(
                    fingerprint(),
                    token.expiry(),
                    lifetime,
                ));
                return Some(Ok(token));
            }
            client.logins.fetch_add(1, Ordering::Relaxed);
            if outcome.signature_matches == Some(false) {
                client.emit(&Event::signature_mismatch(fingerprint()));
            }
            client.emit(&Event::login_succeeded(
                fingerprint(),
                token.expiry(),
                lifetime,
                attempts,
                took,
            ));
            Some(Ok(token))
        }
        LoginResult::Failure {
            error,
            same_token,
            usable,
        } => {
            client.failures.fetch_add(1, Ordering::Relaxed);
            if let Some(fingerprint) = same_token {
                client.emit(&Event::same_token_returned(fingerprint));
            }
            client.emit(&Event::login_failed(error.clone(), attempts, took));
            Some(usable.ok_or(error))
        }
    }
}

/// What is left of a token's life, by the wall clock.
fn lifetime_left(token: &Token, wall: i64) -> Duration {
    let left = to_wall(token.expiry().at()).saturating_sub(wall);
    Duration::from_millis(u64::try_from(left).unwrap_or(0))
}
