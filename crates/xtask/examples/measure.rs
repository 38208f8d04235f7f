//! The measurements behind docs/adr, to be repeated: `cargo run --release --example measure`.
//!
//! Each line is the median of several runs; look at ratios of one run, not at single numbers.

use std::hint::black_box;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use forcegrant::{Client, ClientBuilder, Proxy, Roots, TestClock, blocking};
use forcegrant_emulator::{Config, Emulator};
use rustls::crypto::ring;
use rustls_platform_verifier::Verifier;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    clocks();
    pointers();
    let emulator = Emulator::start(Config::default())?;
    reads(&emulator)?;
    threads()?;
    logins(&emulator)?;
    tls()?;
    Ok(())
}

fn clocks() {
    nanoseconds("Instant::now", Instant::now);
    nanoseconds("SystemTime::now", SystemTime::now);
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        nanoseconds("CLOCK_REALTIME_COARSE", || {
            clock_gettime(ClockId::RealtimeCoarse)
        });
        nanoseconds("both clocks: SystemTime::now, CLOCK_BOOTTIME", || {
            (SystemTime::now(), clock_gettime(ClockId::Boottime))
        });
    }
    nanoseconds("the process id", std::process::id);
}

fn pointers() {
    let swap = ArcSwap::from_pointee(7);
    nanoseconds("ArcSwap: load", || **swap.load());
    nanoseconds("ArcSwap: load, clone, drop", || swap.load_full());
    let mutex = Mutex::new(Arc::new(7));
    nanoseconds("Mutex: lock, clone, drop, one thread", || {
        mutex.lock().map(|kept| Arc::clone(&kept)).ok()
    });
}

fn reads(emulator: &Emulator) -> Result<(), forcegrant::Error> {
    let client = builder(emulator).build_blocking()?;
    let token = client.token()?;
    nanoseconds("forcegrant: a clone of the token, dropped", || {
        token.clone()
    });
    nanoseconds("forcegrant: token() within a view", || client.token());
    // Under a test clock no view is kept: every read takes the lock and looks at the state.
    let unseen = builder(emulator)
        .clock(TestClock::starting_now())
        .build_blocking()?;
    unseen.token()?;
    nanoseconds("forcegrant: token() without a view", || unseen.token());
    Ok(())
}

fn threads() -> std::io::Result<()> {
    microseconds("a thread, joined", || {
        let _ = std::thread::spawn(|| black_box(1)).join();
    });
    microseconds("a thread with a runtime of its own and one job", || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let thread = std::thread::spawn(move || runtime.map(|runtime| runtime.block_on(async {})));
        let _ = thread.join();
    });
    let resident = tokio::runtime::Builder::new_current_thread().build()?;
    let (jobs, queue) = mpsc::channel::<mpsc::Sender<()>>();
    let thread = std::thread::spawn(move || {
        for answer in queue {
            let _ = resident.block_on(async move { answer.send(()) });
        }
    });
    microseconds("a job for a resident thread, answered", || {
        let (answer, answered) = mpsc::channel();
        let _ = jobs.send(answer);
        let _ = answered.recv();
    });
    drop(jobs);
    let _ = thread.join();
    Ok(())
}

fn logins(emulator: &Emulator) -> Result<(), forcegrant::Error> {
    let client: blocking::Client = builder(emulator).login_budget(None).build_blocking()?;
    let mut failed = None;
    microseconds("a whole login, TLS on loopback", || {
        client.reset();
        if let Err(error) = client.token() {
            failed = Some(error);
        }
    });
    failed.map_or(Ok(()), Err)
}

fn tls() -> Result<(), rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Instant::now();
    Verifier::new(Arc::clone(&provider))?;
    println!(
        "{:<52} {:>10.0?}",
        "platform roots, the first time",
        verifier.elapsed()
    );
    microseconds("platform roots", || {
        let _ = black_box(Verifier::new(Arc::clone(&provider)));
    });
    microseconds("Mozilla's roots, compiled in", || {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots));
        let _ = black_box(builder);
    });
    Ok(())
}

fn builder(emulator: &Emulator) -> ClientBuilder {
    let org = emulator.default_org();
    Client::builder(org.my_domain.as_str(), org.client_id, org.client_secret)
        .resolve(org.my_domain, emulator.https_addr())
        .roots(Roots::Pem(emulator.ca_pem().into()))
        .proxy(Proxy::None)
}

fn nanoseconds<T>(what: &str, mut act: impl FnMut() -> T) {
    const CALLS: u32 = 200_000;
    let mut runs: [Duration; 15] = std::array::from_fn(|_| {
        let begun = Instant::now();
        for _ in 0..CALLS {
            drop(black_box(act()));
        }
        begun.elapsed()
    });
    runs.sort_unstable();
    let median = runs[runs.len() / 2].as_secs_f64() * 1e9 / f64::from(CALLS);
    println!("{what:<52} {median:>7.1} ns");
}

fn microseconds(what: &str, mut act: impl FnMut()) {
    let mut runs: [Duration; 301] = std::array::from_fn(|_| {
        let begun = Instant::now();
        act();
        begun.elapsed()
    });
    runs.sort_unstable();
    let median = runs[runs.len() / 2].as_secs_f64() * 1e6;
    println!("{what:<52} {median:>7.1} us");
}
