//! API calls: through the adapter, and with an HTTP client of this crate for threads.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use forcegrant::calls::{Action, ApiCall, CLASSIFIED_BYTES, CallError, CallResponse, ClientExt};
use forcegrant::reqwest::{self, Body, Method, Response, header::AUTHORIZATION};
use forcegrant::{ApiResponse, Client, Error, ResponseClass, blocking};
use forcegrant_emulator::Emulator;
use http_body::Frame;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::runtime::Runtime;

use crate::scenario::{CallBody, CallRequest};

/// The HTTP client and the runtime of API calls.
pub struct CallContext {
    pub(crate) runtime: Runtime,
    /// Connects to the emulator through its proxy, for every host.
    http: reqwest::Client,
}

/// A response with its whole body.
pub struct ReadResponse {
    pub(crate) status: u16,
    pub(crate) response_class: ResponseClass,
    pub(crate) body: String,
}

/// Why a call has no response.
#[derive(Debug)]
pub enum CallFailure {
    /// An error of this project.
    Token(Error),
    /// An error of the HTTP client.
    Http(reqwest::Error),
}

impl CallContext {
    pub(crate) fn of(emulator: &Emulator) -> Self {
        let certificate = CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes());
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(certificate.expect("the emulator's CA is PEM"))
            .expect("the emulator's CA is a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the usual protocols")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let proxy = format!("http://{}", emulator.proxy_addr());
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .proxy(reqwest::Proxy::all(proxy).expect("an address is a proxy"))
            .build()
            .expect("the HTTP client can be built");
        // The calling thread may block, so these threads drive the calls.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        Self { runtime, http }
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => write!(f, "{}: {error}", error.code()),
            Self::Http(error) => write!(f, "the call failed: {error:?}"),
        }
    }
}

impl From<Error> for CallFailure {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

impl From<reqwest::Error> for CallFailure {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error)
    }
}

/// `Client::request`.
pub(crate) async fn by_adapter(
    client: &Client,
    request: &CallRequest,
) -> Result<ReadResponse, CallFailure> {
    let mut call = client.request(method(request), target(request));
    for (name, value) in &request.headers {
        call = call.header(name, value);
    }
    if let Some(body) = body(request) {
        call = call.body(body);
    }
    match call.send().await {
        Ok(response) => Ok(read(response).await?),
        Err(CallError::Token(error)) => Err(CallFailure::Token(error)),
        Err(CallError::Http(error)) => Err(CallFailure::Http(error)),
        Err(other) => unreachable!("{other}"),
    }
}

/// The steps that the documentation of `forcegrant::calls` gives for other HTTP clients.
pub(crate) fn by_hand(
    client: &blocking::Client,
    web: &CallContext,
    request: &CallRequest,
) -> Result<ReadResponse, CallFailure> {
    let own = request
        .headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("authorization"));
    let mut call = ApiCall::new(method(request).as_str());
    loop {
        let token = client.token()?;
        let resolved = call.prepare(client.as_async(), &token, &target(request))?;
        let (url, carries) = (resolved.url, !own && resolved.carries_token);
        let mut sent = web.http.request(method(request), &url);
        for (name, value) in &request.headers {
            sent = sent.header(name, value);
        }
        if let Some(body) = body(request) {
            sent = sent.body(body);
        }
        if carries {
            sent = sent.header(AUTHORIZATION, token.authorization());
        }
        let response = web.runtime.block_on(sent.send())?;
        let elsewhere = !same_origin(response.url(), &url);
        let (retry_after, limit_info) = (
            header(&response, "retry-after"),
            header(&response, "sforce-limit-info"),
        );
        let complete = web.runtime.block_on(read(response))?;
        if !carries || elsewhere {
            return Ok(complete);
        }
        let response = CallResponse {
            access_token: token.access_token(),
            url: &url,
            replayable: !matches!(request.body, Some(CallBody::Stream(_))),
            response: ApiResponse {
                status: complete.status,
                body: &complete.body.as_bytes()[..complete.body.len().min(CLASSIFIED_BYTES)],
                retry_after: retry_after.as_deref(),
                limit_info: limit_info.as_deref(),
            },
        };
        match call.handle_response(client.as_async(), &response) {
            Action::Deliver => return Ok(complete),
            Action::Fail(error) => return Err(error.into()),
            Action::Resend(pause) => std::thread::sleep(pause),
        }
    }
}

async fn read(response: Response) -> Result<ReadResponse, reqwest::Error> {
    let status = response.status().as_u16();
    let body = response.text().await?;
    let response = ApiResponse {
        status,
        body: body.as_bytes(),
        ..ApiResponse::default()
    };
    let response_class = response.class();
    Ok(ReadResponse {
        status,
        response_class,
        body,
    })
}

fn method(request: &CallRequest) -> Method {
    let name = request.method.as_deref().unwrap_or("GET");
    name.parse().expect("the schema knows the methods")
}

fn target(request: &CallRequest) -> String {
    let target = request.url.as_ref().or(request.path.as_ref());
    target.expect("the schema asks for one of them").clone()
}

fn body(request: &CallRequest) -> Option<Body> {
    Some(match request.body.as_ref()? {
        CallBody::Bytes(text) => Body::from(text.clone()),
        CallBody::Stream(text) => Body::wrap(OnceOnly(Some(Bytes::from(text.clone())))),
    })
}

fn header(response: &Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?;
    value.to_str().ok().map(str::to_owned)
}

fn same_origin(url: &reqwest::Url, other: &str) -> bool {
    reqwest::Url::parse(other).is_ok_and(|other| other.origin() == url.origin())
}

/// A body that can be read only once.
struct OnceOnly(Option<Bytes>);

impl http_body::Body for OnceOnly {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }
}
