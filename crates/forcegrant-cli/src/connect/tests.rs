//! The Connect page by raw requests, as no browser would send them.

mod hostile;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use forcegrant::{InputField, SetupStep};

use super::server::{Authorize, ConnectServer, PageEnd, PageSettings};
use super::{CompletedConnection, ConnectionEntries, RefusedAttempt};

const SECRET: &str = "CANARY-5EC4E7/+=%&";
const FORM: &str =
    "login_url=acme.my.salesforce.com&client_id=3MVG9x&client_secret=CANARY-5EC4E7%2F%2B%3D%25%26";

/// A page on a thread of its own.
struct TestPage {
    address: SocketAddr,
    link: String,
    thread: thread::JoinHandle<PageEnd>,
}

impl TestPage {
    fn start(authorize: Arc<Authorize>) -> Self {
        Self::start_with(
            authorize,
            ConnectionEntries::default(),
            Duration::from_secs(60),
        )
    }

    fn start_with(
        authorize: Arc<Authorize>,
        prefilled: ConnectionEntries,
        timeout: Duration,
    ) -> Self {
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let settings = PageSettings {
                    connection: "acme".into(),
                    prefilled,
                    replaces: None,
                };
                let server = ConnectServer::listen(0, settings, authorize).await.unwrap();
                tell.send(server.link().unwrap()).unwrap();
                server.run(timeout).await
            })
        });
        let link = told.recv().unwrap();
        let rest = link.strip_prefix("http://").unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        Self {
            address: address.parse().unwrap(),
            link: format!("/{path}"),
            thread,
        }
    }

    fn send(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // The server may refuse before it has read all.
        let _ = stream.write_all(request);
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        String::from_utf8_lossy(&response).into_owned()
    }

    fn get(&self, path: &str) -> String {
        let host = self.address;
        self.send(
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
    }

    fn post(&self, path: &str, form: &[u8]) -> String {
        let host = self.address;
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            form.len()
        )
        .into_bytes();
        request.extend_from_slice(form);
        self.send(&request)
    }

    /// Follows the link; the path of the page.
    fn open(&self) -> String {
        let response = self.get(&self.link);
        assert_eq!(status(&response), 303, "{response}");
        header(&response, "location").unwrap()
    }

    fn end(self) -> PageEnd {
        self.thread.join().unwrap()
    }
}

fn status(response: &str) -> u16 {
    let line = response.split(' ').nth(1).unwrap_or_default();
    line.parse().unwrap_or(0)
}

fn header(response: &str, name: &str) -> Option<String> {
    let head = response.split("\r\n\r\n").next()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
}

fn completed() -> CompletedConnection {
    CompletedConnection {
        id: "acme".into(),
        login_host: "acme.my.salesforce.com".into(),
        org_id: "00Dxx0000001gEREAY".into(),
        user_id: "005xx000001SwiUAAS".into(),
        notes: Vec::new(),
    }
}

fn refused() -> RefusedAttempt {
    RefusedAttempt {
        code: "no_run_as_user".into(),
        message: "Salesforce refused the credentials: <b>no client credentials user</b> enabled"
            .into(),
        help: "The app has no execution user.".into(),
        field: None,
        step: Some(SetupStep::RunAsUser),
        other_org: false,
    }
}

/// Accepts everything.
fn accepting() -> Arc<Authorize> {
    Arc::new(|_: &ConnectionEntries| Ok(completed()))
}

/// Refuses everything, and counts.
fn refusing(count: &Arc<AtomicU32>) -> Arc<Authorize> {
    let count = Arc::clone(count);
    Arc::new(move |_: &ConnectionEntries| {
        count.fetch_add(1, Ordering::SeqCst);
        Err(refused())
    })
}

