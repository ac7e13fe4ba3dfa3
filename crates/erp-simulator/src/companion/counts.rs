//! The page of requests to count.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{collection, fits, nothing, rendered, with_entity_facts};
use crate::database::CountRequest;
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant, number};
use crate::odata::page::{Rendered, Source};
use crate::odata::schema::{Kind, Schema, ro};
use crate::refusal::Refusal;
use crate::sales::counts::{self, NewCount};
use crate::simulator::World;

const STATES: &[&str] = &["open", "counted", "refused"];

const REQUEST: Schema = Schema {
    entity: "countRequest",
    set: "countRequests",
    properties: &[
        ro("systemId", Kind::Guid),
        ro("channelCode", Kind::Text(20)),
        ro("reservationNumber", Kind::Text(35)),
        ro("lineNumber", Kind::Integer),
        ro("locationCode", Kind::Text(10)),
        ro("itemNumber", Kind::Text(20)),
        ro("variantCode", Kind::Text(10)),
        ro("reasonText", Kind::Text(250)),
        ro("state", Kind::Enum(STATES)),
        ro("errorCode", Kind::Text(20)),
        ro("errorText", Kind::Text(250)),
        ro("countedQuantity", Kind::Decimal),
        ro("adjustmentDocumentNumber", Kind::Text(20)),
        ro("changedAt", Kind::Instant),
        ro("systemRowVersion", Kind::Integer),
        ro("boundary", Kind::Integer),
    ],
    navigations: &[],
    insert: true,
    modify: false,
    delete: false,
};

/// Longest texts.
const LENGTHS: &[(&str, usize)] = &[
    ("channelCode", 20),
    ("reservationNumber", 35),
    ("locationCode", 10),
    ("itemNumber", 20),
    ("variantCode", 10),
    ("reasonText", 250),
];

pub(super) fn list(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, _, boundary| {
        let source = Source {
            table: &tables.counts,
            schema: &REQUEST,
            id: "systemId",
            key: None,
            parent: None,
            keep: &|_| true,
            render: &|request: &CountRequest| render(request, boundary),
            within: None,
        };
        collection(call, &source, nothing)
    })
}

fn render(request: &CountRequest, boundary: i64) -> Rendered {
    rendered(json!({
        "systemId": guid(request.id),
        "channelCode": request.channel,
        "reservationNumber": request.number,
        "lineNumber": request.line_number,
        "locationCode": request.location,
        "itemNumber": request.item_number,
        "variantCode": request.variant,
        "reasonText": request.reason,
        "state": request.state.name(),
        "errorCode": request.refused.code,
        "errorText": request.refused.text,
        "countedQuantity": number(request.counted),
        "adjustmentDocumentNumber": request.document,
        "changedAt": instant(request.stamp.modified_at),
        "systemRowVersion": request.stamp.version,
        "boundary": boundary,
    }))
}

/// Stores the request once per key, or the reason why it cannot be.
pub(super) async fn store(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let malformed = |message: String| Refusal::new(400, "BadRequest_InvalidRequest", message);
    let wanted: NewCount =
        serde_json::from_slice(&call.body).map_err(|error| malformed(error.to_string()))?;
    fits(&Value::Object(call.json()?), LENGTHS).map_err(malformed)?;
    if wanted.channel_code.is_empty() || wanted.reservation_number.is_empty() {
        let message = "channelCode and reservationNumber must have a value";
        return Err(malformed(message.to_owned()));
    }
    let content = serde_json::to_value(&wanted).unwrap_or_default();
    let (id, created): (Uuid, bool) = world
        .write(&call.client, call.hold, |tx| {
            counts::request(tx, &wanted, &content).map(|(request, new)| (request.id, new))
        })
        .await?;
    world.read_bounded(|tables, _, boundary| {
        let request = tables
            .counts
            .get(id)
            .ok_or_else(|| Refusal::not_found("count request"))?;
        let mut record = render(request, boundary);
        with_entity_facts(call, &mut record, REQUEST.set, request.stamp.version);
        let status = if created { 201 } else { 200 };
        Ok(Answer::json(status, &Value::Object(record)))
    })
}
