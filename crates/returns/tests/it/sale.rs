//! Chairs at 100.00 EUR net, 19 % VAT, sold before and coming back now.

use millrace_contract::returns::v1 as proto;
use millrace_contract::values::v1::{Decimal, Money, Quantity};
use millrace_contract::webshop_orders::v1 as orders;

pub const CHANNEL: &str = "furniture-de";
/// An item every world has.
pub const CHAIR: &str = "SOLD-1";

pub fn money(minor: i64) -> Option<Money> {
    Some(Money {
        currency_code: "EUR".into(),
        units: minor / 100,
        nanos: i32::try_from(minor % 100).unwrap() * 10_000_000,
    })
}

pub fn pieces(count: i64) -> Option<Quantity> {
    Some(Quantity {
        units: count,
        nanos: 0,
        unit: String::new(),
    })
}

/// So many chairs for a customer the ERP has.
pub fn order(number: &str, customer: &str, count: i64) -> orders::Order {
    let line = orders::OrderLine {
        line_number: 1,
        item_number: CHAIR.into(),
        quantity: pieces(count),
        unit_price: money(10_000),
        tax_percent: Some(Decimal {
            units: 19,
            nanos: 0,
        }),
        net: money(10_000 * count),
        gross: money(11_900 * count),
        ..orders::OrderLine::default()
    };
    orders::Order {
        channel: CHANNEL.into(),
        order_number: number.into(),
        placed_at: Some(moment()),
        currency_code: "EUR".into(),
        buyer: Some(orders::Buyer {
            customer_number: customer.into(),
            shop_customer_number: String::new(),
        }),
        lines: vec![line],
        totals: Some(orders::OrderTotals {
            net: money(10_000 * count),
            tax: money(1_900 * count),
            gross: money(11_900 * count),
        }),
        erp: "bc-main".into(),
        ..orders::Order::default()
    }
}

/// The one line of an order of chairs.
pub fn status(ordered: i64, shipped: i64) -> Vec<orders::LineStatus> {
    let pieces = |count: i64| {
        Some(Quantity {
            unit: "PCS".into(),
            ..pieces(count).unwrap()
        })
    };
    vec![orders::LineStatus {
        line_number: 1,
        ordered: pieces(ordered),
        shipped: pieces(shipped),
        invoiced: pieces(0),
        credited: pieces(0),
        cancelled: pieces(0),
        ..orders::LineStatus::default()
    }]
}

pub fn moment() -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: 1_795_000_000,
        nanos: 0,
    }
}

pub fn line(number: u32, count: i64) -> proto::ReturnLine {
    proto::ReturnLine {
        line_number: number,
        order_line: 1,
        quantity: pieces(count),
        reason_code: "DEFECT".into(),
        condition: "opened".into(),
    }
}

/// So many chairs of an order come back.
pub fn goods(number: &str, order: &str, customer: &str, count: i64) -> proto::Return {
    proto::Return {
        channel: CHANNEL.into(),
        return_number: number.into(),
        order_number: order.into(),
        submitted_at: Some(moment()),
        customer_number: customer.into(),
        lines: vec![line(1, count)],
        ..proto::Return::default()
    }
}

/// The same, with a comment and a photo.
pub fn commented(goods: proto::Return, comment: &str) -> proto::SubmitReturnRequest {
    let remarks = proto::Remarks {
        lines: vec![proto::LineRemarks {
            line_number: 1,
            comment: comment.into(),
            photos: vec!["https://photos.example.com/1.jpg".into()],
        }],
    };
    proto::SubmitReturnRequest {
        shop_return: Some(goods),
        remarks: Some(remarks),
    }
}
