//! The order as the ERP gets it: the shop's amounts, the ERP's codes.

use std::collections::BTreeMap;

use millrace_erp::document::{NewFreight, NewOrder, NewOrderLine};
use millrace_erp::party::Parties;
use millrace_values::{Channel, CustomerNumber};

use crate::domain::{HoldKind, HoldReason, LineStatus, Taken};

/// Every line with its unit, as `statuses` has them: the ERP takes a line without one in the item's sales unit, the shop meant
/// the base unit.
///
/// # Errors
/// The unit of a line is not known.
pub fn new_lines(
    taken: &Taken,
    statuses: &[LineStatus],
    channel: &Channel,
) -> Result<Vec<NewOrderLine>, HoldReason> {
    let lines = taken.order.lines.iter().zip(statuses);
    let whole = lines.map(|(line, status)| {
        let Some(unit) = &status.unit else {
            let (number, item) = (line.number, line.item.as_str());
            let message = format!("line {number}: the base unit of item {item} is not known");
            return Err(HoldReason::of_line(
                HoldKind::UnknownUnit,
                number,
                item,
                message,
            ));
        };
        Ok(NewOrderLine {
            line_number: line.number,
            item: line.item.clone(),
            variant: line.variant.clone(),
            location: line
                .location
                .clone()
                .or_else(|| channel.location().cloned()),
            quantity: line.quantity,
            unit: Some(unit.clone()),
            unit_price: line.unit_price,
            discount: line.discount,
            tax_percent: line.tax_percent,
            net: line.net,
            gross: line.gross,
        })
    });
    whole.collect()
}

/// All but the lines is the order's own or the channel's.
#[must_use]
pub fn new_order(
    taken: &Taken,
    channel: &Channel,
    customer: CustomerNumber,
    parties: Parties,
    lines: Vec<NewOrderLine>,
) -> NewOrder {
    let order = &taken.order;
    let code =
        |map: &BTreeMap<String, String>, method: &str| map.get(method).cloned().unwrap_or_default();
    NewOrder {
        channel: order.channel.clone(),
        number: order.number.clone(),
        revision: taken.revision(),
        placed_at: order.placed_at,
        customer,
        parties,
        currency: order.currency,
        prices_include_tax: order.prices_include_tax,
        payment_method_code: code(&channel.payment_methods, &order.payment_method),
        payment_terms_code: channel.payment_terms.clone(),
        shipment_method_code: code(&channel.shipment_methods, &order.shipment_method),
        requested_delivery: order.requested_delivery,
        lines,
        freight: order.freight.as_ref().map(|freight| NewFreight {
            net: freight.net,
            gross: freight.gross,
            tax_percent: freight.tax_percent,
        }),
        net: order.totals.net,
        tax: order.totals.tax,
        gross: order.totals.gross,
    }
}
