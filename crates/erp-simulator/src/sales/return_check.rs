//! What a return must fulfil to become a return order: the order is there and the customer's, its lines are the order's, the
//! amounts add up. Whether the goods were delivered is not asked.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::documents;
use super::returns::{NewReturn, NewReturnLine};
use super::shop_order::{NewLine, NewOrder};
use super::transfers::{about, header};
use crate::company::Location;
use crate::database::{
    BufferEntry, BufferState, Refused, ReturnLine, Tables, Transaction, buffer_key,
};
use crate::numbers::cents;

/// The company's `Max. VAT Difference Allowed`; a line may exceed its price by as much.
const MAX_DIFFERENCE: Decimal = Decimal::ONE;

/// What the check found.
pub(super) struct Checked {
    pub buffer: Uuid,
    pub customer: Uuid,
    /// Empty = local currency.
    pub currency: String,
    pub lines: Vec<ReturnLine>,
}

pub(super) fn check(tx: &Transaction<'_>, wanted: &NewReturn) -> Result<Checked, Refused> {
    let tables = tx.tables();
    let (entry, order) = known_order(tables, wanted)?;
    let number = &wanted.customer_number;
    let customer = tables
        .customers
        .by_key(number)
        .ok_or_else(|| header("CUSTOMER", format!("The customer {number} does not exist.")))?;
    if buyer(tables, entry, &order) != Some(customer.id) {
        let text = format!(
            "The order {} is not of customer {number}.",
            wanted.order_number
        );
        return Err(header("OTHERCUSTOMER", text));
    }
    let local = &tx.marks().local_currency;
    let currency = |code: &str| if code == local { "" } else { code }.to_owned();
    if currency(&wanted.currency_code) != currency(&order.currency_code) {
        let text = format!(
            "The order {} is not in {}.",
            wanted.order_number,
            if wanted.currency_code.is_empty() {
                local
            } else {
                &wanted.currency_code
            }
        );
        return Err(header("CURRENCY", text));
    }
    let lines: Result<Vec<ReturnLine>, Refused> = wanted
        .lines
        .iter()
        .map(|line| check_line(tables, wanted, &order, line))
        .collect();
    let lines = lines?;
    check_totals(wanted)?;
    Ok(Checked {
        buffer: entry.id,
        customer: customer.id,
        currency: currency(&order.currency_code),
        lines,
    })
}

fn known_order<'a>(
    tables: &'a Tables,
    wanted: &NewReturn,
) -> Result<(&'a BufferEntry, NewOrder), Refused> {
    let number = &wanted.order_number;
    tables
        .buffer
        .by_key(&buffer_key(&wanted.channel_code, number))
        .filter(|entry| entry.state == BufferState::Created)
        .and_then(|entry| {
            let order = serde_json::from_value(entry.content.clone()).ok()?;
            Some((&**entry, order))
        })
        .ok_or_else(|| {
            let text = format!("There is no order {number} of {}.", wanted.channel_code);
            header("ORDER", text)
        })
}

/// Who bought; a customer's number may have changed since.
fn buyer(tables: &Tables, entry: &BufferEntry, order: &NewOrder) -> Option<Uuid> {
    let of_document = tables
        .documents
        .get(entry.order_id)
        .or_else(|| tables.documents.children(entry.order_id).next())
        .map(|document| document.customer);
    of_document.or_else(|| {
        let customer = tables.customers.by_key(&order.customer_number);
        customer.map(|customer| customer.id)
    })
}

