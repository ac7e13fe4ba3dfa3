//! Totals of a sales document, as BC computes them.
//!
//! Lines are rounded to cents; tax is computed per tax rate on the running sum of the lines, so that the lines' taxes add
//! up to the tax of the sum. When prices include tax, the gross amount is given and the net amount is what remains.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::database::{Document, DocumentLine, LineKind};
use crate::numbers::cents;

/// Totals of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub net: Decimal,
    pub tax: Decimal,
}

impl Totals {
    pub fn gross(self) -> Decimal {
        self.net + self.tax
    }
}

/// The line's amount in the document's price mode, after its line discount.
pub fn line_amount(line: &DocumentLine) -> Decimal {
    cents(line.quantity * line.unit_price) - line.discount_amount
}

pub fn totals(document: &Document) -> Totals {
    let net = document.lines.iter().map(|line| line.net).sum();
    let tax = document.lines.iter().map(|line| line.tax).sum();
    Totals { net, tax }
}

/// Computes every line's share of the invoice discount, its net amount and its tax.
pub fn compute(document: &mut Document) {
    spread_invoice_discount(document);
    let mut running: BTreeMap<Decimal, (Decimal, Decimal)> = BTreeMap::new();
    for line in &mut document.lines {
        if line.kind == LineKind::Comment {
            continue;
        }
        let amount = line_amount(line) - line.invoice_discount;
        let rate = line.tax_percent / Decimal::ONE_HUNDRED;
        // Base so far, and its computed part so far: tax when prices exclude it, net when they include it.
        let (base, part) = running.entry(line.tax_percent).or_default();
        *base += amount;
        if document.prices_include_tax {
            let net = cents(*base / (Decimal::ONE + rate)) - *part;
            *part += net;
            line.net = net;
            line.tax = amount - net;
        } else {
            let tax = cents(*base * rate) - *part;
            *part += tax;
            line.net = amount;
            line.tax = tax;
        }
        line.tax += line.tax_difference;
        if document.prices_include_tax {
            line.net -= line.tax_difference;
        }
    }
}

/// In proportion to the lines that allow it, the last of them taking the remainder.
fn spread_invoice_discount(document: &mut Document) {
    let total: Decimal = document
        .lines
        .iter()
        .filter(|line| line.allow_invoice_discount)
        .map(line_amount)
        .sum();
    let (mut base, mut given) = (Decimal::ZERO, Decimal::ZERO);
    for line in &mut document.lines {
        line.invoice_discount = Decimal::ZERO;
        if line.allow_invoice_discount && !total.is_zero() {
            base += line_amount(line);
            let share = cents(document.invoice_discount * base / total) - given;
            given += share;
            line.invoice_discount = share;
        }
    }
}

/// The part of `amount` that belongs to `quantity` more pieces when `before` of `of` pieces had theirs; parts add up.
pub fn part(amount: Decimal, before: Decimal, quantity: Decimal, of: Decimal) -> Decimal {
    if of.is_zero() {
        return Decimal::ZERO;
    }
    cents(amount * (before + quantity) / of) - cents(amount * before / of)
}
