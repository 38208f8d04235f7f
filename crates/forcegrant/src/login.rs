//! The effects of one login: send, decode, pause, try again. All decisions are in `grant`, `cache`
//! and `credentials`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::budgets;
use crate::client_config::PermitWish;
use crate::client_inner::ClientInner;
use crate::clock::{Moment, to_system_time};
use crate::credentials::{Login, is_about_the_credentials};
use crate::random;
use forcegrant_proto::cache::budget::Allowance;
use forcegrant_proto::cache::cached_token::{CachedToken, NewToken};
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::event::Event;
use forcegrant_proto::grant::context::ResponseContext;
use forcegrant_proto::grant::failure::RequestFailure;
use forcegrant_proto::grant::introspection::{self, Introspected};
use forcegrant_proto::grant::response::decode;
use forcegrant_proto::grant::{request, retry};
use forcegrant_proto::token::Token;
use forcegrant_proto::token_data::Grant;

/// How a login ended.
pub(crate) struct LoginOutcome {
    pub(crate) result: Result<NewLogin, Error>,
    pub(crate) signature_matches: Option<bool>,
    pub(crate) attempts: u32,
    /// How many of these got a response of the endpoint.
    pub(crate) responses: u32,
    pub(crate) took: Duration,
    /// Another client logged in.
    pub(crate) is_of_another: bool,
}

/// What a login brought.
#[derive(Clone)]
pub(crate) struct NewLogin {
    pub(crate) cached: Arc<CachedToken>,
    /// What other clients of this process can make a cached token from, if they share logins.
    pub(crate) new_token: Option<Arc<NewToken>>,
}

impl NewLogin {
    pub(crate) fn is_of(&self, token: &Token) -> bool {
        self.cached.parts.fingerprint() == token.fingerprint()
    }
}

impl LoginOutcome {
    /// Of another client's login.
    pub(crate) fn of_another(result: Result<Arc<CachedToken>, Error>) -> Self {
        let new_login = |cached| NewLogin {
            cached,
            new_token: None,
        };
        Self {
            is_of_another: true,
            ..Self::without_request(result.map(new_login), Duration::ZERO)
        }
    }

    fn without_request(result: Result<NewLogin, Error>, took: Duration) -> Self {
        Self {
            result,
            signature_matches: None,
            attempts: 0,
            responses: 0,
            took,
            is_of_another: false,
        }
    }
}

/// Logs in as soon as the client may.
pub(crate) async fn log_in(client: &ClientInner, wish: PermitWish) -> LoginOutcome {
    // Made when there is a permit: a hundred thousand logins may wait for theirs.
    let attempts = || Box::pin(LoginAttempts::run(client));
    let Some(permits) = &client.config.permits else {
        return attempts().await;
    };
    let limit = client.config.retry.total;
    let mut permit = match permits.acquire(wish, limit).await {
        Ok(permit) => permit,
        Err(error) => return LoginOutcome::without_request(Err(error), limit),
    };
    let mut login = attempts();
    if let Ok(outcome) = tokio::time::timeout(permit.slow_after(), &mut login).await {
        return outcome;
    }
    permit.slow_down();
    login.await
}

/// One login under way.
struct LoginAttempts<'a> {
    client: &'a ClientInner,
    begun: Instant,
    attempts: u32,
    responses: u32,
}