fn check_line(
    tables: &Tables,
    wanted: &NewReturn,
    order: &NewOrder,
    line: &NewReturnLine,
) -> Result<ReturnLine, Refused> {
    let place = line.line_number;
    let number = line.order_line_number;
    let bought = order
        .lines
        .iter()
        .find(|bought| bought.line_number == number)
        .ok_or_else(|| {
            let text = format!("The order {} has no line {number}", wanted.order_number);
            about(place, "ORDERLINE", text)
        })?;
    let item = tables.items.by_key(&line.item_number).ok_or_else(|| {
        let text = format!("The item {} does not exist", line.item_number);
        about(place, "ITEM", text)
    })?;
    if !is_of(tables, bought, item.id) {
        let text = format!("Line {number} of the order is not item {}", item.number);
        return Err(about(place, "ITEM", text));
    }
    let variant = &line.variant_code;
    let key = format!("{}/{variant}", item.id);
    if !variant.is_empty() && tables.variants.by_key(&key).is_none() {
        let text = format!(
            "The variant {variant} of item {} does not exist",
            item.number
        );
        return Err(about(place, "VARIANT", text));
    }
    // Who renamed the variant since left a code in the order that is no more.
    let old = &bought.variant_code;
    let is_there = old.is_empty()
        || tables
            .variants
            .by_key(&format!("{}/{old}", item.id))
            .is_some();
    if variant != old && is_there {
        let text = format!("Line {number} of the order is not variant {variant}");
        return Err(about(place, "VARIANT", text));
    }
    let unit = named_or(&line.unit_of_measure_code, &item.base_unit);
    let order_unit = named_or(&bought.unit_of_measure_code, documents::sales_unit(item));
    let quantities = [unit, order_unit].map(|unit| documents::unit_quantity(item, unit));
    let [Some(unit_quantity), Some(order_unit_quantity)] = quantities else {
        let text = format!("The item {} has no unit {unit}", item.number);
        return Err(about(place, "UNIT", text));
    };
    if line.quantity <= Decimal::ZERO {
        let text = "The quantity must be above 0".to_owned();
        return Err(about(place, "QUANTITY", text));
    }
    if line.quantity * unit_quantity > bought.quantity * order_unit_quantity {
        let text = format!("The order has only {} in line {number}", bought.quantity);
        return Err(about(place, "QUANTITY", text));
    }
    let ordered_from = named_or(&bought.location_code, &order.location_code);
    let location = named_or(&line.location_code, ordered_from);
    if !location.is_empty() && Location::find(tables, location).is_none() {
        let text = format!("The location {location} does not exist");
        return Err(about(place, "LOCATION", text));
    }
    let reason = &line.return_reason_code;
    if tables
        .records
        .by_key(&format!("returnReasons/{reason}"))
        .is_none()
    {
        let text = format!("The return reason {reason} does not exist");
        return Err(about(place, "REASON", text));
    }
    check_amounts(wanted, line)?;
    Ok(ReturnLine {
        line_number: place,
        order_line: number,
        item: item.id,
        item_number: item.number.clone(),
        variant: variant.clone(),
        unit: unit.to_owned(),
        unit_quantity,
        order_unit: order_unit.to_owned(),
        order_unit_quantity,
        quantity: line.quantity,
        location: location.to_owned(),
        reason: reason.clone(),
        unit_price: line.unit_price,
        discount: line.discount_amount,
        tax_percent: line.tax_percent,
        net: line.net_amount,
        tax: line.gross_amount - line.net_amount,
        ..ReturnLine::default()
    })
}

fn named_or<'a>(code: &'a str, otherwise: &'a str) -> &'a str {
    if code.is_empty() { otherwise } else { code }
}

/// Whether the order's line is of the item, whatever its number was then.
fn is_of(tables: &Tables, bought: &NewLine, item: Uuid) -> bool {
    if !bought.item_id.is_nil() {
        return bought.item_id == item;
    }
    match tables.items.by_key(&bought.object_number) {
        Some(named) => named.id == item,
        // It was renamed since, and nobody else has its number.
        None => true,
    }
}

fn check_amounts(wanted: &NewReturn, line: &NewReturnLine) -> Result<(), Refused> {
    let (place, net, gross) = (line.line_number, line.net_amount, line.gross_amount);
    let priced = cents(line.quantity * line.unit_price) - line.discount_amount;
    let sold = if wanted.prices_include_tax {
        gross
    } else {
        net
    };
    let rate = line.tax_percent / Decimal::ONE_HUNDRED;
    let tax = cents(net * rate);
    let fits = net >= Decimal::ZERO
        && gross >= net
        && sold - priced <= MAX_DIFFERENCE
        && (gross - net - tax).abs() <= MAX_DIFFERENCE;
    if fits {
        return Ok(());
    }
    let text = format!("{net} without and {gross} with tax do not follow from the price {priced}");
    Err(about(place, "TOTALS", text))
}

fn check_totals(wanted: &NewReturn) -> Result<(), Refused> {
    let (net, gross) = (wanted.net_amount, wanted.gross_amount);
    let lines = wanted.lines.iter();
    let nets: Decimal = lines.clone().map(|line| line.net_amount).sum();
    let grosses: Decimal = lines.map(|line| line.gross_amount).sum();
    let (freight_net, freight_gross) = (wanted.freight_net_amount, wanted.freight_gross_amount);
    if net + wanted.tax_amount != gross {
        let tax = wanted.tax_amount;
        let text = format!("Net {net} and tax {tax} do not add up to {gross}.");
        return Err(header("TOTALS", text));
    }
    if nets + freight_net != net || grosses + freight_gross != gross || freight_gross < freight_net
    {
        let text = format!("The lines and freight do not add up to {net} and {gross}.");
        return Err(header("TOTALS", text));
    }
    Ok(())
}
