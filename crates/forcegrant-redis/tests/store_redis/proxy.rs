//! A proxy between the store and Redis which delays, cuts and swallows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    delay_ms: AtomicU64,
    /// Takes bytes and passes none on, in either direction.
    swallows: AtomicBool,
    /// Cuts the connection in the middle of the next reply.
    cuts: AtomicBool,
    connections: AtomicU64,
    cut_all: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Faults::default());
        let own = Arc::clone(&faults);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                own.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, target, Arc::clone(&own)));
            }
        });
        Self { port, faults }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.faults.delay_ms.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn swallow(&self, swallows: bool) {
        self.faults.swallows.store(swallows, Ordering::SeqCst);
    }

    pub(crate) fn cut_next_reply(&self) {
        self.faults.cuts.store(true, Ordering::SeqCst);
    }

    pub(crate) fn cut_all(&self) {
        self.faults.cut_all.send_modify(|count| *count += 1);
    }

    pub(crate) fn connections(&self) -> u64 {
        self.faults.connections.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, target: u16, faults: Arc<Faults>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let mut cut = faults.cut_all.subscribe();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut buffer = vec![0; 100_000];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            if faults.swallows.load(Ordering::SeqCst) {
                continue;
            }
            tokio::time::sleep(Duration::from_millis(
                faults.delay_ms.load(Ordering::SeqCst),
            ))
            .await;
            if to_server.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    let down = async {
        let mut buffer = vec![0; 100_000];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            if faults.swallows.load(Ordering::SeqCst) {
                continue;
            }
            if faults.cuts.swap(false, Ordering::SeqCst) {
                let _ = to_client.write_all(&buffer[..count / 2]).await;
                break;
            }
            if to_client.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
        _ = cut.changed() => {}
    }
}
