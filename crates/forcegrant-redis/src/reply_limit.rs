//! Bounds what a server replies, before any of it is stored.
//!
//! The redis crate reads replies of any length, and reserves memory for as many elements as the header of a reply
//! announces. Every reply to this store is short, except for an entry, so a server is not trusted with more.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use forcegrant_proto::store::protocol::LARGEST_ENTRY;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Of one reply, with all its elements and headers.
const MAX_REPLY_BYTES: usize = LARGEST_ENTRY + 16 * 1024;
/// Of one line: an error, or the header of an element.
const MAX_LINE_BYTES: usize = 8 * 1024;
/// Of the part of a header that has a number.
const MAX_HEADER_BYTES: usize = 32;
/// Elements of one reply, including nested ones.
const MAX_ELEMENTS: u64 = 64;
/// Bytes that are read at once. They are in memory before they are checked.
const MAX_READ_BYTES: usize = 16 * 1024;

/// TCP, with TLS or without.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A stream on which reading fails when a reply exceeds the limits.
pub(crate) struct BoundedStream {
    stream: Box<dyn ByteStream>,
    bounds: ReplyBounds,
}

/// A reply exceeds the limits, or is not the Redis protocol.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ReplyRejected(pub(crate) &'static str);

impl BoundedStream {
    pub(crate) fn new(stream: impl ByteStream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            bounds: ReplyBounds::default(),
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = &mut *self;
        let length = buffer.remaining().min(MAX_READ_BYTES);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(length));
        ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
        if let Err(rejected) = this.bounds.check(part.filled()) {
            return Poll::Ready(Err(Error::new(ErrorKind::InvalidData, rejected)));
        }
        let read = part.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BoundedStream {
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

/// The position in the replies of a stream. Pure.
#[derive(Debug, Default)]
struct ReplyBounds {
    /// Bytes of the current reply so far.
    bytes: usize,
    /// Elements that the headers of the current reply announced.
    elements: u64,
    /// Those of them that have not arrived.
    pending: u64,
    /// The current line: its beginning and its length.
    line: Vec<u8>,
    line_length: usize,
    /// Bytes that are left of a string whose length was announced, with its line end.
    string_left: usize,
}

impl ReplyBounds {
    /// Checks the next bytes of the stream.
    fn check(&mut self, mut bytes: &[u8]) -> std::result::Result<(), ReplyRejected> {
        while let Some(first) = bytes.first() {
            let checked = if self.string_left > 0 {
                let length = self.string_left.min(bytes.len());
                self.string_left -= length;
                length
            } else {
                self.line_length += 1;
                if self.line.len() < MAX_HEADER_BYTES {
                    self.line.push(*first);
                }
                if *first == b'\n' {
                    self.end_line()?;
                } else if self.line_length > MAX_LINE_BYTES {
                    return Err(ReplyRejected("a line is too long"));
                }
                1
            };
            bytes = &bytes[checked..];
            self.bytes += checked;
            if self.bytes > MAX_REPLY_BYTES {
                return Err(ReplyRejected("a reply is too long"));
            }
            if self.pending == 0 && self.string_left == 0 && self.line_length == 0 {
                (self.bytes, self.elements) = (0, 0);
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> std::result::Result<(), ReplyRejected> {
        let line = std::mem::take(&mut self.line);
        self.line_length = 0;
        self.pending = self.pending.saturating_sub(1);
        let number = || {
            let text = line.get(1..).and_then(|text| text.strip_suffix(b"\r\n"));
            let number = text.and_then(|text| std::str::from_utf8(text).ok()?.parse::<i64>().ok());
            number.ok_or(ReplyRejected("a reply is not the Redis protocol"))
        };
        let elements = match line[0] {
            b'$' | b'!' | b'=' => {
                let length = usize::try_from(number()?).ok();
                if length.is_some_and(|length| length > MAX_REPLY_BYTES) {
                    return Err(ReplyRejected("a reply is too long"));
                }
                self.string_left = length.map_or(0, |length| length + 2);
                0
            }
            b'*' | b'~' | b'>' => u64::try_from(number()?).unwrap_or(0),
            b'%' | b'|' => u64::try_from(number()?).unwrap_or(0).saturating_mul(2),
            _ => 0,
        };
        self.elements = self.elements.saturating_add(elements);
        self.pending = self.pending.saturating_add(elements);
        if self.elements > MAX_ELEMENTS {
            return Err(ReplyRejected("a reply has too many elements"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LARGEST_ENTRY, MAX_LINE_BYTES, ReplyBounds};

    fn check(bytes: &[u8]) -> Result<(), String> {
        checked(&mut ReplyBounds::default(), bytes)
    }

    fn checked(bounds: &mut ReplyBounds, bytes: &[u8]) -> Result<(), String> {
        bounds.check(bytes).map_err(|rejected| rejected.to_string())
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
            let mut bounds = ReplyBounds::default();
            for _ in 0..1_000 {
                checked(&mut bounds, reply).unwrap();
                assert_eq!((bounds.bytes, bounds.pending), (0, 0), "{reply:?}");
            }
        }
        let entry = [
            format!("*2\r\n${LARGEST_ENTRY}\r\n").into_bytes(),
            vec![b'$'; LARGEST_ENTRY],
            b"\r\n:5\r\n".to_vec(),
        ];
        check(&entry.concat()).unwrap();
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
            check(header.as_bytes()).unwrap_err();
        }
        // Nesting, many small arrays and a line without an end do not get around the limits.
        check(&b"*1\r\n".repeat(65)).unwrap_err();
        check(&b"*8\r\n".repeat(9)).unwrap_err();
        let half = format!("${}\r\n{}\r\n", 700_000, "x".repeat(700_000));
        check(format!("*2\r\n{half}").as_bytes()).unwrap();
        check(format!("*2\r\n{half}{half}").as_bytes()).unwrap_err();
        check(format!("{half}{half}").as_bytes()).unwrap();
        check(format!("-ERR {}", "x".repeat(MAX_LINE_BYTES)).as_bytes()).unwrap_err();
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
            let mut bounds = ReplyBounds::default();
            let parts = checked(&mut bounds, &bytes[..cut]).and_then(|()| checked(&mut bounds, &bytes[cut..]));
            prop_assert_eq!(parts, check(&bytes));
        }
    }
}
