//! `forcegrant call`: one API call with the token, through the core's adapter for reqwest.

use std::io::{self, Read};

use forcegrant::ErrorCode;
use forcegrant::blocking::{self, ClientExt as _};
use forcegrant::calls::CallError;
use forcegrant::reqwest::Method;

use crate::console::Console;
use crate::exit_codes::{CLIENT_ERROR, FINE, SERVER_ERROR};
use crate::login_setup::LoginSetup;
use crate::options::{CallOptions, CliOptions, SecretFrom};
use crate::problem::{CommandFailure, Problem};
use crate::surroundings::Surroundings;

/// The response body goes to standard output, all else to standard error.
pub(crate) fn run(
    options: &CliOptions,
    call: &CallOptions,
    mut surroundings: Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    match send(options, call, &mut surroundings, console) {
        Ok(mut response) => deliver(&mut response, call, console),
        Err(failure) => console.stop(&failure),
    }
}

fn send(
    options: &CliOptions,
    call: &CallOptions,
    surroundings: &mut Surroundings<'_>,
    console: &mut Console<'_>,
) -> Result<blocking::Response, CommandFailure> {
    if call.data.as_deref() == Some("-") && options.secret == Some(SecretFrom::Input) {
        return Err(CommandFailure::Usage(
            "standard input is one of `--data -` and `--client-secret-stdin`".to_owned(),
        ));
    }
    let method = Method::from_bytes(call.method.as_bytes())
        .map_err(|_| CommandFailure::Usage("METHOD is an HTTP method, such as GET".to_owned()))?;
    let setup = LoginSetup::read(options, surroundings, console)?;
    let client = blocking::Client::from(setup.shared_client(console)?);
    let body = match &call.data {
        None => None,
        Some(data) => Some(body(data, surroundings)?),
    };
    let mut builder = client.request(method, &call.path);
    let is_named = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
    if body.is_some() && !call.headers.iter().any(is_named) {
        builder = builder.header("content-type", "application/json");
    }
    for (name, value) in &call.headers {
        builder = builder.header(name, value);
    }
    if let Some(body) = body {
        builder = builder.body(body);
    }
    let response = builder.send().map_err(|error| match error {
        CallError::Token(error) => Problem::from(error),
        error => Problem::new(
            ErrorCode::ConnectFailed,
            format!("the call had no response: {error}"),
            "",
        ),
    })?;
    if let Some(token) = client.cached() {
        console.hide(token.access_token());
    }
    Ok(response)
}

/// A text, a file (`@FILE`) or standard input (`-`).
fn body(data: &str, surroundings: &mut Surroundings<'_>) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = match data.strip_prefix('@') {
        _ if data == "-" => surroundings.input.read_to_end(&mut bytes).map(drop),
        Some(path) => std::fs::read(path).map(|file| bytes = file),
        None => {
            bytes = data.as_bytes().to_vec();
            Ok(())
        }
    };
    read.map(|()| bytes).map_err(|error| {
        Problem::new(
            ErrorCode::InvalidOption,
            format!(
                "the body that --data names cannot be read: {}",
                error.kind()
            ),
            "Give a text, @FILE, or - for standard input.",
        )
    })
}

fn deliver(
    response: &mut blocking::Response,
    call: &CallOptions,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    let status = response.status();
    if call.include {
        console.tell(&format!("HTTP {status}"))?;
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            console.tell(&format!("{name}: {value}"))?;
        }
    } else if status.as_u16() >= 400 {
        console.complain(&format!("the response has the status {status}"))?;
    }
    let mut piece = [0; 16 * 1024];
    loop {
        match response.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => console.pass(&piece[..length])?,
            Err(error) => {
                let problem = Problem::new(
                    ErrorCode::ConnectFailed,
                    format!("the response broke off: {error}"),
                    "",
                );
                return console.stop(&problem.into());
            }
        }
    }
    Ok(match status.as_u16() {
        ..400 => FINE,
        400..500 => CLIENT_ERROR,
        _ => SERVER_ERROR,
    })
}
