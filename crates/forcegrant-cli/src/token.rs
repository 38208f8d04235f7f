//! `forcegrant token`.

use std::io;

use forcegrant::{Token, blocking};
use serde_json::json;

use crate::arguments::TokenForm;
use crate::console::Console;
use crate::exit_codes::FINE;
use crate::login_setup::LoginSetup;
use crate::options::CliOptions;
use crate::surroundings::Surroundings;
use crate::time::rfc3339;

/// Prints the token and nothing else, also to a terminal, as the commands of other clouds do; scripts rely on it.
pub(crate) fn run(
    options: &CliOptions,
    form: TokenForm,
    mut surroundings: Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    let setup = LoginSetup::read(options, &mut surroundings, console);
    let token = setup.and_then(|setup| {
        let client = setup.shared_client(console)?;
        Ok(blocking::Client::from(client).token()?)
    });
    match token {
        Ok(token) => console.reveal(&written(&token, form)).map(|()| FINE),
        Err(failure) => console.stop(&failure),
    }
}

fn written(token: &Token, form: TokenForm) -> String {
    match form {
        TokenForm::Plain => token.access_token().to_owned(),
        TokenForm::Header => format!("Authorization: {}", token.authorization()),
        TokenForm::Json => in_json(token),
    }
}

/// The protocol for other tools: fields may be added, and a change of what is there is a new version.
fn in_json(token: &Token) -> String {
    let expiry = token.expiry();
    let object = json!({
        "version": 1,
        "token_type": "Bearer",
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
