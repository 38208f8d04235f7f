//! A body whose beginning is read ahead, and which its reader still gets whole.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use forcegrant_proto::calls::api_call::{CLASSIFIED_BYTES, body_counts};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

/// The frames that were read ahead, and the rest. For most responses nothing is read ahead.
#[derive(Debug)]
pub struct PeekedBody<B: Body> {
    read_ahead: VecDeque<Result<Frame<Bytes>, B::Error>>,
    rest: Pin<Box<B>>,
}

impl<B: Body<Data = Bytes>> PeekedBody<B> {
    /// Reads nothing ahead.
    pub fn whole(body: B) -> Self {
        Self {
            read_ahead: VecDeque::new(),
            rest: Box::pin(body),
        }
    }

    /// Reads the first bytes ahead if they count for this status, and returns them too: at most one frame
    /// more than is looked at. If the body breaks off, what came before counts, and its reader gets the error.
    pub async fn begin(status: StatusCode, body: B) -> (Self, Vec<u8>) {
        let mut peeked = Self::whole(body);
        let mut beginning = Vec::new();
        if !body_counts(status.as_u16()) {
            return (peeked, beginning);
        }
        while beginning.len() < CLASSIFIED_BYTES {
            let rest = &mut peeked.rest;
            let Some(frame) =
                std::future::poll_fn(|context| rest.as_mut().poll_frame(context)).await
            else {
                break;
            };
            let is_lost = frame.is_err();
            if let Ok(frame) = &frame
                && let Some(data) = frame.data_ref()
            {
                beginning.extend_from_slice(data);
            }
            peeked.read_ahead.push_back(frame);
            if is_lost {
                break;
            }
        }
        (peeked, beginning)
    }
}

impl<B: Body<Data = Bytes>> Body for PeekedBody<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.read_ahead.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => pin!(self.rest.as_mut()).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read_ahead.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read_ahead = self.read_ahead.iter().flatten().filter_map(Frame::data_ref);
        let read_ahead: u64 = read_ahead.map(|data| data.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + read_ahead);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + read_ahead);
        }
        hint
    }
}
