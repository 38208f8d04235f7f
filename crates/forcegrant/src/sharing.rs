//! Before and after a login of a client that shares its logins: through a store, or within its process.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use crate::client_inner::ClientInner;
use crate::credentials::Login;
use crate::login::NewLogin;
use crate::obtained::Obtained;
use crate::random;
use crate::shared_logins::SharedFlight;
use crate::store_session::{self, HeldLease};
use forcegrant_proto::cache::cached_token::{CachedToken, NewToken};
use forcegrant_proto::error::Error;
use forcegrant_proto::host::check_instance_url;
use forcegrant_proto::redaction::Redactor;
use forcegrant_proto::store::record::KnownLogins;

/// The right to log in, and where the result goes.
pub(crate) enum LoginRight {
    /// To this client alone: nothing is shared, or nobody could be asked.
    Alone,
    Process(SharedFlight),
    Store(Box<HeldLease>),
}

/// Looks for the token of another client that this one shares its logins with. `afresh`: only a login of its own
/// will do.
pub(crate) async fn obtain(client: &Arc<ClientInner>, afresh: bool) -> Obtained<LoginRight> {
    let alone = Obtained::Right(LoginRight::Alone);
    let (store, process) = (&client.config.store, &client.config.process);
    if store.is_none() && process.is_none() {
        return alone;
    }
    // In memory of its own, because a hundred thousand logins of a pool may wait, and few have got so far.
    Box::pin(async {
        let total = client.config.retry.total;
        // If the source of the credentials fails, the login says so.
        let login = client.credentials.login(&client.label, total).await.ok();
        let Some(login) = login.or_else(|| client.credentials.at_hand()) else {
            return alone;
        };
        if let Some(store) = store
            && let Some(found) = store_session::obtain(client, store, login.clone(), afresh).await
        {
            return found.map(|lease| LoginRight::Store(Box::new(lease)));
        }
        let Some(process) = process else {
            return alone;
        };
        let adopt = |new_token: &NewToken| {
            // This endpoint gave another client a token.
            client.note_known(&login.endpoint);
            adopt(client, &login, new_token)
        };
        // Another client's login may take as long as one of its own.
        let found = process.logins(&login).obtain(total, afresh, adopt).await;
        found.map_or(alone, |found| found.map(LoginRight::Process))
    })
    .await
}

/// The cached token that this client makes, by its own options, from the token response that another client of its process got.
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

impl LoginRight {
    /// Counts the token requests that got a response, for all clients of the store.
    pub(crate) fn counting(&self, logins: u32) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match self {
            Self::Store(lease) => Box::pin(lease.count(logins)),
            Self::Alone | Self::Process(_) => Box::pin(ready(())),
        }
    }

    /// Ends the right, and gives the others the new token if it serves them, or the reason of the failure.
    pub(crate) async fn publish(
        self,
        client: &ClientInner,
        new_login: Option<NewLogin>,
        failure: Option<&Error>,
    ) {
        match self {
            Self::Alone => {}
            Self::Store(lease) => {
                let cached = new_login.map(|new_login| new_login.cached);
                Box::pin(lease.publish(cached.as_deref(), failure)).await;
            }
            Self::Process(flight) => publish_in_process(client, flight, new_login, failure),
        }
    }
}

fn publish_in_process(
    client: &ClientInner,
    flight: SharedFlight,
    new_login: Option<NewLogin>,
    failure: Option<&Error>,
) {
    let Some(new_token) = new_login.and_then(|new_login| new_login.new_token) else {
        return flight.end(failure);
    };
    if flight.is_with(new_token.credentials) {
        return flight.share(new_token);
    }
    // The login succeeded with other credentials than those that the right is for.
    flight.end(None);
    let login = client.credentials.at_hand();
    let login = login.filter(|login| login.credentials.mark() == new_token.credentials);
    if let (Some(login), Some(process)) = (login, &client.config.process) {
        process.logins(&login).offer(new_token);
    }
}
