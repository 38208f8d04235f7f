//! The effects of one login: send, decode, pause, try again. All decisions are in `grant`, `cache`
//! and `credentials`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::budgets;
use crate::clock::{Moment, to_system_time};
use crate::credentials::{Login, is_about_the_credentials};
use crate::engine::Engine;
use crate::random;
use forcegrant_proto::cache::budget::Allowance;
use forcegrant_proto::cache::cached_token::{CachedToken, NewToken};
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::event::Event;
use forcegrant_proto::grant::context::ResponseContext;
use forcegrant_proto::grant::failure::Failure;
use forcegrant_proto::grant::introspection::{self, Introspected};
use forcegrant_proto::grant::response::decode;
use forcegrant_proto::grant::{request, retry};
use forcegrant_proto::token_data::Grant;

/// What came of a login.
pub(crate) struct LoginOutcome {
    pub(crate) result: Result<Arc<CachedToken>, Error>,
    pub(crate) signature_matches: Option<bool>,
    pub(crate) attempts: u32,
    /// Of these, how many the endpoint answered.
    pub(crate) answers: u32,
    pub(crate) took: Duration,
    /// It came from the store: another client logged in.
    pub(crate) is_of_another: bool,
}

impl LoginOutcome {
    /// What another client's login came to.
    pub(crate) fn of_another(result: Result<Arc<CachedToken>, Error>) -> Self {
        Self {
            result,
            signature_matches: None,
            attempts: 0,
            answers: 0,
            took: Duration::ZERO,
            is_of_another: true,
        }
    }
}

/// One login under way.
struct LoginAttempts<'a> {
    engine: &'a Engine,
    begun: Instant,
    attempts: u32,
    answers: u32,
}

/// A login, once it is this login's turn.
pub(crate) async fn log_in_when_permitted(engine: &Engine, background: bool) -> LoginOutcome {
    // Made when its turn has come: a hundred thousand may wait for theirs.
    let log_in = || Box::pin(log_in(engine));
    let Some(limiter) = &engine.profile.limiter else {
        return log_in().await;
    };
    let limit = engine.profile.retry.total;
    match limiter.pass(&engine.position, background, limit).await {
        Ok(permit) => permit.carry(log_in()).await,
        Err(error) => LoginOutcome {
            result: Err(error),
            signature_matches: None,
            attempts: 0,
            answers: 0,
            took: limit,
            is_of_another: false,
        },
    }
}

/// Asks the token endpoint, again where that may help, within the time allowed.
///
/// A pair that is refused is replaced once: the source is read again, and a pair that was not tried
/// yet is tried, each at most once.
async fn log_in(engine: &Engine) -> LoginOutcome {
    let mut attempts = LoginAttempts {
        engine,
        begun: Instant::now(),
        attempts: 0,
        answers: 0,
    };
    let mut signature_matches = None;
    let result = match attempts.with_any_credentials().await {
        Ok((login, started, grant)) => {
            signature_matches = grant.signature_matches;
            attempts.cached(&login, started, grant).await
        }
        Err(error) => Err(error),
    };
    LoginOutcome {
        result,
        signature_matches,
        attempts: attempts.attempts,
        answers: attempts.answers,
        took: attempts.begun.elapsed(),
        is_of_another: false,
    }
}

