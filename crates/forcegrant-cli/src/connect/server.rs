//! The server of the Connect page: one page for one connection, on loopback, until it is connected.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forcegrant::Secret;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::page::{self, FormPage};
use super::rules::{self, MAX_FORM_BYTES, PageAddresses, Route};
use super::{CompletedConnection, ConnectionEntries, RefusedAttempt};

/// A person does not need more; a program that guesses does.
const MAX_ATTEMPTS: u32 = 20;
/// How long the page waits for a person.
pub(crate) const PAGE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// Of the head of a request, and of a body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_OPEN_CONNECTIONS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long the last response may take to leave.
const GRACE: Duration = Duration::from_secs(2);

/// Verifies and saves a connection. Called on a thread of its own; blocks while it logs in.
pub(crate) type Authorize =
    dyn Fn(&ConnectionEntries) -> Result<CompletedConnection, RefusedAttempt> + Send + Sync;

/// What the page is about.
pub(crate) struct PageSettings {
    pub(crate) connection: String,
    /// What the form begins with.
    pub(crate) prefilled: ConnectionEntries,
    /// The saved connection that would be replaced.
    pub(crate) replaces: Option<String>,
}

/// How the page ended.
pub(crate) enum PageEnd {
    Connected(CompletedConnection),
    /// Fifteen minutes without a connection.
    TimedOut,
    /// More attempts than a person makes.
    TooManyAttempts,
}

/// A listening page that is not served yet.
pub(crate) struct ConnectServer {
    listener: TcpListener,
    shared: Arc<SharedPage>,
}

struct SharedPage {
    settings: PageSettings,
    addresses: PageAddresses,
    authorize: Arc<Authorize>,
    state: Mutex<PageState>,
    end: watch::Sender<bool>,
}

#[derive(Default)]
struct PageState {
    link_was_used: bool,
    entries: ConnectionEntries,
    refused: Option<RefusedAttempt>,
    attempts: u32,
    /// Closed when the login that is under way has ended.
    login: Option<watch::Receiver<()>>,
    completed: Option<CompletedConnection>,
}

impl ConnectServer {
    /// Listens on 127.0.0.1; port 0 is any free one.
    pub(crate) async fn listen(
        port: u16,
        settings: PageSettings,
        authorize: Arc<Authorize>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let state = PageState {
            entries: settings.prefilled.clone(),
            ..PageState::default()
        };
        let shared = SharedPage {
            settings,
            addresses: PageAddresses {
                once: random_hex()?,
                page: random_hex()?,
            },
            authorize,
            state: Mutex::new(state),
            end: watch::Sender::new(false),
        };
        Ok(Self {
            listener,
            shared: Arc::new(shared),
        })
    }

    /// The link for the person, which works once.
    pub(crate) fn link(&self) -> io::Result<String> {
        let address: SocketAddr = self.listener.local_addr()?;
        Ok(format!(
            "http://{address}/open/{}",
            self.shared.addresses.once
        ))
    }

    /// What a posted form does.
    #[cfg(test)]
    pub(super) fn submit(
        &self,
        form: &'static [u8],
    ) -> impl Future<Output = Response<Full<Bytes>>> + use<> {
        Arc::clone(&self.shared).submit(form)
    }

