//! Which price a customer gets.
//!
//! Of all price list lines that fit the customer, item, variant, unit, currency, quantity and day, the one with the lowest
//! price after its line discount wins; a line without a variant or unit fits all of them. Without a line it is the item's
//! own unit price, in local currency.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::database::{Customer, Item, PriceLine, PriceSource, Tables};
use crate::numbers::unit_amount;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub item: &'a Item,
    pub variant: &'a str,
    pub unit: &'a str,
    pub unit_quantity: Decimal,
    pub quantity: Decimal,
    pub customer: &'a Customer,
    pub currency: &'a str,
    pub day: Date,
    pub prices_include_tax: bool,
    pub tax_percent: Decimal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub unit_price: Decimal,
    pub discount_percent: Decimal,
    pub allow_invoice_discount: bool,
}

pub fn find(tables: &Tables, wanted: &Wanted<'_>) -> Price {
    let best = tables
        .price_lines
        .children(wanted.item.id)
        .filter(|line| fits(line, wanted))
        .map(|line| price_of(line, wanted))
        .min_by_key(|price| price.unit_price * (Decimal::ONE_HUNDRED - price.discount_percent));
    best.unwrap_or_else(|| Price {
        unit_price: convert(
            wanted.item.unit_price * wanted.unit_quantity,
            wanted.item.price_includes_tax,
            wanted,
        ),
        discount_percent: Decimal::ZERO,
        allow_invoice_discount: true,
    })
}

fn fits(line: &PriceLine, wanted: &Wanted<'_>) -> bool {
    let source = match &line.source {
        PriceSource::All => true,
        PriceSource::Group(group) => *group == wanted.customer.price_group,
        PriceSource::Customer(number) => *number == wanted.customer.number,
    };
    source
        && (line.variant.is_empty() || line.variant == wanted.variant)
        && (line.unit.is_empty() || line.unit == wanted.unit)
        && line.currency == wanted.currency
        && line.minimum <= wanted.quantity
        && line.starts.is_none_or(|starts| starts <= wanted.day)
        && line.ends.is_none_or(|ends| wanted.day <= ends)
}

fn price_of(line: &PriceLine, wanted: &Wanted<'_>) -> Price {
    let per_unit = if line.unit.is_empty() {
        line.price * wanted.unit_quantity
    } else {
        line.price
    };
    Price {
        unit_price: convert(per_unit, line.includes_tax, wanted),
        discount_percent: line.discount_percent,
        allow_invoice_discount: line.allow_invoice_discount,
    }
}

/// Into the document's price mode.
fn convert(price: Decimal, includes_tax: bool, wanted: &Wanted<'_>) -> Decimal {
    let factor = Decimal::ONE + wanted.tax_percent / Decimal::ONE_HUNDRED;
    match (includes_tax, wanted.prices_include_tax) {
        (true, false) => unit_amount(price / factor),
        (false, true) => unit_amount(price * factor),
        (true, true) | (false, false) => unit_amount(price),
    }
}
