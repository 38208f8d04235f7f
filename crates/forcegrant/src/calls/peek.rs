//! A body whose beginning was looked at and that is handed out whole all the same.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

use forcegrant_proto::calls::api_call::{CLASSIFIED_BYTES, body_counts};

/// The frames that were taken out, and the rest. For most answers nothing was taken out.
#[derive(Debug)]
pub struct Peeked<B: Body> {
    taken: VecDeque<Result<Frame<Bytes>, B::Error>>,
    rest: Pin<Box<B>>,
}

impl<B: Body<Data = Bytes>> Peeked<B> {
    /// Nothing was looked at.
    pub(crate) fn whole(body: B) -> Self {
        Self {
            taken: VecDeque::new(),
            rest: Box::pin(body),
        }
    }

    /// Looks at the first bytes where they count, at most one frame more than asked for. A body that
    /// breaks off is judged by what came of it; whoever reads it gets the error.
    pub(crate) async fn at(status: StatusCode, body: B) -> (Self, Vec<u8>) {
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
            peeked.taken.push_back(frame);
            if is_lost {
                break;
            }
        }
        (peeked, beginning)
    }
}

impl<B: Body<Data = Bytes>> Body for Peeked<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.taken.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => pin!(self.rest.as_mut()).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let taken = self.taken.iter().flatten().filter_map(Frame::data_ref);
        let taken: u64 = taken.map(|data| data.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + taken);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + taken);
        }
        hint
    }
}
