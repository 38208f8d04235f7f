//! `forcegrant verify`.

use std::io;

use crate::console::Console;
use crate::exit_codes::{FAILED, FINE};
use crate::login::{self, VerifyOutcome};
use crate::login_setup::LoginSetup;
use crate::options::CliOptions;
use crate::problem::Problem;
use crate::report::{ReportLine, api_line, identity, token_lines};
use crate::surroundings::Surroundings;

/// What works goes to standard output, what does not to standard error.
pub(crate) fn run(
    options: &CliOptions,
    mut surroundings: Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    let verified = LoginSetup::read(options, &mut surroundings, console)
        .and_then(|setup| Ok(login::verify(&setup, console)?));
    let outcome = match verified {
        Ok((outcome, _)) => outcome,
        Err(failure) => return console.stop(&failure),
    };
    let token = match &outcome {
        VerifyOutcome::Works(token, _) => Some(token),
        VerifyOutcome::NoApi(token, _) => token.as_ref(),
        VerifyOutcome::NoToken(_) => None,
    };
    if let Some(token) = token {
        console.say(&ReportLine::works("login", identity(token)).to_string())?;
        for line in token_lines(token) {
            console.say(&line.to_string())?;
        }
    }
    match outcome {
        VerifyOutcome::Works(token, usage) => console
            .say(&api_line(&token, usage).to_string())
            .map(|()| FINE),
        VerifyOutcome::NoApi(_, error) | VerifyOutcome::NoToken(error) => {
            console.report(&Problem::from(error)).map(|()| FAILED)
        }
    }
}
