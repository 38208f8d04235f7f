//! Proxies: the option, the variables, and the hosts that are reached without one.

use url::Url;

use super::canary::{assert_harmless, assert_hidden, planted};
use super::input::{fields, text};
use crate::environment::Environment;
use crate::http::{Decision, Proxy, ProxyRules, Reason};
use forcegrant_proto::error::Error;

const ORG: &str = "https://acme.my.salesforce.com/";
const HERE: &str = "http://127.0.0.1:8080/";

/// The value of a proxy, a `NO_PROXY` list and a host, on a line each. A value that is set is used or
/// refused, by the option and by the variable alike: never is the connection direct for no reason.
pub(super) fn proxy(data: &[u8]) {
    check_proxy(data, ProxyRules::new);
}

pub(super) fn check_proxy(
    data: &[u8],
    rules: impl Fn(&Proxy, &Environment) -> Result<ProxyRules, Error>,
) {
    let [value, list, host] = fields(data);
    let (value, list) = (planted(&text(value)), text(list));
    let variables = |list: &str| Environment::of([("HTTPS_PROXY", &*value), ("NO_PROXY", list)]);
    let alone = rules(&Proxy::Environment, &variables(""));
    let option = rules(
        &Proxy::Url(value.clone()),
        &Environment::of::<&str, &str>([]),
    );
    if option.is_ok() {
        assert!(
            alone.is_ok(),
            "the variable refuses what the option takes: {value:?}"
        );
    }
    for rules in [&alone, &option] {
        match rules {
            Ok(rules) => check_rules(rules, &value),
            Err(error) => assert_harmless(error),
        }
    }
    let Ok(rules) = rules(&Proxy::Environment, &variables(&list)) else {
        return;
    };
    let host = text(host);
    let url = Url::parse(&format!("https://{}/", host.trim()));
    let url = url
        .ok()
        .filter(Url::has_host)
        .unwrap_or_else(|| Url::parse(ORG).expect("a URL"));
    if let Decision::Direct(Reason::Listed(_, entry)) = rules.decide(&url) {
        assert!(list.contains(entry));
        assert!(is_for(entry, &url), "{entry:?} is not for {url}");
    }
}

fn check_rules(rules: &ProxyRules, value: &str) {
    let decide = |url: &str| rules.decide(&Url::parse(url).expect("a URL"));
    let shown = format!("{} {:?} {rules:?}", decide(ORG), decide(ORG));
    assert_hidden(&shown);
    assert!(
        matches!(decide(HERE), Decision::Direct(Reason::Loopback)),
        "{value:?}"
    );
    match decide(ORG) {
        Decision::Through(server) => assert!(!server.address().contains('@')),
        Decision::Direct(_) => assert!(is_blank(value), "direct with {value:?}"),
    }
}

/// Whether nothing is left of a value without blanks, quotes and what nobody sees.
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
