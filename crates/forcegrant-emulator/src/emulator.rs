//! Starting and stopping.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::config::{Config, ConfigError};
use crate::control;
use crate::listen;
use crate::operations::{self, ControlError};
use crate::org_details::OrgDetails;
use crate::shared::SharedEmulator;
use crate::tls::Authority;

/// Thousands of clients may connect at once; each one that meets a full queue waits a second.
const BACKLOG: u32 = 4096;

/// A running emulator. Dropping it stops it; if one of its handlers panicked,
/// dropping it panics too, so that the test fails.
#[derive(Debug)]
pub struct Emulator {
    addresses: Addresses,
    shared: Arc<SharedEmulator>,
    runtime: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Where to listen. Ports are ephemeral unless given.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address of all listeners.
    pub ip: IpAddr,
    /// Port for TLS, 0 for an ephemeral one.
    pub https_port: u16,
    /// Port for plain http, 0 for an ephemeral one.
    pub http_port: u16,
    /// Port of the proxy, 0 for an ephemeral one.
    pub proxy_port: u16,
    /// Port of the control API, 0 for an ephemeral one.
    pub control_port: u16,
    /// An address that is not loopback is refused without this: anyone who can reach the control port controls the
    /// emulator.
    pub not_only_loopback: bool,
}

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong.
    #[error("the configuration is wrong: {0}")]
    Config(#[from] ConfigError),
    /// The address is not loopback and [`Listen::not_only_loopback`] is not set.
    #[error(
        "{0} is not a loopback address, and anyone who can reach it could control the emulator; listen on 127.0.0.1, or \
         set `not_only_loopback` (--yes-i-know-this-is-not-loopback)"
    )]
    NotLoopback(IpAddr),
    /// The system refused a socket, a thread or a runtime.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    /// The throw-away certificate authority could not be created.
    #[error("cannot create the certificate authority: {0}")]
    Certificates(String),
}

#[derive(Clone, Copy, Debug)]
struct Addresses {
    https: SocketAddr,
    http: SocketAddr,
    proxy: SocketAddr,
    control: SocketAddr,
}

struct Listeners {
    https: TcpListener,
    http: TcpListener,
    proxy: TcpListener,
    control: TcpListener,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            https_port: 0,
            http_port: 0,
            proxy_port: 0,
            control_port: 0,
            not_only_loopback: false,
        }
    }
}

impl Emulator {
    /// Starts on ephemeral ports of 127.0.0.1, on a thread of its own. When
    /// this returns, the ports accept connections.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_on(config, &Listen::default())
    }

    /// Starts on the given address and ports.
    pub fn start_on(config: Config, listen: &Listen) -> Result<Self, StartError> {
        if !listen.ip.is_loopback() && !listen.not_only_loopback {
            return Err(StartError::NotLoopback(listen.ip));
        }
        let config = config.prepared()?;
        let authority =
            Authority::new().map_err(|error| StartError::Certificates(error.to_string()))?;
        let authority = Arc::new(authority);
        let tls = authority.server_config();
        let tls = tls.map_err(|error| StartError::Certificates(error.to_string()))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StartError::Io("cannot start a runtime".to_owned(), error))?;
        let bound = {
            let _entered = runtime.enter();
            Listeners::bind(listen)
        };
        let (listeners, addresses) = match bound {
            Ok(bound) => bound,
            Err(error) => {
                // A runtime that is merely dropped panics if the caller is in one itself.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let shared = Arc::new(SharedEmulator::new(
            config,
            authority,
            Arc::new(tls),
            addresses.https.port(),
            listen.ip.is_loopback(),
        ));
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("forcegrant-emulator".to_owned());
        let served = Arc::clone(&shared);
        let thread = thread
            .spawn(move || run(&runtime, listeners, &served))
            .map_err(|error| StartError::Io("cannot start a thread".to_owned(), error))?;
        Ok(Self {
            addresses,
            shared,
            runtime: handle,
            thread: Some(thread),
        })
    }

    /// Where TLS connections go.
    #[must_use]
    pub fn https_addr(&self) -> SocketAddr {
        self.addresses.https
    }

    /// Where plain connections go.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.addresses.http
    }

    /// An HTTP proxy that connects every host name to the emulator.
    #[must_use]
    pub fn proxy_addr(&self) -> SocketAddr {
        self.addresses.proxy
    }

    /// The control API: operations are sent there by POST, with the content type `application/json`. Its path is another
    /// at each start, so that no web page can send them.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!(
            "http://{}{}",
            self.addresses.control, self.shared.control_path
        )
    }

    /// The certificate authority to trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.shared.authority.pem()
    }

    /// The first org as it is configured now.
    #[must_use]
    pub fn default_org(&self) -> OrgDetails {
        OrgDetails::of(&self.shared.state().config.orgs[0])
    }

    /// All orgs as they are configured now, the default org first.
    #[must_use]
    pub fn orgs(&self) -> Vec<OrgDetails> {
        self.shared
            .state()
            .config
            .orgs
            .iter()
            .map(OrgDetails::of)
            .collect()
    }

    /// Does what the control port does with the same JSON. Blocks the calling
    /// thread while a `wait_requests` waits.
    pub fn control(&self, operation: Value) -> Result<Value, ControlError> {
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::clone(&self.shared);
        self.runtime.spawn(async move {
            let outcome = operations::run(&shared, operation).await;
            shared.stop_if_asked();
            // The caller waits below.
            let _ = sender.send(outcome);
        });
        let stopped = || ControlError("the emulator has stopped".to_owned());
        receiver.recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// Completes when a `shutdown` operation has stopped the emulator. Needs no
    /// particular executor.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shared.stopped()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.shared.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        if std::thread::panicking() {
            return;
        }
        if let Some(text) = self.shared.panic() {
            panic!("a handler of the emulator panicked: {text}");
        }
        assert!(
            !matches!(ended, Some(Err(_))),
            "the emulator's thread panicked"
        );
    }
}

