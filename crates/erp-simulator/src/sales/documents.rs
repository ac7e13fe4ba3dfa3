//! Sales orders: made from a customer, filled with lines, written with their effect on stock.

use std::sync::Arc;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{amounts, price, series, stock};
use crate::database::{
    Customer, Document, DocumentKind, DocumentLine, Item, Stamp, Tables, Transaction,
};
use crate::refusal::Refusal;

/// An empty document for a customer, with everything BC copies from the customer card.
pub fn draft(tx: &Transaction<'_>, kind: DocumentKind, customer: &Customer) -> Document {
    let day = stock::today(tx);
    let bill_to = tx
        .tables()
        .customers
        .by_key(&customer.bill_to)
        .map_or(customer, |found| found);
    Document {
        id: tx.new_id(),
        stamp: Stamp::default(),
        kind,
        number: String::new(),
        draft: true,
        external_number: String::new(),
        origin_id: Uuid::nil(),
        origin_number: String::new(),
        buffer_id: None,
        customer: customer.id,
        customer_number: customer.number.clone(),
        bill_to: bill_to.id,
        bill_to_number: bill_to.number.clone(),
        sell_to_address: customer.address.clone(),
        bill_to_address: bill_to.address.clone(),
        ship_to_address: customer.address.clone(),
        email: customer.email.clone(),
        phone: customer.phone.clone(),
        order_date: day,
        posting_date: day,
        due_date: day,
        requested_delivery: None,
        currency: customer.currency.clone(),
        prices_include_tax: customer.prices_include_tax,
        payment_terms: customer.payment_terms.clone(),
        payment_method: customer.payment_method.clone(),
        shipment_method: customer.shipment_method.clone(),
        salesperson: customer.salesperson.clone(),
        reason: String::new(),
        your_reference: String::new(),
        invoice_discount: Decimal::ZERO,
        partial_shipping: true,
        released: false,
        agent: String::new(),
        tracking: String::new(),
        extra: std::collections::BTreeMap::new(),
        lines: Vec::new(),
    }
}

/// The next number of the document's series.
pub fn next_number(tx: &mut Transaction<'_>, kind: DocumentKind) -> Result<String, Refusal> {
    let series = match kind {
        DocumentKind::Order => series::ORDERS,
        DocumentKind::Shipment => series::SHIPMENTS,
        DocumentKind::Invoice => series::INVOICES,
        DocumentKind::CreditMemo => series::CREDIT_MEMOS,
    };
    series.next_document(tx)
}

/// A line for an item, with BC's price, tax and texts; the caller overwrites what it knows better.
pub fn item_line(
    tx: &Transaction<'_>,
    document: &Document,
    item: &Item,
    wanted: &ItemLine<'_>,
) -> Result<DocumentLine, Refusal> {
    let tables = tx.tables();
    let unit = if wanted.unit.is_empty() {
        sales_unit(item)
    } else {
        wanted.unit
    };
    let unit_quantity = unit_quantity(item, unit).ok_or_else(|| {
        Refusal::business(format!(
            "The unit of measure {unit} does not exist for item {}.",
            item.number
        ))
    })?;
    if item.product_group.is_empty() {
        return Err(Refusal::business(format!(
            "Gen. Prod. Posting Group must have a value in Item: No.={}. It cannot be zero or empty.",
            item.number
        )));
    }
    let customer = customer(tables, document)?;
    let tax_percent =
        tax_percent(tables, &customer.tax_group, &item.tax_group).ok_or_else(|| {
            Refusal::business(format!(
                "There is no VAT posting setup for {} and {}.",
                customer.tax_group, item.tax_group
            ))
        })?;
    let found = price::find(
        tables,
        &price::Wanted {
            item,
            variant: wanted.variant,
            unit,
            unit_quantity,
            quantity: wanted.quantity,
            customer: &customer,
            currency: &document.currency,
            day: document.order_date,
            prices_include_tax: document.prices_include_tax,
            tax_percent,
        },
    );
    let description = tables
        .variants
        .by_key(&format!("{}/{}", item.id, wanted.variant))
        .map_or(&item.name, |variant| &variant.description);
    let mut line = DocumentLine {
        id: tx.new_id(),
        sequence: document
            .lines
            .iter()
            .map(|line| line.sequence)
            .max()
            .unwrap_or(0)
            + 10_000,
        item: Some(item.id),
        object_number: item.number.clone(),
        variant: wanted.variant.to_owned(),
        location: wanted.location.to_owned(),
        description: description.clone(),
        unit: unit.to_owned(),
        unit_quantity,
        quantity: wanted.quantity,
        unit_price: found.unit_price,
        discount_percent: found.discount_percent,
        allow_invoice_discount: found.allow_invoice_discount,
        tax_group: item.tax_group.clone(),
        tax_percent,
        ..DocumentLine::default()
    };
    line.discount_amount = crate::numbers::cents(
        line.quantity * line.unit_price * line.discount_percent / Decimal::ONE_HUNDRED,
    );
    Ok(line)
}

/// What is known about a wanted line.
#[derive(Debug, Clone, Copy)]
pub struct ItemLine<'a> {
    pub variant: &'a str,
    pub location: &'a str,
    /// Empty = the item's sales unit.
    pub unit: &'a str,
    pub quantity: Decimal,
}

pub fn sales_unit(item: &Item) -> &str {
    if item.sales_unit.is_empty() {
        &item.base_unit
    } else {
        &item.sales_unit
    }
}

pub fn unit_quantity(item: &Item, unit: &str) -> Option<Decimal> {
    if unit == item.base_unit {
        return Some(Decimal::ONE);
    }
    item.units.get(unit).copied()
}

/// The VAT posting setup: rate by the customer's and the item's group.
pub fn tax_percent(tables: &Tables, business: &str, product: &str) -> Option<Decimal> {
    let setup = tables
        .records
        .by_key(&format!("vatPostingSetup/{business}/{product}"))?;
    setup
        .fields
        .get("percent")
        .and_then(crate::numbers::decimal)
}

pub fn customer(tables: &Tables, document: &Document) -> Result<Arc<Customer>, Refusal> {
    tables
        .customers
        .get(document.customer)
        .cloned()
        .ok_or_else(|| Refusal::business("You must specify a customer for the document."))
}

/// Writes an order: totals, stock, and the order row.
pub fn write_order(tx: &mut Transaction<'_>, mut order: Document) -> Arc<Document> {
    amounts::compute(&mut order);
    let before = tx.get::<Document>(order.id);
    stock::follow_order(tx, before.as_deref(), Some(&order));
    tx.put(order)
}

/// Removes an order with what it held of the stock.
pub fn remove_order(tx: &mut Transaction<'_>, order: &Document) {
    stock::follow_order(tx, Some(order), None);
    tx.delete::<Document>(order.id);
}

/// By number or by the shop's order.
pub fn find_order(tables: &Tables, number: &str) -> Result<Arc<Document>, Refusal> {
    tables
        .documents
        .by_key(&format!("{:?}/{number}", DocumentKind::Order))
        .cloned()
        .ok_or_else(|| {
            Refusal::no_such_record(
                "Sales Header",
                &format!("Document Type='Order',No.='{number}'"),
            )
        })
}
