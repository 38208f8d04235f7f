//! Salesforce API calls through any tower service that sends `http::Request`: the token goes along, and is renewed when
//! Salesforce says that the session is dead.
//!
//! Use it through the crate `forcegrant` and its feature `tower`, around the service of your HTTP client.

#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use forcegrant_http::CallAttempts;
pub use forcegrant_http::{CallError, PeekedBody};
use forcegrant_proto::calls::client::CallClient;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

/// How the body of a request is copied, in case the request has to be sent again.
pub trait ReplayPolicy<B>: Clone {
    /// The same body once more; `None` if it can be sent only once.
    fn copy(&self, body: &B) -> Option<B>;
}

/// Bodies that can be cloned, such as `http_body_util::Full<Bytes>`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayCloned;

/// Bodies that can be sent only once: no request is sent again, and a call that meets a dead session ends in
/// `request_not_replayable`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayNever;

impl<B: Clone> ReplayPolicy<B> for ReplayCloned {
    fn copy(&self, body: &B) -> Option<B> {
        Some(body.clone())
    }
}

impl<B> ReplayPolicy<B> for ReplayNever {
    fn copy(&self, _: &B) -> Option<B> {
        None
    }
}

/// Sends the client's token along and renews it, around a service.
///
/// A request whose URI is a path goes to the token's instance. Follow redirects outside of
/// it, so that it sees each hop. A pause between two attempts needs tokio's timer.
#[derive(Clone, Debug)]
pub struct AuthenticationLayer<C, R = ReplayCloned> {
    client: C,
    replay: R,
}

impl<C> AuthenticationLayer<C> {
    /// For calls with the tokens of this `forcegrant::Client`, and bodies that can be cloned.
    #[must_use]
    pub fn new(client: C) -> Self {
        Self::with_replay(client, ReplayCloned)
    }
}

impl<C, R> AuthenticationLayer<C, R> {
    /// The same for other bodies: with [`ReplayNever`], or a policy that can copy them.
    #[must_use]
    pub fn with_replay(client: C, replay: R) -> Self {
        Self { client, replay }
    }
}

impl<S, C: Clone, R: Clone> Layer<S> for AuthenticationLayer<C, R> {
    type Service = AuthenticatedService<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthenticatedService {
            inner,
            client: self.client.clone(),
            replay: self.replay.clone(),
        }
    }
}

/// The service that [`AuthenticationLayer`] makes.
#[derive(Clone, Debug)]
pub struct AuthenticatedService<S, C, R = ReplayCloned> {
    inner: S,
    client: C,
    replay: R,
}

impl<S, C, R, B, O> Service<Request<B>> for AuthenticatedService<S, C, R>
where
    C: CallClient,
    S: Service<Request<B>, Response = Response<O>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    R: ReplayPolicy<B> + Send + Sync + 'static,
    B: Send + 'static,
    O: Body<Data = Bytes> + Send + 'static,
    O::Error: Send,
{
    type Response = Response<PeekedBody<O>>;
    type Error = CallError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(CallError::Http)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The future takes the service that is ready, and leaves a clone in its place.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(exchange(
            inner,
            self.client.clone(),
            self.replay.clone(),
            request,
        ))
    }
}

/// Sends the requests of a call until one of their responses goes to the caller; `inner` is ready for the first one.
async fn exchange<S, C, R, B, O>(
    mut inner: S,
    client: C,
    replay: R,
    mut request: Request<B>,
) -> Result<Response<PeekedBody<O>>, CallError<S::Error>>
where
    S: Service<Request<B>, Response = Response<O>>,
    C: CallClient,
    R: ReplayPolicy<B>,
    O: Body<Data = Bytes>,
{
    let mut attempts = CallAttempts::new(&client, request.method().as_str());
    let path_or_url = request.uri().to_string();
    if request.headers().contains_key(AUTHORIZATION) {
        // The caller authenticates the call: the client's token does not go along and is not renewed.
        if request.uri().authority().is_none() {
            *request.uri_mut() = attempts.next(&path_or_url).await?.address()?;
        }
        let response = inner.call(request).await.map_err(CallError::Http)?;
        return Ok(response.map(PeekedBody::whole));
    }
    loop {
        let attempt = attempts.next(&path_or_url).await?;
        let spare = copy(&request, &replay);
        *request.uri_mut() = attempt.address()?;
        if attempt.carries_token() {
            request
                .headers_mut()
                .insert(AUTHORIZATION, attempt.bearer()?);
        }
        let response = inner.call(request).await.map_err(CallError::Http)?;
        if !attempt.carries_token() {
            return Ok(response.map(PeekedBody::whole));
        }
        let (head, body) = response.into_parts();
        let (body, beginning) = PeekedBody::begin(head.status, body).await;
        let resend =
            attempts.handle_response(&attempt, head.status, &head.headers, &beginning, spare)?;
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

fn copy<B, R: ReplayPolicy<B>>(request: &Request<B>, replay: &R) -> Option<Request<B>> {
    let mut copy = Request::new(replay.copy(request.body())?);
    *copy.method_mut() = request.method().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}
