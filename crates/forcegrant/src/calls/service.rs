//! The layer for tower: API calls through any service that sends `http::Request`.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::calls::attempt::{CallError, Driver};
use crate::calls::peek::Peeked;
use crate::client::Client;

/// How a body is got a second time.
pub trait Replay<B>: Clone {
    /// The same body once more; `None` if it can be sent only once.
    fn copy(&self, body: &B) -> Option<B>;
}

/// Bodies that can be cloned, such as `http_body_util::Full<Bytes>`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cloned;

/// Bodies that are streams: a call that meets a dead session ends in `request_not_replayable`, and
/// none is repeated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Once;

impl<B: Clone> Replay<B> for Cloned {
    fn copy(&self, body: &B) -> Option<B> {
        Some(body.clone())
    }
}

impl<B> Replay<B> for Once {
    fn copy(&self, _: &B) -> Option<B> {
        None
    }
}

/// Sends the client's token along and renews it, around a service.
///
/// A request whose URI is a path goes to the token's instance. Redirects belong outside of it, so that
/// each hop is looked at. A pause between two attempts needs tokio's timer.
#[derive(Clone, Debug)]
pub struct AuthenticationLayer<R = Cloned> {
    client: Client,
    replay: R,
}

impl AuthenticationLayer {
    /// For calls in this client's name, with bodies that can be cloned.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self::with_replay(client, Cloned)
    }
}

impl<R> AuthenticationLayer<R> {
    /// The same for other bodies: [`Once`], or what knows how to get them a second time.
    #[must_use]
    pub fn with_replay(client: Client, replay: R) -> Self {
        Self { client, replay }
    }
}

impl<S, R: Clone> Layer<S> for AuthenticationLayer<R> {
    type Service = Authenticated<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticated {
            inner,
            client: self.client.clone(),
            replay: self.replay.clone(),
        }
    }
}

/// The service that [`AuthenticationLayer`] makes.
#[derive(Clone, Debug)]
pub struct Authenticated<S, R = Cloned> {
    inner: S,
    client: Client,
    replay: R,
}

impl<S, R, B, O> Service<Request<B>> for Authenticated<S, R>
where
    S: Service<Request<B>, Response = Response<O>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    R: Replay<B> + Send + Sync + 'static,
    B: Send + 'static,
    O: Body<Data = Bytes> + Send + 'static,
    O::Error: Send,
{
    type Response = Response<Peeked<O>>;
    type Error = CallError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(CallError::Http)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes along, a clone stays.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(run(
            inner,
            self.client.clone(),
            self.replay.clone(),
            request,
        ))
    }
}

/// `inner` is ready for the first request.
async fn run<S, R, B, O>(
    mut inner: S,
    client: Client,
    replay: R,
    request: Request<B>,
) -> Result<Response<Peeked<O>>, CallError<S::Error>>
where
    S: Service<Request<B>, Response = Response<O>>,
    R: Replay<B>,
    O: Body<Data = Bytes>,
{
    let mut driver = Driver::new(&client, request.method().as_str());
    let target = request.uri().to_string();
    let mut request = request;
    if request.headers().contains_key(AUTHORIZATION) {
        // The caller's own: nothing of ours goes along, and nothing is ours to renew.
        if request.uri().authority().is_none() {
            *request.uri_mut() = driver.attempt(&target).await?.address()?;
        }
        let response = inner.call(request).await.map_err(CallError::Http)?;
        return Ok(response.map(Peeked::whole));
    }
    loop {
        let attempt = driver.attempt(&target).await?;
        let spare = copy(&request, &replay);
        *request.uri_mut() = attempt.address()?;
        if attempt.carries_token {
            request
                .headers_mut()
                .insert(AUTHORIZATION, attempt.bearer()?);
        }
        let response = inner.call(request).await.map_err(CallError::Http)?;
        if !attempt.carries_token {
            return Ok(response.map(Peeked::whole));
        }
        let (head, body) = response.into_parts();
        let (body, beginning) = Peeked::at(head.status, body).await;
        let resend =
            driver.handle_response(&attempt, head.status, &head.headers, &beginning, spare)?;
        let Some(resend) = resend else {
            return Ok(Response::from_parts(head, body));
        };
        drop(body);
        request = resend.request().await;
        poll_fn(|context| inner.poll_ready(context))
            .await
            .map_err(CallError::Http)?;
    }
}

fn copy<B, R: Replay<B>>(request: &Request<B>, replay: &R) -> Option<Request<B>> {
    let mut copy = Request::new(replay.copy(request.body())?);
    *copy.method_mut() = request.method().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}
