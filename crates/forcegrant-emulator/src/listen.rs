//! Sockets: accepting, TLS, tunnels through the proxy.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::body::ResponseBody;
use crate::connection::AcceptedConnection;
use crate::request::ListenerKind;
use crate::serve::{self, AcceptedTunnel};
use crate::shared::SharedEmulator;
use crate::shared_stream::SharedStream;

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
    let service = service_fn(|request| respond(&shared, &connection, request));
    let mut serving = pin!(
        http1::Builder::new()
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades()
    );
    tokio::select! {
        biased;
        () = connection.aborted() => stream.reset_on_close(),
        // It does not matter how a client ends its connection.
        _ = &mut serving => {}
    }
}

async fn respond(
    shared: &Arc<SharedEmulator>,
    connection: &AcceptedConnection,
    request: hyper::Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let served = serve::serve(shared, connection, request).await?;
    if let Some(accepted) = served.tunnel {
        shared.spawn(tunnel(Arc::clone(shared), accepted));
    }
    Ok(served.response)
}

/// Serves what comes through an accepted CONNECT. Boxed, because requests in
/// the tunnel are served by what serves the CONNECT.
fn tunnel(
    shared: Arc<SharedEmulator>,
    accepted: AcceptedTunnel,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        // The client may have closed the connection before the response.
        let Ok(upgraded) = accepted.upgrade.await else {
            return;
        };
        let Ok(parts) = upgraded.downcast::<TokioIo<SharedStream>>() else {
            return;
        };
        let stream = parts.io.into_inner();
        stream.push_back(parts.read_buf);
        if accepted.port == Some(80) {
            plain(shared, stream, true).await;
        } else {
            tls(shared, stream, true).await;
        }
    })
}
