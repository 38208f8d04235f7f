//! `NO_PROXY`: which hosts are reached without the proxy. There is no standard: an entry counts if curl or Go would
//! understand it.

use std::net::IpAddr;

use ipnet::IpNet;

/// The entry of the list that matches this host and port, if any.
///
/// Entries are separated by commas, semicolons or blanks. `*` matches every host. A name matches that host and all
/// below it, with or without `.` or `*.` before it. An address matches itself, a network (`10.0.0.0/8`) every address
/// in it. An entry with a port matches only this port. Letter case and quotes do not count.
pub fn matching<'a>(list: &'a str, host: &str, port: u16) -> Option<&'a str> {
    let host = unbracketed(host).trim_end_matches('.');
    let address = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    list.split(|c: char| matches!(c, ',' | ';' | '"' | '\'') || c.is_whitespace())
        .filter(|entry| !entry.is_empty())
        .find(|entry| matches_entry(entry, host, address, port))
}

fn matches_entry(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some(address) = address {
        if let Ok(network) = entry.parse::<IpNet>() {
            return network.contains(&address);
        }
        let is_it = |text: &str| {
            let ip = unbracketed(text).parse::<IpAddr>();
            ip.is_ok_and(|ip| ip.to_canonical() == address)
        };
        return is_it(entry) || without_port(entry, port).is_some_and(is_it);
    }
    let names_host = |name: &str| {
        let name = name.strip_prefix('*').unwrap_or(name);
        let name = name.trim_start_matches('.').trim_end_matches('.');
        let Some(start) = host.len().checked_sub(name.len()) else {
            return false;
        };
        let ends_so = host
            .get(start..)
            .is_some_and(|end| end.eq_ignore_ascii_case(name));
        !name.is_empty() && ends_so && (start == 0 || host.as_bytes()[start - 1] == b'.')
    };
    names_host(entry) || without_port(entry, port).is_some_and(names_host)
}

/// What is before the port, if it is this one.
fn without_port(entry: &str, port: u16) -> Option<&str> {
    let (name, number) = entry.rsplit_once(':')?;
    (number.parse() == Ok(port)).then_some(name)
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "acme.my.salesforce.com";

    #[test]
    fn the_forms_that_curl_and_go_read() {
        let table = [
            ("", None),
            ("*", Some("*")),
            ("\"*\"", Some("*")),
            ("salesforce.com", Some("salesforce.com")),
            (".salesforce.com", Some(".salesforce.com")),
            ("*.salesforce.com", Some("*.salesforce.com")),
            ("salesforce.com.", Some("salesforce.com.")),
            ("SalesForce.COM", Some("SalesForce.COM")),
            (HOST, Some(HOST)),
            (".acme.my.salesforce.com", Some(".acme.my.salesforce.com")),
            ("salesforce.com:443", Some("salesforce.com:443")),
            ("salesforce.com:8443", None),
            (
                "acme.my.salesforce.com:443",
                Some("acme.my.salesforce.com:443"),
            ),
            (
                "localhost,127.0.0.1,.salesforce.com",
                Some(".salesforce.com"),
            ),
            (
                "localhost 127.0.0.1  .salesforce.com",
                Some(".salesforce.com"),
            ),
            ("localhost; .salesforce.com", Some(".salesforce.com")),
            ("localhost,\n\t.salesforce.com\r\n", Some(".salesforce.com")),
            ("'localhost,.salesforce.com'", Some(".salesforce.com")),
            (
                "\"localhost\", \".salesforce.com\"",
                Some(".salesforce.com"),
            ),
            ("my.salesforce.com.evil.example", None),
            ("force.com", None),
            ("esforce.com", None),
            ("other.my.salesforce.com", None),
            ("x.acme.my.salesforce.com", None),
            ("acme.*", None),
            ("https://acme.my.salesforce.com", None),
            (".", None),
            ("*.", None),
            (":443", None),
            ("10.0.0.0/8", None),
            (",,,", None),
        ];
        for (list, expected) in table {
            assert_eq!(matching(list, HOST, 443), expected, "{list:?}");
        }
        assert_eq!(
            matching(".salesforce.com", "ACME.my.salesforce.com.", 443),
            Some(".salesforce.com")
        );
    }

    #[test]
    fn addresses_and_networks() {
        for (list, host, is_direct) in [
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3:443", "10.1.2.3", true),
            ("10.1.2.3:80", "10.1.2.3", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10", "10.1.2.3", false),
            ("1.2.3", "10.1.2.3", false),
            ("2001:db8::1", "[2001:db8::1]", true),
            ("[2001:db8::1]", "[2001:db8::1]", true),
            ("[2001:db8::1]:443", "[2001:db8::1]", true),
            ("[2001:db8::1]:80", "[2001:db8::1]", false),
            ("2001:db8::/32", "[2001:db8::1]", true),
            ("2001:db8::/32", "[2001:db9::1]", false),
            ("::ffff:10.1.2.3", "10.1.2.3", true),
            ("2001:db8::/32", "10.1.2.3", false),
        ] {
            assert_eq!(
                matching(list, host, 443).is_some(),
                is_direct,
                "{list} {host}"
            );
        }
    }
}
