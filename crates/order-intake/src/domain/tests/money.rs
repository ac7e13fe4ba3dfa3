//! Totals, to the last decimal.

use millrace_values::{Amount, Decimal, Rounding};
use proptest::prelude::*;
use rust_decimal::RoundingStrategy;

use super::sales::{amount, chairs, decimal, euro, line, order_of, percent};
use crate::domain::{Freight, HoldKind, Line, Order, totals};

fn kinds(order: &Order, rounding: Rounding) -> Vec<(HoldKind, u32)> {
    totals::faults(order, rounding)
        .into_iter()
        .map(|reason| (reason.kind, reason.line))
        .collect()
}

#[test]
fn totals_that_add_up_are_right() {
    assert_eq!(kinds(&chairs(), Rounding::PerLine), []);
}

#[test]
fn a_line_total_one_cent_off_is_named() {
    let mut order = chairs();
    order.lines[0].net = amount("200.01");
    let told = totals::faults(&order, Rounding::PerLine);
    assert_eq!(told[0].kind, HoldKind::LineTotal);
    assert_eq!(
        told[0].message,
        "line 1: 2 × 100 less 0.00 is 200.00 EUR, but its net is 200.01 EUR"
    );
}

#[test]
fn a_discount_comes_off_the_whole_line() {
    let mut order = order_of(vec![line(1, "1896-S", "3", "10", "19")]);
    order.lines[0].discount = amount("5");
    order.lines[0].net = amount("25");
    order.lines[0].gross = amount("29.75");
    order.totals.net = amount("25");
    order.totals.tax = amount("4.75");
    order.totals.gross = amount("29.75");
    assert_eq!(kinds(&order, Rounding::PerLine), []);
}

#[test]
fn vat_one_cent_off_is_named() {
    let mut order = chairs();
    order.lines[0].gross = amount("238.01");
    assert_eq!(kinds(&order, Rounding::PerLine)[0], (HoldKind::Tax, 1));
}

#[test]
fn an_order_total_one_cent_off_is_named() {
    let mut order = chairs();
    order.totals.gross = amount("238.01");
    let told = totals::faults(&order, Rounding::PerLine);
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].message,
        "the lines and freight add up to 238.00 EUR gross, the order says 238.01 EUR"
    );
}

/// Row 47.
#[test]
fn freight_counts_towards_the_totals() {
    let mut order = chairs();
    order.freight = Some(Freight {
        net: amount("5"),
        gross: amount("5.95"),
        tax_percent: percent("19"),
    });
    assert_eq!(
        kinds(&order, Rounding::PerLine).len(),
        3,
        "net, tax and gross lack the freight"
    );
    order.totals.net = amount("205");
    order.totals.tax = amount("38.95");
    order.totals.gross = amount("243.95");
    assert_eq!(kinds(&order, Rounding::PerLine), []);
}

#[test]
fn prices_with_vat_are_exact_on_the_gross_side() {
    let mut order = order_of(vec![line(1, "1896-S", "1", "9.99", "19")]);
    order.prices_include_tax = true;
    order.lines[0].gross = amount("9.99");
    order.lines[0].net = amount("8.39");
    order.totals.gross = amount("9.99");
    order.totals.net = amount("8.39");
    order.totals.tax = amount("1.60");
    assert_eq!(kinds(&order, Rounding::PerLine), []);
    order.lines[0].gross = amount("10.00");
    assert_eq!(
        kinds(&order, Rounding::PerLine)[0],
        (HoldKind::LineTotal, 1)
    );
}

#[test]
fn a_channel_that_rounds_per_document_rounds_vat_once_per_rate() {
    // Three times 0.33 net at 19 %: 0.06 VAT each, but 0.19 of 0.99 together.
    let mut order = order_of(
        (1..=3)
            .map(|number| line(number, "1896-S", "1", "0.33", "19"))
            .collect(),
    );
    order.totals.tax = amount("0.19");
    order.totals.gross = amount("1.18");
    assert_eq!(kinds(&order, Rounding::PerDocument), []);
    assert_eq!(
        kinds(&order, Rounding::PerLine),
        [(HoldKind::OrderTotal, 0), (HoldKind::OrderTotal, 0)]
    );
}

#[test]
fn huge_numbers_are_held_not_computed_to_death() {
    let mut order = order_of(vec![line(1, "1896-S", "1", "1", "19")]);
    order.lines[0].quantity = millrace_values::Quantity::parse("999999999999.99999").unwrap();
    order.lines[0].unit_price =
        millrace_values::UnitPrice::new(euro(), decimal("999999999999.99999")).unwrap();
    assert_eq!(
        kinds(&order, Rounding::PerLine)[0],
        (HoldKind::LineTotal, 1)
    );
}

/// What a shop computes, in cents and by another way than the rule: integers alone.
fn cents(value: Decimal) -> i64 {
    i64::try_from(
        (value * Decimal::ONE_HUNDRED)
            .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
            .mantissa(),
    )
    .unwrap()
}

fn some_lines() -> impl Strategy<Value = Vec<Line>> {
    let one = (
        1..500_u32,
        1..5_000_000_u32,
        prop::sample::select(vec!["0", "7", "19", "8.1"]),
    );
    prop::collection::vec(one, 1..20).prop_map(|parts| {
        let with_number = parts.into_iter().zip(1..);
        with_number
            .map(|((quantity, price, rate), number)| {
                let price = Decimal::new(i64::from(price), 4).to_string();
                line(number, "1896-S", &quantity.to_string(), &price, rate)
            })
            .collect()
    })
}

proptest! {
    /// Row 46.
    #[test]
    fn an_honest_shop_is_always_right_and_a_cent_is_always_seen(lines in some_lines(), off in prop::sample::select(vec![-1_i64, 1]), side in 0..3_u8) {
        let order = order_of(lines);
        let net: i64 = order.lines.iter().map(|line| cents(line.quantity.value() * line.unit_price.value())).sum();
        prop_assert_eq!(cents(order.totals.net.value()), net);
        prop_assert_eq!(kinds(&order, Rounding::PerLine), []);

        let mut wrong = order.clone();
        let total = match side {
            0 => &mut wrong.totals.net,
            1 => &mut wrong.totals.tax,
            _ => &mut wrong.totals.gross,
        };
        *total = Amount::new(euro(), total.value() + Decimal::new(off, 2)).unwrap();
        prop_assert_eq!(kinds(&wrong, Rounding::PerLine), [(HoldKind::OrderTotal, 0)]);
    }

    #[test]
    fn document_rounding_never_differs_by_more_than_half_a_cent_per_rate(lines in some_lines()) {
        let mut order = order_of(lines);
        let mut tax = Decimal::ZERO;
        for rate in ["0", "7", "19", "8.1"] {
            let base: Decimal = order.lines.iter().filter(|line| line.tax_percent == percent(rate)).map(|line| line.net.value()).sum();
            tax += Decimal::new(cents(base * decimal(rate) / Decimal::ONE_HUNDRED), 2);
        }
        order.totals.tax = Amount::new(euro(), tax).unwrap();
        order.totals.gross = order.totals.net.plus(order.totals.tax).unwrap();
        prop_assert_eq!(kinds(&order, Rounding::PerDocument), []);
    }
}
