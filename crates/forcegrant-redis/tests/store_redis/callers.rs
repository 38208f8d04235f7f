//! What callers notice of a Redis with faults: nothing but a login more, and a wait within bounds.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use forcegrant::store::{RedisStore, StoreConfig};
use forcegrant::{Event, blocking};
use forcegrant_emulator::Emulator;
use serde_json::json;

use crate::common::{builder, emulator, fault, release, wait_requests};
use crate::proxy::Proxy;
use crate::server::{DEADLINE, Server, eventually};

/// For each call of the store: the default.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a caller may wait with a faulty store: for a call that is late, and a login.
const MAX_WAIT: Duration = Duration::from_secs(6);

/// One process of the fleet: a client with a store of its own.
struct Member {
    client: blocking::Client,
    events: Arc<Mutex<Vec<&'static str>>>,
}

impl Member {
    fn new(emulator: &Emulator, url: &str) -> Self {
        let events: Arc<Mutex<Vec<_>>> = Arc::default();
        let own = Arc::clone(&events);
        let builder = builder(emulator)
            .store(StoreConfig::store(RedisStore::new(url).unwrap()))
            .store_timeout(STORE_TIMEOUT);
        let builder = forcegrant::ffi::on_event(builder, move |event: &Event| {
            own.lock().unwrap().push(event.name());
        });
        let client = builder.build_blocking().unwrap();
        Self { client, events }
    }

    /// A token that the org takes, within the bound. After a time without the store, the entry there
    /// may be older than what the org ended since: then the org refuses it once, as callers expect.
    fn token(&self, emulator: &Emulator) -> Duration {
        let start = Instant::now();
        let mut token = self.client.token().unwrap();
        if !is_alive(emulator, token.access_token()) {
            self.forget();
            token = self.client.token().unwrap();
        }
        let took = start.elapsed();
        assert!(took < MAX_WAIT, "{took:?}");
        assert!(is_alive(emulator, token.access_token()));
        took
    }

    /// The token is dead. Not a report of it: sessions end here many times in a minute, and reports would
    /// make renewals back off.
    fn forget(&self) {
        self.client.reset();
    }

    fn saw_event(&self, name: &str) -> bool {
        self.events.lock().unwrap().contains(&name)
    }
}

fn fleet(emulator: &Emulator, url: &str, size: usize) -> Vec<Member> {
    (0..size).map(|_| Member::new(emulator, url)).collect()
}

fn is_alive(emulator: &Emulator, token: &str) -> bool {
    let sessions = emulator.sessions();
    sessions.iter().any(|session| session.token == token)
}

/// All at once, each from a thread of its own.
fn all_ask(emulator: &Emulator, fleet: &[Member]) -> u64 {
    let before = emulator.counters().logins;
    std::thread::scope(|scope| {
        for member in fleet {
            scope.spawn(|| member.token(emulator));
        }
    });
    emulator.counters().logins - before
}

/// The org ends all sessions; each client learns of it from an API, and requests another token.
fn logins_after_a_kill(emulator: &Emulator, fleet: &[Member]) -> u64 {
    emulator.kill_sessions();
    for member in fleet {
        member.forget();
    }
    all_ask(emulator, fleet)
}

/// One login serves the fleet, and it is in Redis: a newcomer finds it there.
fn is_shared(emulator: &Emulator, fleet: &[Member], url: &str) -> bool {
    let logins = logins_after_a_kill(emulator, fleet);
    let before = emulator.counters().logins;
    let newcomer = Member::new(emulator, url);
    newcomer.token(emulator);
    logins == 1 && emulator.counters().logins == before && !newcomer.saw_event("store_failed")
}

fn converges(emulator: &Emulator, fleet: &[Member], url: &str) {
    eventually("one login serves the fleet again", || {
        is_shared(emulator, fleet, url)
    });
}

#[test]
fn a_fleet_shares_one_login_and_redis_sees_no_token() {
    let (emulator, server) = (emulator(), Server::start(&[]));
    let fleet = fleet(&emulator, &server.url(), 8);
    assert_eq!(all_ask(&emulator, &fleet), 1);
    assert_eq!(logins_after_a_kill(&emulator, &fleet), 1);
    let token = fleet[0].client.token().unwrap();
    let keys: Vec<String> = server.command(&["KEYS", "*"]);
    assert!(keys.iter().any(|key| key.ends_with(":entry")), "{keys:?}");
    let org = emulator.default_org();
    let mut kept = keys.concat().into_bytes();
    for key in &keys {
        let kind: String = server.command(&["TYPE", key]);
        if kind == "string" {
            kept.extend(server.command::<Vec<u8>>(&["GET", key]));
        }
    }
    let kept = String::from_utf8_lossy(&kept);
    for text in [
        token.access_token(),
        &org.client_secret,
        &org.client_id,
        &org.my_domain,
    ] {
        assert!(!kept.contains(text));
    }
}

