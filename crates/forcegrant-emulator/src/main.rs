//! The emulator as a program: one JSON line on standard output, then it serves.
#![forbid(unsafe_code)]

use std::error::Error;
use std::future::pending;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use forcegrant_emulator::{Config, Emulator, Listen};
use lexopt::prelude::*;
use serde_json::json;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

const HELP: &str = "\
A Salesforce org on loopback, to test clients against.

Usage: forcegrant-emulator [options]

  --config FILE        orgs, apps and users as JSON
  --listen IP          listen on this address instead of 127.0.0.1
  --https-port N       ports; ephemeral ones by default
  --http-port N
  --proxy-port N
  --control-port N
  --ca-file PATH       also write the certificate authority to this file
  --exit-with-stdin    exit when standard input ends
  --yes-i-know-this-is-not-loopback
                       needed beside --listen for an address that is not loopback
  --version, --help

Prints one line of JSON when it is ready, and nothing else.
";

struct ProgramOptions {
    config: Option<PathBuf>,
    listen: Listen,
    ca_file: Option<PathBuf>,
    exit_with_stdin: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forcegrant-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = options()? else {
        return Ok(());
    };
    let config = match &options.config {
        Some(path) => read_config(path)?,
        None => Config::default(),
    };
    let emulator = Emulator::start_on(config, &options.listen)?;
    if let Some(path) = &options.ca_file {
        std::fs::write(path, emulator.ca_pem())
            .map_err(|error| format!("--ca-file {}: {error}", path.display()))?;
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let ended = {
        // Signals are caught before anybody can know that there is a program to signal.
        let _entered = runtime.enter();
        end(&emulator, options.exit_with_stdin)?
    };
    announce(&emulator)?;
    runtime.block_on(ended);
    Ok(())
}

fn options() -> Result<Option<ProgramOptions>, lexopt::Error> {
    let mut options = ProgramOptions {
        config: None,
        listen: Listen::default(),
        ca_file: None,
        exit_with_stdin: false,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("config") => options.config = Some(arguments.value()?.into()),
            Long("listen") => options.listen.ip = arguments.value()?.parse()?,
            Long("https-port") => options.listen.https_port = arguments.value()?.parse()?,
            Long("http-port") => options.listen.http_port = arguments.value()?.parse()?,
            Long("proxy-port") => options.listen.proxy_port = arguments.value()?.parse()?,
            Long("control-port") => options.listen.control_port = arguments.value()?.parse()?,
            Long("ca-file") => options.ca_file = Some(arguments.value()?.into()),
            Long("exit-with-stdin") => options.exit_with_stdin = true,
            Long("yes-i-know-this-is-not-loopback") => options.listen.not_only_loopback = true,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(None);
            }
            Short('V') | Long("version") => {
                println!("forcegrant-emulator {}", env!("CARGO_PKG_VERSION"));
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn read_config(path: &PathBuf) -> Result<Config, String> {
    let wrong = |error: &dyn Error| format!("--config {}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

fn announce(emulator: &Emulator) -> io::Result<()> {
    let line = json!({
        "ready": true,
        "version": env!("CARGO_PKG_VERSION"),
        "https": emulator.https_addr().to_string(),
        "http": emulator.http_addr().to_string(),
        "proxy": format!("http://{}", emulator.proxy_addr()),
        "control": emulator.control_url(),
        "ca_pem": emulator.ca_pem(),
        "org": emulator.default_org(),
        "orgs": emulator.orgs(),
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Completes when a signal, the end of standard input or a `shutdown` says so.
fn end(emulator: &Emulator, exit_with_stdin: bool) -> io::Result<impl Future<Output = ()>> {
    let stopped = emulator.stopped();
    let signalled = signals()?;
    let input = exit_with_stdin.then(input_end);
    let input_ended = async {
        match input {
            // An error would mean that the reading thread is gone: the input is, too.
            Some(ended) => ended.await.unwrap_or_default(),
            None => pending().await,
        }
    };
    Ok(async move {
        tokio::select! {
            () = stopped => {}
            () = signalled => {}
            () = input_ended => {}
        }
    })
}

fn input_end() -> oneshot::Receiver<()> {
    let (ended, input_ended) = oneshot::channel();
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut scratch = [0; 1024];
        while matches!(input.read(&mut scratch), Ok(count) if count > 0) {}
        // Nobody listens any more if something else ended the program first.
        let _ = ended.send(());
    });
    input_ended
}

#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(windows)]
fn signals() -> io::Result<impl Future<Output = ()>> {
    let mut interrupted = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupted.recv().await;
    })
}
