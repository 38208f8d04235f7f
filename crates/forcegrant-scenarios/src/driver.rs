//! One trait for the two interfaces of the core: asynchronous and blocking.

use std::sync::{Arc, Barrier};
use std::thread;

use forcegrant::connections::{Authorization, Connection, Connections};
use forcegrant::{
    ApiUsage, Client, ClientBuilder, ClientPool, CredentialSet, Error, Status, Token, Verified,
    blocking,
};

use crate::block_on::block_on;
use crate::calls::{CallContext, CallFailure, ReadResponse, by_adapter, by_hand};
use crate::pool::PoolDriver;
use crate::scenario::CallRequest;

/// Where tokens come from: a client, or a key of a pool.
#[derive(Clone)]
pub enum TokenSource<C, P> {
    /// A client.
    Client(C),
    /// A key of a pool.
    Key(P, String),
}

/// Waits for callers that have started.
pub type Finish = Box<dyn FnOnce() -> Vec<Result<Token, Error>>>;

/// How a runner calls the core.
pub trait ClientDriver {
    /// The runner's name in reports.
    const NAME: &'static str;
    /// A handle, cheap to clone.
    type Client: Clone + Send + 'static;
    /// The same for many orgs.
    type Pool: PoolDriver<Client = Self::Client>;

