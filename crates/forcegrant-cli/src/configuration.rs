//! Login URL, client id and client secret with where each came from, and the client made of them.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use forcegrant::{Client, ClientBuilder, Error, Roots, Secret, SetupStep};

use crate::Surroundings;
use crate::console::Console;
use crate::environment::{CLIENT_ID, CLIENT_SECRET, LOGIN_URL, SECRET_FILE, first};
use crate::options::{Options, RootsFrom, SecretFrom};
use crate::problem::Problem;

/// What was found, each value by itself: `doctor` wants to name all that are missing.
pub(crate) struct Configuration<'a> {
    options: &'a Options,
    /// Blank if there is only a token URL.
    pub(crate) login_url: Result<Found<String>, Problem>,
    pub(crate) client_id: Result<Found<String>, Problem>,
    pub(crate) client_secret: Result<Found<Secret>, Problem>,
}

/// A value and where it came from.
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) source: String,
    /// Variables that are set to something else and do not count.
    pub(crate) unused: Vec<&'static str>,
}

/// More than any secret; a wrong file is not read to its end.
const LONGEST_SECRET: u64 = 64 * 1024;

impl<'a> Configuration<'a> {
    /// Reads everything and hides the secret from the console.
    pub(crate) fn read(
        options: &'a Options,
        surroundings: &mut Surroundings<'_>,
        console: &mut Console<'_>,
    ) -> Self {
        let variable = surroundings.variable;
        let text = |given: &Option<String>, option: &str, names, what| match given {
            Some(value) => Ok(Found {
                value: value.clone(),
                source: option.to_owned(),
                unused: Vec::new(),
            }),
            None => from_environment(names, variable).ok_or_else(|| missing(what, option, names)),
        };
        let mut login_url = text(&options.login_url, "--login-url", LOGIN_URL, "login URL");
        if login_url.is_err() && options.token_url.is_some() {
            login_url = Ok(Found {
                value: String::new(),
                source: "--token-url".to_owned(),
                unused: Vec::new(),
            });
        }
        let client_secret = secret(options, surroundings);
        if let Ok(found) = &client_secret {
            console.hide(found.value.expose());
        }
        Self {
            login_url,
            client_id: text(&options.client_id, "--client-id", CLIENT_ID, "client id"),
            client_secret,
            options,
        }
    }

