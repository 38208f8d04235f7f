//! A login and one API call, with what happened on the way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forcegrant::{Error, Event, Token, blocking, ffi};

use crate::console::Console;
use crate::login_setup::LoginSetup;
use crate::problem::Problem;

/// How far it went.
pub(crate) enum VerifyOutcome {
    /// The login failed.
    NoToken(Error),
    /// A token, but the API call failed. Without the token if it has ended in the meantime.
    NoApi(Option<Token>, Error),
    /// Everything works. With the API requests used and allowed in 24 hours, if the API said so.
    Works(Token, Option<(u64, u64)>),
}

/// What the events of a login said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// Attempts that failed and were followed by another.
    pub(crate) retried: Vec<(Error, Duration)>,
    /// Attempts and time of the login that returned a token.
    pub(crate) succeeded: Option<(u32, Duration)>,
    pub(crate) signature_mismatch: bool,
}

/// Logs in and calls the API once. The token is hidden from the console.
pub(crate) fn verify(
    setup: &LoginSetup<'_>,
    console: &mut Console<'_>,
) -> Result<(VerifyOutcome, Trace), Problem> {
    let trace = Arc::new(Mutex::new(Trace::default()));
    let listener = Arc::clone(&trace);
    let client = setup.client(|builder| {
        ffi::on_event(builder, move |event| {
            listener
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(event);
        })
    })?;
    let client = blocking::Client::from(client);
    let verified = client.verify();
    let trace = trace.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let outcome = match verified {
        Ok(verified) => VerifyOutcome::Works(verified.token, verified.api_usage),
        Err(error) if trace.succeeded.is_some() => VerifyOutcome::NoApi(client.cached(), error),
        Err(error) => VerifyOutcome::NoToken(error),
    };
    if let VerifyOutcome::Works(token, _) | VerifyOutcome::NoApi(Some(token), _) = &outcome {
        console.hide(token.access_token());
    }
    Ok((outcome, trace))
}

impl Trace {
    fn take(&mut self, event: &Event) {
        match event {
            Event::LoginRetried { error, pause, .. } => self.retried.push((error.clone(), *pause)),
            Event::LoginSucceeded { attempts, took, .. } => {
                self.succeeded = Some((*attempts, *took));
            }
            Event::SignatureMismatch { .. } => self.signature_mismatch = true,
            _ => {}
        }
    }
}
