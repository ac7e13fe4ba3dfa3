//! Which calls of a connection are in hand: from the request's head to the end of the answer's body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};

/// A call holds a clone of its connection's.
#[derive(Debug, Clone, Default)]
pub struct InHand(Arc<()>);

impl InHand {
    /// Whether no call has one.
    pub fn is_none(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    pub fn until_the_end_of<B>(self, body: B) -> Held<B> {
        Held { body, _call: self }
    }
}

/// The body of an answer; its call is in hand while this is there.
pub struct Held<B> {
    body: B,
    _call: InHand,
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
