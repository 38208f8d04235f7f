//! Starting and stopping.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use serde::Serialize;
use serde_json::Value;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::config::{Config, ConfigError};
use crate::control::{self, ControlError};
use crate::listen;
use crate::shared::Shared;
use crate::tls::Authority;

/// A running emulator. Dropping it stops it; if one of its handlers panicked,
/// dropping it panics too, so that the test fails.
#[derive(Debug)]
pub struct Emulator {
    addresses: Addresses,
    shared: Arc<Shared>,
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
    /// An address that is not loopback is refused without this: whoever reaches
    /// the control port is its master.
    pub not_only_loopback: bool,
}

/// The first org, with what a client needs to log in.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct DefaultOrg {
    /// Host name of the My Domain.
    pub my_domain: String,
    /// Consumer key.
    pub client_id: String,
    /// Consumer secret.
    pub client_secret: String,
    /// 18-character org id.
    pub org_id: String,
    /// 18-character id of the execution user.
    pub user_id: String,
    /// Name of the execution user.
    pub username: String,
    /// Where the APIs are.
    pub instance_url: String,
}

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong.
    #[error("the configuration is wrong: {0}")]
    Config(#[from] ConfigError),
    /// The address is not loopback and nobody insisted.
    #[error("{0} is not a loopback address: whoever can reach it could control the emulator")]
    NotLoopback(IpAddr),
    /// A socket, thread or runtime could not be had.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
    /// The throw-away certificate authority could not be made.
    #[error("the certificate authority could not be made: {0}")]
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
        let listeners = Listeners {
            https: bind(listen.ip, listen.https_port)?,
            http: bind(listen.ip, listen.http_port)?,
            proxy: bind(listen.ip, listen.proxy_port)?,
            control: bind(listen.ip, listen.control_port)?,
        };
        let addresses = listeners
            .addresses()
            .map_err(|error| StartError::Io("no address", error))?;
        let shared = Arc::new(Shared::new(
            config,
            authority,
            Arc::new(tls),
            addresses.https.port(),
        ));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StartError::Io("no runtime", error))?;
        let handle = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("forcegrant-emulator".to_owned());
        let served = Arc::clone(&shared);
        let thread = thread
            .spawn(move || run(&runtime, listeners, &served))
            .map_err(|error| StartError::Io("no thread", error))?;
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

    /// An HTTP proxy that leads every host name to the emulator.
    #[must_use]
    pub fn proxy_addr(&self) -> SocketAddr {
        self.addresses.proxy
    }

    /// The control API.
    #[must_use]
    pub fn control_addr(&self) -> SocketAddr {
        self.addresses.control
    }

    /// The certificate authority to trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.shared.authority.pem()
    }

    /// The first org as it is configured now. Parts that it lacks are empty.
    #[must_use]
    pub fn default_org(&self) -> DefaultOrg {
        let state = self.shared.state();
        let org = &state.config.orgs[0];
        let app = org.apps.first();
        let key = app.and_then(|app| app.keys.first()).cloned();
        let (client_id, client_secret) = key
            .map(|key| (key.client_id, key.client_secret))
            .unwrap_or_default();
        let run_as = app.and_then(|app| app.run_as.as_deref());
        let user = run_as
            .and_then(|username| org.user(username))
            .or(org.users.first());
        DefaultOrg {
            my_domain: org.my_domain.clone(),
            client_id,
            client_secret,
            org_id: org.org_id.clone(),
            user_id: user.map(|user| user.user_id.clone()).unwrap_or_default(),
            username: user.map(|user| user.username.clone()).unwrap_or_default(),
            instance_url: org.instance_url(),
        }
    }

    /// Does what the control port does with the same JSON. Blocks the calling
    /// thread while a `wait_requests` waits.
    pub fn control(&self, operation: Value) -> Result<Value, ControlError> {
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::clone(&self.shared);
        self.runtime.spawn(async move {
            let outcome = control::run(&shared, operation).await;
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

impl std::fmt::Debug for DefaultOrg {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DefaultOrg")
            .field("my_domain", &self.my_domain)
            .field("client_id", &self.client_id)
            .field("org_id", &self.org_id)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Listeners {
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
    let bound = TcpListener::bind((ip, port)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| StartError::Io("a port could not be had", error))
}

fn run(runtime: &Runtime, listeners: Listeners, shared: &Arc<Shared>) {
    runtime.block_on(async {
        let registered = |listener| {
            tokio::net::TcpListener::from_std(listener).expect("the listener is registered once")
        };
        let shared = || Arc::clone(shared);
        tokio::select! {
            () = shared().stopped() => {}
            () = listen::accept(registered(listeners.https), shared(), |shared, stream| {
                listen::tls(shared, stream, false)
            }) => {}
            () = listen::accept(registered(listeners.http), shared(), |shared, stream| {
                listen::plain(shared, stream, false)
            }) => {}
            () = listen::accept(registered(listeners.proxy), shared(), listen::proxy) => {}
            () = listen::accept(registered(listeners.control), shared(), control::serve) => {}
        }
    });
}
