//! A gRPC server that accepts the tokens of live sessions as the Pub/Sub API does, and a client's codec for its
//! messages, which are plain bytes.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use forcegrant_emulator::Emulator;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// What the server saw, and how it behaves.
#[derive(Default)]
pub struct ServerLog {
    /// Calls that arrived.
    pub calls: AtomicU64,
    /// Those of them that were refused.
    pub refused: AtomicU64,
    /// Whether refusals come in trailers, after the head of a response.
    pub refuses_in_trailers: AtomicBool,
    /// Whether every token is refused.
    pub refuses_all: AtomicBool,
    /// Whether it reads a request to its end before it refuses it.
    pub reads_whole_request: AtomicBool,
    /// How it responds to a token of a live session.
    pub mode: Mutex<ResponseMode>,
    /// Resumes a response that is held.
    pub resume: Notify,
    /// The metadata of the last call.
    pub last: Mutex<HeaderMap>,
}

/// How the server responds.
#[derive(Clone, Debug, Default)]
pub enum ResponseMode {
    /// With a complete response.
    #[default]
    Whole,
    /// It pauses in the middle of a message until `ServerLog::resume`.
    Held,
    /// The same, and then the session turns out to be dead: a refusal in the trailers.
    HeldAndRefused,
    /// The same, and then it resets the stream.
    Cut,
    /// It redirects to this address.
    Redirect(String),
}

/// A running server; ends when it is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it saw.
    pub log: Arc<ServerLog>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts one that takes the tokens of this emulator.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(emulator: Arc<Emulator>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(ServerLog::default());
        let shared = Arc::clone(&log);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, emulator) = (Arc::clone(&shared), Arc::clone(&emulator));
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        respond(Arc::clone(&log), Arc::clone(&emulator), request)
                    });
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    // It does not matter how a client ends its connection.
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, log, task }
    }

    /// Its address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type GrpcResponse = Response<BoxBody<Bytes, io::Error>>;

/// Returns the content of all messages of the request in one message.
async fn respond(
    log: Arc<ServerLog>,
    emulator: Arc<Emulator>,
    request: Request<Incoming>,
) -> Result<GrpcResponse, Infallible> {
    let (head, body) = request.into_parts();
    log.calls.fetch_add(1, Ordering::SeqCst);
    lock(&log.last).clone_from(&head.headers);
    let token = head.headers.get("accesstoken");
    let token = token
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_alive = emulator.sessions().iter().any(|live| live.token == token);
    if log.refuses_all.load(Ordering::SeqCst) || !is_alive {
        log.refused.fetch_add(1, Ordering::SeqCst);
        if log.reads_whole_request.load(Ordering::SeqCst) {
            // It does not matter whether the request is complete.
            let _ = body.collect().await;
        }
        if log.refuses_in_trailers.load(Ordering::SeqCst) {
            return Ok(streamed(vec![Ok(Frame::trailers(refusal()))]));
        }
        // Without reading the body, as a gateway does.
        return Ok(only_head(&dead_session()));
    }
    let mode = lock(&log.mode).clone();
    if let ResponseMode::Redirect(location) = &mode {
        let mut redirect = Response::new(empty());
        *redirect.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        let location = location.parse().expect("a location");
        redirect.headers_mut().insert("location", location);
        return Ok(redirect);
    }
    let Ok(body) = body.collect().await else {
        return Ok(only_head(&Status::cancelled("the request ended early")));
    };
    let mut begin = message(body.to_bytes());
    let end = begin.split_off(begin.len() / 2);
    let (begin, end) = (Ok(Frame::data(begin)), Ok(Frame::data(end)));
    Ok(match mode {
        ResponseMode::Whole | ResponseMode::Redirect(_) => {
            streamed(vec![begin, end, Ok(ok_status())])
        }
        ResponseMode::Cut => held(log, vec![begin], vec![Err(io::Error::other("on purpose"))]),
        ResponseMode::Held => held(log, vec![begin], vec![end, Ok(ok_status())]),
        ResponseMode::HeldAndRefused => {
            let rest = vec![end, Ok(Frame::trailers(refusal()))];
            held(log, vec![begin], rest)
        }
    })
}

/// One message with the content of all messages of the request.
fn message(mut request: Bytes) -> Bytes {
    let mut echo = BytesMut::new();
    while request.len() >= 5 {
        request.advance(1);
        let length = usize::try_from(request.get_u32()).unwrap_or(usize::MAX);
        echo.extend_from_slice(&request.split_to(length.min(request.len())));
    }
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(echo.len()).expect("a small message"));
    message.extend_from_slice(&echo);
    message.freeze()
}

fn dead_session() -> Status {
    Status::unauthenticated("the session is not alive")
}

fn refusal() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let added = dead_session().add_header(&mut trailers);
    added.expect("a plain message");
    trailers
}

fn ok_status() -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    Frame::trailers(trailers)
}

fn only_head(status: &Status) -> GrpcResponse {
    status
        .clone()
        .into_http::<tonic::body::Body>()
        .map(|_| empty())
}

type FrameResult = Result<Frame<Bytes>, io::Error>;

fn streamed(frames: Vec<FrameResult>) -> GrpcResponse {
    let (sender, receiver) = unbounded_channel();
    send(&sender, frames);
    response_of(receiver)
}

/// The rest follows after `ServerLog::resume`.
fn held(log: Arc<ServerLog>, begin: Vec<FrameResult>, rest: Vec<FrameResult>) -> GrpcResponse {
    let (sender, frames) = unbounded_channel();
    send(&sender, begin);
    tokio::spawn(async move {
        log.resume.notified().await;
        send(&sender, rest);
    });
    response_of(frames)
}

fn send(sender: &UnboundedSender<FrameResult>, frames: Vec<FrameResult>) {
    for frame in frames {
        // The receiver is gone if the client has disconnected.
        let _ = sender.send(frame);
    }
}

fn response_of(frames: UnboundedReceiver<FrameResult>) -> GrpcResponse {
    let mut response = Response::new(BodyExt::boxed(Frames(frames)));
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    response
}

struct Frames(UnboundedReceiver<FrameResult>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context)
    }
}

fn empty() -> BoxBody<Bytes, io::Error> {
    http_body_util::Empty::new()
        .map_err(|never| match never {})
        .boxed()
}

/// A panic of another test does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The codec of messages that are bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