    /// The client, or the first thing that is wrong.
    pub(crate) fn client(
        &self,
        adapt: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Client, Problem> {
        let found = |problem: &Problem| problem.clone();
        let login_url = self.login_url.as_ref().map_err(found)?;
        let client_id = self.client_id.as_ref().map_err(found)?;
        let secret = self.client_secret.as_ref().map_err(found)?;
        let builder = self.builder(&login_url.value, &client_id.value, secret.value.clone());
        Ok(adapt(self.with_network(builder)?).build()?)
    }

    /// The host that the credentials will be sent to.
    pub(crate) fn check_host(&self, login_url: &str) -> Result<String, Error> {
        let client = self.builder(login_url, "x", Secret::new("x")).build()?;
        Ok(client.login_host())
    }

    pub(crate) fn check_network(&self) -> Result<(), Problem> {
        let builder = self.with_network(Client::builder(PROBE, "x", "x"))?;
        builder.build()?;
        Ok(())
    }

    fn builder(&self, login_url: &str, client_id: &str, secret: Secret) -> ClientBuilder {
        let builder = Client::builder(login_url, client_id, secret)
            .auth_style(self.options.auth_style)
            .trusted_hosts(&self.options.trusted_hosts);
        match &self.options.token_url {
            Some(url) => builder.token_url(url),
            None => builder,
        }
    }

    fn with_network(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, Problem> {
        for (host, address) in &self.options.resolve {
            builder = builder.resolve(host, *address);
        }
        if let Some(total) = self.options.timeout {
            let (connect, attempt) = parts(total);
            builder = builder
                .total_timeout(total)
                .attempt_timeout(attempt)
                .connect_timeout(connect);
        }
        let roots = match &self.options.roots {
            RootsFrom::Platform => Roots::Platform,
            RootsFrom::Bundled => Roots::Bundled,
            RootsFrom::File(path) => Roots::Pem(read_roots(path)?),
        };
        Ok(builder.roots(roots).proxy(self.options.proxy.clone()))
    }
}

/// Any host that passes: a client for it is built to check something else, and never used.
const PROBE: &str = "probe.my.salesforce.com";

pub(crate) fn check_client_id(id: &str) -> Result<(), Error> {
    Client::builder(PROBE, id, "x").build().map(drop)
}

pub(crate) fn check_client_secret(secret: &Secret) -> Result<(), Error> {
    Client::builder(PROBE, "x", secret.clone())
        .build()
        .map(drop)
}

/// The start of a secret's SHA-256: eight digits tell two secrets apart, and too many texts share
/// them to find the secret by trying. `printf %s "$SECRET" | sha256sum` gives the same.
pub(crate) fn fingerprint(secret: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, secret.trim().as_bytes());
    digest.as_ref()[..4]
        .iter()
        .fold(String::with_capacity(8), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Connect and attempt timeouts that go with a total: the core's 5 s and 10 s beside its 30 s, in
/// proportion where the total is longer, cut where it is shorter.
fn parts(total: Duration) -> (Duration, Duration) {
    let attempt = (total / 3).max(Duration::from_secs(10)).min(total);
    let connect = (total / 6).max(Duration::from_secs(5)).min(total);
    (connect, attempt)
}

fn from_environment(
    names: &[&'static str],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<Found<String>> {
    let (value, name, unused) = first(names, variable)?;
    Some(Found {
        value,
        source: name.to_owned(),
        unused,
    })
}

fn secret(
    options: &Options,
    surroundings: &mut Surroundings<'_>,
) -> Result<Found<Secret>, Problem> {
    let found = |value, source, unused| Found {
        value,
        source,
        unused,
    };
    match &options.secret {
        Some(SecretFrom::File(path)) => {
            let source = format!("--client-secret-file {}", path.display());
            Ok(found(
                read_secret(path, "--client-secret-file")?,
                source,
                Vec::new(),
            ))
        }
        Some(SecretFrom::Input) => {
            let secret = read_input(surroundings)?;
            Ok(found(secret, "standard input".to_owned(), Vec::new()))
        }
        None => {
            let variable = surroundings.variable;
            let file = from_environment(&[SECRET_FILE], variable);
            match (from_environment(CLIENT_SECRET, variable), file) {
                (Some(named), file) => {
                    let mut unused = named.unused;
                    unused.extend(file.map(|_| SECRET_FILE));
                    Ok(found(Secret::new(named.value), named.source, unused))
                }
                (None, Some(file)) => {
                    let path = file.value.trim();
                    let secret = read_secret(Path::new(path), SECRET_FILE)?;
                    Ok(found(secret, format!("{SECRET_FILE}: {path}"), Vec::new()))
                }
                (None, None) => Err(missing(
                    "client secret",
                    "--client-secret-file",
                    &[CLIENT_SECRET, &[SECRET_FILE]].concat(),
                )),
            }
        }
    }
}

fn read_secret(path: &Path, named_by: &str) -> Result<Secret, Problem> {
    let failed = |error: std::io::Error| {
        // The variable may hold the secret itself instead of a path; so the path is not repeated.
        Problem::new(
            "invalid_option",
            format!(
                "the file that {named_by} names can not be read: {}",
                error.kind()
            ),
            "It holds the consumer secret and nothing else, as container secrets are mounted.",
        )
    };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    read_text(&mut file).map_err(failed)
}

fn read_input(surroundings: &mut Surroundings<'_>) -> Result<Secret, Problem> {
    if surroundings.input_is_terminal {
        return Err(Problem::new(
            "invalid_option",
            "standard input is a terminal, which would show the secret as it is typed",
            "Pipe it in: `secret-tool ... | forcegrant token --client-secret-stdin`.",
        ));
    }
    read_text(surroundings.input).map_err(|error| {
        Problem::new(
            "invalid_option",
            format!("standard input can not be read: {}", error.kind()),
            "It brings the consumer secret and nothing else.",
        )
    })
}

fn read_text(from: &mut dyn Read) -> std::io::Result<Secret> {
    let mut text = String::new();
    from.take(LONGEST_SECRET).read_to_string(&mut text)?;
    Ok(Secret::new(text))
}

fn read_roots(path: &Path) -> Result<Vec<u8>, Problem> {
    std::fs::read(path).map_err(|error| {
        Problem::new(
            "invalid_option",
            format!(
                "the file that --roots names can not be read: {}",
                error.kind()
            ),
            "Give `platform`, `bundled`, or a file with certificates in PEM form.",
        )
    })
}

fn missing(what: &str, option: &str, names: &[&str]) -> Problem {
    let problem = Problem::new(
        "missing_credentials",
        format!("no {what}: neither {option} nor {} is given", names[0]),
        format!(
            "The environment variables that are read, the first that is set counts:\n{}.",
            names.join(", ")
        ),
    );
    match names[0] {
        // The code's own step is the key and secret.
        "SALESFORCE_LOGIN_URL" => Problem {
            step: Some(SetupStep::Hostname),
            ..problem
        },
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_go_with_the_total() {
        let seconds = Duration::from_secs;
        assert_eq!(parts(seconds(30)), (seconds(5), seconds(10)));
        assert_eq!(parts(seconds(3)), (seconds(3), seconds(3)));
        assert_eq!(parts(seconds(120)), (seconds(20), seconds(40)));
    }

    #[test]
    fn the_fingerprint_is_of_the_trimmed_secret() {
        assert_eq!(fingerprint("abc"), "ba7816bf");
        assert_eq!(fingerprint(" abc\n"), "ba7816bf");
    }
}
