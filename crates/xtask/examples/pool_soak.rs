//! `cargo run --release --example pool_soak [orgs]`: what a pool of many orgs costs.
//!
//! First every org (100,000 of them) logs in at a plain server of this program's own, as fast as it can:
//! memory for each beyond its token's text, time of a keyed read beside a bare map's, threads. Then they
//! log in again at a rate, while single callers come in between. Then ten times as many keys go through
//! a pool of 1,024: memory must stay flat. Prints a summary; ends with a failure where a limit is passed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use forcegrant::{ClientPool, OrgCredentials, Prewarmed, Proxy, blocking, ffi};

type Failure = Box<dyn Error + Send + Sync>;

/// The system's allocator, counting.
struct Counting;

static IN_USE: AtomicI64 = AtomicI64::new(0);
/// The same with what an allocator adds: glibc's header and rounding.
static IN_BLOCKS: AtomicI64 = AtomicI64::new(0);
static MOST_IN_BLOCKS: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.dealloc(place, layout) }
    }
}

fn count(bytes: usize, sign: i64) {
    let block = (bytes + 8).next_multiple_of(16).max(32);
    IN_USE.fetch_add(sign * size(bytes), Ordering::Relaxed);
    let before = IN_BLOCKS.fetch_add(sign * size(block), Ordering::Relaxed);
    MOST_IN_BLOCKS.fetch_max(before, Ordering::Relaxed);
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(0)
}

/// As long as Salesforce's are.
const CLIENT_ID_LENGTH: usize = 85;
const SECRET_LENGTH: usize = 64;
const TOKEN_LENGTH: usize = 112;

/// Texts of the credentials and of the answer are a third of it.
const MEMORY_LIMIT: i64 = 1_024;
const BOUND: usize = 1_024;
/// Logins in a second where they are capped: 100,000 take 40 seconds.
const RATE: u32 = 2_500;

fn main() -> Result<(), Failure> {
    let orgs = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => 100_000,
    };
    let server = Server::start()?;
    for few in [1_000, 10_000] {
        let keys = keys(few);
        let pool = pool(few, &server, None)?;
        all_ready(&pool.prewarm(&keys), few)?;
        report_read(&pool, &keys)?;
    }
    let mut missed = many(orgs, &server)?;
    missed |= paced(orgs, &server)?;
    missed |= bounded(orgs * 10, &server)?;
    if missed {
        return Err("a limit was passed".into());
    }
    Ok(())
}

fn keys(orgs: usize) -> Vec<String> {
    (0..orgs).map(|number| format!("00D{number:015}")).collect()
}

/// A key of [`keys`] that is written anew for each read: whoever reads has it from a request, at hand.
struct Key([u8; 18]);

