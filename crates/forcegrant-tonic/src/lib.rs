//! Credentials for gRPC with tonic, as Salesforce's Pub/Sub API expects them.
//!
//! Use it through the crate `forcegrant` and its feature `tonic`.

#![forbid(unsafe_code)]

mod replay_body;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use forcegrant_proto::cache::reports::Report;
use forcegrant_proto::calls::api_call::{renewed, request_not_replayable};
use forcegrant_proto::calls::client::CallClient;
use forcegrant_proto::error::{Error, ErrorKind};
use forcegrant_proto::response_class::{ResponseClass, grpc_response_class};
use forcegrant_proto::token::Token;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use tonic::Status;
use tonic::service::Interceptor;
use tower_layer::Layer;
use tower_service::Service;

use self::replay_body::ReplayBody;

const ACCESS_TOKEN: HeaderName = HeaderName::from_static("accesstoken");
const INSTANCE_URL: HeaderName = HeaderName::from_static("instanceurl");
const TENANT_ID: HeaderName = HeaderName::from_static("tenantid");

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Gives each call the metadata `accesstoken`, `instanceurl` and `tenantid`, logs in when there is no
/// token, and renews a token for which a call was refused (`UNAUTHENTICATED`): a tower layer around a
/// [`tonic::transport::Channel`](https://docs.rs/tonic/latest/tonic/transport/struct.Channel.html).
///
/// A call that is refused before its response begins is made once more with a new token. So is a stream, if
/// no more than 1 MiB of it was sent. A stream that is refused later ends with that status; the token
/// is dropped, and the next call has a new one.
///
/// Failures come as a [`Status`]: a login that is refused as `UNAUTHENTICATED`, one that may succeed
/// later as `UNAVAILABLE`, `DEADLINE_EXCEEDED` or `RESOURCE_EXHAUSTED`, a host that may not see the
/// token as `PERMISSION_DENIED`. The message ends with the error's code.
#[derive(Clone, Debug)]
pub struct GrpcAuthenticationLayer<C> {
    credentials: GrpcCredentials<C>,
}

impl<C> GrpcAuthenticationLayer<C> {
    /// For calls to this endpoint with the tokens of this `forcegrant::Client`: the address that the channel was made for,
    /// such as `https://api.pubsub.salesforce.com:7443`. Its host must be named in the option
    /// `trusted_hosts`.
    pub fn new(client: C, endpoint: impl Into<String>) -> Self {
        let credentials = GrpcCredentials::new(client, endpoint.into());
        Self { credentials }
    }
}

impl<S, C: Clone> Layer<S> for GrpcAuthenticationLayer<C> {
    type Service = GrpcAuthenticatedService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcAuthenticatedService {
            inner,
            credentials: self.credentials.clone(),
        }
    }
}

/// The service that [`GrpcAuthenticationLayer`] makes.
#[derive(Clone, Debug)]
pub struct GrpcAuthenticatedService<S, C> {
    inner: S,
    credentials: GrpcCredentials<C>,
}

impl<S, C, O> Service<Request<tonic::body::Body>> for GrpcAuthenticatedService<S, C>
where
    C: CallClient,
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
        // The future takes the service that is ready, and leaves a clone in its place.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(exchange(inner, self.credentials.clone(), request))
    }
}

/// Gives each call the metadata `accesstoken`, `instanceurl` and `tenantid` of the token at hand.
///
/// An interceptor cannot wait. When no token is at hand, it starts a login and the call ends as
/// `UNAVAILABLE`: await `forcegrant::Client::token` before the call, or use [`GrpcAuthenticationLayer`], which
/// waits. It does not see the response either: after `UNAUTHENTICATED`, report the token with
/// `forcegrant::Client::invalidate`.
#[derive(Clone, Debug)]
pub struct GrpcInterceptor<C> {
    credentials: GrpcCredentials<C>,
}

impl<C> GrpcInterceptor<C> {
    /// For calls to this endpoint with the tokens of this `forcegrant::Client`, as
    /// [`GrpcAuthenticationLayer::new`].
    pub fn new(client: C, endpoint: impl Into<String>) -> Self {
        let credentials = GrpcCredentials::new(client, endpoint.into());
        Self { credentials }
    }
}

impl<C: CallClient> Interceptor for GrpcInterceptor<C> {
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
struct GrpcCredentials<C> {
    client: C,
    endpoint: String,
}

impl<C> GrpcCredentials<C> {
    fn new(client: C, endpoint: String) -> Self {
        Self { client, endpoint }
    }
}

impl<C: CallClient> GrpcCredentials<C> {
    fn at_hand(&self) -> Result<Token, Status> {
        match self.client.token_at_hand() {
            Some(result) => result.map_err(|error| status(&error)),
            None => Err(Status::unavailable(
                "no token is at hand; a login has been started: wait for a token before the call",
            )),
        }
    }

    /// The endpoint refused this token.
    fn refused(&self, token: &Token) {
        self.client.report(&Report {
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
            HeaderValue::from_str(text).map_err(|_| Status::internal("the token cannot be sent"))
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

/// Sends the requests of a call until one of their responses goes to the caller; `inner` is ready for the first one.
async fn exchange<S, C, O>(
    mut inner: S,
    credentials: GrpcCredentials<C>,
    request: Request<tonic::body::Body>,
) -> Result<Response<tonic::body::Body>, S::Error>
where
    S: Service<Request<tonic::body::Body>, Response = Response<O>>,
    C: CallClient,
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
            return Ok(response.map(|body| {
                let body = Box::pin(body);
                tonic::body::Body::new(InvalidateOnRefusal {
                    body,
                    credentials,
                    token,
                })
            }));
        }
        credentials.refused(&token);
        refused = Some(token);
        poll_fn(|context| inner.poll_ready(context)).await?;
    }
}

/// Whether these headers or trailers hold a status that says that the session is dead.
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

/// The body of a response; a refusal in its trailers drops the token.
struct InvalidateOnRefusal<O, C> {
    body: Pin<Box<O>>,
    credentials: GrpcCredentials<C>,
    token: Token,
}

impl<O: Body<Data = Bytes>, C: CallClient> Body for InvalidateOnRefusal<O, C> {
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
