//! The HTTP proxy: every name leads to the emulator, nothing leaves loopback.

use crate::request::ReceivedRequest;
use crate::response::OutgoingResponse;

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

/// The port that a CONNECT request names.
pub(crate) fn port(authority: &str) -> Option<u16> {
    authority.rsplit_once(':')?.1.parse().ok()
}
