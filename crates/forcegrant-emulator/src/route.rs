//! Which endpoint responds to a request.

use crate::hosts::{self, Site};
use crate::request::{Endpoint, ListenerKind, ReceivedRequest};
use crate::response::OutgoingResponse;
use crate::shared::SharedEmulator;
use crate::state::EmulatorState;
use crate::{bulk, data_api, oauth, soap, token_endpoint};

/// The response of the virtual host that the request names.
pub(crate) fn respond(
    state: &mut EmulatorState,
    shared: &SharedEmulator,
    request: &ReceivedRequest,
    dead: bool,
) -> OutgoingResponse {
    if request.listener == ListenerKind::Http {
        return to_https(state, shared, request);
    }
    let site = Site::of(&request.host, &state.config);
    let endpoint = request.endpoint();
    match (&site, endpoint) {
        (Site::Unknown, _) | (_, Endpoint::Connect) => {
            OutgoingResponse::html(404, "URL No Longer Exists")
        }
        (Site::Lightning(target), _) => redirect(state, 302, target, request),
        (Site::Setup(target), endpoint) if endpoint != Endpoint::Token => {
            redirect(state, 302, target, request)
        }
        (_, Endpoint::Token) => {
            token_endpoint::respond(state, &shared.signer, request, &site, dead)
        }
        (_, Endpoint::Introspect) => oauth::introspect(state, request, &site),
        (_, Endpoint::Userinfo) => oauth::userinfo(state, request),
        (_, Endpoint::Revoke) => oauth::revoke(state, request),
        (_, Endpoint::Other | Endpoint::Any) => oauth::document(shared, request),
        _ => match site.org() {
            Some(index) => data(state, index, endpoint, request),
            None => OutgoingResponse::html(404, "URL No Longer Exists"),
        },
    }
}

fn data(
    state: &mut EmulatorState,
    index: usize,
    endpoint: Endpoint,
    request: &ReceivedRequest,
) -> OutgoingResponse {
    let org = state.config.orgs[index].clone();
    match endpoint {
        Endpoint::Soap => soap::respond(state, &org, request),
        Endpoint::Bulk if request.path.starts_with("/services/async") => {
            bulk::respond(state, &org, request)
        }
        _ => data_api::respond(state, &org, request),
    }
}

fn to_https(
    state: &mut EmulatorState,
    shared: &SharedEmulator,
    request: &ReceivedRequest,
) -> OutgoingResponse {
    let host = if hosts::is_loopback(&request.host) {
        format!("{}:{}", request.host, shared.https_port)
    } else {
        request.host.clone()
    };
    redirect(state, 301, &host, request)
}

fn redirect(
    state: &mut EmulatorState,
    status: u16,
    host: &str,
    request: &ReceivedRequest,
) -> OutgoingResponse {
    state.counters.redirects += 1;
    let query = if request.query.is_empty() { "" } else { "?" };
    let location = format!("https://{host}{}{query}{}", request.path, request.query);
    OutgoingResponse::redirect(status, &location)
}
