//! Everything that became of one shop order, from the documents themselves: they stay when the feed has forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::shop_order::NewOrder;
use super::status::Kind;
use crate::database::{
    BufferEntry, BufferState, Document, DocumentKind, DocumentLine, Row, Stamp, StatusEntry,
    StatusLine, Table, Tables, ordered_id,
};
use crate::numbers::unit_amount;

/// What was posted, as the feed told it, and last the order as it stands. Empty: it never became an order.
pub fn documents_of(tables: &Tables, entry: &BufferEntry) -> Table<StatusEntry> {
    let mut history = Table::default();
    if entry.state != BufferState::Created {
        return history;
    }
    let mut posted: Vec<&Arc<Document>> = tables
        .documents
        .iter()
        .filter(|document| document.buffer_id == Some(entry.id) && !document.draft)
        .filter(|document| document.kind != DocumentKind::Order)
        .collect();
    posted.sort_by_key(|document| document.stamp.version);
    history.extend(told(entry, &posted));
    history.extend([standing(tables, entry, &posted)]);
    history
}

fn told(entry: &BufferEntry, posted: &[&Arc<Document>]) -> Vec<StatusEntry> {
    let mut credited = BTreeMap::new();
    let entries = posted.iter().map(|document| {
        let kind = match document.kind {
            DocumentKind::Order => Kind::Changed,
            DocumentKind::Shipment => Kind::Shipped,
            DocumentKind::Invoice => Kind::Invoiced,
            DocumentKind::CreditMemo => Kind::Credited,
        };
        let mut lines: Vec<StatusLine> = Vec::new();
        for line in document.lines.iter().filter(|line| line.shop_line > 0) {
            let (unit, quantity) = match document.kind {
                DocumentKind::CreditMemo => as_sold(posted, line, &mut credited),
                DocumentKind::Order | DocumentKind::Shipment | DocumentKind::Invoice => {
                    (line.unit.clone(), line.quantity)
                }
            };
            match lines
                .iter_mut()
                .find(|known| known.line_number == line.shop_line)
            {
                Some(known) => known.quantity += quantity,
                None => lines.push(StatusLine {
                    unit,
                    ..status_line(entry, line, quantity)
                }),
            }
        }
        StatusEntry {
            document_id: document.id,
            document_number: document.number.clone(),
            agent: shipped_with(document, &document.agent),
            tracking: shipped_with(document, &document.tracking),
            reason: reason_of(document),
            lines,
            ..about(entry, kind, document.stamp.clone())
        }
    });
    entries.collect()
}

/// Carrier and parcel are a shipment's; other documents repeat what the order had.
fn shipped_with(document: &Document, text: &str) -> String {
    match document.kind {
        DocumentKind::Shipment => text.to_owned(),
        DocumentKind::Order | DocumentKind::Invoice | DocumentKind::CreditMemo => String::new(),
    }
}

fn reason_of(document: &Document) -> String {
    match document.kind {
        DocumentKind::CreditMemo => document.reason.clone(),
        DocumentKind::Order | DocumentKind::Shipment | DocumentKind::Invoice => String::new(),
    }
}

/// A return may be in another unit than the order. `credited`: pieces of such returns so far, so that the parts of a pack add up to
/// the pack.
fn as_sold(
    posted: &[&Arc<Document>],
    line: &DocumentLine,
    credited: &mut BTreeMap<i64, Decimal>,
) -> (String, Decimal) {
    let sold = posted
        .iter()
        .filter(|document| document.kind != DocumentKind::CreditMemo)
        .flat_map(|document| &document.lines)
        .find(|sold| sold.shop_line == line.shop_line)
        .filter(|sold| sold.unit != line.unit && !sold.unit_quantity.is_zero());
    let Some(sold) = sold else {
        return (line.unit.clone(), line.quantity);
    };
    let so_far = credited.entry(line.shop_line).or_default();
    let before = unit_amount(*so_far / sold.unit_quantity);
    *so_far += line.quantity * line.unit_quantity;
    let after = unit_amount(*so_far / sold.unit_quantity);
    (sold.unit.clone(), after - before)
}

/// The order with its lines as they stand. One that was posted in full or deleted is gone: what it stood at is what was shipped.
fn standing(tables: &Tables, entry: &BufferEntry, posted: &[&Arc<Document>]) -> StatusEntry {
    let order = tables.documents.get(entry.order_id);
    let sold = serde_json::from_value::<NewOrder>(entry.content.clone());
    let sold = sold.map(|order| order.lines).unwrap_or_default();
    let lines = entry.progress.keys().map(|number| {
        let of = |line: &&DocumentLine| line.shop_line == *number;
        let stands: Vec<&DocumentLine> = match order {
            Some(order) => order.lines.iter().filter(of).collect(),
            None => posted
                .iter()
                .filter(|document| document.kind == DocumentKind::Shipment)
                .flat_map(|document| &document.lines)
                .filter(of)
                .collect(),
        };
        let quantity = stands.iter().map(|line| line.quantity).sum();
        if let Some(line) = stands.first() {
            return status_line(entry, line, quantity);
        }
        let sold = sold.iter().find(|line| line.line_number == *number);
        let mut gone = DocumentLine {
            shop_line: *number,
            ..DocumentLine::default()
        };
        if let Some(sold) = sold {
            gone.object_number.clone_from(&sold.object_number);
            gone.variant.clone_from(&sold.variant_code);
            gone.location.clone_from(&sold.location_code);
            gone.unit.clone_from(&sold.unit_of_measure_code);
        }
        status_line(entry, &gone, quantity)
    });
    // The entry is written with everything that is told, so nothing older is missing from what stands here.
    let youngest = order
        .map(|order| order.stamp())
        .filter(|stamp| stamp.version > entry.stamp.version);
    StatusEntry {
        document_id: entry.order_id,
        document_number: entry.sales_order.clone(),
        lines: lines.collect(),
        ..about(
            entry,
            Kind::Changed,
            youngest.unwrap_or(&entry.stamp).clone(),
        )
    }
}

fn about(entry: &BufferEntry, kind: Kind, stamp: Stamp) -> StatusEntry {
    StatusEntry {
        id: ordered_id(stamp.version),
        stamp,
        buffer: entry.id,
        channel: entry.channel.clone(),
        order_number: entry.order_number.clone(),
        sales_order: entry.sales_order.clone(),
        kind: kind.name().to_owned(),
        document_id: entry.order_id,
        document_number: String::new(),
        agent: String::new(),
        tracking: String::new(),
        reason: String::new(),
        lines: Vec::new(),
    }
}

fn status_line(entry: &BufferEntry, line: &DocumentLine, quantity: Decimal) -> StatusLine {
    StatusLine {
        line_number: line.shop_line,
        object_number: line.object_number.clone(),
        variant: line.variant.clone(),
        location: line.location.clone(),
        unit: line.unit.clone(),
        quantity,
        progress: entry
            .progress
            .get(&line.shop_line)
            .cloned()
            .unwrap_or_default(),
    }
}
