//! Which endpoint answers a request.

use crate::answer::Answer;
use crate::hosts::{self, Site};
use crate::request::{Endpoint, Listener, Request};
use crate::shared::Shared;
use crate::state::State;
use crate::{bulk, data_api, oauth, soap, token_endpoint};

/// The answer of the virtual host that the request names.
pub(crate) fn answer(state: &mut State, shared: &Shared, request: &Request, dead: bool) -> Answer {
    if request.listener == Listener::Http {
        return to_https(state, shared, request);
    }
    let site = Site::of(&request.host, &state.config);
    let endpoint = request.endpoint();
    match (&site, endpoint) {
        (Site::Unknown, _) | (_, Endpoint::Connect) => Answer::html(404, "URL No Longer Exists"),
        (Site::Lightning(target), _) => redirect(state, 302, target, request),
        (Site::Setup(target), endpoint) if endpoint != Endpoint::Token => {
            redirect(state, 302, target, request)
        }
        (_, Endpoint::Token) => token_endpoint::answer(state, &shared.signer, request, &site, dead),
        (_, Endpoint::Introspect) => oauth::introspect(state, request, &site),
        (_, Endpoint::Userinfo) => oauth::userinfo(state, request),
        (_, Endpoint::Revoke) => oauth::revoke(state, request),
        (_, Endpoint::Other | Endpoint::Any) => oauth::document(shared, request),
        _ => match site.org() {
            Some(index) => data(state, index, endpoint, request),
            None => Answer::html(404, "URL No Longer Exists"),
        },
    }
}

fn data(state: &mut State, index: usize, endpoint: Endpoint, request: &Request) -> Answer {
    let org = state.config.orgs[index].clone();
    match endpoint {
        Endpoint::Soap => soap::answer(state, &org, request),
        Endpoint::Bulk if request.path.starts_with("/services/async") => {
            bulk::answer(state, &org, request)
        }
        _ => data_api::answer(state, &org, request),
    }
}

fn to_https(state: &mut State, shared: &Shared, request: &Request) -> Answer {
    let host = if hosts::is_loopback(&request.host) {
        format!("{}:{}", request.host, shared.https_port)
    } else {
        request.host.clone()
    };
    redirect(state, 301, &host, request)
}

fn redirect(state: &mut State, status: u16, host: &str, request: &Request) -> Answer {
    state.counters.redirects += 1;
    let query = if request.query.is_empty() { "" } else { "?" };
    let location = format!("https://{host}{}{query}{}", request.path, request.query);
    Answer::redirect(status, &location)
}
