//! Where a call goes: paths to the token's instance, and what was meant for an instance that the org
//! has left to where it is now.

use url::Url;

use crate::error::{Code, Error};

/// The instances of a client's tokens so far, the newest last. Few: orgs move rarely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Instances(Vec<Instance>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Instance {
    base: String,
    is_api: bool,
}

/// More moves than this are not remembered.
const MOST: usize = 16;

impl Instances {
    /// With these instances too; `None` when they are known.
    pub(crate) fn with(&self, instance_url: &str, api_instance_url: Option<&str>) -> Option<Self> {
        let new: Vec<_> = [(Some(instance_url), false), (api_instance_url, true)]
            .into_iter()
            .filter_map(|(base, is_api)| Some((base?, is_api)))
            .filter(|(base, _)| self.0.iter().all(|known| known.base != *base))
            .collect();
        if new.is_empty() {
            return None;
        }
        let mut all = self.0.clone();
        for (base, is_api) in new {
            let base = base.to_owned();
            all.push(Instance { base, is_api });
        }
        let surplus = all.len().saturating_sub(MOST);
        all.drain(..surplus);
        Some(Self(all))
    }

    /// The address for a path or URL, with a token of these instances.
    pub(crate) fn aim(
        &self,
        instance_url: &str,
        api_instance_url: Option<&str>,
        path_or_url: &str,
    ) -> Result<String, Error> {
        if is_below(path_or_url, instance_url) {
            return Ok(path_or_url.to_owned());
        }
        if is_plain(path_or_url) {
            return on_instance(path_or_url, instance_url);
        }
        let Ok(url) = Url::parse(path_or_url) else {
            return on_instance(path_or_url, instance_url);
        };
        let left = self.0.iter().find(|known| same_origin(&url, &known.base));
        let now = match left {
            Some(known) if known.is_api => api_instance_url,
            Some(_) => Some(instance_url),
            None => None,
        };
        match now {
            Some(now) if !same_origin(&url, now) => {
                let rest = &url[url::Position::BeforePath..];
                Ok(format!("{now}{rest}"))
            }
            _ => Ok(path_or_url.to_owned()),
        }
    }
}

/// A shortcut for what nearly every call is: text comparison, no parsing.
fn is_below(url: &str, base: &str) -> bool {
    url.strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

fn on_instance(path: &str, instance_url: &str) -> Result<String, Error> {
    if is_plain(path) {
        return Ok(format!("{instance_url}{path}"));
    }
    let base = Url::parse(instance_url);
    let found = base.ok().and_then(|base| base.join(path).ok());
    match found {
        Some(url) if same_origin(&url, instance_url) => Ok(url.into()),
        _ => Err(Error::new(
            Code::InvalidOption,
            "the address of the call: it is no URL, and no path on the token's instance",
        )
        .with_help(
            "Give a path such as `/services/data/v67.0/limits`, or a whole URL with `https://`.",
        )),
    }
}

/// A path that needs no parser to be seen as one: `//host` and what parsers take for it are left out.
fn is_plain(path: &str) -> bool {
    let printable = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    path.starts_with('/') && !path.starts_with("//") && path.bytes().all(printable)
}

fn same_origin(url: &Url, base: &str) -> bool {
    Url::parse(base).is_ok_and(|base| base.origin() == url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "https://acme.my.salesforce.com";
    const NEW: &str = "https://acme-moved.my.salesforce.com";
    const API: &str = "https://api.salesforce.com";

    fn aim(known: &[(&str, Option<&str>)], now: (&str, Option<&str>), text: &str) -> String {
        let mut instances = Instances::default();
        for (instance, api) in known.iter().chain([&now]) {
            instances = instances.with(instance, *api).unwrap_or(instances);
        }
        match instances.aim(now.0, now.1, text) {
            Ok(url) => url,
            Err(error) => error.code().to_owned(),
        }
    }

    #[test]
    fn paths_go_to_the_instance_and_nowhere_else() {
        for (text, expected) in [
            ("/a?b=c", "https://acme.my.salesforce.com/a?b=c"),
            ("a/b", "https://acme.my.salesforce.com/a/b"),
            ("/a b", "https://acme.my.salesforce.com/a%20b"),
            ("/\t/evil.example/a", "invalid_option"),
            ("", "https://acme.my.salesforce.com/"),
            ("//evil.example/a", "invalid_option"),
            ("\\\\evil.example/a", "invalid_option"),
            ("/\\evil.example/a", "invalid_option"),
            ("https://evil.example/a", "https://evil.example/a"),
            (
                "https://acme.my.salesforce.com.evil.example/a",
                "https://acme.my.salesforce.com.evil.example/a",
            ),
            (
                "https://acme.my.salesforce.com@evil.example/a",
                "https://acme.my.salesforce.com@evil.example/a",
            ),
        ] {
            assert_eq!(aim(&[], (OLD, None), text), expected, "{text}");
        }
    }

    #[test]
    fn what_was_meant_for_an_instance_follows_it() {
        let moved = |text| {
            aim(
                &[(OLD, Some(API))],
                (NEW, Some("https://test.api.salesforce.com")),
                text,
            )
        };
        assert_eq!(
            moved("https://acme.my.salesforce.com/a?b#c"),
            "https://acme-moved.my.salesforce.com/a?b#c"
        );
        assert_eq!(
            moved("https://ACME.my.salesforce.com:443/a"),
            "https://acme-moved.my.salesforce.com/a"
        );
        assert_eq!(
            moved("https://api.salesforce.com/a"),
            "https://test.api.salesforce.com/a"
        );
        assert_eq!(moved("https://other.example/a"), "https://other.example/a");
    }

    #[test]
    fn an_api_instance_that_is_gone_stays_where_it_was() {
        let url = "https://api.salesforce.com/a";
        assert_eq!(aim(&[(OLD, Some(API))], (NEW, None), url), url);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut instances = Instances::default();
        for number in 0..100 {
            let base = format!("https://acme{number}.my.salesforce.com");
            instances = instances.with(&base, None).unwrap_or(instances);
            assert!(instances.with(&base, None).is_none());
        }
        assert_eq!(instances.0.len(), MOST);
    }
}
