//! One trait for the two interfaces of the core's pool: asynchronous and blocking.

use forcegrant::{
    Client, ClientPool, ClientPoolBuilder, Error, OrgCredentials, Prewarmed, Status, Token,
    blocking,
};

use crate::block_on::block_on;

/// How a runner calls a pool.
pub trait PoolDriver: Clone + Send + Sized + 'static {
    /// The client of a key.
    type Client;

    /// Builds a pool.
    fn build(builder: ClientPoolBuilder) -> Result<Self, Error>;
    /// Logs in for all keys and waits for the logins.
    fn prewarm(&self, keys: &[String]) -> Prewarmed;
    /// Waits until nothing is in flight.
    fn settle(&self);
    /// The cached token of a key.
    fn cached(&self, key: &str) -> Option<Token>;
    /// Reports a key's token as rejected.
    fn invalidate(&self, key: &str, token: &Token) -> bool;
    /// The status of the client of a key.
    fn status(&self, key: &str) -> Option<Status>;
    /// The status of every client.
    fn statuses(&self) -> Vec<(String, Status)>;
    /// Whether a key is known.
    fn contains(&self, key: &str) -> bool;
    /// How many keys are known.
    fn size(&self) -> usize;
    /// The client of a key.
    fn client(&self, key: &str) -> Result<Self::Client, Error>;
    /// Gives the pool an org.
    fn insert(&self, key: &str, credentials: OrgCredentials) -> Result<(), Error>;
    /// The same for a key that it knows.
    fn set_credentials(&self, key: &str, credentials: OrgCredentials) -> Result<(), Error>;
    /// Forgets a key.
    fn remove(&self, key: &str) -> bool;
}

/// The methods that do not wait are the same in both interfaces.
macro_rules! methods_without_waiting {
    () => {
        fn cached(&self, key: &str) -> Option<Token> {
            self.cached(key)
        }

        fn invalidate(&self, key: &str, token: &Token) -> bool {
            self.invalidate(key, token)
        }

        fn status(&self, key: &str) -> Option<Status> {
            self.status(key)
        }

        fn statuses(&self) -> Vec<(String, Status)> {
            self.statuses().collect()
        }

        fn contains(&self, key: &str) -> bool {
            self.contains(key)
        }

        fn size(&self) -> usize {
            self.len()
        }

        fn client(&self, key: &str) -> Result<Self::Client, Error> {
            self.client(key)
        }

        fn insert(&self, key: &str, credentials: OrgCredentials) -> Result<(), Error> {
            self.insert_credentials(key, credentials).map(drop)
        }

        fn set_credentials(&self, key: &str, credentials: OrgCredentials) -> Result<(), Error> {
            self.set_credentials(key, credentials)
        }

        fn remove(&self, key: &str) -> bool {
            self.remove(key)
        }
    };
}

impl PoolDriver for ClientPool {
    type Client = Client;

    fn build(builder: ClientPoolBuilder) -> Result<Self, Error> {
        builder.build()
    }

    fn prewarm(&self, keys: &[String]) -> Prewarmed {
        block_on(self.prewarm(keys))
    }

    fn settle(&self) {
        block_on(self.wait_idle());
    }

    methods_without_waiting!();
}

impl PoolDriver for blocking::ClientPool {
    type Client = blocking::Client;

    fn build(builder: ClientPoolBuilder) -> Result<Self, Error> {
        builder.build_blocking()
    }

    fn prewarm(&self, keys: &[String]) -> Prewarmed {
        self.prewarm(keys)
    }

    fn settle(&self) {
        self.wait_idle();
    }

    methods_without_waiting!();
}
