//! The token and all that came with it, as one unit.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::SystemTime;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::cache::cached_token::CachedToken;
use crate::secret::{Secret, fingerprint};

/// An access token together with the instance it is for and the identity behind it.
///
/// Cheap to clone. Its `Debug` form shows the fingerprint and never the token.
#[derive(Clone)]
pub struct Token(Handle);

/// What is known of a token stands in its lease, where readers have looked already.
#[derive(Clone)]
enum Handle {
    Shared(Arc<CachedToken>),
    /// With a reference count of its own, on a cache line of its own: see [`Token::apart`].
    Apart(Arc<Apart>),
}

#[repr(align(64))]
struct Apart(Arc<CachedToken>);

/// What is known of one token. A pool holds many, so the texts stand end to end in one allocation.
pub(crate) struct Parts {
    /// The value of an `Authorization` header, the fingerprint, and the other texts of the answer.
    texts: Zeroizing<Box<str>>,
    /// Where each of them ends; one that is absent is empty.
    ends: [u32; TEXTS],
    token_format: TokenFormat,
    expiry: Expiry,
    issued_at: Option<SystemTime>,
    expires_in: Option<u64>,
    /// Made when somebody asks for them: for most tokens nobody does.
    #[expect(
        clippy::box_collection,
        reason = "one word for the many that have none"
    )]
    scopes: OnceLock<Box<Vec<String>>>,
    /// Apart, as most answers have none.
    extra: Option<Box<Map<String, Value>>>,
}

/// The texts of [`Parts`], in their order.
#[derive(Clone, Copy)]
enum Text {
    Authorization,
    Fingerprint,
    InstanceUrl,
    ApiInstanceUrl,
    IdentityUrl,
    Scope,
}

const TEXTS: usize = 6;

/// What the token endpoint answered, checked but without a judgement on time.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) access_token: Secret,
    pub(crate) token_format: TokenFormat,
    pub(crate) instance_url: String,
    pub(crate) api_instance_url: Option<String>,
    pub(crate) identity_url: Option<String>,
    /// As the answer has it: names with blanks between them.
    pub(crate) scope: String,
    pub(crate) issued_at: Option<SystemTime>,
    pub(crate) expires_in: Option<u64>,
    pub(crate) jwt: Option<JwtTimes>,
    pub(crate) signature_matches: Option<bool>,
    pub(crate) extra: Map<String, Value>,
}

/// The times in a JWT access token, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JwtTimes {
    pub(crate) issued: Option<i64>,
    pub(crate) ends: i64,
}

const SCHEME: &str = "Bearer ";

impl Parts {
    pub(crate) fn new(grant: Grant, expiry: Expiry) -> Self {
        let token = grant.access_token.expose();
        let fingerprint = fingerprint(token);
        let all = [
            // Kept once, in the form that most need.
            [SCHEME, token],
            ["", &fingerprint],
            ["", &grant.instance_url],
            ["", grant.api_instance_url.as_deref().unwrap_or_default()],
            ["", grant.identity_url.as_deref().unwrap_or_default()],
            ["", &grant.scope],
        ];
        // Large enough that it does not grow, which would leave a part of the token behind.
        let room = all.iter().flatten().map(|text| text.len()).sum();
        let mut texts = String::with_capacity(room);
        let ends = all.map(|parts| {
            for part in parts {
                texts.push_str(part);
            }
            // An answer is not larger than a few hundred KiB.
            u32::try_from(texts.len()).unwrap_or(u32::MAX)
        });
        Self {
            texts: Zeroizing::new(texts.into_boxed_str()),
            ends,
            token_format: grant.token_format,
            expiry,
            issued_at: grant.issued_at,
            expires_in: grant.expires_in,
            scopes: OnceLock::new(),
            extra: (!grant.extra.is_empty()).then(|| Box::new(grant.extra)),
        }
    }

