//! All output goes through here. Known secrets, and what looks like one, are redacted; only `reveal` prints a text
//! unchanged.

use std::io::{self, Write};

use forcegrant::ffi::Redactor;

use crate::exit_codes::{FAILED, USAGE};
use crate::problem::{CommandFailure, Problem};

pub(crate) struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    redactor: Redactor,
}

impl<'a> Console<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self {
            out,
            err,
            redactor: Redactor::new(),
        }
    }

    /// From now on this text is redacted in all output.
    pub(crate) fn hide(&mut self, secret: &str) {
        self.redactor = std::mem::take(&mut self.redactor).hide_whole(secret.trim());
    }

    /// Lines for standard output, flushed at once, because a login may take some time after them.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        let text = self.clean(text);
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Prints a text unchanged: an access token or a key that the user asked for, or what has no secret.
    pub(crate) fn reveal(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Bytes of a response or a script, unchanged.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }

    /// A line for the person, on standard error.
    pub(crate) fn tell(&mut self, text: &str) -> io::Result<()> {
        self.complain_more(text)
    }

    /// The link of the page, unchanged, on standard error: it looks like a secret, works once and is meant to be read.
    pub(crate) fn tell_link(&mut self, link: &str) -> io::Result<()> {
        writeln!(self.err, "  {link}")?;
        self.err.flush()
    }

    /// A question, on standard error; the line does not end.
    pub(crate) fn ask(&mut self, text: &str) -> io::Result<()> {
        let text = self.clean(text);
        write!(self.err, "{text} ")?;
        self.err.flush()
    }

    /// Why a command stopped, on standard error, and its exit code.
    pub(crate) fn stop(&mut self, failure: &CommandFailure) -> io::Result<u8> {
        match failure {
            CommandFailure::Usage(text) => self.usage(text).map(|()| USAGE),
            CommandFailure::Problem(problem) => self.report(problem).map(|()| FAILED),
        }
    }

    /// A failure, on standard error.
    pub(crate) fn report(&mut self, problem: &Problem) -> io::Result<()> {
        self.complain(&failure(problem))?;
        self.complain_more(&format!(
            "  Error code: {}. `forcegrant doctor` checks step by step.",
            problem.code
        ))
    }

    /// A command line that cannot be understood, on standard error.
    pub(crate) fn usage(&mut self, text: &str) -> io::Result<()> {
        self.complain(&indent_rest(text))?;
        self.complain_more("  See `forcegrant --help`.")
    }

    pub(crate) fn complain(&mut self, text: &str) -> io::Result<()> {
        self.complain_more(&format!("forcegrant: {text}"))
    }

    fn complain_more(&mut self, text: &str) -> io::Result<()> {
        let text = self.clean(text);
        writeln!(self.err, "{text}")
    }

    fn clean(&self, text: &str) -> String {
        let lines = text.split('\n').map(|line| self.redactor.redact(line));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Message and indented help.
fn failure(problem: &Problem) -> String {
    let mut text = problem.message.clone();
    for line in problem.help.lines() {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}

fn indent_rest(text: &str) -> String {
    text.replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted_in_any_case_and_control_characters_replaced() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut out, &mut err);
        console.hide(" Hunter22\n");
        console.hide("abc");
        console.say("hunter22.my \u{1b}[31m abc HUNTER22é").unwrap();
        console.complain("Hunter22").unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "[redacted].my  [31m abc [redacted]é\n"
        );
        assert_eq!(String::from_utf8(err).unwrap(), "forcegrant: [redacted]\n");
    }
}
