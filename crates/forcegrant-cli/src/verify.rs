//! `forcegrant verify`.

use std::io;

use crate::configuration::Configuration;
use crate::console::Console;
use crate::login::{self, Outcome};
use crate::options::Options;
use crate::problem::Problem;
use crate::report::{Line, api_line, identity, token_lines};
use crate::{FAILED, FINE, Surroundings};

/// What works goes to standard output, what does not to standard error.
pub(crate) fn run(
    options: &Options,
    mut surroundings: Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    let configuration = Configuration::read(options, &mut surroundings, console);
    let outcome = match login::verify(&configuration, console) {
        Ok((outcome, _)) => outcome,
        Err(problem) => return console.report(&problem).map(|()| FAILED),
    };
    let token = match &outcome {
        Outcome::Works(token, _) => Some(token),
        Outcome::NoApi(token, _) => token.as_ref(),
        Outcome::NoToken(_) => None,
    };
    if let Some(token) = token {
        console.say(&Line::works("login", identity(token)).to_string())?;
        for line in token_lines(token) {
            console.say(&line.to_string())?;
        }
    }
    match outcome {
        Outcome::Works(token, usage) => console
            .say(&api_line(&token, usage).to_string())
            .map(|()| FINE),
        Outcome::NoApi(_, error) | Outcome::NoToken(error) => {
            console.report(&Problem::from(error)).map(|()| FAILED)
        }
    }
}
