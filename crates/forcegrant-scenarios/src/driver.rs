//! The two faces of the core, behind one trait.

use std::sync::{Arc, Barrier};
use std::thread;

use forcegrant::{
    ApiUsage, Client, ClientBuilder, ClientPool, CredentialSet, Error, Status, Token, Verified,
    blocking,
};

use crate::calls::{Answer, Failure, Web, by_adapter, by_hand};
use crate::pool::Pool;
use crate::scenario::CallRequest;

/// Who is asked for tokens: a client, or a pool with a key.
#[derive(Clone)]
pub enum CredentialsSource<C, P> {
    /// A client.
    Client(C),
    /// A key of a pool.
    Key(P, String),
}

/// Waits for callers who have begun.
pub type Finish = Box<dyn FnOnce() -> Vec<Result<Token, Error>>>;

/// How a runner calls the core.
pub trait Driver {
    /// The runner's name in reports.
    const NAME: &'static str;
    /// A handle, cheap to clone.
    type Client: Clone + Send + 'static;
    /// The same for many orgs.
    type Pool: Pool<Client = Self::Client>;

    /// Builds a client.
    fn build(builder: ClientBuilder) -> Result<Self::Client, Error>;
    /// Asks for a token and waits for it.
    fn token(asker: &CredentialsSource<Self::Client, Self::Pool>) -> Result<Token, Error>;
    /// Lets `callers` ask at once, calls `started` when all have begun, and waits for all.
    fn herd(
        asker: &CredentialsSource<Self::Client, Self::Pool>,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<Token, Error>>;
    /// Lets `callers` begin to ask.
    fn start(
        asker: &CredentialsSource<Self::Client, Self::Pool>,
        callers: usize,
        web: &Web,
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
    /// Drops the token if its pair is retired.
    fn invalidate_if_rotated(client: &Self::Client) -> bool;
    /// Lets `callers` make an API call at once, calls `started` when all have begun, and waits for
    /// all.
    fn call(
        client: &Self::Client,
        web: &Web,
        request: &CallRequest,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<Answer, Failure>>;
    /// The usage that the last answer told.
    fn limits(client: &Self::Client) -> Option<ApiUsage>;
}

/// `forcegrant::Client` under an executor.
pub struct Async;

impl Driver for Async {
    const NAME: &'static str = "rust-async";
    type Client = Client;
    type Pool = ClientPool;

    fn build(builder: ClientBuilder) -> Result<Client, Error> {
        builder.build()
    }

    fn token(asker: &CredentialsSource<Client, ClientPool>) -> Result<Token, Error> {
        block_on(ask(asker))
    }

    fn herd(
        asker: &CredentialsSource<Client, ClientPool>,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<Token, Error>> {
        block_on(async {
            let tasks: Vec<_> = (0..callers)
                .map(|_| {
                    let asker = asker.clone();
                    tokio::spawn(async move { ask(&asker).await })
                })
                .collect();
            // The executor has one thread and takes turns: when this task runs again, each of the
            // others has run up to its first wait.
            tokio::task::yield_now().await;
            started();
            let mut outcomes = Vec::with_capacity(callers);
            for task in tasks {
                outcomes.push(task.await.expect("no caller panics"));
            }
            outcomes
        })
    }

    fn start(asker: &CredentialsSource<Client, ClientPool>, callers: usize, web: &Web) -> Finish {
        let runtime = web.runtime.handle().clone();
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let asker = asker.clone();
                runtime.spawn(async move { ask(&asker).await })
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
        web: &Web,
        request: &CallRequest,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<Answer, Failure>> {
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
}

/// `forcegrant::blocking::Client` on threads.
pub struct Blocking;

impl Driver for Blocking {
    const NAME: &'static str = "rust-blocking";
    type Client = blocking::Client;
    type Pool = blocking::ClientPool;

    fn build(builder: ClientBuilder) -> Result<blocking::Client, Error> {
        builder.build().map(blocking::Client::from)
    }

    fn token(
        asker: &CredentialsSource<blocking::Client, blocking::ClientPool>,
    ) -> Result<Token, Error> {
        match asker {
            CredentialsSource::Client(client) => client.token(),
            CredentialsSource::Key(pool, key) => pool.token(key),
        }
    }

    fn herd(
        asker: &CredentialsSource<blocking::Client, blocking::ClientPool>,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<Token, Error>> {
        let finish = begin(asker, callers);
        started();
        finish()
    }

    fn start(
        asker: &CredentialsSource<blocking::Client, blocking::ClientPool>,
        callers: usize,
        _web: &Web,
    ) -> Finish {
        begin(asker, callers)
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
        web: &Web,
        request: &CallRequest,
        callers: usize,
        started: &mut dyn FnMut(),
    ) -> Vec<Result<Answer, Failure>> {
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
}

async fn ask(asker: &CredentialsSource<Client, ClientPool>) -> Result<Token, Error> {
    match asker {
        CredentialsSource::Client(client) => client.token().await,
        CredentialsSource::Key(pool, key) => pool.token(key).await,
    }
}

/// Lets that many threads ask at once.
fn begin(
    asker: &CredentialsSource<blocking::Client, blocking::ClientPool>,
    callers: usize,
) -> Finish {
    let together = Arc::new(Barrier::new(callers + 1));
    let threads: Vec<_> = (0..callers)
        .map(|_| {
            let (asker, together) = (asker.clone(), Arc::clone(&together));
            thread::spawn(move || {
                together.wait();
                Blocking::token(&asker)
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

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers can be built")
        .block_on(future)
}
