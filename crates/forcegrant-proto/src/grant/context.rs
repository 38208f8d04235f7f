//! What decoding a response needs beside the response.

use std::time::SystemTime;

use crate::credentials::ClientCredentials;
use crate::host::TrustPolicy;
use crate::redaction::Redactor;

/// What decoding a response needs beside the response.
pub struct ResponseContext<'a> {
    /// With the port if it is not the usual one.
    pub host: &'a str,
    pub credentials: &'a ClientCredentials,
    pub trust: &'a TrustPolicy,
    pub now: SystemTime,
    /// The host has responded as a token endpoint before.
    pub known_endpoint: bool,
}

impl ResponseContext<'_> {
    /// Removes what was sent from a server's words.
    pub fn redactor(&self) -> Redactor {
        let (id, secret) = (
            self.credentials.client_id(),
            self.credentials.expose_client_secret(),
        );
        Redactor::new().hide_credentials(id, secret)
    }

    pub fn clean(&self, text: &str, limit: usize) -> String {
        self.redactor().clean(text, limit)
    }
}
