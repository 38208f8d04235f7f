//! The token and all that came with it, as one unit.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::cache::cached_token::CachedToken;
pub use crate::expiry::{Expiry, ExpiryCertainty, ExpirySource};
use crate::token_data::TokenData;
pub use crate::token_data::TokenFormat;

/// An access token together with the instance it is for and the identity behind it.
///
/// Cheap to clone. Its `Debug` form shows the fingerprint and never the token.
#[derive(Clone)]
pub struct Token(Handle);

/// Points to the cached token, which readers have touched already.
#[derive(Clone)]
enum Handle {
    Shared(Arc<CachedToken>),
    /// With its own reference count on its own cache line: see [`Token::apart`].
    Apart(Arc<Apart>),
}

#[repr(align(64))]
struct Apart(Arc<CachedToken>);

impl Token {
    /// The cached token, as users get it.
    #[doc(hidden)]
    pub fn of(cached: &Arc<CachedToken>) -> Self {
        Self(Handle::Shared(Arc::clone(cached)))
    }

    fn cached(&self) -> &Arc<CachedToken> {
        match &self.0 {
            Handle::Shared(cached) => cached,
            Handle::Apart(apart) => &apart.0,
        }
    }

    fn parts(&self) -> &TokenData {
        &self.cached().parts
    }

    /// The same token with another reference count. Threads that clone the same one pass its cache line back and
    /// forth: seven times slower with two threads.
    #[doc(hidden)]
    #[must_use]
    pub fn apart(&self) -> Self {
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
        self.parts().authorization()
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

    /// The scopes that Salesforce granted; empty if the response did not state them.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        self.parts().scopes()
    }

    /// Opaque (a session id) or JWT.
    #[must_use]
    pub fn token_format(&self) -> TokenFormat {
        self.parts().token_format()
    }

    /// The token type of the response: `Bearer`.
    #[must_use]
    #[expect(clippy::unnecessary_literal_bound, reason = "others may come")]
    pub fn token_type(&self) -> &str {
        "Bearer"
    }

    /// When the response was signed. It says nothing about when the session began or ends.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.parts().issued_at()
    }

    /// When the token ends, and how that is known.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.parts().expiry()
    }

    /// 16 hexadecimal digits that tell tokens apart; safe to log.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        self.parts().fingerprint()
    }

    /// Fields of the response that this version has no name for.
    #[must_use]
    pub fn extra(&self) -> &Map<String, Value> {
        self.parts().extra()
    }

    /// Whether both are of the same response, not only the same token text.
    #[doc(hidden)]
    pub fn is(&self, other: &Self) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

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
