//! How much of a client secret and an access token is left in the memory of a process after its client is dropped: a
//! child process uses them and reports when it has dropped them, and this process reads the memory of the child.
//!
//! The search is for a part from the middle, so that it also finds a copy without its ends.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bytes::Bytes;
use forcegrant::store::StoreConfig;
use forcegrant::{Client, Proxy, Roots, Secret, reqwest};
use forcegrant_adapters::web;
use forcegrant_emulator::Emulator;

use crate::wiping::Wiping;

pub(crate) fn run() -> Result<(), String> {
    let emulator = web::emulator();
    let secret = emulator.default_org().client_secret;
    // Without a login, only this project handles the secret.
    let (alive, dropped) = searched(&emulator, "unused", &secret, None)?;
    println!(
        "soak: client without a login: {} copies of the secret, none once it is dropped",
        alive.secret
    );
    expect("an unused client", alive.secret > 0, dropped.secret == 0)?;
    // With freed memory overwritten, every copy that is found is still owned by an object.
    let token = token(&emulator)?;
    let (alive, dropped) = searched(&emulator, "wiping", &secret, Some(&token))?;
    println!(
        "soak: client with a login, freed memory overwritten: {} copies of the secret and {} of the token, none once it is dropped",
        alive.secret, alive.token
    );
    let none = dropped.secret == 0 && dropped.token == 0;
    expect("a used client", alive.secret > 0 && alive.token > 0, none)?;
    // Without that, the HTTP and TLS libraries free their buffers without overwriting them.
    let (_, ours) = searched(&emulator, "used", &secret, Some(&token))?;
    let (_, bare) = searched(&emulator, "bare", &secret, Some(&token))?;
    println!(
        "soak: freed and not overwritten after a login: {} copies of the secret and {} of the token; the HTTP library alone leaves {} and {}",
        ours.secret, ours.token, bare.secret, bare.token
    );
    if ours.secret > bare.secret {
        return Err(
            "a client leaves more copies of the secret than the HTTP library by itself".to_owned(),
        );
    }
    Ok(())
}

fn expect(what: &str, found: bool, gone: bool) -> Result<(), String> {
    match (found, gone) {
        (true, true) => Ok(()),
        (false, _) => Err(format!(
            "{what}: the search does not find a copy that exists"
        )),
        (_, false) => Err(format!("{what}: a secret is still in memory")),
    }
}

/// Copies that were found.
#[derive(Clone, Copy, Debug)]
struct CopyCounts {
    secret: usize,
    token: usize,
}

/// The copies while the child has its client, and after it has dropped it.
fn searched(
    emulator: &Emulator,
    what: &str,
    secret: &str,
    token: Option<&str>,
) -> Result<(CopyCounts, CopyCounts), String> {
    let org = emulator.default_org();
    let mut child = ChildProcess::start(&[
        "memory-child",
        what,
        &emulator.https_addr().to_string(),
        &org.my_domain,
        &org.client_id,
    ])?;
    child.say(emulator.ca_pem().len().to_string().as_bytes())?;
    child.say(b"\n")?;
    child.say(emulator.ca_pem().as_bytes())?;
    child.say(secret.as_bytes())?;
    let look = |child: &ChildProcess| -> Result<CopyCounts, String> {
        let find = |text: &str| child.find(middle(text));
        Ok(CopyCounts {
            secret: find(secret)?,
            token: token.map_or(Ok(0), find)?,
        })
    };
    child.expect_line("alive")?;
    let alive = look(&child)?;
    child.say(b"\n")?;
    child.expect_line("dropped")?;
    let dropped = look(&child)?;
    Ok((alive, dropped))
}

fn middle(text: &str) -> &[u8] {
    let bytes = text.as_bytes();
    let start = bytes.len() / 2 - 12;
    &bytes[start..start + 24]
}

/// The org returns the same token to every client while its session lives.
fn token(emulator: &Emulator) -> Result<String, String> {
    let client = web::builder(emulator).build_blocking();
    let token = client.and_then(|client| client.token());
    Ok(token
        .map_err(|error| error.to_string())?
        .access_token()
        .to_owned())
}

