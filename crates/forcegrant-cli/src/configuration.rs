//! Login URL, client id and client secret with where each came from, and the client made of them.

use std::fmt::Write as _;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use forcegrant::ffi::command_line::{self, EnvironmentCredentials, Wanted};
use forcegrant::{Client, ClientBuilder, Environment, Error, ErrorCode, Proxy, Roots, Secret};

use crate::console::Console;
use crate::options::{CliOptions, RootsFrom, SecretFrom};
use crate::problem::Problem;
use crate::surroundings::Surroundings;

/// The values that were found, each by itself: `doctor` names all that are missing.
pub(crate) struct Configuration<'a> {
    pub(crate) options: &'a CliOptions,
    pub(crate) environment: Environment,
    /// Empty if there is only a token URL.
    pub(crate) login_url: Result<ConfigValue<String>, Problem>,
    pub(crate) client_id: Result<ConfigValue<String>, Problem>,
    pub(crate) client_secret: Result<ConfigValue<Secret>, Problem>,
}

/// A value and where it came from.
pub(crate) struct ConfigValue<T> {
    pub(crate) value: T,
    pub(crate) source: String,
    /// Variables that are set to something else and are not used.
    pub(crate) unused: Vec<&'static str>,
}

impl<T> ConfigValue<T> {
    fn given(value: T, source: impl Into<String>) -> Self {
        Self {
            value,
            source: source.into(),
            unused: Vec::new(),
        }
    }
}

/// Longer than any secret, so that a wrong file is not read to its end.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

impl<'a> Configuration<'a> {
    /// Reads everything and hides the secret from the console.
    pub(crate) fn read(
        options: &'a CliOptions,
        surroundings: &mut Surroundings<'_>,
        console: &mut Console<'_>,
    ) -> Self {
        let parts = EnvironmentCredentials::read(
            &surroundings.environment,
            Wanted {
                login_url: options.login_url.is_none() && options.token_url.is_none(),
                client_id: options.client_id.is_none(),
                client_secret: options.secret.is_none(),
            },
        );
        let text = |given: &Option<String>, option: &str, part, what| match given {
            Some(value) => Ok(ConfigValue::given(value.clone(), option)),
            None => in_environment(part, what, option)
                .map(|found| found.map(|value| value.expose().to_owned())),
        };
        let mut login_url = text(
            &options.login_url,
            "--login-url",
            parts.login_url,
            "login URL",
        );
        if login_url.is_err() && options.token_url.is_some() {
            login_url = Ok(ConfigValue::given(String::new(), "--token-url"));
        }
        let client_secret = match &options.secret {
            Some(from) => secret(from, surroundings),
            None => in_environment(parts.client_secret, "client secret", "--client-secret-file"),
        };
        if let Ok(found) = &client_secret {
            console.hide(found.value.expose());
        }
        Self {
            login_url,
            client_id: text(
                &options.client_id,
                "--client-id",
                parts.client_id,
                "client id",
            ),
            client_secret,
            environment: surroundings.environment.clone(),
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
        let network = NetworkOptions::read(self.options, &self.environment)?;
        Ok(adapt(network.apply(builder)).build()?)
    }

    /// The host that the credentials will be sent to.
    pub(crate) fn check_host(&self, login_url: &str) -> Result<String, Error> {
        let builder = self.builder(login_url, "x", Secret::new("x"));
        let client = builder.proxy(forcegrant::Proxy::None).build()?;
        Ok(client.login_host())
    }

    fn builder(&self, login_url: &str, client_id: &str, secret: Secret) -> ClientBuilder {
        let builder = Client::builder(login_url, client_id, secret)
            .auth_style(self.options.auth_style.unwrap_or_default())
            .trusted_hosts(&self.options.trusted_hosts);
        match &self.options.token_url {
            Some(url) => builder.token_url(url),
            None => builder,
        }
    }
}

/// What the options say about the way to Salesforce, read once.
#[derive(Clone)]
pub(crate) struct NetworkOptions {
    resolve: Vec<(String, SocketAddr)>,
    timeout: Option<Duration>,
    roots: Roots,
    proxy: Proxy,
    environment: Environment,
}

impl NetworkOptions {
    pub(crate) fn read(options: &CliOptions, environment: &Environment) -> Result<Self, Problem> {
        if let RootsFrom::File(path) = &options.roots {
            check_readable(path)?;
        }
        Ok(Self {
            resolve: options.resolve.clone(),
            timeout: options.timeout,
            roots: options.roots.roots(),
            proxy: options.proxy.clone(),
            environment: environment.clone(),
        })
    }

