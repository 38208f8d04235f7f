//! The texts of `--help`.

use std::fmt::Write as _;

use crate::commands::{COMMANDS, CommandSpec};

const FIRST: &str = "\
Fetches Salesforce access tokens with the OAuth 2.0 client-credentials flow.

Usage: forcegrant COMMAND [options]

Commands:";

const REST: &str = "
`forcegrant COMMAND --help` shows the options of a command. The most common:
  --connection ID            a connection that `forcegrant connect` saved
  --login-url HOST           the org's My Domain, for example acme.my.salesforce.com,
                             or any address of the org as the browser shows it
  --client-id KEY            the app's consumer key
  --client-secret-file FILE  a file that holds the app's consumer secret alone
  --client-secret-stdin      read the consumer secret from standard input
  Without them: FORCEGRANT_CONNECTION, or SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID,
  SALESFORCE_CLIENT_SECRET or SALESFORCE_CLIENT_SECRET_FILE. The secret itself cannot be
  an argument: every user of the machine sees arguments in the process list, and the
  shell keeps them.

Exit codes: 0 success, 1 refused or failed, 2 the command line is wrong; `connect` and
`call` have more.

Example: the token is in no process list, and without one curl does not run.
  header=$(forcegrant token --header) && printf '%s\\n' \"$header\" |
    curl -H @- https://acme.my.salesforce.com/services/data/v60.0/limits";

/// Of the whole program, or of one command.
pub(crate) fn text(path: &[&CommandSpec]) -> String {
    match path.last() {
        None => {
            let mut text = FIRST.to_owned();
            list(&mut text, COMMANDS);
            text + "\n" + REST
        }
        Some(command) => of_command(path, command),
    }
}

fn of_command(path: &[&CommandSpec], command: &CommandSpec) -> String {
    let names: Vec<_> = path.iter().map(|command| command.name).collect();
    let mut text = format!(
        "forcegrant {0}: {1}\n\nUsage: forcegrant {0}",
        names.join(" "),
        command.about
    );
    if !command.commands.is_empty() {
        text.push_str(" [COMMAND]");
    }
    if !command.words.is_empty() {
        let _ = write!(text, " {}", command.words);
    }
    if !command.options.is_empty() {
        text.push_str(" [options]\n\nOptions:");
        for option in command.all_options() {
            let name = match option.value {
                Some(value) => format!("--{} {value}", option.name),
                None => format!("--{}", option.name),
            };
            let _ = write!(text, "\n  {name:<26} {}", option.help);
        }
    }
    if !command.commands.is_empty() {
        text.push_str("\n\nCommands:");
        list(&mut text, command.commands);
    }
    if !command.details.is_empty() {
        let _ = write!(text, "\n\n{}", command.details);
    }
    text
}

fn list(text: &mut String, commands: &[CommandSpec]) {
    for command in commands {
        let name = format!("{} {}", command.name, command.words);
        let _ = write!(text, "\n  {name:<24} {}", command.about);
    }
}
