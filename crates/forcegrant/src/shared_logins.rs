//! Clients of one process that would get the same token share their logins: one of them logs in, and the
//! others make a cached token of their own from the response that it got.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::clock::Clock;
use crate::credentials::Login;
use crate::obtained::Obtained;
use crate::single_flight::{InFlight, SingleFlight};
use forcegrant_proto::cache::cached_token::{CachedToken, NewToken};
use forcegrant_proto::error::Error;
use forcegrant_proto::secret::CredentialsFingerprint;
use forcegrant_support::process::PerProcess;

/// The option to share logins with the clients of this process that have the same credentials, token endpoint,
/// route and clock.
pub(crate) struct ProcessSharing {
    /// The route and the clock.
    route: String,
    /// Holds the shared logins of the credentials that this client used last, which end with the last client that
    /// holds them. A forked child has its own.
    held: PerProcess<Mutex<Vec<Arc<SharedLogins>>>>,
}

/// A client may have two credentials while one replaces the other.
const MAX_HELD: usize = 2;

/// The logins of all clients that would get the same token.
pub(crate) struct SharedLogins {
    key: LoginKey,
    credentials: CredentialsFingerprint,
    flight: SingleFlight<LoginEnd>,
    /// The token of the last login. It is read and changed under the lock of the flight.
    last: Mutex<Option<Arc<NewToken>>>,
}

/// A SHA-256 of everything that two clients must have in common.
type LoginKey = [u8; 32];

type LoginsByKey = HashMap<LoginKey, Weak<SharedLogins>>;

/// All shared logins of this process, without holding them.
static SHARED_LOGINS: OnceLock<PerProcess<Mutex<LoginsByKey>>> = OnceLock::new();

/// How the login of another client ended.
#[derive(Clone, Debug)]
pub(crate) enum LoginEnd {
    /// With a token, which the waiting clients find, or with nothing for them.
    LookAgain,
    Failed(Error),
}

/// The right to log in for all clients that share the login. If it is dropped, the next client has it.
pub(crate) struct SharedFlight {
    shared: Arc<SharedLogins>,
    flight: InFlight<LoginEnd>,
}

impl ProcessSharing {
    pub(crate) fn new(route: &str, clock: &Clock) -> Self {
        Self {
            // A client with another clock may see another time.
            route: format!("{route}\0{}", clock.identity()),
            held: PerProcess::default(),
        }
    }

    /// The shared logins with these credentials at this endpoint.
    pub(crate) fn logins(&self, login: &Login) -> Arc<SharedLogins> {
        let key = key(login, &self.route);
        let held = self.held.current();
        let mut held = lock(&held);
        if let Some(shared) = held.iter().find(|shared| shared.key == key) {
            return Arc::clone(shared);
        }
        let all = SHARED_LOGINS.get_or_init(PerProcess::default).current();
        let mut all = lock(&all);
        let known = all.get(&key).and_then(Weak::upgrade);
        let shared = known.unwrap_or_else(|| {
            if all.len() == all.capacity() {
                all.retain(|_, shared| shared.strong_count() > 0);
                // So that it is done once for as many new entries as there are old ones.
                let left = all.len() + 1;
                all.reserve(left);
            }
            let shared = Arc::new(SharedLogins {
                key,
                credentials: login.credentials.mark(),
                flight: SingleFlight::default(),
                last: Mutex::default(),
            });
            all.insert(key, Arc::downgrade(&shared));
            shared
        });
        held.insert(0, Arc::clone(&shared));
        held.truncate(MAX_HELD);
        shared
    }
}

impl SharedLogins {
    /// The token that another client got if `adopt` makes a cached token of it, else how the login in flight ends,
    /// else the right to log in. `afresh`: only a login of its own will do. `None`: another client has been logging in
    /// for longer than `limit`.
    pub(crate) async fn obtain(
        self: &Arc<Self>,
        limit: Duration,
        afresh: bool,
        adopt: impl Fn(&NewToken) -> Option<Arc<CachedToken>>,
    ) -> Option<Obtained<SharedFlight>> {
        let begun = Instant::now();
        loop {
            let pending = {
                let mut single_flight = self.flight.lock();
                let last = lock(&self.last).clone();
                if let Some(cached) = last.filter(|_| !afresh).and_then(|last| adopt(&last)) {
                    return Some(Obtained::OfAnother(Ok(cached)));
                }
                let Some(pending) = single_flight.flight() else {
                    return Some(Obtained::Right(SharedFlight {
                        shared: Arc::clone(self),
                        flight: single_flight.begin(),
                    }));
                };
                pending
            };
            match timeout(limit.saturating_sub(begun.elapsed()), pending).await {
                Ok(Ok(LoginEnd::Failed(error))) if !afresh => {
                    return Some(Obtained::OfAnother(Err(error)));
                }
                // There may be a token now, or nothing for others.
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Shares the token of a login that was made without the right to it; but not while another client is logging in,
    /// which will have a newer one.
    pub(crate) fn offer(&self, new_token: Arc<NewToken>) {
        let flight = self.flight.lock();
        if !flight.is_in_flight() {
            *lock(&self.last) = Some(new_token);
        }
    }
}

impl SharedFlight {
    /// Whether it is the right to log in with these credentials.
    pub(crate) fn is_with(&self, credentials: CredentialsFingerprint) -> bool {
        self.shared.credentials == credentials
    }

    /// Ends the login with a token for the others.
    pub(crate) fn share(self, new_token: Arc<NewToken>) {
        let flight = self.shared.flight.lock();
        *lock(&self.shared.last) = Some(new_token);
        drop(flight);
        self.flight.complete(&Ok(LoginEnd::LookAgain));
    }

    /// Ends the login without one.
    pub(crate) fn end(self, failure: Option<&Error>) {
        let end = failure.map_or(LoginEnd::LookAgain, |error| LoginEnd::Failed(error.clone()));
        self.flight.complete(&Ok(end));
    }
}

fn key(login: &Login, route: &str) -> LoginKey {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let credentials = &login.credentials;
    for part in [
        login.endpoint.token_url(),
        credentials.client_id(),
        credentials.expose_client_secret(),
        route,
    ] {
        digest.update(&part.len().to_le_bytes());
        digest.update(part.as_bytes());
    }
    let mut key = LoginKey::default();
    key.copy_from_slice(digest.finish().as_ref());
    key
}

/// What was locked is plain data, whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for ProcessSharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessSharing").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use forcegrant_proto::credentials::ClientCredentials;
    use forcegrant_proto::host::{LoginEndpoint, TrustPolicy};

    /// 1,000 clients that come and go leave nothing behind.
    #[test]
    fn logins_that_nobody_holds_are_removed() {
        let trust = TrustPolicy::default();
        let login = Login {
            endpoint: LoginEndpoint::from_login_url("acme.my.salesforce.com", &trust).unwrap(),
            credentials: ClientCredentials::new("id", "a secret of this test").unwrap(),
        };
        let sharing = |number| ProcessSharing::new(&format!("route {number}"), &Clock::system());
        let routes = (0..1_000).map(|number| {
            let sharing = sharing(number);
            sharing.logins(&login);
            sharing.route
        });
        let routes: Vec<_> = routes.collect();
        let all = SHARED_LOGINS.get_or_init(PerProcess::default).current();
        let all = lock(&all);
        let left = routes
            .iter()
            .filter(|route| all.contains_key(&key(&login, route)))
            .count();
        assert!(left < 200, "{left}");
    }
}
