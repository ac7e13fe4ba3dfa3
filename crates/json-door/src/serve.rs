//! Connections. HTTP/1.1 alone: what speaks HTTP/2 better has gRPC.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use millrace_service_kit::Shutdown;
use millrace_service_kit::grpc::{Limits, Listener};
use millrace_service_kit::tls::{Protocol, TlsServer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tonic::transport::server::TcpIncoming;
use tracing::{debug, info, warn};

use crate::JsonDoor;
use crate::in_hand::InHand;

/// How long a connection is kept without a request, and how long a request's head may take. Longer than proxies keep theirs:
/// whichever side closes first must not be the one that is about to be asked.
const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// Header lines of one request.
const HEADER_LINES: usize = 100;
/// The least that hyper reads into.
const LEAST_BUFFER: usize = 8 << 10;
/// At once; further ones wait to be accepted.
const CONNECTIONS: usize = 4096;
/// After a connection could not be accepted, usually because files have run out.
const BREATH: Duration = Duration::from_millis(50);
/// When the process stops, a connection without a call has so long to send what was answered.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves until shutdown is asked, then finishes the calls in hand.
///
/// # Errors
/// None: a listener that is in trouble is tried again.
pub async fn serve(
    listener: impl Into<Listener>,
    door: JsonDoor,
    limits: Limits,
    shutdown: Shutdown,
) -> io::Result<()> {
    let Listener { tcp, tls } = listener.into();
    // Answers are small; waiting for more to send would only add latency.
    let mut arrivals = TcpIncoming::from(tcp)
        .with_nodelay(Some(true))
        .with_keepalive(Some(limits.keepalive));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let server = Server {
        door: Arc::new(door),
        http: http(&limits),
        tls,
        shutdown,
    };
    let (connections, mut in_trouble) = (TaskTracker::new(), false);
    loop {
        let arrived = tokio::select! {
            () = server.shutdown.cancelled() => break,
            arrived = next(&room, &mut arrivals) => arrived,
        };
        match arrived {
            Ok((place, stream)) => {
                if std::mem::take(&mut in_trouble) {
                    info!("connections are accepted again");
                }
                let server = server.clone();
                connections.spawn(async move {
                    server.serve(stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut in_trouble, true) {
                    warn!(%error, "connections cannot be accepted");
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(arrivals);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// The next connection, once there is a place for it.
async fn next(
    room: &Arc<Semaphore>,
    arrivals: &mut TcpIncoming,
) -> io::Result<(OwnedSemaphorePermit, TcpStream)> {
    let place = room.clone().acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    match arrivals.next().await {
        Some(stream) => Ok((place, stream?)),
        None => std::future::pending().await,
    }
}

fn http(limits: &Limits) -> http1::Builder {
    let headers = usize::try_from(limits.headers.as_u64()).unwrap_or(usize::MAX);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_headers(HEADER_LINES)
        .max_header_size(headers)
        .max_buf_size(headers.max(LEAST_BUFFER));
    http
}

/// What every connection is served with.
#[derive(Clone)]
struct Server {
    door: Arc<JsonDoor>,
    http: http1::Builder,
    tls: Option<TlsServer>,
    shutdown: Shutdown,
}

impl Server {
    async fn serve(self, stream: TcpStream) {
        let Some(tls) = &self.tls else {
            return self.connection(stream).await;
        };
        let agreeing = tls.accept(stream, Protocol::Http1);
        match self.shutdown.run_until_cancelled(agreeing).await {
            Some(Ok(stream)) => self.connection(stream).await,
            Some(Err(refused)) => debug!("a connection was refused: {refused}"),
            None => {}
        }
    }

    /// One connection, whatever it runs over.
    async fn connection(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let in_hand = InHand::default();
        let service = service_fn(|request| {
            let (door, call) = (self.door.clone(), in_hand.clone());
            async move {
                let answer = door.answer(request).await;
                Ok::<_, Infallible>(answer.map(|body| call.until_the_end_of(body)))
            }
        });
        let served = self.http.serve_connection(TokioIo::new(stream), service);
        let mut served = std::pin::pin!(served);
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = self.shutdown.cancelled() => {
                served.as_mut().graceful_shutdown();
                loop {
                    match tokio::time::timeout(LAST_WORDS, served.as_mut()).await {
                        Ok(ended) => break ended,
                        // At most the beginning of a head has come.
                        Err(_) if in_hand.is_none() => break Ok(()),
                        Err(_) => {}
                    }
                }
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection ended early");
        }
    }
}

#[cfg(test)]
mod tests;
