//! Builders: four chairs of 119.00 EUR with VAT, sold and shipped, of which some come back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, ErpCode, OrderNumber, Percentage, Quantity,
    ReturnNumber, ReturnReasonCode, Sku, SystemId, Timestamp, UnitCode, UnitPrice,
};

use crate::domain::check::check;
use crate::domain::{
    Command, Credit, Document, Event, Freight, FreightRule, Known, Line, LineStatus, RefundWay,
    Return, Returnable, Rules, Seen, Shipped, Sold, SoldLine, Submitted, Verdict,
};

pub fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

pub fn amount(text: &str) -> Amount {
    Amount::new(euro(), text.parse().unwrap()).unwrap()
}

/// Gross, and the VAT in it.
pub fn credit(gross: &str, tax: &str) -> Credit {
    Credit {
        gross: amount(gross),
        tax: amount(tax),
    }
}

pub fn pieces(count: u32) -> Quantity {
    Quantity::from(count)
}

pub fn at() -> Timestamp {
    Timestamp::parse("2026-11-27T10:00:00Z").unwrap()
}

pub fn days_ago(days: i64) -> Timestamp {
    Timestamp(at().0 - SignedDuration::from_hours(24 * days))
}

pub fn reason(code: &str) -> ReturnReasonCode {
    ReturnReasonCode::parse(code).unwrap()
}

pub fn chair() -> Sku {
    Sku::parse("CHAIR").unwrap()
}

pub fn sold_line(number: u32, count: u32, price: Credit) -> SoldLine {
    SoldLine {
        number,
        item: chair(),
        variant: None,
        unit: Some(UnitCode::parse("PCS").unwrap()),
        location: None,
        ordered: pieces(count),
        shipped: pieces(count),
        cancelled: Quantity::ZERO,
        credited: Quantity::ZERO,
        shipments: vec![Shipped {
            at: days_ago(10),
            quantity: pieces(count),
        }],
        unit_price: UnitPrice::new(euro(), "119".parse().unwrap()).unwrap(),
        tax_percent: Percentage::new("19".parse().unwrap()).unwrap(),
        price,
    }
}

/// Four chairs, shipped ten days ago.
pub fn sold() -> Sold {
    Sold {
        customer: Some(CustomerNumber::parse("10000").unwrap()),
        shop_customer: Some("c-1".into()),
        currency: euro(),
        prices_include_tax: true,
        lines: vec![sold_line(1, 4, credit("476.00", "76.00"))],
        freight: Some(Freight {
            amount: credit("5.95", "0.95"),
            tax_percent: Percentage::new("19".parse().unwrap()).unwrap(),
        }),
    }
}

pub fn rules() -> Rules {
    Rules {
        off: BTreeSet::new(),
        period: 30,
        freight: FreightRule::Never,
        refund: RefundWay::Money,
        gift_refund: RefundWay::Voucher,
        voucher_items: BTreeSet::new(),
        voucher_refund: RefundWay::Nothing,
        reason_items: BTreeMap::new(),
        location: None,
    }
}

pub fn known() -> Known {
    Known {
        sold: Some(sold()),
        reasons: [reason("DEFECT"), reason("TOO-BIG")].into(),
        returnable: Returnable::default(),
    }
}

pub fn line(number: u32, order_line: u32, count: u32) -> Line {
    Line {
        number,
        order_line,
        quantity: pieces(count),
        unit: None,
        reason: reason("DEFECT"),
        condition: "opened".into(),
    }
}

/// So many chairs come back.
pub fn chairs(count: u32) -> Return {
    Return {
        channel: ChannelCode::parse("furniture").unwrap(),
        number: ReturnNumber::parse("R-1").unwrap(),
        order: OrderNumber::parse("S-1").unwrap(),
        submitted_at: at(),
        customer: Some(CustomerNumber::parse("10000").unwrap()),
        shop_customer: None,
        gift: false,
        exchange_order: None,
        lines: vec![line(1, 1, count)],
        remarks: None,
        erp: ErpCode::parse("bc-main").unwrap(),
    }
}

pub fn verdict(goods: &Return) -> Verdict {
    check(goods, &rules(), &known(), at())
}

/// The order is not known.
pub fn refusal(goods: &Return) -> Verdict {
    check(
        goods,
        &rules(),
        &Known {
            sold: None,
            ..known()
        },
        at(),
    )
}

pub fn submitted(goods: Return) -> Submitted {
    Submitted {
        content_hash: vec![1],
        at: at(),
        same_remarks: true,
        verdict: verdict(&goods),
        goods: Box::new(goods),
    }
}

pub fn submit(goods: Return) -> Command {
    Command::Submit(submitted(goods))
}

/// Two chairs were taken.
pub fn taken() -> Event {
    Event::Submitted {
        goods: Box::new(chairs(2)),
        content_hash: vec![1],
        at: at(),
        lines: lines(),
    }
}

pub fn lines() -> Vec<LineStatus> {
    verdict(&chairs(2)).lines
}

pub fn cleared() -> Event {
    let Verdict {
        lines,
        credits,
        freight,
        location,
        ..
    } = verdict(&chairs(2));
    Event::Cleared {
        credits,
        freight,
        location,
        lines,
    }
}

pub fn held() -> Event {
    Event::Held {
        reasons: refusal(&chairs(2)).reasons,
        lines: lines(),
    }
}

pub fn document() -> Document {
    Document {
        system_id: SystemId::parse("5d115c9c-44e3-ea11-bb43-000d3a2feca1").unwrap(),
        number: "RO-1".into(),
    }
}

pub fn posted() -> Event {
    Event::Posted {
        document: document(),
        at: at(),
        lines: lines(),
    }
}

/// In the ERP, and nothing has happened to it there.
pub fn seen() -> Seen {
    Seen {
        document: document(),
        cancelled: false,
        lines: vec![],
        receipts: vec![],
        credit_memos: vec![],
        credited: None,
        at: at(),
    }
}
