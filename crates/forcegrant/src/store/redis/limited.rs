//! A connection whose replies are bounded before anything of them is kept.
//!
//! The redis crate reads replies of any length, and makes space for as many parts as a reply says that it
//! has. The servers are trusted with less: every reply to this store is short, but for an entry.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use forcegrant_proto::store::protocol::LARGEST_ENTRY;

/// The longest reply, its parts and their headers taken together.
const LONGEST_REPLY: usize = LARGEST_ENTRY + 16 * 1024;
/// The longest line: an error, or the header of a part.
const LONGEST_LINE: usize = 8 * 1024;
/// The most parts of a reply, nested ones included.
const MOST_PARTS: u64 = 64;
/// What is read at once, so that what is not checked yet is bounded too.
const READ: usize = 16 * 1024;

/// A stream that fails once a reply is longer than any should be.
pub(super) struct Limited<S> {
    stream: S,
    replies: Replies,
}

impl<S> Limited<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            replies: Replies::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = &mut *self;
        let length = buffer.remaining().min(READ);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(length));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        if let Err(what) = this.replies.take(part.filled()) {
            return Poll::Ready(Err(Error::new(ErrorKind::InvalidData, what)));
        }
        let read = part.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Where in the replies the stream is. Pure.
#[derive(Debug, Default)]
struct Replies {
    /// Bytes of the reply so far.
    bytes: usize,
    /// Parts that its headers spoke of.
    parts: u64,
    /// Those that have not come yet.
    pending: u64,
    /// The line so far: its beginning and its length.
    line: Vec<u8>,
    length: usize,
    /// What is left of a part that has a length, with its line end.
    part: usize,
}

impl Replies {
    /// Goes on by these bytes. `Err`: the reply is longer than any should be, or none of Redis's.
    fn take(&mut self, mut bytes: &[u8]) -> std::result::Result<(), &'static str> {
        while let Some(first) = bytes.first() {
            let step = if self.part > 0 {
                let step = self.part.min(bytes.len());
                self.part -= step;
                step
            } else {
                self.length += 1;
                if self.line.len() < HEADER {
                    self.line.push(*first);
                }
                if *first == b'\n' {
                    self.header()?;
                } else if self.length > LONGEST_LINE {
                    return Err("a line of its reply has no end");
                }
                1
            };
            bytes = &bytes[step..];
            self.bytes += step;
            if self.bytes > LONGEST_REPLY {
                return Err("its reply is too long");
            }
            if self.pending == 0 && self.part == 0 && self.length == 0 {
                (self.bytes, self.parts) = (0, 0);
            }
        }
        Ok(())
    }

    /// A line has ended.
    fn header(&mut self) -> std::result::Result<(), &'static str> {
        let line = std::mem::take(&mut self.line);
        self.length = 0;
        self.pending = self.pending.saturating_sub(1);
        let number = || {
            let text = line.get(1..).and_then(|text| text.strip_suffix(b"\r\n"));
            let number = text.and_then(|text| std::str::from_utf8(text).ok()?.parse::<i64>().ok());
            number.ok_or("its reply is none of Redis")
        };
        let parts = match line[0] {
            b'$' | b'!' | b'=' => {
                let length = usize::try_from(number()?).ok();
                if length.is_some_and(|length| length > LONGEST_REPLY) {
                    return Err("its reply is too long");
                }
                self.part = length.map_or(0, |length| length + 2);
                0
            }
            b'*' | b'~' | b'>' => u64::try_from(number()?).unwrap_or(0),
            b'%' | b'|' => u64::try_from(number()?).unwrap_or(0).saturating_mul(2),
            _ => 0,
        };
        self.parts = self.parts.saturating_add(parts);
        self.pending = self.pending.saturating_add(parts);
        if self.parts > MOST_PARTS {
            return Err("its reply has too many parts");
        }
        Ok(())
    }
}

/// The longest header that has a number.
const HEADER: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take(bytes: &[u8]) -> std::result::Result<(), &'static str> {
        Replies::default().take(bytes)
    }

    #[test]
    fn replies_of_the_scripts_pass() {
        for reply in [
            &b"+OK\r\n"[..],
            b":1\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"-NOSCRIPT No matching script.\r\n",
            b"*3\r\n:0\r\n:1800000000000000\r\n:2500\r\n",
            b"*2\r\n$5\r\n\r\n$9\n\r\n:1500\r\n",
            b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n",
        ] {
            let mut replies = Replies::default();
            for _ in 0..1_000 {
                replies.take(reply).unwrap();
                assert_eq!((replies.bytes, replies.pending), (0, 0), "{reply:?}");
            }
        }
        let entry = [
            format!("*2\r\n${LARGEST_ENTRY}\r\n").into_bytes(),
            vec![b'$'; LARGEST_ENTRY],
            b"\r\n:5\r\n".to_vec(),
        ];
        take(&entry.concat()).unwrap();
    }

    #[test]
    fn a_reply_that_is_too_long_ends_at_its_header() {
        for header in [
            "$104857600\r\n",
            "$9223372036854775807\r\n",
            "*2\r\n$104857600\r\n",
            "*1000000\r\n",
            "*9223372036854775807\r\n",
            "%33\r\n",
            "|9223372036854775807\r\n",
            "=99999999\r\n",
            "$99999999999999999999\r\n",
            "$?\r\n",
            "*x\r\n",
            "$\r\n",
        ] {
            take(header.as_bytes()).unwrap_err();
        }
        // Neither by nesting, nor by many parts below the limit, nor without an end.
        take(&b"*1\r\n".repeat(65)).unwrap_err();
        take(&b"*8\r\n".repeat(9)).unwrap_err();
        let half = format!("${}\r\n{}\r\n", 700_000, "x".repeat(700_000));
        take(format!("*2\r\n{half}").as_bytes()).unwrap();
        take(format!("*2\r\n{half}{half}").as_bytes()).unwrap_err();
        take(format!("{half}{half}").as_bytes()).unwrap();
        take(format!("-ERR {}", "x".repeat(LONGEST_LINE)).as_bytes()).unwrap_err();
    }

    proptest! {
        /// How the bytes are cut into reads changes nothing.
        #[test]
        fn reads_may_end_anywhere(
            bytes in prop_oneof![any::<Vec<u8>>(), "[$*%+:-][0-9]{0,2}(\r\n[$*:+x]?[0-9]{0,3}){0,8}"
                .prop_map(String::into_bytes)],
            cut in any::<usize>(),
        ) {
            let cut = cut % (bytes.len() + 1);
            let mut replies = Replies::default();
            let parts = replies.take(&bytes[..cut]).and_then(|()| replies.take(&bytes[cut..]));
            prop_assert_eq!(parts, take(&bytes));
        }
    }
}
