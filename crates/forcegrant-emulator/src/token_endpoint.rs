//! `POST /services/oauth2/token`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Map, Value, json};

use crate::config::{
    AccessTokenFormat, AppConfig, AppKey, FlowDisabledRefusal, OrgConfig, OrgStatus, Signature,
    UserConfig, UserKind,
};
use crate::hosts::Site;
use crate::ids;
use crate::jwt::Signer;
use crate::refusal::TokenRefusal;
use crate::request::ReceivedRequest;
use crate::response::OutgoingResponse;
use crate::sessions::{EmulatedSession, SharedBy};
use crate::state::EmulatorState;

/// Responds to a token request. With `dead` the session of the token has already ended.
pub(crate) fn respond(
    state: &mut EmulatorState,
    signer: &Signer,
    request: &ReceivedRequest,
    site: &Site,
    dead: bool,
) -> OutgoingResponse {
    match check(state, request, site) {
        Ok(grant) => {
            state.counters.logins += 1;
            // The clock is read once, so that the response and its JWT agree.
            let now = state.now_ms();
            let session = session(state, signer, &grant, now, dead);
            success(&grant, &session, now)
        }
        Err(refusal) => {
            state.counters.refusals += 1;
            refusal.response()
        }
    }
}

/// Everything a token is issued from.
struct ApprovedLogin {
    org: OrgConfig,
    app_index: usize,
    app: AppConfig,
    key: AppKey,
    user: UserConfig,
    scopes: Vec<String>,
}

/// The checks, in the order in which Salesforce is believed to make them.
fn check(
    state: &mut EmulatorState,
    request: &ReceivedRequest,
    site: &Site,
) -> Result<ApprovedLogin, TokenRefusal> {
    let grant_type = request
        .field("grant_type")
        .filter(|_| request.method == "POST");
    if grant_type != Some("client_credentials") {
        return Err(TokenRefusal::GrantType);
    }
    let Site::MyDomain(index) = *site else {
        return Err(TokenRefusal::Domain);
    };
    if request.field("scope").is_some() {
        return Err(TokenRefusal::ScopeParameter);
    }
    let org = state.config.orgs[index].clone();
    let (client_id, secret) = request.client_authentication();
    let (app_index, key) =
        find_key(state, &org, client_id.as_deref()).ok_or(TokenRefusal::ClientId)?;
    if secret.as_deref() != Some(&key.client_secret) {
        return Err(TokenRefusal::ClientSecret);
    }
    if org.status == OrgStatus::Locked {
        return Err(TokenRefusal::OrgLocked);
    }
    let app = org.apps[app_index].clone();
    if !app.flow_enabled {
        return Err(match app.flow_disabled_refusal {
            FlowDisabledRefusal::FlowNotEnabled => TokenRefusal::FlowOff,
            FlowDisabledRefusal::NoUser => TokenRefusal::NoRunAs,
            FlowDisabledRefusal::UnsupportedGrantType => TokenRefusal::GrantType,
        });
    }
    let user = app
        .run_as
        .as_deref()
        .and_then(|username| org.user(username))
        .cloned();
    let user = user.ok_or(TokenRefusal::NoRunAs)?;
    check_user(&user)?;
    if let Some(refusal) = app.refuses_with {
        return Err(TokenRefusal::App(refusal));
    }
    if !app.installed {
        return Err(TokenRefusal::NotInstalled);
    }
    if !app.approved {
        return Err(TokenRefusal::NotApproved);
    }
    let scopes = app.granted_scopes();
    if scopes.is_empty() {
        return Err(TokenRefusal::NoScopes);
    }
    if !state.login_allowed(&org.org_id, &user.user_id, app.login_limit_per_hour) {
        return Err(TokenRefusal::LoginRate);
    }
    Ok(ApprovedLogin {
        org,
        app_index,
        app,
        key,
        user,
        scopes,
    })
}

fn check_user(user: &UserConfig) -> Result<(), TokenRefusal> {
    if !user.active {
        return Err(TokenRefusal::UserInactive);
    }
    if !user.ip_allowed {
        return Err(TokenRefusal::IpRestricted);
    }
    if !user.login_hours {
        return Err(TokenRefusal::LoginHours);
    }
    if user.kind == UserKind::Portal {
        return Err(TokenRefusal::PortalUser);
    }
    Ok(())
}

