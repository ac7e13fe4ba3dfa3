//! Posting: shipment, invoice, credit memo, cancellation.
//!
//! As in BC a posted order leaves documents behind and is removed when everything was shipped and invoiced; from outside it
//! is then gone, which is not the same as cancelled.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::status::{self, Kind, Told};
use super::{amounts, documents, stock};
use crate::database::{Customer, Document, DocumentKind, DocumentLine, LineKind, Transaction};
use crate::refusal::Refusal;

/// Which lines, by sequence, and how much of each; `None` = everything that is open.
pub type Quantities = Option<BTreeMap<i64, Decimal>>;

/// Carrier and tracking number of a shipment.
#[derive(Debug, Clone, Default)]
pub struct Parcel {
    pub agent: String,
    pub tracking: String,
}

/// Posts a shipment and takes the pieces out of stock.
pub fn ship(
    tx: &mut Transaction<'_>,
    order: &Document,
    quantities: &Quantities,
    parcel: &Parcel,
) -> Result<Arc<Document>, Refusal> {
    let customer = documents::customer(tx.tables(), order)?;
    if customer.blocked == "Ship" || customer.blocked == "All" {
        return Err(Refusal::business(format!(
            "You cannot ship to customer {}: it is blocked.",
            customer.number
        )));
    }
    let picked = pick(
        order,
        quantities,
        |line| line.quantity - line.shipped,
        "ship",
    )?;
    let number = documents::next_number(tx, DocumentKind::Shipment)?;
    let mut shipment = posted(tx, order, DocumentKind::Shipment, &number);
    shipment.agent.clone_from(&parcel.agent);
    shipment.tracking.clone_from(&parcel.tracking);
    let mut after = order.clone();
    for (place, quantity) in &picked {
        let line = &mut after.lines[*place];
        line.shipped += quantity;
        shipment.lines.push(DocumentLine {
            id: tx.new_id(),
            quantity: *quantity,
            ..line.clone()
        });
        let line = line.clone();
        if let Some(shelf) = stock::shelf_of(tx.tables(), &line) {
            let movement = stock::Movement {
                kind: "Sale",
                document_kind: "Sales_x0020_Shipment",
                document_number: &number,
                source_number: &order.customer_number,
                description: &line.description,
                sales_amount: amounts::part(
                    line.net,
                    line.shipped - quantity,
                    *quantity,
                    line.quantity,
                ),
            };
            stock::post(tx, &shelf, -quantity * line.unit_quantity, &movement);
        }
    }
    after.agent.clone_from(&parcel.agent);
    after.tracking.clone_from(&parcel.tracking);
    after.released = true;
    documents::write_order(tx, after);
    let shipment = tx.put(shipment);
    let mut told = Told {
        reason: "",
        ..Told::about(&shipment, Kind::Shipped)
    };
    told.agent = &parcel.agent;
    told.tracking = &parcel.tracking;
    status::tell(tx, told);
    Ok(shipment)
}

/// Posts an invoice for what was shipped and not invoiced; removes the order when nothing of it is open.
pub fn invoice(
    tx: &mut Transaction<'_>,
    order: &Document,
    quantities: &Quantities,
) -> Result<Arc<Document>, Refusal> {
    let customer = documents::customer(tx.tables(), order)?;
    if customer.blocked == "Invoice" || customer.blocked == "All" {
        return Err(Refusal::business(format!(
            "You cannot invoice customer {}: it is blocked.",
            customer.number
        )));
    }
    let picked = pick(
        order,
        quantities,
        |line| line.shipped - line.invoiced,
        "invoice",
    )?;
    let number = documents::next_number(tx, DocumentKind::Invoice)?;
    let mut invoice = posted(tx, order, DocumentKind::Invoice, &number);
    let mut after = order.clone();
    for (place, quantity) in &picked {
        let line = &mut after.lines[*place];
        let id = tx.new_id();
        invoice
            .lines
            .push(share(line, id, line.invoiced, *quantity));
        line.invoiced += quantity;
    }
    invoice.invoice_discount = invoice.lines.iter().map(|line| line.invoice_discount).sum();
    let gross = amounts::totals(&invoice).gross();
    let invoice = tx.put(invoice);
    owe(tx, order.bill_to, gross);
    status::tell(tx, Told::about(&invoice, Kind::Invoiced));
    write_or_remove(tx, after);
    Ok(invoice)
}

/// Posts a credit memo for an invoice; with `restock` the pieces go back on their shelves.
pub fn credit(
    tx: &mut Transaction<'_>,
    invoice: &Document,
    quantities: &Quantities,
    reason: &str,
    restock: bool,
) -> Result<Arc<Document>, Refusal> {
    let credited: Vec<Arc<Document>> = tx
        .tables()
        .documents
        .children(invoice.id)
        .filter(|memo| memo.kind == DocumentKind::CreditMemo && !memo.draft)
        .cloned()
        .collect();
    let already = |sequence: i64| -> Decimal {
        credited
            .iter()
            .flat_map(|memo| &memo.lines)
            .filter(|line| line.sequence == sequence)
            .map(|line| line.quantity)
            .sum()
    };
    let picked = pick(
        invoice,
        quantities,
        |line| line.quantity - already(line.sequence),
        "credit",
    )?;
    let number = documents::next_number(tx, DocumentKind::CreditMemo)?;
    let mut memo = posted(tx, invoice, DocumentKind::CreditMemo, &number);
    reason.clone_into(&mut memo.reason);
    for (place, quantity) in &picked {
        let line = &invoice.lines[*place];
        let id = tx.new_id();
        memo.lines
            .push(share(line, id, already(line.sequence), *quantity));
        if restock && let Some(shelf) = stock::shelf_of(tx.tables(), line) {
            let movement = stock::Movement {
                kind: "Sale",
                document_kind: "Sales_x0020_Credit_x0020_Memo",
                document_number: &number,
                source_number: &invoice.customer_number,
                description: &line.description,
                sales_amount: -amounts::part(
                    line.net,
                    already(line.sequence),
                    *quantity,
                    line.quantity,
                ),
            };
            stock::post(tx, &shelf, quantity * line.unit_quantity, &movement);
        }
    }
    let gross = amounts::totals(&memo).gross();
    let memo = tx.put(memo);
    owe(tx, invoice.bill_to, -gross);
    status::tell(
        tx,
        Told {
            reason,
            ..Told::about(&memo, Kind::Credited)
        },
    );
    Ok(memo)
}

