//! The token request of RFC 6749 section 4.4, in the form that Salesforce accepts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::credentials::ClientCredentials;
use crate::http_message::Request;
use crate::percent_encoding::percent_encode;
use crate::secret::Secret;

/// How the client authenticates itself. Salesforce documents both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthStyle {
    /// `client_id` and `client_secret` as fields of the form.
    #[default]
    Body,
    /// HTTP Basic authentication.
    Basic,
}

impl AuthStyle {
    /// `body` or `basic`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Basic => "basic",
        }
    }
}

/// Encodes the token request. It never has a `scope`: Salesforce refuses one (reported).
pub fn encode(url: &str, credentials: &ClientCredentials, style: AuthStyle) -> Request {
    form(
        url,
        &[("grant_type", "client_credentials")],
        credentials,
        style,
    )
}

/// A form with the client's authentication.
pub fn form(
    url: &str,
    fields: &[(&str, &str)],
    credentials: &ClientCredentials,
    style: AuthStyle,
) -> Request {
    let id = percent_encode(credentials.client_id());
    let secret = Secret::new(percent_encode(credentials.expose_client_secret()));
    let mut headers = vec![
        (
            "content-type",
            Secret::new("application/x-www-form-urlencoded"),
        ),
        ("accept", Secret::new("application/json")),
    ];
    let length: usize = fields
        .iter()
        .map(|(name, value)| name.len() + 3 * value.len() + 2)
        .sum();
    // One allocation of the final size leaves no shorter copy of a secret behind.
    let mut body = String::with_capacity(length + 64 + id.len() + secret.expose().len());
    let mut field = |name: &str, encoded: &str| {
        let separator = if body.is_empty() { "" } else { "&" };
        for part in [separator, name, "=", encoded] {
            body.push_str(part);
        }
    };
    for (name, value) in fields {
        field(name, Secret::new(percent_encode(value)).expose());
    }
    match style {
        AuthStyle::Body => {
            field("client_id", &id);
            field("client_secret", secret.expose());
        }
        AuthStyle::Basic => {
            let credentials = Secret::new(format!("{id}:{}", secret.expose()));
            let encoded = Secret::new(STANDARD.encode(credentials.expose()));
            headers.push((
                "authorization",
                Secret::new(format!("Basic {}", encoded.expose())),
            ));
        }
    }
    Request {
        method: "POST",
        url: url.to_owned(),
        headers,
        body: Some(Secret::new(body)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credentials(secret: &str) -> ClientCredentials {
        ClientCredentials::new("3MVG9.a_b", secret).unwrap()
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        let found = request.headers.iter().find(|(key, _)| *key == name)?;
        Some(found.1.expose())
    }

    #[test]
    fn body_style() {
        let request = encode("https://x/", &credentials("a+b&c%d=é "), AuthStyle::Body);
        assert_eq!(
            request.body.as_ref().unwrap().expose(),
            "grant_type=client_credentials&client_id=3MVG9.a_b&client_secret=a%2Bb%26c%25d%3D%C3%A9"
        );
        assert!(header(&request, "authorization").is_none());
    }

    #[test]
    fn basic_style() {
        let request = encode("https://x/", &credentials("a b:c"), AuthStyle::Basic);
        assert_eq!(
            request.body.as_ref().unwrap().expose(),
            "grant_type=client_credentials"
        );
        let value = header(&request, "authorization")
            .unwrap()
            .strip_prefix("Basic ")
            .unwrap();
        assert_eq!(STANDARD.decode(value).unwrap(), b"3MVG9.a_b:a%20b%3Ac");
    }

    #[test]
    fn debug_shows_neither_secret_nor_header() {
        for style in [AuthStyle::Body, AuthStyle::Basic] {
            let request = encode("https://x/", &credentials("hunter22"), style);
            let shown = format!("{request:?}");
            assert!(
                !shown.contains("hunter22") && !shown.contains("Basic "),
                "{shown}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_secret_survives_the_form(secret in "[^\\p{C}\\s]([^\\p{C}]{0,20}[^\\p{C}\\s])?") {
            // Secrets that are trimmed or refused do not count.
            let credentials = ClientCredentials::new("id", secret.as_str());
            prop_assume!(credentials.as_ref().is_ok_and(|credentials| credentials.expose_client_secret() == secret));
            let request = encode("https://x/", &credentials.unwrap(), AuthStyle::Body);
            let body = request.body.unwrap();
            let decoded = url::form_urlencoded::parse(body.expose().as_bytes())
                .find(|(key, _)| key == "client_secret").unwrap().1.into_owned();
            prop_assert_eq!(decoded, secret);
        }
    }
}
