//! The companion's order buffer: a shop order is stored once per key and made into one sales order.

use rust_decimal::Decimal;

use super::shop_order::{NewLine, NewOrder};
use super::status::{self, Kind, Told};
use super::{amounts, documents};
use crate::database::{
    Address, BufferEntry, BufferState, Customer, Document, DocumentKind, DocumentLine, Item,
    LineKind, Progress, Tables, Transaction,
};
use crate::numbers::cents;

/// Tax the pretend company's setup lets a shop differ from BC's own computation.
const MAX_TAX_DIFFERENCE: Decimal = Decimal::ONE;
/// The G/L account of freight in the pretend company.
pub const FREIGHT_ACCOUNT: &str = "8120";

/// Why an order cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub line: i64,
    pub text: String,
}

impl Fault {
    fn header(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            line: 0,
            text: text.into(),
        }
    }

    fn line(code: &'static str, line: i64, text: impl Into<String>) -> Self {
        Self {
            code,
            line,
            text: text.into(),
        }
    }
}

/// Makes the sales order of an entry that has none. Everything is written, or nothing and the reason is told.
pub fn process(tx: &mut Transaction<'_>, entry: &BufferEntry, release: bool) -> Result<(), Fault> {
    let content: NewOrder = serde_json::from_value(entry.content.clone()).map_err(|error| {
        Fault::header(
            "OTHER",
            format!("the buffered order cannot be read: {error}"),
        )
    })?;
    let mut order = header(tx, entry, &content)?;
    for line in &content.lines {
        let line = order_line(tx, &order, &content, line)?;
        order.lines.push(line);
    }
    if !content.freight_amount.is_zero() {
        order.lines.push(freight(tx, &order, &content));
    }
    book_tax_as_sold(&mut order, &content)?;
    order.number = documents::next_number(tx, DocumentKind::Order)
        .map_err(|refusal| Fault::header("OTHER", refusal.message))?;
    order.released = release;
    let order = documents::write_order(tx, order);
    let order_version = tx.version();

    let mut done = entry.clone();
    let totals = amounts::totals(&order);
    done.state = BufferState::Created;
    done.error_code.clear();
    done.error_text.clear();
    done.error_line = 0;
    done.attempts += 1;
    done.order_id = order.id;
    done.sales_order.clone_from(&order.number);
    done.order_version = order_version;
    done.released = release;
    done.booked_net = totals.net;
    done.booked_tax = totals.tax;
    done.tax_difference = order.lines.iter().map(|line| line.tax_difference).sum();
    done.processed_at = Some(tx.now());
    done.progress = content
        .lines
        .iter()
        .filter(|line| line.line_type != LineKind::Comment)
        .map(|line| {
            (
                line.line_number,
                Progress {
                    ordered: line.quantity,
                    ..Progress::default()
                },
            )
        })
        .collect();
    tx.put(done);
    status::tell(tx, Told::about(&order, Kind::Created));
    if release {
        status::tell(tx, Told::about(&order, Kind::Released));
    }
    Ok(())
}

/// The entry after an attempt that failed.
pub fn failed(entry: &BufferEntry, fault: Fault, now: jiff::Timestamp) -> BufferEntry {
    let mut text = fault.text;
    text.truncate(
        text.char_indices()
            .nth(250)
            .map_or(text.len(), |(at, _)| at),
    );
    BufferEntry {
        state: BufferState::Failed,
        error_code: fault.code.to_owned(),
        error_text: text,
        error_line: fault.line,
        attempts: entry.attempts + 1,
        processed_at: Some(now),
        ..entry.clone()
    }
}

