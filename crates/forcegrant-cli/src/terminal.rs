//! Questions in the terminal, and a secret that is typed without echo.

use std::io::{self, ErrorKind, Read};

/// A line with its echo. `None`: the end of input.
pub(crate) fn read_line(input: &mut dyn Read) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match input.read(&mut byte)? {
            0 if line.is_empty() => return Ok(None),
            0 => break,
            _ if byte[0] == b'\n' => break,
            _ => line.push(byte[0]),
        }
    }
    text(line).map(Some)
}

fn text(line: Vec<u8>) -> io::Result<String> {
    String::from_utf8(line)
        .map(|line| line.trim().to_owned())
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(unix)]
pub(crate) use unix::read_secret;

#[cfg(windows)]
pub(crate) fn read_secret(
    _: &mut dyn Read,
    ask: impl FnOnce() -> io::Result<()>,
) -> io::Result<Option<String>> {
    ask()?;
    rpassword::read_password().map(Some)
}

#[cfg(unix)]
mod unix {
    use std::io::{self, ErrorKind, Read};

    use rustix::stdio::stdin;
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const BACKSPACES: [u8; 2] = [8, 127];
    const ERASE_LINE: u8 = 21;

    /// A line that the terminal does not show. Ctrl-C is read as a byte, so that the echo is back before the program
    /// ends: [`ErrorKind::Interrupted`]. `None`: the end of input.
    ///
    /// `ask` puts the question, when the echo is off.
    pub(crate) fn read_secret(
        input: &mut dyn Read,
        ask: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<Option<String>> {
        let silent = SilentTerminal::new()?;
        ask()?;
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            if input.read(&mut byte)? == 0 {
                return Ok(None);
            }
            match byte[0] {
                b'\r' | b'\n' => break,
                INTERRUPT => return Err(ErrorKind::Interrupted.into()),
                END if line.is_empty() => return Ok(None),
                ERASE_LINE => line.clear(),
                other if BACKSPACES.contains(&other) => {
                    // The whole character, not its last byte.
                    while line.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
                }
                other => line.push(other),
            }
        }
        drop(silent);
        super::text(line).map(Some)
    }

    /// The terminal without echo, until it is dropped.
    struct SilentTerminal(Termios);

    impl SilentTerminal {
        fn new() -> io::Result<Self> {
            let before = tcgetattr(stdin())?;
            let mut silent = before.clone();
            silent.local_modes &=
                !(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
            tcsetattr(stdin(), OptionalActions::Now, &silent)?;
            Ok(Self(before))
        }
    }

    impl Drop for SilentTerminal {
        fn drop(&mut self) {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
        }
    }
}