    fn text(&self, text: Text) -> &str {
        let place = text as usize;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start as usize..self.ends[place] as usize]
    }

    fn optional(&self, text: Text) -> Option<&str> {
        Some(self.text(text)).filter(|text| !text.is_empty())
    }

    pub(crate) fn access_token(&self) -> &str {
        &self.text(Text::Authorization)[SCHEME.len()..]
    }

    pub(crate) fn token_format(&self) -> TokenFormat {
        self.token_format
    }

    pub(crate) fn fingerprint(&self) -> &str {
        self.text(Text::Fingerprint)
    }

    pub(crate) fn instance_url(&self) -> &str {
        self.text(Text::InstanceUrl)
    }

    pub(crate) fn api_instance_url(&self) -> Option<&str> {
        self.optional(Text::ApiInstanceUrl)
    }

    pub(crate) fn identity_url(&self) -> Option<&str> {
        self.optional(Text::IdentityUrl)
    }

    /// Names with blanks between them.
    pub(crate) fn scope(&self) -> &str {
        self.text(Text::Scope)
    }

    pub(crate) fn issued_at(&self) -> Option<SystemTime> {
        self.issued_at
    }

    pub(crate) fn expires_in(&self) -> Option<u64> {
        self.expires_in
    }

    pub(crate) fn expiry(&self) -> Expiry {
        self.expiry
    }

    pub(crate) fn extra(&self) -> &Map<String, Value> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.extra.as_deref().unwrap_or(&NONE)
    }

    fn scopes(&self) -> &[String] {
        let names = || self.scope().split_whitespace().map(str::to_owned);
        self.scopes.get_or_init(|| Box::new(names().collect()))
    }
}

impl Token {
    /// The token of a lease.
    pub(crate) fn of(cached: &Arc<CachedToken>) -> Self {
        Self(Handle::Shared(Arc::clone(cached)))
    }

    fn cached(&self) -> &Arc<CachedToken> {
        match &self.0 {
            Handle::Shared(cached) => cached,
            Handle::Apart(apart) => &apart.0,
        }
    }

    fn parts(&self) -> &Parts {
        &self.cached().parts
    }

    /// The same token behind another reference count. Threads that clone the same one pass its
    /// cache line back and forth: seven times slower for two threads.
    pub(crate) fn apart(&self) -> Self {
        Self(Handle::Apart(Arc::new(Apart(Arc::clone(self.cached())))))
    }

    /// The token itself. Do not print it.
    #[must_use]
    pub fn access_token(&self) -> &str {
        self.parts().access_token()
    }

    /// The value of an `Authorization` header: `Bearer ...`. Do not print it.
    #[must_use]
    pub fn authorization(&self) -> &str {
        self.parts().text(Text::Authorization)
    }

    /// Where API calls go, without a trailing slash. It passed the trust policy.
    #[must_use]
    pub fn instance_url(&self) -> &str {
        self.parts().instance_url()
    }

    /// Where calls to `api.salesforce.com` APIs go; only for apps with such a scope.
    #[must_use]
    pub fn api_instance_url(&self) -> Option<&str> {
        self.parts().api_instance_url()
    }

    /// The identity URL, on the login host.
    #[must_use]
    pub fn identity_url(&self) -> Option<&str> {
        self.parts().identity_url()
    }

    /// The 18-character id of the org, from the identity URL.
    #[must_use]
    pub fn org_id(&self) -> Option<&str> {
        identity(self.identity_url()?).0
    }

    /// The 18-character id of the user that the app runs as, from the identity URL.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        identity(self.identity_url()?).1
    }

    /// The scopes that Salesforce granted; empty when the answer did not say.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        self.parts().scopes()
    }

    /// Opaque (a session id) or JWT.
    #[must_use]
    pub fn token_format(&self) -> TokenFormat {
        self.parts().token_format
    }

    /// The token type of the answer: `Bearer`.
    #[must_use]
    #[expect(clippy::unnecessary_literal_bound, reason = "others may come")]
    pub fn token_type(&self) -> &str {
        "Bearer"
    }

    /// When the answer was signed. It says nothing about when the session began or ends.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.parts().issued_at
    }

    /// When the token ends, and how that is known.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.parts().expiry
    }

    /// 16 hexadecimal digits that tell tokens apart; safe to log.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        self.parts().fingerprint()
    }

    /// Fields of the answer that this version has no name for.
    #[must_use]
    pub fn extra(&self) -> &Map<String, Value> {
        self.parts().extra()
    }

    /// Whether both are the very same answer, not merely the same token text.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.cached(), other.cached())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("access_token", &"[redacted]")
            .field("fingerprint", &self.fingerprint())
            .field("instance_url", &self.instance_url())
            .field("org_id", &self.org_id())
            .field("user_id", &self.user_id())
            .field("expiry", &self.expiry())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("fingerprint", &self.fingerprint())
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

/// `https://login.salesforce.com/id/<org>/<user>`: the last two parts.
fn identity(url: &str) -> (Option<&str>, Option<&str>) {
    let is_id =
        |id: &&str| matches!(id.len(), 15 | 18) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let Some((_, path)) = url.split_once("/id/") else {
        return (None, None);
    };
    let mut parts = path.split('/');
    (parts.next().filter(is_id), parts.next().filter(is_id))
}

