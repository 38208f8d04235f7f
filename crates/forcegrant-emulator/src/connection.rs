//! What the emulator knows of a connection besides its bytes.

use std::convert::Infallible;
use std::future::pending;

use tokio::sync::Notify;

use crate::request::ListenerKind;

/// One connection that carries requests.
pub(crate) struct AcceptedConnection {
    pub(crate) listener: ListenerKind,
    pub(crate) via_proxy: bool,
    pub(crate) sni: Option<String>,
    aborted: Notify,
}

impl AcceptedConnection {
    pub(crate) fn new(listener: ListenerKind, via_proxy: bool, sni: Option<String>) -> Self {
        Self {
            listener,
            via_proxy,
            sni,
            aborted: Notify::new(),
        }
    }

    /// Resets the connection; the calling request never gets a response.
    pub(crate) async fn abort<T>(&self) -> Result<T, Infallible> {
        self.aborted.notify_one();
        pending().await
    }

    /// Waits until the connection is to be reset.
    pub(crate) async fn aborted(&self) {
        self.aborted.notified().await;
    }
}
