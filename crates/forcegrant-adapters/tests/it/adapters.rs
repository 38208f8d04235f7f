//! One trait for all adapters.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use forcegrant::calls::{
    AuthenticationLayer, AuthenticationMiddleware, CallError, ClientExt, ReplayPolicy,
};
use forcegrant::reqwest::{self, Method};
use forcegrant::{
    Client, Error,
    blocking::{self, ClientExt as _},
};
use forcegrant_adapters::web::{HyperClient, hyper_client, reqwest_client};
use forcegrant_emulator::Emulator;
use http_body::Frame;
use http_body_util::BodyExt;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tower::{Layer, ServiceExt};

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) body: Content,
}

/// The body of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Nothing,
    Whole(&'static str),
    /// Can be read only once.
    Stream(&'static str),
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct ReadResponse {
    pub(crate) status: u16,
    /// `None`: it ended before its length.
    pub(crate) body: Option<Bytes>,
}

pub(crate) enum CallFailure {
    Token(Error),
    /// In words.
    Other(String),
}

impl fmt::Debug for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Other(text) => text.fmt(f),
        }
    }
}

pub(crate) trait Adapter: Clone + Send + Sync + 'static {
    const FOLLOWS_REDIRECTS: bool = true;

    fn new(client: &Client, emulator: &Emulator) -> Self;

    fn call(&self, sent: Sent) -> impl Future<Output = Result<ReadResponse, CallFailure>> + Send;
}

/// `Client::request` through this client's own reqwest.
#[derive(Clone)]
pub(crate) struct OwnReqwest(Client);

impl Adapter for OwnReqwest {
    fn new(client: &Client, _: &Emulator) -> Self {
        Self(client.clone())
    }

    async fn call(&self, sent: Sent) -> Result<ReadResponse, CallFailure> {
        let mut call = self.0.request(sent.method, sent.url);
        if let Some(body) = reqwest_body(sent.body) {
            call = call.body(body);
        }
        read(call.send().await).await
    }
}

/// `blocking::Client::request`, each call in a thread of its own.
#[derive(Clone)]
pub(crate) struct Threads(blocking::Client);

impl Adapter for Threads {
    fn new(client: &Client, _: &Emulator) -> Self {
        Self(client.clone().into())
    }

    async fn call(&self, sent: Sent) -> Result<ReadResponse, CallFailure> {
        let mut call = self.0.request(sent.method, sent.url);
        if let Some(body) = reqwest_body(sent.body) {
            call = call.body(body);
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let response = call.send().map(|response| ReadResponse {
                status: response.status().as_u16(),
                body: response.bytes().ok(),
            });
            // The receiver is gone if the test gave up.
            let _ = sender.send(response);
        });
        let response = receiver.await.expect("the thread sends a response");
        response.map_err(|error| match error {
            CallError::Token(error) => CallFailure::Token(error),
            other => CallFailure::Other(other.to_string()),
        })
    }
}

/// `Client::execute` through the user's reqwest.
#[derive(Clone)]
pub(crate) struct UsersReqwest(Client, reqwest::Client);

impl Adapter for UsersReqwest {
    fn new(client: &Client, emulator: &Emulator) -> Self {
        Self(client.clone(), reqwest_client(emulator))
    }

    async fn call(&self, sent: Sent) -> Result<ReadResponse, CallFailure> {
        let mut request = self.1.request(sent.method, sent.url);
        if let Some(body) = reqwest_body(sent.body) {
            request = request.body(body);
        }
        let request = request.build().expect("the request is right");
        read(self.0.execute(&self.1, request).await).await
    }
}

/// The middleware for `reqwest-middleware`.
#[derive(Clone)]
pub(crate) struct Middleware(ClientWithMiddleware);

impl Adapter for Middleware {
    fn new(client: &Client, emulator: &Emulator) -> Self {
        let http = ClientBuilder::new(reqwest_client(emulator))
            .with(AuthenticationMiddleware::new(client.clone()))
            .build();
        Self(http)
    }

    async fn call(&self, sent: Sent) -> Result<ReadResponse, CallFailure> {
        let mut request = self.0.request(sent.method, sent.url);
        if let Some(body) = reqwest_body(sent.body) {
            request = request.body(body);
        }
        match request.send().await {
            Ok(response) => read(Ok(response)).await,
            Err(reqwest_middleware::Error::Middleware(error)) => match error.downcast::<Error>() {
                Ok(error) => Err(CallFailure::Token(error)),
                Err(other) => Err(CallFailure::Other(other.to_string())),
            },
            Err(other) => Err(CallFailure::Other(other.to_string())),
        }
    }
}

/// The layer for tower, around a hyper client.
#[derive(Clone)]
pub(crate) struct Tower(Client, HyperClient<Either>);

impl Adapter for Tower {
    const FOLLOWS_REDIRECTS: bool = false;

    fn new(client: &Client, emulator: &Emulator) -> Self {
        Self(client.clone(), hyper_client(emulator))
    }

    async fn call(&self, sent: Sent) -> Result<ReadResponse, CallFailure> {
        let layer = AuthenticationLayer::with_replay(self.0.clone(), IfWhole);
        let service = layer.layer(self.1.clone());
        let body = match sent.body {
            Content::Nothing => Either::Whole(None),
            Content::Whole(text) => Either::Whole(Some(Bytes::from(text))),
            Content::Stream(text) => Either::Stream(Some(Bytes::from(text))),
        };
        let request = http::Request::builder()
            .method(sent.method)
            .uri(sent.url)
            .body(body)
            .expect("the request is right");
        match service.oneshot(request).await {
            Ok(response) => {
                let status = response.status().as_u16();
                let body = response.into_body().collect().await;
                let body = body.ok().map(http_body_util::Collected::to_bytes);
                Ok(ReadResponse { status, body })
            }
            Err(CallError::Token(error)) => Err(CallFailure::Token(error)),
            Err(other) => Err(CallFailure::Other(other.to_string())),
        }
    }
}

/// A body that knows whether it can be sent twice.
#[derive(Debug)]
pub(crate) enum Either {
    Whole(Option<Bytes>),
    Stream(Option<Bytes>),
}

#[derive(Clone, Copy, Debug)]
struct IfWhole;

impl ReplayPolicy<Either> for IfWhole {
    fn copy(&self, body: &Either) -> Option<Either> {
        match body {
            Either::Whole(data) => Some(Either::Whole(data.clone())),
            Either::Stream(_) => None,
        }
    }
}

impl http_body::Body for Either {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let (Self::Whole(data) | Self::Stream(data)) = &mut *self;
        Poll::Ready(data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        let (Self::Whole(data) | Self::Stream(data)) = self;
        data.is_none()
    }
}

fn reqwest_body(content: Content) -> Option<reqwest::Body> {
    match content {
        Content::Nothing => None,
        Content::Whole(text) => Some(text.into()),
        Content::Stream(text) => Some(reqwest::Body::wrap(Either::Stream(Some(text.into())))),
    }
}

async fn read(
    sent: Result<reqwest::Response, CallError<reqwest::Error>>,
) -> Result<ReadResponse, CallFailure> {
    match sent {
        Ok(response) => Ok(ReadResponse {
            status: response.status().as_u16(),
            body: response.bytes().await.ok(),
        }),
        Err(CallError::Token(error)) => Err(CallFailure::Token(error)),
        Err(other) => Err(CallFailure::Other(other.to_string())),
    }
}
