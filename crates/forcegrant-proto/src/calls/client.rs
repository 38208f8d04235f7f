//! What an API call needs of the client whose token it uses.

use std::future::Future;
use std::time::{Duration, SystemTime};

use url::Url;

use crate::cache::reports::Report;
use crate::calls::resolve_url::ResolvedUrl;
use crate::calls::retry::CallRetry;
use crate::error::Error;
use crate::response_class::ApiUsage;
use crate::token::Token;

/// The client of an API call: `forcegrant::Client`. Adapters of HTTP clients are written against this
/// trait; it is not for others to implement.
#[doc(hidden)]
pub trait CallClient: Clone + Send + Sync + Unpin + 'static {
    /// A usable token.
    fn token(&self) -> impl Future<Output = Result<Token, Error>> + Send;

    /// The current token or the remembered failure, for callers that cannot wait. `None`: a login is in flight; it was
    /// started if there was none.
    fn token_at_hand(&self) -> Option<Result<Token, Error>>;

    /// Whether the token may be sent to this URL.
    fn is_allowed_for(&self, token: &Token, url: &str) -> bool;

    /// Where a request with this token goes, and whether the token goes along.
    fn resolve_url(&self, token: &Token, path_or_url: &str) -> Result<ResolvedUrl, Error>;

    /// Whether this URL is on an instance of the client's tokens.
    fn is_instance(&self, url: &Url) -> bool;

    /// Whether and when a call is sent again because Salesforce could not serve it.
    fn call_retry(&self) -> &CallRetry;

    /// The time by the client's clock.
    fn now(&self) -> SystemTime;

    /// A number in 0..=1, for jitter.
    fn random(&self) -> f64;

    /// Notes the API usage that a response stated.
    fn note_usage(&self, usage: ApiUsage);

    /// A host accepted a token. Returns whether such reports still matter.
    fn note_accepted(&self, url: &str, is_cure: bool) -> bool;

    /// A host refused a token.
    fn report(&self, report: &Report<'_>) -> ReportOutcome;
}

/// What follows from a report that a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// Another token is current already.
    Outdated,
    /// The token is no longer served.
    Dropped,
    /// The token is still served; none is requested for so long.
    Held(Duration),
}
