//! Parts of a line add up to the line, to the cent, whatever is given back in between.

use millrace_values::{Amount, Decimal, Quantity};
use proptest::prelude::*;

use super::chairs::*;
use crate::domain::check::check;
use crate::domain::{Credit, Known, Return, Takes};

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
    let verdict = check(goods, &rules(), known, at());
    let credit = verdict.credits.first()?;
    let mut takes = Takes::default();
    takes.add(1, goods.lines[0].quantity, credit.amount);
    Some(takes)
}

#[test]
fn a_third_of_a_euro_is_paid_back_three_times_and_makes_a_euro() {
    let mut known = known_of(3, 100, 16);
    let mut worth = Vec::new();
    for _ in 0..3 {
        let takes = passes(&chairs(1), &known).unwrap();
        worth.push(takes.lines[&1].credit.gross.to_string());
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
    let sum = two.lines[&1].credit.plus(rest.lines[&1].credit);
    assert_eq!(sum.gross, amount("1.00"));
}

proptest! {
    #[test]
    fn all_parts_of_a_line_add_up_to_the_line_as_it_was_sold(
        count in 1..40_u32,
        gross in 0..100_000_i64,
        tax_share in 0..=100_i64,
        steps in prop::collection::vec((1..5_u32, prop::bool::weighted(0.3), 0..8_usize), 1..60),
    ) {
        let tax = gross * tax_share / 100;
        let mut known = known_of(count, gross, tax);
        let price = known.sold.as_ref().unwrap().lines[0].price;
        let zero = Credit::zero(euro());
        let mut open: Vec<Takes> = Vec::new();
        let nothing = Takes::default();
        for (wanted, give_back, which) in steps {
            if give_back && !open.is_empty() {
                let given = open.remove(which % open.len());
                known.returnable = known.returnable.moved("return/a/1", &given, &nothing);
            } else if let Some(takes) = passes(&chairs(wanted), &known) {
                known.returnable = known.returnable.moved("return/a/1", &nothing, &takes);
                open.push(takes);
            }
            let sum = open.iter().map(|takes| takes.lines[&1].credit).fold(zero, Credit::plus);
            prop_assert_eq!(known.returnable.promised(1, zero), sum, "the balance is the sum of its returns");
            for takes in &open {
                let credit = takes.lines[&1].credit;
                prop_assert!(!credit.gross.is_negative() && !credit.tax.is_negative() && !credit.net().is_negative());
            }
        }
        // Whatever is left comes back at the end, piece by piece.
        while let Some(takes) = passes(&chairs(1), &known) {
            known.returnable = known.returnable.moved("return/a/1", &nothing, &takes);
        }
        prop_assert_eq!(known.returnable.taken(1), Quantity::from(count));
        prop_assert_eq!(known.returnable.promised(1, zero), price);
    }
}
