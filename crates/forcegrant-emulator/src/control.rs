//! The control API: what tests can do to the emulator.
//!
//! Any web page that is open on this machine can send requests to its ports, so an operation needs the path that was
//! printed at the start, the content type of JSON, which a page may not send elsewhere, and no `Origin`.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;

use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, ORIGIN};

use crate::body::ResponseBody;
use crate::operations::{self, ControlError};
use crate::response::OutgoingResponse;
use crate::serve::whole;
use crate::shared::SharedEmulator;
use crate::shared_stream::SharedStream;

/// Serves a connection to the control port.
pub(crate) async fn serve(shared: Arc<SharedEmulator>, stream: SharedStream) {
    let service = service_fn(|request| respond(Arc::clone(&shared), request));
    // It does not matter how a client ends its connection.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    shared.stop_if_asked();
}

async fn respond(
    shared: Arc<SharedEmulator>,
    request: hyper::Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let outcome = match refusal(&shared, &request) {
        Some((status, error)) => {
            let response = json!({ "ok": false, "error": error });
            return Ok(whole(OutgoingResponse::json(status, &response)));
        }
        None => match request.into_body().collect().await {
            Ok(body) => match serde_json::from_slice(&body.to_bytes()) {
                Ok(command) => operations::run(&shared, command).await,
                Err(error) => Err(ControlError(format!("the body is not JSON: {error}"))),
            },
            Err(_) => Err(ControlError(
                "the body could not be read; send the request again".to_owned(),
            )),
        },
    };
    let mut response = match outcome {
        Ok(value) => OutgoingResponse::json(200, &value),
        Err(error) => OutgoingResponse::json(400, &json!({ "ok": false, "error": error.0 })),
    };
    if shared.stop_is_asked() {
        response.set(hyper::header::CONNECTION, "close");
    }
    Ok(whole(response))
}

/// Why a request is no operation: its status, and what would be right.
fn refusal(
    shared: &SharedEmulator,
    request: &hyper::Request<Incoming>,
) -> Option<(u16, &'static str)> {
    let headers = request.headers();
    if shared.is_loopback && !names_this_machine(headers) {
        return Some((
            421,
            "the header `Host` must name this machine: 127.0.0.1 or localhost",
        ));
    }
    if headers.contains_key(ORIGIN) {
        return Some((403, "a web page may not control the emulator"));
    }
    if request.uri().path() != shared.control_path {
        return Some((
            404,
            "send operations to the address that was printed at the start (`control`), its path included",
        ));
    }
    if request.method() != "POST" {
        return Some((
            405,
            "send operations by POST, as a JSON object such as {\"op\":\"counters\"}",
        ));
    }
    let is_json = |value: &str| {
        let kind = value.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    };
    let content_type = headers.get(CONTENT_TYPE);
    if !content_type.is_some_and(|value| value.to_str().is_ok_and(is_json)) {
        return Some((415, "send the header `Content-Type: application/json`"));
    }
    None
}

/// A page of a name that was made to lead here has that name in its requests.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    name.is_some_and(|name| {
        let name = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || name
                .parse()
                .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    })
}
