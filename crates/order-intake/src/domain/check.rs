//! The checks. All that is wrong is told at once; stock and credit are none of them (the ERP minds those).

use std::collections::HashMap;

use millrace_values::{Channel, ChannelCode, CustomerNumber, Sku, SystemId, UnitCode, VariantCode};

use super::hold::{HoldKind, HoldReason};
use super::line::{self, LineStatus};
use super::order::{Line, Order};
use super::totals;

/// What is known of everything an order names, when it is checked.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub items: HashMap<Sku, KnownItem>,
    /// The customer with the buyer's number; where the buyer has none, the one with the shop's number.
    pub customer: Option<KnownCustomer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownItem {
    pub system_id: SystemId,
    /// For everything, or for sales.
    pub blocked: bool,
    pub base_unit: Option<UnitCode>,
    pub variants: Vec<KnownVariant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownVariant {
    pub code: VariantCode,
    pub blocked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCustomer {
    pub number: CustomerNumber,
    /// The channel whose shop created it.
    pub channel: Option<ChannelCode>,
    /// The number that shop gave it.
    pub shop_customer: Option<Box<str>>,
    /// For anything: with any of the ERP's blocks a customer cannot order.
    pub blocked: bool,
}

/// What the checks found, and the order's lines with what they found of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Empty: it can be posted.
    pub reasons: Vec<HoldReason>,
    pub lines: Vec<LineStatus>,
}

/// Holds the order against what is known and against its channel's settings.
#[must_use]
pub fn check(order: &Order, channel: &Channel, known: &Known) -> Verdict {
    let mut reasons = Vec::new();
    reasons.extend(customer_faults(order, known));
    reasons.extend(setting_faults(order, channel));
    for line in &order.lines {
        reasons.extend(item_faults(line, known));
        reasons.extend(location_fault(line, channel));
    }
    reasons.extend(totals::faults(order, channel.rounding));
    let item = |line: &Line| known.items.get(&line.item);
    Verdict {
        reasons,
        lines: line::untouched(order, channel.location(), item),
    }
}

fn customer_faults(order: &Order, known: &Known) -> Option<HoldReason> {
    let buyer = &order.buyer;
    let Some(customer) = &known.customer else {
        // Nobody has the shop's number yet: a new customer, created when the order is posted.
        let number = buyer.customer.as_ref()?;
        return Some(HoldReason::of_order(
            HoldKind::UnknownCustomer,
            number.as_str(),
            format!("customer {number} is not known"),
        ));
    };
    let another_channels = customer
        .channel
        .as_ref()
        .is_some_and(|channel| *channel != order.channel);
    let another_persons = match (&buyer.shop_customer, &customer.shop_customer) {
        (Some(said), Some(known)) => said != known,
        (Some(_), None) | (None, _) => false,
    };
    if another_channels || another_persons {
        return Some(HoldReason::of_order(
            HoldKind::UnknownCustomer,
            customer.number.as_str(),
            format!("customer {} is somebody else's", customer.number),
        ));
    }
    customer.blocked.then(|| {
        HoldReason::of_order(
            HoldKind::CustomerBlocked,
            customer.number.as_str(),
            format!("customer {} is blocked in the ERP", customer.number),
        )
    })
}

fn setting_faults(order: &Order, channel: &Channel) -> Vec<HoldReason> {
    let mut reasons = Vec::new();
    if order.currency != channel.currency {
        let message = format!(
            "the order is in {}, channel {} sells in {}",
            order.currency, channel.code, channel.currency
        );
        reasons.push(HoldReason::of_order(
            HoldKind::Currency,
            order.currency.code(),
            message,
        ));
    }
    if order.prices_include_tax != channel.prices_include_tax {
        let with_or_without = |includes: bool| if includes { "with" } else { "without" };
        let message = format!(
            "the order's prices are {} VAT, channel {} sells {}",
            with_or_without(order.prices_include_tax),
            channel.code,
            with_or_without(channel.prices_include_tax),
        );
        reasons.push(HoldReason::of_order(
            HoldKind::Tax,
            "prices_include_tax",
            message,
        ));
    }
    let unmapped = |method: &str, map: &std::collections::BTreeMap<String, String>| {
        !method.is_empty() && !map.contains_key(method)
    };
    if unmapped(&order.payment_method, &channel.payment_methods) {
        let message = format!(
            "payment method {} of channel {} has no code of the ERP",
            order.payment_method, channel.code
        );
        reasons.push(HoldReason::of_order(
            HoldKind::PaymentMethodUnmapped,
            &*order.payment_method,
            message,
        ));
    }
    if unmapped(&order.shipment_method, &channel.shipment_methods) {
        let message = format!(
            "shipment method {} of channel {} has no code of the ERP",
            order.shipment_method, channel.code
        );
        reasons.push(HoldReason::of_order(
            HoldKind::ShipmentMethodUnmapped,
            &*order.shipment_method,
            message,
        ));
    }
    reasons
}

fn item_faults(line: &Line, known: &Known) -> Vec<HoldReason> {
    let number = line.number;
    let Some(item) = known.items.get(&line.item) else {
        let message = format!("line {number}: item {} is not known", line.item);
        return vec![HoldReason::of_line(
            HoldKind::UnknownItem,
            number,
            line.item.as_str(),
            message,
        )];
    };
    let mut reasons = Vec::new();
    let mut blocked = item
        .blocked
        .then(|| format!("line {number}: item {} is blocked", line.item));
    if let Some(code) = &line.variant {
        match item.variants.iter().find(|variant| variant.code == *code) {
            None => {
                let message = format!("line {number}: item {} has no variant {code}", line.item);
                reasons.push(HoldReason::of_line(
                    HoldKind::UnknownVariant,
                    number,
                    code.as_str(),
                    message,
                ));
            }
            Some(variant) if variant.blocked => {
                blocked = blocked.or_else(|| {
                    Some(format!(
                        "line {number}: variant {code} of item {} is blocked",
                        line.item
                    ))
                });
            }
            Some(_) => {}
        }
    }
    if let Some(message) = blocked {
        reasons.push(HoldReason::of_line(
            HoldKind::ItemBlocked,
            number,
            line.item.as_str(),
            message,
        ));
    }
    reasons.extend(unit_fault(line, item));
    reasons
}

/// What the ERP takes for a line without a unit is another one than the shop's (its sales unit), so one has to be known.
fn unit_fault(line: &Line, item: &KnownItem) -> Option<HoldReason> {
    let number = line.number;
    let (subject, message) = match (&line.unit, &item.base_unit) {
        (Some(unit), Some(base)) if unit == base => return None,
        (Some(unit), _) => (
            unit.as_str(),
            format!("line {number}: item {} is not sold in {unit}", line.item),
        ),
        (None, Some(_)) => return None,
        (None, None) => (
            line.item.as_str(),
            format!("line {number}: item {} has no base unit", line.item),
        ),
    };
    Some(HoldReason::of_line(
        HoldKind::UnknownUnit,
        number,
        subject,
        message,
    ))
}

fn location_fault(line: &Line, channel: &Channel) -> Option<HoldReason> {
    let location = line.location.as_ref()?;
    if channel.location_group.contains(location) {
        return None;
    }
    let message = format!(
        "line {}: channel {} does not sell from location {location}",
        line.number, channel.code
    );
    Some(HoldReason::of_line(
        HoldKind::UnknownLocation,
        line.number,
        location.as_str(),
        message,
    ))
}
