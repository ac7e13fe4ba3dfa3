//! The companion extension's API, as `deploy/business-central/companion-v1.0.openapi.yaml` describes it.
//!
//! Its pages read committed rows only and say at which boundary.

mod catalogue;
mod changes;
mod counts;
mod customers;
mod history;
mod orders;
mod return_reasons;
mod returns;
mod setup_checks;
mod stock;
mod transfers;

pub(crate) use self::customers::next_number as next_customer_number;
pub(crate) use self::{catalogue::kind_name, customers::blocked_name};

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Row;
use crate::http::answer::Answer;
use crate::http::{Call, Segment};
use crate::odata::page::{self, Found, Rendered, Source};
use crate::odata::{Query, etag};
use crate::refusal::Refusal;
use crate::simulator::World;
use crate::webhooks;

/// Answers a call below `api/millrace/commerce/v1.0`.
pub(crate) async fn serve(world: &Arc<World>, call: Call) -> Result<Answer, Refusal> {
    let [first, rest @ ..] = call.segments.as_slice() else {
        return Ok(service_document(&call));
    };
    if first.name == "subscriptions" {
        return webhooks::subscriptions::serve(world, &call, first.key.as_deref()).await;
    }
    let company = world.read(|_, marks| marks.company);
    if first.name != "companies"
        || first.key.as_deref().and_then(|key| key.parse().ok()) != Some(company)
    {
        return Err(Refusal::not_found("company"));
    }
    let [set, rest @ ..] = rest else {
        return Ok(service_document(&call));
    };
    match (call.method.as_str(), set.name.as_str(), rest) {
        ("GET", "companionInfo", []) => Ok(changes::info(world, &call)),
        ("GET", "setupChecks", []) => Ok(setup_checks::list(world, &call)),
        ("GET", "changeWindows", []) => changes::change_window(world, &call, key(set)?),
        ("GET", "changeEntries", []) => changes::list(world, &call),
        ("GET", "statusWindows", []) => changes::status_window(world, &call, key(set)?),
        ("GET", "items", []) => catalogue::items(world, &call),
        ("GET", "itemVariants", []) => catalogue::variants(world, &call),
        ("GET", "priceLines", []) => catalogue::prices(world, &call),
        ("GET", "stockFigures", []) => stock::figures(world, &call),
        ("POST", "stockLookups", []) => stock::look_up(world, &call),
        ("GET", "customers", []) => customers::list(world, &call),
        ("POST", "customers", []) => customers::create(world, &call).await,
        ("GET", "orderBuffer", []) => orders::read(world, &call, set.key.as_deref()),
        ("POST", "orderBuffer", []) if set.key.is_none() => orders::store(world, &call).await,
        ("POST", "orderBuffer", [action]) if action.name == "Microsoft.NAV.process" => {
            orders::process(world, &call, id(set)?).await
        }
        ("GET", "orderDocuments", []) if set.key.is_none() => history::read(world, &call),
        ("GET", "storeLocations", []) => transfers::locations(world, &call),
        ("GET", "transferRequests", []) => transfers::read(world, &call, set.key.as_deref()),
        ("POST", "transferRequests", []) if set.key.is_none() => {
            transfers::store(world, &call).await
        }
        ("POST", "transferRequests", [action]) => {
            transfers::act(world, &call, id(set)?, &action.name).await
        }
        ("GET", "transferStatusWindows", []) => transfers::status_window(world, &call, key(set)?),
        ("GET", "returnReasons", []) => return_reasons::list(world, &call),
        ("GET", "returnOrders", []) => returns::read(world, &call, set.key.as_deref()),
        ("POST", "returnOrders", []) if set.key.is_none() => returns::store(world, &call).await,
        ("POST", "returnOrders", [action]) if action.name == "Microsoft.NAV.cancel" => {
            returns::cancel(world, &call, id(set)?).await
        }
        ("GET", "returnStatusWindows", []) => returns::status_window(world, &call, key(set)?),
        ("GET", "countRequests", []) => counts::list(world, &call),
        ("POST", "countRequests", []) => counts::store(world, &call).await,
        (
            _,
            "companionInfo"
            | "setupChecks"
            | "changeWindows"
            | "changeEntries"
            | "statusWindows"
            | "items"
            | "itemVariants"
            | "orderDocuments"
            | "storeLocations"
            | "transferStatusWindows"
            | "countRequests"
            | "returnReasons"
            | "returnOrders"
            | "returnStatusWindows",
            [],
        )
        | (
            _,
            "priceLines" | "stockFigures" | "stockLookups" | "customers" | "orderBuffer"
            | "transferRequests",
            _,
        ) => Err(Refusal::method_not_allowed(&set.name)),
        _ => Err(Refusal::no_such_segment(&set.name)),
    }
}

