//! Token introspection (RFC 7662) in the form that Salesforce documents: the only way to learn when an opaque token
//! ends. It costs a request, so it is made once per login and only if the user asks for it.

use serde_json::Value;

use crate::credentials::ClientCredentials;
use crate::error::{Error, ErrorCode};
use crate::grant::request::{self, AuthStyle};
use crate::http_message::{Request, Response};

/// What the endpoint says about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Introspected {
    /// It is alive, until this second since 1970 if that was stated.
    Active { ends: Option<i64> },
    /// It is dead.
    Inactive,
}

/// The introspection endpoint beside a token endpoint. `None`: its URL cannot be derived.
pub fn url_beside(token_url: &str) -> Option<String> {
    let base = token_url.strip_suffix("/token")?;
    Some(format!("{base}/introspect"))
}

/// Encodes the request; the client authenticates itself as it does for a token.
pub fn encode(
    url: &str,
    access_token: &str,
    credentials: &ClientCredentials,
    style: AuthStyle,
) -> Request {
    let fields = [("token", access_token), ("token_type_hint", "access_token")];
    request::form(url, &fields, credentials, style)
}

/// Reads the response. An error only means that nothing was learned.
pub fn decode(response: &Response) -> Result<Introspected, Error> {
    let useless = |problem: &str| {
        Error::new(
            ErrorCode::UnexpectedResponse,
            format!("introspection failed: {problem} (HTTP {})", response.status),
        )
        .with_help("The app may lack the permission to introspect its tokens. The lifetime is estimated instead.")
        .with_http_status(response.status)
    };
    if response.status != 200 {
        return Err(useless("it was refused"));
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(&response.body) else {
        return Err(useless("the response is not a JSON object"));
    };
    match fields.get("active") {
        Some(Value::Bool(true)) => Ok(Introspected::Active {
            ends: fields.get("exp").and_then(Value::as_i64),
        }),
        Some(Value::Bool(false)) => Ok(Introspected::Inactive),
        _ => Err(useless("the response has no field `active`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Introspected, Error> {
        decode(&Response {
            status,
            body: body.as_bytes().to_vec().into(),
            ..Response::default()
        })
    }

    #[test]
    fn responses_are_read() {
        assert_eq!(
            read(200, r#"{"active":true,"exp":7}"#).unwrap(),
            Introspected::Active { ends: Some(7) }
        );
        assert_eq!(
            read(200, r#"{"active":true}"#).unwrap(),
            Introspected::Active { ends: None }
        );
        assert_eq!(
            read(200, r#"{"active":false}"#).unwrap(),
            Introspected::Inactive
        );
        for (status, body) in [
            (200, "{}"),
            (200, "x"),
            (403, r#"{"active":true}"#),
            (200, r#"{"active":"yes"}"#),
        ] {
            assert!(read(status, body).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn the_endpoint_stands_beside_the_token_endpoint() {
        let url = url_beside("https://acme.my.salesforce.com/services/oauth2/token");
        assert_eq!(
            url.as_deref(),
            Some("https://acme.my.salesforce.com/services/oauth2/introspect")
        );
        assert_eq!(url_beside("https://gw.example/login"), None);
    }

    #[test]
    fn the_request_names_the_token_and_the_client() {
        let credentials = ClientCredentials::new("id", "s+").unwrap();
        let request = encode("https://x/", "00D!a", &credentials, AuthStyle::Body);
        assert_eq!(
            request.body.unwrap().expose(),
            "token=00D%21a&token_type_hint=access_token&client_id=id&client_secret=s%2B"
        );
    }
}
