//! `make bench`, the Rust part: what a cached read and a login cost beside the least that they could cost.
//!
//! Prints one JSON line for each: medians over many rounds, ours and the least possible in turns, so that both meet the
//! same machine. Nothing is asserted about times: they are for people to read.

use std::cell::Cell;
use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use forcegrant::{Client, ClientPool, Proxy, Roots, blocking};
use forcegrant_emulator::{Config, Emulator};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;

type Failure = Box<dyn Error + Send + Sync>;

const ROUNDS: usize = 101;
const READS: u32 = 100_000;
const LOGINS: usize = 201;

fn main() -> Result<(), Failure> {
    let emulator = Emulator::start(Config::default())?;
    let client = client_of(&emulator)?;
    let token = blocking::Client::from(client.clone()).token()?;

    let least = LeastRead(ArcSwap::from_pointee(token.access_token().to_owned()));
    let bare = || drop(black_box(least.read()));
    let cached = || drop(black_box(client.cached()));
    let awaited = || drop(black_box(at_once(client.token())));
    report(
        "cached read, Rust",
        ROUNDS,
        || Ok(alone(cached)),
        || Ok(alone(bare)),
    )?;
    report(
        "cached await, Rust",
        ROUNDS,
        || Ok(alone(awaited)),
        || Ok(alone(bare)),
    )?;
    report(
        "cached read, Rust, each of 2 threads",
        ROUNDS,
        || Ok(in_two_threads(cached)),
        || Ok(in_two_threads(bare)),
    )?;
    if emulator.counters().token_requests != 1 {
        return Err("there were logins: this was no measurement of cached reads".into());
    }

    let client = blocking::Client::from(client);
    let bare = BarePost::new(&emulator)?;
    let login = || {
        client.reset();
        let started = Instant::now();
        client.token()?;
        Ok(nanoseconds(started.elapsed()))
    };
    report("login, Rust", LOGINS, login, || bare.timed())?;
    keyed()?;
    under_load()
}

/// Reads of keys in an order that no cache foresees, beside a map of the standard library.
fn keyed() -> Result<(), Failure> {
    const ORGS: usize = 1_000;
    let emulator = Emulator::start(Config::default())?;
    let org = emulator.default_org();
    let pool = ClientPool::builder()
        .logins_per_second(None)
        .options(|client| {
            client
                .resolve(org.my_domain.as_str(), emulator.https_addr())
                .roots(Roots::Pem(emulator.ca_pem().as_bytes().to_vec()))
                .proxy(Proxy::None)
        })
        .build_blocking()?;
    let keys: Vec<_> = (0..ORGS).map(|number| format!("00D{number:015}")).collect();
    for key in &keys {
        pool.insert(
            key,
            &org.my_domain,
            &org.client_id,
            org.client_secret.as_str(),
        )?;
    }
    let warm = pool.prewarm(&keys);
    if let Some((_, error)) = warm.failed.into_iter().next() {
        return Err(error.into());
    }
    let floors: HashMap<_, _> = keys
        .iter()
        .map(|key| (key.clone(), LeastRead(ArcSwap::from_pointee(key.clone()))))
        .collect();
    let place = Cell::new(0);
    let next = || {
        place.set((place.get() + 379) % ORGS);
        &keys[place.get()]
    };
    report(
        "keyed cached read among 1,000 orgs, Rust",
        ROUNDS,
        || Ok(alone(|| drop(black_box(pool.token(next()))))),
        || Ok(alone(|| drop(black_box(floors[next()].read())))),
    )
}

/// Every read is timed by itself while tokens of four seconds are refreshed behind the reader at an
/// endpoint that takes half a second: does the caller at whose call a refresh falls due notice?
fn under_load() -> Result<(), Failure> {
    const REFRESHES: u64 = 3;
    let emulator = Emulator::start(Config::default())?;
    emulator
        .control(json!({"op": "configure", "app": {"expires_in": 4, "distinct_tokens": true}}))?;
    let client = client_of(&emulator)?;
    let before = blocking::Client::from(client.clone()).token()?;
    emulator
        .control(json!({"op": "fault", "endpoint": "token", "kind": "slow_head", "ms": 500}))?;
    let ours = each(
        || drop(black_box(at_once(client.token()))),
        || client.status().logins > REFRESHES,
    );
    let least = LeastRead(ArcSwap::from_pointee(before.access_token().to_owned()));
    let started = Instant::now();
    let bare = each(
        || drop(black_box(least.read())),
        || started.elapsed() > Duration::from_secs(3),
    );
    for (what, place) in [("p99.9", 0.999), ("slowest", 1.0)] {
        println!(
            "{}",
            json!({
                "what": format!("{what} of all reads while refreshing, Rust"),
                "ours_ns": at(&ours, place),
                "least_ns": at(&bare, place),
            })
        );
    }
    Ok(())
}

