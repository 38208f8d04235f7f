//! Sockets: accepting, TLS, connections that can be reset.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use crate::request::ListenerKind;
use crate::serve;
use crate::shared::SharedEmulator;

/// One connection that carries requests.
pub(crate) struct AcceptedConnection {
    pub(crate) listener: ListenerKind,
    pub(crate) via_proxy: bool,
    pub(crate) sni: Option<String>,
    aborted: Notify,
}

impl AcceptedConnection {
    fn new(listener: ListenerKind, via_proxy: bool, sni: Option<String>) -> Self {
        Self {
            listener,
            via_proxy,
            sni,
            aborted: Notify::new(),
        }
    }

    /// Resets the connection; the calling request never gets a response.
    pub(crate) async fn abort<T>(&self) -> Result<T, Infallible> {
        self.aborted.notify_one();
        pending().await
    }
}

/// Accepts connections until the future is dropped.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    shared: Arc<SharedEmulator>,
    serve: impl Fn(Arc<SharedEmulator>, SharedStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Responses are small and complete: waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                shared.spawn(serve(Arc::clone(&shared), SharedStream::new(stream)));
            }
            // For example, no file descriptor is left: other connections have to close first.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Serves a TLS connection.
pub(crate) async fn tls(shared: Arc<SharedEmulator>, stream: SharedStream, via_proxy: bool) {
    let handshake = TlsAcceptor::from(Arc::clone(&shared.tls))
        .accept(stream.clone())
        .await;
    let Ok(encrypted) = handshake else {
        shared.state().counters.handshake_failures += 1;
        return;
    };
    shared.state().counters.connections += 1;
    let sni = encrypted.get_ref().1.server_name().map(ToOwned::to_owned);
    let connection = AcceptedConnection::new(ListenerKind::Https, via_proxy, sni);
    drive(shared, connection, stream, encrypted).await;
}

/// Serves a plain connection, which only ever redirects to TLS.
pub(crate) async fn plain(shared: Arc<SharedEmulator>, stream: SharedStream, via_proxy: bool) {
    let connection = AcceptedConnection::new(ListenerKind::Http, via_proxy, None);
    drive(shared, connection, stream.clone(), stream).await;
}

/// Serves a connection to the proxy.
pub(crate) async fn proxy(shared: Arc<SharedEmulator>, stream: SharedStream) {
    let connection = AcceptedConnection::new(ListenerKind::Proxy, true, None);
    drive(shared, connection, stream.clone(), stream).await;
}

async fn drive(
    shared: Arc<SharedEmulator>,
    connection: AcceptedConnection,
    stream: SharedStream,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let connection = Arc::new(connection);
    let service =
        service_fn(|request| serve::serve(Arc::clone(&shared), Arc::clone(&connection), request));
    let mut serving = pin!(
        http1::Builder::new()
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades()
    );
    tokio::select! {
        biased;
        () = connection.aborted.notified() => stream.reset_on_close(),
        // It does not matter how a client ends its connection.
        _ = &mut serving => {}
    }
}

/// A TCP stream that can still be reached while a TLS session or an HTTP connection owns it.
#[derive(Clone)]
pub(crate) struct SharedStream(Arc<Mutex<StreamState>>);

struct StreamState {
    tcp: TcpStream,
    pushed_back: Bytes,
}

impl SharedStream {
    fn new(tcp: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(StreamState {
            tcp,
            pushed_back: Bytes::new(),
        })))
    }

    /// These bytes are read again before anything new.
    pub(crate) fn push_back(&self, bytes: Bytes) {
        self.inner().pushed_back = bytes;
    }

    fn reset_on_close(&self) {
        let _ = self.inner().tcp.set_zero_linger();
    }

    fn inner(&self) -> MutexGuard<'_, StreamState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        if inner.pushed_back.is_empty() {
            return Pin::new(&mut inner.tcp).poll_read(context, buffer);
        }
        let count = buffer.remaining().min(inner.pushed_back.len());
        buffer.put_slice(&inner.pushed_back.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner().tcp).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner().tcp).poll_shutdown(context)
    }
}
