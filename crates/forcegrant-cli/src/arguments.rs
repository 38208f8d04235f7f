//! The command line, parsed. An error never repeats a value that may be a secret.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use forcegrant::{AuthStyle, Proxy};
use lexopt::{Arg, Parser};

use crate::commands::{COMMANDS, CommandSpec};
use crate::options::{AskBy, CallOptions, CliOptions, ConnectionOptions, RootsFrom, SecretFrom};

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Token {
        options: CliOptions,
        form: TokenForm,
    },
    Verify(CliOptions),
    Doctor(CliOptions),
    Connect {
        id: String,
        options: CliOptions,
        connection: ConnectionOptions,
    },
    Connections {
        action: ConnectionsAction,
        options: CliOptions,
        connection: ConnectionOptions,
    },
    Call {
        options: CliOptions,
        call: CallOptions,
    },
    Emulator(Vec<OsString>),
    Errors(Option<String>),
    Completions(String),
    /// Of one command, or of all.
    Help(Vec<&'static CommandSpec>),
    Version,
}

/// What `connections` does. Without an id: the user is asked to name one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConnectionsAction {
    List { json: bool },
    Show { id: Option<String>, json: bool },
    Verify(Option<String>),
    Remove(Option<String>),
    Label(Option<String>),
    Reseal(Option<String>),
    Key,
}

/// In which form a token is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TokenForm {
    /// Alone.
    #[default]
    Plain,
    /// As an HTTP header.
    Header,
    /// With what belongs to it.
    Json,
}

/// What is wrong with the command line, and what would be right. The first line stands alone.
#[derive(Debug)]
pub(crate) struct UsageError(pub(crate) String);

pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_args(args);
    let mut line = ParsedLine::default();
    while let Some(argument) = parser.next().map_err(|error| parse_error(&error))? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(line.path)),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Value(word) => {
                line.add(word)?;
                if line.is("emulator") {
                    return Ok(emulator(&mut parser, line.path));
                }
            }
            Arg::Long("json") => line.form("json", TokenForm::Json)?,
            Arg::Long("header") if !line.is("call") => line.form("header", TokenForm::Header)?,
            Arg::Long(name) => {
                let name = name.to_owned();
                line.option(&name, &mut parser)?;
                line.seen.push(name);
            }
            Arg::Short(letter) => {
                return Err(UsageError(format!("there is no option `-{letter}`")));
            }
        }
    }
    line.command()
}

/// What follows goes to another program as it is.
fn emulator(parser: &mut Parser, path: Vec<&'static CommandSpec>) -> Command {
    let mut rest: Vec<_> = parser
        .raw_args()
        .map_or_else(|_| Vec::new(), Iterator::collect);
    match rest.first().and_then(|first| first.to_str()) {
        Some("-h" | "--help") => return Command::Help(path),
        Some("--") => drop(rest.remove(0)),
        _ => {}
    }
    Command::Emulator(rest)
}

/// The command line as far as it was read.
#[derive(Default)]
struct ParsedLine {
    /// The command, and its own command if it has one.
    path: Vec<&'static CommandSpec>,
    /// A first word that is no command.
    unknown: Option<String>,
    words: Vec<String>,
    form: Option<(&'static str, TokenForm)>,
    seen: Vec<String>,
    options: CliOptions,
    connection: ConnectionOptions,
    call: CallOptions,
}

impl ParsedLine {
    fn is(&self, command: &str) -> bool {
        self.path.first().is_some_and(|first| first.name == command)
    }

