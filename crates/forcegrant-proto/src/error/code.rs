//! The codes of all errors, with the properties of each.

use std::fmt;

use super::{ErrorKind, SetupStep};

struct CodeRow {
    text: &'static str,
    kind: ErrorKind,
    retryable: bool,
    setup_step: Option<SetupStep>,
    meaning: &'static str,
}

macro_rules! codes {
    ($($name:ident = $text:literal, $kind:expr, $retryable:literal, $step:expr, $meaning:literal;)*) => {
        /// What failed, by a stable code: the same text in Rust, Python and Node. docs/errors.md lists them all.
        ///
        /// A code equals its text, as in `error.code() == "no_run_as_user"`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $text, "`: ", $meaning)] $name),*
        }

        impl ErrorCode {
            /// Every code, in the order of docs/errors.md.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            fn row(self) -> &'static CodeRow {
                match self {
                    $(Self::$name => &CodeRow {
                        text: $text, kind: $kind, retryable: $retryable, setup_step: $step, meaning: $meaning,
                    }),*
                }
            }
        }
    };
}

impl ErrorCode {
    /// The code as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().text
    }

    /// The kind that the code belongs to.
    #[must_use]
    pub fn kind(self) -> ErrorKind {
        self.row().kind
    }

    /// Whether the same call may succeed later with nothing changed.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        self.row().retryable
    }

    /// The set-up step that it usually points to.
    #[must_use]
    pub fn setup_step(self) -> Option<SetupStep> {
        self.row().setup_step
    }

    /// What happened and what to do, in one sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().meaning
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl PartialEq<str> for ErrorCode {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == text
    }
}

impl PartialEq<&str> for ErrorCode {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}

const NO_STEP: Option<SetupStep> = None;

