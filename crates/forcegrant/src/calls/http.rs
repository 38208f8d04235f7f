//! API calls through reqwest: this client's own, or the user's.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Request, Response, ResponseBuilderExt, Url};
use serde::Serialize;

use crate::calls::CallSettings;
use crate::calls::attempt::{CallError, Driver};
use crate::calls::peek::Peeked;
use crate::client::Client;
use forcegrant_proto::calls::api_call::body_counts;
use forcegrant_proto::error::{Error, invalid_option};

impl Client {
    /// An API call: a path on the token's instance, or a whole URL. Nothing is sent before
    /// [`Call::send`].
    ///
    /// It goes through an HTTP client of this client's own, made at the first call with the options
    /// `roots`, `proxy`, `resolve` and `connect_timeout`; connections are kept. Bring your own with
    /// [`Client::request_with`].
    ///
    /// ```no_run
    /// # async fn example(sf: forcegrant::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use forcegrant::reqwest::Method;
    /// let answer = sf.request(Method::GET, "/services/data/v67.0/limits").send().await?;
    /// println!("{} {}", answer.status(), answer.text().await?);
    /// # Ok(()) }
    /// ```
    pub fn request(&self, method: Method, path_or_url: impl Into<String>) -> Call {
        Call::new(self.clone(), None, method, path_or_url.into())
    }

    /// The same as [`Client::request`] through the user's HTTP client. It may follow redirects:
    /// reqwest leaves the token behind at one to another origin.
    pub fn request_with(
        &self,
        http: &reqwest::Client,
        method: Method,
        path_or_url: impl Into<String>,
    ) -> Call {
        Call::new(self.clone(), Some(http.clone()), method, path_or_url.into())
    }

    /// Sends a request that was built elsewhere, as [`Call::send`] does.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn execute(
        &self,
        http: &reqwest::Client,
        request: Request,
    ) -> Result<Response, CallError<reqwest::Error>> {
        let target = request.url().as_str().to_owned();
        run(self, &target, request, &mut Direct(http)).await
    }
}

/// An API call in the making.
#[must_use = "nothing is sent before `send`"]
pub struct Call {
    client: Client,
    http: Option<reqwest::Client>,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Option<Body>,
    timeout: Option<Duration>,
    /// The first thing that was wrong.
    wrong: Option<Error>,
}

impl Call {
    fn new(client: Client, http: Option<reqwest::Client>, method: Method, target: String) -> Self {
        Self {
            client,
            http,
            method,
            target,
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
            (Err(_), _) => self.wrong("header", "its name can not be sent"),
            (_, Err(_)) => self.wrong("header", "its value can not be sent"),
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
            let bare = self.target.split('#').next().unwrap_or_default();
            let mark = if bare.contains('?') { '&' } else { '?' };
            self.target = format!("{bare}{mark}{query}");
        }
        self
    }

    /// The body. Text and bytes can be sent twice; a stream can not.
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

    /// Time for each request of the call, from connecting to the end of the body. Default: none
    /// beside the HTTP client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the call with the token.
    ///
    /// The token goes only where [`Client::is_allowed_for`] says. When the answer says that the session is
    /// dead, the token is dropped and the request sent once more with a new one, to the instance
    /// where that one belongs; but not after a 403. Dropping the future ends the call; a login that it
    /// waits for goes on for others.
    ///
    /// # Errors
    /// [`CallError::Token`] with what a login ends in, or `request_not_replayable` (the body is a
    /// stream that has been read), `same_token_returned`, `fresh_token_refused`; `invalid_option` for
    /// an address, header or value that can not be sent. [`CallError::Http`] with reqwest's own.
    pub async fn send(self) -> Result<Response, CallError<reqwest::Error>> {
        if let Some(wrong) = self.wrong {
            return Err(wrong.into());
        }
        let http = match self.http {
            Some(http) => http,
            None => self.settings().http()?,
        };
        // The address is set when there is a token.
        let mut request = Request::new(self.method, placeholder());
        *request.headers_mut() = self.headers;
        *request.body_mut() = self.body;
        *request.timeout_mut() = self.timeout;
        run(&self.client, &self.target, request, &mut Direct(&http)).await
    }

    pub(crate) fn settings(&self) -> &CallSettings {
        &self.client.engine.profile.calls
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

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("client", &self.client)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// What sends one request.
pub(crate) trait Sender {
    type Error;

    fn send(
        &mut self,
        request: Request,
    ) -> impl Future<Output = Result<Response, Self::Error>> + Send;
}

struct Direct<'a>(&'a reqwest::Client);

impl Sender for Direct<'_> {
    type Error = reqwest::Error;

    async fn send(&mut self, request: Request) -> Result<Response, reqwest::Error> {
        self.0.execute(request).await
    }
}

/// A call from its first request to the answer that is handed out.
pub(crate) async fn run<S: Sender + Send>(
    client: &Client,
    target: &str,
    request: Request,
    sender: &mut S,
) -> Result<Response, CallError<S::Error>> {
    let mut driver = Driver::new(client, request.method().as_str());
    let mut request = request;
    if request.headers().contains_key(AUTHORIZATION) {
        // The caller's own: nothing of ours goes along, and nothing is ours to renew.
        *request.url_mut() = match Url::parse(target) {
            Ok(url) => url,
            Err(_) => driver.attempt(target).await?.address()?,
        };
        return sender.send(request).await.map_err(CallError::Http);
    }
    loop {
        let attempt = driver.attempt(target).await?;
        let spare = request.try_clone();
        let url: Url = attempt.address()?;
        *request.url_mut() = url.clone();
        if attempt.carries_token {
            request
                .headers_mut()
                .insert(AUTHORIZATION, attempt.bearer()?);
        }
        let response = sender.send(request).await.map_err(CallError::Http)?;
        // Another origin, after a redirect, says nothing about the token.
        if !attempt.carries_token
            || (*response.url() != url && response.url().origin() != url.origin())
        {
            return Ok(response);
        }
        let (response, beginning) = beginning(response).await;
        let (status, headers) = (response.status(), response.headers());
        let Some(resend) = driver.handle_response(&attempt, status, headers, &beginning, spare)?
        else {
            return Ok(response);
        };
        drop(response);
        request = resend.request().await;
    }
}

/// The first bytes of a body that stays readable, where they count.
async fn beginning(response: Response) -> (Response, Vec<u8>) {
    if !body_counts(response.status().as_u16()) {
        return (response, Vec::new());
    }
    let marked = http::Response::builder().url(response.url().clone());
    let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
    if let Ok(marked) = marked.body(()) {
        parts.extensions.extend(marked.into_parts().0.extensions);
    }
    let (peeked, beginning) = Peeked::at(parts.status, body).await;
    let body = Body::wrap(peeked);
    (http::Response::from_parts(parts, body).into(), beginning)
}

fn placeholder() -> Url {
    Url::parse("https://localhost").unwrap_or_else(|_| unreachable!("a constant"))
}
