//! The URL of a request, and whether the token goes along. Paths go to the token's instance, and URLs of an instance
//! that the org has left go to its current one. Pure.

use url::Url;

use crate::error::{Error, ErrorCode};
use crate::host::TrustPolicy;
use crate::url_spelling;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvedUrl {
    /// The URL to connect to. If the token goes along, every parser reads it alike: it is ASCII, and
    /// holds no user name, blank or backslash. Give the HTTP client exactly this text.
    pub url: String,
    /// Whether the token may go along.
    pub carries_token: bool,
}

impl ResolvedUrl {
    #[doc(hidden)]
    #[must_use]
    pub fn new(url: String, carries_token: bool) -> Self {
        Self { url, carries_token }
    }
}

/// The instances of a client's tokens so far, the newest last. Few: orgs move rarely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances(Vec<Instance>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Instance {
    base: String,
    is_api: bool,
}

/// More moves than this are not remembered.
const MAX_INSTANCES: usize = 16;

/// The instances of one token.
#[derive(Clone, Copy, Debug)]
pub struct TokenInstances<'a> {
    pub instance_url: &'a str,
    pub api_instance_url: Option<&'a str>,
}

impl Instances {
    /// These too; `None` if they are known already.
    pub fn with(&self, token: TokenInstances<'_>) -> Option<Self> {
        let new: Vec<_> = [
            (Some(token.instance_url), false),
            (token.api_instance_url, true),
        ]
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
        let surplus = all.len().saturating_sub(MAX_INSTANCES);
        all.drain(..surplus);
        Some(Self(all))
    }

    /// Whether this URL is on an instance of the client's tokens.
    pub fn have(&self, url: &Url) -> bool {
        self.0.iter().any(|known| same_origin(url, &known.base))
    }

    /// Where a request for this path or URL goes, with a token of these instances.
    pub fn resolve_url(
        &self,
        token: TokenInstances<'_>,
        trust: &TrustPolicy,
        path_or_url: &str,
    ) -> Result<ResolvedUrl, Error> {
        let instance = token.instance_url;
        // Nearly every call: text comparison, no parsing.
        let whole = path_or_url.strip_prefix(instance);
        if whole.is_some_and(|rest| rest.is_empty() || url_spelling::is_plain_path(rest)) {
            return Ok(ResolvedUrl {
                url: path_or_url.to_owned(),
                carries_token: trust.allows_instance(instance),
            });
        }
        if url_spelling::is_plain_path(path_or_url) {
            return Ok(ResolvedUrl {
                url: format!("{instance}{path_or_url}"),
                carries_token: trust.allows_instance(instance),
            });
        }
        let Ok(url) = Url::parse(path_or_url) else {
            return Ok(ResolvedUrl {
                url: url_spelling::spelled(on_instance(path_or_url, instance)?),
                carries_token: trust.allows_instance(instance),
            });
        };
        self.resolve_absolute(token, trust, path_or_url, url)
    }

    fn resolve_absolute(
        &self,
        token: TokenInstances<'_>,
        trust: &TrustPolicy,
        text: &str,
        url: Url,
    ) -> Result<ResolvedUrl, Error> {
        let url = self.current_url(token, url);
        let instances = [
            token.instance_url,
            token.api_instance_url.unwrap_or_default(),
        ];
        if !trust.allows_url(&url.now, &instances) {
            let url = if url.has_moved {
                url_spelling::spelled(url.now)
            } else {
                text.to_owned()
            };
            return Ok(ResolvedUrl {
                url,
                carries_token: false,
            });
        }
        if let Some(oddity) = url_spelling::oddity(text, &url.given) {
            return Err(odd(oddity));
        }
        Ok(ResolvedUrl {
            url: url_spelling::spelled(url.now),
            carries_token: true,
        })
    }

    /// A URL of an instance that the org has left becomes one of its current instance.
    fn current_url(&self, token: TokenInstances<'_>, given: Url) -> CurrentUrl {
        let left = self.0.iter().find(|known| same_origin(&given, &known.base));
        let now = match left {
            Some(known) if known.is_api => token.api_instance_url,
            Some(_) => Some(token.instance_url),
            None => None,
        };
        let base = now.filter(|now| !same_origin(&given, now));
        let rest = &given[url::Position::BeforePath..];
        let now = base.and_then(|base| Url::parse(&format!("{base}{rest}")).ok());
        let has_moved = now.is_some();
        CurrentUrl {
            now: now.unwrap_or_else(|| given.clone()),
            given,
            has_moved,
        }
    }
}

/// A URL as it was given, and on the instance where the org is now.
struct CurrentUrl {
    given: Url,
    now: Url,
    has_moved: bool,
}