    /// Builds a client.
    fn build(builder: ClientBuilder) -> Result<Self::Client, Error>;
    /// Asks for a token and waits for it.
    fn token(source: &TokenSource<Self::Client, Self::Pool>) -> Result<Token, Error>;
    /// Lets `callers` ask at once, calls `started` when all have begun, and waits for all.
    fn herd(
        source: &TokenSource<Self::Client, Self::Pool>,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<Token, Error>>;
    /// Lets `callers` begin to ask.
    fn start(
        source: &TokenSource<Self::Client, Self::Pool>,
        callers: usize,
        web: &CallContext,
    ) -> Finish;
    /// A fresh token and one call with it.
    fn verify(client: &Self::Client) -> Result<Verified, Error>;
    /// Waits until nothing is in flight.
    fn settle(client: &Self::Client);
    /// The cached token.
    fn cached(client: &Self::Client) -> Option<Token>;
    /// Reports a token as rejected.
    fn invalidate(client: &Self::Client, token: &Token) -> bool;
    /// What the client knows.
    fn status(client: &Self::Client) -> Status;
    /// Forgets token and failures.
    fn reset(client: &Self::Client);
    /// Uses other client credentials from the next login on.
    fn set_credentials(client: &Self::Client, pairs: CredentialSet);
    /// Drops the token if its client credentials are retired.
    fn invalidate_if_rotated(client: &Self::Client) -> bool;
    /// Lets `callers` make an API call at once, calls `started` when all have begun, and waits for
    /// all.
    fn call(
        client: &Self::Client,
        web: &CallContext,
        request: &CallRequest,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<ReadResponse, CallFailure>>;
    /// The API usage in the last response.
    fn limits(client: &Self::Client) -> Option<ApiUsage>;
    /// Verifies a connection and saves it.
    fn authorize(authorization: Authorization) -> Result<Connection, Error>;
    /// Verifies a connection that is saved in no folder.
    fn authorize_unsaved(authorization: Authorization) -> Result<Connection, Error>;
    /// Verifies a saved connection.
    fn verify_connection(
        connections: &Connections,
        id: &str,
        options: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Result<Connection, Error>;
}

/// `forcegrant::Client` under an executor.
pub struct Async;

impl ClientDriver for Async {
    const NAME: &'static str = "rust-async";
    type Client = Client;
    type Pool = ClientPool;

    fn build(builder: ClientBuilder) -> Result<Client, Error> {
        builder.build()
    }

    fn token(source: &TokenSource<Client, ClientPool>) -> Result<Token, Error> {
        block_on(ask(source))
    }

    fn herd(
        source: &TokenSource<Client, ClientPool>,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<Token, Error>> {
        block_on(async {
            let tasks: Vec<_> = (0..callers)
                .map(|_| {
                    let source = source.clone();
                    tokio::spawn(async move { ask(&source).await })
                })
                .collect();
            // The executor has one thread and runs tasks in turn: when this task runs again, each of the others has run
            // to its first wait.
            tokio::task::yield_now().await;
            started();
            let mut outcomes = Vec::with_capacity(callers);
            for task in tasks {
                outcomes.push(task.await.expect("no caller panics"));
            }
            outcomes
        })
    }

    fn start(
        source: &TokenSource<Client, ClientPool>,
        callers: usize,
        web: &CallContext,
    ) -> Finish {
        let runtime = web.runtime.handle().clone();
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let source = source.clone();
                runtime.spawn(async move { ask(&source).await })
            })
            .collect();
        Box::new(move || {
            tasks
                .into_iter()
                .map(|task| runtime.block_on(task).expect("no caller panics"))
                .collect()
        })
    }

    fn verify(client: &Client) -> Result<Verified, Error> {
        block_on(client.verify())
    }

    fn settle(client: &Client) {
        block_on(client.wait_idle());
    }

    fn cached(client: &Client) -> Option<Token> {
        client.cached()
    }

    fn invalidate(client: &Client, token: &Token) -> bool {
        client.invalidate(token)
    }

    fn status(client: &Client) -> Status {
        client.status()
    }

    fn reset(client: &Client) {
        client.reset();
    }

    fn set_credentials(client: &Client, pairs: CredentialSet) {
        client.set_credentials(pairs);
    }

    fn invalidate_if_rotated(client: &Client) -> bool {
        client.invalidate_if_rotated()
    }

    fn call(
        client: &Client,
        web: &CallContext,
        request: &CallRequest,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<ReadResponse, CallFailure>> {
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let (client, request) = (client.clone(), request.clone());
                web.runtime
                    .spawn(async move { by_adapter(&client, &request).await })
            })
            .collect();
        started();
        tasks
            .into_iter()
            .map(|task| web.runtime.block_on(task).expect("no caller panics"))
            .collect()
    }

    fn limits(client: &Client) -> Option<ApiUsage> {
        client.limits()
    }

    fn authorize(authorization: Authorization) -> Result<Connection, Error> {
        block_on(authorization.verify_and_save())
    }

    fn authorize_unsaved(authorization: Authorization) -> Result<Connection, Error> {
        block_on(authorization.verify())
    }

    fn verify_connection(
        connections: &Connections,
        id: &str,
        options: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Result<Connection, Error> {
        block_on(connections.verify_with(id, options))
    }
}

/// `forcegrant::blocking::Client` on threads.
pub struct Blocking;

impl ClientDriver for Blocking {
    const NAME: &'static str = "rust-blocking";
    type Client = blocking::Client;
    type Pool = blocking::ClientPool;

    fn build(builder: ClientBuilder) -> Result<blocking::Client, Error> {
        builder.build().map(blocking::Client::from)
    }

    fn token(source: &TokenSource<blocking::Client, blocking::ClientPool>) -> Result<Token, Error> {
        match source {
            TokenSource::Client(client) => client.token(),
            TokenSource::Key(pool, key) => pool.token(key),
        }
    }

    fn herd(
        source: &TokenSource<blocking::Client, blocking::ClientPool>,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<Token, Error>> {
        let finish = begin(source, callers);
        started();
        finish()
    }

    fn start(
        source: &TokenSource<blocking::Client, blocking::ClientPool>,
        callers: usize,
        _web: &CallContext,
    ) -> Finish {
        begin(source, callers)
    }

    fn verify(client: &blocking::Client) -> Result<Verified, Error> {
        client.verify()
    }

    fn settle(client: &blocking::Client) {
        client.wait_idle();
    }

    fn cached(client: &blocking::Client) -> Option<Token> {
        client.cached()
    }

    fn invalidate(client: &blocking::Client, token: &Token) -> bool {
        client.invalidate(token)
    }

    fn status(client: &blocking::Client) -> Status {
        client.status()
    }

    fn reset(client: &blocking::Client) {
        client.reset();
    }

    fn set_credentials(client: &blocking::Client, pairs: CredentialSet) {
        client.clone().into_async().set_credentials(pairs);
    }

    fn invalidate_if_rotated(client: &blocking::Client) -> bool {
        client.clone().into_async().invalidate_if_rotated()
    }

    fn call(
        client: &blocking::Client,
        web: &CallContext,
        request: &CallRequest,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<ReadResponse, CallFailure>> {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..callers)
                .map(|_| scope.spawn(|| by_hand(client, web, request)))
                .collect();
            started();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no caller panics"))
                .collect()
        })
    }

    fn limits(client: &blocking::Client) -> Option<ApiUsage> {
        client.limits()
    }

    fn authorize(authorization: Authorization) -> Result<Connection, Error> {
        authorization.blocking_verify_and_save()
    }

    fn authorize_unsaved(authorization: Authorization) -> Result<Connection, Error> {
        authorization.blocking_verify()
    }

    fn verify_connection(
        connections: &Connections,
        id: &str,
        options: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Result<Connection, Error> {
        connections.blocking_verify_with(id, options)
    }
}

async fn ask(source: &TokenSource<Client, ClientPool>) -> Result<Token, Error> {
    match source {
        TokenSource::Client(client) => client.token().await,
        TokenSource::Key(pool, key) => pool.token(key).await,
    }
}

/// Lets that many threads ask at once.
fn begin(source: &TokenSource<blocking::Client, blocking::ClientPool>, callers: usize) -> Finish {
    let together = Arc::new(Barrier::new(callers + 1));
    let threads: Vec<_> = (0..callers)
        .map(|_| {
            let (source, together) = (source.clone(), Arc::clone(&together));
            thread::spawn(move || {
                together.wait();
                Blocking::token(&source)
            })
        })
        .collect();
    together.wait();
    Box::new(move || {
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no caller panics"))
            .collect()
    })
}
