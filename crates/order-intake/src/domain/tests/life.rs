//! The life of an order, from its acceptance to the last credit memo.

use millrace_event_store::{Decider, given};
use millrace_values::{Amount, Currency, CustomerNumber};

use super::acts::*;
use super::sales::{amount, at, chairs, channel, decimal, known, verdict};
use crate::domain::{
    Command, DocumentKind, Event, Known, Phase, Rejection, ShopOrder, Submitted, check,
};

#[test]
fn an_order_that_is_right_is_taken_and_cleared() {
    given::<ShopOrder>([])
        .when(submit(chairs()))
        .then([accepted(), cleared()]);
}

#[test]
fn an_order_that_breaks_a_rule_is_taken_and_held() {
    let held = Event::Held {
        reasons: nothing_known().reasons,
        lines: nothing_known().lines,
    };
    let command = Command::Submit(Submitted {
        verdict: nothing_known(),
        ..submitted(chairs())
    });
    let accepted = Event::Accepted {
        order: Box::new(chairs()),
        content_hash: vec![1],
        at: at(),
        lines: nothing_known().lines,
    };
    given::<ShopOrder>([]).when(command).then([accepted, held]);
}

#[test]
fn the_same_order_again_changes_nothing() {
    given::<ShopOrder>([accepted(), cleared()])
        .when(submit(chairs()))
        .then_nothing();
}

#[test]
fn the_same_order_again_changes_nothing_when_it_is_in_the_erp_or_given_up() {
    given::<ShopOrder>([accepted(), cleared(), posted()])
        .when(submit(chairs()))
        .then_nothing();
    given::<ShopOrder>([accepted(), held(), dropped()])
        .when(submit(chairs()))
        .then_nothing();
}

#[test]
fn the_same_number_with_other_content_is_refused() {
    let other = Command::Submit(Submitted {
        content_hash: vec![2],
        ..submitted(chairs())
    });
    given::<ShopOrder>([accepted(), cleared()])
        .when(other)
        .then_rejected(Rejection::OtherContent);
}

#[test]
fn the_same_number_for_another_person_is_refused() {
    let other = Command::Submit(Submitted {
        same_person: false,
        ..submitted(chairs())
    });
    given::<ShopOrder>([accepted(), cleared()])
        .when(other)
        .then_rejected(Rejection::OtherContent);
}

#[test]
fn a_held_order_is_cleared_when_what_it_lacked_has_come() {
    let again = Command::CheckAgain {
        verdict: verdict(&chairs()),
    };
    given::<ShopOrder>([accepted(), held()])
        .when(again)
        .then([cleared()]);
}

#[test]
fn a_held_order_is_held_for_the_reasons_that_are_left() {
    let mut order = chairs();
    order.payment_method = "shells".into();
    let all = check::check(&order, &channel(), &Known::default());
    let left = check::check(&order, &channel(), &known());
    let before = Event::Held {
        reasons: all.reasons,
        lines: all.lines,
    };
    let after = Event::Held {
        reasons: left.reasons.clone(),
        lines: left.lines.clone(),
    };
    given::<ShopOrder>([accepted(), before])
        .when(Command::CheckAgain { verdict: left })
        .then([after]);
}

#[test]
fn checking_again_with_the_same_outcome_changes_nothing() {
    given::<ShopOrder>([accepted(), held()])
        .when(Command::CheckAgain {
            verdict: nothing_known(),
        })
        .then_nothing();
}

#[test]
fn a_cleared_order_is_not_checked_again() {
    given::<ShopOrder>([accepted(), cleared()])
        .when(Command::CheckAgain {
            verdict: nothing_known(),
        })
        .then_nothing();
}

#[test]
fn the_erps_answer_makes_it_posted() {
    given::<ShopOrder>([accepted(), cleared()])
        .when(post("238.00"))
        .then([posted()]);
}

#[test]
fn the_erps_answer_again_changes_nothing() {
    given::<ShopOrder>([accepted(), cleared(), posted()])
        .when(post("238.00"))
        .then_nothing();
}

/// Row 46.
#[test]
fn what_the_erp_booked_otherwise_is_recorded_and_nothing_is_changed() {
    let Event::Posted {
        document,
        customer,
        lines,
        ..
    } = posted()
    else {
        unreachable!()
    };
    let differing = Event::Posted {
        document,
        customer,
        total_difference: Some(amount("-0.01")),
        lines,
    };
    given::<ShopOrder>([accepted(), cleared()])
        .when(post("237.99"))
        .then([differing]);
}