fn on_instance(path: &str, instance_url: &str) -> Result<Url, Error> {
    if let Some(oddity) = url_spelling::relative_oddity(path) {
        return Err(odd(oddity));
    }
    let base = Url::parse(instance_url);
    let found = base.ok().and_then(|base| base.join(path).ok());
    match found {
        Some(url) if same_origin(&url, instance_url) => Ok(url),
        _ => Err(Error::new(
            ErrorCode::InvalidOption,
            "the URL of the call: it is neither a URL nor a path on the token's instance",
        )
        .with_help(HELP)),
    }
}

fn odd(oddity: &str) -> Error {
    Error::new(
        ErrorCode::InvalidOption,
        format!("the URL of the call: {oddity}, so HTTP libraries do not agree on where it leads; nothing was sent"),
    )
    .with_help(HELP)
}

const HELP: &str = "Give a path such as `/services/data/v67.0/limits`, or a whole URL such as `https://host/path`.";

fn same_origin(url: &Url, base: &str) -> bool {
    Url::parse(base).is_ok_and(|base| base.origin() == url.origin())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "https://acme.my.salesforce.com";
    const NEW: &str = "https://acme-moved.my.salesforce.com";
    const API: &str = "https://api.salesforce.com";

    type Base = (&'static str, Option<&'static str>);

    fn instances((instance_url, api_instance_url): Base) -> TokenInstances<'static> {
        TokenInstances {
            instance_url,
            api_instance_url,
        }
    }

    fn trust() -> TrustPolicy {
        TrustPolicy::new([".trusted.example".to_owned()], true).unwrap()
    }

    fn resolved(known: &[Base], now: Base, text: &str) -> Result<ResolvedUrl, Error> {
        let mut all = Instances::default();
        for base in known.iter().chain([&now]) {
            all = all.with(instances(*base)).unwrap_or(all);
        }
        all.resolve_url(instances(now), &trust(), text)
    }

    /// The URL, with a star where the token goes along.
    fn shown(known: &[Base], now: Base, text: &str) -> String {
        match resolved(known, now, text) {
            Ok(resolved) if resolved.carries_token => format!("{} *", resolved.url),
            Ok(resolved) => resolved.url,
            Err(error) => error.code().to_string(),
        }
    }

    #[test]
    fn paths_go_to_the_instance_and_nowhere_else() {
        for (text, expected) in [
            ("/a?b=c", "https://acme.my.salesforce.com/a?b=c *"),
            ("a/b", "https://acme.my.salesforce.com/a/b *"),
            ("/a b", "https://acme.my.salesforce.com/a%20b *"),
            ("/a/../b", "https://acme.my.salesforce.com/b *"),
            (
                "/q?q='O\\'Neil'",
                "https://acme.my.salesforce.com/q?q=%27O%5C%27Neil%27 *",
            ),
            ("", "https://acme.my.salesforce.com/ *"),
            ("/\t/evil.example/a", "invalid_option"),
            ("/a\nb", "invalid_option"),
            ("//evil.example/a", "invalid_option"),
            ("////evil.example/a", "invalid_option"),
            ("\\\\evil.example/a", "invalid_option"),
            ("/\\evil.example/a", "invalid_option"),
            ("/a\\b", "invalid_option"),
        ] {
            assert_eq!(shown(&[], (OLD, None), text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_token_goes_only_where_it_may_in_one_spelling() {
        for (text, expected) in [
            (OLD, "https://acme.my.salesforce.com *"),
            (
                "https://acme.my.salesforce.com/a",
                "https://acme.my.salesforce.com/a *",
            ),
            (
                "HTTPS://ACME.my.salesforce.com:443/a b",
                "https://acme.my.salesforce.com/a%20b *",
            ),
            (
                "https://acme.my.salesforce.com?a",
                "https://acme.my.salesforce.com/?a *",
            ),
            (
                "https://gw.trusted.example:8443/a",
                "https://gw.trusted.example:8443/a *",
            ),
            // No token goes along, so it does not matter how others read the URL.
            ("https://evil.example/a", "https://evil.example/a"),
            (
                "https://evil.example\\@acme.my.salesforce.com/a",
                "https://evil.example\\@acme.my.salesforce.com/a",
            ),
            (
                "https://acme.my.salesforce.com.evil.example/a",
                "https://acme.my.salesforce.com.evil.example/a",
            ),
            (
                "https://acme.my.salesforce.com@evil.example/a",
                "https://acme.my.salesforce.com@evil.example/a",
            ),
            (
                "https://user@acme.my.salesforce.com/a",
                "https://user@acme.my.salesforce.com/a",
            ),
            (
                "http://acme.my.salesforce.com/a",
                "http://acme.my.salesforce.com/a",
            ),
            // The host is the token's for some parsers alone.
            (
                "https://acme.my.salesforce.com\\@evil.example/a",
                "invalid_option",
            ),
            (
                "https://acme.my.salesforce.com\\.evil.example/a",
                "invalid_option",
            ),
            ("https:////acme.my.salesforce.com/a", "invalid_option"),
            ("https:acme.my.salesforce.com/a", "invalid_option"),
            ("https://gw.trusted\t.example/a", "invalid_option"),
            ("https://@gw.trusted.example/a", "invalid_option"),
        ] {
            assert_eq!(shown(&[], (OLD, None), text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_was_meant_for_an_instance_follows_it() {
        let moved = |text| {
            shown(
                &[(OLD, Some(API))],
                (NEW, Some("https://test.api.salesforce.com")),
                text,
            )
        };
        for (text, expected) in [
            (
                "https://acme.my.salesforce.com/a?b#c",
                "https://acme-moved.my.salesforce.com/a?b#c *",
            ),
            (
                "https://ACME.my.salesforce.com:443/a",
                "https://acme-moved.my.salesforce.com/a *",
            ),
            (
                "https://api.salesforce.com/a",
                "https://test.api.salesforce.com/a *",
            ),
            ("https://other.example/a", "https://other.example/a"),
            (
                "https://acme.my.salesforce.com\\@evil.example/a",
                "invalid_option",
            ),
            ("https://user@acme.my.salesforce.com/a", "invalid_option"),
        ] {
            assert_eq!(moved(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_api_instance_that_is_gone_stays_where_it_was() {
        let url = "https://api.salesforce.com/a";
        assert_eq!(shown(&[(OLD, Some(API))], (NEW, None), url), url);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut all = Instances::default();
        for number in 0..100 {
            let instance_url = format!("https://acme{number}.my.salesforce.com");
            let token = TokenInstances {
                instance_url: &instance_url,
                api_instance_url: None,
            };
            all = all.with(token).unwrap_or(all);
            assert!(all.with(token).is_none());
        }
        assert_eq!(all.0.len(), MAX_INSTANCES);
    }

    /// Texts near those that parsers read differently.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("https://"),
            Just("http://"),
            Just("https:"),
            Just("//"),
            Just("/"),
            Just("\\"),
            Just("acme.my.salesforce.com"),
            Just("gw.trusted.example"),
            Just("127.0.0.1"),
            Just("evil.example"),
            Just("@"),
            Just(":"),
            Just("443"),
            Just("."),
            Just(".."),
            Just("%2e"),
            Just("%40"),
            Just("%5c"),
            Just("\t"),
            Just("\n"),
            Just(" "),
            Just("?"),
            Just("#"),
            Just("["),
            Just("]"),
            Just("::1"),
            Just("\u{3002}"),
            Just("\u{ff0f}"),
            Just("\u{ad}"),
            Just("a"),
            Just("\0"),
            Just(";"),
            Just("&"),
        ];
        proptest::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
    }

    /// If the token goes along with this text, the host may see it and all parsers read the URL alike.
    fn check_where_it_goes(text: &str) {
        let Ok(resolved) = resolved(&[(OLD, None)], (NEW, Some(API)), text) else {
            return;
        };
        if !resolved.carries_token {
            return;
        }
        let url = &resolved.url;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        assert!(url.bytes().all(is_plain), "{url} from {text:?}");
        let parsed = Url::parse(url).unwrap();
        let host = parsed.host_str().unwrap();
        let is_instance = [NEW, API].iter().any(|base| same_origin(&parsed, base));
        let is_trusted = parsed.scheme() == "https" && host.ends_with(".trusted.example");
        assert!(is_instance || is_trusted, "{url} from {text:?}");
        // As a parser without any knowledge of the standards would have it.
        let rest = url.split_once("://").unwrap().1;
        let authority = rest.split(['/', '?', '#']).next().unwrap();
        let port = authority.strip_prefix(host);
        let is_port = |port: &str| port.is_empty() || port.starts_with(':');
        assert!(port.is_some_and(is_port), "{url} from {text:?}");
        assert!(
            trust().is_allowed_for(url, &[NEW, API]),
            "{url} from {text:?}"
        );
    }

    #[test]
    fn no_hostile_url_leads_the_token_away() {
        let corpus = include_str!("../../../../tests/hostile-urls.json");
        let corpus: Vec<String> = serde_json::from_str(corpus).unwrap();
        assert!(corpus.len() > 100);
        for instance in [OLD, NEW, API] {
            let host = instance.trim_start_matches("https://");
            for text in &corpus {
                check_where_it_goes(&text.replace("{instance}", instance).replace("{host}", host));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_token_never_goes_elsewhere(text in prop_oneof![hostile(), ".{0,40}"]) {
            check_where_it_goes(&text);
        }

        #[test]
        fn a_url_that_is_allowed_is_sent_as_it_is_read(text in hostile()) {
            // What a caller asks about and sends itself.
            if trust().is_allowed_for(&text, &[OLD]) {
                let resolved = resolved(&[], (OLD, None), &text).unwrap();
                prop_assert!(resolved.carries_token);
                let host = Url::parse(&text).unwrap();
                let authority = text.split("://").nth(1).unwrap().split(['/', '?', '#']).next().unwrap();
                prop_assert!(authority.to_ascii_lowercase().starts_with(host.host_str().unwrap()));
            }
        }
    }
}