#[test]
fn three_values_make_a_connection_and_the_page_ends() {
    let seen = Arc::new(Mutex::new(None));
    let record = Arc::clone(&seen);
    let page = TestPage::start(Arc::new(move |entries: &ConnectionEntries| {
        *record.lock().unwrap() = Some(entries.clone());
        Ok(completed())
    }));
    let path = page.open();
    let form = page.get(&path);
    assert_eq!(status(&form), 200);
    for part in [
        "<title>Connect Salesforce: acme</title>",
        "data-attempts=0",
        "Hostname",
        "Client ID",
        "Client Secret",
    ] {
        assert!(form.contains(part), "{part}");
    }
    let response = page.post(&path, FORM.as_bytes());
    assert_eq!(status(&response), 200, "{response}");
    assert!(response.contains("Connection acme is saved"), "{response}");
    assert!(response.contains("forcegrant token --connection acme"));
    assert!(!response.contains("CANARY"));
    let entries = seen.lock().unwrap().take().unwrap();
    assert_eq!(entries.login_url, "acme.my.salesforce.com");
    assert_eq!(entries.client_id, "3MVG9x");
    assert_eq!(entries.client_secret.unwrap().expose(), SECRET);
    let address = page.address;
    assert!(matches!(page.end(), PageEnd::Connected(saved) if saved.id == "acme"));
    assert!(
        TcpStream::connect(address).is_err(),
        "nothing listens any more"
    );
}

#[test]
fn the_link_works_once() {
    let page = TestPage::start(accepting());
    let path = page.open();
    let again = page.get(&page.link);
    assert_eq!(status(&again), 410);
    assert!(again.contains("press Ctrl-C in the terminal"), "{again}");
    page.post(&path, FORM.as_bytes());
    page.end();
}

#[test]
fn every_response_carries_the_headers_of_a_page_that_cannot_be_abused() {
    let page = TestPage::start(accepting());
    let path = page.open();
    let responses = [
        page.get("/"),
        page.get(&page.link),
        page.get(&path),
        page.post(&path, b"x=y"),
        page.post(&path, FORM.as_bytes()),
    ];
    let mut nonces = std::collections::HashSet::new();
    for response in responses {
        let policy = header(&response, "content-security-policy").unwrap();
        let nonce = policy
            .split("'nonce-")
            .nth(1)
            .unwrap()
            .split('\'')
            .next()
            .unwrap();
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            )
        );
        assert!(nonce.len() == 32 && nonces.insert(nonce.to_owned()));
        assert!(response.contains(&format!("<style nonce=\"{nonce}\">")));
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("content-type", "text/html; charset=utf-8"),
        ] {
            assert_eq!(header(&response, name).as_deref(), Some(value), "{name}");
        }
        for absent in ["set-cookie", "server", "access-control-allow-origin"] {
            assert_eq!(header(&response, absent), None);
        }
        assert!(
            !response.contains("<script")
                && !response.contains("<img")
                && !response.contains("http://")
        );
    }
    page.end();
}

#[test]
fn a_refusal_opens_its_step_and_keeps_what_was_entered_without_the_secret() {
    let count = Arc::new(AtomicU32::new(0));
    let page = TestPage::start(refusing(&count));
    let path = page.open();
    let posted = page.post(&path, FORM.as_bytes());
    assert_eq!(status(&posted), 303);
    assert_eq!(header(&posted, "location"), Some(path.clone()));
    let form = page.get(&path);
    for part in [
        "<title>Error: Connect Salesforce: acme</title>",
        "role=alert",
        "&lt;b&gt;no client credentials user&lt;/b&gt;",
        "<code>no_run_as_user</code>. Nothing was saved.",
        "<details id=step-run-as-user open>",
        "value=\"acme.my.salesforce.com\"",
        "value=\"3MVG9x\"",
        "Leave it empty to use the one you entered before.",
        "data-attempts=1",
    ] {
        assert!(form.contains(part), "{part}: {form}");
    }
    assert_eq!(form.matches(" open>").count(), 1, "no other step is open");
    assert!(!form.contains("CANARY"));
    // Looking again is no attempt.
    page.get(&path);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    drop(page);
}

