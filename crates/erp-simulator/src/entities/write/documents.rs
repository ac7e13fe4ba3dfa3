//! Sales orders, draft invoices and draft credit memos, with deep insert; and what is posted from them.

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Wanted, lines, unknown};
use crate::database::{Customer, Document, DocumentKind, LineKind, Transaction};
use crate::entities::schema;
use crate::odata::schema::Schema;
use crate::refusal::Refusal;
use crate::sales::documents::{draft, next_number, remove_order, write_order};
use crate::sales::posting::{self, Parcel};
use crate::sales::{amounts, drafts};

/// Properties that are kept without a meaning here.
const KEPT: &[&str] = &[
    "shortcutDimension1Code",
    "shortcutDimension2Code",
    "disputeStatusId",
    "disputeStatus",
    "promisedPayDate",
];

/// Creates a document; lines in the body come with it, all or nothing.
pub(super) fn create(
    tx: &mut Transaction<'_>,
    entity: &'static Schema,
    kind: DocumentKind,
    body: &Map<String, Value>,
) -> Result<Uuid, Refusal> {
    let mut header = body.clone();
    let mut nested = None;
    if let Some(navigation) = entity.navigations.iter().find(|navigation| navigation.many)
        && let Some(lines) = header.remove(navigation.name)
    {
        nested = schema::of(navigation.target).zip(Some(lines));
    }
    let wanted = Wanted::check(entity, &header)?;
    let customer = customer(tx, &wanted, "customerId", "customerNumber")?.ok_or_else(|| {
        Refusal::business(
            "The document must have a customer: customerId or customerNumber is missing.",
        )
    })?;
    if !customer.blocked.is_empty() {
        return Err(Refusal::business(format!(
            "You cannot create this document: customer {} is blocked.",
            customer.number
        )));
    }
    let mut document = draft(tx, kind, &customer);
    document.draft = kind != DocumentKind::Order;
    document.number = if kind == DocumentKind::Order {
        next_number(tx, kind)?
    } else {
        // Posting gives the final number.
        format!("D{}", tx.next_number("drafts", 1001))
    };
    apply(tx, &mut document, &wanted)?;
    let id = document.id;
    if let Some((line_schema, nested)) = nested {
        let Value::Array(nested) = nested else {
            return Err(Refusal::bad_request("The lines must be a list."));
        };
        for line in nested {
            let Value::Object(line) = line else {
                return Err(Refusal::bad_request("A line must be an object."));
            };
            let wanted = Wanted::check(line_schema, &line)?;
            let line = lines::new_line(tx, &document, &wanted)?;
            document.lines.push(line);
        }
    }
    write(tx, document);
    Ok(id)
}

pub(super) fn change(tx: &mut Transaction<'_>, id: Uuid, wanted: &Wanted) -> Result<(), Refusal> {
    let known = editable(tx, id)?;
    let mut document = (*known).clone();
    if let Some(customer) = customer(tx, wanted, "customerId", "customerNumber")?
        && customer.id != document.customer
    {
        return Err(Refusal::business(
            "You cannot change the customer of a document that has one.",
        ));
    }
    apply(tx, &mut document, wanted)?;
    write(tx, document);
    Ok(())
}

pub(super) fn delete(tx: &mut Transaction<'_>, id: Uuid) -> Result<(), Refusal> {
    let document = editable(tx, id)?;
    if document.kind == DocumentKind::Order {
        if document
            .lines
            .iter()
            .any(|line| line.shipped > line.invoiced)
        {
            return Err(Refusal::business(
                "You cannot delete the order: something was shipped and not invoiced.",
            ));
        }
        let open = document
            .lines
            .iter()
            .any(|line| line.quantity > line.shipped && line.kind != LineKind::Comment);
        if open {
            // The shop is told, which a plain delete on a standard tenant would never do.
            return posting::cancel(tx, &document, &None, "").map(|()| {
                if let Some(rest) = tx.get::<Document>(id) {
                    remove_order(tx, &rest);
                }
            });
        }
        remove_order(tx, &document);
        return Ok(());
    }
    tx.delete::<Document>(id);
    Ok(())
}

/// Bound actions; the id of the document that came of it.
pub(super) fn action(tx: &mut Transaction<'_>, id: Uuid, name: &str) -> Result<Uuid, Refusal> {
    let document = tx
        .get::<Document>(id)
        .ok_or_else(|| Refusal::not_found("document"))?;
    match (document.kind, name) {
        (DocumentKind::Order, "Microsoft.NAV.shipAndInvoice") => {
            if document
                .lines
                .iter()
                .any(|line| line.quantity > line.shipped)
            {
                posting::ship(tx, &document, &None, &Parcel::default())?;
            }
            let shipped = tx
                .get::<Document>(id)
                .ok_or_else(|| Refusal::not_found("document"))?;
            posting::invoice(tx, &shipped, &None).map(|invoice| invoice.id)
        }
        (DocumentKind::Invoice | DocumentKind::CreditMemo, "Microsoft.NAV.post") => {
            drafts::post(tx, &document)
        }
        (
            DocumentKind::Order
            | DocumentKind::Shipment
            | DocumentKind::Invoice
            | DocumentKind::CreditMemo,
            _,
        ) => Err(Refusal::no_such_segment(name)),
    }
}

