//! Credentials for gRPC with tonic, as the Pub/Sub API wants them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use tonic::Status;
use tonic::service::Interceptor;
use tower_layer::Layer;
use tower_service::Service;

use crate::calls::replay_body::ReplayBody;
use crate::client::Client;
use crate::engine::Start;
use forcegrant_proto::cache::state::Report;
use forcegrant_proto::calls::api_call::{renewed, request_not_replayable};
use forcegrant_proto::error::{Error, ErrorKind};
use forcegrant_proto::response_class::{ResponseClass, grpc_response_class};
use forcegrant_proto::token::Token;

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("accesstoken");
const INSTANCE_URL: HeaderName = HeaderName::from_static("instanceurl");
const TENANT_ID: HeaderName = HeaderName::from_static("tenantid");

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Gives each call the metadata `accesstoken`, `instanceurl` and `tenantid`, logs in when there is no
/// token, and renews one that a call was refused for (`UNAUTHENTICATED`): a tower layer around a
/// [`tonic::transport::Channel`](https://docs.rs/tonic/latest/tonic/transport/struct.Channel.html).
///
/// A call that is refused before its answer begins is made once more with a new token, streams too, as
/// long as what went out is not over 1 MiB. A stream that is refused later ends as it does; the token
/// is dropped, and the next call has a new one.
///
/// Failures come as a [`Status`]: a login that is refused as `UNAUTHENTICATED`, one that may succeed
/// later as `UNAVAILABLE`, `DEADLINE_EXCEEDED` or `RESOURCE_EXHAUSTED`, a host that may not see the
/// token as `PERMISSION_DENIED`. The message ends with the error's code.
#[derive(Clone, Debug)]
pub struct GrpcAuthenticationLayer {
    credentials: Credentials,
}

impl GrpcAuthenticationLayer {
    /// For calls in this client's name to this endpoint: the address that the channel was made for,
    /// such as `https://api.pubsub.salesforce.com:7443`. Its host must be named in the option
    /// `trusted_hosts`.
    pub fn new(client: Client, endpoint: impl Into<String>) -> Self {
        let credentials = Credentials::new(client, endpoint.into());
        Self { credentials }
    }
}

impl<S> Layer<S> for GrpcAuthenticationLayer {
    type Service = GrpcAuthenticated<S>;

    fn layer(&self, inner: S) -> GrpcAuthenticated<S> {
        GrpcAuthenticated {
            inner,
            credentials: self.credentials.clone(),
        }
    }
}

/// The service that [`GrpcAuthenticationLayer`] makes.
#[derive(Clone, Debug)]
pub struct GrpcAuthenticated<S> {
    inner: S,
    credentials: Credentials,
}

impl<S, O> Service<Request<tonic::body::Body>> for GrpcAuthenticated<S>
where
    S: Service<Request<tonic::body::Body>, Response = Response<O>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    O: Body<Data = Bytes> + Send + 'static,
    O::Error: Into<BoxError>,
{
    type Response = Response<tonic::body::Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        // The one that is ready goes along, a clone stays.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(run(inner, self.credentials.clone(), request))
    }
}

/// Gives each call the metadata `accesstoken`, `instanceurl` and `tenantid` of the token at hand.
///
/// An interceptor can not wait. When no token is at hand, it starts a login and the call ends as
/// `UNAVAILABLE`: await [`Client::token`] before the call, or use [`GrpcAuthenticationLayer`], which
/// waits. It does not see what comes of a call either: after `UNAUTHENTICATED`, report the token with
/// [`Client::invalidate`].
#[derive(Clone, Debug)]
pub struct GrpcInterceptor {
    credentials: Credentials,
}

impl GrpcInterceptor {
    /// For calls in this client's name to this endpoint, as [`GrpcAuthenticationLayer::new`].
    pub fn new(client: Client, endpoint: impl Into<String>) -> Self {
        let credentials = Credentials::new(client, endpoint.into());
        Self { credentials }
    }
}

impl Interceptor for GrpcInterceptor {
    fn call(&mut self, request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
        let token = self.credentials.at_hand()?;
        let (mut metadata, extensions, message) = request.into_parts();
        let mut headers = std::mem::take(&mut metadata).into_headers();
        self.credentials.attach(&mut headers, &token)?;
        let metadata = tonic::metadata::MetadataMap::from_headers(headers);
        Ok(tonic::Request::from_parts(metadata, extensions, message))
    }
}

/// A client, and where its token is to go.
#[derive(Clone, Debug)]
struct Credentials {
    client: Client,
    endpoint: String,
}

impl Credentials {
    fn new(client: Client, endpoint: String) -> Self {
        Self { client, endpoint }
    }

