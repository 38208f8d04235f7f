//! A TCP stream that more than one owner can reach.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP stream that can still be reached while a TLS session or an HTTP connection owns it.
#[derive(Clone)]
pub(crate) struct SharedStream(Arc<Mutex<StreamState>>);

struct StreamState {
    tcp: TcpStream,
    pushed_back: Bytes,
}

impl SharedStream {
    pub(crate) fn new(tcp: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(StreamState {
            tcp,
            pushed_back: Bytes::new(),
        })))
    }

    /// These bytes are read again before anything new.
    pub(crate) fn push_back(&self, bytes: Bytes) {
        self.inner().pushed_back = bytes;
    }

    /// Closing the stream resets the connection.
    pub(crate) fn reset_on_close(&self) {
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
