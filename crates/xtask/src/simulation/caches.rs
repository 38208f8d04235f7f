//! What the cache of a client is asked, whatever its policy, and what it says.

use super::salesforce::TokenId;
use super::time::Time;

/// What a caller gets who asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Use(TokenId),
    /// Use it, and a login behind it is due.
    UseAndRefresh(TokenId),
    /// Wait for a login.
    Wait,
    /// Wait for the introspection of this token.
    Introspect(TokenId),
    /// No token, and no login either.
    Fail,
}

/// One login under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoginProgress {
    pub(super) begun: Time,
    /// The start of the present attempt.
    pub(super) started: Time,
    pub(super) attempts: u32,
}

/// What follows a response of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginStep {
    /// Another attempt after a pause.
    Again(Time),
    /// The whole login once more.
    Afresh,
    /// The callers who wait get this token or an error.
    AfterLogin(Option<TokenId>),
}
