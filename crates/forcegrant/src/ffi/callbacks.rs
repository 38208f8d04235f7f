//! The functions of another language that a client or a pool calls: with events, and with requests for
//! credentials and for the calls of a store. A request is a value that is answered from any thread; the core
//! learns of one that is dropped.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::builder::ClientBuilder;
use crate::credentials::CredentialSet;
use crate::events::Events;
use crate::pool::{ClientPoolBuilder, OrgCredentials};
use crate::store::{Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored, conformance};
use forcegrant_proto::event::Event;
use forcegrant_support::store::POLL_INTERVAL;

/// Takes the login host, the key of a pool's client, and what happened.
pub type EventFunction = dyn Fn(&str, Option<&str>, &Event) + Send + Sync;

/// What a client or a pool calls back. Each function must be quick; most run on the worker thread.
pub struct CallbackFunctions {
    /// Takes the events.
    pub event: Box<EventFunction>,
    /// Takes the requests for credentials, if a function brings them.
    pub credentials: Option<Box<dyn Fn(CredentialsRequest) + Send + Sync>>,
    /// Takes the calls of the store, if it is in the other language.
    pub store: Option<CallbackStore>,
}

impl CallbackFunctions {
    /// Has a client call these functions.
    pub fn attach(self, mut builder: ClientBuilder) -> ClientBuilder {
        let event = self.event;
        builder = builder.with_events(Events::inline(move |host, _, what| event(host, None, what)));
        if let Some(request) = self.credentials {
            builder = builder.credentials_callback(move || {
                let (sender, reply) = oneshot::channel();
                request(CredentialsRequest(CredentialsReply::Client(sender)));
                received(reply)
            });
        }
        match self.store {
            Some(store) => builder.store(store),
            None => builder,
        }
    }

    /// Has a pool call these functions.
    pub fn attach_pool(self, mut builder: ClientPoolBuilder) -> ClientPoolBuilder {
        let event = self.event;
        builder = builder.with_events(Events::inline(move |host, key, what| {
            event(host, Some(key), what);
        }));
        if let Some(request) = self.credentials {
            builder = builder.credentials_callback(move |key| {
                let (sender, reply) = oneshot::channel();
                request(CredentialsRequest(CredentialsReply::Pool(key, sender)));
                received(reply)
            });
        }
        match self.store {
            Some(store) => builder.options(|client| client.store(store)),
            None => builder,
        }
    }
}

type BoxedError = Box<dyn std::error::Error + Send + Sync>;
type CredentialsResult<T> = Result<T, BoxedError>;

async fn received<T>(reply: oneshot::Receiver<CredentialsResult<T>>) -> CredentialsResult<T> {
    let reply = reply.await;
    reply.unwrap_or_else(|_| Err("no answer came from the credentials callback".into()))
}

/// A request for credentials.
#[derive(Debug)]
pub struct CredentialsRequest(CredentialsReply);

#[derive(Debug)]
enum CredentialsReply {
    Client(oneshot::Sender<CredentialsResult<CredentialSet>>),
    Pool(
        String,
        oneshot::Sender<CredentialsResult<Option<OrgCredentials>>>,
    ),
}

impl CredentialsRequest {
    /// The key that a pool asks for; `None` if a client asks.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match &self.0 {
            CredentialsReply::Client(_) => None,
            CredentialsReply::Pool(key, _) => Some(key),
        }
    }

    /// Replies with credentials, and for a pool with the login URL of the org. The one who asked may have given up:
    /// then nothing happens, here and below.
    pub fn answer(self, login_url: &str, credentials: CredentialSet) {
        match self.0 {
            CredentialsReply::Client(sender) => drop(sender.send(Ok(credentials))),
            CredentialsReply::Pool(_, sender) => {
                let org = OrgCredentials::new(login_url, credentials);
                let _ = sender.send(Ok(Some(org)));
            }
        }
    }

    /// Replies for a pool: with the credentials of an org, or that there is no such key.
    pub fn answer_org(self, org: Option<OrgCredentials>) {
        if let CredentialsReply::Pool(_, sender) = self.0 {
            let _ = sender.send(Ok(org));
        }
    }

    /// Says why there are no credentials.
    pub fn fail(self, reason: impl Into<BoxedError>) {
        match self.0 {
            CredentialsReply::Client(sender) => drop(sender.send(Err(reason.into()))),
            CredentialsReply::Pool(_, sender) => drop(sender.send(Err(reason.into()))),
        }
    }
}

/// A call of a store: what it is to do, and where the result goes.
#[derive(Debug)]
#[allow(missing_docs, reason = "they are documented at the methods of `Store`")]
pub enum StoreCall {
    Get {
        key: String,
        reply: StoreReply<Option<Stored>>,
    },
    Put {
        key: String,
        entry: Vec<u8>,
        time_to_live: Duration,
        lease: Lease,
        reply: StoreReply<Put>,
    },
    Acquire {
        key: String,
        owner: String,
        time: Duration,
        reply: StoreReply<Acquired>,
    },
    Release {
        key: String,
        lease: Lease,
        reply: StoreReply<()>,
    },
    Watch {
        key: String,
        fence: u64,
        limit: Duration,
        reply: StoreReply<()>,
    },
    Count {
        key: String,
        logins: u32,
        reply: StoreReply<u64>,
    },
}

/// Where the result of a call goes.
#[derive(Debug)]
pub struct StoreReply<T>(oneshot::Sender<Result<T, StoreError>>);

impl<T> StoreReply<T> {
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
pub struct CallbackStore {
    watches: bool,
    call: Box<dyn Fn(StoreCall) + Send + Sync>,
}

impl CallbackStore {
    /// A store that `call` carries out. Without `watches` it has no method for that, and is looked at now and
    /// then.
    pub fn new(watches: bool, call: impl Fn(StoreCall) + Send + Sync + 'static) -> Self {
        Self {
            watches,
            call: Box::new(call),
        }
    }

    fn ask<'a, T: Send + 'a>(
        &self,
        call: impl FnOnce(StoreReply<T>) -> StoreCall,
    ) -> StoreFuture<'a, T> {
        let (sender, result) = oneshot::channel();
        (self.call)(call(StoreReply(sender)));
        Box::pin(async move {
            result
                .await
                .unwrap_or_else(|_| Err(StoreError::new("no result came from the store")))
        })
    }
}

impl Store for CallbackStore {
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

impl fmt::Debug for CallbackStore {
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
