//! The middleware for `reqwest-middleware`.

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};

use crate::calls::attempt::CallError;
use crate::calls::http::{Sender, run};
use crate::client::Client;

/// Sends the client's token along and renews it, as
/// [`Client::request`](crate::Client::request) does.
///
/// Middleware that comes after it is asked again for each request of a call. Its own errors come as
/// `reqwest_middleware::Error::Middleware`, and lead to [`Error`](crate::Error) by
/// `downcast_ref`.
#[derive(Clone, Debug)]
pub struct Authentication {
    client: Client,
}

impl Authentication {
    /// For calls in this client's name.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Middleware for Authentication {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let target = request.url().as_str().to_owned();
        let mut rest = Rest { next, extensions };
        run(&self.client, &target, request, &mut rest)
            .await
            .map_err(|error| match error {
                CallError::Token(error) => reqwest_middleware::Error::middleware(error),
                CallError::Http(error) => error,
            })
    }
}

/// The middleware that comes after.
struct Rest<'a, 'e> {
    next: Next<'a>,
    extensions: &'e mut Extensions,
}

impl Sender for Rest<'_, '_> {
    type Error = reqwest_middleware::Error;

    async fn send(&mut self, request: Request) -> Result<Response> {
        self.next.clone().run(request, self.extensions).await
    }
}
