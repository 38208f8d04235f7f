//! What a command logs in with: a saved connection, or separate values of the command line and the environment.

use std::collections::BTreeMap;

use forcegrant::connections::{Connection, Connections};
use forcegrant::ffi::command_line;
use forcegrant::store::StoreConfig;
use forcegrant::{Client, ClientBuilder, Environment, ErrorCode};

use crate::configuration::{Configuration, NetworkOptions};
use crate::console::Console;
use crate::options::CliOptions;
use crate::problem::{CommandFailure, Problem};
use crate::surroundings::Surroundings;

pub(crate) enum LoginSetup<'a> {
    Separate(Box<Configuration<'a>>),
    Saved(Box<SavedSetup<'a>>),
}

/// A saved connection, and how it was named.
pub(crate) struct SavedSetup<'a> {
    options: &'a CliOptions,
    pub(crate) environment: Environment,
    pub(crate) source: &'static str,
    /// The connection, or the error that says what is missing or wrong.
    pub(crate) found: Result<(Connections, Connection), Problem>,
}

impl<'a> LoginSetup<'a> {
    /// Reads everything and hides the secret from the console.
    pub(crate) fn read(
        options: &'a CliOptions,
        surroundings: &mut Surroundings<'_>,
        console: &mut Console<'_>,
    ) -> Result<Self, CommandFailure> {
        let environment = surroundings.environment.clone();
        let saved = |id: &str| {
            let connections = open(options, &environment)?;
            let connection = connections.get(id)?;
            Ok((connections, connection))
        };
        let is_separate = options.login_url.is_some()
            || options.client_id.is_some()
            || options.secret.is_some()
            || options.token_url.is_some();
        let found = match &options.connection {
            Some(id) if id.is_empty() => return Err(which_one(options, &environment)),
            Some(id) => saved(id),
            None if is_separate => {
                return Ok(Self::separate(options, surroundings, console));
            }
            None => match command_line::connection_id(&environment) {
                Ok(Some(_)) if options.credentials_option().is_some() => {
                    let option = options.credentials_option().unwrap_or_default();
                    return Err(CommandFailure::Usage(format!(
                        "FORCEGRANT_CONNECTION brings its own credentials: leave out `--{option}`"
                    )));
                }
                Ok(Some(id)) => saved(&id),
                Ok(None) => return Ok(Self::separate(options, surroundings, console)),
                Err(error) => Err(error.into()),
            },
        };
        let source = if options.connection.is_some() {
            "--connection"
        } else {
            "FORCEGRANT_CONNECTION"
        };
        Ok(Self::Saved(Box::new(SavedSetup {
            options,
            environment,
            source,
            found,
        })))
    }

    fn separate(
        options: &'a CliOptions,
        surroundings: &mut Surroundings<'_>,
        console: &mut Console<'_>,
    ) -> Self {
        let configuration = Configuration::read(options, surroundings, console);
        Self::Separate(Box::new(configuration))
    }

    /// The client, or the first thing that is wrong.
    pub(crate) fn client(
        &self,
        adapt: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Client, Problem> {
        match self {
            Self::Separate(configuration) => configuration.client(adapt).map_err(|problem| {
                let ids = ids(configuration.options, &configuration.environment);
                match problem.code {
                    ErrorCode::MissingCredentials if !ids.is_empty() => Problem {
                        help: format!(
                            "{}\nOr name a saved connection with --connection. Saved are: {}.",
                            problem.help,
                            ids.join(", ")
                        ),
                        ..problem
                    },
                    _ => problem,
                }
            }),
            Self::Saved(saved) => saved.client(adapt),
        }
    }

    /// The client; that of a connection shares its token with later runs.
    pub(crate) fn shared_client(&self, console: &mut Console<'_>) -> Result<Client, Problem> {
        let Self::Saved(saved) = self else {
            return self.client(|builder| builder);
        };
        match command_line::user_cache_store(&saved.environment) {
            Ok(store) => self.client(|builder| builder.store(StoreConfig::store(store))),
            Err(error) => {
                let note = format!(
                    "the token is not shared with later runs: {}",
                    error.message()
                );
                // What cannot be written here cannot be written later either.
                let _ = console.complain(&note);
                self.client(|builder| builder)
            }
        }
    }
}

impl SavedSetup<'_> {
    fn client(
        &self,
        adapt: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Client, Problem> {
        let (connections, connection) = self.found.as_ref().map_err(Clone::clone)?;
        let builder = connections.client_builder(connection.id())?;
        let network = NetworkOptions::read(self.options, &self.environment)?;
        Ok(adapt(network.apply(builder)).build()?)
    }
}

/// The connections of the folder that the options or the environment name.
pub(crate) fn open(
    options: &CliOptions,
    environment: &Environment,
) -> Result<Connections, Problem> {
    // A path on the command line is relative to the folder of the shell.
    let folder = options.folder.as_ref();
    let folder = folder.map(|folder| std::path::absolute(folder).unwrap_or(folder.clone()));
    command_line::connections(folder, environment).map_err(Problem::from)
}

/// "Which one?", with the connections that there are.
pub(crate) fn which_one(options: &CliOptions, environment: &Environment) -> CommandFailure {
    let saved = match ids(options, environment) {
        none if none.is_empty() => {
            "None is saved there: `forcegrant connect ID` makes one.".to_owned()
        }
        ids => format!("Saved are: {}.", ids.join(", ")),
    };
    CommandFailure::Usage(format!("Which one? {saved}"))
}

fn ids(options: &CliOptions, environment: &Environment) -> Vec<String> {
    let list = open(options, environment)
        .and_then(|connections| connections.list(&BTreeMap::new()).map_err(Problem::from));
    let found = list.map_or_else(|_| Vec::new(), |list| list.connections);
    found.iter().map(|found| found.id().to_owned()).collect()
}
