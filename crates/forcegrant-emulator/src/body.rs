//! The body of an answer on its way out, in the pieces that a fault asks for.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::answer::{Answer, Delivery};
use crate::shared::Pause;

const CHUNK: usize = 16 * 1024;
const HUGE_START: &[u8] = b"{\"padding\":\"";
const HUGE_END: &[u8] = b"\"}";

/// A response body made of steps.
pub(crate) struct ReplyBody {
    steps: VecDeque<Step>,
    length: Option<u64>,
}

enum Step {
    Data(Bytes),
    Fill(u64),
    /// Lets hyper write out what it has.
    Flush,
    Wait(Pause),
    Fail,
}

/// The connection is to be closed in the middle of the body.
#[derive(Debug, thiserror::Error)]
#[error("the body ends here on purpose")]
pub(crate) struct CutShort;

impl ReplyBody {
    pub(crate) fn empty() -> Self {
        Self {
            steps: VecDeque::new(),
            length: Some(0),
        }
    }

    /// The body of `answer`; `pause` makes what a pause in the middle waits for.
    pub(crate) fn of(answer: &Answer, pause: impl FnOnce(std::time::Duration) -> Pause) -> Self {
        let whole = &answer.body;
        let half = whole.len() / 2;
        let (head, tail) = (whole.slice(..half), whole.slice(half..));
        let length = whole.len() as u64;
        let (steps, length) = match answer.delivery {
            Delivery::Whole => (vec![Step::Data(whole.clone())], Some(length)),
            Delivery::Paused(time) => {
                let wait = Step::Wait(pause(time));
                (
                    vec![Step::Data(head), Step::Flush, wait, Step::Data(tail)],
                    Some(length),
                )
            }
            Delivery::Cut => (
                vec![Step::Data(head), Step::Flush, Step::Fail],
                Some(length.max(1)),
            ),
            Delivery::Huge { bytes, chunked } => {
                let frame = (HUGE_START.len() + HUGE_END.len()) as u64;
                let fill = bytes.saturating_sub(frame);
                let steps = vec![
                    Step::Data(Bytes::from_static(HUGE_START)),
                    Step::Fill(fill),
                    Step::Data(Bytes::from_static(HUGE_END)),
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

impl Body for ReplyBody {
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
                Step::Data(data) if data.is_empty() => {}
                Step::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Step::Fill(0) => {}
                Step::Fill(left) => {
                    let now = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                    self.steps.push_front(Step::Fill(left - now as u64));
                    return Poll::Ready(Some(Ok(Frame::data(vec![b'x'; now].into()))));
                }
                Step::Flush => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Wait(mut pause) => match pause.as_mut().poll(context) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Some(Err(CutShort))),
                    Poll::Pending => {
                        self.steps.push_front(Step::Wait(pause));
                        return Poll::Pending;
                    }
                },
                Step::Fail => return Poll::Ready(Some(Err(CutShort))),
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
