//! `forcegrant completions`: scripts for the shells.

use std::io;

use crate::console::Console;
use crate::exit_codes::{FINE, USAGE};

/// By shell. `clap_complete` makes them from the table of the commands; a test compares them with it.
const SCRIPTS: [(&str, &str); 4] = [
    ("bash", include_str!("../completions/forcegrant.bash")),
    ("zsh", include_str!("../completions/forcegrant.zsh")),
    ("fish", include_str!("../completions/forcegrant.fish")),
    (
        "powershell",
        include_str!("../completions/forcegrant.powershell"),
    ),
];

pub(crate) fn run(shell: &str, console: &mut Console<'_>) -> io::Result<u8> {
    match SCRIPTS.iter().find(|(name, _)| *name == shell) {
        Some((_, script)) => console.pass(script.as_bytes()).map(|()| FINE),
        None => console
            .usage("`completions` knows bash, zsh, fish and powershell")
            .map(|()| USAGE),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap_complete::Shell;

    use super::SCRIPTS;
    use crate::commands::{COMMANDS, CommandSpec, OptionSpec};

    /// With `FORCEGRANT_UPDATE_DOCS=1` it writes them.
    #[test]
    fn scripts_are_those_of_the_commands() {
        let mut program =
            clap::Command::new("forcegrant").subcommands(COMMANDS.iter().map(command));
        for (name, script) in SCRIPTS {
            let shell: Shell = name.parse().unwrap();
            let mut made = Vec::new();
            clap_complete::generate(shell, &mut program, "forcegrant", &mut made);
            let made = String::from_utf8(made).unwrap();
            if std::env::var_os("FORCEGRANT_UPDATE_DOCS").is_some() {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
                std::fs::write(folder.join(format!("forcegrant.{name}")), made).unwrap();
                continue;
            }
            assert!(
                made == script,
                "completions/forcegrant.{name} is outdated: FORCEGRANT_UPDATE_DOCS=1 cargo test -p forcegrant-cli --lib scripts_are writes it"
            );
        }
    }

    fn command(spec: &CommandSpec) -> clap::Command {
        let command = clap::Command::new(spec.name)
            .about(spec.about)
            .subcommands(spec.commands.iter().map(command))
            .args(spec.all_options().map(option));
        if spec.word_values.is_empty() {
            return command;
        }
        command.arg(clap::Arg::new("word").value_parser(spec.word_values.to_vec()))
    }

    fn option(spec: &OptionSpec) -> clap::Arg {
        let option = clap::Arg::new(spec.name).long(spec.name).help(spec.help);
        let Some(value) = spec.value else {
            return option.action(clap::ArgAction::SetTrue);
        };
        let option = option.value_name(value).value_hint(match value {
            "FILE" => clap::ValueHint::FilePath,
            "DIR" => clap::ValueHint::DirPath,
            _ => clap::ValueHint::Other,
        });
        match spec.values {
            [] => option,
            values => option.value_parser(values.to_vec()),
        }
    }
}
