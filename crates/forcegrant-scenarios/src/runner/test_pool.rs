//! A pool of a scenario, with its credentials callback.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcegrant::OrgCredentials;

/// A pool, the state of its credentials callback, and the secrets it was given.
pub(super) struct TestPool<P> {
    pub(super) handle: P,
    pub(super) callback: Arc<Mutex<CallbackOrgs>>,
    pub(super) secrets: Vec<String>,
}

/// What the credentials callback returns for each key, and how often each was asked for.
#[derive(Default)]
pub(super) struct CallbackOrgs {
    pub(super) orgs: BTreeMap<String, Result<Option<OrgCredentials>, String>>,
    pub(super) asked: BTreeMap<String, u64>,
}

impl CallbackOrgs {
    pub(super) fn credentials(
        &mut self,
        key: &str,
    ) -> Result<Option<OrgCredentials>, Box<dyn std::error::Error + Send + Sync>> {
        *self.asked.entry(key.to_owned()).or_default() += 1;
        let org = self.orgs.get(key).cloned();
        let org = org.unwrap_or_else(|| Err(format!("there is no org {key}")));
        org.map_err(Into::into)
    }
}

pub(super) fn lock(callback: &Mutex<CallbackOrgs>) -> MutexGuard<'_, CallbackOrgs> {
    callback.lock().unwrap_or_else(PoisonError::into_inner)
}
