//! Before and after a login of a client that shares its logins: through a store, or within its process.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;

use crate::client_inner::ClientInner;
use crate::credentials::Login;
use crate::login::NewLogin;
use crate::random;
use crate::shared_logins::{Found, LoginEnd, ProcessSharing, SharedTurn};
use crate::store_session::{self, HeldLease, Obtained};
use forcegrant_proto::cache::cached_token::{CachedToken, NewToken};
use forcegrant_proto::error::Error;
use forcegrant_proto::host::check_instance_url;
use forcegrant_proto::redaction::Redactor;
use forcegrant_proto::store::record::KnownLogins;

/// What a client finds that needs a token.
pub(crate) enum TokenOrTurn {
    /// The login of another client serves.
    Adopted(Arc<CachedToken>),
    /// The login of another client, which this one waited for, failed.
    Failed(Error),
    /// Log in.
    Turn(Turn),
}

/// The right to log in, and where the result goes.
pub(crate) enum Turn {
    /// Nothing is shared, or the store is failing.
    Alone,
    Process(SharedTurn),
    Store(HeldLease),
}

/// Asks those that the client shares its logins with. `afresh`: only a login of its own will do.
pub(crate) async fn token_or_turn(client: &Arc<ClientInner>, afresh: bool) -> TokenOrTurn {
    let (store, process) = (&client.config.store, &client.config.process);
    if store.is_none() && process.is_none() {
        return TokenOrTurn::Turn(Turn::Alone);
    }
    // In memory of its own: a hundred thousand logins of a pool may wait, and few have got so far.
    Box::pin(async {
        let total = client.config.retry.total;
        // If the source of the credentials fails, the login says so.
        let login = client.credentials.login(&client.label, total).await.ok();
        let Some(login) = login.or_else(|| client.credentials.at_hand()) else {
            return TokenOrTurn::Turn(Turn::Alone);
        };
        if let Some(store) = store {
            match store_session::obtain(client, store, login.clone(), afresh).await {
                Obtained::Adopted(cached) => return TokenOrTurn::Adopted(cached),
                Obtained::Failed(error) => return TokenOrTurn::Failed(error),
                Obtained::Lease(lease) => return TokenOrTurn::Turn(Turn::Store(lease)),
                Obtained::Unavailable => {}
            }
        }
        match process {
            Some(process) => within_process(client, process, &login, afresh).await,
            None => TokenOrTurn::Turn(Turn::Alone),
        }
    })
    .await
}

async fn within_process(
    client: &ClientInner,
    process: &ProcessSharing,
    login: &Login,
    afresh: bool,
) -> TokenOrTurn {
    let total = client.config.retry.total;
    let shared = process.logins(login);
    let begun = Instant::now();
    loop {
        let found = shared.find(|new_token| {
            if afresh {
                return None;
            }
            // This endpoint gave another client a token.
            client.note_known(&login.endpoint);
            adopt(client, login, new_token)
        });
        let pending = match found {
            Found::Token(cached) => return TokenOrTurn::Adopted(cached),
            Found::Turn(turn) => return TokenOrTurn::Turn(Turn::Process(turn)),
            Found::Waiting(pending) => pending,
        };
        match timeout(total.saturating_sub(begun.elapsed()), pending).await {
            Ok(Ok(LoginEnd::Failed(error))) if !afresh => return TokenOrTurn::Failed(error),
            // It brought a token, or nothing for others.
            Ok(_) => {}
            // As long as a login may take.
            Err(_) => return TokenOrTurn::Turn(Turn::Alone),
        }
    }
}

/// The cached token that this client makes, by its own options, of what another client of its process got.
/// `None`: it does not serve this client.
fn adopt(client: &ClientInner, login: &Login, new_token: &NewToken) -> Option<Arc<CachedToken>> {
    let (state, config) = (client.cell.state(), &client.config);
    let now = config.clock.now();
    let grant = &new_token.grant;
    let is_trusted = |url: &String| {
        check_instance_url("instance_url", url, &config.trust, &Redactor::new).is_ok()
    };
    let known = KnownLogins::of(&state, login.credentials.mark());
    if !known.is_served_by(new_token.started.wall, now)
        || !is_trusted(&grant.instance_url)
        || !grant.api_instance_url.as_ref().is_none_or(is_trusted)
    {
        return None;
    }
    let new_token = NewToken {
        random: random::unit(),
        ..NewToken::clone(new_token)
    };
    let cached = CachedToken::new(new_token, state.learned, now, &config.lifetimes).ok()?;
    (!state.is_rejected(cached.parts.fingerprint())).then_some(cached)
}

impl Turn {
    /// Counts the token requests that got a response, for all clients of the store.
    pub(crate) fn counting(&self, logins: u32) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self {
            Self::Store(lease) => Box::pin(lease.count(logins)),
            Self::Alone | Self::Process(_) => Box::pin(ready(())),
        }
    }

    /// Ends the right, and gives the others what the login brought if it serves them, or why it failed.
    pub(crate) async fn publish(
        self,
        client: &ClientInner,
        brought: Option<NewLogin>,
        failure: Option<&Error>,
    ) {
        match self {
            Self::Alone => {}
            Self::Store(lease) => {
                let cached = brought.map(|brought| brought.cached);
                Box::pin(lease.publish(cached.as_deref(), failure)).await;
            }
            Self::Process(turn) => publish_in_process(client, turn, brought, failure),
        }
    }
}

fn publish_in_process(
    client: &ClientInner,
    turn: SharedTurn,
    brought: Option<NewLogin>,
    failure: Option<&Error>,
) {
    let Some(new_token) = brought.and_then(|brought| brought.new_token) else {
        return turn.end(failure);
    };
    if turn.is_with(new_token.credentials) {
        return turn.share(new_token);
    }
    // The login succeeded with other credentials than those that the right is for.
    turn.end(None);
    let login = client.credentials.at_hand();
    let login = login.filter(|login| login.credentials.mark() == new_token.credentials);
    if let (Some(login), Some(process)) = (login, &client.config.process) {
        process.logins(&login).offer(new_token);
    }
}
