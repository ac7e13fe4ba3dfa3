//! The original order: gathered from topic `webshop-orders`, kept as it is shown, read by the rules.

use bytes::Bytes;
use millrace_contract::returns::v1::{OriginalOrder, Shipment};
use millrace_contract::webshop_orders::v1 as orders;
use millrace_values::{
    Amount, Currency, CustomerNumber, Decimal, LocationCode, Measured, Percentage, Quantity, Sku,
    Timestamp, UnitCode, UnitPrice, VariantCode,
};
use prost::Message;

use super::event::Broken;
use super::status::{price, read_freight};
use crate::domain::{Return, Shipped, Sold, SoldLine};

const PACKAGE: &str = "millrace.webshop_orders.v1.";

/// The order after one more of its facts. `None`: its beginning was not told here, so nobody knows what was sold.
///
/// # Errors
/// The fact cannot be decoded.
pub fn apply(
    known: Option<OriginalOrder>,
    kind: &str,
    payload: Bytes,
) -> Result<Option<OriginalOrder>, Broken> {
    let name = kind.strip_prefix(PACKAGE).unwrap_or(kind);
    if name == "OrderAccepted" {
        let accepted = orders::OrderAccepted::decode(payload)?;
        return Ok(Some(OriginalOrder {
            order: accepted.order.map(without_person),
            lines: accepted.lines,
            ..OriginalOrder::default()
        }));
    }
    let Some(mut known) = known else {
        return Ok(None);
    };
    match name {
        "OrderHeld" => known.lines = orders::OrderHeld::decode(payload)?.lines,
        "OrderCleared" => known.lines = orders::OrderCleared::decode(payload)?.lines,
        "OrderRefused" => known.lines = orders::OrderRefused::decode(payload)?.lines,
        "OrderMended" => {
            let mended = orders::OrderMended::decode(payload)?;
            known.order = mended.order.map(without_person);
            known.lines = mended.lines;
        }
        "OrderPosted" => {
            let posted = orders::OrderPosted::decode(payload)?;
            if !posted.customer_number.is_empty() {
                known.customer_number = posted.customer_number;
            }
            document(&mut known, posted.document);
            known.lines = posted.lines;
        }
        "OrderShipped" => {
            let shipped = orders::OrderShipped::decode(payload)?;
            shipment(&mut known, shipped.document.as_ref(), shipped.shipped);
            document(&mut known, shipped.document);
            known.lines = shipped.lines;
        }
        "OrderInvoiced" => {
            let invoiced = orders::OrderInvoiced::decode(payload)?;
            document(&mut known, invoiced.document);
            known.lines = invoiced.lines;
        }
        "OrderCredited" => {
            let credited = orders::OrderCredited::decode(payload)?;
            document(&mut known, credited.document);
            known.lines = credited.lines;
        }
        "OrderCancelled" => known.lines = orders::OrderCancelled::decode(payload)?.lines,
        other => {
            return Err(Broken::of(format_args!(
                "events of type {other} are not known here"
            )));
        }
    }
    Ok(Some(known))
}

/// What whoever was given the goods may know of the order: the lines he names, and neither who bought them nor for how much.
#[must_use]
pub fn of_gift(original: OriginalOrder, goods: &Return) -> OriginalOrder {
    let is_named = |number: u32| goods.lines.iter().any(|line| line.order_line == number);
    let order = original.order.map(|order| orders::Order {
        channel: order.channel,
        order_number: order.order_number,
        lines: order
            .lines
            .into_iter()
            .filter(|line| is_named(line.line_number))
            .map(|line| orders::OrderLine {
                line_number: line.line_number,
                item_number: line.item_number,
                variant_code: line.variant_code,
                quantity: line.quantity,
                ..orders::OrderLine::default()
            })
            .collect(),
        ..orders::Order::default()
    });
    let shipments = original.shipments.into_iter().map(|mut shipment| {
        shipment.lines.retain(|line| is_named(line.line_number));
        shipment
    });
    OriginalOrder {
        order,
        lines: original
            .lines
            .into_iter()
            .filter(|line| is_named(line.line_number))
            .collect(),
        shipments: shipments
            .filter(|shipment| !shipment.lines.is_empty())
            .collect(),
        ..OriginalOrder::default()
    }
}

fn without_person(order: orders::Order) -> orders::Order {
    orders::Order {
        personal: None,
        ..order
    }
}

fn document(known: &mut OriginalOrder, document: Option<orders::ErpDocument>) {
    let Some(document) = document else { return };
    let is_there = known
        .documents
        .iter()
        .any(|other| other.kind == document.kind && other.system_id == document.system_id);
    if !is_there {
        known.documents.push(document);
    }
}

