//! This project's policy: the code of `cache` and `grant` as it ships, driven as `engine` and `login`
//! drive it, with the world's time instead of a clock.
//!
//! Only the order of the calls is repeated here. What is decided, the core decides.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::caches::{Ask, LoginProgress, LoginStep};
use super::random::Rng;
use super::salesforce::{Granted, LoginResponse, TokenId};
use super::time::{SECOND, Time};
use forcegrant_proto::cache::after_login::{AfterLogin, LoginContext, LoginResult};
use forcegrant_proto::cache::budget::{Allowance, Budget, BudgetSettings};
use forcegrant_proto::cache::cached_token::{CachedToken, NewToken};
use forcegrant_proto::cache::policy::{FailureSettings, LifetimeSettings};
use forcegrant_proto::cache::reports::{Report, Reported};
use forcegrant_proto::cache::state::{CacheSnapshot, Lookup};
use forcegrant_proto::credentials::ClientCredentials;
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::grant::context::ResponseContext;
use forcegrant_proto::grant::failure::RequestFailure;
use forcegrant_proto::grant::response::decode;
use forcegrant_proto::grant::retry::{self, RetrySettings};
use forcegrant_proto::host::TrustPolicy;
use forcegrant_proto::http_message::Response;
use forcegrant_proto::moment::{Moment, millis, to_system_time};
use forcegrant_proto::secret::CredentialsFingerprint;
use forcegrant_proto::token::Token;
use forcegrant_proto::token_data::Grant;

/// The settings of a client, as `ClientBuilder` has them.
#[derive(Clone, Debug)]
pub(super) struct PolicySettings {
    pub(super) lifetimes: LifetimeSettings,
    pub(super) failures: FailureSettings,
    pub(super) budget: BudgetSettings,
    pub(super) retry: RetrySettings,
    pub(super) attempt_timeout: Duration,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            lifetimes: LifetimeSettings::default(),
            failures: FailureSettings::default(),
            budget: BudgetSettings::default(),
            retry: RetrySettings::default(),
            attempt_timeout: Duration::from_secs(10),
        }
    }
}

/// One client in a process of its own.
#[derive(Debug)]
pub(super) struct Ours<'a> {
    settings: &'a PolicySettings,
    state: CacheSnapshot,
    budget: Budget,
    /// How far its wall clock is off: well-kept clocks differ by fractions of a second.
    ahead: i64,
    /// The state's generation when the login began, and whether this is its second round.
    generation: u64,
    overtaken: bool,
    /// The fingerprints of the last tokens, as those who hold one report by it.
    known: Vec<(TokenId, String)>,
}

/// Longest view, as for the machine's clocks.
const VIEW: u64 = 1_000;
/// The coarse clock lags behind the exact one by a tick, in milliseconds.
const COARSE_BEHIND: i64 = 4;
/// The world begins at an ordinary date.
const BEGINNING: i64 = 1_767_225_600_000;
const HOST: &str = "acme.my.salesforce.com";

static PAIR: LazyLock<ClientCredentials> = LazyLock::new(|| {
    ClientCredentials::new("3MVG9simulation", "simulation").expect("both are single words")
});
static TRUST: LazyLock<TrustPolicy> =
    LazyLock::new(|| TrustPolicy::new([], false).expect("no hosts to check"));

impl<'a> Ours<'a> {
    pub(super) fn new(settings: &'a PolicySettings, rng: &mut Rng) -> Self {
        let ahead = i64::try_from(rng.between(0, SECOND)).unwrap_or(0) - 500;
        Self {
            settings,
            state: CacheSnapshot::default(),
            budget: Budget::default(),
            ahead,
            generation: 0,
            overtaken: false,
            known: Vec::new(),
        }
    }

    fn moment(&self, now: Time) -> Moment {
        Moment {
            wall: BEGINNING.saturating_add_unsigned(now) + self.ahead,
            boot: now,
        }
    }

