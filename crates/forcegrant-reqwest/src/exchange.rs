//! An API call from its first request to the response that goes to the caller.

use std::future::Future;

use forcegrant_http::{CallAttempts, CallError, PeekedBody};
use forcegrant_proto::calls::api_call::body_counts;
use forcegrant_proto::calls::client::CallClient;
use reqwest::header::AUTHORIZATION;
use reqwest::{Body, Request, Response, ResponseBuilderExt, Url};

/// What sends one request.
pub(crate) trait SendRequest {
    type Error;

    fn send(
        &mut self,
        request: Request,
    ) -> impl Future<Output = Result<Response, Self::Error>> + Send;
}

impl SendRequest for &reqwest::Client {
    type Error = reqwest::Error;

    async fn send(&mut self, request: Request) -> Result<Response, reqwest::Error> {
        self.execute(request).await
    }
}

/// Sends the requests of a call until one of their responses goes to the caller.
pub(crate) async fn exchange<C: CallClient, S: SendRequest + Send>(
    client: &C,
    path_or_url: &str,
    mut request: Request,
    mut sender: S,
) -> Result<Response, CallError<S::Error>> {
    let mut attempts = CallAttempts::new(client, request.method().as_str());
    if request.headers().contains_key(AUTHORIZATION) {
        // The caller authenticates the call: the client's token does not go along and is not renewed.
        *request.url_mut() = match Url::parse(path_or_url) {
            Ok(url) => url,
            Err(_) => attempts.next(path_or_url).await?.address()?,
        };
        return sender.send(request).await.map_err(CallError::Http);
    }
    loop {
        let attempt = attempts.next(path_or_url).await?;
        let spare = request.try_clone();
        let url: Url = attempt.address()?;
        *request.url_mut() = url.clone();
        if attempt.carries_token() {
            request
                .headers_mut()
                .insert(AUTHORIZATION, attempt.bearer()?);
        }
        let response = sender.send(request).await.map_err(CallError::Http)?;
        // A response of another origin, after a redirect, says nothing about the token.
        if !attempt.carries_token()
            || (*response.url() != url && response.url().origin() != url.origin())
        {
            return Ok(response);
        }
        let (response, beginning) = read_beginning(response).await;
        let (status, headers) = (response.status(), response.headers());
        let resend = attempts.handle_response(&attempt, status, headers, &beginning, spare)?;
        let Some(resend) = resend else {
            return Ok(response);
        };
        drop(response);
        request = resend.request().await;
    }
}

/// The first bytes of the body if they count for the status. The body stays whole.
async fn read_beginning(response: Response) -> (Response, Vec<u8>) {
    if !body_counts(response.status().as_u16()) {
        return (response, Vec::new());
    }
    // The URL of a response is among its extensions, which only this builder can set.
    let with_url = http::Response::builder().url(response.url().clone());
    let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
    if let Ok(with_url) = with_url.body(()) {
        parts.extensions.extend(with_url.into_parts().0.extensions);
    }
    let (peeked, beginning) = PeekedBody::begin(parts.status, body).await;
    let body = Body::wrap(peeked);
    (http::Response::from_parts(parts, body).into(), beginning)
}