impl LoginAttempts<'_> {
    /// What is left of the time for the whole login.
    fn left(&self) -> Duration {
        self.engine
            .profile
            .retry
            .total
            .saturating_sub(self.begun.elapsed())
    }

    async fn with_any_credentials(&mut self) -> Result<(Login, Moment, Grant), Error> {
        let provider = &self.engine.provider;
        let mut login = match provider.login(self.engine.key.as_str(), self.left()).await {
            Ok(login) => login,
            Err(error) => self.at_hand_after(error)?,
        };
        let mut tried = Vec::new();
        loop {
            let credentials = &login.credentials;
            let error = match self.with_credentials(&login).await {
                Ok((started, grant)) => {
                    if provider.worked(credentials) {
                        self.engine.emit(&Event::credentials_rotated(
                            credentials.client_id().to_owned(),
                            credentials.fingerprint(),
                        ));
                    }
                    return Ok((login, started, grant));
                }
                Err(error) => error,
            };
            if !is_about_the_credentials(&error) {
                return Err(error);
            }
            tried.push(credentials.mark());
            if let Err(error) = provider.reload(self.engine.key.as_str(), self.left()).await {
                self.engine.emit(&Event::credentials_reload_failed(error));
            }
            login = provider.untried(&tried).ok_or(error)?;
        }
    }

    /// A source that fails does not stop a client that has credentials.
    fn at_hand_after(&self, error: Error) -> Result<Login, Error> {
        let Some(login) = self.engine.provider.at_hand() else {
            return Err(error);
        };
        self.engine.emit(&Event::credentials_reload_failed(error));
        Ok(login)
    }

    async fn with_credentials(&mut self, login: &Login) -> Result<(Moment, Grant), Error> {
        let engine = self.engine;
        let mut attempts = 0;
        loop {
            let started = engine.profile.clock.now();
            self.ask_budget(login, started)?;
            self.attempts += 1;
            attempts += 1;
            let failure = match self.attempt(login).await {
                Ok(grant) => return Ok((started, grant)),
                Err(failure) => failure,
            };
            let pause = failure.transient.then(|| {
                let (spent, wait) = (self.begun.elapsed(), failure.error.retry_after());
                retry::pause(&engine.profile.retry, attempts, spent, wait, random::unit())
            });
            let Some(pause) = pause.flatten() else {
                return Err(failure.error);
            };
            engine.emit(&Event::login_retried(failure.error, self.attempts, pause));
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&mut self, login: &Login) -> Result<Grant, Failure> {
        let profile = &self.engine.profile;
        let Login {
            endpoint,
            credentials,
        } = login;
        let request = request::encode(endpoint.token_url(), credentials, profile.auth_style);
        let timeout = profile.attempt_timeout.min(self.left());
        let response = profile.transport.send(&request, timeout).await?;
        self.answers += 1;
        self.count(login);
        let context = ResponseContext {
            host: endpoint.host(),
            credentials,
            trust: &profile.trust,
            now: to_system_time(profile.clock.now().wall),
            known_endpoint: self.engine.knows(endpoint),
        };
        let decoded = decode(&response, &context);
        // Salesforce's own refusal proves as much as a token.
        let is_endpoint = |failure: &Failure| failure.error.oauth_error().is_some();
        if decoded.as_ref().map_or_else(is_endpoint, |_| true) {
            self.engine.note_known(endpoint);
        }
        decoded
    }

    fn ask_budget(&self, login: &Login, now: Moment) -> Result<(), Error> {
        let settings = self.engine.profile.budget;
        let allowance = self.with_budget(login, |budget| budget.ask(now.boot, settings));
        match allowance {
            Allowance::Granted => Ok(()),
            Allowance::Spent { frees_in } => Err(budget_spent(settings.stop, frees_in)),
        }
    }

    /// Every answer of the endpoint counts, as refused logins may count at Salesforce too.
    fn count(&self, login: &Login) {
        let (settings, boot) = (
            self.engine.profile.budget,
            self.engine.profile.clock.now().boot,
        );
        let warning = self.with_budget(login, |budget| budget.count(boot, settings));
        if let (Some(used), Some(stop)) = (warning, settings.stop) {
            self.engine.emit(&Event::login_budget_warning(used, stop));
        }
    }

    fn with_budget<T>(
        &self,
        login: &Login,
        act: impl FnOnce(&mut forcegrant_proto::cache::budget::Budget) -> T,
    ) -> T {
        let clock = self.engine.profile.clock.identity();
        budgets::with(
            login.endpoint.host(),
            login.credentials.client_id(),
            clock,
            act,
        )
    }

    async fn cached(
        &self,
        login: &Login,
        started: Moment,
        grant: Grant,
    ) -> Result<Arc<CachedToken>, Error> {
        let engine = self.engine;
        let introspected = match self.introspect(login, &grant).await {
            Some(Introspected::Inactive) => return Err(inactive()),
            Some(Introspected::Active { ends }) => ends,
            None => None,
        };
        let new_token = NewToken {
            grant,
            credentials: login.credentials.mark(),
            started,
            introspected,
            random: random::unit(),
        };
        CachedToken::new(
            new_token,
            engine.learned(),
            engine.profile.clock.now(),
            &engine.profile.lifetimes,
        )
    }

    /// Asks when the token ends, if the answer did not say and the user wants to know.
    async fn introspect(&self, login: &Login, grant: &Grant) -> Option<Introspected> {
        let profile = &self.engine.profile;
        let timeout = profile.introspection?;
        if grant.jwt.is_some() || grant.expires_in.is_some() {
            return None;
        }
        let token = grant.access_token.expose();
        let url = introspection::url_beside(login.endpoint.token_url())?;
        let request = introspection::encode(&url, token, &login.credentials, profile.auth_style);
        let answer = profile.transport.send(&request, timeout).await;
        let answer = answer.map_err(|failure| failure.error);
        match answer.and_then(|response| introspection::decode(&response)) {
            Ok(introspected) => Some(introspected),
            Err(error) => {
                self.engine.emit(&Event::introspection_failed(error));
                None
            }
        }
    }
}

pub(crate) fn budget_spent(stop: Option<u32>, frees_in: Duration) -> Error {
    Error::new(
        ErrorCode::LoginBudgetExceeded,
        format!(
            "{} logins were made to this org within an hour, and no more are made for {} s",
            stop.unwrap_or_default(),
            frees_in.as_secs()
        ),
    )
    .with_help("Salesforce blocks a user after 3,600 logins an hour, so the client stops before that. Something has asked for one token\nafter the other: `verify()`, `reset()` or `invalidate()` in a loop, or new clients without a common store. The option\n`login_budget` sets the limit or switches it off.")
    .with_retry_after(Some(frees_in))
}

fn inactive() -> Error {
    Error::new(
        ErrorCode::TokenDeadOnArrival,
        "Salesforce issued a token and, asked at once, said that it is not active",
    )
    .with_help("The session was ended between the two answers, or introspection does not know tokens of this flow;\nin the latter case switch the option `introspect` off.")
}
