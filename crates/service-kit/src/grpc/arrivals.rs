//! Connections before their first call. Whoever opens one and says nothing costs us little, holds up nobody, and is no reason
//! to wait at the end.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tonic::transport::server::Connected;
use tracing::debug;

use crate::metrics::Counter;

/// So many bytes begin every connection of HTTP/2 …
const PREFACE: usize = 24;
/// … and whoever opens one has so long to send them.
const PREFACE_WITHIN: Duration = Duration::from_secs(10);
/// So many connections get ready at once …
pub const AT_ONCE: usize = 512;
/// … and so many are open.
const OPEN: usize = 10_000;

/// Gets each connection ready in a task of its own. When `AT_ONCE` are at it, the one that takes longest goes: those that mean
/// to call are ready at once. All go when the stream is dropped.
pub fn apart<A, B, F>(
    arriving: impl Stream<Item = io::Result<A>> + Send,
    turned_away: Counter,
    prepare: impl Fn(A) -> F + Send,
) -> impl Stream<Item = io::Result<B>> + Send
where
    A: Send,
    B: Send + 'static,
    F: Future<Output = io::Result<B>> + Send + 'static,
{
    let lobby = Lobby {
        arriving: Box::pin(arriving),
        prepare,
        tasks: JoinSet::new(),
        oldest_first: VecDeque::new(),
        turned_away,
    };
    stream::unfold(lobby, |mut lobby| async move {
        let next = lobby.next().await?;
        Some((next, lobby))
    })
}

struct Lobby<S, P, B> {
    arriving: Pin<Box<S>>,
    prepare: P,
    tasks: JoinSet<io::Result<B>>,
    oldest_first: VecDeque<AbortHandle>,
    turned_away: Counter,
}

impl<S, P, A, B, F> Lobby<S, P, B>
where
    S: Stream<Item = io::Result<A>>,
    P: Fn(A) -> F,
    B: Send + 'static,
    F: Future<Output = io::Result<B>> + Send + 'static,
{
    async fn next(&mut self) -> Option<io::Result<B>> {
        loop {
            tokio::select! {
                arrived = self.arriving.next() => match arrived? {
                    Ok(connection) => self.enter(connection),
                    Err(error) => return Some(Err(error)),
                },
                Some(left) = self.tasks.join_next() => {
                    self.oldest_first.retain(|task| !task.is_finished());
                    match left {
                        Ok(Ok(ready)) => return Some(Ok(ready)),
                        Ok(Err(reason)) => self.turn_away(&reason),
                        Err(crowded_out) => self.turn_away(&crowded_out),
                    }
                }
            }
        }
    }

    fn enter(&mut self, connection: A) {
        if self.oldest_first.len() >= AT_ONCE
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.abort();
        }
        let task = self.tasks.spawn((self.prepare)(connection));
        self.oldest_first.push_back(task);
    }

    fn turn_away(&self, reason: &dyn std::error::Error) {
        self.turned_away.inc();
        debug!("a connection was turned away: {reason}");
    }
}

/// The connections among `arriving` that began to speak, as many as may be open.
pub fn speaking<C>(
    arriving: impl Stream<Item = io::Result<C>> + Send,
    turned_away: Counter,
) -> impl Stream<Item = io::Result<Begun<C>>> + Send
where
    C: AsyncRead + Unpin + Send + 'static,
{
    let places = Arc::new(Semaphore::new(OPEN));
    apart(arriving, turned_away, move |connection| {
        begun(connection, places.clone())
    })
}

async fn begun<C: AsyncRead + Unpin>(
    mut connection: C,
    places: Arc<Semaphore>,
) -> io::Result<Begun<C>> {
    let mut preface = [0; PREFACE];
    let said = connection.read_exact(&mut preface);
    let said = tokio::time::timeout(PREFACE_WITHIN, said).await;
    said.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    let place = places
        .try_acquire_owned()
        .map_err(|_| io::Error::other("too many connections are open"))?;
    Ok(Begun {
        preface,
        told: 0,
        connection,
        _place: place,
    })
}

/// A connection whose first bytes were read, and are read again by whoever serves it.
#[derive(Debug)]
pub struct Begun<C> {
    preface: [u8; PREFACE],
    /// Of these.
    told: usize,
    connection: C,
    _place: OwnedSemaphorePermit,
}

impl<C: AsyncRead + Unpin> AsyncRead for Begun<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.told == PREFACE {
            return Pin::new(&mut this.connection).poll_read(ctx, buffer);
        }
        let rest = this.preface.get(this.told..).unwrap_or_default();
        let now = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..now).unwrap_or_default());
        this.told += now;
        Poll::Ready(Ok(()))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Begun<C> {
    fn poll_write(
        self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write(ctx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().connection).poll_write_vectored(ctx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_flush(ctx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().connection).poll_shutdown(ctx)
    }
}

impl<C: Connected> Connected for Begun<C> {
    type ConnectInfo = C::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.connection.connect_info()
    }
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
