//! What holds for the API calls of all clients with the same options.

#[cfg(feature = "http-client")]
use std::sync::{Arc, OnceLock};

#[cfg(feature = "http-client")]
use crate::http::{self, HttpSettings};
#[cfg(feature = "http-client")]
use crate::worker;
use forcegrant_proto::calls::retry::CallRetry;
#[cfg(feature = "http-client")]
use forcegrant_proto::error::Error;
#[cfg(feature = "http-client")]
use forcegrant_reqwest::EventLoop;
#[cfg(feature = "http-client")]
use forcegrant_support::process::PerProcess;

/// How calls are retried, and the HTTP clients that send those of `Client::request`.
#[derive(Debug, Default)]
pub(crate) struct CallSettings {
    pub(crate) retry: CallRetry,
    #[cfg(feature = "http-client")]
    pub(super) http: CallHttpClients,
}

/// The HTTP clients of `Client::request` and of its blocking twin: made at the first call of each
/// process. Two, because connections belong to the event loop in which they were made.
#[cfg(feature = "http-client")]
#[derive(Debug, Default)]
pub(super) struct CallHttpClients {
    settings: HttpSettings,
    client: PerProcess<OnceLock<reqwest::Client>>,
    event_loop: PerProcess<OnceLock<Arc<EventLoop>>>,
}

impl CallSettings {
    pub(crate) fn new(retry: CallRetry) -> Self {
        Self {
            retry,
            #[cfg(feature = "http-client")]
            http: CallHttpClients::default(),
        }
    }

    /// With an HTTP client of these settings.
    #[cfg(feature = "http-client")]
    pub(crate) fn with_http(self, settings: HttpSettings) -> Self {
        let http = CallHttpClients {
            settings,
            ..CallHttpClients::default()
        };
        Self { http, ..self }
    }
}

#[cfg(feature = "http-client")]
impl CallHttpClients {
    pub(super) fn client(&self) -> Result<reqwest::Client, Error> {
        let cell = self.client.current();
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let client = http::for_calls(&self.settings, None)?;
        Ok(cell.get_or_init(|| client).clone())
    }

    pub(super) fn event_loop(&self) -> Result<Arc<EventLoop>, Error> {
        let cell = self.event_loop.current();
        if let Some(event_loop) = cell.get() {
            return Ok(Arc::clone(event_loop));
        }
        let runtime = worker::runtime().map_err(|error| Error::worker_unavailable(&error))?;
        let client = http::for_calls(&self.settings, Some(EventLoop::MAX_IDLE_CONNECTIONS))?;
        let event_loop = Arc::new(EventLoop::new(runtime, client));
        Ok(Arc::clone(cell.get_or_init(|| event_loop)))
    }
}
