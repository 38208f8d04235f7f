//! Credentials of JavaScript, and the request for them that a function answers.

use std::collections::HashMap;
use std::fmt;

use forcegrant::ffi::{self, CredentialsRequest};
use forcegrant::{ClientCredentials, CredentialSet, Environment, Error, OrgCredentials};
use napi_derive::napi;

use crate::connection::NativeConnection;
use crate::failpoint::failpoint;
use crate::js_callback::{JsCallback, PendingRequest};

/// What a function of JavaScript threw, by its texts from the outside in.
#[derive(Debug)]
struct ThrownTexts {
    text: String,
    cause: Option<Box<Self>>,
}

impl ThrownTexts {
    fn new(texts: Vec<String>) -> Self {
        let mut texts = texts.into_iter();
        let text = texts.next().unwrap_or_else(|| "unknown error".to_owned());
        let rest: Vec<_> = texts.collect();
        let cause = (!rest.is_empty()).then(|| Box::new(Self::new(rest)));
        Self { text, cause }
    }
}

impl fmt::Display for ThrownTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ThrownTexts {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// A consumer key and secret.
#[napi(object, object_to_js = false)]
pub struct NativeClientCredentials {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: String,
}

/// The credentials of a client.
#[napi(object, object_to_js = false)]
pub struct NativeCredentials {
    /// The My Domain host; absent for a client, which has its own.
    pub login_url: Option<String>,
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: String,
    /// The credentials that are about to replace these.
    pub next: Option<NativeClientCredentials>,
}

impl NativeCredentials {
    pub(crate) fn set(&self) -> std::result::Result<CredentialSet, Error> {
        let pair = |id: &str, secret: &str| ClientCredentials::new(id, secret);
        let set = CredentialSet::new(pair(&self.client_id, &self.client_secret)?);
        Ok(match &self.next {
            Some(next) => set.with_next(pair(&next.client_id, &next.client_secret)?),
            None => set,
        })
    }

    pub(crate) fn org(&self) -> std::result::Result<OrgCredentials, Error> {
        Ok(OrgCredentials::new(self.login_url(), self.set()?))
    }

    fn login_url(&self) -> &str {
        self.login_url.as_deref().unwrap_or_default()
    }
}

/// A request for credentials.
#[napi]
pub struct NativeQuestion {
    key: Option<String>,
    request: PendingRequest<CredentialsRequest>,
}

#[napi]
impl NativeQuestion {
    /// The key that a pool asks for.
    #[napi(getter, catch_unwind)]
    pub fn key(&self) -> Option<String> {
        self.key.clone()
    }

    /// Replies with credentials.
    #[napi(catch_unwind)]
    pub fn answer(&self, credentials: NativeCredentials) {
        if let Some(request) = self.request.take() {
            match credentials.set() {
                Ok(set) => request.answer(credentials.login_url(), set),
                Err(error) => request.fail(error),
            }
        }
    }

    /// Replies for a pool with a connection, or that there is no such key.
    #[napi(catch_unwind)]
    pub fn answer_connection(
        &self,
        connection: Option<&NativeConnection>,
        environment: HashMap<String, String>,
    ) {
        let Some(request) = self.request.take() else {
            return;
        };
        let org = connection.map(|connection| {
            ffi::org_of_connection(connection.core().clone(), Environment::of(&environment))
        });
        match org.transpose() {
            Ok(org) => request.answer_org(org),
            Err(error) => request.fail(error),
        }
    }

    /// Says why there are none: the texts of what was thrown, from the outside in.
    #[napi(catch_unwind)]
    pub fn fail(&self, texts: Vec<String>) {
        if let Some(request) = self.request.take() {
            request.fail(ThrownTexts::new(texts));
        }
    }
}

/// Has a function of JavaScript answer a request for credentials.
pub(crate) fn ask(callback: &JsCallback<NativeQuestion>, request: CredentialsRequest) {
    failpoint("login");
    let key = request.key().map(str::to_owned);
    let wrap = |request| NativeQuestion { key, request };
    callback.ask(request, wrap, CredentialsRequest::fail);
}
