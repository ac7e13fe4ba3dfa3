//! The baseline of lookups: a bare tonic server that answers every call with the same bytes, behind the same layers as ours
//! (token check, limits, metrics). It runs as a process of its own, as ours does: `millrace-bench echo-server <address> <folder>`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::path::Path;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::future::BoxFuture;
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::grpc::{Entrance, Limits, serve};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Secret, Shutdown};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tower::Service;

use crate::raw::Raw;

/// What the echo answers: files in its folder.
pub const UNARY: &str = "unary";
pub const BATCH: &str = "batch";

/// Serves until it is killed.
pub async fn run(address: SocketAddr, folder: &Path, token: &str) -> Result<()> {
    let read = |name: &str| {
        std::fs::read(folder.join(name))
            .map(Bytes::from)
            .with_context(|| format!("the echo has no answer in {name}"))
    };
    let echo = Echo {
        unary: read(UNARY)?,
        batch: read(BATCH)?,
    };
    let settings = TokenSettings {
        name: "bench".to_owned(),
        token: Some(Secret::new(token)),
        sha256: None,
        channel: None,
        scopes: ["*".to_owned()].into(),
    };
    let entrance = Entrance {
        tokens: Tokens::new([settings])?,
        limits: Limits::default(),
        health: Health::default(),
        metrics: Metrics::default(),
        descriptors: millrace_contract::DESCRIPTORS,
        quick: &[
            "/millrace.stock.v1.StockService/GetAvailability",
            "/millrace.stock.v1.StockService/BatchGetAvailability",
        ],
    };
    serve(
        TcpListener::bind(address).await?,
        Routes::new(echo),
        entrance,
        Shutdown::new(),
    )
    .await?;
    Ok(())
}

#[derive(Clone)]
struct Echo {
    unary: Bytes,
    batch: Bytes,
}

impl NamedService for Echo {
    const NAME: &'static str = "millrace.stock.v1.StockService";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let is_batch = request.uri().path().ends_with("/BatchGetAvailability");
        let answer = if is_batch {
            self.batch.clone()
        } else {
            self.unary.clone()
        };
        Box::pin(async move { Ok(Grpc::new(Raw).unary(Answer(answer), request).await) })
    }
}

struct Answer(Bytes);

impl Service<Request<Bytes>> for Answer {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(self.0.clone())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::uri::PathAndQuery;

    use super::*;
    use crate::system;

    #[tokio::test]
    async fn the_echo_answers_behind_the_token_check() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(UNARY), b"one").unwrap();
        std::fs::write(folder.path().join(BATCH), b"many").unwrap();
        let address = system::free().unwrap();
        let answers = folder.path().to_owned();
        tokio::spawn(async move { run(address, &answers, system::SHOP_TOKEN).await });
        let channel =
            millrace_test_rig::until(Duration::from_secs(10), "the echo listens", async || {
                crate::cases::connect(address).await.ok()
            })
            .await;

        let mut client = tonic::client::Grpc::new(channel);
        for (call, expected) in [
            ("GetAvailability", &b"one"[..]),
            ("BatchGetAvailability", b"many"),
        ] {
            let path: PathAndQuery = format!("/{}/{call}", Echo::NAME).parse().unwrap();
            client.ready().await.unwrap();
            let stranger = client
                .unary(
                    Request::new(Bytes::from_static(b"question")),
                    path.clone(),
                    Raw,
                )
                .await;
            assert_eq!(stranger.unwrap_err().code(), tonic::Code::Unauthenticated);
            client.ready().await.unwrap();
            let answer = client
                .unary(
                    crate::cases::authorized(Bytes::from_static(b"question")),
                    path,
                    Raw,
                )
                .await
                .unwrap();
            assert_eq!(answer.into_inner(), expected);
        }
    }
}
