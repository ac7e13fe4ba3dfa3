//! A way into this process's own server that needs no port and no certificate: for services that call each other within
//! one process.

use std::io;
use std::task::{Context, Poll};

use futures::future::{Ready, ready};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tower::Service;

/// As much as is under way in one direction.
const BUFFER: usize = 64 << 10;

/// The side of whoever calls.
#[derive(Debug, Clone)]
pub struct Inside(mpsc::UnboundedSender<DuplexStream>);

/// Connections that were opened inside, for [`super::serve_inside`].
#[derive(Debug)]
pub struct Visitors(pub(super) mpsc::UnboundedReceiver<DuplexStream>);

#[must_use]
pub fn way() -> (Inside, Visitors) {
    let (opened, visitors) = mpsc::unbounded_channel();
    (Inside(opened), Visitors(visitors))
}

impl Service<Uri> for Inside {
    type Response = TokioIo<DuplexStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let opened = self.0.send(theirs);
        ready(match opened {
            Ok(()) => Ok(TokioIo::new(ours)),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        })
    }
}
