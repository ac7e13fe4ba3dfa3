//! Sales documents and their lines.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{code_id, object, with_extra};
use crate::database::{Document, DocumentKind, DocumentLine, LineKind, Row, Stamp, Tables};
use crate::numbers::{cents, date, guid, instant, number};
use crate::odata::page::Rendered;
use crate::odata::schema::Schema;
use crate::sales::amounts;

/// A line as a row of its own: pages are read from tables, and BC's API gives every line an id and an etag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LineRow {
    pub stamp: Stamp,
    pub document: Uuid,
    pub document_number: String,
    pub prices_include_tax: bool,
    pub line: DocumentLine,
}

impl Row for LineRow {
    fn id(&self) -> Uuid {
        self.line.id
    }

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn stamp_mut(&mut self) -> &mut Stamp {
        &mut self.stamp
    }

    fn parent(&self) -> Option<Uuid> {
        Some(self.document)
    }
}

/// A document's lines as rows.
pub fn lines_of(document: &Document) -> impl Iterator<Item = LineRow> {
    document.lines.iter().map(|line| LineRow {
        stamp: document.stamp.clone(),
        document: document.id,
        document_number: document.number.clone(),
        prices_include_tax: document.prices_include_tax,
        line: line.clone(),
    })
}

pub fn document(
    tables: &Tables,
    local_currency: &str,
    schema: &Schema,
    document: &Document,
) -> Rendered {
    let (sell, bill, ship) = (
        &document.sell_to_address,
        &document.bill_to_address,
        &document.ship_to_address,
    );
    let totals = amounts::totals(document);
    let mut all = object(json!({
        "id": guid(document.id),
        "number": document.number,
        "externalDocumentNumber": document.external_number,
        "postingDate": date(Some(document.posting_date)),
        "dueDate": date(Some(document.due_date)),
        "customerId": guid(document.customer),
        "customerNumber": document.customer_number,
        "customerName": sell.name,
        "billToName": bill.name,
        "billToCustomerId": guid(document.bill_to),
        "billToCustomerNumber": document.bill_to_number,
        "shipToName": ship.name,
        "shipToContact": ship.contact,
        "currencyId": code_id(tables, "currencies", &document.currency),
        "currencyCode": if document.currency.is_empty() { local_currency } else { &document.currency },
        "pricesIncludeTax": document.prices_include_tax,
        "paymentTermsId": code_id(tables, "paymentTerms", &document.payment_terms),
        "paymentTermsCode": document.payment_terms,
        "shipmentMethodId": code_id(tables, "shipmentMethods", &document.shipment_method),
        "shipmentMethodCode": document.shipment_method,
        "salesperson": document.salesperson,
        "discountAmount": number(document.invoice_discount),
        "discountAppliedBeforeTax": true,
        "totalAmountExcludingTax": number(totals.net),
        "totalTaxAmount": number(totals.tax),
        "totalAmountIncludingTax": number(totals.gross()),
        "status": status(document),
        "lastModifiedDateTime": instant(document.stamp.modified_at),
        "phoneNumber": document.phone,
        "email": document.email,
        "customerPurchaseOrderReference": document.your_reference,
    }));
    all.extend(addresses(document));
    all.extend(of_kind(tables, document, totals.gross()));
    all.retain(|name, _| schema.property(name).is_some());
    with_extra(all, schema, &document.extra)
}

fn addresses(document: &Document) -> Rendered {
    let (sell, bill, ship) = (
        &document.sell_to_address,
        &document.bill_to_address,
        &document.ship_to_address,
    );
    object(json!({
        "sellToAddressLine1": sell.address_line1,
        "sellToAddressLine2": sell.address_line2,
        "sellToCity": sell.city,
        "sellToCountry": sell.country,
        "sellToState": sell.state,
        "sellToPostCode": sell.postal_code,
        "billToAddressLine1": bill.address_line1,
        "billToAddressLine2": bill.address_line2,
        "billToCity": bill.city,
        "billToCountry": bill.country,
        "billToState": bill.state,
        "billToPostCode": bill.postal_code,
        "shipToAddressLine1": ship.address_line1,
        "shipToAddressLine2": ship.address_line2,
        "shipToCity": ship.city,
        "shipToCountry": ship.country,
        "shipToState": ship.state,
        "shipToPostCode": ship.postal_code,
    }))
}