impl LoginAttempts<'_> {
    async fn run(client: &ClientInner) -> LoginOutcome {
        let mut attempts = LoginAttempts {
            client,
            begun: Instant::now(),
            attempts: 0,
            responses: 0,
        };
        let mut signature_matches = None;
        let result = match attempts.with_any_credentials().await {
            Ok((login, started, grant)) => {
                signature_matches = grant.signature_matches;
                attempts.new_login(&login, started, grant).await
            }
            Err(error) => Err(error),
        };
        LoginOutcome {
            result,
            signature_matches,
            attempts: attempts.attempts,
            responses: attempts.responses,
            took: attempts.begun.elapsed(),
            is_of_another: false,
        }
    }

    /// What is left of the time for the whole login.
    fn left(&self) -> Duration {
        let total = self.client.config.retry.total;
        total.saturating_sub(self.begun.elapsed())
    }

    async fn with_any_credentials(&mut self) -> Result<(Login, Moment, Grant), Error> {
        let client = self.client;
        let mut login = match client.credentials.login(&client.label, self.left()).await {
            Ok(login) => login,
            Err(error) => self.known_login_after(error)?,
        };
        let mut tried = Vec::new();
        loop {
            let credentials = &login.credentials;
            let error = match self.with_credentials(&login).await {
                Ok((started, grant)) => {
                    if client.credentials.worked(credentials) {
                        client.emit(&Event::credentials_rotated(
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
            if let Err(error) = client.credentials.reload(&client.label, self.left()).await {
                client.emit(&Event::credentials_reload_failed(error));
            }
            login = client.credentials.untried(&tried).ok_or(error)?;
        }
    }

    /// A source that fails does not stop a client that has credentials.
    fn known_login_after(&self, error: Error) -> Result<Login, Error> {
        let Some(login) = self.client.credentials.at_hand() else {
            return Err(error);
        };
        self.client.emit(&Event::credentials_reload_failed(error));
        Ok(login)
    }

    async fn with_credentials(&mut self, login: &Login) -> Result<(Moment, Grant), Error> {
        let client = self.client;
        let mut attempts = 0;
        loop {
            let started = client.config.clock.now();
            self.ask_budget(login, started)?;
            self.attempts += 1;
            attempts += 1;
            let failure = match self.attempt(login).await {
                Ok(grant) => return Ok((started, grant)),
                Err(failure) => failure,
            };
            let pause = failure.transient.then(|| {
                let (spent, wait) = (self.begun.elapsed(), failure.error.retry_after());
                retry::pause(&client.config.retry, attempts, spent, wait, random::unit())
            });
            let Some(pause) = pause.flatten() else {
                return Err(failure.error);
            };
            client.emit(&Event::login_retried(failure.error, self.attempts, pause));
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&mut self, login: &Login) -> Result<Grant, RequestFailure> {
        let config = &self.client.config;
        let Login {
            endpoint,
            credentials,
        } = login;
        let request = request::encode(endpoint.token_url(), credentials, config.auth_style);
        let timeout = config.attempt_timeout.min(self.left());
        let response = config.transport.send(&request, timeout).await?;
        self.responses += 1;
        self.count(login);
        let context = ResponseContext {
            host: endpoint.host(),
            credentials,
            trust: &config.trust,
            now: to_system_time(config.clock.now().wall),
            known_endpoint: self.client.knows(endpoint),
        };
        let decoded = decode(&response, &context);
        // Salesforce's own refusal proves as much as a token.
        let is_endpoint = |failure: &RequestFailure| failure.error.oauth_error().is_some();
        if decoded.as_ref().map_or_else(is_endpoint, |_| true) {
            self.client.note_known(endpoint);
        }
        decoded
    }

    fn ask_budget(&self, login: &Login, now: Moment) -> Result<(), Error> {
        let settings = self.client.config.budget;
        let allowance = self.with_budget(login, |budget| budget.ask(now.boot, settings));
        match allowance {
            Allowance::Granted => Ok(()),
            Allowance::Spent { frees_in } => Err(budget_spent(settings.stop, frees_in)),
        }
    }

    /// Every response of the endpoint counts, because refused logins may count at Salesforce too.
    fn count(&self, login: &Login) {
        let (settings, boot) = (
            self.client.config.budget,
            self.client.config.clock.now().boot,
        );
        let warning = self.with_budget(login, |budget| budget.count(boot, settings));
        if let (Some(used), Some(stop)) = (warning, settings.stop) {
            self.client.emit(&Event::login_budget_warning(used, stop));
        }
    }

    fn with_budget<T>(
        &self,
        login: &Login,
        act: impl FnOnce(&mut forcegrant_proto::cache::budget::Budget) -> T,
    ) -> T {
        let clock = self.client.config.clock.identity();
        budgets::with(
            login.endpoint.host(),
            login.credentials.client_id(),
            clock,
            act,
        )
    }

    async fn new_login(
        &self,
        login: &Login,
        started: Moment,
        grant: Grant,
    ) -> Result<NewLogin, Error> {
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
        let (config, state) = (&self.client.config, self.client.cell.state());
        let shared = config.process.as_ref().map(|_| Arc::new(new_token.clone()));
        let now = config.clock.now();
        Ok(NewLogin {
            cached: CachedToken::new(new_token, state.learned, now, &config.lifetimes)?,
            new_token: shared,
        })
    }

    /// Asks when the token ends, if the response did not say and the user wants to know.
    async fn introspect(&self, login: &Login, grant: &Grant) -> Option<Introspected> {
        let config = &self.client.config;
        let timeout = config.introspection?;
        if grant.jwt.is_some() || grant.expires_in.is_some() {
            return None;
        }
        let token = grant.access_token.expose();
        let url = introspection::url_beside(login.endpoint.token_url())?;
        let request = introspection::encode(&url, token, &login.credentials, config.auth_style);
        let response = config.transport.send(&request, timeout).await;
        let response = response.map_err(|failure| failure.error);
        match response.and_then(|response| introspection::decode(&response)) {
            Ok(introspected) => Some(introspected),
            Err(error) => {
                self.client.emit(&Event::introspection_failed(error));
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
    .with_help("The session was ended between the two responses, or introspection does not know tokens of this flow;\nin the latter case switch the option `introspect` off.")
}
