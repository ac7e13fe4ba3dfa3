//! What held orders wait for.

use std::collections::BTreeSet;

use millrace_values::Sku;

use crate::domain::{HoldKind, Order, Taken};

/// What may make a held order go on.
#[derive(Debug)]
pub(super) struct Awaited<'a> {
    order: &'a Order,
    pub items: BTreeSet<&'a Sku>,
    pub buyer: bool,
}

impl<'a> Awaited<'a> {
    pub fn by(taken: &'a Taken) -> Self {
        let order = &taken.order;
        let mut awaited = Self {
            order,
            items: BTreeSet::new(),
            buyer: false,
        };
        for reason in &taken.reasons {
            match reason.kind {
                HoldKind::UnknownItem
                | HoldKind::UnknownVariant
                | HoldKind::ItemBlocked
                | HoldKind::UnknownUnit => {
                    let lines = order.lines.iter().filter(|line| line.number == reason.line);
                    awaited.items.extend(lines.map(|line| &line.item));
                }
                HoldKind::UnknownCustomer | HoldKind::CustomerBlocked => awaited.buyer = true,
                // The ERP's text is for people: whatever of the order changes may be what it meant.
                HoldKind::ErpRefused if reason.is_of_master_data() => {
                    awaited
                        .items
                        .extend(order.lines.iter().map(|line| &line.item));
                    awaited.buyer = true;
                }
                HoldKind::CustomerRefused if reason.is_of_master_data() => awaited.buyer = true,
                // Settings change with a restart, which looks at every held order; the rest needs a person.
                HoldKind::Currency
                | HoldKind::PaymentMethodUnmapped
                | HoldKind::ShipmentMethodUnmapped
                | HoldKind::UnknownLocation
                | HoldKind::LineTotal
                | HoldKind::OrderTotal
                | HoldKind::Tax
                | HoldKind::ErpRefused
                | HoldKind::CustomerRefused => {}
            }
        }
        awaited
    }

    pub fn subjects(&self) -> BTreeSet<String> {
        let erp = self.order.erp.as_str();
        let mut subjects: BTreeSet<String> = self
            .items
            .iter()
            .map(|item| of_item(erp, item.as_str()))
            .collect();
        if self.buyer {
            let buyer = &self.order.buyer;
            let number = buyer.customer.as_ref();
            subjects.extend(number.map(|number| of_customer(erp, number.as_str())));
            let shop = buyer.shop_customer.as_ref();
            let channel = self.order.channel.as_str();
            subjects.extend(shop.map(|number| of_shop_customer(channel, number)));
        }
        subjects
    }
}

pub(super) fn of_item(erp: &str, number: &str) -> String {
    format!("item/{erp}/{number}")
}

pub(super) fn of_customer(erp: &str, number: &str) -> String {
    format!("customer/{erp}/{number}")
}

pub(super) fn of_shop_customer(channel: &str, number: &str) -> String {
    format!("shop-customer/{channel}/{number}")
}
