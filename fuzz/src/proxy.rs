//! Proxies: the option, the variables, and the hosts that are reached without one.

use forcegrant::ffi::command_line::route;
use forcegrant::{Environment, Proxy};
use forcegrant_proto::error::Error;
use url::Url;

use crate::canary::{assert_harmless, assert_hidden, planted};
use crate::input::{fields, text};

const ORG: &str = "acme.my.salesforce.com";
const HERE: &str = "127.0.0.1:8080";
/// What `route` says about a host that `NO_PROXY` lists: the text before the entry and after it.
const LISTED: (&str, &str) = ("direct (NO_PROXY matches ", ")");
/// The most characters of an entry that `route` shows.
const MAX_SHOWN_CHARACTERS: usize = 100;

/// The value of a proxy, a `NO_PROXY` list and a host, each on its own line. A value that is set is used or
/// refused, by the option and by the variable alike: the connection is never direct without a reason.
pub(crate) fn proxy(data: &[u8]) {
    check_proxy(data, route);
}

pub(crate) fn check_proxy(
    data: &[u8],
    route: impl Fn(&Proxy, &Environment, &str) -> Result<String, Error>,
) {
    let [value, list, host] = fields(data);
    let (value, list) = (planted(&text(value)), text(list));
    let variables = |list: &str| Environment::of([("HTTPS_PROXY", &*value), ("NO_PROXY", list)]);
    let by_variable = |host: &str| route(&Proxy::Environment, &variables(""), host);
    let by_option = |host: &str| {
        let nothing = Environment::of::<&str, &str>([]);
        route(&Proxy::Url(value.clone()), &nothing, host)
    };
    if by_option(ORG).is_ok() {
        assert!(
            by_variable(ORG).is_ok(),
            "the variable refuses what the option takes: {value:?}"
        );
    }
    check_routes(by_variable, &value);
    check_routes(by_option, &value);
    let host = text(host);
    let url = Url::parse(&format!("https://{}/", host.trim()));
    let url = url.ok().filter(Url::has_host);
    let url =
        url.unwrap_or_else(|| Url::parse(&format!("https://{ORG}")).expect("the URL is plain"));
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let Ok(shown) = route(&Proxy::Environment, &variables(&list), authority) else {
        return;
    };
    let entry = shown
        .strip_prefix(LISTED.0)
        .and_then(|rest| rest.strip_suffix(LISTED.1));
    if let Some(entry) = entry {
        assert!(list.contains(entry));
        let is_whole = entry.chars().count() < MAX_SHOWN_CHARACTERS;
        assert!(
            !is_whole || is_for(entry, &url),
            "{entry:?} is not for {url}"
        );
    }
}

/// The routes to an org and to this machine by one proxy.
fn check_routes(route: impl Fn(&str) -> Result<String, Error>, value: &str) {
    let shown = match route(ORG) {
        Ok(shown) => shown,
        Err(error) => return assert_harmless(&error),
    };
    assert_hidden(&shown);
    assert_eq!(
        route(HERE).ok().as_deref(),
        Some("direct (it is this machine)"),
        "{value:?}"
    );
    if shown.starts_with("through ") {
        assert!(!shown.contains('@'), "{shown}");
    } else {
        assert!(is_blank(value), "{shown} with {value:?}");
    }
}

/// Whether a value has nothing but blanks, quotes and invisible characters.
fn is_blank(value: &str) -> bool {
    !value.chars().any(|c| c.is_ascii_alphanumeric())
}

/// A second reading of an entry of `NO_PROXY`, for the forms that need no parser.
fn is_for(entry: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let name = entry.to_ascii_lowercase();
    let name = match name.rsplit_once(':') {
        Some((name, port)) if port.parse() == Ok(url.port_or_known_default().unwrap_or(443)) => {
            name
        }
        _ => &name,
    };
    let name = name.trim_start_matches(['*', '.']).trim_end_matches('.');
    let is_address = !matches!(url.host(), Some(url::Host::Domain(_)));
    entry == "*" || host == name || host.ends_with(&format!(".{name}")) || is_address
}
