//! The result of `verify()`.

use forcegrant_proto::token::Token;

/// What [`Client::verify`](crate::Client::verify) found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The new token, which the client serves from now on.
    pub token: Token,
    /// API requests used and allowed in the last 24 hours, if the API said so.
    pub api_usage: Option<(u64, u64)>,
}
