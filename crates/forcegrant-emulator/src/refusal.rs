//! The refusals of the token endpoint, word for word.

use crate::config::AppRefusal;
use crate::response::OutgoingResponse;

/// Why no token is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    GrantType,
    Domain,
    ScopeParameter,
    ClientId,
    ClientSecret,
    OrgLocked,
    FlowOff,
    NoRunAs,
    UserInactive,
    IpRestricted,
    LoginHours,
    PortalUser,
    NotInstalled,
    NotApproved,
    NoScopes,
    LoginRate,
    App(AppRefusal),
}

impl TokenRefusal {
    /// `error` and `error_description`.
    pub(crate) fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::GrantType => ("unsupported_grant_type", "grant type not supported"),
            Self::Domain => ("invalid_grant", "request not supported on this domain"),
            Self::ScopeParameter => ("invalid_request", "scope parameter not supported"),
            Self::ClientId => ("invalid_client_id", "client identifier invalid"),
            Self::ClientSecret => ("invalid_client", "invalid client credentials"),
            Self::OrgLocked => ("inactive_org", "organization is inactive"),
            Self::FlowOff => ("invalid_grant", "client credentials flow not enabled"),
            Self::NoRunAs => ("invalid_grant", "no client credentials user enabled"),
            Self::UserInactive => ("inactive_user", "user is inactive"),
            Self::IpRestricted => ("invalid_grant", "ip restricted"),
            Self::LoginHours => ("invalid_grant", "invalid login hours"),
            Self::PortalUser => ("access_denied", "end-user denied authorization"),
            Self::NotInstalled => ("invalid_client", "app must be installed into org"),
            Self::NotApproved => (
                "invalid_app_access",
                "user is not admin approved to access this app",
            ),
            Self::NoScopes => ("invalid_grant", "no valid scopes defined"),
            Self::LoginRate => ("invalid_grant", "login rate exceeded"),
            Self::App(refusal) => refusal.texts(),
        }
    }

    /// Salesforce sends 400 for all of them, `invalid_client` included.
    pub(crate) fn response(self) -> OutgoingResponse {
        let (error, description) = self.texts();
        OutgoingResponse::oauth_error(400, error, description)
    }
}

impl AppRefusal {
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::AppNotFound => (
                "app_not_found",
                "External client app is not installed in this org",
            ),
            Self::OauthEcAppNotFound => ("OAUTH_EC_APP_NOT_FOUND", "external client app not found"),
            Self::OauthAppBlocked => ("OAUTH_APP_BLOCKED", "this app is blocked by admin"),
            Self::NotPreAuthorized => ("invalid_grant", "user hasn't approved this consumer"),
            Self::AuthenticationFailure => ("invalid_grant", "authentication failure"),
            Self::UnknownError => ("unknown_error", "retry your request"),
            Self::ServerError => ("server_error", "unexpected condition"),
            Self::TemporarilyUnavailable => ("temporarily_unavailable", "try again later"),
        }
    }
}