fn service_document(call: &Call) -> Answer {
    let sets = [
        "companionInfo",
        "setupChecks",
        "changeWindows",
        "changeEntries",
        "statusWindows",
        "items",
        "itemVariants",
        "priceLines",
    ];
    let sets = sets.into_iter().chain([
        "stockFigures",
        "stockLookups",
        "customers",
        "orderBuffer",
        "orderDocuments",
        "storeLocations",
        "transferRequests",
        "transferStatusWindows",
        "countRequests",
        "returnReasons",
        "returnOrders",
        "returnStatusWindows",
        "subscriptions",
    ]);
    let sets: Vec<Value> = sets
        .map(|name| json!({ "name": name, "kind": "EntitySet", "url": name }))
        .collect();
    Answer::json(
        200,
        &json!({ "@odata.context": format!("{}/$metadata", call.base), "value": sets }),
    )
}

fn key(segment: &Segment) -> Result<i64, Refusal> {
    segment
        .key
        .as_deref()
        .and_then(|key| key.parse().ok())
        .ok_or_else(|| Refusal::bad_request("The key must be a number."))
}

fn id(segment: &Segment) -> Result<Uuid, Refusal> {
    segment
        .key
        .as_deref()
        .and_then(|key| key.parse().ok())
        .ok_or_else(|| Refusal::bad_request("The key must be a GUID."))
}

/// Reads a page and makes the collection of it; `expand` adds what was asked for.
fn collection<R: Row>(
    call: &Call,
    source: &Source<'_, R>,
    expand: impl Fn(&R, &mut Rendered, &Query) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    let Found { rows, next, count } = page::read(source, &call.query)?;
    let mut value = Vec::with_capacity(rows.len());
    for (row, mut record) in rows {
        record.insert(
            "@odata.etag".to_owned(),
            Value::from(etag(row.stamp().version)),
        );
        expand(&row, &mut record, &call.query)?;
        page::select(&mut record, &call.query, source.schema)?;
        value.push(Value::Object(record));
    }
    let set = source.schema.set;
    let mut body =
        json!({ "@odata.context": format!("{}/$metadata#{set}", call.base), "value": value });
    if let Some(count) = count {
        body["@odata.count"] = Value::from(count);
    }
    if let Some(token) = next {
        body["@odata.nextLink"] = Value::from(next_link(call, &token));
    }
    Ok(Answer::json(200, &body))
}

/// The same address with the token of the next page.
pub(crate) fn next_link(call: &Call, token: &str) -> String {
    let kept: Vec<&str> = call
        .raw_query
        .split('&')
        .filter(|pair| {
            !pair.is_empty() && !pair.starts_with("$skip") && !pair.starts_with("%24skip")
        })
        .collect();
    let path = call.path.split_once("/api/").map_or("", |(_, path)| path);
    let root = call
        .base
        .split_once("/api/")
        .map_or(call.base.as_str(), |(root, _)| root);
    let separator = if kept.is_empty() { "" } else { "&" };
    format!(
        "{root}/api/{path}?{}{separator}$skiptoken={token}",
        kept.join("&")
    )
}

/// Without `$expand`.
fn nothing<R>(_: &R, _: &mut Rendered, query: &Query) -> Result<(), Refusal> {
    match query.expand.first() {
        Some(expansion) => Err(Refusal::bad_request(format!(
            "Could not find a property named '{}'.",
            expansion.name
        ))),
        None => Ok(()),
    }
}

/// Etag and context of a record that is answered alone.
fn with_entity_facts(call: &Call, record: &mut Rendered, set: &str, version: i64) {
    record.insert("@odata.etag".to_owned(), Value::from(etag(version)));
    record.insert(
        "@odata.context".to_owned(),
        Value::from(format!("{}/$metadata#{set}/$entity", call.base)),
    );
}

/// Whether no text anywhere in `value` is longer than its property may be.
fn fits(value: &Value, lengths: &[(&str, usize)]) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let most = lengths
                    .iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, most)| *most);
                if let (Some(most), Value::String(text)) = (most, value)
                    && text.chars().count() > most
                {
                    return Err(format!("{name} is longer than {most} characters"));
                }
                fits(value, lengths)?;
            }
            Ok(())
        }
        Value::Array(values) => values.iter().try_for_each(|value| fits(value, lengths)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn rendered(value: Value) -> Rendered {
    match value {
        Value::Object(record) => record,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Rendered::new()
        }
    }
}