/// The form of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenFormat {
    /// A session id that says nothing about itself.
    Opaque,
    /// A signed JSON Web Token that carries its end.
    Jwt,
}

impl TokenFormat {
    /// `opaque` or `jwt`, as Salesforce writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Jwt => "jwt",
        }
    }
}

/// When a token ends, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    pub(crate) at: SystemTime,
    pub(crate) source: ExpirySource,
}

impl Expiry {
    /// The instant of the end, by this machine's wall clock.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> ExpirySource {
        self.source
    }

    /// Whether it was stated or guessed.
    #[must_use]
    pub fn certainty(&self) -> ExpiryCertainty {
        self.source.certainty()
    }

    /// Shorthand: the end was stated by Salesforce.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.certainty() == ExpiryCertainty::Known
    }
}

/// Where an [`Expiry`] comes from; the first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExpirySource {
    /// The `exp` claim of a JWT token.
    Jwt,
    /// The `expires_in` field of the answer.
    ExpiresIn,
    /// The `exp` that introspection told (option `introspect`).
    Introspection,
    /// What earlier rejections taught this client.
    Learned,
    /// The `session_timeout` option.
    Configured,
    /// Nothing was stated or configured: 30 minutes.
    Default,
}

impl ExpirySource {
    /// A stable word: `jwt`, `expires_in`, `introspection`, `learned`, `configured`, `default`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::ExpiresIn => "expires_in",
            Self::Introspection => "introspection",
            Self::Learned => "learned",
            Self::Configured => "configured",
            Self::Default => "default",
        }
    }

    /// Whether an end from this source was stated or guessed.
    #[must_use]
    pub fn certainty(self) -> ExpiryCertainty {
        match self {
            Self::Jwt | Self::ExpiresIn | Self::Introspection => ExpiryCertainty::Known,
            Self::Learned | Self::Configured | Self::Default => ExpiryCertainty::Estimated,
        }
    }
}

/// How sure an [`Expiry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpiryCertainty {
    /// Salesforce stated it: the token is never served past it.
    Known,
    /// A guess: the token may end sooner or live on.
    Estimated,
}

impl ExpiryCertainty {
    /// `known` or `estimated`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Estimated => "estimated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            access_token: Secret::new("00D!x"),
            token_format: TokenFormat::Opaque,
            instance_url: "https://acme.my.salesforce.com".to_owned(),
            api_instance_url: None,
            identity_url: Some(
                "https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA".to_owned(),
            ),
            scope: " api  id".to_owned(),
            issued_at: None,
            expires_in: Some(7_200),
            jwt: None,
            signature_matches: None,
            extra: Map::new(),
        }
    }

    fn parts(grant: Grant) -> Parts {
        let expiry = Expiry {
            at: SystemTime::UNIX_EPOCH,
            source: ExpirySource::Default,
        };
        Parts::new(grant, expiry)
    }

    #[test]
    fn texts_that_stand_end_to_end_are_told_apart() {
        let all = parts(grant());
        assert_eq!(all.text(Text::Authorization), "Bearer 00D!x");
        assert_eq!(all.access_token(), "00D!x");
        assert_eq!(all.fingerprint(), fingerprint("00D!x"));
        assert_eq!(all.instance_url(), "https://acme.my.salesforce.com");
        assert_eq!(all.api_instance_url(), None);
        assert!(all.identity_url().unwrap().starts_with("https://login."));
        assert_eq!(all.scopes(), ["api", "id"]);
        assert!(all.extra().is_empty());
        let api = "https://api.salesforce.com".to_owned();
        let few = parts(Grant {
            api_instance_url: Some(api.clone()),
            identity_url: None,
            scope: String::new(),
            extra: Map::from_iter([("new".to_owned(), Value::from(1))]),
            ..grant()
        });
        assert_eq!(few.api_instance_url(), Some(api.as_str()));
        assert_eq!(few.identity_url(), None);
        assert!(few.scopes().is_empty() && few.extra().len() == 1);
        assert!(!format!("{few:?}").contains("00D!x"));
    }

    #[test]
    fn ids_are_the_last_two_parts_of_the_identity_url() {
        let (org, user) = ("00D000000000001EAA", "005000000000001");
        let table = [
            (
                format!("https://x/id/{org}/{user}"),
                (Some(org), Some(user)),
            ),
            (format!("https://x/id/{org}"), (Some(org), None)),
            (format!("https://x/id/short/{user}"), (None, Some(user))),
            ("https://x/other".to_owned(), (None, None)),
        ];
        for (url, expected) in &table {
            assert_eq!(identity(url), *expected, "{url}");
        }
    }
}
