//! What a command reads besides its arguments.

use std::io::Read;
use std::time::Duration;

use forcegrant::Environment;

/// What a command can see besides its arguments.
pub struct Surroundings<'a> {
    /// The environment variables.
    pub environment: Environment,
    /// Standard input, read for `--client-secret-stdin` only.
    pub input: &'a mut dyn Read,
    /// Whether it is a terminal, which would show what is typed.
    pub input_is_terminal: bool,
    /// Waits between logins of one command.
    pub pause: &'a mut dyn FnMut(Duration),
}
