//! The body of a gRPC request that may have to be sent twice: what goes out is kept until the response
//! begins, and the rest still comes from the caller's own body. So a stream can be sent again too.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tonic::Status;

/// More than this is not kept: such a request can be sent only once.
const MAX_KEPT_BYTES: usize = 1024 * 1024;

/// The caller's body, and what of it went out.
#[derive(Clone)]
pub(crate) struct ReplayBody(Arc<Mutex<RecordedBody>>);

struct RecordedBody {
    body: tonic::body::Body,
    kept: VecDeque<Bytes>,
    bytes: usize,
    /// Whether all that went out is kept.
    is_whole: bool,
    /// The number of the latest copy: earlier ones end.
    latest_copy: u32,
}

/// The body for one request.
pub(crate) struct ReplayCopy {
    source: ReplayBody,
    number: u32,
    /// How many of the kept frames went out.
    position: usize,
}

impl ReplayBody {
    pub(crate) fn new(body: tonic::body::Body) -> Self {
        Self(Arc::new(Mutex::new(RecordedBody {
            body,
            kept: VecDeque::new(),
            bytes: 0,
            is_whole: true,
            latest_copy: 0,
        })))
    }

    /// The body from its beginning; `None` if that is gone. An earlier copy ends.
    pub(crate) fn copy(&self) -> Option<ReplayCopy> {
        let mut recording = self.recording();
        if !recording.is_whole {
            return None;
        }
        recording.latest_copy += 1;
        Some(ReplayCopy {
            source: self.clone(),
            number: recording.latest_copy,
            position: 0,
        })
    }

    /// Nothing has to be kept any more.
    pub(crate) fn release(&self) {
        self.recording().is_whole = false;
    }

    fn recording(&self) -> MutexGuard<'_, RecordedBody> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for ReplayCopy {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let source = self.source.clone();
        let mut recording = source.recording();
        if recording.latest_copy != self.number {
            return Poll::Ready(None);
        }
        if let Some(kept) = recording.kept.get(self.position).cloned() {
            self.position += 1;
            return Poll::Ready(Some(Ok(Frame::data(kept))));
        }
        if !recording.is_whole {
            recording.kept.clear();
            self.position = 0;
        }
        let polled = Pin::new(&mut recording.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && recording.is_whole
        {
            recording.bytes += data.len();
            if recording.bytes > MAX_KEPT_BYTES {
                recording.is_whole = false;
            } else {
                let data = data.clone();
                recording.kept.push_back(data);
                self.position += 1;
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let recording = self.source.recording();
        recording.latest_copy != self.number
            || (recording.kept.len() <= self.position && recording.body.is_end_stream())
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

    fn body(frames: impl IntoIterator<Item = Bytes>) -> ReplayBody {
        ReplayBody::new(tonic::body::Body::new(Frames(frames.into_iter().collect())))
    }

    async fn next(copy: &mut ReplayCopy) -> Option<Bytes> {
        let mut copy = Pin::new(copy);
        let frame = poll_fn(|context| copy.as_mut().poll_frame(context)).await?;
        frame.unwrap().into_data().ok()
    }

    #[tokio::test]
    async fn what_went_out_comes_again_and_the_rest_after_it() {
        let body = body(["a", "b", "c"].map(Bytes::from));
        let mut first = body.copy().unwrap();
        assert_eq!(next(&mut first).await.unwrap(), "a");
        assert_eq!(next(&mut first).await.unwrap(), "b");
        let mut second = body.copy().unwrap();
        assert_eq!(next(&mut first).await, None, "it was overtaken");
        for expected in ["a", "b", "c"] {
            assert_eq!(next(&mut second).await.unwrap(), expected);
        }
        assert_eq!(next(&mut second).await, None);
    }

    #[tokio::test]
    async fn nothing_is_kept_once_the_response_has_begun() {
        let body = body(["a", "b"].map(Bytes::from));
        let mut copy = body.copy().unwrap();
        assert_eq!(next(&mut copy).await.unwrap(), "a");
        body.release();
        assert!(body.copy().is_none());
        assert_eq!(next(&mut copy).await.unwrap(), "b");
        assert!(body.recording().kept.is_empty());
    }

    #[tokio::test]
    async fn too_much_is_sent_once() {
        let body = body([Bytes::from(vec![0; MAX_KEPT_BYTES]), Bytes::from("more")]);
        let mut copy = body.copy().unwrap();
        assert_eq!(next(&mut copy).await.unwrap().len(), MAX_KEPT_BYTES);
        assert!(body.copy().is_some());
        let mut copy = body.copy().unwrap();
        next(&mut copy).await;
        assert_eq!(next(&mut copy).await.unwrap(), "more");
        assert!(body.copy().is_none());
    }
}
