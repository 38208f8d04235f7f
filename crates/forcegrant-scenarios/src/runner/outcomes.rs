//! Compares the result of a step with its expectation.

use forcegrant::{Error, Token};

use super::scenario_run::ScenarioRun;
use crate::calls::{CallFailure, ReadResponse};
use crate::driver::ClientDriver;
use crate::expect::{self, CheckResult};
use crate::scenario::{ExpectedCall, ExpectedOutcome};

impl<D: ClientDriver> ScenarioRun<'_, D> {
    pub(super) fn herd_outcomes(
        &mut self,
        outcomes: Vec<Result<Token, Error>>,
        expected: Option<&ExpectedOutcome>,
        secrets: &[String],
        mut save: Option<String>,
    ) -> CheckResult {
        let mut texts = outcomes.iter().flatten().map(Token::access_token);
        let first = texts.next();
        if texts.any(|text| Some(text) != first) {
            return Err("the callers got different tokens".to_owned());
        }
        for (number, outcome) in outcomes.into_iter().enumerate() {
            self.outcome(outcome, expected, secrets, save.take())
                .map_err(|problem| format!("caller {}: {problem}", number + 1))?;
        }
        Ok(())
    }

    pub(super) fn outcome(
        &mut self,
        outcome: Result<Token, Error>,
        expected: Option<&ExpectedOutcome>,
        secrets: &[String],
        save: Option<String>,
    ) -> CheckResult {
        match (outcome, expected) {
            (Ok(token), None) => {
                self.save(save, token);
                Ok(())
            }
            (Ok(token), Some(ExpectedOutcome::Token(listed))) => {
                expect::token(&token, listed, &self.saved, self.now())?;
                self.save(save, token);
                Ok(())
            }
            (Err(error), Some(ExpectedOutcome::Error(listed))) => {
                expect::error(&error, listed, &self.saved, secrets)
            }
            (Ok(_), Some(ExpectedOutcome::Error(_))) => {
                Err("there was a token instead of an error".to_owned())
            }
            (Ok(_), Some(ExpectedOutcome::Verified(_))) => {
                Err("`verified` is for the step verify".to_owned())
            }
            (Err(error), _) => Err(format!("{}: {error}", error.code())),
        }
    }

    pub(super) fn called(
        &self,
        outcome: &Result<ReadResponse, CallFailure>,
        expected: Option<&ExpectedCall>,
        secrets: &[String],
    ) -> CheckResult {
        match (outcome, expected) {
            (Ok(response), Some(ExpectedCall::Response(listed))) => {
                expect::response(response, listed)
            }
            (Ok(response), None) if response.status < 400 => Ok(()),
            (Ok(response), _) => Err(format!("the response has the status {}", response.status)),
            (Err(CallFailure::Token(error)), Some(ExpectedCall::Error(listed))) => {
                expect::error(error, listed, &self.saved, secrets)
            }
            (Err(failure), _) => Err(failure.to_string()),
        }
    }

    pub(super) fn verify(
        &mut self,
        outcome: Result<forcegrant::Verified, Error>,
        expected: Option<&ExpectedOutcome>,
        secrets: &[String],
        save: Option<String>,
    ) -> CheckResult {
        match (outcome, expected) {
            (Ok(verified), Some(ExpectedOutcome::Verified(listed))) => {
                expect::verified(&verified, listed, &self.saved, self.now())?;
                self.save(save, verified.token);
                Ok(())
            }
            (Ok(verified), expected) => self.outcome(Ok(verified.token), expected, secrets, save),
            (Err(error), expected) => self.outcome(Err(error), expected, secrets, save),
        }
    }

    pub(super) fn save(&mut self, name: Option<String>, token: Token) {
        if let Some(name) = name {
            self.placeholders.set(&name, token.access_token());
            self.saved.insert(name, token);
        }
    }
}
