//! A client secret from the output of a command.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use forcegrant_proto::connection::ConnectionProblem;
use forcegrant_proto::error::Setting;
use forcegrant_proto::pasted_text;
use forcegrant_proto::secret::Secret;

const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a command that has closed its output is asked whether it ended.
const POLL: Duration = Duration::from_millis(10);
const MAX_OUTPUT: u64 = 64 * 1024;
const RIGHT: &str = "The command writes the client secret, and nothing else, to its standard output within 10 s, and ends with 0. It has no\nterminal and cannot ask for anything: run it by hand to see what it says.";

/// Runs a program with its arguments, without a shell and without a terminal. It is killed when the time is over, with
/// all that it started.
pub(super) fn output(command: &[String]) -> Result<Secret, ConnectionProblem> {
    run(command, TIMEOUT)
}

fn run(command: &[String], timeout: Duration) -> Result<Secret, ConnectionProblem> {
    let wrong = |reason: String| ConnectionProblem::new(reason, RIGHT);
    let failed = |error: io::Error| {
        // The program's name is not repeated: it may be the secret itself.
        wrong(format!(
            "the command for its secret cannot be run: {}",
            error.kind()
        ))
    };
    let Some((program, arguments)) = command.split_first() else {
        return Err(wrong("the command for its secret is empty".to_owned()));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    own_group(&mut command);
    let mut running = RunningCommand {
        child: command.spawn().map_err(failed)?,
        has_ended: false,
    };
    let end = Instant::now() + timeout;
    let late = || {
        wrong(format!(
            "the command for its secret did not end within {timeout:?}"
        ))
    };
    let bytes = match running.read(end) {
        None => return Err(late()),
        Some(read) => read.map_err(failed)?,
    };
    if bytes.len() as u64 > MAX_OUTPUT {
        return Err(wrong(
            "the command for its secret wrote too much".to_owned(),
        ));
    }
    let status = running.wait(end).map_err(failed)?;
    let status = status.ok_or_else(late)?;
    if !status.success() {
        return Err(wrong(format!(
            "the command for its secret failed ({status})"
        )));
    }
    let setting = Setting::Option("client_secret");
    let text = pasted_text::decode(setting, bytes.to_vec()).map_err(ConnectionProblem::from)?;
    if pasted_text::meant(text.expose()).is_empty() {
        return Err(wrong("the command for its secret wrote nothing".to_owned()));
    }
    Ok(text)
}

/// A process that does not outlive this value.
struct RunningCommand {
    child: Child,
    has_ended: bool,
}

impl RunningCommand {
    /// All that it writes, up to the limit. `None`: it is not done in time. The thread ends with the process.
    fn read(&mut self, end: Instant) -> Option<io::Result<Zeroizing<Vec<u8>>>> {
        let output = self.child.stdout.take()?;
        let (sender, receiver) = mpsc::channel();
        let reader = std::thread::Builder::new().spawn(move || {
            let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
            let read = output.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
            let _ = sender.send(read.map(|_| bytes));
        });
        if let Err(error) = reader {
            return Some(Err(error));
        }
        receiver
            .recv_timeout(end.saturating_duration_since(Instant::now()))
            .ok()
    }

    fn wait(&mut self, end: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.has_ended = true;
                return Ok(Some(status));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        // What one that ended by itself left running is its own affair, and its number may be another's by now.
        if !self.has_ended {
            kill_group(&mut self.child);
            let _ = self.child.wait();
        }
    }
}

/// In a process group of its own, which cannot read from the terminal.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

#[cfg(unix)]
fn kill_group(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

#[cfg(not(unix))]
fn kill_group(child: &mut Child) {
    let _ = child.kill();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, timeout: Duration) -> Result<Secret, ConnectionProblem> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        run(&command, timeout)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_it_writes_is_the_secret() {
        let secret = shell("printf 'hunter22\\n'", MINUTE).unwrap();
        assert_eq!(pasted_text::meant(secret.expose()), "hunter22");
        // It reads nothing from this process.
        let secret = shell("cat; printf hunter22", MINUTE).unwrap();
        assert_eq!(secret.expose(), "hunter22");
    }

    #[test]
    fn what_goes_wrong_is_said_without_what_it_wrote() {
        for (script, reason) in [
            ("printf hunter22; exit 3", "failed (exit status: 3)"),
            ("printf hunter22 >&2; exit 1", "failed (exit status: 1)"),
            ("kill -9 $$", "failed (signal: 9"),
            ("true", "wrote nothing"),
            ("printf ' \\n'", "wrote nothing"),
            ("yes hunter22", "wrote too much"),
            ("printf 'hunter22\\377'", "not valid UTF-8"),
        ] {
            let problem = shell(script, MINUTE).unwrap_err();
            assert!(problem.reason.contains(reason), "{script}: {problem:?}");
            assert!(!format!("{problem:?}").contains("hunter22"), "{problem:?}");
        }
        let problem = output(&["/nowhere/hunter22".to_owned()]).unwrap_err();
        assert!(problem.reason.contains("cannot be run"), "{problem:?}");
        assert!(!format!("{problem:?}").contains("hunter22"), "{problem:?}");
    }

    /// An agent that it started, say, which keeps the vault open.
    #[test]
    fn what_one_that_ended_left_running_goes_on() {
        use rustix::process::{Pid, Signal, kill_process, test_kill_process};
        let secret = shell("sleep 1000 >/dev/null 2>&1 & printf $!", MINUTE).unwrap();
        let left = Pid::from_raw(secret.expose().parse().unwrap()).unwrap();
        assert_eq!(test_kill_process(left), Ok(()));
        kill_process(left, Signal::KILL).unwrap();
    }

    /// It is killed with what it started, which would else hold the output open.
    #[test]
    fn one_that_hangs_is_killed_with_its_children() {
        for script in [
            "exec sleep 1000",
            "sleep 1000 & sleep 1000",
            "exec >&-; exec sleep 1000",
        ] {
            let problem = shell(script, Duration::from_millis(200)).unwrap_err();
            assert!(
                problem.reason.contains("did not end within"),
                "{script}: {problem:?}"
            );
        }
    }
}
