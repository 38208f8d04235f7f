//! The requests of one API call, without the HTTP library that sends them.

use std::str::FromStr;
use std::time::Duration;

use forcegrant_proto::calls::api_call::{Action, ApiCall, CallResponse};
use forcegrant_proto::calls::client::CallClient;
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::response_class::ApiResponse;
use forcegrant_proto::token::Token;
use http::{HeaderMap, HeaderValue, StatusCode};

/// The attempts of one API call, with the client whose token they carry.
#[derive(Debug)]
pub struct CallAttempts<C> {
    client: C,
    call: ApiCall,
}

/// One request of a call.
#[derive(Debug)]
pub struct Attempt {
    token: Token,
    url: String,
    carries_token: bool,
}

/// A request that is sent again.
#[derive(Debug)]
pub struct Resend<Q> {
    request: Q,
    pause: Duration,
}

impl<C: CallClient> CallAttempts<C> {
    /// Of a call with this method.
    pub fn new(client: &C, method: &str) -> Self {
        Self {
            client: client.clone(),
            call: ApiCall::new(method),
        }
    }

    /// The next request: its token, for which it may wait, and where it goes.
    ///
    /// # Errors
    /// What a login ends in, and `invalid_option` for an address that is of no use.
    pub async fn next(&mut self, path_or_url: &str) -> Result<Attempt, Error> {
        let token = self.client.token().await?;
        let resolved = self.call.prepare(&self.client, &token, path_or_url)?;
        Ok(Attempt {
            token,
            url: resolved.url,
            carries_token: resolved.carries_token,
        })
    }

    /// Takes in the response to a request that carried the token of this attempt; `spare` is a copy of the request, if
    /// there is one. `None`: the response goes to the caller.
    ///
    /// # Errors
    /// The call ends with it.
    pub fn handle_response<Q>(
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
    /// Whether the token goes along.
    pub fn carries_token(&self) -> bool {
        self.carries_token
    }

    /// Where it goes, as the HTTP library's own type.
    ///
    /// # Errors
    /// The library does not read the URL.
    pub fn address<U: FromStr>(&self) -> Result<U, Error> {
        self.url
            .parse()
            .map_err(|_| unsendable("the URL of the call"))
    }

    /// The value of the header `Authorization` that brings the token.
    ///
    /// # Errors
    /// The token is not made for a header.
    pub fn bearer(&self) -> Result<HeaderValue, Error> {
        let mut value = HeaderValue::from_str(self.token.authorization())
            .map_err(|_| unsendable("the token"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl<Q> Resend<Q> {
    /// The request, after the pause before it. Drop the response first, so that its connection is free.
    pub async fn request(self) -> Q {
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
