//! `$batch`: up to a hundred operations in one request, each standing alone.
//!
//! BC can also run them as one transaction (`Isolation: snapshot`), which AL that commits breaks anyway; that is not played.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::call::{Call, parse};
use super::single;
use crate::refusal::Refusal;
use crate::simulator::World;

/// Most operations of one batch, as in BC.
const MOST: usize = 100;

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Operation>,
}

#[derive(Deserialize)]
struct Operation {
    id: Option<String>,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Value,
}

/// Runs the operations in order; the first that fails ends it, unless the caller prefers to go on.
pub(super) async fn run(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let batch: Batch = serde_json::from_slice(&call.body)
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    if batch.requests.len() > MOST {
        return Err(Refusal::new(
            400,
            "BadRequest_TooManyOperations",
            format!(
                "A batch has at most {MOST} operations and not {}.",
                batch.requests.len()
            ),
        ));
    }
    if call.snapshot {
        return Err(Refusal::new(
            501,
            "BadRequest_NotSupported",
            "This simulator does not play snapshot isolation.",
        ));
    }
    let go_on = call.prefer.contains("continue-on-error");
    let mut responses = Vec::new();
    for operation in batch.requests {
        let id = operation.id.clone();
        let answer = match operation_call(call, operation) {
            Ok(call) => single(world, call).await,
            Err(refusal) => Answer::refused(&refusal, world.ids.uuid_at(world.now())),
        };
        let failed = answer.status >= 400;
        let headers: Map<String, Value> = answer
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.clone())))
            .collect();
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        // Without an id of its own an operation's answer has none.
        responses
            .push(json!({ "id": id, "status": answer.status, "headers": headers, "body": body }));
        if failed && !go_on {
            break;
        }
    }
    Ok(Answer::json(200, &json!({ "responses": responses })))
}

fn operation_call(batch: &Call, operation: Operation) -> Result<Call, Refusal> {
    let (root, _) = batch
        .path
        .split_once("/$batch")
        .unwrap_or((&batch.path, ""));
    // Relative to the service, or a whole address.
    let url = match operation.url.split_once("/v2.0/") {
        Some((host, rest)) if host.contains("://") => format!("/v2.0/{rest}"),
        _ => format!("{root}/{}", operation.url.trim_start_matches('/')),
    };
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let header = |wanted: &str| {
        let found = operation
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found
            .and_then(|(_, value)| value.as_str())
            .map(str::to_owned)
    };
    let (_, segments, options) = parse(path, query, header("prefer").as_deref())?;
    if segments.iter().any(|segment| segment.name == "$batch") {
        return Err(Refusal::bad_request("A batch cannot contain a batch."));
    }
    let body = if operation.body.is_null() {
        Bytes::new()
    } else {
        Bytes::from(operation.body.to_string())
    };
    Ok(Call {
        method: operation.method.to_uppercase(),
        path: path.to_owned(),
        segments,
        raw_query: query.to_owned(),
        query: options,
        if_match: header("if-match"),
        content_type: header("content-type").unwrap_or_default(),
        body,
        prefer: String::new(),
        ..batch.clone()
    })
}
