//! While the database server is away at the start, every call is answered with UNAVAILABLE instead of with silence.

use std::os::fd::AsFd;

use anyhow::Result;
use axum::Router;
use millrace_json_door::JsonDoor;
use millrace_service_kit::grpc::{self, Calls, Entrance, Listener};
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::tls::TlsServer;
use millrace_service_kit::{Shutdown, rejection};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tracing::warn;

use super::Listeners;

/// Answers at the addresses of `listeners` until `stop`; then whoever serves those gets the connections.
pub fn answer(
    listeners: &Listeners,
    tls: Option<TlsServer>,
    entrance: Entrance,
    stop: Shutdown,
) -> Result<()> {
    let grpc = Listener {
        tcp: same(&listeners.grpc)?,
        tls: tls.clone(),
    };
    // Counted for itself: the process's own server registers its figures later.
    let entrance = Entrance {
        metrics: Metrics::default(),
        ..entrance
    };
    let calls = Calls::new(Routes::from(Router::new().fallback(away)), &entrance);
    if let Some(http) = &listeners.http {
        let json = JsonDoor::new(calls.clone(), &entrance)?;
        let http = Listener {
            tcp: same(http)?,
            tls,
        };
        let limits = entrance.limits.clone();
        tokio::spawn(millrace_json_door::serve(http, json, limits, stop.clone()));
    }
    tokio::spawn(async move {
        if let Err(error) = grpc::serve_calls(grpc, calls, entrance, stop).await {
            let cause = &error as &dyn std::error::Error;
            warn!(
                error = cause,
                "calls are not answered while the database is away"
            );
        }
    });
    Ok(())
}

/// Another handle on the same address.
fn same(listener: &TcpListener) -> std::io::Result<TcpListener> {
    let handle = listener.as_fd().try_clone_to_owned()?;
    TcpListener::from_std(std::net::TcpListener::from(handle))
}

async fn away() -> axum::http::Response<axum::body::Body> {
    rejection::unavailable("database", "this process waits for its database").into_http()
}
