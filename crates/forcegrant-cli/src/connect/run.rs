//! The command: by the page, in the terminal, or without a question.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use forcegrant::ErrorCode;
use forcegrant::connections::Connection;

use super::attempt::ConnectAttempts;
use super::server::{ConnectServer, PAGE_TIMEOUT, PageEnd, PageSettings};
use super::{CompletedConnection, ConnectionEntries, browser, questions};
use crate::configuration::{NetworkOptions, secret};
use crate::console::Console;
use crate::exit_codes::{FINE, INTERRUPTED, NOT_CONNECTED, USAGE};
use crate::login_setup::open;
use crate::options::{AskBy, CliOptions, ConnectionOptions};
use crate::problem::Problem;
use crate::surroundings::Surroundings;
use crate::time::rfc3339;

pub(crate) fn run(
    id: &str,
    options: &CliOptions,
    given: &ConnectionOptions,
    mut surroundings: Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    let attempts = match prepare(id, options, given, &surroundings) {
        Ok(attempts) => attempts,
        Err(problem) => return console.report(&problem).map(|()| NOT_CONNECTED),
    };
    let mut entries = ConnectionEntries {
        login_url: options.login_url.clone().unwrap_or_default(),
        client_id: options.client_id.clone().unwrap_or_default(),
        ..ConnectionEntries::default()
    };
    if let Some(from) = &options.secret {
        match secret(from, &mut surroundings) {
            Ok(found) => {
                console.hide(found.value.expose());
                entries.client_secret = Some(found.value);
            }
            Err(problem) => return console.report(&problem).map(|()| NOT_CONNECTED),
        }
        return once(&attempts, &entries, console);
    }
    if let Some(saved) = &attempts.saved {
        let or_saved = |value: &mut String, saved: &str| {
            if value.is_empty() {
                saved.clone_into(value);
            }
        };
        or_saved(&mut entries.login_url, saved.login_url());
        or_saved(&mut entries.client_id, saved.client_id());
    }
    let environment = &surroundings.environment;
    let is_remote = browser::is_remote(environment);
    let can_open = !is_remote && browser::has_display(environment);
    let (opens, wants_page) = match given.ask_by {
        AskBy::Terminal => (false, false),
        AskBy::Link => (false, true),
        AskBy::Either => (can_open, can_open || given.port.is_some()),
    };
    if wants_page {
        return by_page(attempts, entries, given.port.unwrap_or(0), opens, console);
    }
    if surroundings.input_is_terminal {
        return in_terminal(&attempts, &entries, &mut surroundings, console);
    }
    console.usage(
        "there is neither a display for the page nor a terminal to ask in\n\
         Give --client-secret-stdin or --client-secret-file, or --no-browser for the page: it prints its link.",
    )?;
    Ok(USAGE)
}

/// What can be known before anything is asked.
fn prepare(
    id: &str,
    options: &CliOptions,
    given: &ConnectionOptions,
    surroundings: &Surroundings<'_>,
) -> Result<ConnectAttempts, Problem> {
    let connections = open(options, &surroundings.environment)?;
    let saved = match connections.get(id) {
        Ok(_) if !given.replace => {
            return Err(Problem::new(
                ErrorCode::ConnectionExists,
                format!("a connection `{id}` is saved already"),
                "Choose another id, or give --replace.",
            ));
        }
        Ok(saved) => Some(saved),
        Err(error) if error.code() == ErrorCode::UnknownConnection => None,
        Err(error) if error.code() == ErrorCode::ConnectionUnreadable && given.replace => None,
        Err(error) => return Err(error.into()),
    };
    Ok(ConnectAttempts {
        connections,
        network: NetworkOptions::read(options, &surroundings.environment)?,
        id: id.to_owned(),
        name: given.name.clone(),
        labels: given.labels.clone(),
        replace: given.replace,
        other_org: given.other_org,
        saved,
    })
}

fn once(
    attempts: &ConnectAttempts,
    entries: &ConnectionEntries,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    match attempts.verify_and_save(entries) {
        Ok(completed) => connected(&completed, console),
        Err(error) => console
            .report(&Problem::from(error))
            .map(|()| NOT_CONNECTED),
    }
}

fn in_terminal(
    attempts: &ConnectAttempts,
    known: &ConnectionEntries,
    surroundings: &mut Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    console.tell(&format!(
        "Connection {}: what you enter goes from here to your Salesforce org only.",
        attempts.id
    ))?;
    match questions::ask(known, surroundings.input, console) {
        Ok(Some(entries)) => once(attempts, &entries, console),
        Ok(None) => console
            .complain("the input ended; nothing was saved")
            .map(|()| NOT_CONNECTED),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(INTERRUPTED),
        Err(error) => console
            .complain(&format!("the terminal cannot be read: {error}"))
            .map(|()| NOT_CONNECTED),
    }
}

fn by_page(
    attempts: ConnectAttempts,
    prefilled: ConnectionEntries,
    port: u16,
    opens: bool,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    let settings = PageSettings {
        connection: attempts.id.clone(),
        prefilled,
        replaces: attempts.saved.as_ref().map(described),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let end = runtime.block_on(async {
        let authorize = Arc::new(move |entries: &ConnectionEntries| attempts.for_page(entries));
        let server = ConnectServer::listen(port, settings, authorize).await?;
        let link = server.link()?;
        console.tell("Open this link in a browser on this computer; it works once:")?;
        console.tell_link(&link)?;
        console.tell(
            "Over SSH: ssh -L PORT:127.0.0.1:PORT HOST, here --port PORT, and open the link there.\n\
             The page waits for 15 minutes. Ctrl-C ends it.",
        )?;
        if opens {
            browser::open(&link);
        }
        Ok::<_, io::Error>(server.run(PAGE_TIMEOUT).await)
    });
    match end {
        Ok(PageEnd::Connected(completed)) => connected(&completed, console),
        Ok(PageEnd::TimedOut) => console
            .complain("the page waited for 15 minutes; nothing was saved")
            .map(|()| NOT_CONNECTED),
        Ok(PageEnd::TooManyAttempts) => console
            .complain("too many attempts; nothing was saved")
            .map(|()| NOT_CONNECTED),
        Err(error) if error.kind() == ErrorKind::AddrInUse => console
            .complain(&format!(
                "another program listens on port {port}; give another --port"
            ))
            .map(|()| NOT_CONNECTED),
        Err(error) => Err(error),
    }
}

/// The connection that would be replaced, on the page.
fn described(saved: &Connection) -> String {
    let org = saved.org_id().unwrap_or("not stated");
    match saved.verified() {
        Some(at) => format!("org {org}, verified {}", rfc3339(at)),
        None => format!("org {org}, not verified yet"),
    }
}

fn connected(completed: &CompletedConnection, console: &mut Console<'_>) -> io::Result<u8> {
    console.say(&format!(
        "Connected. Connection {0} is saved: org {1}, user {2}, at {3}.",
        completed.id, completed.org_id, completed.user_id, completed.login_host
    ))?;
    for note in &completed.notes {
        console.say(note)?;
    }
    console.tell(&format!(
        "Try it: forcegrant token --connection {}",
        completed.id
    ))?;
    Ok(FINE)
}
