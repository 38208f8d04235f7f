//! One call of an adapter: what it is at, and the steps that all adapters take alike.

use std::time::Duration;

use crate::calls::replay::{CallAnswer, Next, renewed};
use crate::client::Client;
use crate::error::Error;
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

/// What the adapter does next.
pub(crate) enum Step {
    Deliver,
    /// Send the request again after a pause, which may be none.
    Again(Duration),
    Fail(Error),
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
        let url = self.client.aim(&token, target)?;
        let carries = self.client.may_carry(&token, &url);
        Ok(Leg {
            token,
            url,
            carries,
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

    /// Takes in the answer to a request that carried this token.
    pub(crate) fn answered(
        &mut self,
        token: &Token,
        answer: ApiAnswer<'_>,
        replayable: bool,
    ) -> Step {
        let call = CallAnswer {
            method: &self.method,
            replayable,
            replayed: self.replayed,
            attempts: self.attempts,
            answer,
        };
        match self.client.judge(token.access_token(), &call) {
            Next::Deliver => Step::Deliver,
            Next::Retry(pause) => Step::Again(pause),
            Next::Fail(error) => Step::Fail(error),
            Next::Replay => {
                self.replayed = true;
                self.refused = Some(token.clone());
                Step::Again(Duration::ZERO)
            }
        }
    }
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
