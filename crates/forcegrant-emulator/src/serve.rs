//! One request from its arrival to its response.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::body::ResponseBody;
use crate::connection::AcceptedConnection;
use crate::fault_kind::FaultKind;
use crate::request::{ListenerKind, ReceivedRequest};
use crate::response::{BodyDelivery, OutgoingResponse};
use crate::shared::{EndedByReset, InterruptibleWait, SharedEmulator};
use crate::{proxy, route};

const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The response to a request, and the tunnel that begins after it.
pub(crate) struct ServedRequest {
    pub(crate) response: Response<ResponseBody>,
    pub(crate) tunnel: Option<AcceptedTunnel>,
}

impl ServedRequest {
    fn without_tunnel(response: Response<ResponseBody>) -> Self {
        Self {
            response,
            tunnel: None,
        }
    }
}

/// A CONNECT request that the proxy accepts.
pub(crate) struct AcceptedTunnel {
    pub(crate) port: Option<u16>,
    pub(crate) upgrade: OnUpgrade,
}

/// Responds to a request, or ends the connection.
pub(crate) async fn serve(
    shared: &Arc<SharedEmulator>,
    connection: &AcceptedConnection,
    mut request: hyper::Request<Incoming>,
) -> Result<ServedRequest, Infallible> {
    let tunnel = (connection.listener == ListenerKind::Proxy && request.method() == "CONNECT")
        .then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let response = OutgoingResponse::html(413, "Request Entity Too Large");
            return Ok(ServedRequest::without_tunnel(whole(response)));
        }
        Err(_) => return connection.abort().await,
    };
    let mut request = ReceivedRequest::new(&parts, body);
    request.via_proxy = connection.via_proxy;
    request.sni.clone_from(&connection.sni);
    request.listener = match connection.listener {
        // A request in absolute form: the proxy forwards it to the http listener.
        ListenerKind::Proxy if tunnel.is_none() => ListenerKind::Http,
        listener => listener,
    };
    match decide(shared, &request).await {
        Ok(ServeOutcome::Reset) | Err(EndedByReset) => connection.abort().await,
        Ok(ServeOutcome::Respond(response, generation)) => {
            let tunnel = tunnel.filter(|_| response.status == StatusCode::OK);
            Ok(if let Some(upgrade) = tunnel {
                let authority = parts.uri.authority();
                let port = authority.and_then(|authority| proxy::port(authority.as_str()));
                ServedRequest {
                    response: Response::new(ResponseBody::empty()),
                    tunnel: Some(AcceptedTunnel { port, upgrade }),
                }
            } else {
                let pause = |time| shared.pause(time, generation);
                ServedRequest::without_tunnel(into_http(response, pause))
            })
        }
    }
}

enum ServeOutcome {
    Respond(OutgoingResponse, u64),
    Reset,
}

async fn decide(
    shared: &Arc<SharedEmulator>,
    request: &ReceivedRequest,
) -> Result<ServeOutcome, EndedByReset> {
    let (arrival, hold) = {
        let mut state = shared.state();
        let arrival = state.arrive(request);
        let hold = arrival.plan.hold.then(|| shared.hold(arrival.generation));
        (arrival, hold)
    };
    shared.arrived.notify_waiters();
    let generation = arrival.generation;
    if let Some(released) = hold {
        released.await?;
    }
    if let Some(delay) = arrival.plan.head_delay {
        shared.pause(delay, generation).await?;
    }
    let mut state = shared.state();
    if state.generation != generation {
        return Err(EndedByReset);
    }
    let act = arrival.plan.act;
    if act == Some(FaultKind::Reset) {
        state.log.answered(arrival.n, json!("reset"));
        return Ok(ServeOutcome::Reset);
    }
    let mut response = act
        .as_ref()
        .and_then(|act| act.replacement(request))
        .unwrap_or_else(|| {
            if request.method == "CONNECT" && request.listener == ListenerKind::Proxy {
                return proxy::respond(request);
            }
            let dead = act == Some(FaultKind::DeadToken);
            let mut response = route::respond(&mut state, shared, request, dead);
            if let Some(act) = &act {
                act.edit(&mut response);
            }
            response
        });
    if let Some(delay) = arrival.plan.body_delay
        && response.delivery == BodyDelivery::Whole
    {
        response.delivery = BodyDelivery::Paused(delay);
    }
    let answered = act.map_or_else(
        || Value::from(response.status.as_u16()),
        |act| json!(act.label()),
    );
    state.log.answered(arrival.n, answered);
    Ok(ServeOutcome::Respond(response, generation))
}

/// A response without any fault in the delivery of its body.
pub(crate) fn whole(response: OutgoingResponse) -> Response<ResponseBody> {
    into_http(response, |_| Box::pin(pending()))
}

fn into_http(
    response: OutgoingResponse,
    pause: impl FnOnce(std::time::Duration) -> InterruptibleWait,
) -> Response<ResponseBody> {
    let mut http = Response::new(ResponseBody::of(&response, pause));
    *http.status_mut() = response.status;
    *http.headers_mut() = response.headers;
    http
}