    /// As `Client::start_for`.
    pub(super) fn ask(&mut self, now: Time, in_flight: bool) -> Ask {
        let now = self.moment(now);
        let coarse = now.wall - COARSE_BEHIND;
        let state = &self.state;
        if let Some(cached) = state
            .cached
            .as_ref()
            .filter(|cached| cached.in_view(coarse))
        {
            return Ask::Use(number(&Token::of(cached)));
        }
        match state.classify(now) {
            Lookup::Fresh(token) => {
                state.look(now, coarse, VIEW, in_flight);
                Ask::Use(number(&token))
            }
            Lookup::RefreshDue(token) | Lookup::Stale(token) => {
                let due = !in_flight && state.may_refresh(now);
                state.look(now, coarse, VIEW, in_flight || due);
                if due {
                    Ask::UseAndRefresh(number(&token))
                } else {
                    Ask::Use(number(&token))
                }
            }
            Lookup::BackingOff(_) => Ask::Fail,
            Lookup::Empty => Ask::Wait,
        }
    }

    pub(super) fn login_starts(&mut self) {
        self.generation = self.state.generation;
    }

    /// As the head of an attempt in `login`.
    pub(super) fn may_attempt(
        &mut self,
        progress: &LoginProgress,
        now: Time,
        rng: &mut Rng,
    ) -> Result<Time, Option<TokenId>> {
        let at = self.moment(now);
        match self.budget.ask(at.boot, self.settings.budget) {
            Allowance::Granted => {
                let left = self
                    .settings
                    .retry
                    .total
                    .saturating_sub(since(progress.begun, now));
                Ok(millis(self.settings.attempt_timeout.min(left)))
            }
            Allowance::Spent { frees_in } => {
                let error = Error::new(ErrorCode::LoginBudgetExceeded, "simulated")
                    .with_retry_after(Some(frees_in));
                Err(match self.settle(Err(error), at, rng) {
                    LoginStep::AfterLogin(token) => token,
                    LoginStep::Again(_) | LoginStep::Afresh => None,
                })
            }
        }
    }

    /// As the rest of `login`: decode, try again, make a lease.
    pub(super) fn handle_response(
        &mut self,
        progress: &LoginProgress,
        response: LoginResponse,
        now: Time,
        rng: &mut Rng,
    ) -> LoginStep {
        let at = self.moment(now);
        let result = match self.read(response, progress.started, at) {
            Ok(grant) => {
                let new_token = NewToken {
                    grant,
                    credentials: CredentialsFingerprint::default(),
                    started: self.moment(progress.started),
                    introspected: None,
                    random: rng.unit(),
                };
                CachedToken::new(new_token, self.state.learned, at, &self.settings.lifetimes)
            }
            Err(failure) => {
                let pause = failure.transient.then(|| {
                    let (spent, wait) = (since(progress.begun, now), failure.error.retry_after());
                    retry::pause(
                        &self.settings.retry,
                        progress.attempts,
                        spent,
                        wait,
                        rng.unit(),
                    )
                });
                if let Some(pause) = pause.flatten() {
                    return LoginStep::Again(millis(pause));
                }
                Err(failure.error)
            }
        };
        self.settle(result, at, rng)
    }

    fn read(
        &mut self,
        response: LoginResponse,
        started: Time,
        now: Moment,
    ) -> Result<Grant, RequestFailure> {
        if response == LoginResponse::TimedOut {
            return Err(RequestFailure::transient(Error::new(
                ErrorCode::Timeout,
                "simulated",
            )));
        }
        self.budget.count(now.boot, self.settings.budget);
        let context = ResponseContext {
            host: HOST,
            credentials: &PAIR,
            trust: &TRUST,
            now: to_system_time(now.wall),
            known_endpoint: self.state.cached.is_some(),
        };
        decode(&on_the_wire(response, started), &context)
    }