codes! {
    InvalidOption = "invalid_option", ErrorKind::Configuration, false, NO_STEP,
        "An option or an environment variable has a value that cannot work; the message names it and says what is right.";
    InvalidLoginUrl = "invalid_login_url", ErrorKind::Configuration, false, Some(SetupStep::Hostname),
        "The login URL is not a My Domain host; the message says what was meant, if that can be told.";
    UntrustedHost = "untrusted_host", ErrorKind::Configuration, false, Some(SetupStep::Hostname),
        "The host is not one of Salesforce's; name it in `trusted_hosts` if the secret may go there.";
    MissingCredentials = "missing_credentials", ErrorKind::Configuration, false, Some(SetupStep::KeyAndSecret),
        "A client id, client secret or login URL is missing; the message names the variable or option.";
    AmbiguousCredentials = "ambiguous_credentials", ErrorKind::Configuration, false, NO_STEP,
        "Environment variables that may belong to different orgs are set; the message names two of them.";
    UnknownConnection = "unknown_connection", ErrorKind::Configuration, false, NO_STEP,
        "No connection with this id is saved; the message names the folder and the nearest ids.";
    ConnectionUnreadable = "connection_unreadable", ErrorKind::Configuration, false, NO_STEP,
        "A saved connection, or the folder that it is in, cannot be read or written; the message says where it is and what is wrong with it.";
    ConnectionExists = "connection_exists", ErrorKind::Configuration, false, NO_STEP,
        "A connection with this id is saved already, or was changed meanwhile; choose another id, or say that it may be replaced.";
    OtherOrg = "other_org", ErrorKind::Configuration, false, NO_STEP,
        "The login reached another org than the saved connection did; nothing was saved.";
    UnknownKey = "unknown_key", ErrorKind::Configuration, false, NO_STEP,
        "A pool has no credentials for this key: insert them, or give the pool a callback that brings them.";

    UnsupportedLoginHost = "unsupported_login_host", ErrorKind::Refused, false, Some(SetupStep::Hostname),
        "This host does not serve the client credentials flow; use the org's My Domain.";
    NoRunAsUser = "no_run_as_user", ErrorKind::Refused, false, Some(SetupStep::RunAsUser),
        "The app has no user to run as; set Run As (Username) in the app's policies.";
    FlowNotEnabled = "flow_not_enabled", ErrorKind::Refused, false, Some(SetupStep::EnableFlow),
        "The client credentials flow is off for this app; enable it in the settings and the policies.";
    NoValidScopes = "no_valid_scopes", ErrorKind::Refused, false, Some(SetupStep::CreateApp),
        "None of the app's scopes can be used with this flow; add 'Manage user data via APIs (api)'.";
    InvalidClientId = "invalid_client_id", ErrorKind::Refused, false, Some(SetupStep::KeyAndSecret),
        "Salesforce does not know the client id; check the consumer key, the org, or wait for a new app to spread.";
    InvalidClientSecret = "invalid_client_secret", ErrorKind::Refused, false, Some(SetupStep::KeyAndSecret),
        "The client secret is wrong, or was rotated; copy the consumer secret again.";
    AppNotApproved = "app_not_approved", ErrorKind::Refused, false, Some(SetupStep::AppPolicies),
        "The run-as user may not use this app, or an administrator blocked it; select a profile or permission set of that user in the app's policies.";
    AppNotInstalled = "app_not_installed", ErrorKind::Refused, false, Some(SetupStep::AppPolicies),
        "This org does not have the app: it is of another org, or must be installed here before it can log in.";
    UserNotPermitted = "user_not_permitted", ErrorKind::Refused, false, Some(SetupStep::RunAsUser),
        "The run-as user is of a kind that cannot use this flow (portal or community user); choose another.";
    UserInactive = "user_inactive", ErrorKind::Refused, false, Some(SetupStep::RunAsUser),
        "The run-as user is inactive or frozen; activate the user or choose another.";
    OrgInactive = "org_inactive", ErrorKind::Refused, false, NO_STEP,
        "The org is locked, closed or suspended.";
    LoginRestricted = "login_restricted", ErrorKind::Refused, false, Some(SetupStep::AppPolicies),
        "The login came from an address or at an hour that the run-as user's profile or the app does not allow.";
    ScopeNotSupported = "scope_not_supported", ErrorKind::Refused, false, NO_STEP,
        "A `scope` parameter reached Salesforce, which refuses it; something between here and there adds it.";
    UnsupportedGrantType = "unsupported_grant_type", ErrorKind::Refused, false, Some(SetupStep::EnableFlow),
        "Salesforce did not see this grant type: the body was lost on the way, or the flow is off.";
    Refused = "refused", ErrorKind::Refused, false, NO_STEP,
        "Salesforce refused for a reason that this version does not know; its own words are in the message.";

    CredentialsUnavailable = "credentials_unavailable", ErrorKind::Configuration, true, NO_STEP,
        "The source of the credentials (a file or a callback) did not deliver; its own error is the cause.";

    LoginRateExceeded = "login_rate_exceeded", ErrorKind::LoginRate, true, NO_STEP,
        "The user has had its logins for this hour (3,600); wait, and find out who else logs in.";

    LoginBudgetExceeded = "login_budget_exceeded", ErrorKind::LoginRate, true, NO_STEP,
        "This process has made as many logins within an hour as `login_budget` allows; none was sent, and the error says when one is free.";

    Timeout = "timeout", ErrorKind::Timeout, true, NO_STEP,
        "No response within the time allowed.";

    DnsFailed = "dns_failed", ErrorKind::Transport, true, Some(SetupStep::Hostname),
        "The host name does not resolve; a mistyped My Domain looks like this.";
    ConnectFailed = "connect_failed", ErrorKind::Transport, true, NO_STEP,
        "No connection to the host; check the network, the firewall and the proxy.";
    TlsFailed = "tls_failed", ErrorKind::Transport, false, NO_STEP,
        "The TLS handshake failed; a certificate is not trusted, or something intercepts TLS.";
    TlsRootsUnavailable = "tls_roots_unavailable", ErrorKind::Transport, false, NO_STEP,
        "This system has no usable certificate store; install one, or choose `roots` bundled or PEM.";
    ProxyFailed = "proxy_failed", ErrorKind::Transport, true, NO_STEP,
        "The proxy refused or failed to connect.";
    ProxyAuthenticationRequired = "proxy_authentication_required", ErrorKind::Transport, false, NO_STEP,
        "The proxy wants a user and password, or others than it was given; the message names the proxy and where they go.";
    ConnectionLost = "connection_lost", ErrorKind::Transport, true, NO_STEP,
        "The connection broke before the whole response had arrived.";

    ServerUnavailable = "server_unavailable", ErrorKind::Unavailable, true, NO_STEP,
        "Salesforce cannot serve now: it said so (500 to 599, 406, 408, 420, 425, or an error that asks for another attempt), or something in front of a host that has served before responded in its place.";
    RateLimited = "rate_limited", ErrorKind::Unavailable, true, NO_STEP,
        "Salesforce responded with 429: too many requests just now.";

    Redirected = "redirected", ErrorKind::Response, false, Some(SetupStep::Hostname),
        "The host responded with a redirect, which is not followed because it would carry the secret elsewhere.";
    UnexpectedResponse = "unexpected_response", ErrorKind::Response, false, NO_STEP,
        "The response is not that of a Salesforce token endpoint, at the first contact with this host; the message says what is wrong with it.";
    ResponseTooLarge = "response_too_large", ErrorKind::Response, false, NO_STEP,
        "The response is larger than 1 MiB, which no token response is.";
    UntrustedInstanceUrl = "untrusted_instance_url", ErrorKind::Response, false, NO_STEP,
        "The response sends the token to a host that is not Salesforce's; name it in `trusted_hosts` if that is right.";

    TokenDeadOnArrival = "token_dead_on_arrival", ErrorKind::Token, true, NO_STEP,
        "The token had already ended when it arrived; check this machine's clock.";
    SameTokenReturned = "same_token_returned", ErrorKind::Token, true, NO_STEP,
        "Salesforce returned the very token that was reported as rejected: the rejection has another reason.";
    FreshTokenRefused = "fresh_token_refused", ErrorKind::Token, true, NO_STEP,
        "An API refused a token that was just issued, as it refused the one before: the refusal has another reason. The error says how long no other token is requested because of it.";
    RequestNotReplayable = "request_not_replayable", ErrorKind::Token, true, NO_STEP,
        "An API call met a dead session, and its body is a stream that has been read; the token is dropped: send the call again with a new body, or give the body as text or bytes.";
    ApiAccessRefused = "api_access_refused", ErrorKind::Token, false, Some(SetupStep::CreateApp),
        "A token was issued, but the API refused it; the app's scopes or the user's permissions do not allow API access.";
    ApiDisabled = "api_disabled", ErrorKind::Token, false, NO_STEP,
        "A token was issued, but the API is switched off for the org or for the user that the app runs as.";
    PasswordExpired = "password_expired", ErrorKind::Token, false, Some(SetupStep::RunAsUser),
        "A token was issued, but the API refuses it because the password of the run-as user has expired: set a new one, or let it never expire.";
    ApiLimitReached = "api_limit_reached", ErrorKind::Unavailable, true, NO_STEP,
        "A token was issued, but the org has used up its API requests of the last 24 hours, or has too many long ones under way.";
    StoreFailed = "store_failed", ErrorKind::Unavailable, true, NO_STEP,
        "The store that clients share tokens through failed or was late; the login went ahead without it.";

    Internal = "internal", ErrorKind::Internal, true, NO_STEP,
        "A defect of this library; please report it. The next call starts afresh.";
    WorkerUnavailable = "worker_unavailable", ErrorKind::Internal, true, NO_STEP,
        "The system would not start a thread or a runtime for the request; the process is out of resources.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_have_the_name_of_their_variant() {
        let mut texts: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        for code in ErrorCode::ALL {
            let variant = format!("{code:?}").to_lowercase();
            assert_eq!(variant, code.as_str().replace('_', ""));
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn a_code_equals_its_text() {
        assert_eq!(ErrorCode::NoRunAsUser, "no_run_as_user");
        assert_ne!(ErrorCode::NoRunAsUser, "NoRunAsUser");
        assert_eq!(format!("{:>9}", ErrorCode::Timeout), "  timeout");
    }
}
