//! Acts on sales documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Numbered;
use crate::database::{Document, DocumentKind, LineKind, Tables, Transaction, buffer_key};
use crate::numbers::{number, wire};
use crate::refusal::Refusal;
use crate::sales::posting::{self, Parcel, Quantities};
use crate::sales::status::{self, Kind, Told};
use crate::sales::{amounts, documents as orders, drafts};
use crate::simulator::World;

/// Which document, by its own number or by the shop's order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Posting {
    #[serde(default)]
    order: String,
    #[serde(default)]
    invoice: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    order_number: String,
    lines: Option<Vec<LineQuantity>>,
    #[serde(default)]
    agent: String,
    #[serde(default)]
    tracking: String,
    #[serde(default)]
    reason: String,
    #[serde(default = "yes")]
    restock: bool,
    /// For `change-line`.
    line: Option<i64>,
    #[serde(default, with = "crate::numbers::wire_option")]
    quantity: Option<Decimal>,
}

fn yes() -> bool {
    true
}

/// A line by the shop's number, or by its sequence where it has none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineQuantity {
    line: i64,
    #[serde(with = "wire")]
    quantity: Decimal,
}

impl Posting {
    fn order(&self, tables: &Tables) -> Result<Arc<Document>, Refusal> {
        if !self.order.is_empty() {
            return orders::find_order(tables, &self.order);
        }
        let entry = tables
            .buffer
            .by_key(&buffer_key(&self.channel, &self.order_number))
            .ok_or_else(|| {
                Refusal::no_such_record(
                    "Order Buffer",
                    &format!("{} {}", self.channel, self.order_number),
                )
            })?;
        orders::find_order(tables, &entry.sales_order)
    }

    /// The chosen quantities by sequence; what the ERP added by itself, such as freight, goes along.
    fn quantities(&self, document: &Document, freight: bool) -> Result<Quantities, Refusal> {
        let Some(lines) = &self.lines else {
            return Ok(None);
        };
        let mut quantities = BTreeMap::new();
        for wanted in lines {
            let line = document
                .lines
                .iter()
                .find(|line| {
                    if line.shop_line > 0 {
                        line.shop_line == wanted.line
                    } else {
                        line.sequence == wanted.line
                    }
                })
                .ok_or_else(|| Refusal::no_such_record("Sales Line", &wanted.line.to_string()))?;
            quantities.insert(line.sequence, wanted.quantity);
        }
        if freight {
            for line in document
                .lines
                .iter()
                .filter(|line| line.shop_line == 0 && line.kind == LineKind::Account)
            {
                let open = match document.kind {
                    DocumentKind::Order => line.quantity - line.shipped,
                    DocumentKind::Shipment | DocumentKind::Invoice | DocumentKind::CreditMemo => {
                        Decimal::ZERO
                    }
                };
                quantities.entry(line.sequence).or_insert(open);
            }
        }
        Ok(Some(quantities))
    }
}

pub(super) fn release(
    tx: &mut Transaction<'_>,
    posting: &Posting,
    released: bool,
) -> Result<Value, Refusal> {
    let order = posting.order(tx.tables())?;
    if order.released != released {
        let order = tx.put(Document {
            released,
            ..(*order).clone()
        });
        status::tell(
            tx,
            Told::about(
                &order,
                if released {
                    Kind::Released
                } else {
                    Kind::Reopened
                },
            ),
        );
    }
    Ok(json!({ "order": order.number, "released": released }))
}

pub(super) fn change_line(tx: &mut Transaction<'_>, posting: &Posting) -> Result<Value, Refusal> {
    let order = posting.order(tx.tables())?;
    let (Some(wanted), Some(quantity)) = (posting.line, posting.quantity) else {
        return Err(Refusal::bad_request("line and quantity are needed"));
    };
    let mut changed = (*order).clone();
    let line = changed
        .lines
        .iter_mut()
        .find(|line| line.shop_line == wanted || (line.shop_line == 0 && line.sequence == wanted))
        .ok_or_else(|| Refusal::no_such_record("Sales Line", &wanted.to_string()))?;
    if quantity < line.shipped {
        return Err(Refusal::business(format!(
            "The quantity cannot be less than {}, which is shipped.",
            line.shipped
        )));
    }
    line.discount_amount =
        amounts::part(line.discount_amount, Decimal::ZERO, quantity, line.quantity);
    line.tax_difference = Decimal::ZERO;
    line.quantity = quantity;
    let order = orders::write_order(tx, changed);
    status::tell(tx, Told::about(&order, Kind::Changed));
    Ok(json!({ "order": order.number }))
}

pub(super) fn ship(tx: &mut Transaction<'_>, posting: &Posting) -> Result<Value, Refusal> {
    let order = posting.order(tx.tables())?;
    let quantities = posting.quantities(&order, true)?;
    let parcel = Parcel {
        agent: posting.agent.clone(),
        tracking: posting.tracking.clone(),
    };
    let shipment = posting::ship(tx, &order, &quantities, &parcel)?;
    Ok(json!({ "order": order.number, "shipment": shipment.number }))
}

