//! A small sale to test the rules with: two chairs at 100.00 EUR net, 19 % VAT.

use std::collections::{BTreeMap, HashMap};

use millrace_values::{
    Amount, Channel, ChannelCode, Currency, CustomerNumber, Decimal, ErpCode, LanguageTag,
    LocationCode, OrderNumber, Percentage, Quantity, Rounding, Sku, SystemId, Timestamp, UnitCode,
    UnitPrice,
};
use uuid::Uuid;

use crate::domain::check::Verdict;
use crate::domain::{
    Buyer, Known, KnownCustomer, KnownItem, KnownVariant, Line, Order, Totals, check,
};

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

pub fn amount(text: &str) -> Amount {
    Amount::new(euro(), decimal(text)).unwrap()
}

pub fn percent(text: &str) -> Percentage {
    Percentage::new(decimal(text)).unwrap()
}

pub fn unit(text: &str) -> UnitCode {
    UnitCode::parse(text).unwrap()
}

pub fn at() -> Timestamp {
    Timestamp::parse("2026-11-22T10:00:00Z").unwrap()
}

pub fn id(number: u128) -> SystemId {
    SystemId(Uuid::from_u128(number))
}

/// One line in which everything follows from quantity, price and rate, prices without VAT.
pub fn line(number: u32, item: &str, quantity: &str, price: &str, rate: &str) -> Line {
    let quantity = Quantity::parse(quantity).unwrap();
    let net = Amount::rounded(euro(), quantity.value() * decimal(price)).unwrap();
    let factor = Decimal::ONE + decimal(rate) / Decimal::ONE_HUNDRED;
    Line {
        number,
        item: Sku::parse(item).unwrap(),
        variant: None,
        quantity,
        unit: None,
        unit_price: UnitPrice::new(euro(), decimal(price)).unwrap(),
        discount: Amount::zero(euro()),
        tax_percent: percent(rate),
        net,
        gross: Amount::rounded(euro(), net.value() * factor).unwrap(),
        location: None,
    }
}

pub fn order_of(lines: Vec<Line>) -> Order {
    let zero = Amount::zero(euro());
    let sum = |side: fn(&Line) -> Amount| {
        lines
            .iter()
            .map(side)
            .fold(zero, |sum, part| sum.plus(part).unwrap())
    };
    let (net, gross) = (sum(|line| line.net), sum(|line| line.gross));
    Order {
        channel: ChannelCode::parse("furniture-de").unwrap(),
        number: OrderNumber::parse("W-1001").unwrap(),
        placed_at: at(),
        currency: euro(),
        prices_include_tax: false,
        buyer: Buyer {
            customer: Some(CustomerNumber::parse("10000").unwrap()),
            shop_customer: None,
        },
        personal: None,
        lines,
        freight: None,
        totals: Totals {
            net,
            tax: gross.minus(net).unwrap(),
            gross,
        },
        payment_method: "card".into(),
        shipment_method: "parcel".into(),
        requested_delivery: None,
        exchange_for: None,
        erp: ErpCode::parse("bc-main").unwrap(),
    }
}

pub fn chairs() -> Order {
    order_of(vec![line(1, "1896-S", "2", "100", "19")])
}

pub fn channel() -> Channel {
    let location = |code| LocationCode::parse(code).unwrap();
    Channel {
        code: ChannelCode::parse("furniture-de").unwrap(),
        erp: ErpCode::parse("bc-main").unwrap(),
        languages: vec![LanguageTag::parse("de").unwrap()],
        price_groups: Vec::new(),
        location_group: vec![location("MAIN"), location("EAST")],
        default_location: None,
        currency: euro(),
        prices_include_tax: false,
        deducts_own_orders: false,
        rounding: Rounding::PerLine,
        payment_methods: BTreeMap::from([("card".into(), "CARD".into())]),
        shipment_methods: BTreeMap::from([("parcel".into(), "DHL".into())]),
        payment_terms: String::new(),
    }
}

pub fn item(blocked: bool) -> KnownItem {
    let variant = |code, blocked| KnownVariant {
        code: millrace_values::VariantCode::parse(code).unwrap(),
        blocked,
    };
    KnownItem {
        system_id: id(7),
        blocked,
        base_unit: Some(unit("PCS")),
        variants: vec![variant("OAK", false), variant("TEAK", true)],
    }
}

pub fn customer() -> KnownCustomer {
    KnownCustomer {
        number: CustomerNumber::parse("10000").unwrap(),
        channel: None,
        shop_customer: None,
        blocked: false,
    }
}

pub fn known() -> Known {
    Known {
        items: HashMap::from([(Sku::parse("1896-S").unwrap(), item(false))]),
        customer: Some(customer()),
    }
}

/// What the checks find of it with everything known.
pub fn verdict(order: &Order) -> Verdict {
    check::check(order, &channel(), &known())
}
