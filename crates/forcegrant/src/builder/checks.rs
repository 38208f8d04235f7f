//! What makes an option right or wrong, and what to say about it.

use std::time::Duration;

use super::{ClientBuilder, UncheckedCredentials};
use crate::calls::CallRetry;
use crate::credentials::{ClientCredentials, CredentialSet, CredentialsSource, SecretFile};
use forcegrant_proto::cache::budget::SALESFORCE_LIMIT;
use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::grant::introspection;
use forcegrant_proto::host::LoginEndpoint;
use forcegrant_proto::secret::Secret;

/// Every number against its range.
pub(super) fn numbers(builder: &ClientBuilder) -> Result<(), Error> {
    let (zero, instant) = (Duration::ZERO, Duration::from_millis(1));
    let lifetimes = &builder.lifetimes;
    within(
        "connect_timeout",
        builder.http.connect_timeout,
        instant,
        hours(1),
    )?;
    within(
        "attempt_timeout",
        builder.attempt_timeout,
        instant,
        hours(1),
    )?;
    within("total_timeout", builder.retry.total, instant, hours(1))?;
    within(
        "retry_backoff",
        builder.retry.attempts.backoff.first,
        zero,
        Duration::from_secs(60),
    )?;
    within(
        "retry_after_cap",
        builder.retry.attempts.retry_after_cap,
        zero,
        hours(1),
    )?;
    within(
        "introspection_timeout",
        builder.introspection_timeout,
        instant,
        hours(1),
    )?;
    within(
        "store_timeout",
        builder.store_timeout,
        instant,
        Duration::from_secs(60),
    )?;
    if let Some(stop) = builder
        .budget
        .stop
        .filter(|stop| !(1..=SALESFORCE_LIMIT).contains(stop))
    {
        return Err(invalid_option(
            "login_budget",
            &format!("{stop} is out of range"),
            "Give a number of logins per hour from 1 to 3600, Salesforce's own limit; or none to switch it off.",
        ));
    }
    within("refresh_window", lifetimes.refresh_window, zero, hours(24))?;
    within("safety_margin", lifetimes.safety_margin, zero, hours(24))?;
    if let Some(timeout) = lifetimes.session_timeout {
        // Salesforce's own choices are 15 minutes to 24 hours; less is for tests.
        within(
            "session_timeout",
            timeout,
            Duration::from_secs(1),
            hours(24),
        )?;
    }
    if let Some(stale) = lifetimes.max_stale {
        within("max_stale", stale, zero, hours(24 * 7))?;
    }
    for (name, backoff) in [
        ("refusal_backoff", builder.failures.refusal),
        ("transient_backoff", builder.failures.transient),
    ] {
        within(name, backoff.cap, zero, hours(1))?;
        if backoff.first > backoff.cap {
            return Err(invalid_option(
                name,
                "the first pause is longer than the longest",
                "Give the first pause and the longest, for example 5 s and 60 s; zero for both switches it off.",
            ));
        }
    }
    if !(1..=10).contains(&builder.retry.attempts.max) {
        return Err(invalid_option(
            "max_attempts",
            &format!("{} is out of range", builder.retry.attempts.max),
            "Give a number from 1 to 10.",
        ));
    }
    calls(&builder.calls)
}

fn calls(retry: &CallRetry) -> Result<(), Error> {
    within("call_backoff", retry.cap, Duration::ZERO, hours(1))?;
    within(
        "call_retry_after_cap",
        retry.retry_after_cap,
        Duration::ZERO,
        hours(1),
    )?;
    if retry.first > retry.cap {
        return Err(invalid_option(
            "call_backoff",
            "the first pause is longer than the longest",
            "Give the longest first pause and the longest of all, for example 500 ms and 10 s.",
        ));
    }
    if !(1..=10).contains(&retry.max_attempts) {
        return Err(invalid_option(
            "call_attempts",
            &format!("{} is out of range", retry.max_attempts),
            "Give a number from 1 to 10; 1 means that no call is repeated.",
        ));
    }
    Ok(())
}

/// The options of a pool must not have settings of one org.
pub(super) fn shared(builder: &ClientBuilder) -> Result<(), Error> {
    let source = match &builder.credentials {
        UncheckedCredentials::Values(..) => None,
        UncheckedCredentials::SecretFile(..) | UncheckedCredentials::FileBesideSource => {
            Some("client_secret_file")
        }
        UncheckedCredentials::CredentialsSource(_) => Some("credentials_callback"),
    };
    let next = builder.next.as_ref().map(|_| "next_credentials");
    let url = builder.token_url.as_ref().map(|_| "token_url");
    match source.or(next).or(url) {
        None => Ok(()),
        Some(name) => Err(invalid_option(
            name,
            "it belongs to one org, and these options are for all clients of a pool",
            "Insert each org's credentials, or give the pool itself a callback that brings them.",
        )),
    }
}

fn within(name: &str, value: Duration, least: Duration, most: Duration) -> Result<(), Error> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(invalid_option(
        name,
        &format!("{value:?} is out of range"),
        &format!("Give a duration from {least:?} to {most:?}."),
    ))
}

fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3_600)
}

/// The source of the credentials, and the credentials themselves if they were given as values.
pub(super) fn source(
    given: UncheckedCredentials,
    next: Option<(String, Secret)>,
) -> Result<(CredentialsSource, Option<CredentialSet>), Error> {
    let next = next
        .map(|(id, secret)| ClientCredentials::new(id, secret))
        .transpose()?;
    match (given, next) {
        (UncheckedCredentials::Values(id, secret), next) => {
            let credential_set = CredentialSet::new(ClientCredentials::new(id, secret)?);
            let credential_set = match next {
                Some(next) => credential_set.with_next(next),
                None => credential_set,
            };
            Ok((CredentialsSource::Given, Some(credential_set)))
        }
        (UncheckedCredentials::FileBesideSource, _) => Err(invalid_option(
            "client_secret_file",
            "the credentials come from the environment or a callback already",
            "Name the file in the environment variable SALESFORCE_CLIENT_SECRET_FILE; or give the login URL and the client id as values.",
        )),
        (_, Some(_)) => Err(invalid_option(
            "next_credentials",
            "it goes only with a client secret that is given as a value",
            "A file, the environment and a callback are read again instead; a callback can bring both pairs.",
        )),
        (UncheckedCredentials::SecretFile(client_id, path), None) => {
            let file = SecretFile { client_id, path };
            Ok((CredentialsSource::SecretFile(Box::new(file)), None))
        }
        (UncheckedCredentials::CredentialsSource(source), None) => Ok((source, None)),
    }
}

/// Whether a new token can be introspected there.
pub(super) fn introspection(endpoint: &LoginEndpoint) -> Result<(), Error> {
    match introspection::url_beside(endpoint.token_url()) {
        Some(_) => Ok(()),
        None => Err(invalid_option(
            "introspect",
            "the introspection endpoint cannot be derived from `token_url`",
            "Its path must end in `/token`, as Salesforce's does; or leave `introspect` off.",
        )),
    }
}
