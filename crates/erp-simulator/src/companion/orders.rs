//! The order buffer's page: store once, process once, read.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{collection, fits, rendered, with_entity_facts};
use crate::database::{BufferEntry, BufferState, Transaction, buffer_key};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant, number, optional_instant};
use crate::odata::Query;
use crate::odata::page::{Rendered, Source};
use crate::odata::schema::{Kind, Schema, many, ro};
use crate::refusal::Refusal;
use crate::sales::buffer;
use crate::sales::shop_order::NewOrder;
use crate::simulator::World;

const STATES: &[&str] = &["received", "failed", "created"];

const ENTRY: Schema = Schema {
    entity: "bufferedOrder",
    set: "orderBuffer",
    properties: &[
        ro("systemId", Kind::Guid),
        ro("channelCode", Kind::Text(20)),
        ro("orderNumber", Kind::Text(35)),
        ro("revision", Kind::Integer),
        ro("customerNumber", Kind::Text(20)),
        ro("billToCustomerNumber", Kind::Text(20)),
        ro("sellTo", Kind::Complex),
        ro("billTo", Kind::Complex),
        ro("shipTo", Kind::Complex),
        ro("email", Kind::Text(80)),
        ro("phoneNumber", Kind::Text(30)),
        ro("currencyCode", Kind::Text(10)),
        ro("pricesIncludeTax", Kind::Boolean),
        ro("paymentTermsCode", Kind::Text(10)),
        ro("paymentMethodCode", Kind::Text(10)),
        ro("paymentReference", Kind::Text(80)),
        ro("shipmentMethodCode", Kind::Text(10)),
        ro("shippingAgentCode", Kind::Text(10)),
        ro("locationCode", Kind::Text(10)),
        ro("salespersonCode", Kind::Text(20)),
        ro("yourReference", Kind::Text(35)),
        ro("comment", Kind::Text(250)),
        ro("orderDate", Kind::Date),
        ro("orderedAt", Kind::Instant),
        ro("requestedDeliveryDate", Kind::Date),
        ro("freightAmount", Kind::Decimal),
        ro("freightTaxPercent", Kind::Decimal),
        ro("netAmount", Kind::Decimal),
        ro("taxAmount", Kind::Decimal),
        ro("grossAmount", Kind::Decimal),
        ro("state", Kind::Enum(STATES)),
        ro("errorCode", Kind::Text(20)),
        ro("errorText", Kind::Text(250)),
        ro("errorLineNumber", Kind::Integer),
        ro("attempts", Kind::Integer),
        ro("salesOrderId", Kind::Guid),
        ro("salesOrderNumber", Kind::Text(20)),
        ro("salesOrderRowVersion", Kind::Integer),
        ro("released", Kind::Boolean),
        ro("bookedNetAmount", Kind::Decimal),
        ro("bookedTaxAmount", Kind::Decimal),
        ro("bookedGrossAmount", Kind::Decimal),
        ro("taxDifference", Kind::Decimal),
        ro("receivedAt", Kind::Instant),
        ro("processedAt", Kind::Instant),
        ro("systemRowVersion", Kind::Integer),
        ro("boundary", Kind::Integer),
    ],
    navigations: &[many("lines", "bufferedOrderLine", "")],
    insert: true,
    modify: false,
    delete: false,
};

/// Longest texts of header and lines.
const LENGTHS: &[(&str, usize)] = &[
    ("channelCode", 20),
    ("orderNumber", 35),
    ("customerNumber", 20),
    ("billToCustomerNumber", 20),
    ("email", 80),
    ("phoneNumber", 30),
    ("currencyCode", 10),
    ("paymentTermsCode", 10),
    ("paymentMethodCode", 10),
    ("paymentReference", 80),
    ("shipmentMethodCode", 10),
    ("shippingAgentCode", 10),
    ("locationCode", 10),
    ("salespersonCode", 20),
    ("yourReference", 35),
    ("comment", 250),
    ("objectNumber", 20),
    ("variantCode", 10),
    ("description", 100),
    ("unitOfMeasureCode", 10),
    ("discountReasonCode", 10),
    ("name", 100),
    ("contact", 100),
    ("addressLine1", 100),
    ("addressLine2", 50),
    ("postalCode", 20),
    ("city", 30),
    ("state", 30),
    ("country", 10),
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
            table: &tables.buffer,
            schema: &ENTRY,
            id: "systemId",
            key: None,
            parent: None,
            keep: &|_| true,
            render: &|entry: &BufferEntry| render(entry, &marks.local_currency, boundary),
            within: None,
        };
        collection(call, &source, expand)
    })
}

fn expand(entry: &BufferEntry, record: &mut Rendered, query: &Query) -> Result<(), Refusal> {
    for expansion in &query.expand {
        if ENTRY.navigation(&expansion.name).is_none() {
            return Err(Refusal::no_such_property(&expansion.name, ENTRY.entity));
        }
        record.insert(
            "lines".to_owned(),
            entry.content.get("lines").cloned().unwrap_or_default(),
        );
    }
    Ok(())
}

fn one(world: &Arc<World>, call: &Call, id: Uuid, status: u16) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, marks, boundary| {
        let entry = tables
            .buffer
            .get(id)
            .ok_or_else(|| Refusal::not_found("buffered order"))?;
        let mut record = render(entry, &marks.local_currency, boundary);
        expand(entry, &mut record, &call.query)?;
        with_entity_facts(call, &mut record, ENTRY.set, entry.stamp.version);
        Ok(Answer::json(status, &Value::Object(record)))
    })
}

