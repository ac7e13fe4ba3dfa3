//! `/live`, `/ready`, `/metrics` for Kubernetes and Prometheus.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::Shutdown;
use crate::health::Health;
use crate::metrics::Metrics;

/// Serves until shutdown. `/live` depends on nothing outside; `/ready` is 503 until everything has caught up once and always
/// lists what is in trouble.
///
/// # Errors
/// The listener broke.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/live", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .with_state(health)
        .route("/metrics", get(move || text(metrics.clone())));
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let report = health.report();
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report))
}

async fn text(metrics: Metrics) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        metrics.text(),
    )
}
