//! `forcegrant completions`: scripts for the shells, made by `clap_complete` from the table of the commands.

use std::io;

use clap_complete::Shell;

use crate::commands::{COMMANDS, CommandSpec, OptionSpec};
use crate::console::Console;
use crate::exit_codes::{FINE, USAGE};

pub(crate) fn run(shell: &str, console: &mut Console<'_>) -> io::Result<u8> {
    let shell = match shell {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        "powershell" => Shell::PowerShell,
        _ => {
            return console
                .usage("`completions` knows bash, zsh, fish and powershell")
                .map(|()| USAGE);
        }
    };
    let mut script = Vec::new();
    let mut program = clap::Command::new("forcegrant").subcommands(COMMANDS.iter().map(command));
    clap_complete::generate(shell, &mut program, "forcegrant", &mut script);
    console.pass(&script).map(|()| FINE)
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
