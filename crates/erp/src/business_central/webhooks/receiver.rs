//! The listener that Business Central calls. It answers 200 or, never seen yet, 5xx: any 4xx would make BC delete the
//! subscription. What it cannot use it ignores, and says so only in counters.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tracing::debug;

use super::flows_of;
use crate::Flow;
use crate::business_central::BusinessCentral;

/// BC's own limit is far below; more is not from BC.
const LARGEST_BODY: usize = 1024 * 1024;
const LONGEST_TOKEN: usize = 2048;

/// What a receiver saw.
#[derive(Debug, Default)]
pub struct Receiver {
    /// Notifications with our client state.
    pub taken: AtomicU64,
    /// Notifications of somebody else, and bodies that are none.
    pub ignored: AtomicU64,
}

#[derive(Clone)]
struct Shared {
    erps: Arc<Vec<Arc<BusinessCentral>>>,
    receiver: Arc<Receiver>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    value: Vec<Notification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    #[serde(default)]
    client_state: String,
    #[serde(default)]
    resource: String,
}

/// The routes of the hooks' listener, for all companies at once: each has a client state of its own. Every path and method
/// is answered, because a 404 or 405 would cost us the subscription.
pub fn receiver(erps: Vec<Arc<BusinessCentral>>) -> (Router, Arc<Receiver>) {
    let receiver = Arc::new(Receiver::default());
    let shared = Shared {
        erps: Arc::new(erps),
        receiver: receiver.clone(),
    };
    (Router::new().fallback(take).with_state(shared), receiver)
}

async fn take(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    body: Body,
) -> Response {
    // The handshake, when a subscription is made or renewed: the token comes back as it is, as plain text.
    if let Some(token) = query.get("validationToken") {
        let printable = token.len() <= LONGEST_TOKEN && !token.chars().any(char::is_control);
        let answer = if printable {
            token.clone()
        } else {
            String::new()
        };
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        return (StatusCode::OK, headers, answer).into_response();
    }
    let notifications = match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => serde_json::from_slice::<Call>(&body)
            .map(|call| call.value)
            .unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    if notifications.is_empty() {
        shared.receiver.ignored.fetch_add(1, Ordering::Relaxed);
    }
    // All that one call tells is one hint, so that the flows look together and once.
    let mut told: Vec<Vec<Flow>> = vec![Vec::new(); shared.erps.len()];
    for notification in &notifications {
        match shared
            .erps
            .iter()
            .position(|erp| is_ours(erp, notification))
        {
            Some(erp) => {
                shared.receiver.taken.fetch_add(1, Ordering::Relaxed);
                for flow in flows_of(&notification.resource) {
                    if !told[erp].contains(flow) {
                        told[erp].push(*flow);
                    }
                }
            }
            None => {
                shared.receiver.ignored.fetch_add(1, Ordering::Relaxed);
                debug!("a notification with a foreign client state is ignored");
            }
        }
    }
    for (erp, flows) in shared.erps.iter().zip(&told) {
        erp.hints.give(flows);
    }
    StatusCode::OK.into_response()
}

fn is_ours(erp: &BusinessCentral, notification: &Notification) -> bool {
    erp.client_state()
        .as_bytes()
        .ct_eq(notification.client_state.as_bytes())
        .into()
}
