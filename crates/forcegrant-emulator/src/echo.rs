//! A server that sends back what it was sent: the worst case for a client that keeps secrets out of
//! its texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::request::ReceivedRequest;
use crate::response::OutgoingResponse;

/// Where the request is echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoPlace {
    /// In the `error_description` of a refusal.
    Description,
    /// In the `error` of a refusal.
    Error,
    /// In a page, with 403.
    Html,
    /// In the `Location` of a 302.
    Location,
    /// In the `Retry-After` of a 503.
    RetryAfter,
    /// In the content type of a page, with 200.
    ContentType,
    /// In the code and message of an error of the REST APIs, with 403.
    RestError,
}

/// What is done to the echoed text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoEncoding {
    /// Nothing but what the place needs.
    #[default]
    Raw,
    /// `%2B`
    Percent,
    /// `+` for a space, `%2B`
    Form,
    /// `\u002b` for every character.
    Json,
    /// `&amp;`
    Html,
    /// Base64 of the whole.
    Base64,
    /// Only what HTTP Basic or the form's `client_secret` holds, decoded.
    Secret,
}

/// The response that echoes this request: its line, its headers and its body.
pub(crate) fn echo(
    request: &ReceivedRequest,
    place: EchoPlace,
    encoding: EchoEncoding,
) -> OutgoingResponse {
    let text = encoded(request, encoding);
    match place {
        EchoPlace::Description => OutgoingResponse::oauth_error(400, "invalid_grant", &text),
        EchoPlace::Error => OutgoingResponse::oauth_error(400, &text, "echo"),
        EchoPlace::Html => {
            OutgoingResponse::new(403, "text/html;charset=UTF-8", format!("<pre>{text}</pre>"))
        }
        EchoPlace::Location => {
            OutgoingResponse::empty(302).with("location", &format!("https://{}", one_line(&text)))
        }
        EchoPlace::RetryAfter => {
            OutgoingResponse::html(503, "echo").with("retry-after", &one_line(&text))
        }
        EchoPlace::ContentType => OutgoingResponse::new(200, &one_line(&text), "<html>"),
        EchoPlace::RestError => {
            OutgoingResponse::json(403, &json!([{ "errorCode": text, "message": text }]))
        }
    }
}

fn encoded(request: &ReceivedRequest, encoding: EchoEncoding) -> String {
    let whole = || {
        let mut lines = vec![format!("{} {}", request.method, request.path)];
        for (name, value) in request.headers_as_json() {
            lines.push(format!("{name}: {}", value.as_str().unwrap_or_default()));
        }
        lines.push(String::new());
        lines.push(String::from_utf8_lossy(&request.body).into_owned());
        lines.join("\n")
    };
    let by_form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    match encoding {
        EchoEncoding::Raw => whole(),
        EchoEncoding::Percent => by_form(&whole()).replace('+', "%20").to_lowercase(),
        EchoEncoding::Form => by_form(&whole()),
        EchoEncoding::Json => {
            let units = whole();
            let units = units.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            units.collect()
        }
        EchoEncoding::Html => {
            let text = whole().replace('&', "&amp;").replace('<', "&lt;");
            text.replace('"', "&quot;").replace('+', "&#43;")
        }
        EchoEncoding::Base64 => STANDARD.encode(whole()),
        EchoEncoding::Secret => request.client_authentication().1.unwrap_or_default(),
    }
}

/// A text that a header can hold.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() { c } else { ' ' })
        .collect()
}
