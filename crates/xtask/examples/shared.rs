//! One process that shares its token through a store: the set-up in JSON is the first line of its
//! standard input; each further line asks for the token, and the fingerprint is printed. The line
//! `invalidate` reports the token at hand as dead before. The test of all languages runs it beside
//! programs of the others.

use std::io::BufRead;

use forcegrant::store::StoreConfig;
use forcegrant::{Client, Proxy, Roots};
use serde::Deserialize;

#[derive(Deserialize)]
struct SetUp {
    my_domain: String,
    client_id: String,
    client_secret: String,
    address: std::net::SocketAddr,
    ca_pem: String,
    store: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut lines = std::io::stdin().lock().lines();
    let set_up: SetUp = serde_json::from_str(&lines.next().ok_or("no set-up")??)?;
    let domain = set_up.my_domain.as_str();
    let client = Client::builder(domain, set_up.client_id, set_up.client_secret)
        .resolve(domain, set_up.address)
        .roots(Roots::Pem(set_up.ca_pem.into_bytes()))
        .proxy(Proxy::None)
        .store(set_up.store.parse::<StoreConfig>()?)
        .build_blocking()?;
    for line in lines {
        if line? == "invalidate"
            && let Some(token) = client.cached()
        {
            client.invalidate(&token);
        }
        println!("{}", client.token()?.fingerprint());
    }
    Ok(())
}
