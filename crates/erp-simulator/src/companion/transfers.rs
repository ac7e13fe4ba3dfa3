//! The pages of reservations in stores: which locations are stores, transfer requests, and what became of them.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::changes::window;
use super::{collection, fits, nothing, rendered, with_entity_facts};
use crate::company::Location;
use crate::database::{Record, Transaction, TransferLine, TransferRequest, TransferStatus};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant, number, wire};
use crate::odata::Query;
use crate::odata::page::{Rendered, Source};
use crate::odata::schema::{Kind, Schema, many, ro};
use crate::refusal::Refusal;
use crate::sales::transfers::{self, Found, NewTransfer};
use crate::simulator::World;

const MOST_STATUSES: usize = 1000;
const MOST_LINES: usize = 1000;
const STATES: &[&str] = &["open", "posted", "cancelled", "returned", "refused"];

const LOCATION: Schema = Schema {
    entity: "storeLocation",
    set: "storeLocations",
    properties: &[
        ro("systemId", Kind::Guid),
        ro("code", Kind::Text(10)),
        ro("displayName", Kind::Text(100)),
        ro("isStore", Kind::Boolean),
        ro("reservationWarehouseCode", Kind::Text(10)),
        ro("lastModifiedDateTime", Kind::Instant),
        ro("systemRowVersion", Kind::Integer),
        ro("boundary", Kind::Integer),
    ],
    navigations: &[],
    insert: false,
    modify: false,
    delete: false,
};

const REQUEST: Schema = Schema {
    entity: "transferRequest",
    set: "transferRequests",
    properties: &[
        ro("systemId", Kind::Guid),
        ro("channelCode", Kind::Text(20)),
        ro("reservationNumber", Kind::Text(35)),
        ro("fromLocationCode", Kind::Text(10)),
        ro("toLocationCode", Kind::Text(10)),
        ro("referenceText", Kind::Text(100)),
        ro("state", Kind::Enum(STATES)),
        ro("errorCode", Kind::Text(20)),
        ro("errorText", Kind::Text(250)),
        ro("errorLineNumber", Kind::Integer),
        ro("transferDocumentNumber", Kind::Text(20)),
        ro("returnDocumentNumber", Kind::Text(20)),
        ro("changedAt", Kind::Instant),
        ro("changedBy", Kind::Text(100)),
        ro("systemRowVersion", Kind::Integer),
        ro("boundary", Kind::Integer),
    ],
    navigations: &[many("lines", "transferRequestLine", "")],
    insert: true,
    modify: false,
    delete: false,
};

/// Longest texts of header and lines.
const LENGTHS: &[(&str, usize)] = &[
    ("channelCode", 20),
    ("reservationNumber", 35),
    ("fromLocationCode", 10),
    ("toLocationCode", 10),
    ("referenceText", 100),
    ("itemNumber", 20),
    ("variantCode", 10),
    ("unitOfMeasureCode", 10),
];

pub(super) fn locations(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, _, boundary| {
        let render = |record: &Record| {
            let location = Location::of(record);
            rendered(json!({
                "systemId": guid(record.id),
                "code": record.code,
                "displayName": record.fields.get("displayName").cloned().unwrap_or_default(),
                "isStore": location.is_store,
                "reservationWarehouseCode": location.warehouse,
                "lastModifiedDateTime": instant(record.stamp.modified_at),
                "systemRowVersion": record.stamp.version,
                "boundary": boundary,
            }))
        };
        let source = Source {
            table: &tables.records,
            schema: &LOCATION,
            id: "systemId",
            key: None,
            parent: None,
            keep: &|record: &Record| record.set == "locations",
            render: &render,
            within: None,
        };
        collection(call, &source, nothing)
    })
}

pub(super) fn read(world: &Arc<World>, call: &Call, key: Option<&str>) -> Result<Answer, Refusal> {
    if let Some(key) = key {
        let id = key
            .parse()
            .map_err(|_| Refusal::bad_request("The key must be a GUID."))?;
        return one(world, call, id, 200);
    }
    world.read_bounded(|tables, _, boundary| {
        let source = Source {
            table: &tables.transfers,
            schema: &REQUEST,
            id: "systemId",
            key: None,
            parent: None,
            keep: &|_| true,
            render: &|request: &TransferRequest| render(request, boundary),
            within: None,
        };
        collection(call, &source, |request, record, query| {
            expand(request, record, query)
        })
    })
}

fn one(world: &Arc<World>, call: &Call, id: Uuid, status: u16) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, _, boundary| {
        let request = tables.transfers.get(id).ok_or_else(not_found)?;
        let mut record = render(request, boundary);
        expand(request, &mut record, &call.query)?;
        with_entity_facts(call, &mut record, REQUEST.set, request.stamp.version);
        Ok(Answer::json(status, &Value::Object(record)))
    })
}

fn not_found() -> Refusal {
    Refusal::not_found("transfer request")
}

fn render(request: &TransferRequest, boundary: i64) -> Rendered {
    let mut record = facts(request);
    record.extend(rendered(json!({
        "systemId": guid(request.id),
        "referenceText": request.reference,
        "errorCode": request.refused.code,
        "errorText": request.refused.text,
        "errorLineNumber": request.refused.line,
        "changedAt": instant(request.stamp.modified_at),
        "changedBy": request.stamp.modified_by,
        "systemRowVersion": request.stamp.version,
        "boundary": boundary,
    })));
    record
}

