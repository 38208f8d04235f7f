//! The command line, parsed. An error never repeats a value that may be a secret.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use forcegrant::{AuthStyle, Proxy};
use lexopt::{Arg, Parser};

use crate::options::{CliOptions, RootsFrom, SecretFrom};

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Token {
        options: CliOptions,
        form: TokenForm,
    },
    Verify(CliOptions),
    Doctor(CliOptions),
    Errors(Option<String>),
    Help,
    Version,
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

const COMMANDS: &str = "token, verify, doctor and errors";

pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = Parser::from_args(args);
    let mut words = Words::default();
    let mut options = CliOptions::default();
    let mut given = SeenOptions::default();
    while let Some(argument) = parser.next().map_err(|error| parse_error(&error))? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Version),
            Arg::Value(word) => words.add(word)?,
            Arg::Long("json") => given.form("json", TokenForm::Json)?,
            Arg::Long("header") => given.form("header", TokenForm::Header)?,
            Arg::Long(name) => {
                let name = name.to_owned();
                option(&name, &mut parser, &mut options)?;
                given.last = Some(name);
            }
            Arg::Short(letter) => {
                return Err(UsageError(format!("there is no option `-{letter}`")));
            }
        }
    }
    command(words, options, &given)
}

/// Which options were given, for those that not every command takes.
#[derive(Default)]
struct SeenOptions {
    form: Option<(&'static str, TokenForm)>,
    last: Option<String>,
}

impl SeenOptions {
    fn form(&mut self, name: &'static str, form: TokenForm) -> Result<(), UsageError> {
        match self.form.replace((name, form)) {
            Some((other, _)) if other != name => {
                Err(UsageError("give one of `--header` and `--json`".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Default)]
struct Words {
    command: Option<String>,
    code: Option<String>,
}

impl Words {
    fn add(&mut self, word: OsString) -> Result<(), UsageError> {
        let word = word
            .into_string()
            .map_err(|_| UsageError("an argument is not valid Unicode".to_owned()))?;
        match self.command.as_deref() {
            None => self.command = Some(word),
            Some("errors") if self.code.is_none() => self.code = Some(word),
            Some(command) => {
                let command = printable(command);
                return Err(UsageError(format!(
                    "`{command}` takes no argument {}",
                    printable(&word)
                )));
            }
        }
        Ok(())
    }
}

fn command(words: Words, options: CliOptions, given: &SeenOptions) -> Result<Command, UsageError> {
    let Some(name) = words.command else {
        return Err(UsageError(format!(
            "no command was given; the commands are {COMMANDS}, and --help explains them"
        )));
    };
    if let Some((form, _)) = given.form
        && name != "token"
    {
        return Err(UsageError(format!(
            "`--{form}` belongs to the command `token`"
        )));
    }
    match name.as_str() {
        "token" => Ok(Command::Token {
            options,
            form: given.form.map_or(TokenForm::Plain, |(_, form)| form),
        }),
        "verify" => Ok(Command::Verify(options)),
        "doctor" => Ok(Command::Doctor(options)),
        "errors" => match &given.last {
            Some(option) => Err(UsageError(format!("`errors` has no option `--{option}`"))),
            None => Ok(Command::Errors(words.code)),
        },
        "help" => Ok(Command::Help),
        other => Err(UsageError(format!(
            "there is no command {}; the commands are {COMMANDS}",
            printable(other)
        ))),
    }
}

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
        "auth-style" => {
            options.auth_style = match text(parser, name)?.as_str() {
                "body" => AuthStyle::Body,
                "basic" => AuthStyle::Basic,
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
    // `--client-secret-stdin=x`
    if parser.optional_value().is_some() {
        return Err(UsageError(format!("`--{name}` takes no value")));
    }
    Ok(())
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
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command, UsageError> {
        parse(args.iter().map(OsString::from))
    }

    fn refused(args: &[&str]) -> String {
        parsed(args).expect_err("a usage error").0
    }

    #[test]
    fn every_option_is_taken() {
        let command = parsed(&[
            "--login-url=acme.my",
            "token",
            "--client-id",
            "id",
            "--client-secret-stdin",
            "--auth-style",
            "basic",
            "--roots",
            "bundled",
            "--proxy",
            "http://p:1",
            "--resolve",
            "a.example=127.0.0.1:1",
            "--resolve",
            "b.example=[::1]:2",
            "--token-url",
            "https://gw.example/token",
            "--trusted-host",
            ".example",
            "--timeout",
            "1.5",
            "--json",
        ]);
        let Ok(Command::Token {
            options,
            form: TokenForm::Json,
        }) = command
        else {
            panic!("{command:?}");
        };
        assert_eq!(options.login_url.as_deref(), Some("acme.my"));
        assert_eq!(options.client_id.as_deref(), Some("id"));
        assert_eq!(options.secret, Some(SecretFrom::Input));
        assert_eq!(options.auth_style, AuthStyle::Basic);
        assert_eq!(options.roots, RootsFrom::Bundled);
        assert_eq!(options.proxy, Proxy::Url("http://p:1".to_owned()));
        assert_eq!(options.resolve.len(), 2);
        assert_eq!(
            options.token_url.as_deref(),
            Some("https://gw.example/token")
        );
        assert_eq!(options.trusted_hosts, [".example"]);
        assert_eq!(options.timeout, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_would_be_right() {
        for (args, expected) in [
            (&[][..], "no command was given"),
            (&["tokens"], "no command `tokens`; the commands are token"),
            (&["token", "verify"], "takes no argument `verify`"),
            (&["token", "--frobnicate"], "no option `--frobnicate`"),
            (&["token", "-x"], "no option `-x`"),
            (&["token", "--login-url"], "`--login-url` needs a value"),
            (&["token", "--json=x"], "`--json` takes no value"),
            (&["token", "--client-secret-stdin=x"], "takes no value"),
            (&["verify", "--json"], "belongs to the command `token`"),
            (&["doctor", "--header"], "`--header` belongs to"),
            (
                &["token", "--header", "--json"],
                "one of `--header` and `--json`",
            ),
            (&["token", "--header=x"], "`--header` takes no value"),
            (&["errors", "--timeout", "1"], "no option `--timeout`"),
            (&["token", "--auth-style", "x"], "`body` or `basic`"),
            (&["token", "--resolve", "a.example"], "=127.0.0.1:8443"),
            (&["token", "--resolve", "a=1.2.3.4"], "=127.0.0.1:8443"),
            (&["token", "--timeout", "0"], "number of seconds"),
            (&["token", "--timeout", "NaN"], "number of seconds"),
            (&["token", "--timeout", "-1"], "number of seconds"),
            (
                &[
                    "token",
                    "--client-secret-stdin",
                    "--client-secret-file",
                    "x",
                ],
                "one of",
            ),
        ] {
            let text = refused(args);
            assert!(text.contains(expected), "{args:?}: {text}");
        }
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        for args in [
            &["token", "--client-secret", "canary-4711"][..],
            &["token", "--client-secret=canary-4711"],
            &["token", "canary-4711"],
            &["canary-4711"],
            &["token", "--json=canary-4711"],
            &["token", "--canary-4711"],
            &["token", "--canary-4711=canary-4711"],
            &["token", "--timeout", "canary-4711"],
            &["token", "--resolve", "canary-4711"],
        ] {
            assert!(!refused(args).contains("canary"), "{args:?}");
        }
        assert!(refused(&["token", "--client-secret", "x"]).contains("--client-secret-file"));
    }
}
