//! Parts of a line add up to the line, to the cent, whatever is given back in between.

use millrace_values::{Amount, Decimal, Quantity};
use proptest::prelude::*;

use super::chairs::*;
use crate::domain::check::check;
use crate::domain::{Credit, Known, RefundWay, Return, Rules, TakenLine, Takes};

/// A line of so many pieces at a price in cents.
fn known_of(count: u32, gross: i64, tax: i64) -> Known {
    let minor = |cents| Amount::new(euro(), Decimal::new(cents, 2)).unwrap();
    let price = Credit {
        gross: minor(gross),
        tax: minor(tax),
    };
    let mut known = known();
    known.sold.as_mut().unwrap().lines = vec![sold_line(1, count, price)];
    known
}

/// What a return has once it passed.
fn passes(goods: &Return, known: &Known) -> Option<Takes> {
    passes_by(RefundWay::Money, goods, known)
}

/// The same, paid back in this way.
fn passes_by(refund: RefundWay, goods: &Return, known: &Known) -> Option<Takes> {
    let rules = Rules { refund, ..rules() };
    let verdict = check(goods, &rules, known, at());
    let credit = verdict.credits.first()?;
    let nothing = refund == RefundWay::Nothing;
    let paid = if nothing {
        Credit::zero(euro())
    } else {
        credit.worth
    };
    assert_eq!(credit.amount, paid, "all of it, or nothing");
    let mut takes = Takes::default();
    let taken = TakenLine {
        quantity: goods.lines[0].quantity,
        worth: credit.worth,
        credited: Quantity::ZERO,
    };
    takes.add(1, taken);
    Some(takes)
}

#[test]
fn a_third_of_a_euro_is_paid_back_three_times_and_makes_a_euro() {
    let mut known = known_of(3, 100, 16);
    let mut worth = Vec::new();
    for _ in 0..3 {
        let takes = passes(&chairs(1), &known).unwrap();
        worth.push(takes.lines[&1].worth.gross.to_string());
        known.returnable = known
            .returnable
            .moved("return/a/1", &Takes::default(), &takes);
    }
    assert_eq!(worth, ["0.33 EUR", "0.34 EUR", "0.33 EUR"]);
}

#[test]
fn what_is_given_back_is_worth_the_same_when_it_comes_again() {
    let mut known = known_of(3, 100, 0);
    let nothing = Takes::default();
    let one = passes(&chairs(1), &known).unwrap();
    known.returnable = known.returnable.moved("return/a/1", &nothing, &one);
    let two = passes(&chairs(1), &known).unwrap();
    known.returnable = known.returnable.moved("return/a/2", &nothing, &two);
    known.returnable = known.returnable.moved("return/a/1", &one, &nothing);
    let rest = passes(&chairs(2), &known).unwrap();
    let sum = two.lines[&1].worth.plus(rest.lines[&1].worth);
    assert_eq!(sum.gross, amount("1.00"));
}

#[test]
fn a_piece_that_came_back_for_nothing_is_not_paid_back_with_the_next() {
    let mut known = known_of(2, 20_000, 0);
    let gift = passes_by(RefundWay::Nothing, &chairs(1), &known).unwrap();
    known.returnable = known
        .returnable
        .moved("return/a/1", &Takes::default(), &gift);
    let next = passes(&chairs(1), &known).unwrap();
    assert_eq!(next.lines[&1].worth.gross, amount("100.00"));
}

proptest! {
    #[test]
    fn all_parts_of_a_line_add_up_to_the_line_as_it_was_sold(
        count in 1..40_u32,
        gross in 0..100_000_i64,
        tax_share in 0..=100_i64,
        steps in prop::collection::vec((1..5_u32, prop::bool::weighted(0.3), 0..8_usize, any::<bool>()), 1..60),
    ) {
        let tax = gross * tax_share / 100;
        let mut known = known_of(count, gross, tax);
        let price = known.sold.as_ref().unwrap().lines[0].price;
        let zero = Credit::zero(euro());
        let mut open: Vec<Takes> = Vec::new();
        let nothing = Takes::default();
        for (wanted, give_back, which, for_nothing) in steps {
            let way = if for_nothing { RefundWay::Nothing } else { RefundWay::Money };
            if give_back && !open.is_empty() {
                let given = open.remove(which % open.len());
                known.returnable = known.returnable.moved("return/a/1", &given, &nothing);
            } else if let Some(takes) = passes_by(way, &chairs(wanted), &known) {
                known.returnable = known.returnable.moved("return/a/1", &nothing, &takes);
                open.push(takes);
            }
            let sum = open.iter().map(|takes| takes.lines[&1].worth).fold(zero, Credit::plus);
            prop_assert_eq!(known.returnable.worth(1, zero), sum, "the balance is the sum of its returns");
            for takes in &open {
                let worth = takes.lines[&1].worth;
                prop_assert!(!worth.gross.is_negative() && !worth.tax.is_negative() && !worth.net().is_negative());
            }
        }
        // Whatever is left comes back at the end, piece by piece.
        while let Some(takes) = passes(&chairs(1), &known) {
            known.returnable = known.returnable.moved("return/a/1", &nothing, &takes);
        }
        prop_assert_eq!(known.returnable.taken(1), Quantity::from(count));
        prop_assert_eq!(known.returnable.worth(1, zero), price);
    }
}