fn header(
    tx: &Transaction<'_>,
    entry: &BufferEntry,
    content: &NewOrder,
) -> Result<Document, Fault> {
    let tables = tx.tables();
    let customer = known_customer(tables, &content.customer_number)?;
    let mut order = documents::draft(tx, DocumentKind::Order, &customer);
    if !content.bill_to_customer_number.is_empty() {
        let bill_to = known_customer(tables, &content.bill_to_customer_number)?;
        order.bill_to = bill_to.id;
        order.bill_to_number.clone_from(&bill_to.number);
        order.bill_to_address = bill_to.address.clone();
    }
    let empty = Address::default();
    if content.sell_to != empty {
        order.sell_to_address = content.sell_to.clone();
        order.ship_to_address = content.sell_to.clone();
        if content.bill_to_customer_number.is_empty() {
            order.bill_to_address = content.sell_to.clone();
        }
    }
    if content.bill_to != empty {
        order.bill_to_address = content.bill_to.clone();
    }
    if content.ship_to != empty {
        order.ship_to_address = content.ship_to.clone();
    }
    order.currency = currency(tx, &content.currency_code)?;
    order.prices_include_tax = content.prices_include_tax;
    for (set, code, field) in [
        (
            "paymentTerms",
            &content.payment_terms_code,
            &mut order.payment_terms,
        ),
        (
            "paymentMethods",
            &content.payment_method_code,
            &mut order.payment_method,
        ),
        (
            "shipmentMethods",
            &content.shipment_method_code,
            &mut order.shipment_method,
        ),
        (
            "shippingAgents",
            &content.shipping_agent_code,
            &mut order.agent,
        ),
        (
            "salespeoplePurchasers",
            &content.salesperson_code,
            &mut order.salesperson,
        ),
    ] {
        if code.is_empty() {
            continue;
        }
        if tables.records.by_key(&format!("{set}/{code}")).is_none() {
            return Err(Fault::header(
                "CODE",
                format!("The code {code} does not exist in {set}."),
            ));
        }
        field.clone_from(code);
    }
    if !content.email.is_empty() && !is_mail_address(&content.email) {
        // BC's own words, the value included.
        let text = format!("The email address \"{}\" is not valid.", content.email);
        return Err(Fault::header("OTHER", text));
    }
    for (value, field) in [
        (&content.email, &mut order.email),
        (&content.phone_number, &mut order.phone),
    ] {
        if !value.is_empty() {
            field.clone_from(value);
        }
    }
    order.external_number.clone_from(&content.order_number);
    order.your_reference.clone_from(&content.your_reference);
    order.order_date = content.order_date;
    order.requested_delivery =
        (content.requested_delivery_date.year() > 1).then_some(content.requested_delivery_date);
    order.buffer_id = Some(entry.id);
    order.draft = false;
    Ok(order)
}

fn is_mail_address(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace)
    })
}

fn known_customer(tables: &Tables, number: &str) -> Result<std::sync::Arc<Customer>, Fault> {
    let customer = tables.customers.by_key(number).ok_or_else(|| {
        Fault::header("CUSTOMER", format!("The customer {number} does not exist."))
    })?;
    if !customer.blocked.is_empty() {
        return Err(Fault::header(
            "CUSTOMERBLOCKED",
            format!(
                "The customer {number} is blocked with type {}.",
                customer.blocked
            ),
        ));
    }
    Ok(customer.clone())
}

/// Empty for the local currency, whichever way it was written.
fn currency(tx: &Transaction<'_>, code: &str) -> Result<String, Fault> {
    if code.is_empty() || code == tx.marks().local_currency {
        return Ok(String::new());
    }
    if tx
        .tables()
        .records
        .by_key(&format!("currencies/{code}"))
        .is_none()
    {
        return Err(Fault::header(
            "CURRENCY",
            format!("The currency {code} does not exist."),
        ));
    }
    Ok(code.to_owned())
}

fn order_line(
    tx: &Transaction<'_>,
    order: &Document,
    content: &NewOrder,
    wanted: &NewLine,
) -> Result<DocumentLine, Fault> {
    let place = wanted.line_number;
    let location = if wanted.location_code.is_empty() {
        &content.location_code
    } else {
        &wanted.location_code
    };
    if !location.is_empty()
        && tx
            .tables()
            .records
            .by_key(&format!("locations/{location}"))
            .is_none()
    {
        return Err(Fault::line(
            "LOCATION",
            place,
            format!("The location {location} does not exist (line {place})."),
        ));
    }
    if wanted.quantity <= Decimal::ZERO && wanted.line_type != LineKind::Comment {
        return Err(Fault::line(
            "OTHER",
            place,
            format!("The quantity must be above 0 (line {place})."),
        ));
    }
    let mut line = match wanted.line_type {
        LineKind::Item => item_line(tx, order, wanted, location)?,
        kind @ (LineKind::Account | LineKind::Resource | LineKind::Comment) => DocumentLine {
            id: tx.new_id(),
            sequence: (i64::try_from(order.lines.len()).unwrap_or_default() + 1) * 10_000,
            kind,
            object_number: wanted.object_number.clone(),
            unit: wanted.unit_of_measure_code.clone(),
            unit_quantity: Decimal::ONE,
            quantity: if kind == LineKind::Comment {
                Decimal::ZERO
            } else {
                wanted.quantity
            },
            tax_percent: wanted.tax_percent.unwrap_or_default(),
            ..DocumentLine::default()
        },
    };
    if let Some(percent) = wanted.tax_percent
        && percent != line.tax_percent
    {
        return Err(Fault::line(
            "TAX",
            place,
            format!(
                "The tax rate is {} and not {percent} (line {place}).",
                line.tax_percent
            ),
        ));
    }
    line.shop_line = place;
    line.unit_price = wanted.unit_price;
    line.discount_amount = wanted.discount_amount;
    let full = cents(wanted.quantity * wanted.unit_price);
    line.discount_percent = if full.is_zero() {
        Decimal::ZERO
    } else {
        crate::numbers::unit_amount(wanted.discount_amount * Decimal::ONE_HUNDRED / full)
    };
    line.allow_invoice_discount = false;
    if !wanted.description.is_empty() {
        line.description.clone_from(&wanted.description);
    }
    let amount = amounts::line_amount(&line);
    let sold = if order.prices_include_tax {
        wanted.gross_amount
    } else {
        wanted.net_amount
    };
    if let Some(sold) = sold
        && sold != amount
    {
        return Err(Fault::line(
            "TOTALS",
            place,
            format!("The amount is {amount} and not {sold} (line {place})."),
        ));
    }
    Ok(line)
}

