//! The Rust part of `make demo`: a token, an API call with it, and what asking again costs. Prints one JSON line.
//!
//! The credentials come from the environment. `FORCEGRANT_DEMO_HTTPS` (an address) and `FORCEGRANT_DEMO_CA` (a file)
//! say where the emulator is; without them it asks the real org.

use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forcegrant::{ClientBuilder, Proxy, Roots, Token};
use reqwest::header::AUTHORIZATION;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::json;

const LIMITS: &str = "/services/data/v67.0/limits";
const BATCHES: usize = 11;
const READS: u32 = 100_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let emulator = Emulator::from_env()?;
    let mut builder = ClientBuilder::from_env()?;
    if let Some(emulator) = &emulator {
        builder = builder
            .resolve(emulator.host.as_str(), emulator.https)
            .roots(Roots::Pem(emulator.ca.clone()))
            .proxy(Proxy::None);
    }
    let sf = builder.build()?;

    let started = Instant::now();
    let token = sf.token().await?;
    let login = started.elapsed();

    let status = limits(&token, emulator.as_ref()).await?;

    let mut batches = [Duration::ZERO; BATCHES];
    for batch in &mut batches {
        let started = Instant::now();
        for _ in 0..READS {
            black_box(sf.token().await?);
        }
        *batch = started.elapsed() / READS;
    }
    batches.sort_unstable();

    println!(
        "{}",
        json!({
            "language": "Rust",
            "login_ms": login.as_secs_f64() * 1e3,
            "cached_ns": batches[BATCHES / 2].as_nanos(),
            "limits": status,
            "org_id": token.org_id(),
            "instance_url": token.instance_url(),
        })
    );
    Ok(())
}

/// The status of an API call with the token.
async fn limits(token: &Token, emulator: Option<&Emulator>) -> Result<u16, Box<dyn Error>> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let client = match emulator {
        None => reqwest::Client::builder()
            .tls_backend_preconfigured(tls.with_platform_verifier()?.with_no_client_auth()),
        Some(emulator) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&emulator.ca) {
                roots.add(certificate?)?;
            }
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.with_root_certificates(roots).with_no_client_auth())
                .resolve(&emulator.host, emulator.https)
                .no_proxy()
        }
    };
    let answer = client
        .build()?
        .get(format!("{}{LIMITS}", token.instance_url()))
        .header(AUTHORIZATION, token.authorization())
        .send()
        .await?;
    Ok(answer.status().as_u16())
}

struct Emulator {
    host: String,
    https: SocketAddr,
    ca: Vec<u8>,
}

impl Emulator {
    fn from_env() -> Result<Option<Self>, Box<dyn Error>> {
        let Ok(address) = env::var("FORCEGRANT_DEMO_HTTPS") else {
            return Ok(None);
        };
        Ok(Some(Self {
            host: env::var("SALESFORCE_LOGIN_URL")?,
            https: address.parse()?,
            ca: fs::read(env::var("FORCEGRANT_DEMO_CA")?)?,
        }))
    }
}
