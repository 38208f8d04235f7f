//! The middleware for `reqwest-middleware`.

use async_trait::async_trait;
use forcegrant_http::CallError;
use forcegrant_proto::calls::client::CallClient;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};

use crate::exchange::{SendRequest, exchange};

/// Sends the client's token along and renews it, as [`ClientExt::request`](crate::ClientExt::request) does.
///
/// Middleware that comes after it is called for each request of a call. Its own errors come as
/// `reqwest_middleware::Error::Middleware`, and lead to `forcegrant::Error` by `downcast_ref`.
#[derive(Clone, Debug)]
pub struct AuthenticationMiddleware<C> {
    client: C,
}

impl<C> AuthenticationMiddleware<C> {
    /// For calls with the tokens of this `forcegrant::Client`.
    #[must_use]
    pub fn new(client: C) -> Self {
        Self { client }
    }
}

#[async_trait]
impl<C: CallClient> Middleware for AuthenticationMiddleware<C> {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let url = request.url().as_str().to_owned();
        let rest = LaterMiddleware { next, extensions };
        exchange(&self.client, &url, request, rest)
            .await
            .map_err(|error| match error {
                CallError::Token(error) => reqwest_middleware::Error::middleware(error),
                CallError::Http(error) => error,
                // Also what a later version may add.
                error => reqwest_middleware::Error::middleware(error),
            })
    }
}

/// The middleware that comes after this one.
struct LaterMiddleware<'a, 'e> {
    next: Next<'a>,
    extensions: &'e mut Extensions,
}

impl SendRequest for LaterMiddleware<'_, '_> {
    type Error = reqwest_middleware::Error;

    async fn send(&mut self, request: Request) -> Result<Response> {
        self.next.clone().run(request, self.extensions).await
    }
}
