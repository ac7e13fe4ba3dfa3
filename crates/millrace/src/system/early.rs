//! While the database server is away at the start, every call is answered with UNAVAILABLE instead of with silence.

use std::io;

use axum::Router;
use millrace_service_kit::grpc::{self, Entrance, Listener};
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::tls::TlsServer;
use millrace_service_kit::{Shutdown, rejection};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tracing::warn;

/// Answers at the same address as `listener` until `stop`; then whoever serves `listener` gets the connections. Gives the
/// listener back.
pub fn answer(
    listener: TcpListener,
    tls: Option<TlsServer>,
    entrance: Entrance,
    stop: Shutdown,
) -> io::Result<TcpListener> {
    let listener = listener.into_std()?;
    let early = Listener {
        tcp: TcpListener::from_std(listener.try_clone()?)?,
        tls,
    };
    // Counted for itself: the process's own server registers its figures later.
    let entrance = Entrance {
        metrics: Metrics::default(),
        ..entrance
    };
    let routes = Routes::from(Router::new().fallback(away));
    tokio::spawn(async move {
        if let Err(error) = grpc::serve(early, routes, entrance, stop).await {
            let cause = &error as &dyn std::error::Error;
            warn!(
                error = cause,
                "calls are not answered while the database is away"
            );
        }
    });
    TcpListener::from_std(listener)
}

async fn away() -> axum::http::Response<axum::body::Body> {
    rejection::unavailable("database", "this process waits for its database").into_http()
}
