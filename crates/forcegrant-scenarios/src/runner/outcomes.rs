//! What came of a call, held against what was expected of it.

use forcegrant::{Error, Token};

use super::World;
use crate::calls::{Answer, Failure};
use crate::driver::Driver;
use crate::expect::{self, Checked};
use crate::scenario::{CallOutcome, Outcome};

impl<D: Driver> World<'_, D> {
    pub(super) fn herd_outcomes(
        &mut self,
        outcomes: Vec<Result<Token, Error>>,
        expected: Option<&Outcome>,
        secrets: &[String],
        mut save: Option<String>,
    ) -> Checked {
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
        expected: Option<&Outcome>,
        secrets: &[String],
        save: Option<String>,
    ) -> Checked {
        match (outcome, expected) {
            (Ok(token), None) => {
                self.save(save, token);
                Ok(())
            }
            (Ok(token), Some(Outcome::Token(listed))) => {
                expect::token(&token, listed, &self.saved, self.now())?;
                self.save(save, token);
                Ok(())
            }
            (Err(error), Some(Outcome::Error(listed))) => {
                expect::error(&error, listed, &self.saved, secrets)
            }
            (Ok(_), Some(Outcome::Error(_))) => {
                Err("there was a token instead of an error".to_owned())
            }
            (Ok(_), Some(Outcome::Verified(_))) => {
                Err("`verified` is for the step verify".to_owned())
            }
            (Err(error), _) => Err(format!("{}: {error}", error.code())),
        }
    }

    pub(super) fn called(
        &self,
        outcome: &Result<Answer, Failure>,
        expected: Option<&CallOutcome>,
        secrets: &[String],
    ) -> Checked {
        match (outcome, expected) {
            (Ok(answer), Some(CallOutcome::Response(listed))) => expect::answer(answer, listed),
            (Ok(answer), None) if answer.status < 400 => Ok(()),
            (Ok(answer), _) => Err(format!("it was answered with {}", answer.status)),
            (Err(Failure::Token(error)), Some(CallOutcome::Error(listed))) => {
                expect::error(error, listed, &self.saved, secrets)
            }
            (Err(failure), _) => Err(failure.to_string()),
        }
    }

    pub(super) fn verify(
        &mut self,
        outcome: Result<forcegrant::Verified, Error>,
        expected: Option<&Outcome>,
        secrets: &[String],
        save: Option<String>,
    ) -> Checked {
        match (outcome, expected) {
            (Ok(verified), Some(Outcome::Verified(listed))) => {
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