impl Key {
    fn write(&mut self, mut number: usize) -> &str {
        for digit in self.0[10..].iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// All orgs at once in one pool. `true`: a limit was passed.
fn many(orgs: usize, server: &Server) -> Result<bool, Failure> {
    let keys = keys(orgs);
    let pool = pool(orgs, server, None)?;
    // What is made once for all, and what stays after the first.
    pool.token("first")?;
    pool.remove("first");
    pool.wait_idle();
    let in_use = || {
        (
            IN_USE.load(Ordering::Relaxed),
            IN_BLOCKS.load(Ordering::Relaxed),
        )
    };
    let before = in_use();
    MOST_IN_BLOCKS.store(before.1, Ordering::Relaxed);
    let started = Instant::now();
    let warm = pool.prewarm(&keys);
    let took = started.elapsed();
    all_ready(&warm, orgs)?;
    drop(warm);
    let threads = threads();
    let after = in_use();
    let memory = (after.0 - before.0) / size(orgs) - size(TOKEN_LENGTH);
    let blocks = (after.1 - before.1) / size(orgs);
    let most = (MOST_IN_BLOCKS.load(Ordering::Relaxed) - before.1) / size(orgs);
    println!("soak: orgs in one pool                      {orgs:>9}");
    println!(
        "soak: cold start of all, 128 at once        {:>9.1} s",
        took.as_secs_f64()
    );
    println!("soak: memory for each beyond the token      {memory:>9} bytes");
    println!(
        "soak: in the allocator's blocks, with it    {blocks:>9} bytes; at most, while all wait for their turn, {most}"
    );
    report_read(&pool, &keys)?;
    println!("soak: threads of the library when idle      {threads:>9}");
    // A time is for people to judge, who know what else the machine does.
    Ok(memory > MEMORY_LIMIT || threads > 0)
}

fn all_ready(warm: &Prewarmed, orgs: usize) -> Result<(), Failure> {
    if warm.ready == orgs {
        return Ok(());
    }
    let first = warm.failed.first().map(|(_, error)| error.to_string());
    Err(format!("{} logins failed: {first:?}", warm.failed.len()).into())
}

/// A keyed read, and what the least of a map costs at the same time with the same keys: with the
/// tokens alone, and with as much memory between them as the rest of an org takes.
fn report_read(pool: &blocking::ClientPool, keys: &[String]) -> Result<(), Failure> {
    let (bare, among) = (Bare::of(keys, 0), Bare::of(keys, BETWEEN));
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..7 {
        times[0].push(read_time(keys.len(), |key| {
            black_box(pool.token(key))?;
            Ok(())
        })?);
        times[1].push(read_time(keys.len(), |key| bare.read(key))?);
        times[2].push(read_time(keys.len(), |key| among.read(key))?);
    }
    let [ours, bare, among] = times.map(|mut times| {
        times.sort_unstable();
        times[3]
    });
    println!(
        "soak: keyed cached read among {:>7}       {ours:>9} ns; a map of std behind a lock {bare} ns, its tokens {BETWEEN} bytes apart {among} ns",
        keys.len(),
    );
    Ok(())
}

/// Keys and tokens and nothing else.
struct Bare {
    map: RwLock<HashMap<Arc<str>, Arc<[u8; TOKEN_LENGTH]>>>,
    _between: Vec<Vec<u8>>,
}

/// About what an org takes beside its token.
const BETWEEN: usize = 1_000;

impl Bare {
    fn of(keys: &[String], between: usize) -> Self {
        let mut all = Vec::with_capacity(keys.len());
        let entry = |key: &String| {
            all.push(vec![0; between]);
            (Arc::from(key.as_str()), Arc::new([0; TOKEN_LENGTH]))
        };
        Self {
            map: RwLock::new(keys.iter().map(entry).collect()),
            _between: all,
        }
    }

    fn read(&self, key: &str) -> Result<(), Failure> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        black_box(map.get(key).cloned()).ok_or("a key is missing")?;
        Ok(())
    }
}

/// Nanoseconds for one read, keys in an order that no cache foresees.
fn read_time(orgs: usize, read: impl Fn(&str) -> Result<(), Failure>) -> Result<u128, Failure> {
    const READS: usize = 400_000;
    let (mut random, mut key) = (1u64, Key(*b"00D000000000000000"));
    let started = processor_time();
    for _ in 0..READS {
        // Knuth's generator; its upper bits are random enough.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        read(key.write(usize::try_from(random >> 33)? % orgs))?;
    }
    let took = processor_time().saturating_sub(started);
    Ok(took.as_nanos() / READS as u128)
}

/// All orgs again, at a rate; from time to time somebody waits for an org of their own. `true`: a
/// limit was passed.
fn paced(orgs: usize, server: &Server) -> Result<bool, Failure> {
    let keys = keys(orgs);
    let pool = pool(orgs + BOUND, server, Some(RATE))?;
    // The other pools' logins are not to be counted here.
    server.arrivals().clear();
    let started = Instant::now();
    let mut warming = ffi::start_prewarm(&pool.clone().into_async(), &keys);
    let mut waits = Vec::new();
    let warm = loop {
        let asked = Instant::now();
        pool.token(&format!("visitor{}", waits.len()))?;
        waits.push(asked.elapsed());
        if let Some(warm) = warming.wait_timeout(Duration::from_millis(500)) {
            break warm?;
        }
    };
    let took = started.elapsed();
    all_ready(&warm, orgs)?;
    waits.sort_unstable();
    let arrivals = server.arrivals();
    let (most, moved) = (most_in_a_second(&arrivals), farthest_from_order(&arrivals));
    println!(
        "soak: cold start of all, {RATE} a second      {:>9.1} s",
        took.as_secs_f64()
    );
    println!("soak: most logins in any second             {most:>9}");
    println!("soak: farthest from the order of arrival    {moved:>9} places");
    println!(
        "soak: a caller meanwhile waits, of {:>4}     {:>9.1} ms; the longest {:.1} ms",
        waits.len(),
        milliseconds(waits[waits.len() / 2]),
        milliseconds(waits[waits.len() - 1]),
    );
    // A tenth of a second's logins may start together, and they do not all take the same way.
    Ok(most > RATE as usize * 5 / 4)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn most_in_a_second(arrivals: &[Arrival]) -> usize {
    let mut first = 0;
    let within = arrivals.iter().enumerate().map(|(last, arrival)| {
        while arrivals[first].at + Duration::from_secs(1) <= arrival.at {
            first += 1;
        }
        last + 1 - first
    });
    within.max().unwrap_or(0)
}

/// Among those whom nobody waited for.
fn farthest_from_order(arrivals: &[Arrival]) -> usize {
    let orgs = arrivals.iter().filter_map(|arrival| arrival.org);
    let moved = orgs.enumerate().map(|(place, org)| place.abs_diff(org));
    moved.max().unwrap_or(0)
}

/// Of this thread, so that whatever else the machine does is not counted.
#[cfg(unix)]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// Ten times as many through a small pool.
fn bounded(keys: usize, server: &Server) -> Result<bool, Failure> {
    let pool = pool(BOUND, server, None)?;
    let own = pool.clone().into_async();
    let mut marks = Vec::new();
    let started = Instant::now();
    for number in 0..keys {
        // What callers do, without the waiting.
        own.client(&format!("org{number}"))?;
        if number % (keys / 10) == keys / 10 - 1 {
            marks.push(IN_USE.load(Ordering::Relaxed));
        }
    }
    let took = started.elapsed();
    let growth = marks[marks.len() - 1] - marks[0];
    println!("soak: keys through a pool of {BOUND}           {keys:>9}");
    println!(
        "soak: time for each                         {:>9} ns",
        took.as_nanos() / keys as u128
    );
    println!("soak: memory at the end beside at a tenth   {growth:>+9} bytes");
    println!(
        "soak: clients at the end                    {:>9}",
        pool.len()
    );
    Ok(growth > 64 * 1_024 || pool.len() != BOUND)
}

fn pool(most: usize, server: &Server, rate: Option<u32>) -> Result<blocking::ClientPool, Failure> {
    let server = server.url.clone();
    let pool = ClientPool::builder()
        .max_clients(most)
        .logins_per_second(rate)
        .concurrent_logins(Some(128))
        .options(|client| client.allow_http_loopback(true).proxy(Proxy::None))
        .credentials_callback(move |key| {
            let server = server.clone();
            async move {
                let id = format!("3MVG9{key:x>width$}", width = CLIENT_ID_LENGTH - 5);
                let secret = format!("{key:S>SECRET_LENGTH$}");
                Ok(OrgCredentials::of(server, id, secret)?)
            }
        })
        .build_blocking()?;
    Ok(pool)
}

/// Threads of this process that the library started.
fn threads() -> usize {
    // The worker ends with its last job; lookups linger for a tenth of a second.
    let mut left = 0;
    for _ in 0..100 {
        let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
            return 0;
        };
        left = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .filter(|name| name.starts_with("forcegrant"))
            .count();
        if left == 0 {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    left
}

/// A token endpoint that remembers only who came when.
struct Server {
    url: String,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

struct Arrival {
    at: Instant,
    /// The number of the key; `None`: somebody waited for it.
    org: Option<usize>,
}

impl Server {
    fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        // Room made ahead is not counted as the pool's.
        let arrivals = Arc::new(Mutex::new(Vec::with_capacity(1_000_000)));
        for _ in 0..4 {
            let (listener, url) = (listener.try_clone()?, url.clone());
            let arrivals = Arc::clone(&arrivals);
            thread::Builder::new()
                .name("server".to_owned())
                .spawn(move || {
                    let mut number = 0u64;
                    for stream in listener.incoming().flatten() {
                        number += 1;
                        // A client that went away is its own business.
                        if let Ok(arrival) = answer(stream, &url, number) {
                            let mut all = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
                            all.push(arrival);
                        }
                    }
                })?;
        }
        Ok(Self { url, arrivals })
    }

    fn arrivals(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(stream: TcpStream, url: &str, number: u64) -> std::io::Result<Arrival> {
    let at = Instant::now();
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let token = format!(
        "00Dxx0000000001!{number:A>width$}",
        width = TOKEN_LENGTH - 16
    );
    let id = "https://login.salesforce.com/id/00Dxx0000000001EAA/005xx000001SwiUAAS";
    let answer = format!(
        r#"{{"access_token":"{token}","signature":"c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmE=","scope":"api","instance_url":"{url}","id":"{id}","token_type":"Bearer","issued_at":"1700000000000"}}"#
    );
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    )?;
    let body = String::from_utf8_lossy(&body);
    let org = body.split_once("00D").and_then(|(_, rest)| rest.get(..15));
    Ok(Arrival {
        at,
        org: org.and_then(|digits| digits.parse().ok()),
    })
}
