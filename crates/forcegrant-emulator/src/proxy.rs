//! The HTTP proxy: every name leads to the emulator, nothing leaves loopback.

use std::pin::Pin;
use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::listen::{self, SharedStream};
use crate::request::ReceivedRequest;
use crate::response::OutgoingResponse;
use crate::shared::SharedEmulator;

/// The response to a CONNECT request: 200, or why it is refused.
pub(crate) fn respond(request: &ReceivedRequest) -> OutgoingResponse {
    match port(&request.path) {
        Some(443 | 80) => OutgoingResponse::empty(200),
        _ => OutgoingResponse::text(
            403,
            "This proxy leads to an emulator that has ports 443 and 80 only.\n",
        ),
    }
}

/// Serves what comes through an accepted CONNECT. Boxed, because requests in
/// the tunnel are served by what serves the CONNECT.
pub(crate) fn tunnel(
    shared: Arc<SharedEmulator>,
    authority: String,
    upgrade: OnUpgrade,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        // The client may have closed the connection before the response.
        let Ok(upgraded) = upgrade.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<SharedStream>>() else {
            return;
        };
        let stream = parts.io.into_inner();
        stream.push_back(parts.read_buf);
        if port(&authority) == Some(80) {
            listen::plain(shared, stream, true).await;
        } else {
            listen::tls(shared, stream, true).await;
        }
    })
}

fn port(authority: &str) -> Option<u16> {
    authority.rsplit_once(':')?.1.parse().ok()
}
