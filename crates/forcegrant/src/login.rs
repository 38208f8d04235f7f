//! The effects of one login: send, decode, pause, try again. All decisions are in `grant`, `cache`
//! and `credentials`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::budgets;
use crate::client_inner::ClientInner;
use crate::clock::{Moment, to_system_time};
use crate::credentials::{Login, is_about_the_credentials};
use crate::random;
use crate::single_flight::InFlight;
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

/// The result of a successful login.
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

/// Logs in as soon as the client may: whether a caller waits for its `flight` counts.
pub(crate) async fn log_in(
    client: &ClientInner,
    flight: &InFlight<Token>,
    background: bool,
) -> LoginOutcome {
    let limit = client.config.retry.total;
    let mut permit = None;
    if let Some(permits) = &client.config.permits {
        match permits.acquire(flight, background, limit).await {
            Ok(acquired) => permit = Some(acquired),
            Err(error) => return LoginOutcome::without_request(Err(error), limit),
        }
    }
    let mut attempts = LoginAttempts {
        client,
        begun: Instant::now(),
        attempts: 0,
        responses: 0,
        signature_matches: None,
    };
    // In memory of its own, because a hundred thousand logins may wait for a permit.
    let mut login = Box::pin(attempts.run());
    let result = match &mut permit {
        None => login.as_mut().await,
        Some(permit) => {
            if let Ok(result) = timeout(permit.slow_after(), login.as_mut()).await {
                result
            } else {
                permit.slow_down();
                login.as_mut().await
            }
        }
    };
    drop(login);
    LoginOutcome {
        result,
        signature_matches: attempts.signature_matches,
        attempts: attempts.attempts,
        responses: attempts.responses,
        took: attempts.begun.elapsed(),
        is_of_another: false,
    }
}

/// One login under way.
struct LoginAttempts<'a> {
    client: &'a ClientInner,
    begun: Instant,
    attempts: u32,
    responses: u32,
    signature_matches: Option<bool>,
}

impl LoginAttempts<'_> {
    /// What is left of the time for the whole login.
    fn left(&self) -> Duration {
        let total = self.client.config.retry.total;
        total.saturating_sub(self.begun.elapsed())
    }

    /// Makes token requests until one succeeds or a failure is final. After a temporary failure it waits and tries
    /// again; after one that is about the credentials it goes on with others that are configured.
    async fn run(&mut self) -> Result<NewLogin, Error> {
        let client = self.client;
        let mut login = match client.credentials.login(&client.label, self.left()).await {
            Ok(login) => login,
            Err(error) => self.known_login_after(error)?,
        };
        let mut tried = Vec::new();
        let mut attempts_with_these = 0;
        loop {
            let started = client.config.clock.now();
            attempts_with_these += 1;
            let failure = match self.attempt(&login, started).await {
                Ok(grant) => return self.succeeded(&login, started, grant).await,
                Err(failure) => failure,
            };
            let pause = failure.transient.then(|| {
                let (spent, wait) = (self.begun.elapsed(), failure.error.retry_after());
                let settings = &client.config.retry;
                retry::pause(settings, attempts_with_these, spent, wait, random::unit())
            });
            let error = failure.error;
            if let Some(pause) = pause.flatten() {
                client.emit(&Event::login_retried(error, self.attempts, pause));
                sleep(pause).await;
                continue;
            }
            if !is_about_the_credentials(&error) {
                return Err(error);
            }
            tried.push(login.credentials.mark());
            if let Err(error) = client.credentials.reload(&client.label, self.left()).await {
                client.emit(&Event::credentials_reload_failed(error));
            }
            login = client.credentials.untried(&tried).ok_or(error)?;
            attempts_with_these = 0;
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

    /// One token request, if the login budget allows it.
    async fn attempt(&mut self, login: &Login, started: Moment) -> Result<Grant, RequestFailure> {
        let (client, config) = (self.client, &self.client.config);
        let Login {
            endpoint,
            credentials,
        } = login;
        let (host, client_id) = (endpoint.host(), credentials.client_id());
        let clock = config.clock.identity();
        let allowance = budgets::with(host, client_id, clock, |budget| {
            budget.ask(started.boot, config.budget)
        });
        if let Allowance::Spent { frees_in } = allowance {
            let error = budgets::spent(config.budget.stop, frees_in);
            return Err(RequestFailure::permanent(error));
        }
        self.attempts += 1;
        let request = request::encode(endpoint.token_url(), credentials, config.auth_style);
        let timeout = config.attempt_timeout.min(self.left());
        let response = config.transport.send(&request, timeout).await?;
        self.responses += 1;
        let now = config.clock.now();
        // Every response of the endpoint counts, because refused logins may count at Salesforce too.
        let warning = budgets::with(host, client_id, clock, |budget| {
            budget.count(now.boot, config.budget)
        });
        if let (Some(used), Some(stop)) = (warning, config.budget.stop) {
            client.emit(&Event::login_budget_warning(used, stop));
        }
        let context = ResponseContext {
            host,
            credentials,
            trust: &config.trust,
            now: to_system_time(now.wall),
            known_endpoint: client.knows(endpoint),
        };
        let decoded = decode(&response, &context);
        // Salesforce's own refusal proves as much as a token.
        let is_endpoint = |failure: &RequestFailure| failure.error.oauth_error().is_some();
        if decoded.as_ref().map_or_else(is_endpoint, |_| true) {
            client.note_known(endpoint);
        }
        decoded
    }

    /// The cached token that follows from a grant.
    async fn succeeded(
        &mut self,
        login: &Login,
        started: Moment,
        grant: Grant,
    ) -> Result<NewLogin, Error> {
        let (client, credentials) = (self.client, &login.credentials);
        self.signature_matches = grant.signature_matches;
        if client.credentials.worked(credentials) {
            client.emit(&Event::credentials_rotated(
                credentials.client_id().to_owned(),
                credentials.fingerprint(),
            ));
        }
        let introspected = match self.introspect(login, &grant).await {
            Some(Introspected::Inactive) => return Err(inactive()),
            Some(Introspected::Active { ends }) => ends,
            None => None,
        };
        let new_token = NewToken {
            grant,
            credentials: credentials.mark(),
            started,
            introspected,
            random: random::unit(),
        };
        let (config, state) = (&client.config, client.cell.state());
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

fn inactive() -> Error {
    Error::new(
        ErrorCode::TokenDeadOnArrival,
        "Salesforce issued a token and, asked at once, said that it is not active",
    )
    .with_help("The session was ended between the two responses, or introspection does not know tokens of this flow;\nin the latter case switch the option `introspect` off.")
}
