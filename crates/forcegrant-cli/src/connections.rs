//! `forcegrant connections`: the saved connections, without their secrets.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forcegrant::connections::{Connection, ConnectionList, Connections};
use forcegrant::{Error, ErrorCode};
use serde_json::{Value, json};

use crate::arguments::ConnectionsAction;
use crate::configuration::NetworkOptions;
use crate::console::Console;
use crate::exit_codes::{FAILED, FINE};
use crate::findings::{login_url_of, shortened};
use crate::login_setup::{open, which_one};
use crate::options::{CliOptions, ConnectionOptions};
use crate::problem::{CommandFailure, Problem};
use crate::surroundings::Surroundings;
use crate::time::rfc3339;

/// Between the logins of `verify --all`: an org is not asked for many tokens at once.
const BETWEEN_LOGINS: Duration = Duration::from_secs(1);

const REMOVED: &str = "Sessions go on, and the client secret stays valid. If it leaked, rotate it: Setup > External Client App Manager >\nyour app > Settings > OAuth Settings > Consumer Key and Secret.";

pub(crate) fn run(
    action: &ConnectionsAction,
    options: &CliOptions,
    given: &ConnectionOptions,
    surroundings: Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    if *action == ConnectionsAction::Key {
        return key(console);
    }
    let Surroundings {
        environment, pause, ..
    } = surroundings;
    let environment = &environment;
    let connections = match open(options, environment) {
        Ok(connections) => connections,
        Err(problem) => return console.report(&problem).map(|()| FAILED),
    };
    let which = || which_one(options, environment);
    let result = match action {
        ConnectionsAction::List { json } => match connections.list(&given.labels) {
            Ok(list) => return listed(&connections, &list, *json, console),
            Err(error) => Err(error.into()),
        },
        ConnectionsAction::Show {
            id: Some(id),
            json: true,
        } => match connections.get(id) {
            Ok(connection) => {
                let object = in_json(&connection);
                return console.reveal(&format!("{object:#}")).map(|()| FINE);
            }
            Err(error) => Err(error.into()),
        },
        ConnectionsAction::Show { id, .. } => id
            .as_deref()
            .ok_or_else(which)
            .and_then(|id| Ok(connections.get(id)?))
            .map(|connection| shown(&connection)),
        ConnectionsAction::Verify(id) => {
            return match chosen(&connections, id.as_deref(), given.all, which) {
                Ok(ids) => {
                    let verifier = Verifier {
                        connections: &connections,
                        network: NetworkOptions::read(options, environment),
                        pause,
                    };
                    verifier.verify(&ids, console)
                }
                Err(failure) => console.stop(&failure),
            };
        }
        ConnectionsAction::Remove(id) => id
            .as_deref()
            .ok_or_else(which)
            .and_then(|id| Ok(connections.remove(id).map(|()| id)?))
            .map(|id| format!("The connection {id} is removed.\n{REMOVED}")),
        ConnectionsAction::Label(id) => id
            .as_deref()
            .ok_or_else(which)
            .and_then(|id| Ok(label(&connections, id, given)?))
            .map(|connection| shown(&connection)),
        ConnectionsAction::Reseal(id) => {
            return match chosen(&connections, id.as_deref(), given.all, which) {
                Ok(ids) => each(&ids, console, |id| {
                    connections.reseal(id).map(|_| "sealed".to_owned())
                }),
                Err(failure) => console.stop(&failure),
            };
        }
        ConnectionsAction::Key => return key(console),
    };
    match result {
        Ok(text) => console.say(&text).map(|()| FINE),
        Err(failure) => console.stop(&failure),
    }
}

/// The connection that was named, or all; files that cannot be used come with their reason.
fn chosen(
    connections: &Connections,
    id: Option<&str>,
    all: bool,
    which: impl Fn() -> CommandFailure,
) -> Result<Vec<Result<String, Error>>, CommandFailure> {
    match (id, all) {
        (Some(_), true) => Err(CommandFailure::Usage(
            "give an id or `--all`, not both".to_owned(),
        )),
        (Some(id), false) => Ok(vec![Ok(id.to_owned())]),
        (None, false) => Err(which()),
        (None, true) => {
            let list = connections.list(&BTreeMap::new())?;
            let ids = list
                .connections
                .iter()
                .map(|found| Ok(found.id().to_owned()));
            Ok(ids.chain(list.unreadable.into_iter().map(Err)).collect())
        }
    }
}

/// One line for each; the exit code says whether all succeeded.
fn each(
    ids: &[Result<String, Error>],
    console: &mut Console<'_>,
    mut act: impl FnMut(&str) -> Result<String, Error>,
) -> io::Result<u8> {
    let mut code = FINE;
    for id in ids {
        let done = id.clone().and_then(|id| act(&id).map(|text| (id, text)));
        match (done, id) {
            (Ok((id, text)), _) => console.say(&format!("OK    {id}: {text}"))?,
            (Err(error), id) => {
                code = FAILED;
                let id = id.as_deref().map_or(String::new(), |id| format!("{id}: "));
                console.say(&format!("FAIL  {id}{} ({})", error.message(), error.code()))?;
                if let [_] = ids {
                    console.report(&Problem::from(error))?;
                }
            }
        }
    }
    Ok(code)
}

