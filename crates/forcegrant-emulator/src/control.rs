//! The control API: what tests can do to the emulator.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;

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
    let outcome = if request.method() == "POST" && request.uri().path() == "/" {
        match request.into_body().collect().await {
            Ok(body) => match serde_json::from_slice(&body.to_bytes()) {
                Ok(command) => operations::run(&shared, command).await,
                Err(error) => Err(ControlError(format!("the body is not JSON: {error}"))),
            },
            Err(_) => Err(ControlError(
                "the body could not be read; send the request again".to_owned(),
            )),
        }
    } else {
        let text = "send operations as POST / with a JSON object such as {\"op\":\"counters\"}";
        Err(ControlError(text.to_owned()))
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