/// The nanoseconds of each call until it is enough, sorted. Asked for every thousand calls.
fn each(call: impl Fn(), enough: impl Fn() -> bool) -> Vec<f64> {
    let mut times = Vec::new();
    while !enough() {
        for _ in 0..1_000 {
            let started = Instant::now();
            call();
            times.push(nanoseconds(started.elapsed()));
        }
    }
    times.sort_unstable_by(f64::total_cmp);
    times
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place among some million times"
)]
fn at(sorted: &[f64], place: f64) -> f64 {
    let last = sorted.len() - 1;
    sorted[((last as f64 * place) as usize).min(last)]
}

/// Runs ours and the least possible in turns; both give nanoseconds for one call.
fn report(
    what: &str,
    rounds: usize,
    mut ours: impl FnMut() -> Result<f64, Failure>,
    mut least: impl FnMut() -> Result<f64, Failure>,
) -> Result<(), Failure> {
    let (mut ours_ns, mut least_ns) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours_ns.push(ours()?);
        least_ns.push(least()?);
    }
    println!(
        "{}",
        json!({ "what": what, "ours_ns": median(ours_ns), "least_ns": median(least_ns) })
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    (values[values.len() / 2] * 10.0).round() / 10.0
}

fn alone(read: impl Fn()) -> f64 {
    let started = Instant::now();
    for _ in 0..READS {
        read();
    }
    nanoseconds(started.elapsed()) / f64::from(READS)
}

/// Both threads run for the whole time that is measured: the slower one counts.
fn in_two_threads(read: impl Fn() + Copy + Send + Sync) -> f64 {
    let start = Barrier::new(2);
    let run = || {
        start.wait();
        alone(read)
    };
    thread::scope(|scope| {
        let other = scope.spawn(run);
        let own = run();
        other.join().map_or(f64::NAN, |other| own.max(other))
    })
}

fn nanoseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1e9
}

/// Polls a future that needs no waiting.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn client_of(emulator: &Emulator) -> Result<Client, forcegrant::Error> {
    let org = emulator.default_org();
    Client::builder(org.my_domain.as_str(), org.client_id, org.client_secret)
        .resolve(org.my_domain.as_str(), emulator.https_addr())
        .roots(Roots::Pem(emulator.ca_pem().as_bytes().to_vec()))
        .proxy(Proxy::None)
        .build()
}

/// The least that a cached read can be: one atomic pointer, one coarse look at the clock.
struct LeastRead(ArcSwap<String>);

impl LeastRead {
    #[inline]
    fn read(&self) -> Option<Arc<String>> {
        (coarse_seconds() > 0).then(|| self.0.load_full())
    }
}

#[cfg(unix)]
#[inline]
fn coarse_seconds() -> i64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::RealtimeCoarse;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Realtime;
    rustix::time::clock_gettime(CLOCK).tv_sec
}

#[cfg(not(unix))]
fn coarse_seconds() -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed();
    now.map_or(0, |since| since.as_secs().cast_signed())
}

/// The same bytes to the same place on a new connection, and nothing else.
struct BarePost {
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    url: String,
    form: String,
}

impl BarePost {
    fn new(emulator: &Emulator) -> Result<Self, Failure> {
        let org = emulator.default_org();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(emulator.ca_pem().as_bytes()) {
            roots.add(certificate?)?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            client: reqwest::Client::builder()
                .tls_backend_preconfigured(tls)
                .resolve(&org.my_domain, emulator.https_addr())
                .no_proxy()
                .pool_max_idle_per_host(0)
                .user_agent("forcegrant/bench")
                .build()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            url: format!("https://{}/services/oauth2/token", org.my_domain),
            form: format!(
                "grant_type=client_credentials&client_id={}&client_secret={}",
                org.client_id, org.client_secret
            ),
        })
    }

    fn timed(&self) -> Result<f64, Failure> {
        let request = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(self.form.clone());
        let started = Instant::now();
        self.runtime
            .block_on(async { request.send().await?.error_for_status()?.bytes().await })?;
        Ok(nanoseconds(started.elapsed()))
    }
}