fn shipment(
    known: &mut OriginalOrder,
    document: Option<&orders::ErpDocument>,
    lines: Vec<orders::LineQuantity>,
) {
    let Some(document) = document else { return };
    let is_there = |shipment: &Shipment| shipment.system_id == document.system_id;
    if known.shipments.iter().any(is_there) {
        return;
    }
    known.shipments.push(Shipment {
        system_id: document.system_id.clone(),
        shipped_at: document.posted_at,
        lines,
    });
}

/// As the rules need it.
///
/// # Errors
/// It is no order that was ever taken.
pub fn sold(original: &OriginalOrder) -> Result<Sold, Broken> {
    let order = original
        .order
        .as_ref()
        .ok_or_else(|| Broken::of("order is missing"))?;
    let buyer = order.buyer.clone().unwrap_or_default();
    let named = [&original.customer_number, &buyer.customer_number];
    let customer = named.into_iter().find(|number| !number.is_empty());
    let lines = order.lines.iter().map(|line| sold_line(line, original));
    let sold = Sold {
        customer: customer
            .map(|number| CustomerNumber::parse(number).map_err(Broken::of))
            .transpose()?,
        shop_customer: Some(buyer.shop_customer_number)
            .filter(|number| !number.is_empty())
            .map(String::into_boxed_str),
        currency: Currency::parse(&order.currency_code).map_err(Broken::of)?,
        prices_include_tax: order.prices_include_tax,
        lines: lines.collect::<Result<_, _>>()?,
        freight: order.freight.clone().map(read_freight).transpose()?,
    };
    adds_up(&sold)?;
    Ok(sold)
}

/// All amounts are in one currency, and all of them together are an amount: so are their parts.
fn adds_up(sold: &Sold) -> Result<(), Broken> {
    let lines = sold.lines.iter().map(|line| line.price.gross);
    let freight = sold.freight.map(|freight| freight.amount.gross);
    let amounts: Vec<Amount> = lines.chain(freight).collect();
    if amounts
        .iter()
        .any(|amount| amount.currency() != sold.currency)
    {
        return Err(Broken::of("an amount is not in the order's currency"));
    }
    let sum: Decimal = amounts.iter().map(|amount| amount.value()).sum();
    Amount::new(sold.currency, sum).map_err(Broken::of)?;
    Ok(())
}

fn sold_line(line: &orders::OrderLine, original: &OriginalOrder) -> Result<SoldLine, Broken> {
    let number = line.line_number;
    let ordered = measured(line.quantity.clone())?;
    if !ordered.quantity.is_positive() {
        return Err(Broken::of("a line of the order has no quantity"));
    }
    let status = original
        .lines
        .iter()
        .find(|status| status.line_number == number)
        .cloned()
        .unwrap_or_default();
    let unit = status
        .ordered
        .as_ref()
        .map(|ordered| UnitCode::parse_optional(&ordered.unit).map_err(Broken::of))
        .transpose()?
        .flatten();
    let location = if status.location_code.is_empty() {
        &line.location_code
    } else {
        &status.location_code
    };
    let unit_price = line.unit_price.clone().unwrap_or_default();
    Ok(SoldLine {
        number,
        item: Sku::parse(&line.item_number).map_err(Broken::of)?,
        variant: VariantCode::parse_optional(&line.variant_code).map_err(Broken::of)?,
        unit: unit.or(ordered.unit),
        location: LocationCode::parse_optional(location).map_err(Broken::of)?,
        ordered: ordered.quantity,
        shipped: plain(status.shipped)?,
        cancelled: plain(status.cancelled)?,
        credited: plain(status.credited)?,
        shipments: shipments(number, original)?,
        unit_price: UnitPrice::try_from(unit_price).map_err(Broken::of)?,
        tax_percent: Percentage::try_from(line.tax_percent.unwrap_or_default())
            .map_err(Broken::of)?,
        price: price(line.net.clone(), line.gross.clone())?,
    })
}

fn shipments(number: u32, original: &OriginalOrder) -> Result<Vec<Shipped>, Broken> {
    let mut shipped = Vec::new();
    for shipment in &original.shipments {
        let Some(at) = shipment.shipped_at else {
            continue;
        };
        let at = Timestamp::try_from(at).map_err(Broken::of)?;
        for line in &shipment.lines {
            if line.line_number == number {
                let quantity = plain(line.quantity.clone())?;
                shipped.push(Shipped { at, quantity });
            }
        }
    }
    Ok(shipped)
}

fn measured(quantity: Option<millrace_contract::values::v1::Quantity>) -> Result<Measured, Broken> {
    Measured::try_from(quantity.unwrap_or_default()).map_err(Broken::of)
}

fn plain(quantity: Option<millrace_contract::values::v1::Quantity>) -> Result<Quantity, Broken> {
    measured(quantity).map(|measured| measured.quantity)
}
