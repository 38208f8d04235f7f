//! What a client that needs a token obtains from those that it shares its logins with.

use std::sync::Arc;

use forcegrant_proto::cache::cached_token::CachedToken;
use forcegrant_proto::error::Error;

/// `R` is the right to log in.
pub(crate) enum Obtained<R> {
    /// How the login of another client ended: its token serves, or this client waited for it and it failed.
    OfAnother(Result<Arc<CachedToken>, Error>),
    /// Log in.
    Right(R),
}

impl<R> Obtained<R> {
    pub(crate) fn map<S>(self, change: impl FnOnce(R) -> S) -> Obtained<S> {
        match self {
            Self::OfAnother(result) => Obtained::OfAnother(result),
            Self::Right(right) => Obtained::Right(change(right)),
        }
    }
}
