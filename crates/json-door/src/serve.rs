//! Connections. HTTP/1.1 alone: what speaks HTTP/2 better has gRPC.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use millrace_service_kit::Shutdown;
use millrace_service_kit::grpc::Limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::JsonDoor;

/// How long a request's head may take, and how long a connection is kept without one.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// Header lines of one request.
const HEADER_LINES: usize = 100;
/// The least that hyper reads into.
const LEAST_BUFFER: usize = 8 << 10;
/// After a connection could not be accepted, usually because files have run out.
const BREATH: Duration = Duration::from_millis(50);

/// Serves until shutdown is asked, then finishes the calls in hand.
///
/// # Errors
/// None: a listener that is in trouble is tried again.
pub async fn serve(
    listener: TcpListener,
    door: JsonDoor,
    limits: Limits,
    shutdown: Shutdown,
) -> io::Result<()> {
    let (door, connections) = (Arc::new(door), TaskTracker::new());
    let http = http(&limits);
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Answers are small; waiting for more to send would only add latency.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "no delay could not be set");
                }
                let serving = connection(http.clone(), stream, door.clone(), shutdown.clone());
                connections.spawn(serving);
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
    Ok(())
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

/// One connection, whatever it runs over.
async fn connection(
    http: http1::Builder,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: Arc<JsonDoor>,
    shutdown: Shutdown,
) {
    let service = service_fn(move |request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(door.answer(request).await) }
    });
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}
