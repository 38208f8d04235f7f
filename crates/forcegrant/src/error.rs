//! One opaque error with a stable code, and the table of all codes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

mod portable;

pub(crate) use self::portable::Portable;

use self::Code as C;
use self::ErrorKind as K;

/// What went wrong, what it means in Salesforce's terms, and what to do about it.
///
/// Cheap to clone: every caller that waited for the same login gets the same error. `Display` is
/// the message followed by indented help; [`Error::message`] is the first line alone. No form of
/// it holds a secret or a token.
#[derive(Clone)]
pub struct Error(Arc<Details>);

#[derive(Clone)]
struct Details {
    code: Code,
    message: String,
    help: Option<String>,
    setup_step: Option<SetupStep>,
    http_status: Option<u16>,
    oauth_error: Option<String>,
    oauth_description: Option<String>,
    retry_after: Option<Duration>,
    cause: Option<Cause>,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Arc::new(Details {
            code,
            message: message.into(),
            help: None,
            setup_step: code.row().setup_step,
            http_status: None,
            oauth_error: None,
            oauth_description: None,
            retry_after: None,
            cause: None,
        }))
    }

    pub(crate) fn with_help(self, help: impl Into<String>) -> Self {
        self.change(|details| details.help = Some(help.into()))
    }

    pub(crate) fn with_setup_step(self, step: Option<SetupStep>) -> Self {
        self.change(|details| details.setup_step = step)
    }

    pub(crate) fn with_http_status(self, status: u16) -> Self {
        self.change(|details| details.http_status = Some(status))
    }

    pub(crate) fn with_oauth(self, error: String, description: Option<String>) -> Self {
        self.change(|details| {
            details.oauth_error = Some(error);
            details.oauth_description = description;
        })
    }

    pub(crate) fn with_retry_after(self, wait: Option<Duration>) -> Self {
        self.change(|details| details.retry_after = wait)
    }

    pub(crate) fn with_cause(self, cause: Cause) -> Self {
        self.change(|details| details.cause = Some(cause))
    }

    /// With the texts of its cause passed through `clean`.
    pub(crate) fn with_clean_cause(self, clean: &dyn Fn(&str) -> String) -> Self {
        match self.0.cause.as_ref().map(|cause| Cause::of(cause, clean)) {
            Some(cause) => self.with_cause(cause),
            None => self,
        }
    }

    fn change(mut self, edit: impl FnOnce(&mut Details)) -> Self {
        edit(Arc::make_mut(&mut self.0));
        self
    }

    /// The general kind, for a `match`.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.code.row().kind
    }

    /// The stable code, the same text in Rust, Python and Node. docs/errors.md lists them all.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code.row().code
    }

    /// One line: what happened.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What it means and where to fix it; may have several lines.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Whether the same call may succeed later with nothing changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.code.row().retryable
    }

    /// How long to wait before another try has a chance: the server's `Retry-After`, or what is
    /// left of this client's own back-off. `None` when nothing is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The HTTP status of the answer, when there was one.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The `error` field of the OAuth answer (RFC 6749 section 5.2), as Salesforce sent it.
    #[must_use]
    pub fn oauth_error(&self) -> Option<&str> {
        self.0.oauth_error.as_deref()
    }

    /// The `error_description` field of the OAuth answer, as Salesforce sent it.
    #[must_use]
    pub fn oauth_description(&self) -> Option<&str> {
        self.0.oauth_description.as_deref()
    }

    /// Which of the six set-up steps in Salesforce to look at.
    #[must_use]
    pub fn setup_step(&self) -> Option<SetupStep> {
        self.0.setup_step
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for line in self.help().unwrap_or_default().lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.code())
            .field("message", &self.0.message)
            .field("help", &self.0.help)
            .field("setup_step", &self.0.setup_step)
            .field("http_status", &self.0.http_status)
            .field("oauth_error", &self.0.oauth_error)
            .field("oauth_description", &self.0.oauth_description)
            .field("retry_after", &self.0.retry_after)
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0
            .cause
            .as_ref()
            .map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

/// The texts of a foreign error's chain. The error itself is not kept: it could hold a URL or a
/// header, and its type would become part of this crate's API.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    text: String,
    next: Option<Box<Cause>>,
}

impl Cause {
    /// Copies the texts of an error and its sources, each passed through `clean`.
    pub(crate) fn of(error: &dyn std::error::Error, clean: &dyn Fn(&str) -> String) -> Self {
        Self {
            text: clean(&error.to_string()),
            next: error.source().map(|next| Box::new(Self::of(next, clean))),
        }
    }