fn item_line(
    tx: &Transaction<'_>,
    order: &Document,
    wanted: &NewLine,
    location: &str,
) -> Result<DocumentLine, Fault> {
    let (tables, place) = (tx.tables(), wanted.line_number);
    let item = if wanted.item_id.is_nil() {
        tables.items.by_key(&wanted.object_number)
    } else {
        tables.items.get(wanted.item_id)
    };
    let name = if wanted.object_number.is_empty() {
        wanted.item_id.to_string()
    } else {
        wanted.object_number.clone()
    };
    let item: &Item = item.ok_or_else(|| {
        Fault::line(
            "ITEM",
            place,
            format!("The item {name} does not exist (line {place})."),
        )
    })?;
    if item.blocked || item.sales_blocked {
        return Err(Fault::line(
            "ITEMBLOCKED",
            place,
            format!("The item {} is blocked (line {place}).", item.number),
        ));
    }
    if !wanted.variant_code.is_empty() {
        let code = &wanted.variant_code;
        let variant = tables
            .variants
            .by_key(&format!("{}/{code}", item.id))
            .ok_or_else(|| {
                Fault::line(
                    "VARIANT",
                    place,
                    format!(
                        "The variant {code} of item {} does not exist (line {place}).",
                        item.number
                    ),
                )
            })?;
        if variant.blocked || variant.sales_blocked {
            return Err(Fault::line(
                "ITEMBLOCKED",
                place,
                format!("The variant {code} is blocked (line {place})."),
            ));
        }
    }
    let unit = &wanted.unit_of_measure_code;
    if !unit.is_empty() && documents::unit_quantity(item, unit).is_none() {
        return Err(Fault::line(
            "UNIT",
            place,
            format!("Item {} has no unit {unit} (line {place}).", item.number),
        ));
    }
    let asked = documents::ItemLine {
        variant: &wanted.variant_code,
        location,
        unit,
        quantity: wanted.quantity,
    };
    documents::item_line(tx, order, item, &asked)
        .map_err(|refusal| Fault::line("OTHER", place, refusal.message))
}

fn freight(tx: &Transaction<'_>, order: &Document, content: &NewOrder) -> DocumentLine {
    DocumentLine {
        id: tx.new_id(),
        sequence: (i64::try_from(order.lines.len()).unwrap_or_default() + 1) * 10_000,
        kind: LineKind::Account,
        object_number: FREIGHT_ACCOUNT.to_owned(),
        description: "Freight".to_owned(),
        unit_quantity: Decimal::ONE,
        quantity: Decimal::ONE,
        unit_price: content.freight_amount,
        tax_percent: content.freight_tax_percent,
        ..DocumentLine::default()
    }
}

/// Compares with the totals as sold; books a small difference of tax, refuses everything else.
fn book_tax_as_sold(order: &mut Document, content: &NewOrder) -> Result<(), Fault> {
    amounts::compute(order);
    let totals = amounts::totals(order);
    if content.net_amount + content.tax_amount != content.gross_amount {
        return Err(Fault::header(
            "TOTALS",
            format!(
                "Net {} and tax {} do not add up to {}.",
                content.net_amount, content.tax_amount, content.gross_amount
            ),
        ));
    }
    let (mine, sold) = if order.prices_include_tax {
        (totals.gross(), content.gross_amount)
    } else {
        (totals.net, content.net_amount)
    };
    if mine != sold {
        return Err(Fault::header(
            "TOTALS",
            format!("The lines and freight add up to {mine} and not {sold}."),
        ));
    }
    let difference = content.tax_amount - totals.tax;
    if difference.abs() > MAX_TAX_DIFFERENCE {
        return Err(Fault::header(
            "TOTALS",
            format!("The tax is {} and not {}.", totals.tax, content.tax_amount),
        ));
    }
    spread_difference(order, content, difference);
    amounts::compute(order);
    Ok(())
}

/// Onto the lines as the shop has them when these explain it, else onto the largest line.
fn spread_difference(order: &mut Document, content: &NewOrder, difference: Decimal) {
    let by_line: Option<Vec<Decimal>> = content.lines.iter().map(|line| line.tax_amount).collect();
    if let Some(taxes) = by_line {
        let explained: Decimal = taxes
            .iter()
            .zip(&order.lines)
            .map(|(tax, line)| tax - line.tax)
            .sum();
        if explained == difference {
            for (line, tax) in order.lines.iter_mut().zip(taxes) {
                line.tax_difference = tax - line.tax;
            }
            return;
        }
    }
    if let Some(largest) = order.lines.iter_mut().max_by_key(|line| line.net) {
        largest.tax_difference = difference;
    }
}
