//! Where all output goes. What is known to be secret, or looks like it, is taken out of it; only
//! `reveal` prints a text as it is.

use std::io::{self, Write};

use forcegrant::Secret;

use crate::problem::Problem;

pub(crate) struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    secrets: Vec<Secret>,
}

/// A secret shorter than this is none, and taking it out would garble everything else.
const SHORTEST: usize = 4;
const HIDDEN: &str = "[redacted]";

impl<'a> Console<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self {
            out,
            err,
            secrets: Vec::new(),
        }
    }

    /// From now on this text is taken out of all output.
    pub(crate) fn hide(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() >= SHORTEST {
            self.secrets.push(Secret::new(secret));
        }
    }

    /// Lines for standard output, out at once: a login may take its time after them.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        let text = self.clean(text);
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Prints an access token, which is what the user asked for.
    pub(crate) fn reveal(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// A failure, on standard error.
    pub(crate) fn report(&mut self, problem: &Problem) -> io::Result<()> {
        self.complain(&failure(problem))?;
        self.complain_more(&format!(
            "  Error code: {}. `forcegrant doctor` checks step by step.",
            problem.code
        ))
    }

    /// A command line that can not be understood, on standard error.
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
        let mut clean: String = text
            .chars()
            .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
            .collect();
        for secret in &self.secrets {
            clean = without(&clean, secret.expose());
        }
        without_lookalikes(&clean)
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

/// Takes a secret out in any letter case, as a host name parser changes it.
fn without(text: &str, secret: &str) -> String {
    // Lower-casing ASCII keeps every byte's place.
    let (lower, secret) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(place) = lower[done..].find(&secret) {
        clean.push_str(&text[done..done + place]);
        clean.push_str(HIDDEN);
        done += place + secret.len();
    }
    clean.push_str(&text[done..]);
    clean
}

/// Takes out what has the form of a secret: one that was put into a wrong variable is not known,
/// and the complaint about that variable would repeat it.
fn without_lookalikes(text: &str) -> String {
    let part_of_a_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '!' | '.' | '_');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c| !part_of_a_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        clean.push_str(if looks_secret(word) { HIDDEN } else { word });
        let next = after.find(part_of_a_word).unwrap_or(after.len());
        clean.push_str(&after[..next]);
        rest = &after[next..];
    }
    clean
}

/// A consumer secret has 64 hexadecimal digits; a session id is an org id of 15 characters, `!` and
/// more (both as in Salesforce's samples).
fn looks_secret(word: &str) -> bool {
    let secret = word.len() >= 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let session = word.split_once('!').is_some_and(|(org, rest)| {
        org.len() == 15 && org[..3].eq_ignore_ascii_case("00d") && rest.len() >= 8
    });
    secret || session
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_in_any_case_and_control_characters_too() {
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

    #[test]
    fn what_has_the_form_of_a_secret_is_taken_out() {
        let secret = "0123456789ABCDEF".repeat(4);
        let short = &secret[1..];
        let text = format!("é `{secret}` {short} (00Dxx0000001gPL!AQ8.AQ_x) a!b");
        assert_eq!(
            without_lookalikes(&text),
            format!("é `[redacted]` {short} ([redacted]) a!b")
        );
    }
}