impl Listeners {
    fn bind(listen: &Listen) -> Result<(Self, Addresses), StartError> {
        let listeners = Self {
            https: bind(listen.ip, listen.https_port)?,
            http: bind(listen.ip, listen.http_port)?,
            proxy: bind(listen.ip, listen.proxy_port)?,
            control: bind(listen.ip, listen.control_port)?,
        };
        let addresses = listeners.addresses();
        let addresses = addresses.map_err(|error| {
            StartError::Io("cannot read the address of a listener".to_owned(), error)
        })?;
        Ok((listeners, addresses))
    }

    fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            https: self.https.local_addr()?,
            http: self.http.local_addr()?,
            proxy: self.proxy.local_addr()?,
            control: self.control.local_addr()?,
        })
    }
}

fn bind(ip: IpAddr, port: u16) -> Result<TcpListener, StartError> {
    let address = SocketAddr::new(ip, port);
    let bound = || {
        let socket = if ip.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // A fixed port can be used again at once after a restart. On Windows this would let two programs share it.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|error| StartError::Io(format!("cannot listen on {address}"), error))
}

fn run(runtime: &Runtime, listeners: Listeners, shared: &Arc<SharedEmulator>) {
    runtime.block_on(async {
        let shared = || Arc::clone(shared);
        tokio::select! {
            () = shared().stopped() => {}
            () = listen::accept(listeners.https, shared(), |shared, stream| {
                listen::tls(shared, stream, false)
            }) => {}
            () = listen::accept(listeners.http, shared(), |shared, stream| {
                listen::plain(shared, stream, false)
            }) => {}
            () = listen::accept(listeners.proxy, shared(), listen::proxy) => {}
            () = listen::accept(listeners.control, shared(), control::serve) => {}
        }
    });
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_in_a_handler_fails_the_test_at_the_end() {
        let emulator = Emulator::start(Config::default()).unwrap();
        let shared = Arc::clone(&emulator.shared);
        let (done, ended) = mpsc::channel();
        emulator.runtime.spawn(async move {
            shared.spawn(async move {
                // Dropped by the panic.
                let _done: mpsc::Sender<()> = done;
                panic!("on purpose");
            });
        });
        assert!(ended.recv().is_err());
        assert!(
            emulator.control(serde_json::json!({ "op": "now" })).is_ok(),
            "it goes on serving"
        );
        let payload = catch_unwind(AssertUnwindSafe(|| drop(emulator))).unwrap_err();
        let text = payload.downcast_ref::<String>().unwrap();
        assert!(text.ends_with("panicked: on purpose"), "{text}");
    }

    #[test]
    fn addresses_that_are_not_loopback_are_refused() {
        let listen = Listen {
            ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            ..Listen::default()
        };
        let error = Emulator::start_on(Config::default(), &listen).unwrap_err();
        assert!(matches!(error, StartError::NotLoopback(ip) if ip.is_unspecified()));
    }

    #[test]
    fn it_starts_or_fails_inside_another_runtime_too() {
        let outer = Builder::new_current_thread().build().unwrap();
        outer.block_on(async {
            let emulator = Emulator::start(Config::default()).unwrap();
            let taken = Listen {
                https_port: emulator.https_addr().port(),
                ..Listen::default()
            };
            let error = Emulator::start_on(Config::default(), &taken).unwrap_err();
            assert!(
                error.to_string().starts_with("cannot listen on 127.0.0.1:"),
                "{error}"
            );
            assert!(emulator.control(serde_json::json!({ "op": "now" })).is_ok());
        });
    }

    #[test]
    fn it_can_be_shared_between_threads_and_hides_its_secrets() {
        fn shareable<T: Send + Sync>(_: &T) {}
        let emulator = Emulator::start(Config::default()).unwrap();
        shareable(&emulator);
        let secret = emulator.default_org().client_secret;
        let shown = format!("{emulator:?} {:?} {:?}", emulator.orgs(), Config::default());
        assert!(!shown.contains(&secret) && shown.contains("acme.my.salesforce.com"));
    }
}