/// The app that a client id belongs to, and that key.
pub(crate) fn find_key(
    state: &EmulatorState,
    org: &OrgConfig,
    client_id: Option<&str>,
) -> Option<(usize, AppKey)> {
    let client_id = client_id?;
    let mut keys = org
        .apps
        .iter()
        .enumerate()
        .flat_map(|(index, app)| app.keys.iter().map(move |key| (index, key)));
    let (index, key) = keys.find(|(_, key)| key.client_id == client_id)?;
    state
        .key_is_known(&org.org_id, client_id)
        .then(|| (index, key.clone()))
}

fn session(
    state: &mut EmulatorState,
    signer: &Signer,
    grant: &ApprovedLogin,
    now: u64,
    dead: bool,
) -> EmulatedSession {
    let ApprovedLogin {
        org,
        app,
        user,
        scopes,
        ..
    } = grant;
    let shared_by = SharedBy {
        org_id: org.org_id.clone(),
        app: grant.app_index,
        user_id: user.user_id.clone(),
        scopes: scopes.clone(),
    };
    let shares = app.token_format == AccessTokenFormat::Opaque && !app.distinct_tokens && !dead;
    if shares && let Some(session) = state.sessions.shared(&shared_by, now) {
        return session;
    }
    let (life, idle_timeout_ms) = match (app.token_format, app.expires_in) {
        (_, Some(seconds)) => (seconds.saturating_mul(1000), None),
        (AccessTokenFormat::Jwt, None) => (u64::from(app.jwt_lifetime_minutes) * 60_000, None),
        (AccessTokenFormat::Opaque, None) => {
            let timeout = u64::from(org.session_timeout_minutes) * 60_000;
            (timeout, Some(timeout))
        }
    };
    let mut session = EmulatedSession {
        token: String::new(),
        org_id: org.org_id.clone(),
        client_id: grant.key.client_id.clone(),
        app_name: app.name.clone(),
        user_id: user.user_id.clone(),
        username: user.username.clone(),
        identity_url: user.identity_url(org),
        scopes: scopes.clone(),
        format: app.token_format,
        starts_ms: now,
        ends_ms: now.saturating_add(life),
        idle_timeout_ms,
    };
    session.token = match app.token_format {
        AccessTokenFormat::Opaque => ids::opaque_token(&org.org_id),
        AccessTokenFormat::Jwt => {
            // A JWT counts in whole seconds: the session lives exactly as long as it says.
            session.starts_ms -= now % 1000;
            session.ends_ms = session.starts_ms.saturating_add(life);
            signer.sign(&session, &format!("https://{}", org.my_domain))
        }
    };
    if !dead {
        state
            .sessions
            .add(session.clone(), shares.then_some(shared_by), now);
    }
    session
}

fn success(grant: &ApprovedLogin, session: &EmulatedSession, now_ms: u64) -> OutgoingResponse {
    let ApprovedLogin { org, app, .. } = grant;
    let issued_at = now_ms.to_string();
    let id = &session.identity_url;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("access_token", json!(session.token));
    put(
        "signature",
        json!(signature(
            app.signature,
            &grant.key.client_secret,
            id,
            &issued_at
        )),
    );
    put("scope", json!(session.scopes.join(" ")));
    put("instance_url", json!(org.instance_url()));
    put("id", json!(id));
    put("token_type", json!("Bearer"));
    put("issued_at", json!(issued_at));
    put("token_format", json!(session.format));
    if let Some(url) = &org.api_instance_url {
        put("api_instance_url", json!(url));
    }
    if app.expires_in.is_some() {
        put(
            "expires_in",
            json!(session.ends_ms.saturating_sub(now_ms).div_ceil(1000)),
        );
    }
    fields.extend(app.extra.clone());
    fields.retain(|name, _| !app.omit.contains(name));
    OutgoingResponse::json(200, &Value::Object(fields)).with("cache-control", "no-cache, no-store")
}

fn signature(mode: Signature, client_secret: &str, id: &str, issued_at: &str) -> String {
    let secret = match mode {
        Signature::Valid => client_secret,
        Signature::Wrong => "another secret",
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{id}{issued_at}").as_bytes()))
}