fn of_kind(tables: &Tables, document: &Document, gross: Decimal) -> Rendered {
    let day = date(Some(document.order_date));
    object(match document.kind {
        DocumentKind::Order => json!({
            "orderDate": day,
            "partialShipping": document.partial_shipping,
            "requestedDeliveryDate": date(document.requested_delivery),
            "fullyShipped": !document.lines.is_empty() && document.lines.iter().all(|line| line.shipped == line.quantity),
        }),
        DocumentKind::Shipment => {
            json!({ "invoiceDate": day, "orderNumber": document.origin_number })
        }
        DocumentKind::Invoice => json!({
            "invoiceDate": date(Some(document.posting_date)),
            "orderId": guid(document.origin_id),
            "orderNumber": document.origin_number,
            "remainingAmount": number(if document.draft { Decimal::ZERO } else { gross }),
        }),
        DocumentKind::CreditMemo => json!({
            "creditMemoDate": date(Some(document.posting_date)),
            "invoiceId": guid(document.origin_id),
            "invoiceNumber": document.origin_number,
            "customerReturnReasonId": code_id(tables, "customerReturnReasons", &document.reason),
        }),
    })
}

fn status(document: &Document) -> &'static str {
    let open = match document.kind {
        DocumentKind::Order => document.released,
        DocumentKind::Shipment | DocumentKind::Invoice | DocumentKind::CreditMemo => {
            !document.draft
        }
    };
    if open { "Open" } else { "Draft" }
}

pub fn line(tables: &Tables, schema: &Schema, row: &LineRow) -> Rendered {
    let line = &row.line;
    // Before the invoice discount, which BC shows apart.
    let full = amounts::line_amount(line);
    let rate = Decimal::ONE + line.tax_percent / Decimal::ONE_HUNDRED;
    let (excluding, including) = if row.prices_include_tax {
        (cents(full / rate), full)
    } else {
        (full, cents(full * rate))
    };
    let variant = line
        .item
        .and_then(|item| tables.variants.by_key(&format!("{item}/{}", line.variant)));
    let mut all = object(json!({
        "id": guid(line.id),
        "documentId": guid(row.document),
        "documentNo": row.document_number,
        "sequence": line.sequence,
        "itemId": guid(line.item.unwrap_or(Uuid::nil())),
        "accountId": guid(Uuid::nil()),
        "lineType": line_type(schema, line.kind),
        "lineObjectNumber": line.object_number,
        "description": line.description,
        "description2": line.description2,
        "unitOfMeasureId": code_id(tables, "unitsOfMeasure", &line.unit),
        "unitOfMeasureCode": line.unit,
        "quantity": number(line.quantity),
        "unitPrice": number(line.unit_price),
        "discountAmount": number(line.discount_amount),
        "discountPercent": number(line.discount_percent),
        "discountAppliedBeforeTax": true,
        "amountExcludingTax": number(excluding),
        "taxCode": line.tax_group,
        "taxPercent": number(line.tax_percent),
        "totalTaxAmount": number(including - excluding),
        "amountIncludingTax": number(including),
        "invoiceDiscountAllocation": number(line.invoice_discount),
        "netAmount": number(line.net),
        "netTaxAmount": number(line.tax),
        "netAmountIncludingTax": number(line.net + line.tax),
        "shipmentDate": date(line.shipment_date),
        "shippedQuantity": number(line.shipped),
        "invoicedQuantity": number(line.invoiced),
        "invoiceQuantity": number(line.invoice_quantity),
        "shipQuantity": number(line.ship_quantity),
        "itemVariantId": guid(variant.map_or(Uuid::nil(), |variant| variant.id)),
        "locationId": code_id(tables, "locations", &line.location),
    }));
    all.retain(|name, _| schema.property(name).is_some());
    all
}

/// Shipment lines spell the types otherwise than order lines do.
fn line_type(schema: &Schema, kind: LineKind) -> Value {
    let shipment = schema.entity == "salesShipmentLine";
    Value::from(match (kind, shipment) {
        (LineKind::Item, _) => "Item",
        (LineKind::Resource, _) => "Resource",
        (LineKind::Account, false) => "Account",
        (LineKind::Account, true) => "G_x002F_L_x0020_Account",
        (LineKind::Comment, false) => "Comment",
        (LineKind::Comment, true) => "_x0020_",
    })
}
