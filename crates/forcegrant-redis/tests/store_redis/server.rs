//! `redis-server` processes on ports of their own, ended with the test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use redis::FromRedisValue;

/// How long anything may take to come about.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    child: Child,
    arguments: Vec<String>,
    folder: PathBuf,
    pub(crate) port: u16,
}

impl Server {
    /// A server that keeps nothing on disk.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on(free_port(), arguments)
    }

    pub(crate) fn start_on(port: u16, arguments: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("forcegrant-redis-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let mut all: Vec<String> = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            .map(str::to_owned)
            .to_vec();
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let child = spawn(port, &folder, &all);
        let server = Self {
            child,
            arguments: all,
            folder,
            port,
        };
        server.wait_until_up();
        server
    }

    /// A Sentinel that watches the master at this port, under the name `main`.
    pub(crate) fn sentinel(master: u16) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("forcegrant-redis-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("sentinel.conf");
        let text = format!(
            "bind 127.0.0.1\nport {port}\nsentinel monitor main 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
        );
        std::fs::write(&file, text).unwrap();
        let child = quiet(Command::new(program()).arg(&file).arg("--sentinel"));
        let server = Self {
            child,
            arguments: Vec::new(),
            folder,
            port,
        };
        server.wait_until_up();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a command as the default user, without TLS.
    pub(crate) fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) fn try_command<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        command.query(&mut connection)
    }

    /// Whether it says this of its replication. Not while it loads what its master sent.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.try_command::<String>(&["INFO", "replication"])
            .is_ok_and(|info| info.contains(word))
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, at the same port, with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.port, &self.folder, &self.arguments);
        self.wait_until_up();
    }

    /// Stops or continues the process, as the system's signals do.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    fn wait_until_up(&self) {
        let answer = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 7];
            stream.read_exact(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        eventually("the server is up", || {
            // Who wants a password is up too.
            matches!(answer().as_deref(), Ok("+PONG\r\n" | "-NOAUTH"))
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A port of this machine that nobody uses, and no other test will.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut given = GIVEN.lock().unwrap();
        // A Cluster's nodes talk to each other 10,000 above.
        if port < 55_000 && !given.contains(&port) {
            given.push(port);
            return port;
        }
    }
}

/// Looks until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn spawn(port: u16, folder: &std::path::Path, arguments: &[String]) -> Child {
    let mut command = Command::new(program());
    command.args(["--port", &port.to_string()]);
    quiet(command.arg("--dir").arg(folder).args(arguments))
}

/// Debian's, unless another (an older one, or Valkey) is named.
fn program() -> std::ffi::OsString {
    std::env::var_os("FORCEGRANT_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

fn quiet(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed (Debian: apt-get install redis-server)")
}