    fn at_hand(&self) -> Result<Token, Status> {
        match self.client.start() {
            Start::Ready(token) => Ok(token),
            // A failure that still holds is there already.
            Start::Pending(mut pending) => match pending.wait_timeout(Duration::ZERO) {
                Some(result) => result.map_err(|error| status(&error)),
                None => Err(Status::unavailable(
                    "no token is at hand; a login has been started: wait for a token before the call",
                )),
            },
        }
    }

    /// The endpoint refused this token.
    fn refused(&self, token: &Token) {
        self.client.engine.report(&Report {
            fingerprint: token.fingerprint(),
            host: Some(&self.endpoint),
            is_proof: true,
            is_renewed: false,
        });
    }

    fn attach(&self, headers: &mut HeaderMap, token: &Token) -> Result<(), Status> {
        if !self.client.is_allowed_for(token, &self.endpoint) {
            return Err(Status::permission_denied(
                "no token goes to this host: name it in the option `trusted_hosts` if it is Salesforce's or yours",
            ));
        }
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| Status::internal("the token can not be sent"))
        };
        let mut secret = value(token.access_token())?;
        secret.set_sensitive(true);
        headers.insert(ACCESS_TOKEN, secret);
        headers.insert(INSTANCE_URL, value(token.instance_url())?);
        if let Some(org) = token.org_id() {
            headers.insert(TENANT_ID, value(org)?);
        }
        Ok(())
    }
}

/// `inner` is ready for the first request.
async fn run<S, O>(
    mut inner: S,
    credentials: Credentials,
    request: Request<tonic::body::Body>,
) -> Result<Response<tonic::body::Body>, S::Error>
where
    S: Service<Request<tonic::body::Body>, Response = Response<O>>,
    O: Body<Data = Bytes> + Send + 'static,
    O::Error: Into<BoxError>,
{
    let client = &credentials.client;
    let (head, body) = request.into_parts();
    let replay = ReplayBody::new(body);
    let mut refused: Option<Token> = None;
    loop {
        let token = match client.token().await {
            Ok(token) => token,
            Err(error) => return Ok(status(&error).into_http()),
        };
        if let Some(before) = &refused
            && let Err(error) = renewed(before.access_token(), token.access_token())
        {
            return Ok(status(&error).into_http());
        }
        let Some(body) = replay.copy() else {
            return Ok(status(&request_not_replayable(None)).into_http());
        };
        let mut request = Request::from_parts(head.clone(), tonic::body::Body::new(body));
        if let Err(status) = credentials.attach(request.headers_mut(), &token) {
            return Ok(status.into_http());
        }
        let response = inner.call(request).await?;
        let is_first = refused.is_none();
        if !is_refused(response.headers()) || !is_first {
            replay.release();
            let credentials = credentials.clone();
            let watched = |body| tonic::body::Body::new(Watched::new(body, credentials, token));
            return Ok(response.map(watched));
        }
        credentials.refused(&token);
        refused = Some(token);
        poll_fn(|context| inner.poll_ready(context)).await?;
    }
}

/// Whether the answer ends with its head, in a status that says that the session is dead.
fn is_refused(head: &HeaderMap) -> bool {
    Status::from_header_map(head)
        .is_some_and(|status| class(&status) == ResponseClass::SessionExpired)
}

fn class(status: &Status) -> ResponseClass {
    // Codes are small and not negative.
    grpc_response_class(u32::try_from(i32::from(status.code())).unwrap_or(u32::MAX))
}

fn status(error: &Error) -> Status {
    let message = format!("{} ({})", error.message(), error.code());
    match error.kind() {
        ErrorKind::Timeout => Status::deadline_exceeded(message),
        ErrorKind::Transport | ErrorKind::Unavailable => Status::unavailable(message),
        ErrorKind::LoginRate => Status::resource_exhausted(message),
        ErrorKind::Configuration | ErrorKind::Refused | ErrorKind::Token => {
            Status::unauthenticated(message)
        }
        // Also what a later version may add.
        _ => Status::internal(message),
    }
}

/// The body of an answer; a refusal in its trailers drops the token.
struct Watched<O> {
    body: Pin<Box<O>>,
    credentials: Credentials,
    token: Token,
}

impl<O> Watched<O> {
    fn new(body: O, credentials: Credentials, token: Token) -> Self {
        Self {
            body: Box::pin(body),
            credentials,
            token,
        }
    }
}

impl<O: Body<Data = Bytes>> Body for Watched<O> {
    type Data = Bytes;
    type Error = O::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, O::Error>>> {
        let polled = self.body.as_mut().poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && frame.trailers_ref().is_some_and(is_refused)
        {
            self.credentials.refused(&self.token);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
