//! A small sale: chairs at 100.00 EUR net, 19 % VAT.

use millrace_contract::order::v1::SubmitOrderRequest;
use millrace_contract::personal::v1::{Address, Personal};
use millrace_contract::values::v1::{Decimal, Money, Quantity};
use millrace_contract::webshop_orders::v1::{Buyer, Order, OrderLine, OrderTotals};

pub const CHANNEL: &str = "furniture-de";
/// An item every world has.
pub const CHAIR: &str = "SOLD-1";

pub fn money(minor: i64) -> Option<Money> {
    let nanos = i32::try_from(minor % 100).unwrap() * 10_000_000;
    Some(Money {
        currency_code: "EUR".into(),
        units: minor / 100,
        nanos,
    })
}

pub fn line(number: u32, item: &str, quantity: i64) -> OrderLine {
    OrderLine {
        line_number: number,
        item_number: item.into(),
        variant_code: String::new(),
        quantity: Some(Quantity {
            units: quantity,
            nanos: 0,
            unit: String::new(),
        }),
        unit_price: money(10_000),
        discount: None,
        tax_percent: Some(Decimal {
            units: 19,
            nanos: 0,
        }),
        net: money(10_000 * quantity),
        gross: money(11_900 * quantity),
        location_code: String::new(),
    }
}

/// Chairs for a customer the ERP has.
pub fn order(number: &str, customer: &str, quantity: i64) -> SubmitOrderRequest {
    SubmitOrderRequest {
        order: Some(content(number, customer, quantity)),
        personal: None,
    }
}

pub fn content(number: &str, customer: &str, quantity: i64) -> Order {
    Order {
        channel: CHANNEL.into(),
        order_number: number.into(),
        placed_at: Some(prost_types::Timestamp {
            seconds: 1_795_000_000,
            nanos: 0,
        }),
        currency_code: "EUR".into(),
        prices_include_tax: false,
        buyer: Some(Buyer {
            customer_number: customer.into(),
            shop_customer_number: String::new(),
        }),
        personal: None,
        lines: vec![line(1, CHAIR, quantity)],
        freight: None,
        totals: Some(OrderTotals {
            net: money(10_000 * quantity),
            tax: money(1_900 * quantity),
            gross: money(11_900 * quantity),
        }),
        payment_method: "card".into(),
        shipment_method: String::new(),
        requested_delivery_date: String::new(),
        erp: String::new(),
        exchange_for_return: String::new(),
    }
}

/// Chairs for somebody new.
pub fn new_customers_order(number: &str, shop_customer: &str) -> SubmitOrderRequest {
    let mut order = content(number, "", 2);
    order.buyer = Some(Buyer {
        customer_number: String::new(),
        shop_customer_number: shop_customer.into(),
    });
    SubmitOrderRequest {
        order: Some(order),
        personal: Some(person("Erika Mustermann")),
    }
}

pub fn person(name: &str) -> Personal {
    Personal {
        sell_to: Some(Address {
            name: name.into(),
            address_line1: "Heidestraße 17".into(),
            address_line2: "Packstation 145".into(),
            postal_code: "51147".into(),
            city: "Köln".into(),
            country_code: "DE".into(),
            ..Address::default()
        }),
        email: "erika@example.com".into(),
        ..Personal::default()
    }
}
