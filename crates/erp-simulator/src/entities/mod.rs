//! Microsoft's API v2.0, as far as commerce touches it.

mod analytics;
mod fetch;
mod pictures;
mod render;
pub(crate) mod schema;
mod write;

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::analytics::serve as analytics;
use self::fetch::{Fetched, View, fetch};
use crate::companion::next_link;
use crate::faults::Kind;
use crate::http::answer::Answer;
use crate::http::{Call, Segment};
use crate::numbers::{guid, instant};
use crate::odata::schema::{Navigation, Schema};
use crate::odata::{Query, etag};
use crate::refusal::Refusal;
use crate::simulator::World;
use crate::webhooks::subscriptions;

/// Answers a call below `api/v2.0`.
pub(crate) async fn serve(world: &Arc<World>, call: Call) -> Result<Answer, Refusal> {
    let [first, rest @ ..] = call.segments.as_slice() else {
        return Ok(service_document(&call));
    };
    match (first.name.as_str(), rest) {
        ("subscriptions", []) => {
            return subscriptions::serve(world, &call, first.key.as_deref()).await;
        }
        ("$metadata", []) => return Ok(Answer::text(200, "application/xml", metadata())),
        ("companies", []) => return companies(world, &call, first.key.as_deref()),
        _ => {}
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
    let schema = schema::of(&set.name).ok_or_else(|| Refusal::no_such_segment(&set.name))?;
    match rest {
        [] => entity(world, &call, schema, id_of(set)?).await,
        [next] if next.name.starts_with("Microsoft.NAV.") => {
            let id = id_of(set)?.ok_or_else(|| Refusal::no_such_segment(&next.name))?;
            write::action(world, &call, schema, id, &next.name).await
        }
        [next] if next.name == "$count" && set.key.is_none() && call.is("GET") => {
            counted(world, &call, schema)
        }
        [next, rest @ ..] => below(world, &call, schema, set, next, rest).await,
    }
}

fn id_of(segment: &Segment) -> Result<Option<Uuid>, Refusal> {
    let parse = |key: &str| {
        key.parse()
            .map_err(|_| Refusal::bad_request(format!("'{key}' is not an Edm.Guid.")))
    };
    segment.key.as_deref().map(parse).transpose()
}

/// A set, or one record of it.
async fn entity(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    id: Option<Uuid>,
) -> Result<Answer, Refusal> {
    match (call.method.as_str(), id) {
        ("GET", None) => list(world, call, schema, None),
        ("GET", Some(id)) => one(world, call, schema, id, 200),
        ("POST", None) if schema.insert => {
            let id = write::create(world, call, schema, None).await?;
            one(world, call, schema, id, 201)
        }
        ("PATCH", Some(id)) if schema.modify => {
            check_version(world, call, schema, id)?;
            write::change(world, call, schema, id).await?;
            one(world, call, schema, id, 200)
        }
        ("DELETE", Some(id)) if schema.delete => {
            check_version(world, call, schema, id)?;
            write::delete(world, call, schema, id).await?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::method_not_allowed(schema.entity)),
    }
}

/// What a record links to: `items(…)/itemVariants`, `items(…)/picture/pictureContent`.
async fn below(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    set: &Segment,
    next: &Segment,
    rest: &[Segment],
) -> Result<Answer, Refusal> {
    let id = id_of(set)?.ok_or_else(|| Refusal::no_such_segment(&next.name))?;
    if schema.set == "pictures" && next.name == "pictureContent" {
        return pictures::content(world, call, id).await;
    }
    let navigation: &Navigation = schema
        .navigation(&next.name)
        .ok_or_else(|| Refusal::no_such_segment(&next.name))?;
    let target =
        schema::of(navigation.target).ok_or_else(|| Refusal::no_such_segment(&next.name))?;
    // The parent must be there, even when it has no children.
    let parent = find(world, call, schema, id)?;
    if target.set == "pictures" {
        return match rest {
            [content] if content.name == "pictureContent" => {
                pictures::content(world, call, id).await
            }
            [] => pictures::of(world, call, schema, id).await,
            _ => Err(Refusal::no_such_segment(&next.name)),
        };
    }
    if let (true, Some(key), []) = (navigation.many, id_of(next)?, rest) {
        return entity(world, call, target, Some(key)).await;
    }
    match (call.method.as_str(), navigation.many, rest) {
        ("GET", true, []) => list(world, call, target, Some((navigation.link, id))),
        ("POST", true, []) if target.insert => {
            let created = write::create(world, call, target, Some((navigation.link, id))).await?;
            one(world, call, target, created, 201)
        }
        ("GET", false, []) => {
            let linked = parent
                .get(navigation.link)
                .and_then(Value::as_str)
                .and_then(|id| id.parse().ok());
            one(world, call, target, linked.unwrap_or(Uuid::nil()), 200)
        }
        _ => Err(Refusal::method_not_allowed(target.entity)),
    }
}

fn list(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    within: Option<(&str, Uuid)>,
) -> Result<Answer, Refusal> {
    let Fetched {
        records,
        next,
        count,
    } = look(world, call, |view| fetch(view, schema, &call.query, within))?;
    let mut body = json!({ "@odata.context": format!("{}#{}", context(call), schema.set) });
    if let Some(count) = count {
        body["@odata.count"] = Value::from(count);
    }
    body["value"] = Value::Array(records.into_iter().map(Value::Object).collect());
    if let Some(token) = next {
        body["@odata.nextLink"] = Value::from(next_link(call, &token));
    }
    Ok(Answer::json(200, &body))
}

/// `items/$count`: the number alone.
fn counted(world: &Arc<World>, call: &Call, schema: &'static Schema) -> Result<Answer, Refusal> {
    let query = Query {
        count: true,
        page_size: Some(1),
        ..call.query.clone()
    };
    let found = look(world, call, |view| fetch(view, schema, &query, None))?;
    Ok(Answer::text(
        200,
        "text/plain",
        found.count.unwrap_or_default().to_string(),
    ))
}

fn one(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    id: Uuid,
    status: u16,
) -> Result<Answer, Refusal> {
    let query = Query {
        filter: None,
        top: None,
        skip: 0,
        ..call.query.clone()
    };
    let found = look(world, call, |view| {
        fetch(view, schema, &query, Some(("id", id)))
    })?;
    let mut record = found
        .records
        .into_iter()
        .next()
        .ok_or_else(|| Refusal::not_found(schema.entity))?;
    record.insert(
        "@odata.context".to_owned(),
        Value::from(format!("{}#{}/$entity", context(call), schema.set)),
    );
    Ok(Answer::json(status, &Value::Object(record)))
}

/// The whole record, whatever the call selects.
fn find(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    id: Uuid,
) -> Result<serde_json::Map<String, Value>, Refusal> {
    let found = look(world, call, |view| {
        fetch(view, schema, &Query::default(), Some(("id", id)))
    })?;
    found
        .records
        .into_iter()
        .next()
        .ok_or_else(|| Refusal::not_found(schema.entity))
}

/// Microsoft's pages read uncommitted rows.
fn look<T>(world: &Arc<World>, call: &Call, read: impl FnOnce(View<'_>) -> T) -> T {
    let (company, local_currency) =
        world.read(|_, marks| (marks.company, marks.local_currency.clone()));
    let address = format!("{}/companies({company})", call.base);
    world.read_dirty(|tables| {
        read(View {
            tables,
            local_currency: &local_currency,
            address: &address,
        })
    })
}

fn check_version(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    id: Uuid,
) -> Result<(), Refusal> {
    let record = find(world, call, schema, id)?;
    check_tag(
        world,
        call,
        record
            .get("@odata.etag")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    )
}

fn context(call: &Call) -> String {
    format!("{}/$metadata", call.base)
}

fn service_document(call: &Call) -> Answer {
    let sets: Vec<Value> = schema::ALL
        .iter()
        .map(|schema| json!({ "name": schema.set, "kind": "EntitySet", "url": schema.set }))
        .collect();
    Answer::json(
        200,
        &json!({ "@odata.context": context(call), "value": sets }),
    )
}

/// EDMX of the entities there are.
fn metadata() -> String {
    use std::fmt::Write as _;

    use crate::odata::schema::Kind;

    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<edmx:Edmx Version=\"4.0\" \
         xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices>\
         <Schema Namespace=\"Microsoft.NAV\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">",
    );
    for schema in schema::ALL {
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "<EntityType Name=\"{}\"><Key><PropertyRef Name=\"id\"/></Key>",
            schema.entity
        );
        for property in schema.properties {
            let kind = match property.kind {
                Kind::Guid => "Edm.Guid".to_owned(),
                Kind::Text(length) => format!("Edm.String\" MaxLength=\"{length}"),
                Kind::Boolean => "Edm.Boolean".to_owned(),
                Kind::Decimal => "Edm.Decimal\" Scale=\"Variable".to_owned(),
                Kind::Integer => "Edm.Int32".to_owned(),
                Kind::Date => "Edm.Date".to_owned(),
                Kind::Instant => "Edm.DateTimeOffset".to_owned(),
                Kind::Stream => "Edm.Stream".to_owned(),
                Kind::Enum(_) | Kind::Complex => "Edm.String".to_owned(),
            };
            let _ = write!(
                text,
                "<Property Name=\"{}\" Type=\"{kind}\"/>",
                property.name
            );
        }
        for navigation in schema.navigations {
            let target =
                schema::of(navigation.target).map_or(navigation.target, |schema| schema.entity);
            let kind = if navigation.many {
                format!("Collection(Microsoft.NAV.{target})")
            } else {
                format!("Microsoft.NAV.{target}")
            };
            let _ = write!(
                text,
                "<NavigationProperty Name=\"{}\" Type=\"{kind}\"/>",
                navigation.name
            );
        }
        text.push_str("</EntityType>");
    }
    text.push_str("</Schema></edmx:DataServices></edmx:Edmx>");
    text
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
        "systemCreatedBy": guid(Uuid::nil()),
        "systemModifiedAt": instant(jiff::Timestamp::UNIX_EPOCH),
        "systemModifiedBy": guid(Uuid::nil()),
    });
    match key {
        None => Ok(Answer::json(
            200,
            &json!({ "@odata.context": format!("{}#companies", context(call)), "value": [record] }),
        )),
        Some(key) if key.parse() == Ok(company) => {
            record["@odata.context"] = Value::from(format!("{}#companies/$entity", context(call)));
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
        &json!({ "@odata.context": format!("{}#webhookSupportedResources", context(call)), "value": rows }),
    ))
}

/// Whoever writes says what it read: without an etag nothing is written, with an old one neither.
pub(crate) fn check_etag(world: &World, call: &Call, version: i64) -> Result<(), Refusal> {
    check_tag(world, call, &etag(version))
}

fn check_tag(world: &World, call: &Call, current: &str) -> Result<(), Refusal> {
    let Some(tag) = &call.if_match else {
        return Err(Refusal::bad_request(
            "The If-Match header is required for this operation.",
        ));
    };
    if tag == "*" || tag == current {
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
