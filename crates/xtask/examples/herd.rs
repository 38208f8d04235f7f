//! One process of a herd, for `make herd`: a client with a store, which does what its standard input
//! says and answers on its standard output, line by line.
//!
//! The first line is the set-up in JSON. Then `ask N`: N callers at once ask for the token.
//! `invalidate`: the token at hand is dead. `advance N`: the clock, which stands still, goes on by N
//! milliseconds. The program ends with its input.

use std::collections::HashSet;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forcegrant::store::{FileStore, RedisStore, StoreConfig};
use forcegrant::{Client, Event, Proxy, Roots, TestClock};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct SetUp {
    my_domain: String,
    client_id: String,
    client_secret: String,
    address: std::net::SocketAddr,
    ca_pem: String,
    /// `redis://…`, or a folder.
    store: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = std::io::stdin().lock().lines();
    let set_up: SetUp = serde_json::from_str(&lines.next().ok_or("no set-up")??)?;
    let clock = TestClock::starting_now();
    let store = if set_up.store.contains("://") {
        StoreConfig::store(RedisStore::new(&set_up.store)?)
    } else {
        StoreConfig::store(FileStore::new(&set_up.store)?)
    };
    let domain = set_up.my_domain.as_str();
    let client = Client::builder(domain, set_up.client_id, set_up.client_secret)
        .resolve(domain, set_up.address)
        .roots(Roots::Pem(set_up.ca_pem.into_bytes()))
        .proxy(Proxy::None)
        .clock(clock.clone())
        .store(store)
        .on_event(|event: &Event| match event {
            Event::LoginStarted { .. } => say(&json!({"event": "login"})),
            Event::StoreFailed { error, .. } => {
                say(&json!({"event": "store_failed", "why": error.to_string()}));
            }
            _ => {}
        })
        .build()?;
    say(&json!({"event": "ready"}));
    for line in lines {
        let line = line?;
        let (word, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number: u64 = number.parse()?;
        match word {
            "ask" => say(&ask(&client, number).await),
            "invalidate" => {
                let token = client.cached();
                say(&json!({"was_current": token.is_some_and(|token| client.invalidate(&token))}));
            }
            "advance" => {
                clock.advance(Duration::from_millis(number));
                say(&json!({}));
            }
            other => return Err(format!("what is {other}?").into()),
        }
    }
    Ok(())
}

/// All at once; the worst wait, and what they got.
async fn ask(client: &Client, callers: u64) -> Value {
    let barrier = Arc::new(tokio::sync::Barrier::new(
        usize::try_from(callers).unwrap_or(1),
    ));
    let asking: Vec<_> = (0..callers)
        .map(|_| {
            let (client, barrier) = (client.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                let start = Instant::now();
                (client.token().await, start.elapsed())
            })
        })
        .collect();
    let (mut tokens, mut errors, mut worst) = (HashSet::new(), HashSet::new(), Duration::ZERO);
    for caller in asking {
        match caller.await {
            Ok((Ok(token), took)) => {
                tokens.insert(token.fingerprint().to_owned());
                worst = worst.max(took);
            }
            Ok((Err(error), _)) => drop(errors.insert(error.code().to_string())),
            Err(panic) => drop(errors.insert(panic.to_string())),
        }
    }
    json!({"tokens": tokens, "errors": errors, "worst_ms": worst.as_millis()})
}

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    // Who listens has gone: so does this.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
