//! The pages of goods that come back: return orders, and what became of them.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::changes::window;
use super::{collection, fits, rendered, with_entity_facts};
use crate::database::{ReturnLine, ReturnOrder, ReturnStatus};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant, number};
use crate::odata::Query;
use crate::odata::page::{Rendered, Source};
use crate::odata::schema::{Kind, Schema, many, ro};
use crate::refusal::Refusal;
use crate::sales::returns::{self, NewReturn};
use crate::simulator::World;

const MOST_STATUSES: usize = 1000;
const MOST_LINES: usize = 1000;
const STATES: &[&str] = &["open", "received", "credited", "cancelled", "refused"];
const REFUNDS: &[&str] = &["Money", "Voucher", "Nothing"];

const ORDER: Schema = Schema {
    entity: "returnOrder",
    set: "returnOrders",
    properties: &[
        ro("systemId", Kind::Guid),
        ro("channelCode", Kind::Text(20)),
        ro("returnNumber", Kind::Text(35)),
        ro("revision", Kind::Integer),
        ro("orderNumber", Kind::Text(35)),
        ro("customerNumber", Kind::Text(20)),
        ro("submittedAt", Kind::Instant),
        ro("currencyCode", Kind::Text(10)),
        ro("pricesIncludeTax", Kind::Boolean),
        ro("refundType", Kind::Enum(REFUNDS)),
        ro("isGift", Kind::Boolean),
        ro("exchangeOrderNumber", Kind::Text(35)),
        ro("freightNetAmount", Kind::Decimal),
        ro("freightGrossAmount", Kind::Decimal),
        ro("freightTaxPercent", Kind::Decimal),
        ro("netAmount", Kind::Decimal),
        ro("taxAmount", Kind::Decimal),
        ro("grossAmount", Kind::Decimal),
        ro("state", Kind::Enum(STATES)),
        ro("errorCode", Kind::Text(20)),
        ro("errorText", Kind::Text(250)),
        ro("errorLineNumber", Kind::Integer),
        ro("returnOrderNumber", Kind::Text(20)),
        ro("receiptNumbers", Kind::Text(2048)),
        ro("creditMemoNumbers", Kind::Text(2048)),
        ro("creditedNetAmount", Kind::Decimal),
        ro("creditedTaxAmount", Kind::Decimal),
        ro("creditedGrossAmount", Kind::Decimal),
        ro("changedAt", Kind::Instant),
        ro("changedBy", Kind::Text(100)),
        ro("systemRowVersion", Kind::Integer),
        ro("boundary", Kind::Integer),
    ],
    navigations: &[many("lines", "returnOrderLine", "")],
    insert: true,
    modify: false,
    delete: false,
};

/// Longest texts of header and lines.
const LENGTHS: &[(&str, usize)] = &[
    ("channelCode", 20),
    ("returnNumber", 35),
    ("orderNumber", 35),
    ("customerNumber", 20),
    ("currencyCode", 10),
    ("exchangeOrderNumber", 35),
    ("itemNumber", 20),
    ("variantCode", 10),
    ("unitOfMeasureCode", 10),
    ("locationCode", 10),
    ("returnReasonCode", 10),
    ("conditionText", 50),
    ("commentText", 250),
    ("photoAddresses", 20_490),
];

pub(super) fn read(world: &Arc<World>, call: &Call, key: Option<&str>) -> Result<Answer, Refusal> {
    if let Some(key) = key {
        let id = key
            .parse()
            .map_err(|_| Refusal::bad_request("The key must be a GUID."))?;
        return one(world, call, id, 200);
    }
    world.read_bounded(|tables, marks, boundary| {
        let source = Source {
            table: &tables.returns,
            schema: &ORDER,
            id: "systemId",
            key: None,
            parent: None,
            keep: &|_| true,
            render: &|order: &ReturnOrder| render(order, &marks.local_currency, boundary),
            within: None,
        };
        collection(call, &source, expand)
    })
}

fn one(world: &Arc<World>, call: &Call, id: Uuid, status: u16) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, marks, boundary| {
        let order = tables.returns.get(id).ok_or_else(not_found)?;
        let mut record = render(order, &marks.local_currency, boundary);
        expand(order, &mut record, &call.query)?;
        with_entity_facts(call, &mut record, ORDER.set, order.stamp.version);
        Ok(Answer::json(status, &Value::Object(record)))
    })
}

fn not_found() -> Refusal {
    Refusal::not_found("return order")
}

fn render(order: &ReturnOrder, local_currency: &str, boundary: i64) -> Rendered {
    let mut record = rendered(order.content.clone());
    record.remove("lines");
    record.extend(facts(order, local_currency));
    record.extend(rendered(json!({
        "systemId": guid(order.id),
        "revision": order.revision,
        "errorCode": order.refused.code,
        "errorText": order.refused.text,
        "errorLineNumber": order.refused.line,
        "changedAt": instant(order.stamp.modified_at),
        "changedBy": order.stamp.modified_by,
        "systemRowVersion": order.stamp.version,
        "boundary": boundary,
    })));
    record
}