    /// The same builder with these options.
    pub(crate) fn apply(&self, mut builder: ClientBuilder) -> ClientBuilder {
        for (host, address) in &self.resolve {
            builder = builder.resolve(host, *address);
        }
        if let Some(total) = self.timeout {
            let (connect, attempt) = parts(total);
            builder = builder
                .total_timeout(total)
                .attempt_timeout(attempt)
                .connect_timeout(connect);
        }
        builder
            .roots(self.roots.clone())
            .proxy(self.proxy.clone())
            .environment(self.environment.clone())
    }
}

/// How the host is reached, if it is known and all options about that are right.
pub(crate) fn check_network(
    host: Option<&str>,
    options: &CliOptions,
    environment: &Environment,
) -> Result<String, Problem> {
    let builder = Client::builder(PROBE_HOST, "x", "x");
    NetworkOptions::read(options, environment)?
        .apply(builder)
        .build()?;
    let Some(host) = host else {
        return Ok("the options can be used".to_owned());
    };
    let route = command_line::route(&options.proxy, environment, host)?;
    Ok(route
        .replace("the option says so", "--proxy none")
        .replace("option proxy", "--proxy"))
}

/// Any valid host: a client for it is built to check something else, and never used.
const PROBE_HOST: &str = "probe.my.salesforce.com";

pub(crate) fn check_client_id(id: &str) -> Result<(), Error> {
    probe(id, Secret::new("x"))
}

pub(crate) fn check_client_secret(secret: &Secret) -> Result<(), Error> {
    probe("x", secret.clone())
}

/// What is wrong with the client credentials, whatever the proxy.
fn probe(id: &str, secret: Secret) -> Result<(), Error> {
    let builder = Client::builder(PROBE_HOST, id, secret).proxy(forcegrant::Proxy::None);
    builder.build().map(drop)
}

/// The start of the SHA-256 of a secret as it is sent: eight digits distinguish two secrets, and too many texts share
/// them to find the secret by trying. `printf %s "$SECRET" | sha256sum` gives the same.
pub(crate) fn fingerprint(secret: &str) -> String {
    let digest = ring::digest::digest(
        &ring::digest::SHA256,
        command_line::meant(secret).as_bytes(),
    );
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

impl<T> ConfigValue<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> ConfigValue<U> {
        ConfigValue {
            value: change(self.value),
            source: self.source,
            unused: self.unused,
        }
    }
}

/// A value from the environment, or an error that says which variables to set.
fn in_environment(
    part: Result<command_line::FoundVariable, Error>,
    what: &str,
    option: &str,
) -> Result<ConfigValue<Secret>, Problem> {
    match part {
        Ok(found) => Ok(ConfigValue {
            value: found.value,
            source: match found.file {
                Some(path) => format!("{}: {}", found.name, path.display()),
                None => found.name.to_owned(),
            },
            unused: found.unused,
        }),
        Err(error) if error.code() == ErrorCode::MissingCredentials => Err(Problem {
            message: format!("no {what}: {option} is not given, and {}", error.message()),
            ..Problem::from(error)
        }),
        Err(error) => Err(error.into()),
    }
}

/// The secret that an option names.
pub(crate) fn secret(
    from: &SecretFrom,
    surroundings: &mut Surroundings<'_>,
) -> Result<ConfigValue<Secret>, Problem> {
    match from {
        SecretFrom::File(path) => {
            let secret = command_line::read_secret_file("--client-secret-file", path)?;
            let source = format!("--client-secret-file {}", path.display());
            Ok(ConfigValue::given(secret, source))
        }
        SecretFrom::Input => Ok(ConfigValue::given(
            read_input(surroundings)?,
            "standard input",
        )),
    }
}

fn read_input(surroundings: &mut Surroundings<'_>) -> Result<Secret, Problem> {
    if surroundings.input_is_terminal {
        return Err(Problem::new(
            ErrorCode::InvalidOption,
            "standard input is a terminal, which would show the secret as it is typed",
            "Pipe it in: `secret-tool ... | forcegrant token --client-secret-stdin`.",
        ));
    }
    read_text(surroundings.input).map_err(|error| {
        Problem::new(
            ErrorCode::InvalidOption,
            format!("standard input cannot be read: {}", error.kind()),
            "Pipe in the consumer secret and nothing else.",
        )
    })
}

fn read_text(from: &mut dyn Read) -> std::io::Result<Secret> {
    let mut text = String::new();
    from.take(MAX_SECRET_BYTES).read_to_string(&mut text)?;
    Ok(Secret::new(text))
}

fn check_readable(path: &Path) -> Result<(), Problem> {
    std::fs::read(path).map(drop).map_err(|error| {
        Problem::new(
            ErrorCode::InvalidOption,
            format!(
                "the file that --roots names cannot be read: {}",
                error.kind()
            ),
            "Give `platform`, `bundled`, or a file with certificates in PEM form.",
        )
    })
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