fn render(entry: &BufferEntry, local_currency: &str, boundary: i64) -> Rendered {
    let mut record = rendered(entry.content.clone());
    record.remove("lines");
    if record.get("currencyCode").and_then(Value::as_str) == Some("") {
        record.insert("currencyCode".to_owned(), Value::from(local_currency));
    }
    let state = match entry.state {
        BufferState::Received => "received",
        BufferState::Failed => "failed",
        BufferState::Created => "created",
    };
    record.extend(rendered(json!({
        "systemId": guid(entry.id),
        "revision": entry.revision,
        "state": state,
        "errorCode": entry.error_code,
        "errorText": entry.error_text,
        "errorLineNumber": entry.error_line,
        "attempts": entry.attempts,
        "salesOrderId": guid(entry.order_id),
        "salesOrderNumber": entry.sales_order,
        "salesOrderRowVersion": entry.order_version,
        "released": entry.released,
        "bookedNetAmount": number(entry.booked_net),
        "bookedTaxAmount": number(entry.booked_tax),
        "bookedGrossAmount": number(entry.booked_net + entry.booked_tax),
        "taxDifference": number(entry.tax_difference),
        "receivedAt": instant(entry.received_at),
        "processedAt": optional_instant(entry.processed_at),
        "systemRowVersion": entry.stamp.version,
        "boundary": boundary,
    })));
    record
}

/// Stores the order once; with `processNow` it is processed after that was committed.
pub(super) async fn store(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let order = parse(call)?;
    let content = serde_json::to_value(&order).unwrap_or_default();
    let (id, created) = world
        .write(&call.client, call.hold, |tx| insert(tx, &order, &content))
        .await?;
    if order.process_now {
        make(world, call, id).await?;
    }
    one(world, call, id, if created { 201 } else { 200 })
}

pub(super) async fn process(world: &Arc<World>, call: &Call, id: Uuid) -> Result<Answer, Refusal> {
    if world.read(|tables, _| tables.buffer.get(id).is_none()) {
        return Err(Refusal::not_found("buffered order"));
    }
    make(world, call, id).await?;
    Ok(Answer::empty(204))
}

/// Makes the sales order, or records why not: each in a transaction of its own.
async fn make(world: &Arc<World>, call: &Call, id: Uuid) -> Result<(), Refusal> {
    let release = world.config.release_orders;
    let mut fault = None;
    let made = world
        .write(&call.client, call.hold, |tx| {
            fault = None;
            let Some(entry) = tx
                .get::<BufferEntry>(id)
                .filter(|entry| entry.state != BufferState::Created)
            else {
                return Ok(());
            };
            buffer::process(tx, &entry, release).map_err(|found| {
                let refusal = Refusal::business(found.text.clone());
                fault = Some(found);
                refusal
            })
        })
        .await;
    let Some(found) = fault else { return made };
    let written = world.write(&call.client, None, |tx| {
        if let Some(entry) = tx
            .get::<BufferEntry>(id)
            .filter(|entry| entry.state != BufferState::Created)
        {
            let failed = buffer::failed(&entry, found.clone(), tx.now());
            tx.put(failed);
        }
        Ok(())
    });
    written.await
}

fn parse(call: &Call) -> Result<NewOrder, Refusal> {
    let malformed = |message: String| Refusal::new(400, "BadRequest_InvalidRequest", message);
    let order: NewOrder =
        serde_json::from_slice(&call.body).map_err(|error| malformed(error.to_string()))?;
    let body = call.json()?;
    fits(&Value::Object(body), LENGTHS).map_err(malformed)?;
    if order.channel_code.is_empty() || order.order_number.is_empty() {
        return Err(malformed(
            "channelCode and orderNumber must have a value".to_owned(),
        ));
    }
    if order.lines.is_empty() || order.lines.len() > 1000 {
        return Err(malformed("an order has 1 to 1000 lines".to_owned()));
    }
    let mut numbers: Vec<i64> = order.lines.iter().map(|line| line.line_number).collect();
    numbers.sort_unstable();
    if numbers.first().is_some_and(|first| *first < 1)
        || numbers.windows(2).any(|pair| pair[0] == pair[1])
    {
        return Err(malformed(
            "line numbers must be above 0 and unique".to_owned(),
        ));
    }
    Ok(order)
}

/// The entry's id, and whether it is new.
fn insert(
    tx: &mut Transaction<'_>,
    order: &NewOrder,
    content: &Value,
) -> Result<(Uuid, bool), Refusal> {
    let key = buffer_key(&order.channel_code, &order.order_number);
    if let Some(known) = tx.tables().buffer.by_key(&key).cloned() {
        if known.content == *content {
            return Ok((known.id, false));
        }
        if known.state == BufferState::Created || order.revision <= known.revision {
            let key = format!("{} {}", order.channel_code, order.order_number);
            return Err(Refusal::same_key("Order Buffer", &key));
        }
        let replaced = BufferEntry {
            revision: order.revision,
            content: content.clone(),
            state: BufferState::Received,
            error_code: String::new(),
            error_text: String::new(),
            error_line: 0,
            ..(*known).clone()
        };
        tx.put(replaced);
        return Ok((known.id, false));
    }
    let entry = tx.put(BufferEntry {
        id: tx.new_id(),
        stamp: crate::database::Stamp::default(),
        channel: order.channel_code.clone(),
        order_number: order.order_number.clone(),
        revision: order.revision,
        content: content.clone(),
        state: BufferState::Received,
        error_code: String::new(),
        error_text: String::new(),
        error_line: 0,
        attempts: 0,
        order_id: Uuid::nil(),
        sales_order: String::new(),
        order_version: 0,
        released: false,
        booked_net: Decimal::ZERO,
        booked_tax: Decimal::ZERO,
        tax_difference: Decimal::ZERO,
        received_at: tx.now(),
        processed_at: None,
        progress: std::collections::BTreeMap::new(),
    });
    Ok((entry.id, true))
}
