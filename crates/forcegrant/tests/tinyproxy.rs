//! Through a real proxy: tinyproxy with Basic authentication, which leads on to the emulator's.
//! Run by name, as it needs the program `tinyproxy`.

mod common;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::emulator;
use forcegrant::{Client, ClientBuilder, Environment, Proxy, Roots};
use forcegrant_emulator::Emulator;

const USER: &str = "me";
const PASSWORD: &str = "hunter22";

/// A process on a port of its own, ended with the test.
struct Tinyproxy {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Tinyproxy {
    fn start(emulator: &Emulator) -> Self {
        // Another process may take the port before tinyproxy has it.
        for _ in 0..5 {
            if let Some(server) = Self::try_start(emulator) {
                return server;
            }
        }
        panic!("tinyproxy does not start");
    }

    fn try_start(emulator: &Emulator) -> Option<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = std::env::temp_dir().join(format!("forcegrant-tinyproxy-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let (config, log) = (folder.join("tinyproxy.conf"), folder.join("log"));
        let upstream = emulator.proxy_addr();
        std::fs::write(
            &config,
            format!(
                "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 10\nAllow 127.0.0.1\n\
                 LogFile \"{}\"\nLogLevel Info\nBasicAuth {USER} {PASSWORD}\nUpstream http {upstream}\nConnectPort 443\n",
                log.display()
            ),
        )
        .unwrap();
        let program = std::env::var_os("FORCEGRANT_TINYPROXY").unwrap_or("tinyproxy".into());
        let child = Command::new(program)
            .args(["-d", "-c"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tinyproxy is installed, from Debian's package of that name");
        let mut server = Self {
            child,
            folder,
            port,
        };
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && server.child.try_wait().unwrap().is_none() {
            if server.is_up() {
                return Some(server);
            }
            std::thread::yield_now();
        }
        None
    }

    /// It answers, and is tinyproxy.
    fn is_up(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let mut answer = String::new();
        let asked = stream.write_all(b"CONNECT x.example:443 HTTP/1.0\r\n\r\n");
        asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 407 ")
    }

    /// How often it refused a user since the check that it is up.
    fn refusals(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap();
        let lines = log.lines();
        lines
            .filter(|line| line.contains("Request") && line.contains("salesforce.com"))
            .count()
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Without `resolve`: the name leads nowhere but through the proxy.
fn builder(emulator: &Emulator) -> ClientBuilder {
    let org = emulator.default_org();
    Client::builder(
        org.my_domain.as_str(),
        org.client_id.as_str(),
        org.client_secret.as_str(),
    )
    .roots(Roots::Pem(emulator.ca_pem().as_bytes().to_vec()))
}

fn variables(builder: ClientBuilder, variables: &[(&str, String)]) -> ClientBuilder {
    builder.environment(Environment::of(variables.iter().cloned()))
}

#[test]
fn the_right_password_leads_through() {
    let emulator = emulator();
    let proxy = Tinyproxy::start(&emulator);
    let url = format!("http://{USER}:{PASSWORD}@{}", proxy.address());
    let by_variable = variables(builder(&emulator), &[("HTTPS_PROXY", format!("{url}\n"))]);
    let by_option = builder(&emulator).proxy(Proxy::Url(url));
    for (n, builder) in [(1, by_variable), (2, by_option)] {
        let client = builder.store(forcegrant::store::StoreConfig::off());
        client.build_blocking().unwrap().token().unwrap();
        assert_eq!(emulator.counters().connects, n);
    }
}

#[test]
fn a_wrong_password_is_tried_once() {
    let emulator = emulator();
    let proxy = Tinyproxy::start(&emulator);
    // tinyproxy answers 401 to a wrong password, and 407 to none: which it was, the HTTP library does not tell.
    let (refused, required) = ("proxy_failed", "proxy_authentication_required");
    for (user, code) in [("me:wrong-canary@", refused), ("", required)] {
        let before = proxy.refusals();
        let url = format!("http://{user}{}", proxy.address());
        let client = variables(builder(&emulator), &[("https_proxy", url)]);
        let client = client.build_blocking().unwrap();
        for _ in 0..3 {
            let error = client.token().unwrap_err();
            assert_eq!(error.code(), code, "{error:?}");
            let text = format!("{error}\n{}", error.help().unwrap_or_default());
            assert!(
                text.contains(&proxy.address()) && text.contains("https_proxy"),
                "{text}"
            );
            assert!(text.contains("user and password"), "{text}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        assert_eq!(proxy.refusals() - before, 1, "{user}");
    }
    assert_eq!(emulator.counters().connects, 0);
    assert_eq!(emulator.counters().token_requests, 0);
}

#[test]
fn no_proxy_goes_around_it() {
    let emulator = emulator();
    let proxy = Tinyproxy::start(&emulator);
    let org = emulator.default_org();
    let url = format!("http://me:wrong@{}", proxy.address());
    for list in [
        "*.salesforce.com",
        "localhost .salesforce.com",
        "acme.my.salesforce.com:443",
    ] {
        let client = variables(
            builder(&emulator).resolve(org.my_domain.as_str(), emulator.https_addr()),
            &[("HTTPS_PROXY", url.clone()), ("NO_PROXY", list.to_owned())],
        );
        client.build_blocking().unwrap().token().unwrap();
    }
    assert_eq!(emulator.counters().connects, 0);
}
