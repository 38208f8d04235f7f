//! The effects of one mint: send, decode, pause, try again. All decisions are in `grant`.

use std::time::{Duration, Instant};

use crate::cache::state::{self, Lease};
use crate::client::Inner;
use crate::clock::to_system_time;
use crate::error::Error;
use crate::event::Event;
use crate::grant::response::{Context, Failure, decode};
use crate::grant::{request, retry};
use crate::random;
use crate::token::Grant;

/// What came of a mint.
pub(crate) struct Outcome {
    pub(crate) result: Result<Lease, Error>,
    pub(crate) signature_matches: Option<bool>,
    pub(crate) attempts: u32,
    pub(crate) took: Duration,
}

/// Asks the token endpoint, again where that may help, within the time allowed.
pub(crate) async fn mint(inner: &Inner) -> Outcome {
    let begun = Instant::now();
    let mut attempts = 0;
    loop {
        let started = inner.clock.now();
        attempts += 1;
        let failure = match attempt(inner, begun).await {
            Ok(grant) => {
                let signature_matches = grant.signature_matches;
                let (now, random) = (inner.clock.now(), random::unit());
                return Outcome {
                    result: state::lease(grant, started, now, &inner.lifetimes, random),
                    signature_matches,
                    attempts,
                    took: begun.elapsed(),
                };
            }
            Err(failure) => failure,
        };
        let pause = failure.transient.then(|| {
            let retry_after = failure.error.retry_after();
            retry::pause(
                &inner.retry,
                attempts,
                begun.elapsed(),
                retry_after,
                random::unit(),
            )
        });
        let Some(pause) = pause.flatten() else {
            return Outcome {
                result: Err(failure.error),
                signature_matches: None,
                attempts,
                took: begun.elapsed(),
            };
        };
        inner.emit(&Event::MintRetried {
            error: failure.error,
            attempts,
            pause,
        });
        tokio::time::sleep(pause).await;
    }
}

async fn attempt(inner: &Inner, begun: Instant) -> Result<Grant, Failure> {
    let left = inner.retry.total.saturating_sub(begun.elapsed());
    let request = request::encode(
        inner.endpoint.token_url.as_str(),
        &inner.credentials,
        inner.auth_style,
    );
    let timeout = inner.attempt_timeout.min(left);
    let response = inner.transport.send(&request, timeout).await?;
    let context = Context {
        host: &inner.endpoint.host,
        credentials: &inner.credentials,
        trust: &inner.trust,
        now: to_system_time(inner.clock.now().wall),
    };
    decode(&response, &context)
}
