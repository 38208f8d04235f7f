//! `forcegrant doctor`: everything that a login needs, in the order in which it is needed.
//!
//! The whole report goes to standard output, failures too, because people paste it into a ticket.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use forcegrant::{ClientBuilder, Error, ErrorCode, ErrorKind};

use crate::configuration::{
    ConfigValue, Configuration, check_client_id, check_client_secret, check_network,
};
use crate::console::Console;
use crate::exit_codes::{FAILED, FINE};
use crate::findings;
use crate::login::{self, Trace, VerifyOutcome};
use crate::login_setup::{LoginSetup, SavedSetup};
use crate::options::CliOptions;
use crate::problem::{Problem, number};
use crate::report::{LineStatus, ReportLine, api_line, identity, steps, token_lines};
use crate::surroundings::Surroundings;

/// What comes after the configuration.
const HOST_NAME: &str = "host name";
const CONNECTION: &str = "connection";
const REQUEST: &str = "token request";
const RESPONSE: &str = "token response";
const API: &str = "API call";
const SUBJECTS: [&str; 5] = [HOST_NAME, CONNECTION, REQUEST, RESPONSE, API];

pub(crate) fn run(
    options: &CliOptions,
    mut surroundings: Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    let setup = match LoginSetup::read(options, &mut surroundings, console) {
        Ok(setup) => setup,
        Err(failure) => return console.stop(&failure),
    };
    console.say(&format!(
        "forcegrant {} on {} {}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    ))?;
    let mut report = DoctorReport {
        console,
        first: None,
    };
    let (host, environment) = match &setup {
        LoginSetup::Separate(configuration) => {
            report.configuration(configuration, options)?;
            let login_url = configuration.login_url.as_ref().ok();
            let host = login_url.and_then(|found| configuration.check_host(&found.value).ok());
            (host, &configuration.environment)
        }
        LoginSetup::Saved(saved) => (report.connection(saved)?, &saved.environment),
    };
    match check_network(host.as_deref(), options, environment) {
        Ok(route) => report.line(&findings::network(options, &route))?,
        Err(problem) => report.fail("network", problem)?,
    }
    if report.first.is_some() {
        for subject in SUBJECTS {
            report.line(&ReportLine::not_reached(subject))?;
        }
    } else {
        match login::verify(&setup, report.console) {
            Ok((outcome, trace)) => report.login(outcome, &trace, options)?,
            // Each part was checked above, so this is not expected.
            Err(problem) => report.fail("client", problem)?,
        }
    }
    report.finish()
}

/// Prints line by line and keeps the first failure.
struct DoctorReport<'a, 'b> {
    console: &'a mut Console<'b>,
    first: Option<Problem>,
}

impl DoctorReport<'_, '_> {
    fn line(&mut self, line: &ReportLine) -> io::Result<()> {
        self.console.say(&line.to_string())
    }

    /// The first failure comes with its help.
    fn fail(&mut self, subject: &'static str, problem: Problem) -> io::Result<()> {
        self.fail_after(subject, problem, Vec::new())
    }

    fn fail_after(
        &mut self,
        subject: &'static str,
        problem: Problem,
        notes: Vec<String>,
    ) -> io::Result<()> {
        let line = ReportLine::fails(subject, problem.message.clone()).with_notes(notes);
        if self.first.is_some() {
            return self.line(&line);
        }
        self.line(&line.with_help(&problem.help))?;
        self.first = Some(problem);
        Ok(())
    }

    fn configuration(
        &mut self,
        configuration: &Configuration<'_>,
        options: &CliOptions,
    ) -> io::Result<()> {
        match &configuration.login_url {
            Err(problem) => self.fail("login URL", problem.clone())?,
            Ok(found) => match configuration.check_host(&found.value) {
                Ok(host) => self.line(&findings::login_url(found, &host, options))?,
                Err(error) => self.wrong("login URL", found, &error)?,
            },
        }
        match &configuration.client_id {
            Err(problem) => self.fail("client id", problem.clone())?,
            Ok(found) => match check_client_id(&found.value) {
                Ok(()) => self.line(&findings::client_id(found))?,
                Err(error) => self.wrong("client id", found, &error)?,
            },
        }
        match &configuration.client_secret {
            Err(problem) => self.fail("client secret", problem.clone()),
            Ok(found) => match check_client_secret(&found.value) {
                Ok(()) => self.line(&findings::client_secret(found)),
                Err(error) => self.wrong("client secret", found, &error),
            },
        }
    }

    /// A value that was found and is wrong: the message says where it came from.
    fn wrong<T>(
        &mut self,
        subject: &'static str,
        found: &ConfigValue<T>,
        error: &Error,
    ) -> io::Result<()> {
        let mut problem = Problem::from(error);
        problem.message = format!("{} (from {})", problem.message, found.source);
        self.fail(subject, problem)
    }

    /// What is saved, without the secret. Returns the host that it names, if it can be used.
    fn connection(&mut self, saved: &SavedSetup<'_>) -> io::Result<Option<String>> {
        let (connections, connection) = match &saved.found {
            Ok(found) => found,
            Err(problem) => {
                let subject = findings::SAVED;
                return self.fail(subject, problem.clone()).map(|()| None);
            }
        };
        for line in findings::connection(connections.folder(), connection, saved.source) {
            self.line(&line)?;
        }
        // Reads the secret, unless a command brings it.
        match connections
            .client_builder(connection.id())
            .and_then(ClientBuilder::build)
        {
            Ok(client) => Ok(Some(client.login_host())),
            Err(error) => self
                .fail("client secret", Problem::from(error))
                .map(|()| None),
        }
    }

    fn login(
        &mut self,
        outcome: VerifyOutcome,
        trace: &Trace,
        options: &CliOptions,
    ) -> io::Result<()> {
        match outcome {
            VerifyOutcome::NoToken(error) => self.no_token(&error, trace, options),
            VerifyOutcome::NoApi(token, error) => {
                self.reached(options)?;
                self.line(&accepted(trace))?;
                if let Some(token) = &token {
                    for line in token_lines(token) {
                        self.line(&line)?;
                    }
                    self.line(&ReportLine::works("identity", identity(token)))?;
                }
                self.fail(API, Problem::from(error))
            }
            VerifyOutcome::Works(token, usage) => {
                self.reached(options)?;
                self.line(&accepted(trace))?;
                for line in token_lines(&token) {
                    self.line(&line)?;
                }
                self.line(&ReportLine::works("identity", identity(&token)))?;
                self.line(&api_line(&token, usage))
            }
        }
    }

    fn reached(&mut self, options: &CliOptions) -> io::Result<()> {
        self.line(&resolved(options))?;
        self.line(&ReportLine::works(
            CONNECTION,
            "TCP and TLS, certificate trusted",
        ))
    }

    /// The failure says how far the request came.
    fn no_token(&mut self, error: &Error, trace: &Trace, options: &CliOptions) -> io::Result<()> {
        let problem = Problem::from(error);
        let unknown = |subject| ReportLine::new(LineStatus::Open, subject, "unknown");
        let notes = retries(trace, Some(error.code()));
        let failed = match FailedStage::of(error) {
            FailedStage::Name => HOST_NAME,
            FailedStage::Connection => {
                // Behind a proxy, the proxy resolves the name.
                let name = match error.code() {
                    ErrorCode::ProxyFailed
                    | ErrorCode::ProxyAuthenticationRequired
                    | ErrorCode::TlsRootsUnavailable => unknown(HOST_NAME),
                    _ => resolved(options),
                };
                self.line(&name)?;
                CONNECTION
            }
            FailedStage::Somewhere => {
                self.line(&unknown(HOST_NAME))?;
                self.line(&unknown(CONNECTION))?;
                REQUEST
            }
            FailedStage::Request => {
                self.reached(options)?;
                REQUEST
            }
            FailedStage::Response => {
                self.reached(options)?;
                self.line(&ReportLine::works(REQUEST, "a response arrived"))?;
                RESPONSE
            }
        };
        self.fail_after(failed, problem, notes)?;
        let after = SUBJECTS.iter().skip_while(|subject| **subject != failed);
        for subject in after.skip(1) {
            self.line(&ReportLine::not_reached(subject))?;
        }
        Ok(())
    }

    fn finish(self) -> io::Result<u8> {
        let Some(problem) = self.first else {
            self.console.say("\nEverything works.")?;
            return Ok(FINE);
        };
        let mut text = format!("\nError code: {}", problem.code);
        if let Some(step) = problem.step {
            let _ = write!(
                text,
                "\nLook at step {}, {}: {}",
                number(step),
                step.as_str(),
                step.setup_path()
            );
        }
        let _ = write!(text, "\n\n{}", steps(&problem));
        self.console.say(&text)?;
        Ok(FAILED)
    }
}

/// How far a token request came before it failed.
#[derive(Debug, PartialEq, Eq)]
enum FailedStage {
    Name,
    Connection,
    /// Before a response came, but it is not known where.
    Somewhere,
    Request,
    Response,
}

impl FailedStage {
    fn of(error: &Error) -> Self {
        match (error.kind(), error.code()) {
            (_, ErrorCode::DnsFailed) => Self::Name,
            (
                _,
                ErrorCode::ConnectFailed
                | ErrorCode::ProxyFailed
                | ErrorCode::ProxyAuthenticationRequired
                | ErrorCode::TlsFailed
                | ErrorCode::TlsRootsUnavailable,
            ) => Self::Connection,
            (ErrorKind::Refused | ErrorKind::LoginRate | ErrorKind::Unavailable, _)
            | (_, ErrorCode::Redirected) => Self::Request,
            // An unexpected response with a status other than 2xx is still a refused request.
            (ErrorKind::Response, _)
                if error
                    .http_status()
                    .is_some_and(|status| !(200..=299).contains(&status)) =>
            {
                Self::Request
            }
            (ErrorKind::Response | ErrorKind::Token, _) => Self::Response,
            _ => Self::Somewhere,
        }
    }
}

fn resolved(options: &CliOptions) -> ReportLine {
    ReportLine::works(
        HOST_NAME,
        if options.resolve.is_empty() {
            "resolves, here or at the proxy"
        } else {
            "resolves, or is given by --resolve"
        },
    )
}

fn accepted(trace: &Trace) -> ReportLine {
    let mut notes = retries(trace, None);
    if trace.signature_mismatch {
        notes.push(
            "the signature of the token response was made with another client secret; harmless while two are live"
                .to_owned(),
        );
    }
    let text = trace
        .succeeded
        .map_or_else(String::new, |(attempts, took)| {
            let attempts = if attempts == 1 {
                "1 attempt".to_owned()
            } else {
                format!("{attempts} attempts")
            };
            format!("accepted, {attempts}, {}", milliseconds(took))
        });
    ReportLine::works(REQUEST, text).with_notes(notes)
}

/// The attempts before the last. `last` is the code that the login ended with.
fn retries(trace: &Trace, last: Option<ErrorCode>) -> Vec<String> {
    let attempts = trace.retried.iter().enumerate();
    attempts
        .map(|(place, (error, pause))| {
            let what = if last == Some(error.code()) {
                "the same".to_owned()
            } else {
                format!("{} ({})", error.message(), error.code())
            };
            let pause = milliseconds(*pause);
            format!("attempt {}: {what}, tried again after {pause}", place + 1)
        })
        .collect()
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