#[test]
fn what_the_erp_booked_in_another_currency_differs_as_a_whole() {
    let dollars = Currency::parse("USD").unwrap();
    let booked = Amount::new(dollars, decimal("238.00")).unwrap();
    let post = Command::Posted {
        document: document(DocumentKind::SalesOrder, 1),
        customer_system_id: None,
        customer: CustomerNumber::parse("10000").unwrap(),
        booked_gross: booked,
    };
    let posted = given_state([accepted(), cleared()], post);
    assert_eq!(posted.total_difference, Some(booked));
}

#[test]
fn what_the_erp_refuses_is_held_for_its_reason() {
    given::<ShopOrder>([accepted(), cleared()])
        .when(refuse())
        .then([refused()]);
}

#[test]
fn what_the_erp_refused_is_not_cleared_by_checks_alone() {
    let again = Command::CheckAgain {
        verdict: verdict(&chairs()),
    };
    given::<ShopOrder>([accepted(), cleared(), refused()])
        .when(again)
        .then_nothing();
}

#[test]
fn what_the_erp_refused_is_tried_again_when_a_person_says_so() {
    let again = Command::Retry {
        verdict: verdict(&chairs()),
    };
    given::<ShopOrder>([accepted(), cleared(), refused()])
        .when(again)
        .then([cleared()]);
}

#[test]
fn trying_again_twice_changes_nothing_the_second_time() {
    let again = Command::Retry {
        verdict: verdict(&chairs()),
    };
    given::<ShopOrder>([accepted(), cleared(), refused(), cleared()])
        .when(again)
        .then_nothing();
}

#[test]
fn a_held_order_is_mended_and_checked() {
    given::<ShopOrder>([accepted(), held()])
        .when(mend(None))
        .then([mended(), cleared()]);
}

#[test]
fn what_the_erp_is_given_has_a_higher_revision_after_every_clearance() {
    let once = state([accepted(), cleared()]).revision();
    assert_eq!(once, 1);
    let retried = state([accepted(), cleared(), refused(), cleared()]).revision();
    assert!(retried > once, "a setting may have changed");
    let held_first = state([accepted(), held(), mended(), cleared()]).revision();
    assert!(held_first > once, "mended before it was ever posted");
    let mended = state([accepted(), cleared(), refused(), mended(), cleared()]).revision();
    assert!(mended > retried);
}

#[test]
fn an_attempt_that_is_repeated_has_the_same_revision() {
    let again = Command::Retry {
        verdict: verdict(&chairs()),
    };
    let once = state([accepted(), cleared()]).revision();
    assert_eq!(given_state([accepted(), cleared()], again).revision(), once);
    assert_eq!(
        state([accepted(), cleared(), refused()]).revision(),
        once,
        "a late answer of the same attempt"
    );
}

#[test]
fn an_order_that_changed_meanwhile_is_not_mended() {
    given::<ShopOrder>([accepted(), held()])
        .when(mend(Some(1)))
        .then_rejected(Rejection::ChangedMeanwhile {
            expected: 1,
            actual: 2,
        });
}

/// Row 50.
#[test]
fn an_order_in_the_erp_is_neither_mended_nor_given_up() {
    given::<ShopOrder>([accepted(), cleared(), posted()])
        .when(mend(None))
        .then_rejected(Rejection::InErp);
    given::<ShopOrder>([accepted(), cleared(), posted()])
        .when(give_up())
        .then_rejected(Rejection::InErp);
}

#[test]
fn an_order_on_its_way_into_the_erp_is_neither_mended_nor_given_up() {
    given::<ShopOrder>([accepted(), cleared()])
        .when(mend(None))
        .then_rejected(Rejection::NotHeld);
    given::<ShopOrder>([accepted(), cleared()])
        .when(give_up())
        .then_rejected(Rejection::NotHeld);
}

#[test]
fn a_held_order_is_given_up_for_ever() {
    given::<ShopOrder>([accepted(), held()])
        .when(give_up())
        .then([dropped()]);
    given::<ShopOrder>([accepted(), held(), dropped()])
        .when(give_up())
        .then_nothing();
    given::<ShopOrder>([accepted(), held(), dropped()])
        .when(mend(None))
        .then_rejected(Rejection::GivenUp);
    let again = Command::CheckAgain {
        verdict: verdict(&chairs()),
    };
    given::<ShopOrder>([accepted(), held(), dropped()])
        .when(again)
        .then_nothing();
}

