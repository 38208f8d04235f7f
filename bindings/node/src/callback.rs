//! Functions of JavaScript that the core calls from its worker thread: they run on the loop of their thread and do not
//! keep it alive. What they return comes back through a channel.

use std::fmt;
use std::sync::Arc;

use forcegrant::{
    ClientBuilder, ClientCredentials, ClientPoolBuilder, CredentialSet, Error, OrgCredentials,
};
use napi::Status;
use napi::bindgen_prelude::{Function, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::data::{Result, internal};
use crate::failpoint::failpoint;

/// A function of JavaScript that takes one value and returns nothing.
pub(crate) struct Callback<T: ToNapiValue + 'static>(
    Arc<ThreadsafeFunction<T, (), T, Status, false, true>>,
);

/// The other end of an [`Callback::ask`]. Dropping it unused tells the core.
pub(crate) type Reply<R> = Option<oneshot::Sender<std::result::Result<R, Thrown>>>;

impl<T: ToNapiValue + Send + 'static> Callback<T> {
    pub(crate) fn new(function: &Function<'_, T, ()>) -> Result<Self> {
        let function = function
            .build_threadsafe_function::<T>()
            .weak::<true>()
            .build()
            .map_err(internal)?;
        Ok(Self(Arc::new(function)))
    }

    /// Queues a call. False if the thread of the function has ended.
    pub(crate) fn call(&self, value: T) -> bool {
        self.0.call(value, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
    }

    /// Calls the function with a question, and waits for the reply to it.
    pub(crate) async fn ask<R>(
        &self,
        question: impl FnOnce(Reply<R>) -> T,
    ) -> std::result::Result<R, Thrown> {
        let (sender, reply) = oneshot::channel();
        if !self.call(question(Some(sender))) {
            return Err(Thrown::text("the thread of the callback has ended"));
        }
        match reply.await {
            Ok(reply) => reply,
            Err(_) => Err(Thrown::text("the promise was dropped before it settled")),
        }
    }
}

impl<T: ToNapiValue> Clone for Callback<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Sends a reply. Only the first counts, and a caller that stopped waiting gets none.
pub(crate) fn send<R>(reply: &mut Reply<R>, result: std::result::Result<R, Thrown>) {
    if let Some(sender) = reply.take() {
        let _ = sender.send(result);
    }
}

/// What a function of JavaScript threw, by its texts from the outside in.
#[derive(Debug)]
pub(crate) struct Thrown {
    text: String,
    cause: Option<Box<Self>>,
}

impl Thrown {
    fn text(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            cause: None,
        }
    }

    pub(crate) fn chain(texts: Vec<String>) -> Self {
        let chain = texts
            .into_iter()
            .rev()
            .fold(None, |cause, text| Some(Box::new(Self { text, cause })));
        chain.map_or_else(|| Self::text("unknown error"), |outermost| *outermost)
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Thrown {
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
        let current = ClientCredentials::new(&self.client_id, self.client_secret.as_str())?;
        let set = CredentialSet::new(current);
        Ok(match &self.next {
            Some(next) => set.with_next(ClientCredentials::new(
                &next.client_id,
                next.client_secret.as_str(),
            )?),
            None => set,
        })
    }

    pub(crate) fn org(&self) -> std::result::Result<OrgCredentials, Error> {
        let login_url = self.login_url.as_deref().unwrap_or_default();
        Ok(OrgCredentials::new(login_url, self.set()?))
    }
}

/// A request for credentials.
#[napi]
pub struct NativeQuestion {
    key: Option<String>,
    reply: Reply<NativeCredentials>,
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
    pub fn answer(&mut self, credentials: NativeCredentials) {
        send(&mut self.reply, Ok(credentials));
    }

    /// Says why there are none: the texts of what was thrown, from the outside in.
    #[napi(catch_unwind)]
    pub fn fail(&mut self, texts: Vec<String>) {
        send(&mut self.reply, Err(Thrown::chain(texts)));
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Has the core ask `callback` for credentials.
pub(crate) fn credentials_of_client(
    builder: ClientBuilder,
    callback: Callback<NativeQuestion>,
) -> ClientBuilder {
    builder.credentials_callback(move || {
        let callback = callback.clone();
        async move { Ok::<_, Failure>(ask(callback, None).await?.set()?) }
    })
}

/// Has the core ask `callback` for the credentials of a key.
pub(crate) fn credentials_of_pool(
    builder: ClientPoolBuilder,
    callback: Callback<NativeQuestion>,
) -> ClientPoolBuilder {
    builder.credentials_callback(move |key| {
        let callback = callback.clone();
        async move { Ok::<_, Failure>(ask(callback, Some(key)).await?.org()?) }
    })
}

async fn ask(
    callback: Callback<NativeQuestion>,
    key: Option<String>,
) -> std::result::Result<NativeCredentials, Thrown> {
    failpoint("login");
    callback.ask(|reply| NativeQuestion { key, reply }).await
}
