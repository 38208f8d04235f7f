//! An API call that is being built.

use std::fmt;
use std::time::Duration;

use forcegrant_http::CallError;
use forcegrant_proto::error::{Error, invalid_option};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Request, Response, Url};
use serde::Serialize;

use crate::exchange::exchange;
use crate::reqwest_client::ReqwestClient;

/// An API call that is being built.
#[must_use = "nothing is sent before `send`"]
pub struct CallBuilder<C> {
    client: C,
    http: Option<reqwest::Client>,
    method: Method,
    path_or_url: String,
    headers: HeaderMap,
    body: Option<Body>,
    timeout: Option<Duration>,
    /// The first part that cannot be sent.
    wrong: Option<Error>,
}

impl<C> CallBuilder<C> {
    pub(crate) fn new(
        client: C,
        http: Option<reqwest::Client>,
        method: Method,
        path_or_url: String,
    ) -> Self {
        Self {
            client,
            http,
            method,
            path_or_url,
            headers: HeaderMap::new(),
            body: None,
            timeout: None,
            wrong: None,
        }
    }

    /// Adds a header. With an `Authorization` of its own a call is sent as it is.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
                self
            }
            (Err(_), _) => self.wrong("header", "its name cannot be sent"),
            (_, Err(_)) => self.wrong("header", "its value cannot be sent"),
        }
    }

    /// Adds headers.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Adds parameters to the query of the address.
    pub fn query<N: AsRef<str>, V: AsRef<str>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        let query = query.finish();
        if !query.is_empty() {
            let without_fragment = self.path_or_url.split('#').next().unwrap_or_default();
            let mark = if without_fragment.contains('?') {
                '&'
            } else {
                '?'
            };
            self.path_or_url = format!("{without_fragment}{mark}{query}");
        }
        self
    }

    /// The body. Text and bytes can be sent twice, a stream cannot.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// A value as the body, in JSON.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => {
                let named = self.headers.contains_key(CONTENT_TYPE);
                let call = self.body(json);
                if named {
                    call
                } else {
                    call.header(CONTENT_TYPE, "application/json")
                }
            }
            Err(_) => self.wrong("json", "the value has no form in JSON"),
        }
    }

    /// Time for each request of the call, from connecting to the end of the body. Default: that of
    /// the HTTP client.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same through this HTTP client.
    pub(crate) fn through(self, http: reqwest::Client) -> Self {
        let http = Some(http);
        Self { http, ..self }
    }

    fn wrong(mut self, what: &str, problem: &str) -> Self {
        let error = invalid_option(
            what,
            problem,
            "It is part of an API call; nothing was sent.",
        );
        self.wrong.get_or_insert(error);
        self
    }
}

impl<C: ReqwestClient> CallBuilder<C> {
    /// Sends the call with the token.
    ///
    /// The token goes only where `forcegrant::Client::is_allowed_for` says. When the response says that the
    /// session is dead, the token is dropped and the request sent once more with a new one, to the instance
    /// where that one belongs; but not after a 403. Dropping the future ends the call; a login that it
    /// waits for goes on for others.
    ///
    /// # Errors
    /// [`CallError::Token`] with what a login ends in, or `request_not_replayable` (the body is a
    /// stream that has been read), `same_token_returned`, `fresh_token_refused`; `invalid_option` for
    /// an address, header or value that cannot be sent. [`CallError::Http`] with reqwest's own.
    pub async fn send(self) -> Result<Response, CallError<reqwest::Error>> {
        if let Some(wrong) = self.wrong {
            return Err(wrong.into());
        }
        let http = match self.http {
            Some(http) => http,
            None => self.client.http_client()?,
        };
        // Its URL is known when there is a token.
        let mut request = Request::new(self.method, placeholder());
        *request.headers_mut() = self.headers;
        *request.body_mut() = self.body;
        *request.timeout_mut() = self.timeout;
        exchange(&self.client, &self.path_or_url, request, &http).await
    }

    pub(crate) fn client(&self) -> &C {
        &self.client
    }
}

impl<C: fmt::Debug> fmt::Debug for CallBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBuilder")
            .field("client", &self.client)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

fn placeholder() -> Url {
    Url::parse("https://localhost").unwrap_or_else(|_| unreachable!("a constant"))
}