#[test]
fn a_redis_that_is_down_costs_logins_and_the_fleet_converges_when_it_is_back() {
    let (emulator, mut server) = (emulator(), Server::start(&[]));
    let fleet = fleet(&emulator, &server.url(), 4);
    server.kill();
    // The members are clients of one process, and share while Redis is away.
    assert_eq!(all_ask(&emulator, &fleet), 1);
    assert!(fleet.iter().all(|member| member.saw_event("store_failed")));
    // Kept out of the way: nobody waits for it again.
    assert_eq!(logins_after_a_kill(&emulator, &fleet), 1);
    server.restart();
    converges(&emulator, &fleet, &server.url());
}

#[test]
fn a_redis_that_stands_still_delays_each_member_once() {
    let (emulator, server) = (emulator(), Server::start(&[]));
    let fleet = fleet(&emulator, &server.url(), 4);
    assert_eq!(all_ask(&emulator, &fleet), 1);
    server.signal("STOP");
    emulator.kill_sessions();
    for member in &fleet {
        member.forget();
        let first = member.token(&emulator);
        assert!(first >= STORE_TIMEOUT, "{first:?}");
        member.forget();
        emulator.kill_sessions();
        let second = member.token(&emulator);
        assert!(second < STORE_TIMEOUT, "{second:?}");
    }
    server.signal("CONT");
    converges(&emulator, &fleet, &server.url());
}

#[test]
fn a_restart_in_the_middle_of_a_login_costs_one_login_at_most() {
    let (emulator, mut server) = (emulator(), Server::start(&[]));
    let fleet = fleet(&emulator, &server.url(), 6);
    fault(&emulator, json!({"kind": "hold"}));
    std::thread::scope(|scope| {
        let asking: Vec<_> = fleet
            .iter()
            .map(|member| scope.spawn(|| member.client.token().unwrap()))
            .collect();
        wait_requests(&emulator, 1);
        // The lease is forgotten, and one of those who wait gets it.
        server.restart();
        wait_requests(&emulator, 2);
        release(&emulator);
        for asked in asking {
            asked.join().unwrap();
        }
    });
    assert_eq!(emulator.counters().logins, 2);
    converges(&emulator, &fleet, &server.url());
}

#[test]
fn a_full_redis_costs_logins() {
    let (emulator, server) = (emulator(), Server::start(&[]));
    server.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let fleet = fleet(&emulator, &server.url(), 4);
    assert_eq!(all_ask(&emulator, &fleet), 1);
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    converges(&emulator, &fleet, &server.url());
}

/// Evicted at any moment: what is gone is a login more.
#[test]
fn evicted_keys_cost_a_login() {
    let (emulator, server) = (emulator(), Server::start(&[]));
    let fleet = fleet(&emulator, &server.url(), 4);
    assert_eq!(all_ask(&emulator, &fleet), 1);
    server.command::<()>(&["FLUSHALL"]);
    // Those who have the token keep it.
    assert_eq!(all_ask(&emulator, &fleet), 0);
    let late = Member::new(&emulator, &server.url());
    late.token(&emulator);
    assert_eq!(emulator.counters().logins, 2);
    converges(&emulator, &fleet, &server.url());
}

/// Values of other entries, of other keys, of the past, or of nobody are no tokens.
#[test]
fn values_that_somebody_replaced_are_not_believed() {
    let (emulator, server) = (emulator(), Server::start(&[]));
    let member = Member::new(&emulator, &server.url());
    member.token(&emulator);
    let entry = entry_of(&server);
    let value: Vec<u8> = server.command(&["GET", &entry]);
    emulator.kill_sessions();
    let token = member.client.cached().unwrap();
    member.client.invalidate(&token);
    // The one that was reported as dead is there still, and is not taken again.
    member.token(&emulator);
    let newer: Vec<u8> = server.command(&["GET", &entry]);
    let mut logins = emulator.counters().logins;
    assert_eq!(logins, 2);
    let mut forged = newer.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    for (what, bad) in [
        ("a bit", forged),
        ("half", newer[..newer.len() / 2].to_vec()),
        ("header only", b"1 1 0\n".to_vec()),
        ("nothing", Vec::new()),
        ("great fence", b"1 9007199254740990 1\nx".to_vec()),
    ] {
        set(&server, &entry, &bad);
        Member::new(&emulator, &server.url()).token(&emulator);
        logins += 1;
        assert_eq!(emulator.counters().logins, logins, "{what}");
    }
    // One of another key, well sealed: of another org, say.
    let other = builder(&emulator)
        .store(RedisStore::new(&server.url()).unwrap())
        .auth_style(forcegrant::AuthStyle::Basic)
        .build_blocking()
        .unwrap();
    other.token().unwrap();
    logins += 1;
    let keys: Vec<String> = server.command(&["KEYS", "*:entry"]);
    let of_other = keys.iter().find(|key| **key != entry).unwrap();
    let foreign: Vec<u8> = server.command(&["GET", of_other]);
    set(&server, &entry, &foreign);
    Member::new(&emulator, &server.url()).token(&emulator);
    logins += 1;
    assert_eq!(
        emulator.counters().logins,
        logins,
        "an entry of another key"
    );
    // One of the past is sealed well and was ours: it costs a rejection, and then a login.
    set(&server, &entry, &value);
    let fooled = Member::new(&emulator, &server.url());
    let dead = fooled.client.token().unwrap();
    assert!(!is_alive(&emulator, dead.access_token()));
    fooled.token(&emulator);
}

