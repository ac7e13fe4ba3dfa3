//! Counts calls by method and outcome, and how many are open, at next to no cost per call.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::body::Body;
use tower::{Layer, Service};

use super::Call;
use crate::metrics::Metrics;

/// Methods remembered by name: a caller who invents paths does not grow the metrics.
const METHODS: usize = 256;

#[derive(Debug, Clone)]
pub struct CountLayer(Counters);

impl CountLayer {
    pub fn new(metrics: &Metrics) -> Self {
        let calls = metrics.register(
            "grpc_calls",
            "Calls answered, by method and gRPC code of the response's head",
            Family::default(),
        );
        Self(Counters {
            calls,
            ok: Arc::default(),
        })
    }
}

#[derive(Debug, Clone)]
struct Counters {
    calls: Family<Call, Counter>,
    /// The usual case without touching the family's lock and labels.
    ok: Arc<RwLock<HashMap<Box<str>, Counter>>>,
}

impl Counters {
    fn count(&self, method: &str, code: i32) {
        if code == 0 {
            if let Some(counter) = self
                .ok
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(method)
            {
                counter.inc();
                return;
            }
            let mut known = self.ok.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() < METHODS {
                let call = Call {
                    method: method.to_owned(),
                    code: "0".to_owned(),
                };
                let counter = self.calls.get_or_create(&call).clone();
                counter.inc();
                known.insert(method.into(), counter);
            }
            return;
        }
        // An unknown method is one label, whatever it was called.
        let method = if code == tonic::Code::Unimplemented as i32 {
            "unknown"
        } else {
            method
        };
        self.calls
            .get_or_create(&Call {
                method: method.to_owned(),
                code: code.to_string(),
            })
            .inc();
    }
}

impl<S> Layer<S> for CountLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            counters: self.0.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Counted<S> {
    inner: S,
    counters: Counters,
}

impl<S> Service<http::Request<Body>> for Counted<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, ctx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(ctx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let uri = request.uri().clone();
        let counters = self.counters.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            let code = response
                .headers()
                .get("grpc-status")
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .unwrap_or(0);
            counters.count(uri.path(), code);
            Ok(response)
        })
    }
}