    /// The innermost text, which is mostly the one that says something.
    pub(crate) fn innermost(&self) -> &str {
        self.next
            .as_ref()
            .map_or(&self.text, |next| next.innermost())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.next
            .as_ref()
            .map(|next| next.as_ref() as &(dyn std::error::Error + 'static))
    }
}

/// The general kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option, an environment variable or the host is wrong; nothing was sent.
    Configuration,
    /// Salesforce refused the request: something in the org's set-up must change.
    Refused,
    /// The user has too many logins in this hour; another try makes it worse.
    LoginRate,
    /// No answer within the time allowed.
    Timeout,
    /// The endpoint could not be reached, or the connection broke.
    Transport,
    /// The endpoint cannot serve now.
    Unavailable,
    /// The answer was not one that a Salesforce token endpoint gives.
    Response,
    /// A token was issued, and it is of no use.
    Token,
    /// A defect of this library, or the process is out of resources.
    Internal,
}

impl ErrorKind {
    /// The kind as a lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            K::Configuration => "configuration",
            K::Refused => "refused",
            K::LoginRate => "login_rate",
            K::Timeout => "timeout",
            K::Transport => "transport",
            K::Unavailable => "unavailable",
            K::Response => "response",
            K::Token => "token",
            K::Internal => "internal",
        }
    }
}

/// The six steps of the set-up in Salesforce, as the README numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetupStep {
    /// 1. Create the external client app, with OAuth and its scopes.
    CreateApp,
    /// 2. Enable the client credentials flow for the app.
    EnableFlow,
    /// 3. Choose the user that the app runs as.
    RunAsUser,
    /// 4. Permit that user to use the app.
    AppPolicies,
    /// 5. Copy the consumer key and secret.
    KeyAndSecret,
    /// 6. Use the org's My Domain host name.
    Hostname,
}

impl SetupStep {
    /// All steps, in their order.
    pub const ALL: [Self; 6] = [
        Self::CreateApp,
        Self::EnableFlow,
        Self::RunAsUser,
        Self::AppPolicies,
        Self::KeyAndSecret,
        Self::Hostname,
    ];

    /// The step's stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateApp => "create-app",
            Self::EnableFlow => "enable-flow",
            Self::RunAsUser => "run-as-user",
            Self::AppPolicies => "app-policies",
            Self::KeyAndSecret => "key-and-secret",
            Self::Hostname => "hostname",
        }
    }

    /// Where in Salesforce's Setup it is done.
    #[must_use]
    pub fn setup_path(self) -> &'static str {
        match self {
            Self::CreateApp => {
                "Setup > External Client App Manager > your app > Settings > OAuth Settings"
            }
            Self::EnableFlow => {
                "Setup > External Client App Manager > your app > Settings > OAuth Settings > Flow Enablement"
            }
            Self::RunAsUser => {
                "Setup > External Client App Manager > your app > Policies > OAuth Policies > OAuth Flows and External Client App Enhancements"
            }
            Self::AppPolicies => {
                "Setup > External Client App Manager > your app > Policies > App Policies"
            }
            Self::KeyAndSecret => {
                "Setup > External Client App Manager > your app > Settings > OAuth Settings > Consumer Key and Secret"
            }
            Self::Hostname => "Setup > My Domain > Current My Domain URL",
        }
    }
}

/// One line of the error table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The stable code.
    pub code: &'static str,
    /// Its kind.
    pub kind: ErrorKind,
    /// Whether the same call may succeed later with nothing changed.
    pub retryable: bool,
    /// The set-up step it usually points to.
    pub setup_step: Option<SetupStep>,
    /// What happened and what to do, in one sentence.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $kind:expr, $retryable:literal, $step:expr, $meaning:literal;)*) => {
        /// Every failure that this crate tells apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Code { $($name),* }

        /// All of them, in the order of [`TABLE`].
        const CODES: &[Code] = &[$(Code::$name),*];

        /// Every error code, in the order of docs/errors.md.
        pub const TABLE: &[Row] = &[
            $(Row { code: $code, kind: $kind, retryable: $retryable, setup_step: $step, meaning: $meaning }),*
        ];
    };
}

impl Code {
    pub(crate) fn row(self) -> &'static Row {
        // The table is generated from the same list, in the same order.
        &TABLE[self as usize]
    }
}

const NO_STEP: Option<SetupStep> = None;