/// Verifies one connection after the other.
struct Verifier<'a> {
    connections: &'a Connections,
    network: Result<NetworkOptions, Problem>,
    pause: &'a mut dyn FnMut(Duration),
}

impl Verifier<'_> {
    fn verify(self, ids: &[Result<String, Error>], console: &mut Console<'_>) -> io::Result<u8> {
        let network = match self.network {
            Ok(network) => network,
            Err(problem) => return console.report(&problem).map(|()| FAILED),
        };
        let mut is_first = true;
        each(ids, console, |id| {
            if !std::mem::take(&mut is_first) {
                (self.pause)(BETWEEN_LOGINS);
            }
            let network = network.clone();
            let verified = self
                .connections
                .blocking_verify_with(id, move |builder| network.apply(builder));
            let connection = verified?;
            Ok(format!(
                "org {}, user {}",
                connection.org_id().unwrap_or("not stated"),
                connection.user_id().unwrap_or("not stated")
            ))
        })
    }
}

fn label(
    connections: &Connections,
    id: &str,
    given: &ConnectionOptions,
) -> Result<Connection, Error> {
    let mut labels = connections.get(id)?.labels().clone();
    labels.extend(given.labels.clone());
    for key in &given.removed_labels {
        labels.remove(key);
    }
    connections.set_labels(id, &labels)
}

fn key(console: &mut Console<'_>) -> io::Result<u8> {
    let mut key = [0; 32];
    if ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut key).is_ok() {
        return console.reveal(&STANDARD.encode(key)).map(|()| FINE);
    }
    let problem = Problem::new(ErrorCode::Internal, "the system has no randomness", "");
    console.report(&problem).map(|()| FAILED)
}

fn listed(
    connections: &Connections,
    list: &ConnectionList,
    json: bool,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    if json {
        let object = json!({
            "version": 1,
            "folder": connections.folder().to_string_lossy(),
            "connections": list.connections.iter().map(in_json).collect::<Vec<_>>(),
            "unreadable": list.unreadable.iter().map(|error| json!({
                "code": error.code().as_str(),
                "message": error.message(),
                "help": error.help(),
            })).collect::<Vec<_>>(),
        });
        return console.reveal(&format!("{object:#}")).map(|()| FINE);
    }
    if list.connections.is_empty() && list.unreadable.is_empty() {
        let folder = connections.folder().display();
        console.tell(&format!(
            "There is no such connection in {folder}: `forcegrant connect ID` makes one."
        ))?;
        return Ok(FINE);
    }
    let head = ["ID", "HOST", "ORG", "VERIFIED", "LABELS", "NAME"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(list.connections.iter().map(row));
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        console.say(cells.join("  ").trim_end())?;
    }
    for error in &list.unreadable {
        console.say(&format!("FAIL  {} ({})", error.message(), error.code()))?;
        for line in error.help().unwrap_or_default().lines() {
            console.say(&format!("      {line}"))?;
        }
    }
    Ok(FINE)
}

fn row(connection: &Connection) -> [String; 6] {
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    [
        connection.id().to_owned(),
        login_url_of(connection).to_owned(),
        or_dash(connection.org_id()),
        connection
            .verified()
            .map_or_else(|| "-".to_owned(), rfc3339),
        labels(connection),
        connection.name().unwrap_or_default().to_owned(),
    ]
}

fn labels(connection: &Connection) -> String {
    let pairs = connection.labels().iter();
    let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    if pairs.is_empty() {
        "-".to_owned()
    } else {
        pairs.join(",")
    }
}

fn shown(connection: &Connection) -> String {
    let time = |at: Option<SystemTime>| at.map_or_else(|| "-".to_owned(), rfc3339);
    let lines = [
        ("id", connection.id().to_owned()),
        ("name", connection.name().unwrap_or("-").to_owned()),
        ("login URL", login_url_of(connection).to_owned()),
        (
            "client id",
            shortened(connection.client_id()).unwrap_or_else(|| "-".to_owned()),
        ),
        ("org", connection.org_id().unwrap_or("-").to_owned()),
        ("user", connection.user_id().unwrap_or("-").to_owned()),
        ("labels", labels(connection)),
        ("created", time(connection.created())),
        ("verified", time(connection.verified())),
        ("revision", connection.revision().to_string()),
    ];
    let lines = lines.map(|(name, value)| format!("{name:<10} {value}"));
    lines.join("\n")
}

/// What has no secret, as it is: a label that looks like a secret is not redacted.
fn in_json(connection: &Connection) -> Value {
    json!({
        "id": connection.id(),
        "name": connection.name(),
        "labels": connection.labels(),
        "login_url": login_url_of(connection),
        "org_id": connection.org_id(),
        "user_id": connection.user_id(),
        "created": connection.created().map(rfc3339),
        "verified": connection.verified().map(rfc3339),
        "revision": connection.revision(),
    })
}
