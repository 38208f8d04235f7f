//! The body of a response while it is sent, in the pieces that a fault asks for.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::response::{BodyDelivery, OutgoingResponse};
use crate::shared::InterruptibleWait;

const CHUNK_BYTES: usize = 16 * 1024;
const HUGE_START: &[u8] = b"{\"padding\":\"";
const HUGE_END: &[u8] = b"\"}";

/// A response body made of steps.
pub(crate) struct ResponseBody {
    steps: VecDeque<BodyStep>,
    length: Option<u64>,
}

enum BodyStep {
    Data(Bytes),
    Fill(u64),
    /// Lets hyper write out what it has.
    Flush,
    Wait(InterruptibleWait),
    Fail,
}

/// The connection is closed in the middle of the body.
#[derive(Debug, thiserror::Error)]
#[error("the body ends here on purpose")]
pub(crate) struct CutShort;

impl ResponseBody {
    pub(crate) fn empty() -> Self {
        Self {
            steps: VecDeque::new(),
            length: Some(0),
        }
    }

    /// The body of `response`; `pause` returns what a pause in the middle waits for.
    pub(crate) fn of(
        response: &OutgoingResponse,
        pause: impl FnOnce(std::time::Duration) -> InterruptibleWait,
    ) -> Self {
        let whole = &response.body;
        let half = whole.len() / 2;
        let (head, tail) = (whole.slice(..half), whole.slice(half..));
        let length = whole.len() as u64;
        let (steps, length) = match response.delivery {
            BodyDelivery::Whole => (vec![BodyStep::Data(whole.clone())], Some(length)),
            BodyDelivery::Paused(time) => {
                let wait = BodyStep::Wait(pause(time));
                (
                    vec![
                        BodyStep::Data(head),
                        BodyStep::Flush,
                        wait,
                        BodyStep::Data(tail),
                    ],
                    Some(length),
                )
            }
            BodyDelivery::Cut => (
                vec![BodyStep::Data(head), BodyStep::Flush, BodyStep::Fail],
                Some(length.max(1)),
            ),
            BodyDelivery::Huge { bytes, chunked } => {
                let frame = (HUGE_START.len() + HUGE_END.len()) as u64;
                let fill = bytes.saturating_sub(frame);
                let steps = vec![
                    BodyStep::Data(Bytes::from_static(HUGE_START)),
                    BodyStep::Fill(fill),
                    BodyStep::Data(Bytes::from_static(HUGE_END)),
                ];
                (steps, (!chunked).then_some(fill + frame))
            }
        };
        Self {
            steps: steps.into(),
            length,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        loop {
            let Some(step) = self.steps.pop_front() else {
                return Poll::Ready(None);
            };
            match step {
                BodyStep::Data(data) if data.is_empty() => {}
                BodyStep::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                BodyStep::Fill(0) => {}
                BodyStep::Fill(left) => {
                    let now = usize::try_from(left)
                        .unwrap_or(CHUNK_BYTES)
                        .min(CHUNK_BYTES);
                    self.steps.push_front(BodyStep::Fill(left - now as u64));
                    return Poll::Ready(Some(Ok(Frame::data(vec![b'x'; now].into()))));
                }
                BodyStep::Flush => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                BodyStep::Wait(mut pause) => match pause.as_mut().poll(context) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Some(Err(CutShort))),
                    Poll::Pending => {
                        self.steps.push_front(BodyStep::Wait(pause));
                        return Poll::Pending;
                    }
                },
                BodyStep::Fail => return Poll::Ready(Some(Err(CutShort))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
