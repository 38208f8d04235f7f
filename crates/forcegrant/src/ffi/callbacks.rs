//! What a function in another language is asked, as values: for credentials, and to carry out the calls of
//! a store. Each value is answered from any thread; one that is dropped tells the asker so.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::builder::ClientBuilder;
use crate::credentials::CredentialSet;
use crate::pool::{ClientPoolBuilder, OrgCredentials};
use crate::store::{Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored, conformance};
use forcegrant_support::store::POLL_INTERVAL;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Loaded<T> = Result<T, Failure>;

/// A request for credentials.
#[derive(Debug)]
pub struct CredentialsRequest(ReplyTo);

#[derive(Debug)]
enum ReplyTo {
    Client(oneshot::Sender<Loaded<CredentialSet>>),
    Pool(String, oneshot::Sender<Loaded<OrgCredentials>>),
}

impl CredentialsRequest {
    /// The key that a pool asks for; `None` if a client asks.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match &self.0 {
            ReplyTo::Client(_) => None,
            ReplyTo::Pool(key, _) => Some(key),
        }
    }

    /// Replies to a client. The asker may have given up: then nothing happens, here and below.
    pub fn answer(self, credentials: Loaded<CredentialSet>) {
        if let ReplyTo::Client(sender) = self.0 {
            let _ = sender.send(credentials);
        }
    }

    /// Replies to a pool.
    pub fn answer_pool(self, credentials: Loaded<OrgCredentials>) {
        if let ReplyTo::Pool(_, sender) = self.0 {
            let _ = sender.send(credentials);
        }
    }

    /// Says why there are no credentials.
    pub fn fail(self, failure: impl Into<Failure>) {
        match self.0 {
            ReplyTo::Client(sender) => drop(sender.send(Err(failure.into()))),
            ReplyTo::Pool(_, sender) => drop(sender.send(Err(failure.into()))),
        }
    }
}

/// Has a client ask `request` for its credentials.
pub fn request_credentials(
    builder: ClientBuilder,
    request: impl Fn(CredentialsRequest) + Send + Sync + 'static,
) -> ClientBuilder {
    builder.credentials_callback(move || {
        let (sender, reply) = oneshot::channel();
        request(CredentialsRequest(ReplyTo::Client(sender)));
        loaded(reply)
    })
}

/// The same for a pool.
pub fn request_pool_credentials(
    builder: ClientPoolBuilder,
    request: impl Fn(CredentialsRequest) + Send + Sync + 'static,
) -> ClientPoolBuilder {
    builder.credentials_callback(move |key| {
        let (sender, reply) = oneshot::channel();
        request(CredentialsRequest(ReplyTo::Pool(key, sender)));
        loaded(reply)
    })
}

async fn loaded<T>(reply: oneshot::Receiver<Loaded<T>>) -> Loaded<T> {
    let reply = reply.await;
    reply.unwrap_or_else(|_| Err("no answer came from the credentials callback".into()))
}

/// A call of a store: what it is to do, and where the result goes.
#[derive(Debug)]
#[allow(missing_docs, reason = "they are documented at the methods of `Store`")]
pub enum StoreCall {
    Get {
        key: String,
        reply: Reply<Option<Stored>>,
    },
    Put {
        key: String,
        entry: Vec<u8>,
        time_to_live: Duration,
        lease: Lease,
        reply: Reply<Put>,
    },
    Acquire {
        key: String,
        owner: String,
        time: Duration,
        reply: Reply<Acquired>,
    },
    Release {
        key: String,
        lease: Lease,
        reply: Reply<()>,
    },
    Watch {
        key: String,
        fence: u64,
        limit: Duration,
        reply: Reply<()>,
    },
    Count {
        key: String,
        logins: u32,
        reply: Reply<u64>,
    },
}

/// Where the result of a call goes.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<Result<T, StoreError>>);

impl<T> Reply<T> {
    /// Replies. The asker may have given up: then nothing happens.
    pub fn send(self, result: Result<T, StoreError>) {
        let _ = self.0.send(result);
    }
}

impl StoreCall {
    /// The method of the store that carries it out.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Put { .. } => "put",
            Self::Acquire { .. } => "acquire",
            Self::Release { .. } => "release",
            Self::Watch { .. } => "watch",
            Self::Count { .. } => "count",
        }
    }

    /// Says why there is no result.
    pub fn fail(self, reason: impl Into<String>) {
        let error = StoreError::new(reason);
        match self {
            Self::Get { reply, .. } => reply.send(Err(error)),
            Self::Put { reply, .. } => reply.send(Err(error)),
            Self::Acquire { reply, .. } => reply.send(Err(error)),
            Self::Release { reply, .. } | Self::Watch { reply, .. } => reply.send(Err(error)),
            Self::Count { reply, .. } => reply.send(Err(error)),
        }
    }
}

/// A store in another language: hands each of its calls to a function.
pub struct CallbackStore<F> {
    watches: bool,
    call: F,
}

impl<F: Fn(StoreCall) + Send + Sync> CallbackStore<F> {
    /// A store that `call` carries out. Without `watches` it has no method for that, and is looked at now and
    /// then.
    pub fn new(watches: bool, call: F) -> Self {
        Self { watches, call }
    }

    fn ask<'a, T: Send + 'a>(
        &self,
        call: impl FnOnce(Reply<T>) -> StoreCall,
    ) -> StoreFuture<'a, T> {
        let (sender, result) = oneshot::channel();
        (self.call)(call(Reply(sender)));
        Box::pin(async move {
            result
                .await
                .unwrap_or_else(|_| Err(StoreError::new("no result came from the store")))
        })
    }
}

impl<F: Fn(StoreCall) + Send + Sync> Store for CallbackStore<F> {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        let key = key.to_owned();
        self.ask(|reply| StoreCall::Get { key, reply })
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put> {
        self.ask(|reply| StoreCall::Put {
            key: key.to_owned(),
            entry: entry.to_vec(),
            time_to_live,
            lease: lease.clone(),
            reply,
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        self.ask(|reply| StoreCall::Acquire {
            key: key.to_owned(),
            owner: owner.to_owned(),
            time,
            reply,
        })
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        let (key, lease) = (key.to_owned(), lease.clone());
        self.ask(|reply| StoreCall::Release { key, lease, reply })
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        if !self.watches {
            return Box::pin(async move {
                tokio::time::sleep(limit.min(POLL_INTERVAL)).await;
                Ok(())
            });
        }
        let key = key.to_owned();
        self.ask(|reply| StoreCall::Watch {
            key,
            fence,
            limit,
            reply,
        })
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        let key = key.to_owned();
        self.ask(|reply| StoreCall::Count { key, logins, reply })
    }
}

impl<F> fmt::Debug for CallbackStore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackStore").finish_non_exhaustive()
    }
}

/// Checks the contract of a store on this thread, which takes a few seconds: what it does not keep, one line
/// each.
#[must_use]
pub fn check_store(store: &impl Store) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime.map(|runtime| runtime.block_on(conformance::check(store))) {
        Ok(Ok(())) => Vec::new(),
        Ok(Err(violations)) => violations.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}
