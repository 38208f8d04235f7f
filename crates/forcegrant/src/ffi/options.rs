//! The options of clients and pools by name: the type of each, and the method of the builder that takes it.

use std::path::PathBuf;
use std::time::Duration;

use crate::builder::ClientBuilder;
use crate::pool::ClientPoolBuilder;

/// What value an option takes, and where it goes.
pub enum OptionKind<B> {
    /// A length of time.
    Duration(fn(B, Duration) -> B),
    /// The first and the longest pause.
    Backoff(fn(B, Duration, Duration) -> B),
    /// A whole number.
    Number(fn(B, u32) -> B),
    /// A whole number, or no limit.
    Limit(fn(B, Option<u32>) -> B),
    /// Yes or no.
    Flag(fn(B, bool) -> B),
    /// A text.
    Text(fn(B, String) -> B),
    /// Several texts.
    Texts(fn(B, Vec<String>) -> B),
    /// The path of a file.
    Path(fn(B, PathBuf) -> B),
    /// A client id and its secret.
    Credentials(fn(B, String, String) -> B),
    /// Each language reads it in a way of its own.
    Own,
}

/// The names and kinds of some options.
pub type OptionTable<B> = &'static [(&'static str, OptionKind<B>)];

/// The options of a client, and of all clients of a pool.
pub const CLIENT_OPTIONS: OptionTable<ClientBuilder> = {
    use OptionKind::{Backoff, Credentials, Duration, Flag, Limit, Number, Own, Path, Text, Texts};
    type B = ClientBuilder;
    &[
        ("login_url", Own),
        ("client_id", Own),
        ("client_secret", Own),
        ("client_secret_file", Path(B::client_secret_file)),
        ("next_credentials", Credentials(B::next_credentials)),
        ("introspect", Flag(B::introspect)),
        ("introspection_timeout", Duration(B::introspection_timeout)),
        ("login_budget", Limit(B::login_budget)),
        ("auth_style", Own),
        ("token_url", Text(B::token_url)),
        ("trusted_hosts", Texts(B::trusted_hosts)),
        ("allow_http_loopback", Flag(B::allow_http_loopback)),
        ("resolve", Own),
        ("roots", Own),
        ("proxy", Own),
        ("connect_timeout", Duration(B::connect_timeout)),
        ("attempt_timeout", Duration(B::attempt_timeout)),
        ("total_timeout", Duration(B::total_timeout)),
        ("max_attempts", Number(B::max_attempts)),
        ("retry_backoff", Duration(B::retry_backoff)),
        ("retry_after_cap", Duration(B::retry_after_cap)),
        ("call_attempts", Number(B::call_attempts)),
        ("call_backoff", Backoff(B::call_backoff)),
        ("call_retry_after_cap", Duration(B::call_retry_after_cap)),
        ("session_timeout", Duration(B::session_timeout)),
        ("refresh_window", Duration(B::refresh_window)),
        ("safety_margin", Duration(B::safety_margin)),
        ("max_stale", Duration(B::max_stale)),
        ("refusal_backoff", Backoff(B::refusal_backoff)),
        ("transient_backoff", Backoff(B::transient_backoff)),
        ("store", Own),
        ("store_timeout", Duration(B::store_timeout)),
    ]
};

/// The options of a pool alone.
pub const POOL_OPTIONS: OptionTable<ClientPoolBuilder> = {
    use OptionKind::{Limit, Number};
    type B = ClientPoolBuilder;
    &[
        (
            "max_clients",
            Number(|b, most| b.max_clients(usize::try_from(most).unwrap_or(usize::MAX))),
        ),
        ("logins_per_second", Limit(B::logins_per_second)),
        ("concurrent_logins", Limit(B::concurrent_logins)),
    ]
};
