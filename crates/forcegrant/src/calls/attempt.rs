//! What the adapters in Rust have in common: they drive an [`ApiCall`] and move bytes.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};

use crate::client::Client;
use forcegrant_proto::calls::api_call::{Action, ApiCall, CallResponse};
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::response_class::ApiResponse;
use forcegrant_proto::token::Token;

/// One call and whose it is.
pub(crate) struct Driver {
    client: Client,
    call: ApiCall,
}

/// One request of it.
pub(crate) struct Attempt {
    pub(crate) token: Token,
    pub(crate) url: String,
    /// Whether the token may go along.
    pub(crate) carries_token: bool,
}

/// A request that is sent again.
pub(crate) struct Resend<Q> {
    request: Q,
    pause: Duration,
}

impl Driver {
    pub(crate) fn new(client: &Client, method: &str) -> Self {
        Self {
            client: client.clone(),
            call: ApiCall::new(method),
        }
    }

    /// The next request: its token and where it goes.
    pub(crate) async fn attempt(&mut self, target: &str) -> Result<Attempt, Error> {
        let token = self.client.token().await?;
        let resolved = self.call.prepare(&self.client, &token, target)?;
        Ok(Attempt {
            token,
            url: resolved.url,
            carries_token: resolved.carries_token,
        })
    }

    /// Takes in the response to a request that carried the token of this attempt; `spare` is the
    /// request once more, if it can be had. `None`: the response is handed out.
    pub(crate) fn handle_response<Q>(
        &mut self,
        attempt: &Attempt,
        status: StatusCode,
        headers: &HeaderMap,
        beginning: &[u8],
        spare: Option<Q>,
    ) -> Result<Option<Resend<Q>>, Error> {
        let header = |name| headers.get(name)?.to_str().ok();
        let response = CallResponse {
            access_token: attempt.token.access_token(),
            url: &attempt.url,
            replayable: spare.is_some(),
            response: ApiResponse {
                status: status.as_u16(),
                body: beginning,
                retry_after: header("retry-after"),
                limit_info: header("sforce-limit-info"),
            },
        };
        match self.call.handle_response(&self.client, &response) {
            Action::Deliver => Ok(None),
            Action::Fail(error) => Err(error),
            // Without a spare nothing is sent again, and the call says so.
            Action::Resend(pause) => Ok(spare.map(|request| Resend { request, pause })),
        }
    }
}

impl Attempt {
    /// Where it goes, as the HTTP client's own type.
    pub(crate) fn address<U: FromStr>(&self) -> Result<U, Error> {
        self.url
            .parse()
            .map_err(|_| unsendable("the URL of the call"))
    }

    /// The header that brings the token.
    pub(crate) fn bearer(&self) -> Result<HeaderValue, Error> {
        let mut value = HeaderValue::from_str(self.token.authorization())
            .map_err(|_| unsendable("the token"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl<Q> Resend<Q> {
    /// The request, when its time has come. Drop the response before, so that its connection is free.
    pub(crate) async fn request(self) -> Q {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        self.request
    }
}

fn unsendable(what: &str) -> Error {
    Error::new(ErrorCode::Internal, format!("{what} cannot be sent"))
}

/// Why a call through an adapter failed: the token's side of it, or the HTTP client's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E> {
    /// There is no token, or the call ended because of it: `request_not_replayable`,
    /// `fresh_token_refused`, `same_token_returned` and whatever a login ends in.
    #[error(transparent)]
    Token(#[from] Error),
    /// The HTTP client's own error.
    #[error(transparent)]
    Http(E),
}
