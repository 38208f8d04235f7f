//! The body of a gRPC request that may have to be sent twice: what goes out is kept until the answer
//! begins, and the rest still comes from the caller's own body. So a stream can be sent again too.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tonic::Status;

/// More than this is not kept: such a request can be sent only once.
const MOST: usize = 1024 * 1024;

/// The caller's body, and what of it went out.
#[derive(Clone)]
pub(crate) struct Tape(Arc<Mutex<Reel>>);

struct Reel {
    body: tonic::body::Body,
    kept: VecDeque<Bytes>,
    bytes: usize,
    /// Whether all that went out is kept.
    is_whole: bool,
    /// Which playing may go on: one that was overtaken ends.
    turn: u32,
}

/// One sending of it.
pub(crate) struct Playing {
    tape: Tape,
    turn: u32,
    /// How many of the kept frames went out.
    position: usize,
}

impl Tape {
    pub(crate) fn new(body: tonic::body::Body) -> Self {
        Self(Arc::new(Mutex::new(Reel {
            body,
            kept: VecDeque::new(),
            bytes: 0,
            is_whole: true,
            turn: 0,
        })))
    }

    /// The body from its beginning; `None` if that is gone. An earlier playing ends.
    pub(crate) fn play(&self) -> Option<Playing> {
        let mut reel = self.reel();
        if !reel.is_whole {
            return None;
        }
        reel.turn += 1;
        Some(Playing {
            tape: self.clone(),
            turn: reel.turn,
            position: 0,
        })
    }

    /// Nothing has to be kept any more.
    pub(crate) fn release(&self) {
        self.reel().is_whole = false;
    }

    fn reel(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Playing {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let tape = self.tape.clone();
        let mut reel = tape.reel();
        if reel.turn != self.turn {
            return Poll::Ready(None);
        }
        if let Some(kept) = reel.kept.get(self.position).cloned() {
            self.position += 1;
            return Poll::Ready(Some(Ok(Frame::data(kept))));
        }
        if !reel.is_whole {
            reel.kept.clear();
            self.position = 0;
        }
        let polled = Pin::new(&mut reel.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && reel.is_whole
        {
            reel.bytes += data.len();
            if reel.bytes > MOST {
                reel.is_whole = false;
            } else {
                let data = data.clone();
                reel.kept.push_back(data);
                self.position += 1;
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let reel = self.tape.reel();
        reel.turn != self.turn || (reel.kept.len() <= self.position && reel.body.is_end_stream())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    struct Frames(VecDeque<Bytes>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
        }
    }

    fn tape(frames: impl IntoIterator<Item = Bytes>) -> Tape {
        Tape::new(tonic::body::Body::new(Frames(frames.into_iter().collect())))
    }

    async fn next(playing: &mut Playing) -> Option<Bytes> {
        let mut playing = Pin::new(playing);
        let frame = poll_fn(|context| playing.as_mut().poll_frame(context)).await?;
        frame.unwrap().into_data().ok()
    }

    #[tokio::test]
    async fn what_went_out_comes_again_and_the_rest_after_it() {
        let tape = tape(["a", "b", "c"].map(Bytes::from));
        let mut first = tape.play().unwrap();
        assert_eq!(next(&mut first).await.unwrap(), "a");
        assert_eq!(next(&mut first).await.unwrap(), "b");
        let mut second = tape.play().unwrap();
        assert_eq!(next(&mut first).await, None, "it was overtaken");
        for expected in ["a", "b", "c"] {
            assert_eq!(next(&mut second).await.unwrap(), expected);
        }
        assert_eq!(next(&mut second).await, None);
    }

    #[tokio::test]
    async fn nothing_is_kept_once_the_answer_has_begun() {
        let tape = tape(["a", "b"].map(Bytes::from));
        let mut playing = tape.play().unwrap();
        assert_eq!(next(&mut playing).await.unwrap(), "a");
        tape.release();
        assert!(tape.play().is_none());
        assert_eq!(next(&mut playing).await.unwrap(), "b");
        assert!(tape.reel().kept.is_empty());
    }

    #[tokio::test]
    async fn too_much_is_sent_once() {
        let tape = tape([Bytes::from(vec![0; MOST]), Bytes::from("more")]);
        let mut playing = tape.play().unwrap();
        assert_eq!(next(&mut playing).await.unwrap().len(), MOST);
        assert!(tape.play().is_some());
        let mut playing = tape.play().unwrap();
        next(&mut playing).await;
        assert_eq!(next(&mut playing).await.unwrap(), "more");
        assert!(tape.play().is_none());
    }
}