    /// Serves until the connection is saved, or `timeout` has passed, or the attempts are used up.
    pub(crate) async fn run(self, timeout: Duration) -> PageEnd {
        let mut end = self.shared.end.subscribe();
        let permits = Arc::new(Semaphore::new(MAX_OPEN_CONNECTIONS));
        let mut connections = tokio::task::JoinSet::new();
        let mut deadline = pin!(tokio::time::sleep(timeout));
        loop {
            tokio::select! {
                biased;
                () = ended(&mut end) => break,
                () = &mut deadline => break,
                accepted = accept(&self.listener, &permits) => {
                    let shared = Arc::clone(&self.shared);
                    let Some((stream, permit)) = accepted else { continue };
                    connections.spawn(async move {
                        serve_connection(shared, stream).await;
                        drop(permit);
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
        drop(self.listener);
        // A login that is under way may still save its connection.
        let login = self.shared.state().login.clone();
        if let Some(mut login) = login {
            while login.changed().await.is_ok() {}
        }
        // The last response leaves, and its connection ends by itself, as all do.
        self.shared.end.send_replace(true);
        let _ = tokio::time::timeout(GRACE, async {
            while connections.join_next().await.is_some() {}
        })
        .await;
        let mut state = self.shared.state();
        match state.completed.take() {
            Some(completed) => PageEnd::Connected(completed),
            None if state.attempts >= MAX_ATTEMPTS => PageEnd::TooManyAttempts,
            None => PageEnd::TimedOut,
        }
    }
}

/// The next connection, with its right to stay open. `None` after a failure to accept, which concerns one peer only.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    if let Ok((stream, _)) = listener.accept().await {
        return Some((stream, permit));
    }
    // Out of descriptors, for example.
    tokio::time::sleep(Duration::from_millis(50)).await;
    None
}

/// Waits until the page has ended.
async fn ended(end: &mut watch::Receiver<bool>) {
    let _ = end.wait_for(|ended| *ended).await;
}

async fn serve_connection(shared: Arc<SharedPage>, stream: tokio::net::TcpStream) {
    let mut end = shared.end.subscribe();
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.respond(request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .max_buf_size(MAX_HEAD_BYTES)
            .keep_alive(true)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        _ = connection.as_mut() => {}
        () = ended(&mut end) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

impl SharedPage {
    fn state(&self) -> MutexGuard<'_, PageState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        match rules::route(&self.addresses, &head.method, &head.uri, &head.headers) {
            Err(status) => refuse(status),
            Ok(Route::Open) => self.open(),
            Ok(Route::ShowForm) => self.show(),
            Ok(Route::SubmitForm) => {
                let body = tokio::time::timeout(
                    REQUEST_TIMEOUT,
                    Limited::new(body, MAX_FORM_BYTES).collect(),
                );
                match body.await {
                    Ok(Ok(body)) => self.submit(&body.to_bytes()).await,
                    Ok(Err(_)) => refuse(StatusCode::PAYLOAD_TOO_LARGE),
                    Err(_) => refuse(StatusCode::REQUEST_TIMEOUT),
                }
            }
        }
    }

    /// The link: redirects to the page, once.
    fn open(&self) -> Response<Full<Bytes>> {
        if std::mem::replace(&mut self.state().link_was_used, true) {
            return message(
                StatusCode::GONE,
                "This link was used already",
                "If that was not you, press Ctrl-C in the terminal and begin again.",
            );
        }
        let mut response = message(StatusCode::SEE_OTHER, "Connect Salesforce", "");
        self.redirect(&mut response);
        response
    }

    fn redirect(&self, response: &mut Response<Full<Bytes>>) {
        // Hexadecimal digits and slashes only.
        if let Ok(location) = HeaderValue::try_from(format!("/c/{}/", self.addresses.page)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
    }

    /// The page as things stand.
    fn show(&self) -> Response<Full<Bytes>> {
        let state = self.state();
        if let Some(completed) = &state.completed {
            return html(StatusCode::OK, |nonce| {
                page::connected(completed, nonce, state.attempts)
            });
        }
        html(StatusCode::OK, |nonce| {
            page::form(
                &FormPage {
                    connection: &self.settings.connection,
                    login_url: &state.entries.login_url,
                    client_id: &state.entries.client_id,
                    has_secret: state.entries.client_secret.is_some(),
                    replaces: self.settings.replaces.as_deref(),
                    refused: state.refused.as_ref(),
                    attempts: state.attempts,
                },
                nonce,
            )
        })
    }

    /// Tries the entries. While a login is under way, further posts wait for it and show its result.
    async fn submit(self: Arc<Self>, form: &[u8]) -> Response<Full<Bytes>> {
        let Some(entries) = read_form(form, &self.state().entries) else {
            return refuse(StatusCode::BAD_REQUEST);
        };
        let under_way = self.state().login.clone();
        let mut ended = match under_way {
            Some(ended) => ended,
            None => match self.begin(entries) {
                Some(ended) => ended,
                None => return self.after_attempt(),
            },
        };
        // An error says that the sender was dropped: the login has ended.
        while ended.changed().await.is_ok() {}
        self.after_attempt()
    }

    /// Starts a login on a thread of its own, so that it goes on if the browser leaves.
    fn begin(self: &Arc<Self>, entries: ConnectionEntries) -> Option<watch::Receiver<()>> {
        let (guard, ended) = watch::channel(());
        let mut state = self.state();
        if state.login.is_some() || state.completed.is_some() || state.attempts >= MAX_ATTEMPTS {
            return state.login.clone();
        }
        state.attempts += 1;
        state.entries = entries.clone();
        state.login = Some(ended.clone());
        drop(state);
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let result = (shared.authorize)(&entries);
            let mut state = shared.state();
            state.login = None;
            match result {
                Ok(completed) => {
                    state.refused = None;
                    state.completed = Some(completed);
                }
                Err(refused) => state.refused = Some(refused),
            }
            drop(state);
            drop(guard);
        });
        Some(ended)
    }

    fn after_attempt(&self) -> Response<Full<Bytes>> {
        let (is_completed, is_last) = {
            let state = self.state();
            (state.completed.is_some(), state.attempts >= MAX_ATTEMPTS)
        };
        if is_completed || is_last {
            let response = if is_completed {
                self.show()
            } else {
                message(
                    StatusCode::TOO_MANY_REQUESTS,
                    "Too many attempts",
                    "Nothing was saved. Begin again in the terminal.",
                )
            };
            self.end.send_replace(true);
            return response;
        }
        // So that a reload of the page does not log in again.
        let mut response = message(StatusCode::SEE_OTHER, "Connect Salesforce", "");
        self.redirect(&mut response);
        response
    }
}

/// The entries of a form; an empty secret stands for the one before. `None` if the form is not the page's.
fn read_form(form: &[u8], before: &ConnectionEntries) -> Option<ConnectionEntries> {
    let mut entries = ConnectionEntries::default();
    let mut seen = Vec::new();
    for (name, value) in form_urlencoded::parse(form) {
        if seen.contains(&name) {
            return None;
        }
        match name.as_ref() {
            "login_url" => value.trim().clone_into(&mut entries.login_url),
            "client_id" => value.trim().clone_into(&mut entries.client_id),
            "client_secret" => entries.client_secret = Some(Secret::new(value)),
            "other_org" => entries.other_org = value == "yes",
            _ => return None,
        }
        seen.push(name);
    }
    if entries
        .client_secret
        .as_ref()
        .is_none_or(|secret| secret.expose().trim().is_empty())
    {
        entries.client_secret.clone_from(&before.client_secret);
    }
    // The consent is to the org that the entries before led to.
    entries.other_org &=
        entries.login_url == before.login_url && entries.client_id == before.client_id;
    Some(entries)
}

fn refuse(status: StatusCode) -> Response<Full<Bytes>> {
    message(
        status,
        status.canonical_reason().unwrap_or("Refused"),
        "Open the link that the terminal shows.",
    )
}

fn message(status: StatusCode, title: &str, text: &str) -> Response<Full<Bytes>> {
    html(status, |nonce| page::message(title, text, nonce))
}

/// A response with the headers that all have.
fn html(status: StatusCode, write: impl FnOnce(&str) -> String) -> Response<Full<Bytes>> {
    // Without randomness the page has no style, and is not less safe.
    let nonce = random_hex().unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(write(&nonce))));
    *response.status_mut() = status;
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy.as_str()),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // Not `no-referrer`: with it, browsers send `Origin: null` with the page's own form.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// 128 random bits as hexadecimal digits.
fn random_hex() -> io::Result<String> {
    let mut bytes = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
