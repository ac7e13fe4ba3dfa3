//! An answer on its way out: its work belongs to the call's span, how it ends is said in its trailers, and it ends when the
//! token it was asked for with does.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::body::Body;
use tonic::{Code, Status};

use super::door::{Visit, code_of};
use crate::auth::expired;

pub struct Stream {
    body: Body,
    visit: Visit,
    /// When the token ends.
    ends: Option<Instant>,
    /// Wakes us then, if the answer waits for something.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub fn new(body: Body, visit: Visit) -> Self {
        Self {
            body,
            ends: visit.caller.as_ref().and_then(|caller| caller.ends()),
            visit,
            alarm: None,
        }
    }

    fn refuse(&self, trailers: &mut HeaderMap) {
        let visit = &self.visit;
        visit.span.in_scope(|| visit.refuse(trailers));
    }

    /// The last frame. Whoever made the answer is told that nobody listens.
    fn cut(&mut self) -> Result<Frame<Bytes>, Status> {
        self.ends = None;
        self.body = Body::empty();
        let mut trailers = HeaderMap::new();
        expired().add_header(&mut trailers)?;
        self.refuse(&mut trailers);
        Ok(Frame::trailers(trailers))
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.ends.is_some_and(|ends| Instant::now() >= ends) {
            return Poll::Ready(Some(this.cut()));
        }
        let span = &this.visit.span;
        let mut polled = span.in_scope(|| Pin::new(&mut this.body).poll_frame(ctx));
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && let Some(trailers) = frame.trailers_mut()
        {
            // Said is said.
            this.ends = None;
            if !matches!(code_of(trailers), None | Some(Code::Ok)) {
                this.refuse(trailers);
            }
        }
        if polled.is_pending()
            && let Some(ends) = this.ends
        {
            let alarm = this
                .alarm
                .get_or_insert_with(|| Box::pin(sleep_until(ends)));
            if alarm.poll_unpin(ctx).is_ready() {
                return Poll::Ready(Some(this.cut()));
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
