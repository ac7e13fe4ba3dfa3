//! What the extension is, and its two feeds: changes and order status.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{collection, nothing, rendered};
use crate::database::{Marks, QueueEntry, Row, StatusEntry, Table, Tables, ordered_id};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant, number};
use crate::odata::Query;
use crate::odata::page::Source;
use crate::odata::schema::{Kind, Schema, many, ro};
use crate::refusal::Refusal;
use crate::simulator::World;

const CAPABILITIES: &str = "changes,items,prices,stock,stockLookup,customers,orderBuffer,statusFeed,orderDocuments,transferRequests,returnReasons,returnOrders,setupChecks";
const MOST_CHANGES: usize = 5000;
const MOST_STATUSES: usize = 1000;

const ENTRY: Schema = Schema {
    entity: "changeEntry",
    set: "changeEntries",
    properties: &[
        ro("systemRowVersion", Kind::Integer),
        ro("entity", Kind::Text(30)),
        ro("changeType", Kind::Text(10)),
        ro("systemId", Kind::Guid),
        ro("parentSystemId", Kind::Guid),
        ro("primaryKey", Kind::Text(250)),
        ro("changedAt", Kind::Instant),
        ro("changedBy", Kind::Text(100)),
    ],
    navigations: &[],
    insert: false,
    modify: false,
    delete: false,
};

const STATUS: Schema = Schema {
    entity: "statusEntry",
    set: "statusEntries",
    properties: &[],
    navigations: &[many("lines", "statusLine", "")],
    insert: false,
    modify: false,
    delete: false,
};

pub(super) fn info(world: &Arc<World>, call: &Call) -> Answer {
    let now = world.now();
    let row = world.read_bounded(|_, marks, boundary| {
        json!({
            "systemId": guid(marks.environment),
            "version": "1.0.0",
            "capabilities": CAPABILITIES,
            "environmentId": guid(marks.environment),
            "epoch": guid(marks.epoch),
            "boundary": boundary,
            "oldestCursor": marks.oldest_cursor,
            "retentionDays": 30,
            "localCurrencyCode": marks.local_currency,
            "serverTime": instant(now),
        })
    });
    Answer::json(
        200,
        &json!({ "@odata.context": format!("{}/$metadata#companionInfo", call.base), "value": [row] }),
    )
}

/// The queue's table as it stands, unbounded and uncommitted, as any plain page would show it.
pub(super) fn list(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    world.read_dirty(|tables| {
        let source = Source {
            table: &tables.queue,
            schema: &ENTRY,
            id: "",
            key: None,
            parent: None,
            keep: &|_| true,
            render: &|entry: &QueueEntry| rendered(change(entry)),
            within: None,
        };
        collection(call, &source, nothing)
    })
}

pub(super) fn change_window(
    world: &Arc<World>,
    call: &Call,
    after: i64,
) -> Result<Answer, Refusal> {
    window(
        world,
        call,
        "changeWindows",
        after,
        MOST_CHANGES,
        |tables| &tables.queue,
        |entry, _| Ok(change(entry)),
    )
}

pub(super) fn status_window(
    world: &Arc<World>,
    call: &Call,
    after: i64,
) -> Result<Answer, Refusal> {
    window(
        world,
        call,
        "statusWindows",
        after,
        MOST_STATUSES,
        |tables| &tables.statuses,
        status,
    )
}