#[test]
fn a_wrong_value_marks_its_input() {
    let page = TestPage::start(Arc::new(|_: &ConnectionEntries| {
        Err(RefusedAttempt {
            field: Some(InputField::ClientSecret),
            step: Some(SetupStep::KeyAndSecret),
            ..refused()
        })
    }));
    let path = page.open();
    page.post(&path, FORM.as_bytes());
    let form = page.get(&path);
    assert_eq!(form.matches(" aria-invalid=true").count(), 1);
    let input = form
        .split("<input id=client_secret")
        .nth(1)
        .unwrap()
        .split('>')
        .next()
        .unwrap();
    assert!(
        input.contains("aria-invalid=true") && input.contains("autofocus"),
        "{input}"
    );
    assert!(
        input.contains("aria-describedby=\"client_secret-hint client_secret-wrong\""),
        "{input}"
    );
    assert!(form.contains("<p class=wrong id=client_secret-wrong>"));
}

#[test]
fn an_empty_secret_stands_for_the_one_before() {
    let secrets = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&secrets);
    let page = TestPage::start(Arc::new(move |entries: &ConnectionEntries| {
        let secret = entries
            .client_secret
            .as_ref()
            .map(|secret| secret.expose().to_owned());
        let mut secrets = record.lock().unwrap();
        secrets.push(secret);
        if secrets.len() < 3 {
            Err(refused())
        } else {
            Ok(completed())
        }
    }));
    let path = page.open();
    page.post(&path, b"login_url=a&client_id=b&client_secret=");
    page.post(&path, b"login_url=a&client_id=b&client_secret=one");
    page.post(&path, b"login_url=a&client_id=c&client_secret=");
    page.end();
    assert_eq!(
        *secrets.lock().unwrap(),
        [None, Some("one".to_owned()), Some("one".to_owned())]
    );
}

#[test]
fn five_submits_at_once_are_one_login() {
    let count = Arc::new(AtomicU32::new(0));
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let counted = Arc::clone(&count);
    let authorize: Arc<Authorize> = Arc::new(move |_: &ConnectionEntries| {
        counted.fetch_add(1, Ordering::SeqCst);
        released.lock().unwrap().recv().unwrap();
        Err(refused())
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let settings = PageSettings {
            connection: "acme".into(),
            prefilled: ConnectionEntries::default(),
            replaces: None,
        };
        let server = ConnectServer::listen(0, settings, authorize).await.unwrap();
        let mut submits: Vec<_> = (0..5)
            .map(|_| Box::pin(server.submit(FORM.as_bytes())))
            .collect();
        // Each is under way before the login may end.
        for submit in &mut submits {
            let waits = std::future::poll_fn(|context| {
                std::task::Poll::Ready(submit.as_mut().poll(context).is_pending())
            });
            assert!(waits.await);
        }
        release.send(()).unwrap();
        for submit in submits {
            assert_eq!(submit.await.status(), 303);
        }
    });
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn another_org_is_asked_about() {
    let page = TestPage::start(Arc::new(|entries: &ConnectionEntries| {
        if entries.other_org {
            return Ok(completed());
        }
        Err(RefusedAttempt {
            other_org: true,
            ..refused()
        })
    }));
    let path = page.open();
    page.post(&path, FORM.as_bytes());
    let form = page.get(&path);
    assert!(
        form.contains("name=other_org value=yes") && form.contains("Replace it"),
        "{form}"
    );
    let response = page.post(&path, format!("{FORM}&other_org=yes").as_bytes());
    assert_eq!(status(&response), 200);
    assert!(matches!(page.end(), PageEnd::Connected(_)));
}

#[test]
fn guessing_ends_after_twenty_attempts() {
    let count = Arc::new(AtomicU32::new(0));
    let page = TestPage::start(refusing(&count));
    let path = page.open();
    for _ in 0..19 {
        assert_eq!(status(&page.post(&path, FORM.as_bytes())), 303);
    }
    assert_eq!(status(&page.post(&path, FORM.as_bytes())), 429);
    assert!(matches!(page.end(), PageEnd::TooManyAttempts));
    assert_eq!(count.load(Ordering::SeqCst), 20);
}

#[test]
fn the_page_ends_without_a_visitor() {
    let page = TestPage::start_with(accepting(), ConnectionEntries::default(), Duration::ZERO);
    assert!(matches!(page.end(), PageEnd::TimedOut));
}
