//! A token response, and the fields of it that are kept.

use std::fmt;
use std::sync::{LazyLock, OnceLock};
use std::time::SystemTime;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::expiry::Expiry;
use crate::secret::{Secret, fingerprint};

/// The fields of one token response. A pool has many, so the texts are one after the other in one allocation.
pub struct TokenData {
    /// The value of an `Authorization` header, the fingerprint, and the other texts of the response.
    texts: Zeroizing<Box<str>>,
    /// Where each of them ends; an absent one is empty.
    ends: [u32; TEXTS],
    token_format: TokenFormat,
    expiry: Expiry,
    issued_at: Option<SystemTime>,
    expires_in: Option<u64>,
    /// Made when they are first read: for most tokens never.
    #[expect(clippy::box_collection, reason = "one word, because most have none")]
    scopes: OnceLock<Box<Vec<String>>>,
    /// Boxed, because most responses have none.
    extra: Option<Box<Map<String, Value>>>,
}

/// The texts of [`TokenData`], in their order.
#[derive(Clone, Copy)]
enum TokenText {
    Authorization,
    Fingerprint,
    InstanceUrl,
    ApiInstanceUrl,
    IdentityUrl,
    Scope,
}

const TEXTS: usize = 6;

/// A token response, checked except for its times.
#[derive(Clone, Debug)]
pub struct Grant {
    pub access_token: Secret,
    pub token_format: TokenFormat,
    pub instance_url: String,
    pub api_instance_url: Option<String>,
    pub identity_url: Option<String>,
    /// As in the response: names with blanks between them.
    pub scope: String,
    pub issued_at: Option<SystemTime>,
    pub expires_in: Option<u64>,
    pub jwt: Option<JwtTimes>,
    pub signature_matches: Option<bool>,
    pub extra: Map<String, Value>,
}

/// The times in a JWT access token, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwtTimes {
    pub issued: Option<i64>,
    pub ends: i64,
}

const SCHEME: &str = "Bearer ";

impl TokenData {
    pub fn new(grant: Grant, expiry: Expiry) -> Self {
        let token = grant.access_token.expose();
        let fingerprint = fingerprint(token);
        let all = [
            // Stored once, in the form that most callers need.
            [SCHEME, token],
            ["", &fingerprint],
            ["", &grant.instance_url],
            ["", grant.api_instance_url.as_deref().unwrap_or_default()],
            ["", grant.identity_url.as_deref().unwrap_or_default()],
            ["", &grant.scope],
        ];
        // Large enough that it does not grow, which would leave a part of the token behind.
        let length = all.iter().flatten().map(|text| text.len()).sum();
        let mut texts = String::with_capacity(length);
        let ends = all.map(|parts| {
            for part in parts {
                texts.push_str(part);
            }
            // A response is at most 1 MiB.
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

    /// The value of an `Authorization` header.
    pub fn authorization(&self) -> &str {
        self.text(TokenText::Authorization)
    }

    fn text(&self, text: TokenText) -> &str {
        let place = text as usize;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.texts[start as usize..self.ends[place] as usize]
    }

    fn optional(&self, text: TokenText) -> Option<&str> {
        Some(self.text(text)).filter(|text| !text.is_empty())
    }

    pub fn access_token(&self) -> &str {
        &self.text(TokenText::Authorization)[SCHEME.len()..]
    }

    pub fn token_format(&self) -> TokenFormat {
        self.token_format
    }

    pub fn fingerprint(&self) -> &str {
        self.text(TokenText::Fingerprint)
    }

    pub fn instance_url(&self) -> &str {
        self.text(TokenText::InstanceUrl)
    }

    pub fn api_instance_url(&self) -> Option<&str> {
        self.optional(TokenText::ApiInstanceUrl)
    }

    pub fn identity_url(&self) -> Option<&str> {
        self.optional(TokenText::IdentityUrl)
    }

    /// Names with blanks between them.
    pub fn scope(&self) -> &str {
        self.text(TokenText::Scope)
    }

    pub fn issued_at(&self) -> Option<SystemTime> {
        self.issued_at
    }

    pub fn expires_in(&self) -> Option<u64> {
        self.expires_in
    }

    pub fn expiry(&self) -> Expiry {
        self.expiry
    }

    pub fn extra(&self) -> &Map<String, Value> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.extra.as_deref().unwrap_or(&NONE)
    }

    pub fn scopes(&self) -> &[String] {
        let names = || self.scope().split_whitespace().map(str::to_owned);
        self.scopes.get_or_init(|| Box::new(names().collect()))
    }
}

impl fmt::Debug for TokenData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenData")
            .field("fingerprint", &self.fingerprint())
            .field("expiry", &self.expiry)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expiry::ExpirySource;

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

    fn parts(grant: Grant) -> TokenData {
        let expiry = Expiry {
            at: SystemTime::UNIX_EPOCH,
            source: ExpirySource::Default,
        };
        TokenData::new(grant, expiry)
    }

    #[test]
    fn the_texts_in_one_allocation_are_told_apart() {
        let all = parts(grant());
        assert_eq!(all.authorization(), "Bearer 00D!x");
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
}
