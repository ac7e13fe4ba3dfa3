//! Microsoft's API v2.0, as far as commerce touches it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::faults::Kind;
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant};
use crate::odata::etag;
use crate::refusal::Refusal;
use crate::simulator::World;
use crate::webhooks::subscriptions;

/// Answers a call below `api/v2.0`.
pub(crate) async fn serve(world: &Arc<World>, call: Call) -> Result<Answer, Refusal> {
    let [first, rest @ ..] = call.segments.as_slice() else {
        return Err(Refusal::no_such_segment(&call.path));
    };
    match (first.name.as_str(), rest) {
        ("subscriptions", []) => {
            return subscriptions::serve(world, &call, first.key.as_deref()).await;
        }
        ("companies", []) => return companies(world, &call, first.key.as_deref()),
        _ => {}
    }
    Err(Refusal::no_such_segment(&first.name))
}

fn companies(world: &Arc<World>, call: &Call, key: Option<&str>) -> Result<Answer, Refusal> {
    if !call.is("GET") {
        return Err(Refusal::method_not_allowed("companies"));
    }
    let (company, name) = world.read(|_, marks| (marks.company, marks.company_name.clone()));
    let mut record = json!({
        "id": guid(company),
        "systemVersion": "29.0.0.0",
        "timestamp": 1,
        "name": name,
        "displayName": name,
        "businessProfileId": "",
        "systemCreatedAt": instant(jiff::Timestamp::UNIX_EPOCH),
        "systemCreatedBy": guid(uuid::Uuid::nil()),
        "systemModifiedAt": instant(jiff::Timestamp::UNIX_EPOCH),
        "systemModifiedBy": guid(uuid::Uuid::nil()),
    });
    match key {
        None => Ok(Answer::json(
            200,
            &json!({ "@odata.context": format!("{}/$metadata#companies", call.base), "value": [record] }),
        )),
        Some(key) if key.parse() == Ok(company) => {
            record["@odata.context"] =
                Value::from(format!("{}/$metadata#companies/$entity", call.base));
            Ok(Answer::json(200, &record))
        }
        Some(_) => Err(Refusal::not_found("company")),
    }
}

/// `microsoft/runtime/beta`: which resources can be subscribed to.
pub(crate) fn runtime(world: &World, call: &Call) -> Result<Answer, Refusal> {
    let [company, set] = call.segments.as_slice() else {
        return Err(Refusal::no_such_segment(&call.path));
    };
    if company.name != "companies" || set.name != "webhookSupportedResources" || !call.is("GET") {
        return Err(Refusal::no_such_segment(&set.name));
    }
    let id = world.read(|_, marks| marks.company);
    let standard = subscriptions::STANDARD
        .iter()
        .map(|set| format!("/api/v2.0/companies({id})/{set}"));
    let own = world
        .config
        .companion
        .then(|| format!("/api/millrace/commerce/v1.0/companies({id})/changeEntries"));
    let rows: Vec<Value> = standard
        .chain(own)
        .map(|resource| json!({ "resource": resource }))
        .collect();
    Ok(Answer::json(
        200,
        &json!({ "@odata.context": format!("{}/$metadata#webhookSupportedResources", call.base), "value": rows }),
    ))
}

/// Whoever writes says what it read: without an etag nothing is written, with an old one neither.
pub(crate) fn check_etag(world: &World, call: &Call, version: i64) -> Result<(), Refusal> {
    let Some(tag) = &call.if_match else {
        return Err(Refusal::bad_request(
            "The If-Match header is required for this operation.",
        ));
    };
    if tag == "*" || *tag == etag(version) {
        return Ok(());
    }
    if world
        .faults
        .take(&[Kind::StaleEtag412], &call.occasion())
        .is_some()
    {
        return Err(Refusal::new(
            412,
            "BadRequest_PreconditionFailed",
            "The precondition of the request failed.",
        ));
    }
    Err(Refusal::new(
        409,
        "Request_EntityChanged",
        "Another user has already changed the record.",
    ))
}