struct ChildProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl ChildProcess {
    fn start(arguments: &[&str]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the child has no pipes".to_owned());
        };
        let output = BufReader::new(output);
        Ok(Self {
            child,
            input,
            output,
        })
    }

    fn say(&mut self, text: &[u8]) -> Result<(), String> {
        self.input
            .write_all(text)
            .map_err(|error| error.to_string())
    }

    fn expect_line(&mut self, expected: &str) -> Result<(), String> {
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        if line.trim() == expected {
            Ok(())
        } else {
            Err(format!("the child said {line:?} instead of {expected}"))
        }
    }

    /// How often these bytes occur in its memory.
    fn find(&self, needle: &[u8]) -> Result<usize, String> {
        let process = self.child.id();
        let maps = fs::read_to_string(format!("/proc/{process}/maps"));
        let maps = maps.map_err(|error| format!("its map: {error}"))?;
        let mut memory = File::open(format!("/proc/{process}/mem"))
            .map_err(|error| format!("its memory: {error}"))?;
        let mut count = 0;
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (Some(range), Some(rights)) = (fields.next(), fields.next()) else {
                continue;
            };
            if !rights.starts_with("rw") {
                continue;
            }
            let Some((from, to)) = range.split_once('-') else {
                continue;
            };
            let number = |text| u64::from_str_radix(text, 16).map_err(|error| error.to_string());
            let (from, to) = (number(from)?, number(to)?);
            let length = usize::try_from(to - from).map_err(|error| error.to_string())?;
            let mut bytes = vec![0; length];
            let read = memory
                .seek(SeekFrom::Start(from))
                .and_then(|_| memory.read_exact(&mut bytes));
            // Guard pages, for example, cannot be read.
            if read.is_ok() {
                count += bytes
                    .windows(needle.len())
                    .filter(|part| *part == needle)
                    .count();
            }
        }
        Ok(count)
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the child does: `unused`, `used`, `wiping` or `bare`.
pub(crate) fn child(what: &str, arguments: &[&str]) -> Result<(), String> {
    let [address, my_domain, client_id] = arguments else {
        return Err("the address, the My Domain and the client id are missing".to_owned());
    };
    if what == "wiping" {
        Wiping::on();
    }
    // Not through the buffer of the standard library, which would keep a copy.
    let mut input = File::open("/proc/self/fd/0").map_err(|error| error.to_string())?;
    let mut length = String::new();
    while !length.ends_with('\n') {
        length.push(char::from(byte(&mut input)?));
    }
    let length: usize = length.trim().parse().map_err(|_| "a length was expected")?;
    let mut pem = vec![0; length];
    input
        .read_exact(&mut pem)
        .map_err(|error| error.to_string())?;
    let mut secret = String::with_capacity(64);
    while secret.len() < 64 {
        secret.push(char::from(byte(&mut input)?));
    }
    let secret = Secret::new(secret);
    let address = address.parse().map_err(|_| "an address was expected")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    if what == "bare" {
        runtime.block_on(bare(
            address, my_domain, client_id, secret, &pem, &mut input,
        ))?;
    } else {
        let client = Client::builder(*my_domain, *client_id, secret)
            .resolve(*my_domain, address)
            .roots(Roots::Pem(pem))
            .proxy(Proxy::None)
            .store(StoreConfig::off())
            .build()
            .map_err(|error| error.to_string())?;
        if what != "unused" {
            let login = runtime.block_on(async {
                let token = client.token().await?;
                client.wait_idle().await;
                Ok::<_, forcegrant::Error>(token)
            });
            drop(login.map_err(|error| error.to_string())?);
        }
        say("alive")?;
        byte(&mut input)?;
        drop(client);
    }
    drop(runtime);
    // The worker thread ends when it has no job left.
    while fs::read_dir("/proc/self/task").map_or(1, Iterator::count) > 1 {
        std::thread::yield_now();
    }
    say("dropped")?;
    // Wait until the parent has searched.
    let _ = byte(&mut input);
    Ok(())
}

/// The same request by the HTTP library alone, with a body that overwrites itself when it is dropped.
async fn bare(
    address: std::net::SocketAddr,
    my_domain: &str,
    client_id: &str,
    secret: Secret,
    pem: &[u8],
    input: &mut File,
) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(web::tls_config(pem))
        .resolve(my_domain, address)
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| wrong(&error))?;
    let form = [
        "grant_type=client_credentials&client_id=",
        client_id,
        "&client_secret=",
        secret.expose(),
    ];
    let mut body = String::with_capacity(form.iter().map(|part| part.len()).sum());
    for part in form {
        body.push_str(part);
    }
    let response = http
        .post(format!("https://{my_domain}/services/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_owner(SecretBody(Secret::new(body))))
        .send()
        .await
        .map_err(|error| wrong(&error))?;
    let mut response = response;
    let mut text = Vec::with_capacity(4096);
    while let Some(chunk) = response.chunk().await.map_err(|error| wrong(&error))? {
        text.extend_from_slice(&chunk);
    }
    let text = Secret::new(String::from_utf8(text).map_err(|error| wrong(&error))?);
    if !text.expose().contains("access_token") {
        return Err("there was no token".to_owned());
    }
    say("alive")?;
    byte(input)?;
    Ok(())
}

struct SecretBody(Secret);

impl AsRef<[u8]> for SecretBody {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

fn byte(input: &mut File) -> Result<u8, String> {
    let mut byte = [0];
    input
        .read_exact(&mut byte)
        .map_err(|error| format!("the parent process is gone: {error}"))?;
    Ok(byte[0])
}

fn say(word: &str) -> Result<(), String> {
    let mut output = std::io::stdout();
    writeln!(output, "{word}")
        .and_then(|()| output.flush())
        .map_err(|error| error.to_string())
}
