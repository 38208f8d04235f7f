//! One call of an adapter: what it is at, and the steps that all adapters take alike.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};

use crate::calls::replay::{CallAnswer, Next, renewed};
use crate::client::Client;
use crate::error::{Code, Error};
use crate::token::Token;
use crate::verdict::ApiAnswer;

/// A call that may take several requests.
pub(crate) struct Exchange {
    client: Client,
    method: String,
    /// Without the replay.
    attempts: u32,
    replayed: bool,
    /// The token that was refused, until there is another.
    refused: Option<Token>,
}

/// One request of it.
pub(crate) struct Leg {
    pub(crate) token: Token,
    pub(crate) url: String,
    /// Whether the token may go along.
    pub(crate) carries: bool,
}

/// A request that is sent again.
pub(crate) struct Again<Q> {
    request: Q,
    pause: Duration,
}

impl Exchange {
    pub(crate) fn new(client: &Client, method: &str) -> Self {
        Self {
            client: client.clone(),
            method: method.to_owned(),
            attempts: 0,
            replayed: false,
            refused: None,
        }
    }

    /// The next request: its token and where it goes.
    pub(crate) async fn prepare(&mut self, target: &str) -> Result<Leg, Error> {
        let token = self.token().await?;
        let resolved = self.client.resolve_url(&token, target)?;
        Ok(Leg {
            token,
            url: resolved.url,
            carries: resolved.carries_token,
        })
    }

    /// A token for the next request, which is counted.
    pub(crate) async fn token(&mut self) -> Result<Token, Error> {
        let token = self.client.token().await?;
        match self.refused.take() {
            Some(refused) => renewed(refused.access_token(), token.access_token())?,
            None => self.attempts += 1,
        }
        Ok(token)
    }

    /// Takes in the answer to a request that carried the token of this leg; `spare` is the request once
    /// more, if it can be had. `None`: the answer is handed out.
    pub(crate) fn answered<Q>(
        &mut self,
        leg: &Leg,
        status: StatusCode,
        headers: &HeaderMap,
        beginning: &[u8],
        spare: Option<Q>,
    ) -> Result<Option<Again<Q>>, Error> {
        let header = |name| headers.get(name)?.to_str().ok();
        let call = CallAnswer {
            method: &self.method,
            replayable: spare.is_some(),
            replayed: self.replayed,
            attempts: self.attempts,
            answer: ApiAnswer {
                status: status.as_u16(),
                body: beginning,
                retry_after: header("retry-after"),
                limit_info: header("sforce-limit-info"),
            },
        };
        let pause = match self.client.judge(leg.token.access_token(), &call) {
            Next::Deliver => return Ok(None),
            Next::Fail(error) => return Err(error),
            Next::Retry(pause) => pause,
            Next::Replay => {
                self.replayed = true;
                self.refused = Some(leg.token.clone());
                Duration::ZERO
            }
        };
        // Without a spare nothing is sent again, and the core says so; should it not, this is safe.
        Ok(spare.map(|request| Again { request, pause }))
    }
}

impl Leg {
    /// Where it goes, as the HTTP client's own type.
    pub(crate) fn address<U: FromStr>(&self) -> Result<U, Error> {
        self.url
            .parse()
            .map_err(|_| unsendable("the address of the call"))
    }

    /// The header that brings the token.
    pub(crate) fn bearer(&self) -> Result<HeaderValue, Error> {
        let mut value = HeaderValue::from_str(self.token.authorization())
            .map_err(|_| unsendable("the token"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl<Q> Again<Q> {
    /// The request, when its time has come. Drop the answer before, so that its connection is free.
    pub(crate) async fn request(self) -> Q {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        self.request
    }
}

fn unsendable(what: &str) -> Error {
    Error::new(Code::Internal, format!("{what} can not be sent"))
}

/// Why a call through an adapter failed: the token's side of it, or the HTTP client's.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError<E> {
    /// There is no token, or the call ended because of it: `request_not_replayable`,
    /// `fresh_token_refused`, `same_token_returned` and whatever a login ends in.
    Token(Error),
    /// The HTTP client's own error.
    Http(E),
}

impl<E> From<Error> for CallError<E> {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

impl<E: std::fmt::Display> std::fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Http(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Token(error) => error.source(),
            Self::Http(error) => error.source(),
        }
    }
}
