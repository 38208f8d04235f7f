//! The token and all that came with it, as one unit.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::secret::{Secret, fingerprint};

/// An access token together with the instance it is for and the identity behind it.
///
/// Cheap to clone. Its `Debug` form shows the fingerprint and never the token.
#[derive(Clone)]
pub struct Token(Handle);

#[derive(Clone)]
enum Handle {
    Shared(Arc<Parts>),
    /// With a reference count of its own, on a cache line of its own: see [`Token::apart`].
    Apart(Arc<Apart>),
}

#[repr(align(64))]
struct Apart(Arc<Parts>);

pub(crate) struct Parts {
    authorization: Secret,
    fingerprint: String,
    grant: Grant,
    expiry: Expiry,
}

/// What the token endpoint answered, checked but without a judgement on time.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) access_token: Secret,
    pub(crate) token_format: TokenFormat,
    pub(crate) token_type: String,
    pub(crate) instance_url: String,
    pub(crate) api_instance_url: Option<String>,
    pub(crate) identity_url: Option<String>,
    pub(crate) org_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) scopes: Vec<String>,
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

impl Token {
    pub(crate) fn new(mut grant: Grant, expiry: Expiry) -> Self {
        // Kept once, in the form that most need.
        let text = std::mem::replace(&mut grant.access_token, Secret::new(""));
        let text = text.expose();
        Self(Handle::Shared(Arc::new(Parts {
            fingerprint: fingerprint(text),
            authorization: Secret::new(format!("{SCHEME}{text}")),
            grant,
            expiry,
        })))
    }

    fn parts(&self) -> &Arc<Parts> {
        match &self.0 {
            Handle::Shared(parts) => parts,
            Handle::Apart(apart) => &apart.0,
        }
    }

    /// The same token behind another reference count. Threads that clone the same one pass its
    /// cache line back and forth: seven times slower for two threads.
    pub(crate) fn apart(&self) -> Self {
        Self(Handle::Apart(Arc::new(Apart(Arc::clone(self.parts())))))
    }

    /// The token itself. Do not print it.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.parts().authorization.expose()[SCHEME.len()..]
    }

    /// The value of an `Authorization` header: `Bearer ...`. Do not print it.
    #[must_use]
    pub fn authorization(&self) -> &str {
        self.parts().authorization.expose()
    }

    /// Where API calls go, without a trailing slash. It passed the trust policy.
    #[must_use]
    pub fn instance_url(&self) -> &str {
        &self.parts().grant.instance_url
    }

    /// Where calls to `api.salesforce.com` APIs go; only for apps with such a scope.
    #[must_use]
    pub fn api_instance_url(&self) -> Option<&str> {
        self.parts().grant.api_instance_url.as_deref()
    }

    /// The identity URL, on the login host.
    #[must_use]
    pub fn identity_url(&self) -> Option<&str> {
        self.parts().grant.identity_url.as_deref()
    }

    /// The 18-character id of the org, from the identity URL.
    #[must_use]
    pub fn org_id(&self) -> Option<&str> {
        self.parts().grant.org_id.as_deref()
    }

    /// The 18-character id of the user that the app runs as, from the identity URL.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.parts().grant.user_id.as_deref()
    }

    /// The scopes that Salesforce granted; empty when the answer did not say.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.parts().grant.scopes
    }

    /// Opaque (a session id) or JWT.
    #[must_use]
    pub fn token_format(&self) -> TokenFormat {
        self.parts().grant.token_format
    }

    /// The token type of the answer: `Bearer`.
    #[must_use]
    pub fn token_type(&self) -> &str {
        &self.parts().grant.token_type
    }

    /// When the answer was signed. It says nothing about when the session began or ends.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.parts().grant.issued_at
    }

    /// When the token ends, and how that is known.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.parts().expiry
    }

    /// 16 hexadecimal digits that tell tokens apart; safe to log.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.parts().fingerprint
    }

    /// Fields of the answer that this version has no name for.
    #[must_use]
    pub fn extra(&self) -> &Map<String, Value> {
        &self.parts().grant.extra
    }

    /// What the token endpoint answered, without the token itself.
    pub(crate) fn grant(&self) -> &Grant {
        &self.parts().grant
    }

    /// Whether both are the very same answer, not merely the same token text.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.parts(), other.parts())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("access_token", &"[redacted]")
            .field("fingerprint", &self.parts().fingerprint)
            .field("instance_url", &self.instance_url())
            .field("org_id", &self.org_id())
            .field("user_id", &self.user_id())
            .field("expiry", &self.parts().expiry)
            .finish_non_exhaustive()
    }
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
