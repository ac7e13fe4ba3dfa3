//! Lines of orders and drafts: BC fills in price, texts and tax; what the caller gives wins.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Wanted, documents, unknown};
use crate::database::{Document, DocumentKind, DocumentLine, Item, LineKind, Transaction};
use crate::numbers::{cents, unit_amount};
use crate::refusal::Refusal;
use crate::sales::documents::{ItemLine, item_line, tax_percent};

pub(super) fn create(
    tx: &mut Transaction<'_>,
    kind: DocumentKind,
    wanted: &Wanted,
) -> Result<Uuid, Refusal> {
    let id = wanted
        .id("documentId")
        .ok_or_else(|| Refusal::business("You must specify a Document Id to create a line."))?;
    let document = documents::editable(tx, id)?;
    if document.kind != kind {
        return Err(Refusal::not_found("document"));
    }
    let mut document = (*document).clone();
    let line = new_line(tx, &document, wanted)?;
    let id = line.id;
    document.lines.push(line);
    documents::write(tx, document);
    Ok(id)
}

pub(super) fn change(tx: &mut Transaction<'_>, id: Uuid, wanted: &Wanted) -> Result<(), Refusal> {
    let mut document = (*of_line(tx, id)?).clone();
    let line = document
        .lines
        .iter_mut()
        .find(|line| line.id == id)
        .ok_or_else(|| Refusal::not_found("line"))?;
    apply(tx, line, wanted)?;
    if line.quantity < line.shipped {
        return Err(Refusal::business(format!(
            "The quantity cannot be less than {}, which is shipped.",
            line.shipped
        )));
    }
    documents::write(tx, document);
    Ok(())
}

pub(super) fn delete(tx: &mut Transaction<'_>, id: Uuid) -> Result<(), Refusal> {
    let mut document = (*of_line(tx, id)?).clone();
    if document
        .lines
        .iter()
        .any(|line| line.id == id && !line.shipped.is_zero())
    {
        return Err(Refusal::business(
            "You cannot delete a line that was shipped.",
        ));
    }
    document.lines.retain(|line| line.id != id);
    documents::write(tx, document);
    Ok(())
}

fn of_line(tx: &Transaction<'_>, line: Uuid) -> Result<std::sync::Arc<Document>, Refusal> {
    let document = tx
        .tables()
        .documents
        .by_part(line)
        .cloned()
        .ok_or_else(|| Refusal::not_found("line"))?;
    documents::editable(tx, document.id)
}

/// A line as BC would fill it, with what the caller wants over it.
pub(super) fn new_line(
    tx: &Transaction<'_>,
    document: &Document,
    wanted: &Wanted,
) -> Result<DocumentLine, Refusal> {
    let item = item_of(tx, wanted)?;
    let kind = match wanted.text("lineType") {
        None if item.is_some() => LineKind::Item,
        None | Some("Comment") => LineKind::Comment,
        Some("Item") => LineKind::Item,
        Some("Account" | "Allocation_x0020_Account") => LineKind::Account,
        Some(_) => LineKind::Resource,
    };
    let mut line = match (kind, item) {
        (LineKind::Item, Some(item)) => {
            if item.blocked || item.sales_blocked {
                return Err(Refusal::business(format!(
                    "You cannot sell item {}: it is blocked.",
                    item.number
                )));
            }
            let tables = tx.tables();
            let variant = wanted
                .id("itemVariantId")
                .and_then(|id| tables.variants.get(id))
                .cloned();
            let location = wanted
                .code(tables, "locations", "locationId", "")?
                .unwrap_or_default();
            let unit = wanted
                .code(
                    tables,
                    "unitsOfMeasure",
                    "unitOfMeasureId",
                    "unitOfMeasureCode",
                )?
                .unwrap_or_default();
            let asked = ItemLine {
                variant: variant.as_ref().map_or("", |variant| variant.code.as_str()),
                location: &location,
                unit: &unit,
                quantity: wanted.decimal("quantity").unwrap_or_default(),
            };
            item_line(tx, document, &item, &asked)?
        }
        (LineKind::Item, None) => {
            return Err(Refusal::business(
                "The line must have an item: itemId or lineObjectNumber is missing.",
            ));
        }
        (kind, _) => DocumentLine {
            id: tx.new_id(),
            sequence: document
                .lines
                .iter()
                .map(|line| line.sequence)
                .max()
                .unwrap_or(0)
                + 10_000,
            kind,
            object_number: wanted
                .text("lineObjectNumber")
                .unwrap_or_default()
                .to_owned(),
            unit_quantity: Decimal::ONE,
            tax_percent: account_tax(tx, document, kind),
            ..DocumentLine::default()
        },
    };
    apply(tx, &mut line, wanted)?;
    Ok(line)
}

/// The pretend company's ledger accounts are all of the full rate.
fn account_tax(tx: &Transaction<'_>, document: &Document, kind: LineKind) -> Decimal {
    let customer = tx.tables().customers.get(document.customer);
    customer
        .filter(|_| kind == LineKind::Account)
        .and_then(|customer| tax_percent(tx.tables(), &customer.tax_group, "NORMAL"))
        .unwrap_or_default()
}

fn item_of(tx: &Transaction<'_>, wanted: &Wanted) -> Result<Option<std::sync::Arc<Item>>, Refusal> {
    if let Some(id) = wanted.id("itemId") {
        return tx
            .get::<Item>(id)
            .ok_or_else(|| unknown(id, "items"))
            .map(Some);
    }
    if wanted.text("lineType").is_some_and(|kind| kind != "Item") {
        return Ok(None);
    }
    let Some(number) = wanted.text("lineObjectNumber") else {
        return Ok(None);
    };
    tx.tables()
        .items
        .by_key(number)
        .cloned()
        .ok_or_else(|| unknown(number, "items"))
        .map(Some)
}

fn apply(tx: &Transaction<'_>, line: &mut DocumentLine, wanted: &Wanted) -> Result<(), Refusal> {
    if let Some(sequence) = wanted.0.get("sequence").and_then(serde_json::Value::as_i64) {
        line.sequence = sequence;
    }
    wanted.set_text("description", &mut line.description);
    wanted.set_text("description2", &mut line.description2);
    wanted.set_decimal("quantity", &mut line.quantity);
    wanted.set_decimal("unitPrice", &mut line.unit_price);
    wanted.set_decimal("shipQuantity", &mut line.ship_quantity);
    wanted.set_decimal("invoiceQuantity", &mut line.invoice_quantity);
    if line.quantity < Decimal::ZERO {
        return Err(Refusal::business("The quantity cannot be negative."));
    }
    if let Some(location) = wanted.code(tx.tables(), "locations", "locationId", "")? {
        line.location = location;
    }
    if let Some(date) = wanted.date("shipmentDate") {
        line.shipment_date = date;
    }
    let full = cents(line.quantity * line.unit_price);
    if let Some(amount) = wanted.decimal("discountAmount") {
        line.discount_amount = amount;
        line.discount_percent = if full.is_zero() {
            Decimal::ZERO
        } else {
            unit_amount(amount * Decimal::ONE_HUNDRED / full)
        };
    } else {
        wanted.set_decimal("discountPercent", &mut line.discount_percent);
        line.discount_amount = cents(full * line.discount_percent / Decimal::ONE_HUNDRED);
    }
    Ok(())
}