/// Posted documents cannot be written.
pub(super) fn editable(tx: &Transaction<'_>, id: Uuid) -> Result<Arc<Document>, Refusal> {
    let document = tx
        .get::<Document>(id)
        .ok_or_else(|| Refusal::not_found("document"))?;
    if document.kind != DocumentKind::Order && !document.draft {
        return Err(Refusal::business(format!(
            "The document {} is posted and cannot be changed.",
            document.number
        )));
    }
    Ok(document)
}

/// Writes a document with its totals; an order also with its effect on stock.
pub(super) fn write(tx: &mut Transaction<'_>, mut document: Document) {
    if document.kind == DocumentKind::Order {
        write_order(tx, document);
        return;
    }
    amounts::compute(&mut document);
    tx.put(document);
}

fn customer(
    tx: &Transaction<'_>,
    wanted: &Wanted,
    id: &str,
    number: &str,
) -> Result<Option<Arc<Customer>>, Refusal> {
    if let Some(id) = wanted.id(id) {
        return tx
            .get::<Customer>(id)
            .ok_or_else(|| unknown(id, "customers"))
            .map(Some);
    }
    let Some(number) = wanted.text(number).filter(|number| !number.is_empty()) else {
        return Ok(None);
    };
    tx.tables()
        .customers
        .by_key(number)
        .cloned()
        .ok_or_else(|| unknown(number, "customers"))
        .map(Some)
}

fn apply(tx: &Transaction<'_>, document: &mut Document, wanted: &Wanted) -> Result<(), Refusal> {
    let tables = tx.tables();
    if let Some(bill_to) = customer(tx, wanted, "billToCustomerId", "billToCustomerNumber")? {
        document.bill_to = bill_to.id;
        document.bill_to_number.clone_from(&bill_to.number);
        document.bill_to_address = bill_to.address.clone();
    }
    let (sell, bill, ship) = (
        &mut document.sell_to_address,
        &mut document.bill_to_address,
        &mut document.ship_to_address,
    );
    for (prefix, address) in [("sellTo", sell), ("billTo", bill), ("shipTo", ship)] {
        for (suffix, field) in [
            ("Name", &mut address.name),
            ("Contact", &mut address.contact),
            ("AddressLine1", &mut address.address_line1),
            ("AddressLine2", &mut address.address_line2),
            ("City", &mut address.city),
            ("Country", &mut address.country),
            ("State", &mut address.state),
            ("PostCode", &mut address.postal_code),
        ] {
            wanted.set_text(&format!("{prefix}{suffix}"), field);
        }
    }
    wanted.set_text("externalDocumentNumber", &mut document.external_number);
    wanted.set_text(
        "customerPurchaseOrderReference",
        &mut document.your_reference,
    );
    wanted.set_text("phoneNumber", &mut document.phone);
    wanted.set_text("email", &mut document.email);
    wanted.set_decimal("discountAmount", &mut document.invoice_discount);
    document.partial_shipping = wanted
        .flag("partialShipping")
        .unwrap_or(document.partial_shipping);
    for (name, field) in [
        ("orderDate", &mut document.order_date),
        ("dueDate", &mut document.due_date),
    ] {
        if let Some(Some(date)) = wanted.date(name) {
            *field = date;
        }
    }
    for name in ["invoiceDate", "creditMemoDate", "postingDate"] {
        if let Some(Some(date)) = wanted.date(name) {
            document.posting_date = date;
        }
    }
    if let Some(date) = wanted.date("requestedDeliveryDate") {
        document.requested_delivery = date;
    }
    if wanted.text("currencyCode") == Some(tx.marks().local_currency.as_str()) {
        document.currency.clear();
    } else if let Some(code) = wanted.code(tables, "currencies", "currencyId", "currencyCode")? {
        document.currency = code;
    }
    for (set, id, code, field) in [
        (
            "paymentTerms",
            "paymentTermsId",
            "",
            &mut document.payment_terms,
        ),
        (
            "shipmentMethods",
            "shipmentMethodId",
            "",
            &mut document.shipment_method,
        ),
        (
            "salespeoplePurchasers",
            "",
            "salesperson",
            &mut document.salesperson,
        ),
        (
            "customerReturnReasons",
            "customerReturnReasonId",
            "",
            &mut document.reason,
        ),
    ] {
        if let Some(code) = wanted.code(tables, set, id, code)? {
            *field = code;
        }
    }
    if let Some(invoice) = wanted.id("invoiceId") {
        let invoice = tx
            .get::<Document>(invoice)
            .ok_or_else(|| unknown(invoice, "salesInvoices"))?;
        document.origin_id = invoice.id;
        document.origin_number.clone_from(&invoice.number);
    }
    for name in KEPT {
        if let Some(value) = wanted.0.get(*name) {
            document.extra.insert((*name).to_owned(), value.clone());
        }
    }
    Ok(())
}
