//! Introspection, user info, identity, revocation, discovery and keys.

use serde_json::{Map, Value, json};

use crate::config::{AccessTokenFormat, Introspection, OrgConfig};
use crate::hosts::Site;
use crate::refusal::TokenRefusal;
use crate::request::ReceivedRequest;
use crate::response::OutgoingResponse;
use crate::sessions::EmulatedSession;
use crate::shared::SharedEmulator;
use crate::state::EmulatorState;
use crate::token_endpoint;

/// `POST /services/oauth2/introspect`.
pub(crate) fn introspect(
    state: &EmulatorState,
    request: &ReceivedRequest,
    site: &Site,
) -> OutgoingResponse {
    let Some(token) = request.field("token").filter(|_| request.method == "POST") else {
        return OutgoingResponse::oauth_error(400, "invalid_request", "token is missing");
    };
    let (org_id, permission) = match authenticate(state, request, site) {
        Ok(found) => found,
        Err(refusal) => return refusal.response(),
    };
    if permission == Introspection::Forbidden {
        // How Salesforce words this is not known.
        return OutgoingResponse::oauth_error(
            403,
            "access_denied",
            "app may not introspect this token",
        );
    }
    let live = state.sessions.live(token, state.now_ms());
    let Some(session) = live.filter(|session| session.org_id == org_id) else {
        return OutgoingResponse::json(200, &json!({ "active": false }));
    };
    let starts = session.starts_ms / 1000;
    OutgoingResponse::json(
        200,
        &json!({
            "active": true,
            "scope": session.scopes.join(" "),
            "client_id": session.client_id,
            "username": session.username,
            "sub": session.identity_url,
            "token_type": "access_token",
            "exp": session.ends_ms / 1000,
            "iat": starts,
            "nbf": starts,
        }),
    )
}

/// `/services/oauth2/userinfo` and identity URLs.
pub(crate) fn userinfo(state: &mut EmulatorState, request: &ReceivedRequest) -> OutgoingResponse {
    let now = state.now_ms();
    let Some(token) = request.bearer() else {
        return OutgoingResponse::text(403, "Missing_OAuth_Token");
    };
    let Some(session) = state.sessions.used(token, now) else {
        return OutgoingResponse::text(403, "Bad_OAuth_Token");
    };
    if request.path == "/services/oauth2/userinfo" {
        return OutgoingResponse::json(200, &Value::Object(person(state, &session)));
    }
    let own = format!("/id/{}/{}", session.org_id, session.user_id);
    if request.path.trim_end_matches('/') != own {
        return OutgoingResponse::text(403, "Wrong_Org");
    }
    let mut fields = person(state, &session);
    fields.insert("id".to_owned(), json!(session.identity_url));
    fields.insert("asserted_user".to_owned(), json!(true));
    fields.insert("username".to_owned(), json!(session.username));
    fields.insert("display_name".to_owned(), json!("Integration User"));
    OutgoingResponse::json(200, &Value::Object(fields))
}

/// `/services/oauth2/revoke`.
pub(crate) fn revoke(state: &mut EmulatorState, request: &ReceivedRequest) -> OutgoingResponse {
    let token = request
        .field("token")
        .map(ToOwned::to_owned)
        .or_else(|| request.parameter("token"));
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        let text = "this token type is not supported";
        return OutgoingResponse::oauth_error(400, "unsupported_token_type", text);
    };
    let now = state.now_ms();
    if state.sessions.kill(&token, now) {
        OutgoingResponse::empty(200)
    } else {
        OutgoingResponse::oauth_error(400, "invalid_token", "invalid token")
    }
}

/// Discovery, keys, and 404 for what is not there.
pub(crate) fn document(shared: &SharedEmulator, request: &ReceivedRequest) -> OutgoingResponse {
    match request.path.as_str() {
        "/id/keys" => OutgoingResponse::json(200, &shared.signer.key_set()),
        "/.well-known/openid-configuration" => {
            OutgoingResponse::json(200, &discovery(&request.host))
        }
        _ => OutgoingResponse::html(404, "URL No Longer Exists"),
    }
}

/// The org id of the app that authenticates itself, and what it may do.
fn authenticate(
    state: &EmulatorState,
    request: &ReceivedRequest,
    site: &Site,
) -> Result<(String, Introspection), TokenRefusal> {
    let (client_id, secret) = request.client_authentication();
    let everywhere = 0..state.config.orgs.len();
    let mut candidates = everywhere.filter(|index| site.org().is_none_or(|own| own == *index));
    let found = candidates.find_map(|index| {
        let org = &state.config.orgs[index];
        let (app, key) = token_endpoint::find_key(state, org, client_id.as_deref())?;
        Some((org, &org.apps[app], key))
    });
    let (org, app, key) = found.ok_or(TokenRefusal::ClientId)?;
    if secret.as_deref() != Some(&key.client_secret) {
        return Err(TokenRefusal::ClientSecret);
    }
    Ok((org.org_id.clone(), app.introspection))
}

fn person(state: &EmulatorState, session: &EmulatedSession) -> Map<String, Value> {
    let org = state
        .config
        .orgs
        .iter()
        .find(|org| org.org_id == session.org_id);
    let instance = org.map(OrgConfig::instance_url).unwrap_or_default();
    let fields = json!({
        "sub": session.identity_url,
        "user_id": session.user_id,
        "organization_id": session.org_id,
        "preferred_username": session.username,
        "name": "Integration User",
        "email": session.username,
        "user_type": "STANDARD",
        "active": true,
        "urls": {
            "rest": format!("{instance}/services/data/v{{version}}/"),
            "query": format!("{instance}/services/data/v{{version}}/query/"),
            "partner": format!("{instance}/services/Soap/u/{{version}}/{}", &session.org_id[..15]),
        },
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn discovery(host: &str) -> Value {
    let base = format!("https://{host}");
    json!({
        "issuer": base,
        "token_endpoint": format!("{base}/services/oauth2/token"),
        "introspection_endpoint": format!("{base}/services/oauth2/introspect"),
        "revocation_endpoint": format!("{base}/services/oauth2/revoke"),
        "userinfo_endpoint": format!("{base}/services/oauth2/userinfo"),
        "jwks_uri": format!("{base}/id/keys"),
        "scopes_supported": ["api", "id", "openid", "web", "full", "refresh_token"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "subject_types_supported": ["public"],
    })
}

/// Whether SOAP and Bulk API 1 take tokens of this format: JWTs are for REST only.
pub(crate) fn is_session_id(session: &EmulatedSession) -> bool {
    session.format == AccessTokenFormat::Opaque
}