codes! {
    InvalidOption = "invalid_option", K::Configuration, false, NO_STEP,
        "An option or an environment variable has a value that cannot work; the message names it and says what is right.";
    InvalidLoginUrl = "invalid_login_url", K::Configuration, false, Some(SetupStep::Hostname),
        "The login URL is not a My Domain host; the message says what was meant, if that can be told.";
    UntrustedHost = "untrusted_host", K::Configuration, false, Some(SetupStep::Hostname),
        "The host is not one of Salesforce's; name it in `trusted_hosts` if the secret may go there.";
    MissingCredentials = "missing_credentials", K::Configuration, false, Some(SetupStep::KeyAndSecret),
        "A client id, client secret or login URL is missing; the message names the variable or option.";
    AmbiguousCredentials = "ambiguous_credentials", K::Configuration, false, NO_STEP,
        "Environment variables that may belong to different orgs are set; the message names two of them.";
    UnknownKey = "unknown_key", K::Configuration, false, NO_STEP,
        "A pool has no credentials for this key: insert them, or give the pool a callback that brings them.";

    UnsupportedLoginHost = "unsupported_login_host", K::Refused, false, Some(SetupStep::Hostname),
        "This host does not serve the client credentials flow; use the org's My Domain.";
    NoRunAsUser = "no_run_as_user", K::Refused, false, Some(SetupStep::RunAsUser),
        "The app has no user to run as; set Run As (Username) in the app's policies.";
    FlowNotEnabled = "flow_not_enabled", K::Refused, false, Some(SetupStep::EnableFlow),
        "The client credentials flow is off for this app; enable it in the settings and the policies.";
    NoValidScopes = "no_valid_scopes", K::Refused, false, Some(SetupStep::CreateApp),
        "None of the app's scopes can be used with this flow; add 'Manage user data via APIs (api)'.";
    InvalidClientId = "invalid_client_id", K::Refused, false, Some(SetupStep::KeyAndSecret),
        "Salesforce does not know the client id; check the consumer key, the org, or wait for a new app to spread.";
    InvalidClientSecret = "invalid_client_secret", K::Refused, false, Some(SetupStep::KeyAndSecret),
        "The client secret is wrong, or was rotated; copy the consumer secret again.";
    AppNotApproved = "app_not_approved", K::Refused, false, Some(SetupStep::AppPolicies),
        "The run-as user may not use this app, or an administrator blocked it; select a profile or permission set of that user in the app's policies.";
    AppNotInstalled = "app_not_installed", K::Refused, false, Some(SetupStep::AppPolicies),
        "This org does not have the app: it is of another org, or must be installed here before it can log in.";
    UserNotPermitted = "user_not_permitted", K::Refused, false, Some(SetupStep::RunAsUser),
        "The run-as user is of a kind that can not use this flow (portal or community user); choose another.";
    UserInactive = "user_inactive", K::Refused, false, Some(SetupStep::RunAsUser),
        "The run-as user is inactive or frozen; activate the user or choose another.";
    OrgInactive = "org_inactive", K::Refused, false, NO_STEP,
        "The org is locked, closed or suspended.";
    LoginRestricted = "login_restricted", K::Refused, false, Some(SetupStep::AppPolicies),
        "The login came from an address or at an hour that the run-as user's profile or the app does not allow.";
    ScopeNotSupported = "scope_not_supported", K::Refused, false, NO_STEP,
        "A `scope` parameter reached Salesforce, which refuses it; something between here and there adds it.";
    UnsupportedGrantType = "unsupported_grant_type", K::Refused, false, Some(SetupStep::EnableFlow),
        "Salesforce did not see this grant type: the body was lost on the way, or the flow is off.";
    Refused = "refused", K::Refused, false, NO_STEP,
        "Salesforce refused for a reason that this version does not know; its own words are in the message.";

    CredentialsUnavailable = "credentials_unavailable", K::Configuration, true, NO_STEP,
        "The source of the credentials (a file or a callback) did not deliver; its own error is the cause.";

    LoginRateExceeded = "login_rate_exceeded", K::LoginRate, true, NO_STEP,
        "The user has had its logins for this hour (3,600); wait, and find out who else logs in.";

    LoginBudgetExceeded = "login_budget_exceeded", K::LoginRate, true, NO_STEP,
        "This process has made as many logins within an hour as `login_budget` allows; none was sent, and the error says when one is free.";

    Timeout = "timeout", K::Timeout, true, NO_STEP,
        "No answer within the time allowed.";

    DnsFailed = "dns_failed", K::Transport, true, Some(SetupStep::Hostname),
        "The host name does not resolve; a mistyped My Domain looks like this.";
    ConnectFailed = "connect_failed", K::Transport, true, NO_STEP,
        "No connection to the host; check the network, the firewall and the proxy.";
    TlsFailed = "tls_failed", K::Transport, false, NO_STEP,
        "The TLS handshake failed; a certificate is not trusted, or something intercepts TLS.";
    TlsRootsUnavailable = "tls_roots_unavailable", K::Transport, false, NO_STEP,
        "This system has no usable certificate store; install one, or choose `roots` bundled or PEM.";
    ProxyFailed = "proxy_failed", K::Transport, true, NO_STEP,
        "The proxy refused or failed to connect.";
    ProxyAuthenticationRequired = "proxy_authentication_required", K::Transport, false, NO_STEP,
        "The proxy wants a user and password, or others than it was given; the message names the proxy and where they go.";
    ConnectionLost = "connection_lost", K::Transport, true, NO_STEP,
        "The connection broke before the whole answer had arrived.";

    ServerUnavailable = "server_unavailable", K::Unavailable, true, NO_STEP,
        "Salesforce cannot serve now: it said so (500 to 599, 406, 408, 420, 425, or an error that asks for another attempt), or something in front of a host that has served before responded in its place.";
    RateLimited = "rate_limited", K::Unavailable, true, NO_STEP,
        "Salesforce answered 429: too many requests just now.";

    Redirected = "redirected", K::Response, false, Some(SetupStep::Hostname),
        "The host answered with a redirect, which is not followed because it would carry the secret elsewhere.";
    UnexpectedResponse = "unexpected_response", K::Response, false, NO_STEP,
        "The response is not that of a Salesforce token endpoint, at the first contact with this host; the message says what is wrong with it.";
    ResponseTooLarge = "response_too_large", K::Response, false, NO_STEP,
        "The response is larger than 1 MiB, which no token response is.";
    UntrustedInstanceUrl = "untrusted_instance_url", K::Response, false, NO_STEP,
        "The answer sends the token to a host that is not Salesforce's; name it in `trusted_hosts` if that is right.";

    TokenDeadOnArrival = "token_dead_on_arrival", K::Token, true, NO_STEP,
        "The token had already ended when it arrived; check this machine's clock.";
    SameTokenReturned = "same_token_returned", K::Token, true, NO_STEP,
        "Salesforce returned the very token that was reported as rejected: the rejection has another reason.";
    FreshTokenRefused = "fresh_token_refused", K::Token, true, NO_STEP,
        "An API refused a token that was just issued, as it refused the one before: the refusal has another reason. The error says how long no other token is requested because of it.";
    RequestNotReplayable = "request_not_replayable", K::Token, true, NO_STEP,
        "An API call met a dead session, and its body is a stream that has been read; the token is dropped: send the call again with a new body, or give the body as text or bytes.";
    ApiAccessRefused = "api_access_refused", K::Token, false, Some(SetupStep::CreateApp),
        "A token was issued, but the API refused it; the app's scopes or the user's permissions do not allow API access.";
    ApiDisabled = "api_disabled", K::Token, false, NO_STEP,
        "A token was issued, but the API is switched off for the org or for the user that the app runs as.";
    PasswordExpired = "password_expired", K::Token, false, Some(SetupStep::RunAsUser),
        "A token was issued, but the API refuses it because the password of the run-as user has expired: set a new one, or let it never expire.";
    ApiLimitReached = "api_limit_reached", K::Unavailable, true, NO_STEP,
        "A token was issued, but the org has used up its API requests of the last 24 hours, or has too many long ones under way.";
    StoreFailed = "store_failed", K::Unavailable, true, NO_STEP,
        "The store that clients share tokens through failed or was late; the login went ahead without it.";

    Internal = "internal", K::Internal, true, NO_STEP,
        "A defect of this library; please report it. The next call starts afresh.";
    WorkerUnavailable = "worker_unavailable", K::Internal, true, NO_STEP,
        "The system would not start a thread or a runtime for the request; the process is out of resources.";
}

