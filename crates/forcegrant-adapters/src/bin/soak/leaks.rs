//! Clients that come and go, logins and awaits: memory, threads and descriptors stay as they are.

use std::fs;
use std::time::Instant;

use forcegrant::store::Sharing;
use forcegrant::{Client, ClientBuilder};
use forcegrant_adapters::web;
use forcegrant_emulator::{Config, Emulator};

/// What a long run may add to the resident memory: the allocator's own fragments.
const ALLOWED_KIB: u64 = 4 * 1024;

/// What the process has.
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
        steady("awaits", 1_000_000 / divisor, awaits(&emulator)).await
    })
}

fn builder(emulator: &Emulator) -> ClientBuilder {
    web::builder(emulator)
        .login_budget(None)
        .store(Sharing::off())
}

fn client(emulator: &Emulator) -> Client {
    builder(emulator).build().expect("the options are right")
}

/// One in a hundred has a token before it goes.
fn clients(emulator: &Emulator) -> impl AsyncFnMut(u32) + use<'_> {
    async move |number| {
        let client = client(emulator);
        if number.is_multiple_of(100) {
            client.token().await.expect("a login");
            // Its job may be about to end.
            client.wait_idle().await;
        }
        forget_now_and_then(emulator, number);
    }
}

fn logins(emulator: &Emulator) -> impl AsyncFnMut(u32) + use<'_> {
    let client = client(emulator);
    async move |number| {
        client.reset();
        client.token().await.expect("a login");
        forget_now_and_then(emulator, number);
    }
}

fn awaits(emulator: &Emulator) -> impl AsyncFnMut(u32) + use<'_> {
    let client = client(emulator);
    async move |_| {
        client.token().await.expect("a token");
    }
}

/// The emulator keeps a log in this very process.
fn forget_now_and_then(emulator: &Emulator, number: u32) {
    if number.is_multiple_of(500) {
        emulator.reset(None);
    }
}

/// Does it often, a tenth of that before the first measure, and compares.
async fn steady(what: &str, times: u32, mut once: impl AsyncFnMut(u32)) -> Result<(), String> {
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
            "{what}: threads or descriptors stay: {before:?}, then {after:?}"
        ));
    }
    Ok(())
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
