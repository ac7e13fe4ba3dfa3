//! The arithmetic a shop must have got right: exactly, to the currency's minor unit. Nothing is corrected here; what does
//! not add up is named.
//!
//! Prices are given on one side, with or without VAT; on that side a line is quantity × unit price − discount. The other
//! side follows by the channel's rounding rule ([`Rounding`]).

use std::collections::BTreeMap;

use millrace_values::{Amount, Currency, Decimal, Percentage, Rounding};
use rust_decimal::RoundingStrategy;

use super::hold::{HoldKind, HoldReason};
use super::order::{Line, Order};

/// Everything in the order's money that does not add up.
#[must_use]
pub fn faults(order: &Order, rounding: Rounding) -> Vec<HoldReason> {
    let side = Side {
        currency: order.currency,
        includes_tax: order.prices_include_tax,
    };
    let mut reasons = Vec::new();
    for line in &order.lines {
        reasons.extend(line_fault(side, rounding, line));
    }
    if let Some(freight) = &order.freight {
        let stated = Stated {
            net: freight.net,
            gross: freight.gross,
            rate: freight.tax_percent,
        };
        if let Some(message) = tax_fault(side, rounding, &stated) {
            reasons.push(HoldReason::of_order(
                HoldKind::Tax,
                "freight",
                format!("freight: {message}"),
            ));
        }
    }
    reasons.extend(total_faults(side, rounding, order));
    reasons
}

/// On which side of the VAT prices are given.
#[derive(Debug, Clone, Copy)]
struct Side {
    currency: Currency,
    includes_tax: bool,
}

impl Side {
    fn given(self, stated: &Stated) -> Amount {
        if self.includes_tax {
            stated.gross
        } else {
            stated.net
        }
    }

    fn other(self, stated: &Stated) -> Amount {
        if self.includes_tax {
            stated.net
        } else {
            stated.gross
        }
    }

    /// The VAT in (or on) an amount of the given side.
    fn tax(self, given: Decimal, rate: Percentage) -> Decimal {
        let base = if self.includes_tax {
            Decimal::ONE_HUNDRED + rate.value()
        } else {
            Decimal::ONE_HUNDRED
        };
        round(self.currency, given * rate.value() / base)
    }

    /// What the other side must be.
    fn derived(self, given: Decimal, tax: Decimal) -> Decimal {
        if self.includes_tax {
            given - tax
        } else {
            given + tax
        }
    }

    fn name(self) -> &'static str {
        if self.includes_tax { "gross" } else { "net" }
    }
}

/// Two sides of one amount, as the shop says.
struct Stated {
    net: Amount,
    gross: Amount,
    rate: Percentage,
}

impl Stated {
    fn of(line: &Line) -> Self {
        Self {
            net: line.net,
            gross: line.gross,
            rate: line.tax_percent,
        }
    }
}

/// Half away from zero, as Business Central rounds.
fn round(currency: Currency, value: Decimal) -> Decimal {
    let mut rounded = value.round_dp_with_strategy(
        currency.minor_units(),
        RoundingStrategy::MidpointAwayFromZero,
    );
    rounded.rescale(currency.minor_units());
    rounded
}

fn line_fault(side: Side, rounding: Rounding, line: &Line) -> Option<HoldReason> {
    let stated = Stated::of(line);
    let expected = round(
        side.currency,
        line.quantity.value() * line.unit_price.value(),
    ) - line.discount.value();
    let given = side.given(&stated);
    if given.value() != expected {
        let message = format!(
            "line {}: {} × {} less {} is {} {}, but its {} is {given}",
            line.number,
            line.quantity,
            line.unit_price.value().normalize(),
            line.discount.value(),
            expected,
            side.currency,
            side.name(),
        );
        return Some(HoldReason::of_line(
            HoldKind::LineTotal,
            line.number,
            given.to_string(),
            message,
        ));
    }
    tax_fault(side, rounding, &stated).map(|message| {
        let message = format!("line {}: {message}", line.number);
        HoldReason::of_line(
            HoldKind::Tax,
            line.number,
            side.other(&stated).to_string(),
            message,
        )
    })
}

/// One side must follow from the other; where VAT is rounded once over the document, a line may be a minor unit off.
fn tax_fault(side: Side, rounding: Rounding, stated: &Stated) -> Option<String> {
    let given = side.given(stated).value();
    let expected = side.derived(given, side.tax(given, stated.rate));
    let off = (side.other(stated).value() - expected).abs();
    let allowed = match rounding {
        Rounding::PerLine => Decimal::ZERO,
        Rounding::PerDocument => Decimal::new(1, side.currency.minor_units()),
    };
    if off <= allowed {
        return None;
    }
    let rate = stated.rate.value().normalize();
    let (net, gross) = (stated.net, stated.gross);
    Some(if side.includes_tax {
        format!(
            "{gross} with {rate} % VAT is {expected} {} net, not {net}",
            side.currency
        )
    } else {
        format!(
            "{net} and {rate} % VAT is {expected} {} gross, not {gross}",
            side.currency
        )
    })
}

fn total_faults(side: Side, rounding: Rounding, order: &Order) -> Vec<HoldReason> {
    let freight = order.freight.as_ref().map(|freight| Stated {
        net: freight.net,
        gross: freight.gross,
        rate: freight.tax_percent,
    });
    let parts: Vec<Stated> = order.lines.iter().map(Stated::of).chain(freight).collect();
    let (net, gross) = match rounding {
        Rounding::PerLine => (
            parts.iter().map(|part| part.net.value()).sum(),
            parts.iter().map(|part| part.gross.value()).sum(),
        ),
        Rounding::PerDocument => per_document(side, &parts),
    };
    let totals = &order.totals;
    let told = [
        ("net", totals.net, net),
        ("tax", totals.tax, gross - net),
        ("gross", totals.gross, gross),
    ];
    let wrong = told
        .into_iter()
        .filter(|(_, stated, expected)| stated.value() != *expected);
    wrong
        .map(|(name, stated, expected): (&str, Amount, Decimal)| {
            let message = format!(
                "the lines and freight add up to {expected} {} {name}, the order says {stated}",
                side.currency
            );
            HoldReason::of_order(HoldKind::OrderTotal, stated.to_string(), message)
        })
        .collect()
}

/// The given side is a sum; VAT is rounded once per rate.
fn per_document(side: Side, parts: &[Stated]) -> (Decimal, Decimal) {
    let mut by_rate: BTreeMap<Percentage, Decimal> = BTreeMap::new();
    for part in parts {
        *by_rate.entry(part.rate).or_default() += side.given(part).value();
    }
    let given: Decimal = by_rate.values().sum();
    let tax: Decimal = by_rate
        .iter()
        .map(|(rate, given)| side.tax(*given, *rate))
        .sum();
    let other = side.derived(given, tax);
    if side.includes_tax {
        (other, given)
    } else {
        (given, other)
    }
}