/// Cancels what is not shipped yet; an order of which nothing was shipped disappears.
pub fn cancel(
    tx: &mut Transaction<'_>,
    order: &Document,
    quantities: &Quantities,
    reason: &str,
) -> Result<(), Refusal> {
    let picked = pick(
        order,
        quantities,
        |line| line.quantity - line.shipped,
        "cancel",
    )?;
    let mut after = order.clone();
    let mut lines = Vec::new();
    for (place, quantity) in &picked {
        let line = &mut after.lines[*place];
        lines.push((line.clone(), *quantity));
        let kept = line.quantity - quantity;
        line.discount_amount =
            amounts::part(line.discount_amount, Decimal::ZERO, kept, line.quantity);
        line.tax_difference = Decimal::ZERO;
        line.quantity = kept;
    }
    // A freight line alone is not worth an order.
    let anything = after.lines.iter().any(|line| {
        !line.quantity.is_zero() && (line.shop_line > 0 || line.kind == LineKind::Item)
    });
    status::tell(
        tx,
        Told {
            reason,
            lines,
            ..Told::about(order, Kind::Cancelled)
        },
    );
    if anything {
        write_or_remove(tx, after);
    } else {
        documents::remove_order(tx, order);
    }
    Ok(())
}

/// The chosen lines by place, with their quantities; refuses what is not open.
fn pick(
    document: &Document,
    quantities: &Quantities,
    open: impl Fn(&DocumentLine) -> Decimal,
    what: &str,
) -> Result<Vec<(usize, Decimal)>, Refusal> {
    let mut picked = Vec::new();
    for (place, line) in document.lines.iter().enumerate() {
        if line.kind == LineKind::Comment {
            continue;
        }
        let open = open(line);
        let wanted = match quantities {
            None => open,
            Some(quantities) => quantities.get(&line.sequence).copied().unwrap_or_default(),
        };
        if wanted < Decimal::ZERO || wanted > open {
            return Err(Refusal::business(format!(
                "You cannot {what} more than {open} units of line {} ({}).",
                line.sequence, line.object_number
            )));
        }
        if !wanted.is_zero() {
            picked.push((place, wanted));
        }
    }
    if picked.is_empty() {
        return Err(Refusal::business(format!(
            "There is nothing to post: document {} has nothing to {what}.",
            document.number
        )));
    }
    Ok(picked)
}

/// A posted document of the same customer, addresses and terms, without lines.
fn posted(tx: &Transaction<'_>, origin: &Document, kind: DocumentKind, number: &str) -> Document {
    Document {
        id: tx.new_id(),
        kind,
        number: number.to_owned(),
        draft: false,
        origin_id: origin.id,
        origin_number: origin.number.clone(),
        posting_date: stock::today(tx),
        due_date: stock::today(tx),
        lines: Vec::new(),
        ..origin.clone()
    }
}

/// The part of a line that `quantity` more pieces make.
fn share(line: &DocumentLine, id: Uuid, before: Decimal, quantity: Decimal) -> DocumentLine {
    let part = |amount| amounts::part(amount, before, quantity, line.quantity);
    DocumentLine {
        id,
        quantity,
        discount_amount: part(line.discount_amount),
        invoice_discount: part(line.invoice_discount),
        net: part(line.net),
        tax: part(line.tax),
        tax_difference: part(line.tax_difference),
        ..line.clone()
    }
}

/// Adds to what the customer owes.
pub fn owe(tx: &mut Transaction<'_>, customer: Uuid, amount: Decimal) {
    let Some(customer) = tx.get::<Customer>(customer) else {
        return;
    };
    let mut customer = (*customer).clone();
    customer.balance += amount;
    // A balance is a sum over ledger entries in BC: it does not touch the customer's row, so nobody is told.
    let stamp = customer.stamp.clone();
    tx.put_silently(customer, stamp);
}

fn write_or_remove(tx: &mut Transaction<'_>, order: Document) {
    let done = order
        .lines
        .iter()
        .all(|line| line.invoiced == line.quantity || line.kind == LineKind::Comment);
    if done {
        documents::remove_order(tx, &order_before(tx, &order));
        return;
    }
    documents::write_order(tx, order);
}

/// As it is in the table, which is what its stock stands for.
fn order_before(tx: &Transaction<'_>, order: &Document) -> Document {
    tx.get::<Document>(order.id)
        .map_or_else(|| order.clone(), |found| (*found).clone())
}