    /// As the end of a login in `login_task`.
    fn settle(
        &mut self,
        result: Result<Arc<CachedToken>, Error>,
        now: Moment,
        rng: &mut Rng,
    ) -> LoginStep {
        let circumstances = LoginContext {
            generation: self.generation,
            overtaken: std::mem::take(&mut self.overtaken),
            now,
            lifetimes: &self.settings.lifetimes,
            failures: &self.settings.failures,
            random: rng.unit(),
        };
        let after_login = self.state.after_login(result, &circumstances);
        let Some(AfterLogin { next, outcome }) = after_login else {
            self.overtaken = true;
            return LoginStep::Afresh;
        };
        self.state = next;
        LoginStep::AfterLogin(match outcome {
            LoginResult::Token { token, .. } => Some(self.remember(&token)),
            LoginResult::Failure { usable, .. } => usable.as_ref().map(number),
        })
    }

    fn remember(&mut self, token: &Token) -> TokenId {
        let number = number(token);
        self.known.retain(|(known, _)| *known != number);
        self.known.truncate(3);
        let fingerprint = token.fingerprint().to_owned();
        self.known.insert(0, (number, fingerprint));
        number
    }

    /// As `Client::invalidate` by a middleware that makes the call once more. False: a new token would
    /// be of no use, and the present one goes on serving.
    pub(super) fn rejected(&mut self, token: TokenId, now: Time) -> bool {
        let known = self.known.iter().find(|(number, _)| *number == token);
        let Some((_, fingerprint)) = known else {
            return true;
        };
        let report = Report {
            fingerprint,
            host: None,
            is_proof: true,
            is_renewed: false,
        };
        let at = self.moment(now);
        match self
            .state
            .reported(&report, at, &self.settings.lifetimes, 0.5)
        {
            Reported::Stale => true,
            Reported::Held(next, _) => {
                self.state = next;
                false
            }
            Reported::Dropped(next) => {
                self.state = next;
                true
            }
        }
    }
}

fn since(earlier: Time, now: Time) -> Duration {
    Duration::from_millis(now - earlier)
}

/// The response as the token endpoint would send it to a request of this time.
fn on_the_wire(response: LoginResponse, started: Time) -> Response {
    let refusal = |error: &str, description: &str| {
        let body = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
        (400, body)
    };
    let (status, body) = match response {
        LoginResponse::Granted(granted) => (200, success(granted, started)),
        LoginResponse::RateExceeded => refusal("invalid_grant", "login rate exceeded"),
        LoginResponse::Refused => refusal("invalid_grant", "no client credentials user enabled"),
        LoginResponse::Unavailable | LoginResponse::TimedOut => {
            (503, "<html>503</html>".to_owned())
        }
    };
    Response {
        status,
        body: Zeroizing::new(body.into_bytes()),
        ..Response::default()
    }
}

fn success(granted: Granted, started: Time) -> String {
    let expires_in = granted
        .ends
        .filter(|_| granted.issued.is_none())
        .map(|ends| format!(r#","expires_in":{}"#, (ends - started) / SECOND))
        .unwrap_or_default();
    format!(
        r#"{{"access_token":"{}","instance_url":"https://{HOST}"{expires_in}}}"#,
        token_text(granted)
    )
}

/// An opaque token or a JWT; the number stands at its end.
fn token_text(granted: Granted) -> String {
    let number = granted.token;
    let (Some(issued), Some(ends)) = (granted.issued, granted.ends) else {
        return format!("00Dsimulation!{number}");
    };
    let second = |at: Time| BEGINNING.saturating_add_unsigned(at) / 1_000;
    let payload = format!(r#"{{"iat":{},"exp":{}}}"#, second(issued), second(ends));
    let [header, payload] =
        [r#"{"alg":"RS256"}"#, &payload].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}.{number}")
}

fn number(token: &Token) -> TokenId {
    let digits = token.access_token().rsplit(['!', '.']).next();
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(TokenId::MAX)
}
