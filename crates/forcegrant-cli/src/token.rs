//! `forcegrant token`.

use std::io;

use forcegrant::{Token, blocking};
use serde_json::json;

use crate::arguments::TokenForm;
use crate::configuration::Configuration;
use crate::console::Console;
use crate::exit_codes::{FAILED, FINE};
use crate::options::CliOptions;
use crate::problem::Problem;
use crate::surroundings::Surroundings;
use crate::time::rfc3339;

/// Prints the token and nothing else, also to a terminal, as the commands of other clouds do; scripts rely on it.
pub(crate) fn run(
    options: &CliOptions,
    form: TokenForm,
    mut surroundings: Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    let configuration = Configuration::read(options, &mut surroundings, console);
    let token = configuration.client(|builder| builder).and_then(|client| {
        blocking::Client::from(client)
            .token()
            .map_err(Problem::from)
    });
    match token {
        Ok(token) => console.reveal(&written(&token, form)).map(|()| FINE),
        Err(problem) => console.report(&problem).map(|()| FAILED),
    }
}

fn written(token: &Token, form: TokenForm) -> String {
    match form {
        TokenForm::Plain => token.access_token().to_owned(),
        TokenForm::Header => format!("Authorization: {}", token.authorization()),
        TokenForm::Json => in_json(token),
    }
}

fn in_json(token: &Token) -> String {
    let expiry = token.expiry();
    let object = json!({
        "access_token": token.access_token(),
        "instance_url": token.instance_url(),
        "org_id": token.org_id(),
        "user_id": token.user_id(),
        "scopes": token.scopes(),
        "expiry": {
            "at": rfc3339(expiry.at()),
            "source": expiry.source().as_str(),
            "certainty": expiry.certainty().as_str(),
        },
    });
    format!("{object:#}")
}
