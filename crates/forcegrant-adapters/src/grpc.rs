//! A gRPC server that answers as the Pub/Sub API does to whoever brings a token of a session that is
//! alive, and a client's codec for its messages, which are plain bytes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use forcegrant_emulator::Emulator;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// What it saw and how it behaves.
#[derive(Default)]
pub struct Log {
    /// Calls that arrived.
    pub calls: AtomicU64,
    /// Those of them that were refused.
    pub refused: AtomicU64,
    /// Whether refusals come in trailers, after the head of an answer.
    pub refuses_late: AtomicBool,
    /// Whether every token is refused.
    pub refuses_all: AtomicBool,
    /// The metadata of the last call.
    pub last: Mutex<HeaderMap>,
}

/// A running server; ends when it is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it saw.
    pub log: Arc<Log>,
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
        let log = Arc::new(Log::default());
        let shared = Arc::clone(&log);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, emulator) = (Arc::clone(&shared), Arc::clone(&emulator));
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        answer(Arc::clone(&log), Arc::clone(&emulator), request)
                    });
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    // How a client ends its connection is its own affair.
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

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Every message of the request comes back, in one message.
async fn answer(
    log: Arc<Log>,
    emulator: Arc<Emulator>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    log.calls.fetch_add(1, Ordering::SeqCst);
    log.last
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone_from(&head.headers);
    let token = head.headers.get("accesstoken");
    let token = token
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_alive = emulator.sessions().iter().any(|live| live.token == token);
    if log.refuses_all.load(Ordering::SeqCst) || !is_alive {
        log.refused.fetch_add(1, Ordering::SeqCst);
        let refusal = Status::unauthenticated("the session is not alive");
        if log.refuses_late.load(Ordering::SeqCst) {
            let mut trailers = HeaderMap::new();
            refusal.add_header(&mut trailers).expect("a plain message");
            return Ok(streamed(vec![Frame::trailers(trailers)]));
        }
        // Before the body is read, as a gateway does it.
        return Ok(refusal.into_http::<tonic::body::Body>().map(|_| empty()));
    }
    let Ok(body) = body.collect().await else {
        return Ok(Status::cancelled("the request broke off")
            .into_http::<tonic::body::Body>()
            .map(|_| empty()));
    };
    let mut rest = body.to_bytes();
    let mut echo = BytesMut::new();
    while rest.len() >= 5 {
        rest.advance(1);
        let length = usize::try_from(rest.get_u32()).unwrap_or(usize::MAX);
        echo.extend_from_slice(&rest.split_to(length.min(rest.len())));
    }
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(echo.len()).expect("a small message"));
    message.extend_from_slice(&echo);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    Ok(streamed(vec![
        Frame::data(message.freeze()),
        Frame::trailers(trailers),
    ]))
}

fn streamed(frames: Vec<Frame<Bytes>>) -> Answer {
    let mut response = Response::new(BodyExt::boxed(Frames(frames.into())));
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    response
}

struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

fn empty() -> BoxBody<Bytes, Infallible> {
    http_body_util::Empty::new().boxed()
}

/// The codec of messages that are bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Codec for Plain {
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

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