pub(super) fn invoice(tx: &mut Transaction<'_>, posting: &Posting) -> Result<Value, Refusal> {
    let order = posting.order(tx.tables())?;
    let mut quantities = posting.quantities(&order, false)?;
    if let Some(quantities) = &mut quantities {
        for line in order
            .lines
            .iter()
            .filter(|line| line.shop_line == 0 && line.kind == LineKind::Account)
        {
            quantities
                .entry(line.sequence)
                .or_insert(line.shipped - line.invoiced);
        }
    }
    let invoice = posting::invoice(tx, &order, &quantities)?;
    let totals = amounts::totals(&invoice);
    Ok(json!({ "order": order.number, "invoice": invoice.number, "gross": number(totals.gross()) }))
}

pub(super) fn credit(tx: &mut Transaction<'_>, posting: &Posting) -> Result<Value, Refusal> {
    let invoice = if posting.invoice.is_empty() {
        let entry = tx
            .tables()
            .buffer
            .by_key(&buffer_key(&posting.channel, &posting.order_number));
        let order = entry.map(|entry| entry.order_id).unwrap_or_default();
        tx.tables()
            .documents
            .children(order)
            .find(|document| document.kind == DocumentKind::Invoice)
            .cloned()
    } else {
        tx.tables()
            .documents
            .by_key(&format!("{:?}/{}", DocumentKind::Invoice, posting.invoice))
            .cloned()
    };
    let invoice =
        invoice.ok_or_else(|| Refusal::no_such_record("Sales Invoice Header", &posting.invoice))?;
    let quantities = posting.quantities(&invoice, false)?;
    let memo = posting::credit(tx, &invoice, &quantities, &posting.reason, posting.restock)?;
    let totals = amounts::totals(&memo);
    Ok(
        json!({ "invoice": invoice.number, "creditMemo": memo.number, "gross": number(totals.gross()) }),
    )
}

pub(super) fn post_credit_memo(
    tx: &mut Transaction<'_>,
    draft: &Numbered,
) -> Result<Value, Refusal> {
    let key = format!("{:?}/{}", DocumentKind::CreditMemo, draft.number);
    let draft = tx.tables().documents.by_key(&key).cloned();
    let draft = draft.ok_or_else(|| Refusal::no_such_record("Sales Header", &key))?;
    let id = drafts::post(tx, &draft)?;
    let posted = tx.get::<Document>(id);
    Ok(json!({ "creditMemo": posted.map(|posted| posted.number.clone()) }))
}

pub(super) fn cancel(tx: &mut Transaction<'_>, posting: &Posting) -> Result<Value, Refusal> {
    let order = posting.order(tx.tables())?;
    let quantities = posting.quantities(&order, false)?;
    posting::cancel(tx, &order, &quantities, &posting.reason)?;
    Ok(json!({ "order": order.number }))
}

/// Every document of an order, to count them: by the shop's key, by the order's number, or, when only `orderNumber` is
/// given, by the external document number, which finds what came in without the buffer too.
pub(super) fn documents(world: &Arc<World>, posting: Posting) -> Result<Value, Refusal> {
    let external = &posting.order_number;
    world.read(|tables, _| {
        let entry = tables
            .buffer
            .by_key(&buffer_key(&posting.channel, external));
        let shown: Vec<Value> = if posting.channel.is_empty() && posting.order.is_empty() {
            let same = |document: &&Arc<Document>| document.external_number == *external;
            tables
                .documents
                .iter()
                .filter(same)
                .map(|document| show(document))
                .collect()
        } else {
            let numbered = || find_origin(tables, &posting.order);
            let order = if posting.order.is_empty() {
                entry.map(|entry| entry.order_id)
            } else {
                numbered()
            };
            family(tables, order.unwrap_or_default())
                .into_iter()
                .map(|document| show(document))
                .collect()
        };
        Ok(json!({
            "documents": shown,
            "bufferState": entry.map(|entry| entry.state),
            "salesOrder": entry.map(|entry| &entry.sales_order),
        }))
    })
}

/// The id of an order by its number, also when it was posted and is gone.
fn find_origin(tables: &Tables, number: &str) -> Option<Uuid> {
    let open = orders::find_order(tables, number)
        .ok()
        .map(|order| order.id);
    open.or_else(|| {
        let posted = |document: &&Arc<Document>| document.origin_number == number;
        tables
            .documents
            .iter()
            .find(posted)
            .map(|document| document.origin_id)
    })
}

/// The order, what was posted from it, and what corrects that.
fn family(tables: &Tables, order: Uuid) -> Vec<&Arc<Document>> {
    if order.is_nil() {
        return Vec::new();
    }
    let mut family: Vec<&Arc<Document>> = tables.documents.get(order).into_iter().collect();
    for posted in tables.documents.children(order) {
        family.push(posted);
        family.extend(tables.documents.children(posted.id));
    }
    family
}

fn show(document: &Document) -> Value {
    let totals = amounts::totals(document);
    let lines: Vec<Value> = document
        .lines
        .iter()
        .map(|line| {
            json!({
                "line": line.shop_line, "number": line.object_number, "variant": line.variant, "location": line.location,
                "quantity": number(line.quantity), "net": number(line.net), "tax": number(line.tax),
                "shipped": number(line.shipped), "invoiced": number(line.invoiced),
            })
        })
        .collect();
    json!({
        "kind": document.kind,
        "number": document.number,
        "systemId": document.id,
        "customer": document.customer_number,
        "net": number(totals.net),
        "tax": number(totals.tax),
        "gross": number(totals.gross()),
        "released": document.released,
        "lines": lines,
    })
}