    fn form(&mut self, name: &'static str, form: TokenForm) -> Result<(), UsageError> {
        match self.form.replace((name, form)) {
            Some((other, _)) if other != name => {
                Err(UsageError("give one of `--header` and `--json`".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, word: OsString) -> Result<(), UsageError> {
        let word = word
            .into_string()
            .map_err(|_| UsageError("an argument is not valid Unicode".to_owned()))?;
        let Some(command) = self.path.last() else {
            match CommandSpec::find(&word) {
                Some(command) if self.unknown.as_deref().is_none_or(|first| first == "help") => {
                    self.path.push(command);
                }
                _ => drop(self.unknown.get_or_insert(word)),
            }
            return Ok(());
        };
        let inner = command.commands.iter().find(|inner| inner.name == word);
        if let Some(inner) = inner.filter(|_| self.words.is_empty()) {
            self.path.push(inner);
        } else if !command.commands.is_empty() {
            let names: Vec<_> = command.commands.iter().map(|inner| inner.name).collect();
            return Err(UsageError(format!(
                "`{}` has no command {}; it has {}",
                command.name,
                printable(&word),
                names.join(", ")
            )));
        } else if self.words.len() >= command.max_words {
            return Err(UsageError(format!(
                "`{}` takes no argument {}",
                command.name,
                printable(&word)
            )));
        } else {
            self.words.push(word);
        }
        Ok(())
    }

    /// The option of `call`, `connect` and `connections` with this name, or one of a login.
    fn option(&mut self, name: &str, parser: &mut Parser) -> Result<(), UsageError> {
        let connection = &mut self.connection;
        match name {
            "name" => connection.name = Some(text(parser, name)?),
            "label" => {
                let (key, value) = key_and_value(&text(parser, name)?, name)?;
                connection.labels.insert(key, value);
            }
            "remove" => connection.removed_labels.push(text(parser, name)?),
            "replace" => connection.replace = true,
            "other-org" => connection.other_org = true,
            "terminal" => connection.ask_by = AskBy::Terminal,
            "no-browser" => connection.ask_by = AskBy::Link,
            "all" => connection.all = true,
            "port" => {
                let port = text(parser, name)?.parse();
                let port = port.map_err(|_| UsageError("`--port` is a port".to_owned()))?;
                connection.port = Some(port);
            }
            "data" => self.call.data = Some(text(parser, name)?),
            "include" => self.call.include = true,
            // Of `call`: that of `token` is told apart before.
            "header" => self.call.headers.push(header(&text(parser, name)?)?),
            _ => return option(name, parser, &mut self.options),
        }
        no_value(name, parser)
    }

    fn command(mut self) -> Result<Command, UsageError> {
        let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
        let commands = match names.split_last() {
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        };
        if let Some(word) = &self.unknown {
            if word == "help" {
                return Ok(Command::Help(self.path));
            }
            return Err(UsageError(format!(
                "there is no command {}; the commands are {commands}",
                printable(word)
            )));
        }
        let Some(command) = self.path.last() else {
            return Err(UsageError(format!(
                "no command was given; the commands are {commands}, and --help explains them"
            )));
        };
        self.check_options(command)?;
        let json = self.form.is_some();
        let mut words = std::mem::take(&mut self.words).into_iter();
        let first = words.next();
        let (options, mut connection, mut call) = (self.options, self.connection, self.call);
        let connections = |action, options, connection| {
            Ok(Command::Connections {
                action,
                options,
                connection,
            })
        };
        let is_of_connections = self.path.len() == 2;
        match command.name {
            "token" => Ok(Command::Token {
                options,
                form: self.form.map_or(TokenForm::Plain, |(_, form)| form),
            }),
            "connections" => connections(ConnectionsAction::List { json }, options, connection),
            "show" => {
                let action = ConnectionsAction::Show { id: first, json };
                connections(action, options, connection)
            }
            "verify" if is_of_connections => {
                connections(ConnectionsAction::Verify(first), options, connection)
            }
            "remove" => connections(ConnectionsAction::Remove(first), options, connection),
            "label" => {
                for word in words {
                    let (key, value) = key_and_value(&word, "label")?;
                    connection.labels.insert(key, value);
                }
                connections(ConnectionsAction::Label(first), options, connection)
            }
            "reseal" => connections(ConnectionsAction::Reseal(first), options, connection),
            "key" => connections(ConnectionsAction::Key, options, connection),
            "verify" => Ok(Command::Verify(options)),
            "doctor" => Ok(Command::Doctor(options)),
            "connect" => Ok(Command::Connect {
                id: first.ok_or_else(|| needs(command))?,
                options,
                connection,
            }),
            "call" => {
                let method = first.ok_or_else(|| needs(command))?;
                call.method = method.to_ascii_uppercase();
                call.path = words.next().ok_or_else(|| needs(command))?;
                Ok(Command::Call { options, call })
            }
            "completions" => Ok(Command::Completions(first.ok_or_else(|| needs(command))?)),
            _ => Ok(Command::Errors(first)),
        }
    }

    /// Whether the command has all options that were given.
    fn check_options(&self, command: &CommandSpec) -> Result<(), UsageError> {
        let form = self.form.map(|(name, _)| name);
        if let Some(name) = form.filter(|name| command.option(name).is_none()) {
            let others = if name == "json" {
                ", and to `connections` and `connections show`"
            } else {
                ""
            };
            return Err(UsageError(format!(
                "`--{name}` belongs to the command `token`{others}"
            )));
        }
        let unknown = |name: &&String| command.option(name).is_none();
        match self.seen.iter().find(unknown) {
            Some(name) => {
                let path: Vec<_> = self.path.iter().map(|command| command.name).collect();
                Err(UsageError(format!(
                    "`{}` has no option `--{name}`",
                    path.join(" ")
                )))
            }
            None => self.check_connection(),
        }
    }

    /// A connection brings its own credentials.
    fn check_connection(&self) -> Result<(), UsageError> {
        match self.options.credentials_option() {
            Some(option) if self.options.connection.is_some() => Err(UsageError(format!(
                "`--connection` brings its own credentials: leave out `--{option}`"
            ))),
            _ => Ok(()),
        }
    }
}

fn needs(command: &CommandSpec) -> UsageError {
    UsageError(format!("`{}` needs {}", command.name, command.words))
}

/// An option about the login.
fn option(name: &str, parser: &mut Parser, options: &mut CliOptions) -> Result<(), UsageError> {
    match name {
        "login-url" => options.login_url = Some(text(parser, name)?),
        "client-id" => options.client_id = Some(text(parser, name)?),
        "client-secret-file" => {
            let path = PathBuf::from(value(parser, name)?);
            options
                .secret_from(SecretFrom::File(path))
                .map_err(UsageError)?;
        }
        "client-secret-stdin" => options.secret_from(SecretFrom::Input).map_err(UsageError)?,
        // Known, so that the error is more helpful than "no such option". The value is not read.
        "client-secret" => {
            return Err(UsageError(
                "the client secret cannot be an argument\n\
                 Every user of the machine sees arguments in the process list, and the shell keeps them in its\n\
                 history. Set SALESFORCE_CLIENT_SECRET, or use --client-secret-file FILE or --client-secret-stdin.\n\
                 If the secret was real, rotate it."
                    .to_owned(),
            ));
        }
        // Without a value: the error lists the ids, which are not known here.
        "connection" => {
            let id = parser.value().unwrap_or_default().into_string();
            let id = id.map_err(|_| {
                UsageError("the value of `--connection` is not valid Unicode".to_owned())
            })?;
            options.connection = Some(id);
        }
        "folder" => options.folder = Some(PathBuf::from(value(parser, name)?)),
        "auth-style" => {
            options.auth_style = match text(parser, name)?.as_str() {
                "body" => Some(AuthStyle::Body),
                "basic" => Some(AuthStyle::Basic),
                _ => return Err(UsageError("`--auth-style` is `body` or `basic`".to_owned())),
            }
        }
        "token-url" => options.token_url = Some(text(parser, name)?),
        "trusted-host" => options.trusted_hosts.push(text(parser, name)?),
        "roots" => {
            let roots = value(parser, name)?;
            options.roots = match roots.to_str() {
                Some("platform") => RootsFrom::Platform,
                Some("bundled") => RootsFrom::Bundled,
                _ => RootsFrom::File(PathBuf::from(roots)),
            }
        }
        "proxy" => {
            options.proxy = match text(parser, name)?.as_str() {
                "env" => Proxy::Environment,
                "none" => Proxy::None,
                url => Proxy::Url(url.to_owned()),
            }
        }
        "resolve" => options.resolve.push(resolve(&text(parser, name)?)?),
        "timeout" => options.timeout = Some(timeout(&text(parser, name)?)?),
        _ => {
            let name = printable(&format!("--{name}"));
            return Err(UsageError(format!("there is no option {name}")));
        }
    }
    no_value(name, parser)
}

/// `--client-secret-stdin=x`
fn no_value(name: &str, parser: &mut Parser) -> Result<(), UsageError> {
    match parser.optional_value() {
        Some(_) => Err(UsageError(format!("`--{name}` takes no value"))),
        None => Ok(()),
    }
}

fn value(parser: &mut Parser, name: &str) -> Result<OsString, UsageError> {
    parser
        .value()
        .map_err(|_| UsageError(format!("`--{name}` needs a value")))
}

fn text(parser: &mut Parser, name: &str) -> Result<String, UsageError> {
    value(parser, name)?
        .into_string()
        .map_err(|_| UsageError(format!("the value of `--{name}` is not valid Unicode")))
}

fn key_and_value(text: &str, name: &str) -> Result<(String, String), UsageError> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| {
            UsageError(format!(
                "a {name} has the form KEY=VALUE, such as tenant=42"
            ))
        })
}

fn header(text: &str) -> Result<(String, String), UsageError> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(UsageError("`--header` has the form NAME:VALUE".to_owned()));
    };
    if name.trim().eq_ignore_ascii_case("authorization") {
        return Err(UsageError(
            "`--header` cannot be the header Authorization: `call` brings the token itself\n\
             Every user of the machine sees arguments in the process list, and the shell keeps them in its history."
                .to_owned(),
        ));
    }
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn resolve(text: &str) -> Result<(String, SocketAddr), UsageError> {
    text.split_once('=')
        .and_then(|(host, address)| Some((host.to_owned(), address.parse().ok()?)))
        .ok_or_else(|| {
            UsageError(
                "`--resolve` maps a host to an address with its port: \
                 acme.my.salesforce.com=127.0.0.1:8443, or host=[::1]:8443"
                    .to_owned(),
            )
        })
}

fn timeout(text: &str) -> Result<Duration, UsageError> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (0.001..=3600.0).contains(seconds))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| UsageError("`--timeout` is a number of seconds, at most 3600".to_owned()))
}

fn parse_error(error: &lexopt::Error) -> UsageError {
    UsageError(match error {
        // Its own text repeats the value.
        lexopt::Error::UnexpectedValue { option, .. } => format!("`{option}` takes no value"),
        _ => "an argument is not valid".to_owned(),
    })
}

/// A word of the command line in a form that may be printed: a word that was pasted by mistake may be a secret.
fn printable(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphabetic() || matches!(c, '-' | '_');
    if word.len() <= 24 && word.chars().all(plain) {
        format!("`{word}`")
    } else {
        "of that form".to_owned()
    }
}

#[cfg(test)]
mod tests;
