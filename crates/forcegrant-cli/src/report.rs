//! The lines of `doctor` and `verify`.

use std::fmt::{self, Write as _};

use forcegrant::{SetupStep, Token};

use crate::problem::{Problem, number};
use crate::time::rfc3339;

/// What one line says about its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineStatus {
    Works,
    Fails,
    /// Not reached, or unknown.
    Open,
}

/// `OK    login URL      ...`, with notes and help below it.
#[derive(Clone, Debug)]
pub(crate) struct ReportLine {
    mark: LineStatus,
    subject: &'static str,
    text: String,
    notes: Vec<String>,
    help: String,
}

impl ReportLine {
    pub(crate) fn new(mark: LineStatus, subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            mark,
            subject,
            text: text.into(),
            notes: Vec::new(),
            help: String::new(),
        }
    }

    pub(crate) fn works(subject: &'static str, text: impl Into<String>) -> Self {
        Self::new(LineStatus::Works, subject, text)
    }

    pub(crate) fn fails(subject: &'static str, text: impl Into<String>) -> Self {
        Self::new(LineStatus::Fails, subject, text)
    }

    pub(crate) fn not_reached(subject: &'static str) -> Self {
        Self::new(LineStatus::Open, subject, "not reached")
    }

    pub(crate) fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    pub(crate) fn with_help(mut self, help: &str) -> Self {
        help.clone_into(&mut self.help);
        self
    }
}

impl fmt::Display for ReportLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            LineStatus::Works => "OK",
            LineStatus::Fails => "FAIL",
            LineStatus::Open => "--",
        };
        write!(f, "{mark:<4}  {:<14} {}", self.subject, self.text)?;
        for note in &self.notes {
            write!(f, "\n      {:<14} note: {note}", "")?;
        }
        for line in self.help.lines() {
            write!(f, "\n      {line}")?;
        }
        Ok(())
    }
}

/// Format, scopes and end of the token, without the token itself.
pub(crate) fn token_lines(token: &Token) -> [ReportLine; 2] {
    let scopes = match token.scopes() {
        [] => "scopes not stated".to_owned(),
        scopes => format!("scopes: {}", scopes.join(" ")),
    };
    let expiry = token.expiry();
    let how = match expiry.source().as_str() {
        "jwt" => "stated in the token itself (JWT)",
        "expires_in" => "stated in the token response (expires_in)",
        "default" => "estimated: Salesforce does not say, so 30 minutes are assumed",
        "configured" => "estimated: the session timeout as configured",
        _ if expiry.is_known() => "stated by Salesforce",
        _ => "estimated",
    };
    [
        ReportLine::works(
            "token response",
            format!("{} token, {scopes}", token.token_format().as_str()),
        ),
        ReportLine::works("expiry", format!("{}, {how}", rfc3339(expiry.at()))),
    ]
}

/// Org and user behind a token.
pub(crate) fn identity(token: &Token) -> String {
    format!(
        "org {}, user {}",
        token.org_id().unwrap_or("not stated"),
        token.user_id().unwrap_or("not stated")
    )
}

pub(crate) fn api_line(token: &Token, usage: Option<(u64, u64)>) -> ReportLine {
    let used = usage.map_or_else(String::new, |(used, allowed)| {
        format!(", {used} of {allowed} requests used in 24 hours")
    });
    ReportLine::works("API call", format!("{}{used}", token.instance_url()))
}

/// The six steps with a mark at the one to look at.
pub(crate) fn steps(problem: &Problem) -> String {
    let mut text = match problem.step {
        Some(_) => "Set-up steps in Salesforce, => marks the one to look at:".to_owned(),
        None => "Set-up steps in Salesforce; this failure points to none of them:".to_owned(),
    };
    for step in SetupStep::ALL {
        let mark = if problem.step == Some(step) { "=>" } else { "" };
        let _ = write!(
            text,
            "\n{mark:>4} {}. {:<15} {}",
            number(step),
            step.as_str(),
            in_words(step)
        );
    }
    text
}

fn in_words(step: SetupStep) -> &'static str {
    match step {
        SetupStep::CreateApp => "create the external client app: OAuth on, scope api",
        SetupStep::EnableFlow => "enable the client credentials flow in the app's settings",
        SetupStep::RunAsUser => "set Run As (Username) in the app's policies",
        SetupStep::AppPolicies => "let that user's profile or permission set use the app",
        SetupStep::KeyAndSecret => "copy the app's consumer key and secret",
        SetupStep::Hostname => "use the org's My Domain host",
        _ => "",
    }
}
