//! One request from its arrival to its answer.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::answer::{Answer, Delivery};
use crate::body::ReplyBody;
use crate::fault_kind::FaultKind;
use crate::listen::Connection;
use crate::request::{Listener, Request};
use crate::shared::{Ended, Shared};
use crate::{proxy, route};

const LARGEST_BODY: usize = 1024 * 1024;

/// Answers a request, or makes the connection end.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    mut request: hyper::Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let tunnel = (connection.listener == Listener::Proxy && request.method() == "CONNECT")
        .then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(whole(&Answer::html(413, "Request Entity Too Large")));
        }
        Err(_) => return connection.abort().await,
    };
    let mut request = Request::new(&parts, body);
    request.via_proxy = connection.via_proxy;
    request.sni.clone_from(&connection.sni);
    request.listener = match connection.listener {
        // A request in absolute form: the proxy forwards it to the http listener.
        Listener::Proxy if tunnel.is_none() => Listener::Http,
        listener => listener,
    };
    match decide(&shared, &request).await {
        Ok(Decision::Reset) | Err(Ended) => connection.abort().await,
        Ok(Decision::Answer(answer, generation)) => {
            let tunnel = tunnel.filter(|_| answer.status == StatusCode::OK);
            if let Some(upgrade) = tunnel {
                let authority = parts
                    .uri
                    .authority()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                shared.spawn(proxy::tunnel(Arc::clone(&shared), authority, upgrade));
                return Ok(Response::new(ReplyBody::empty()));
            }
            Ok(respond(answer, |time| shared.pause(time, generation)))
        }
    }
}

enum Decision {
    Answer(Answer, u64),
    Reset,
}

async fn decide(shared: &Arc<Shared>, request: &Request) -> Result<Decision, Ended> {
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
        return Err(Ended);
    }
    let act = arrival.plan.act;
    if act == Some(FaultKind::Reset) {
        state.log.answered(arrival.n, json!("reset"));
        return Ok(Decision::Reset);
    }
    let mut answer = act
        .as_ref()
        .and_then(|act| act.stand_in(request))
        .unwrap_or_else(|| {
            if request.method == "CONNECT" && request.listener == Listener::Proxy {
                return proxy::answer(request);
            }
            let dead = act == Some(FaultKind::DeadToken);
            let mut answer = route::answer(&mut state, shared, request, dead);
            if let Some(act) = &act {
                act.edit(&mut answer);
            }
            answer
        });
    if let Some(delay) = arrival.plan.body_delay
        && answer.delivery == Delivery::Whole
    {
        answer.delivery = Delivery::Paused(delay);
    }
    let answered = act.map_or_else(
        || Value::from(answer.status.as_u16()),
        |act| json!(act.label()),
    );
    state.log.answered(arrival.n, answered);
    Ok(Decision::Answer(answer, generation))
}

/// An answer without any fault in its delivery.
pub(crate) fn whole(answer: &Answer) -> Response<ReplyBody> {
    let body = ReplyBody::of(answer, |_| Box::pin(pending()));
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    response.headers_mut().clone_from(&answer.headers);
    response
}

fn respond(
    answer: Answer,
    pause: impl FnOnce(std::time::Duration) -> crate::shared::Pause,
) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::of(&answer, pause));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}