/// The cause is wrong input of the caller: shorthand for the builder and the host parser.
pub(crate) fn invalid_option(option: &str, problem: &str, right: &str) -> Error {
    Setting::Option(option).wrong(problem, right)
}

/// What a value was given by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting<'a> {
    Option(&'a str),
    Variable(&'a str),
}

impl Setting<'_> {
    pub(crate) fn wrong(self, problem: &str, right: &str) -> Error {
        Error::new(C::InvalidOption, format!("{self}: {problem}")).with_help(right)
    }
}

impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) => write!(f, "option `{name}`"),
            Self::Variable(name) => write!(f, "environment variable `{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_rows_match_their_names() {
        let mut codes: Vec<_> = TABLE.iter().map(|row| row.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), TABLE.len());
        assert_eq!(C::InvalidOption.row().code, "invalid_option");
        assert_eq!(C::WorkerUnavailable.row().code, "worker_unavailable");
    }

    #[test]
    fn display_is_the_message_and_indented_help() {
        let error = Error::new(C::NoRunAsUser, "refused").with_help("one\ntwo");
        assert_eq!(error.to_string(), "refused\n  one\n  two");
        assert_eq!(error.setup_step(), Some(SetupStep::RunAsUser));
    }

    #[test]
    fn cause_keeps_the_chain() {
        let io = std::io::Error::other("inner");
        let error = Error::new(C::ConnectFailed, "x").with_cause(Cause::of(&io, &str::to_owned));
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            "inner"
        );
    }
}