/// What the page and the feed say alike.
fn facts(request: &TransferRequest) -> Rendered {
    rendered(json!({
        "channelCode": request.channel,
        "reservationNumber": request.number,
        "fromLocationCode": request.from,
        "toLocationCode": request.to,
        "state": request.state.name(),
        "transferDocumentNumber": request.document,
        "returnDocumentNumber": request.return_document,
    }))
}

fn expand(request: &TransferRequest, record: &mut Rendered, query: &Query) -> Result<(), Refusal> {
    for expansion in &query.expand {
        if REQUEST.navigation(&expansion.name).is_none() {
            return Err(Refusal::no_such_property(&expansion.name, REQUEST.entity));
        }
        let lines: Vec<Value> = request.lines.iter().map(line).collect();
        record.insert("lines".to_owned(), Value::from(lines));
    }
    Ok(())
}

fn line(line: &TransferLine) -> Value {
    json!({
        "lineNumber": line.line_number,
        "itemNumber": line.item_number,
        "variantCode": line.variant,
        "unitOfMeasureCode": line.unit,
        "quantity": number(line.quantity),
        "foundQuantity": number(line.found),
    })
}

pub(super) fn status_window(
    world: &Arc<World>,
    call: &Call,
    after: i64,
) -> Result<Answer, Refusal> {
    window(
        world,
        call,
        "transferStatusWindows",
        after,
        MOST_STATUSES,
        |tables| &tables.transfer_statuses,
        status,
    )
}

fn status(entry: &TransferStatus, query: &Query) -> Result<Value, Refusal> {
    let request = &entry.request;
    let mut record = facts(request);
    record.extend(rendered(json!({
        "systemRowVersion": entry.stamp.version,
        "systemId": guid(entry.id),
        "requestId": guid(request.id),
        "requestRowVersion": request.stamp.version,
        "happenedAt": instant(entry.stamp.modified_at),
        "changedBy": entry.stamp.modified_by,
    })));
    expand(request, &mut record, query)?;
    Ok(Value::Object(record))
}

/// Stores the request once per key, or the reason why it cannot be.
pub(super) async fn store(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let wanted = parse(call)?;
    let content = serde_json::to_value(&wanted).unwrap_or_default();
    let (id, created) = world
        .write(&call.client, call.hold, |tx| {
            transfers::request(tx, &wanted, &content).map(|(request, new)| (request.id, new))
        })
        .await?;
    one(world, call, id, if created { 201 } else { 200 })
}

fn parse(call: &Call) -> Result<NewTransfer, Refusal> {
    let malformed = |message: &str| Refusal::new(400, "BadRequest_InvalidRequest", message);
    let wanted: NewTransfer =
        serde_json::from_slice(&call.body).map_err(|error| malformed(&error.to_string()))?;
    fits(&Value::Object(call.json()?), LENGTHS).map_err(|error| malformed(&error))?;
    if wanted.channel_code.is_empty() || wanted.reservation_number.is_empty() {
        return Err(malformed(
            "channelCode and reservationNumber must have a value",
        ));
    }
    if wanted.lines.is_empty() || wanted.lines.len() > MOST_LINES {
        return Err(malformed("a transfer request has 1 to 1000 lines"));
    }
    let mut numbers: Vec<i64> = wanted.lines.iter().map(|line| line.line_number).collect();
    numbers.sort_unstable();
    if numbers.first().is_some_and(|first| *first < 1)
        || numbers.windows(2).any(|pair| pair[0] == pair[1])
    {
        return Err(malformed("line numbers must be above 0 and unique"));
    }
    Ok(wanted)
}

/// The bound actions; each is answered without content.
pub(super) async fn act(
    world: &Arc<World>,
    call: &Call,
    id: Uuid,
    action: &str,
) -> Result<Answer, Refusal> {
    let found = match action {
        "Microsoft.NAV.post" => Some(found(call)?),
        "Microsoft.NAV.cancel" | "Microsoft.NAV.returnToStore" => None,
        _ => return Err(Refusal::no_such_segment(action)),
    };
    let work = |tx: &mut Transaction<'_>| {
        let request = tx.get::<TransferRequest>(id).ok_or_else(not_found)?;
        match &found {
            Some(found) => transfers::post(tx, &request, found),
            None if action == "Microsoft.NAV.cancel" => transfers::cancel(tx, &request),
            None => transfers::give_back(tx, &request),
        }
    };
    world.write(&call.client, call.hold, work).await?;
    Ok(Answer::empty(204))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Parameters {
    found_quantities: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FoundLine {
    line_number: i64,
    #[serde(with = "wire")]
    quantity: Decimal,
}

/// An action of BC takes simple parameters only, so the quantities come as JSON in a text.
fn found(call: &Call) -> Result<Found, Refusal> {
    let malformed = |message: String| Refusal::new(400, "BadRequest_InvalidRequest", message);
    let parameters: Parameters =
        serde_json::from_slice(&call.body).map_err(|error| malformed(error.to_string()))?;
    let lines: Vec<FoundLine> = serde_json::from_str(&parameters.found_quantities)
        .map_err(|error| malformed(error.to_string()))?;
    let mut found = Found::new();
    for line in lines {
        if found.insert(line.line_number, line.quantity).is_some() {
            let number = line.line_number;
            return Err(malformed(format!("line {number} is there twice")));
        }
    }
    Ok(found)
}
