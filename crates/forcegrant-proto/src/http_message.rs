//! Requests to the token endpoint and its responses, as plain values.

use std::fmt;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// No token response is nearly as long; a longer one is cut and refused.
pub const MAX_BODY: usize = 1024 * 1024;

/// One request, encoded. Its `Debug` form shows no header value and no body.
pub struct Request {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, Secret)>,
    pub body: Option<Secret>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// One response: what the decoder needs of it.
#[derive(Default)]
pub struct Response {
    pub status: u16,
    pub content_type: Option<String>,
    pub location: Option<String>,
    pub retry_after: Option<String>,
    pub limit_info: Option<String>,
    pub body: Zeroizing<Vec<u8>>,
    /// The body was longer than [`MAX_BODY`] and its rest was not read.
    pub cut_at_limit: bool,
}
