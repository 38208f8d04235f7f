//! The layer for tower: API calls through any service that sends `http::Request`.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::calls::exchange::{CallError, Exchange, Leg, Step};
use crate::calls::peek::Peeked;
use crate::calls::replay::{ENOUGH, body_counts};
use crate::client::Client;
use crate::error::{Code, Error};
use crate::verdict::ApiAnswer;

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
    let mut exchange = Exchange::new(&client, request.method().as_str());
    let target = request.uri().to_string();
    let mut request = request;
    if request.headers().contains_key(AUTHORIZATION) {
        // The caller's own: nothing of ours goes along, and nothing is ours to renew.
        if request.uri().authority().is_none() {
            *request.uri_mut() = address(&exchange.prepare(&target).await?)?;
        }
        let response = inner.call(request).await.map_err(CallError::Http)?;
        return Ok(response.map(Peeked::whole));
    }
    loop {
        let leg = exchange.prepare(&target).await?;
        let spare = copy(&request, &replay);
        *request.uri_mut() = address(&leg)?;
        if leg.carries {
            request.headers_mut().insert(AUTHORIZATION, bearer(&leg)?);
        }
        let response = inner.call(request).await.map_err(CallError::Http)?;
        if !leg.carries {
            return Ok(response.map(Peeked::whole));
        }
        let (response, beginning) = beginning(response).await;
        let answer = ApiAnswer {
            status: response.status().as_u16(),
            body: &beginning,
            retry_after: header(&response, "retry-after"),
            limit_info: header(&response, "sforce-limit-info"),
        };
        match (
            exchange.answered(&leg.token, answer, spare.is_some()),
            spare,
        ) {
            (Step::Again(pause), Some(spare)) => {
                drop(response);
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                poll_fn(|context| inner.poll_ready(context))
                    .await
                    .map_err(CallError::Http)?;
                request = spare;
            }
            (Step::Fail(error), _) => return Err(error.into()),
            (Step::Deliver | Step::Again(_), _) => return Ok(response),
        }
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

async fn beginning<O: Body<Data = Bytes>>(response: Response<O>) -> (Response<Peeked<O>>, Vec<u8>) {
    if !body_counts(response.status().as_u16()) {
        return (response.map(Peeked::whole), Vec::new());
    }
    let (parts, body) = response.into_parts();
    let (peeked, beginning) = Peeked::at(body, ENOUGH).await;
    (Response::from_parts(parts, peeked), beginning)
}

fn address(leg: &Leg) -> Result<Uri, Error> {
    leg.url
        .parse()
        .map_err(|_| unsendable("the address of the call"))
}

fn bearer(leg: &Leg) -> Result<HeaderValue, Error> {
    let mut value =
        HeaderValue::from_str(leg.token.authorization()).map_err(|_| unsendable("the token"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unsendable(what: &str) -> Error {
    Error::new(Code::Internal, format!("{what} can not be sent"))
}

fn header<'a, O>(response: &'a Response<O>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}