#[test]
fn a_slow_or_broken_network_costs_a_call_and_a_login() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (emulator, server) = (emulator(), Server::start(&[]));
    let proxy = runtime.block_on(Proxy::start(server.port));
    let fleet = fleet(&emulator, &proxy.url(), 4);
    proxy.delay(Duration::from_millis(20));
    assert_eq!(all_ask(&emulator, &fleet), 1);
    proxy.delay(STORE_TIMEOUT * 2);
    assert_eq!(logins_after_a_kill(&emulator, &fleet), 1);
    proxy.delay(Duration::ZERO);
    converges(&emulator, &fleet, &proxy.url());
    proxy.cut_next_reply();
    assert!(logins_after_a_kill(&emulator, &fleet) <= 2);
    proxy.swallow(true);
    assert_eq!(logins_after_a_kill(&emulator, &fleet), 1);
    proxy.swallow(false);
    converges(&emulator, &fleet, &proxy.url());
}

#[test]
fn a_failover_costs_logins_until_the_sentinels_agree() {
    let (emulator, mut master) = (emulator(), Server::start(&[]));
    let replica = Server::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let sentinel = Server::sentinel(master.port);
    eventually("the sentinel knows the replica", || {
        let replicas: Vec<redis::Value> = sentinel.command(&["SENTINEL", "REPLICAS", "main"]);
        !replicas.is_empty() && replica.says("master_link_status:up")
    });
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port);
    let fleet = fleet(&emulator, &url, 4);
    assert_eq!(all_ask(&emulator, &fleet), 1);
    master.kill();
    let start = Instant::now();
    let mut rounds = 0;
    while !is_shared(&emulator, &fleet, &url) {
        rounds += 1;
        assert!(
            start.elapsed() < DEADLINE,
            "{rounds} rounds of more than one login"
        );
    }
    let role: Vec<redis::Value> = replica.command(&["ROLE"]);
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()));
}

/// The entry of the token, among those of failures.
fn entry_of(server: &Server) -> String {
    let keys: Vec<String> = server.command(&["KEYS", "*:entry"]);
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys[0].clone()
}

fn set(server: &Server, key: &str, value: &[u8]) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    redis::cmd("SET")
        .arg(key)
        .arg(value)
        .arg("KEEPTTL")
        .query::<()>(&mut connection)
        .unwrap();
}

/// Leases, fences and counters that somebody wrote: what they cost those who come next.
#[test]
fn a_writer_who_means_harm_costs_a_login_or_a_lease_time() {
    let (emulator, server) = (emulator(), Server::start(&[]));
    Member::new(&emulator, &server.url()).token(&emulator);
    let entry = entry_of(&server);
    let lease = entry.replace(":entry", ":lease");
    let minute = |ahead: u64| {
        let (seconds, _): (u64, u64) = server.command(&["TIME"]);
        (seconds / 60 + ahead).to_string()
    };
    // Logins are counted after their callers have gone on.
    let mut counts: Vec<String> = Vec::new();
    eventually("the login is counted", || {
        counts = server.command(&["KEYS", "*:count"]);
        counts.len() == 1
    });
    let now = Duration::from_millis(1_500);
    for (what, words, limit) in [
        ("an endless lease", vec!["SET", &lease, "5 abc"], now),
        (
            "a lease of a year",
            vec!["SET", &lease, "5 abc", "EX", "31536000"],
            now,
        ),
        (
            "one of 59 s",
            vec!["SET", &lease, "5 abc", "EX", "59"],
            MAX_WAIT,
        ),
        (
            "the top fence",
            vec!["SET", &entry, "1 9007199254740990 1\nx"],
            now,
        ),
        (
            "minutes to come",
            vec!["HSET", &counts[0], &minute(99), "100000"],
            now,
        ),
    ] {
        server.command::<()>(&["DEL", &entry]);
        server.command::<redis::Value>(&words);
        let before = emulator.counters().logins;
        let took = Member::new(&emulator, &server.url()).token(&emulator);
        assert!(took < limit, "{what}: {took:?}");
        server.command::<()>(&["DEL", &lease]);
        // One more, if the first had to leave the store alone, and then none.
        Member::new(&emulator, &server.url()).token(&emulator);
        Member::new(&emulator, &server.url()).token(&emulator);
        let logins = emulator.counters().logins - before;
        let waited = u64::from(limit == MAX_WAIT);
        assert_eq!(logins, 1 + waited, "{what}");
    }
}