/// Entries after a cursor and below the boundary, which is read first.
pub(super) fn window<R: Row>(
    world: &Arc<World>,
    call: &Call,
    set: &str,
    after: i64,
    most: usize,
    table: impl Fn(&Tables) -> &Table<R>,
    render: impl Fn(&R, &Query) -> Result<Value, Refusal>,
) -> Result<Answer, Refusal> {
    let expansion = match call.query.expand.as_slice() {
        [] => None,
        [one] if one.name == "entries" => Some(one),
        [other, ..] => return Err(Refusal::no_such_property(&other.name, set)),
    };
    let limit = expansion
        .and_then(|expansion| expansion.query.top)
        .unwrap_or(most)
        .min(most);
    world.read_bounded(|tables, marks, boundary| {
        let state = state(after, marks);
        let mut entries = Vec::new();
        let (mut upper, mut more) = (after, false);
        if state == "ok" {
            upper = after.max(boundary - 1);
            for entry in table(tables).after(ordered_id(after)) {
                let version = entry.stamp().version;
                if version >= boundary {
                    break;
                }
                if let Some(expansion) = expansion {
                    if entries.len() == limit {
                        more = true;
                        break;
                    }
                    entries.push(render(entry, &expansion.query)?);
                    upper = version;
                } else {
                    more = true;
                    upper = after;
                    break;
                }
            }
            if !more {
                upper = after.max(boundary - 1);
            }
        }
        let mut body = json!({
            "@odata.context": format!("{}/$metadata#{set}/$entity", call.base),
            "after": after,
            "state": state,
            "boundary": boundary,
            "upperBound": upper,
            "hasMore": more,
            "oldestCursor": marks.oldest_cursor,
            "epoch": guid(marks.epoch),
        });
        if expansion.is_some() {
            body["entries"] = Value::from(entries);
        }
        Ok(Answer::json(200, &body))
    })
}

fn state(after: i64, marks: &Marks) -> &'static str {
    if after > marks.version {
        "ahead"
    } else if after < marks.oldest_cursor {
        "expired"
    } else {
        "ok"
    }
}

fn change(entry: &QueueEntry) -> Value {
    json!({
        "systemRowVersion": entry.stamp.version,
        "entity": entry.entity,
        "changeType": entry.change,
        "systemId": guid(entry.system_id),
        "parentSystemId": guid(entry.parent),
        "primaryKey": entry.key,
        "changedAt": instant(entry.stamp.modified_at),
        "changedBy": entry.stamp.modified_by,
    })
}

pub(super) fn status(entry: &StatusEntry, query: &Query) -> Result<Value, Refusal> {
    let mut body = json!({
        "systemRowVersion": entry.stamp.version,
        "systemId": guid(entry.id),
        "bufferId": guid(entry.buffer),
        "channelCode": entry.channel,
        "orderNumber": entry.order_number,
        "salesOrderNumber": entry.sales_order,
        "kind": entry.kind,
        "documentId": guid(entry.document_id),
        "documentNumber": entry.document_number,
        "happenedAt": instant(entry.stamp.modified_at),
        "shippingAgentCode": entry.agent,
        "shippingAgentName": agent_name(&entry.agent),
        "shippingAgentServiceCode": "",
        "trackingNumber": entry.tracking,
        "trackingUrl": tracking_url(&entry.agent, &entry.tracking),
        "reasonCode": entry.reason,
    });
    for expansion in &query.expand {
        if STATUS.navigation(&expansion.name).is_none() {
            return Err(Refusal::no_such_property(&expansion.name, STATUS.entity));
        }
        let lines = entry.lines.iter().map(|line| {
            json!({
                "lineNumber": line.line_number,
                "itemNumber": line.object_number,
                "variantCode": line.variant,
                "locationCode": line.location,
                "unitOfMeasureCode": line.unit,
                "quantity": number(line.quantity),
                "orderedQuantity": number(line.progress.ordered),
                "shippedQuantity": number(line.progress.shipped),
                "invoicedQuantity": number(line.progress.invoiced),
                "creditedQuantity": number(line.progress.credited),
                "cancelledQuantity": number(line.progress.cancelled),
            })
        });
        body["lines"] = Value::Array(lines.collect());
    }
    Ok(body)
}

/// The pretend company's shipping agents.
fn agent_name(code: &str) -> &'static str {
    match code {
        "DHL" => "DHL Paket",
        "DPD" => "DPD",
        "UPS" => "United Parcel Service",
        "SPED" => "Möbelspedition Nord",
        _ => "",
    }
}

fn tracking_url(agent: &str, tracking: &str) -> String {
    if agent.is_empty() || tracking.is_empty() {
        return String::new();
    }
    format!(
        "https://tracking.example/{}/{tracking}",
        agent.to_lowercase()
    )
}
