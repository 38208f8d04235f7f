//! The methods by which a client makes API calls through reqwest.

use std::future::Future;

use forcegrant_http::CallError;
use reqwest::{Method, Request, Response};

use crate::call::CallBuilder;
use crate::exchange::exchange;
use crate::reqwest_client::ReqwestClient;

/// API calls through reqwest with the token of a `forcegrant::Client`.
pub trait ClientExt: ReqwestClient {
    /// An API call: a path on the token's instance, or a whole URL. Nothing is sent before
    /// [`CallBuilder::send`].
    ///
    /// It goes through an HTTP client of this client's own, made at the first call with the options
    /// `roots`, `proxy`, `resolve` and `connect_timeout`; connections are kept. Bring your own with
    /// [`ClientExt::request_with`].
    ///
    /// ```no_run
    /// # async fn example(sf: forcegrant::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use forcegrant::calls::ClientExt;
    /// use forcegrant::reqwest::Method;
    ///
    /// let response = sf.request(Method::GET, "/services/data/v67.0/limits").send().await?;
    /// println!("{} {}", response.status(), response.text().await?);
    /// # Ok(()) }
    /// ```
    fn request(&self, method: Method, path_or_url: impl Into<String>) -> CallBuilder<Self> {
        CallBuilder::new(self.clone(), None, method, path_or_url.into())
    }

    /// The same as [`ClientExt::request`] through the user's HTTP client. It may follow redirects:
    /// reqwest leaves the token behind if one leads to another origin.
    fn request_with(
        &self,
        http: &reqwest::Client,
        method: Method,
        path_or_url: impl Into<String>,
    ) -> CallBuilder<Self> {
        CallBuilder::new(self.clone(), Some(http.clone()), method, path_or_url.into())
    }

    /// Sends a request that was built elsewhere, as [`CallBuilder::send`] does.
    ///
    /// # Errors
    /// As [`CallBuilder::send`].
    fn execute(
        &self,
        http: &reqwest::Client,
        request: Request,
    ) -> impl Future<Output = Result<Response, CallError<reqwest::Error>>> + Send {
        async move {
            let url = request.url().as_str().to_owned();
            exchange(self, &url, request, http).await
        }
    }
}

impl<C: ReqwestClient> ClientExt for C {}
