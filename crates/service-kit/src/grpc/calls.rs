//! The calls of a process behind its one door. Connections bring requests to it, see [`super::serve_calls`]; so may whoever is
//! inside the process and takes them from elsewhere.

use std::convert::Infallible;

use tonic::body::Body;
use tonic::service::Routes;
use tower::{Layer, ServiceExt};

use super::counters::Counters;
use super::door::{Door, DoorLayer};
use super::quota::Quotas;
use super::refusals::Refusals;
use super::{Entrance, Ids};
use crate::metrics::Counter;

/// Cheap to clone; all clones share what is counted.
#[derive(Debug, Clone)]
pub struct Calls {
    pub(super) routes: Routes,
    pub(super) door: DoorLayer,
    /// Connections that never got as far as a call.
    pub(super) turned_away: Counter,
}

impl Calls {
    #[must_use]
    pub fn new(routes: Routes, entrance: &Entrance) -> Self {
        let door = Door {
            tokens: entrance.tokens.clone(),
            quotas: Quotas::new(&entrance.limits, &entrance.metrics),
            counters: Counters::new(&entrance.metrics),
            refusals: Refusals::new(entrance.limits.message),
            ids: Ids::random(),
            quick: entrance.quick,
        };
        Self {
            routes: routes.prepare(),
            door: DoorLayer::new(door),
            turned_away: entrance.metrics.register(
                "grpc_connections_turned_away",
                "Connections closed before a call: nothing was said in time, or too many were open",
                Counter::default(),
            ),
        }
    }

    /// What a gRPC client would be answered: who is calling, the trace, the counts and every refusal are the same.
    pub async fn answer(&self, request: http::Request<Body>) -> http::Response<Body> {
        let inner = self.door.layer(self.routes.clone());
        let answered: Result<_, Infallible> = inner.oneshot(request).await;
        match answered {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}
