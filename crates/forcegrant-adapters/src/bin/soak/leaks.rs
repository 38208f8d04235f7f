//! Many clients, logins, awaits and calls must not increase memory, threads or descriptors.

use std::fs;
use std::time::Instant;

use forcegrant::blocking::ClientExt;
use forcegrant::reqwest::Method;
use forcegrant::store::StoreConfig;
use forcegrant::{Client, ClientBuilder, blocking};
use forcegrant_adapters::web::{self, LIMITS};
use forcegrant_emulator::{Config, Emulator};

/// How much a long run may add to the resident memory, because the allocator fragments.
const ALLOWED_KIB: u64 = 4 * 1024;

/// The resources of the process.
#[derive(Clone, Copy, Debug)]
struct Measure {
    resident_kib: u64,
    threads: usize,
    descriptors: usize,
}

pub(crate) fn run(divisor: u32) -> Result<(), String> {
    let mut config = Config::default();
    for org in &mut config.orgs {
        for app in &mut org.apps {
            app.login_limit_per_hour = u32::MAX;
        }
    }
    let emulator = Emulator::start(config).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        steady(
            "clients made and dropped",
            100_000 / divisor,
            clients(&emulator),
        )
        .await?;
        steady("logins", 100_000 / divisor, logins(&emulator)).await?;
        steady("awaits", 1_000_000 / divisor, awaits(&emulator)).await?;
        let idle = settled(None).threads;
        let after = steady("calls from threads", 50_000 / divisor, calls(&emulator)).await?;
        if after.threads > idle {
            return Err(format!(
                "a thread stays with a client that has made calls: {after:?}"
            ));
        }
        Ok(())
    })
}

fn builder(emulator: &Emulator) -> ClientBuilder {
    web::builder(emulator)
        .login_budget(None)
        .store(StoreConfig::off())
}

fn client(emulator: &Emulator) -> Client {
    builder(emulator).build().expect("the options are right")
}

/// One client in a hundred logs in before it is dropped.
fn clients(emulator: &Emulator) -> impl AsyncFnMut(u32) + use<'_> {
    async move |number| {
        let client = client(emulator);
        if number.is_multiple_of(100) {
            client.token().await.expect("a login");
            // The login task may still be ending.
            client.wait_idle().await;
        }
        reset_sometimes(emulator, number);
    }
}

fn logins(emulator: &Emulator) -> impl AsyncFnMut(u32) + use<'_> {
    let client = client(emulator);
    async move |number| {
        client.reset();
        client.token().await.expect("a login");
        reset_sometimes(emulator, number);
    }
}

fn awaits(emulator: &Emulator) -> impl AsyncFnMut(u32) + use<'_> {
    let client = client(emulator);
    async move |_| {
        client.token().await.expect("a token");
    }
}

/// One client for all calls, but every tenth call has a client of its own. Every fifth response is not read to its end.
fn calls(emulator: &Emulator) -> impl AsyncFnMut(u32) + use<'_> {
    let kept = blocking::Client::from(client(emulator));
    async move |number| {
        let own = number
            .is_multiple_of(10)
            .then(|| blocking::Client::from(client(emulator)));
        let client = own.as_ref().unwrap_or(&kept);
        let call = || {
            let response = client.request(Method::GET, LIMITS).send();
            let response = response.expect("a response");
            if !number.is_multiple_of(5) {
                response.bytes().expect("a body");
            }
        };
        // Not in this task: a thread outside a runtime drives the event loop of the client itself.
        std::thread::scope(|scope| scope.spawn(call).join()).expect("a call");
        reset_sometimes(emulator, number);
    }
}

/// The emulator keeps its log in this process.
fn reset_sometimes(emulator: &Emulator, number: u32) {
    if number.is_multiple_of(500) {
        emulator.reset(None);
    }
}

/// Warms up with a tenth of the runs, measures, does all runs, and compares.
async fn steady(what: &str, times: u32, mut once: impl AsyncFnMut(u32)) -> Result<Measure, String> {
    let begun = Instant::now();
    for number in 0..(times / 10).max(1) {
        once(number).await;
    }
    let before = settled(None);
    for number in 0..times {
        once(number).await;
    }
    let after = settled(Some(before));
    println!(
        "soak: {times} {what} in {:.1} s: {} KiB, {} threads, {} descriptors; after a tenth {} KiB, {}, {}",
        begun.elapsed().as_secs_f64(),
        after.resident_kib,
        after.threads,
        after.descriptors,
        before.resident_kib,
        before.threads,
        before.descriptors,
    );
    if after.resident_kib > before.resident_kib + ALLOWED_KIB {
        return Err(format!(
            "{what}: the memory grows: {before:?}, then {after:?}"
        ));
    }
    if after.threads > before.threads || after.descriptors > before.descriptors {
        return Err(format!(
            "{what}: threads or descriptors are left: {before:?}, then {after:?}"
        ));
    }
    Ok(after)
}

/// The measure once threads and sockets that are about to end have ended, or after five seconds.
fn settled(wanted: Option<Measure>) -> Measure {
    let begun = Instant::now();
    let mut best = measure();
    while begun.elapsed().as_secs() < 5 {
        let now = measure();
        best.threads = best.threads.min(now.threads);
        best.descriptors = best.descriptors.min(now.descriptors);
        let done = wanted.is_none_or(|wanted| {
            best.threads <= wanted.threads && best.descriptors <= wanted.descriptors
        });
        if done && begun.elapsed().as_millis() > 100 {
            break;
        }
        std::thread::yield_now();
    }
    best
}

fn measure() -> Measure {
    let count = |folder: &str| fs::read_dir(folder).map_or(0, Iterator::count);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse().ok());
    Measure {
        resident_kib: resident.unwrap_or(0),
        threads: count("/proc/self/task"),
        descriptors: count("/proc/self/fd"),
    }
}
