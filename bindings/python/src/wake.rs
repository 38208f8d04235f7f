//! A pair of connected sockets: a thread without the interpreter wakes an event loop with it.

use std::io;
use std::io::Write;

#[cfg(unix)]
pub(crate) type End = std::os::unix::net::UnixStream;
#[cfg(windows)]
pub(crate) type End = std::net::TcpStream;

/// The end to wait at, and the end to write to.
#[cfg(unix)]
pub(crate) fn pair() -> io::Result<(End, End)> {
    End::pair()
}

/// Windows has no such pair, and its event loops wait for sockets only: a connection over
/// loopback, from the port that is really ours.
#[cfg(windows)]
pub(crate) fn pair() -> io::Result<(End, End)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let ours = End::connect(listener.local_addr()?)?;
    loop {
        let (theirs, from) = listener.accept()?;
        if from == ours.local_addr()? {
            return Ok((theirs, ours));
        }
    }
}

/// Wakes whoever waits at the other end. It may have gone: nobody to wake then.
///
/// Closing alone would do, were it not for a child that was forked in between and holds a copy.
pub(crate) fn wake(mut end: &End) {
    let _ = end.write(&[1]);
}

/// Hands the end over to Python, which wraps it in a socket and closes it.
#[cfg(unix)]
pub(crate) fn detach(end: End) -> i64 {
    use std::os::fd::IntoRawFd;
    i64::from(end.into_raw_fd())
}

#[cfg(windows)]
pub(crate) fn detach(end: End) -> i64 {
    use std::os::windows::io::IntoRawSocket;
    i64::try_from(end.into_raw_socket()).unwrap_or(-1)
}
