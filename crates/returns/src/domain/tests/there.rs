//! A return that the ERP has lost, or has twice; and what is said of it when it is here already.

use millrace_event_store::{Decider, given};

use super::chairs::*;
use crate::domain::{
    Command, Disposition, Document, Event, LineDisposition, LineSeen, LineStatus, Received,
    Rejection, Seen, ShopReturn, State,
};

fn lost() -> Event {
    Event::Lost { lines: lines() }
}

/// Both chairs are here.
fn here() -> Vec<LineStatus> {
    let here = lines().into_iter().map(|line| LineStatus {
        received: pieces(2),
        ..line
    });
    here.collect()
}

fn came(receipts: Vec<String>) -> Event {
    Event::Received {
        received: vec![],
        receipts,
        credits: vec![],
        at: at(),
        lines: here(),
    }
}

/// Both are credited, by a document of this id.
fn credited_by(id: &str, memo: &str) -> Seen {
    Seen {
        document: Document {
            system_id: millrace_values::SystemId::parse(id).unwrap(),
            number: memo.into(),
        },
        lines: vec![LineSeen {
            line: 1,
            received: pieces(0),
            restocked: pieces(0),
            scrapped: pieces(0),
            repair: pieces(0),
            credited: pieces(2),
        }],
        credit_memos: vec![memo.into()],
        credited: Some(credit("238.00", "38.00")),
        ..seen()
    }
}

#[test]
fn what_the_erp_has_lost_it_gets_anew_unless_something_was_done_with_it_there() {
    given::<ShopReturn>([taken(), cleared(), posted()])
        .when(Command::Gone)
        .then([lost()]);
    given::<ShopReturn>([taken(), cleared(), posted(), lost()])
        .when(Command::Observed(seen()))
        .then([posted()]);
    given::<ShopReturn>([taken(), cleared(), posted(), came(vec!["RR-1".into()])])
        .when(Command::Gone)
        .then_nothing();
    for untouched in [vec![taken(), held()], vec![taken(), cleared()]] {
        given::<ShopReturn>(untouched)
            .when(Command::Gone)
            .then_nothing();
    }
}

#[test]
fn a_second_document_credits_its_own_amount_and_nobody_is_paid_twice() {
    let other = "6d115c9c-44e3-ea11-bb43-000d3a2feca1";
    let mut state = [taken(), cleared(), came(vec![]), posted()]
        .iter()
        .fold(State::default(), ShopReturn::evolve);
    let document = document();
    let own = Seen {
        document,
        ..credited_by(other, "CM-1")
    };
    for seen in [own.clone(), credited_by(other, "CM-2"), own] {
        let events = ShopReturn::decide(&state, Command::Observed(seen)).unwrap();
        state = events.iter().fold(state, ShopReturn::evolve);
    }
    let taken = state.0.unwrap();
    assert_eq!(taken.credited, Some(credit("476.00", "76.00")));
    assert_eq!(taken.credit_memos, ["CM-1", "CM-2"]);
    let announced: Vec<_> = taken.refunds.values().copied().collect();
    assert_eq!(announced, [amount("238.00")]);
}

#[test]
fn what_becomes_of_goods_may_be_said_after_they_came_and_is_said_once() {
    let receive = |disposition| Command::Receive {
        lines: vec![Received {
            line: 1,
            quantity: pieces(2),
            unit: None,
            disposition,
        }],
        at: at(),
    };
    let scrapped = || Event::Inspected {
        dispositions: vec![LineDisposition {
            line: 1,
            disposition: Disposition::Scrapped,
            quantity: pieces(2),
        }],
        at: at(),
        lines: here()
            .into_iter()
            .map(|line| LineStatus {
                scrapped: pieces(2),
                ..line
            })
            .collect(),
    };
    given::<ShopReturn>([taken(), cleared(), came(vec![])])
        .when(receive(Some(Disposition::Scrapped)))
        .then([scrapped()]);
    for same in [Some(Disposition::Scrapped), None] {
        given::<ShopReturn>([taken(), cleared(), came(vec![]), scrapped()])
            .when(receive(same))
            .then_nothing();
    }
    given::<ShopReturn>([taken(), cleared(), came(vec![]), scrapped()])
        .when(receive(Some(Disposition::Restocked)))
        .then_rejected(Rejection::ReceivedBefore);
}