/// What the page and the feed say alike.
fn facts(order: &ReturnOrder, local_currency: &str) -> Rendered {
    let sent = order.content.get("currencyCode").and_then(Value::as_str);
    let currency = sent
        .filter(|code| !code.is_empty())
        .unwrap_or(local_currency);
    rendered(json!({
        "channelCode": order.channel,
        "returnNumber": order.number,
        "orderNumber": order.order_number,
        "currencyCode": currency,
        "state": order.state.name(),
        "returnOrderNumber": order.document,
        "receiptNumbers": order.receipts.join(","),
        "creditMemoNumbers": order.memos.join(","),
        "creditedNetAmount": number(order.credited_net),
        "creditedTaxAmount": number(order.credited_tax),
        "creditedGrossAmount": number(order.credited_net + order.credited_tax),
    }))
}

fn expand(order: &ReturnOrder, record: &mut Rendered, query: &Query) -> Result<(), Refusal> {
    for expansion in &query.expand {
        if ORDER.navigation(&expansion.name).is_none() {
            return Err(Refusal::no_such_property(&expansion.name, ORDER.entity));
        }
        let sent = order.content.get("lines").and_then(Value::as_array);
        let lines = order
            .lines
            .iter()
            .zip(sent.into_iter().flatten())
            .map(|(line, sent)| {
                let mut record = rendered(sent.clone());
                record.extend(line_facts(line));
                Value::Object(record)
            });
        record.insert("lines".to_owned(), Value::Array(lines.collect()));
    }
    Ok(())
}

fn line_facts(line: &ReturnLine) -> Rendered {
    rendered(json!({
        "itemNumber": line.item_number,
        "variantCode": line.variant,
        "unitOfMeasureCode": line.unit,
        "locationCode": line.location,
        "receivedQuantity": number(line.received),
        "restockedQuantity": number(line.restocked),
        "scrappedQuantity": number(line.scrapped),
        "repairQuantity": number(line.repair),
        "creditedQuantity": number(line.credited),
        "creditedNetAmount": number(line.credited_net),
        "creditedGrossAmount": number(line.credited_net + line.credited_tax),
    }))
}

pub(super) fn status_window(
    world: &Arc<World>,
    call: &Call,
    after: i64,
) -> Result<Answer, Refusal> {
    let local_currency = world.read(|_, marks| marks.local_currency.clone());
    window(
        world,
        call,
        "returnStatusWindows",
        after,
        MOST_STATUSES,
        |tables| &tables.return_statuses,
        |entry, query| status(entry, &local_currency, query),
    )
}

fn status(entry: &ReturnStatus, local_currency: &str, query: &Query) -> Result<Value, Refusal> {
    let order = &entry.order;
    let mut record = facts(order, local_currency);
    record.extend(rendered(json!({
        "systemRowVersion": entry.stamp.version,
        "systemId": guid(entry.id),
        "returnId": guid(order.id),
        "returnRowVersion": order.stamp.version,
        "happenedAt": instant(entry.stamp.modified_at),
        "changedBy": entry.stamp.modified_by,
    })));
    expand(order, &mut record, query)?;
    Ok(Value::Object(record))
}

/// Makes the return order once per key, or stores the reason why it cannot be.
pub(super) async fn store(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let wanted = parse(call)?;
    let content = serde_json::to_value(&wanted).unwrap_or_default();
    let (id, created) = world
        .write(&call.client, call.hold, |tx| {
            returns::place(tx, &wanted, &content).map(|(order, new)| (order.id, new))
        })
        .await?;
    one(world, call, id, if created { 201 } else { 200 })
}

fn parse(call: &Call) -> Result<NewReturn, Refusal> {
    let malformed = |message: &str| Refusal::new(400, "BadRequest_InvalidRequest", message);
    let wanted: NewReturn =
        serde_json::from_slice(&call.body).map_err(|error| malformed(&error.to_string()))?;
    fits(&Value::Object(call.json()?), LENGTHS).map_err(|error| malformed(&error))?;
    if [
        &wanted.channel_code,
        &wanted.return_number,
        &wanted.order_number,
    ]
    .iter()
    .any(|key| key.is_empty())
    {
        return Err(malformed(
            "channelCode, returnNumber and orderNumber must have a value",
        ));
    }
    if wanted.lines.is_empty() || wanted.lines.len() > MOST_LINES {
        return Err(malformed("a return order has 1 to 1000 lines"));
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

/// The bound action; it is answered without content.
pub(super) async fn cancel(world: &Arc<World>, call: &Call, id: Uuid) -> Result<Answer, Refusal> {
    world
        .write(&call.client, call.hold, |tx| {
            let order = tx.get::<ReturnOrder>(id).ok_or_else(not_found)?;
            returns::cancel(tx, &order)
        })
        .await?;
    Ok(Answer::empty(204))
}
