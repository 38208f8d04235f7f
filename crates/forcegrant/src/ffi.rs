//! What only the bindings for other languages and the command line of this project use.
//!
//! This module is hidden and no part of the public interface: anything in it may change in any release. Nothing
//! else in this crate imports it.

mod callbacks;
pub mod command_line;
mod connections;
mod event_fields;
mod options;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::callbacks::{
    CallbackFunctions, CallbackStore, CredentialsRequest, EventFunction, StoreCall, StoreReply,
    check_store,
};
pub use self::connections::{
    authorize_in, builder_of_connection, dump, load, org_of_connection, start_authorize,
    start_on_connections, start_verify_connection,
};
pub use self::event_fields::{EventFields, event_level};
pub use self::options::{CLIENT_OPTIONS, OptionKind, OptionTable, POOL_OPTIONS};
pub use crate::client::Start;
pub use crate::wait::{Pending, Subscription};
pub use forcegrant_proto::calls::api_call::renewed;
pub use forcegrant_proto::redaction::Redactor;
pub use forcegrant_support::process::{PerProcess, ProcessRef};

use crate::builder::ClientBuilder;
use crate::calls::{ApiCall, ResolvedUrl};
use crate::client::Client;
use crate::clock::Clock;
use crate::events::Events;
use crate::login_task::Purpose;
use crate::pool::{ClientPool, Prewarmed};
use crate::verified::Verified;
use forcegrant_proto::error::Error;
use forcegrant_proto::event::Event;
use forcegrant_proto::token::Token;
use forcegrant_support::tls::{self, Roots};

/// A token and the span of wall-clock time in which it may be handed out without asking the client
/// again. At most a second long; empty (`from_ms` equals `until_ms`) under a test clock.
#[derive(Clone, Debug)]
pub struct TokenView {
    /// The token.
    pub token: Token,
    /// The start, in milliseconds since 1970. Before it the clock was stepped back: ask again.
    pub from_ms: i64,
    /// The end, in milliseconds since 1970, exclusive.
    pub until_ms: i64,
}

/// The cached token with the time in which it may be handed out without asking again: none if another token has
/// taken its place meanwhile. Starts the refresh that is due, and no other login.
#[must_use]
pub fn view(client: &Client) -> Option<TokenView> {
    client.cached()?;
    let Start::Ready(token) = client.start_for(Purpose::Token) else {
        return None;
    };
    let (from_ms, until_ms) = client.inner.renew_view_of(&token).unwrap_or_default();
    Some(TokenView {
        token,
        from_ms,
        until_ms,
    })
}

/// The wall clock in milliseconds since 1970, cheap and a few milliseconds late: what a [`TokenView`] is
/// compared with.
#[inline]
#[must_use]
pub fn coarse_now_ms() -> i64 {
    Clock::system().coarse_wall()
}

/// [`Client::token`] for a caller that waits in its own way.
#[must_use]
pub fn start(client: &Client) -> Start {
    client.start()
}

/// [`Client::verify`] for a caller that waits in its own way.
pub fn start_verify(client: &Client) -> Pending<Verified> {
    client.start_verify()
}

/// [`Client::wait_idle`] for a caller that waits in its own way.
pub fn start_wait_idle(client: &Client) -> Pending<()> {
    client.start_wait_idle()
}

/// [`ClientPool::token`] for a caller that waits in its own way.
#[must_use]
pub fn start_of_pool(pool: &ClientPool, key: &str) -> Start {
    pool.start(key)
}

/// [`ClientPool::prewarm`] for a caller that waits in its own way.
pub fn start_prewarm<K: AsRef<str>>(
    pool: &ClientPool,
    keys: impl IntoIterator<Item = K>,
) -> Pending<Prewarmed> {
    pool.start_prewarm(keys)
}

/// [`ClientPool::wait_idle`] for a caller that waits in its own way.
pub fn start_wait_idle_of_pool(pool: &ClientPool) -> Pending<()> {
    pool.start_wait_idle()
}

/// Whether both are handles of one client.
#[must_use]
pub fn is_same(one: &Client, other: &Client) -> bool {
    Arc::ptr_eq(&one.inner, &other.inner)
}

/// [`Client::is_allowed_for`] for a token that is kept in another language.
#[must_use]
pub fn is_allowed_for(
    client: &Client,
    instance_url: &str,
    api_instance_url: Option<&str>,
    url: &str,
) -> bool {
    client.is_instance_allowed_for(instance_url, api_instance_url, url)
}

/// [`Client::resolve_url`] for a token that is kept in another language.
///
/// # Errors
/// As [`Client::resolve_url`].
pub fn resolve_url(
    client: &Client,
    instance_url: &str,
    api_instance_url: Option<&str>,
    path_or_url: &str,
) -> Result<ResolvedUrl, Error> {
    client.resolve_url_on(instance_url, api_instance_url, path_or_url)
}

/// Notes that a host accepted the token of a request: for adapters that hand over no response that is
/// fine. Returns whether that matters still: whether renewals are counted.
#[must_use]
pub fn note_accepted(client: &Client, url: &str) -> bool {
    client.accepted(url, false)
}

/// The same for a request of this call.
#[must_use]
pub fn note_served(call: &ApiCall, client: &Client, url: &str) -> bool {
    call.note_served(client, url)
}

/// Whether renewals are counted, so that it matters when a host accepts a token.
#[must_use]
pub fn counts_renewals(client: &Client) -> bool {
    client.inner.counts_renewals()
}

/// [`ClientBuilder::on_event`] on the thread where it happens, which is mostly the worker's. The
/// listener must be quick.
pub fn on_event(
    builder: ClientBuilder,
    listener: impl Fn(&Event) + Send + Sync + 'static,
) -> ClientBuilder {
    builder.with_events(Events::inline(move |_, _, event| listener(event)))
}

/// The roots that a text names: `platform`, `bundled`, the path of a PEM file, or the certificates themselves.
#[must_use]
pub fn roots_of_text(text: &str) -> Roots {
    tls::roots_by_name(text).unwrap_or_else(|| tls::roots_by_text(text))
}

/// The platform's roots with those of one more PEM file, as Node has them.
pub fn with_extra_roots(builder: ClientBuilder, path: PathBuf) -> ClientBuilder {
    builder.extra_roots(path)
}

/// The error of a value that cannot even be put as the builder takes it.
#[must_use]
pub fn invalid_option(option: &str, problem: &str, help: &str) -> Error {
    forcegrant_proto::error::invalid_option(option, problem, help)
}

/// The error of a caller whose own time is over; the login goes on.
#[must_use]
pub fn timed_out(waited: Duration) -> Error {
    crate::wait::timed_out(waited)
}

/// The texts of what led to an error, nearest first.
#[must_use]
pub fn causes(error: &Error) -> Vec<String> {
    let first = std::error::Error::source(error);
    std::iter::successors(first, |cause| cause.source())
        .map(ToString::to_string)
        .collect()
}