/// Row 59.
#[test]
fn a_shipment_moves_the_lines_it_names() {
    given::<ShopOrder>([accepted(), cleared(), posted()])
        .when(observe(DocumentKind::Shipment, 2, 1))
        .then([shipped(1)]);
}

#[test]
fn a_document_seen_again_changes_nothing() {
    given::<ShopOrder>([accepted(), cleared(), posted(), shipped(1)])
        .when(observe(DocumentKind::Shipment, 2, 1))
        .then_nothing();
}

#[test]
fn a_document_that_comes_before_the_erps_answer_proves_the_posting() {
    let proof = Event::Posted {
        document: document(DocumentKind::Shipment, 2),
        customer: None,
        total_difference: None,
        lines: lines(),
    };
    given::<ShopOrder>([accepted(), cleared()])
        .when(observe(DocumentKind::Shipment, 2, 1))
        .then([proof.clone(), shipped(1)]);

    let unconfirmed = state([accepted(), cleared(), proof.clone(), shipped(1)]);
    assert!(unconfirmed.is_unconfirmed());
    let Event::Posted {
        document,
        customer,
        total_difference,
        ..
    } = posted()
    else {
        unreachable!()
    };
    let confirmed = Event::Posted {
        document,
        customer,
        total_difference,
        lines: unconfirmed.lines,
    };
    given::<ShopOrder>([accepted(), cleared(), proof, shipped(1)])
        .when(post("238.00"))
        .then([confirmed]);
}

#[test]
fn a_document_of_an_order_that_was_given_up_tells_the_truth() {
    let told = given_state([accepted(), held(), dropped()], released());
    assert_eq!(told.phase, Phase::Posted);
    assert_eq!(told.lines, lines(), "its lines are open again");
}

#[test]
fn the_sales_order_itself_seen_again_changes_nothing() {
    given::<ShopOrder>([accepted(), cleared(), posted()])
        .when(released())
        .then_nothing();
}

#[test]
fn a_quantity_reduced_in_the_erp_is_cancelled_once() {
    let reduced = || observe(DocumentKind::SalesOrder, 1, 1);
    let told = given_state([accepted(), cleared(), posted()], reduced());
    assert_eq!(told.lines[0].cancelled, 1.into());
    let mut state = given_events([accepted(), cleared(), posted()]);
    for event in ShopOrder::decide(&state, reduced()).unwrap() {
        state = ShopOrder::evolve(state, &event);
    }
    assert_eq!(ShopOrder::decide(&state, reduced()), Ok(vec![]));
}

#[test]
fn two_cancellations_of_one_order_both_count() {
    let first = observe(DocumentKind::Cancellation, 1, 1);
    let Command::Observed {
        mut document,
        lines,
        carrier,
        tracking_number,
    } = observe(DocumentKind::Cancellation, 1, 1)
    else {
        unreachable!()
    };
    document.row_version = Some(99);
    let second = Command::Observed {
        document,
        lines,
        carrier,
        tracking_number,
    };
    let mut state = given_events([accepted(), cleared(), posted()]);
    for command in [first, second] {
        for event in ShopOrder::decide(&state, command).unwrap() {
            state = ShopOrder::evolve(state, &event);
        }
    }
    let taken = state.0.unwrap();
    assert_eq!(taken.lines[0].cancelled, 2.into());
    assert!(taken.is_cancelled());
}

/// Row 58.
#[test]
fn shipped_and_invoiced_in_full_is_completed_and_a_credit_comes_on_top() {
    let mut state = given_events([accepted(), cleared(), posted()]);
    let steps = [
        (observe(DocumentKind::Shipment, 2, 2), false),
        (observe(DocumentKind::Invoice, 3, 2), true),
        (observe(DocumentKind::CreditMemo, 4, 2), true),
    ];
    for (command, completed) in steps {
        for event in ShopOrder::decide(&state, command).unwrap() {
            state = ShopOrder::evolve(state, &event);
        }
        assert_eq!(state.0.as_ref().unwrap().is_completed(), completed);
    }
    let taken = state.0.unwrap();
    assert_eq!(taken.lines[0].credited, 2.into());
    assert_eq!(taken.documents.len(), 4);
}

#[test]
fn nothing_can_be_said_of_an_order_nobody_took() {
    given::<ShopOrder>([])
        .when(give_up())
        .then_rejected(Rejection::Unknown);
    given::<ShopOrder>([])
        .when(observe(DocumentKind::Shipment, 2, 1))
        .then_rejected(Rejection::Unknown);
}
