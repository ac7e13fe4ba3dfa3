//! Goods that are here, as a person says: what the ERP makes of them, and what somebody decides later.

use millrace_event_store::{Decider, given};
use millrace_values::UnitCode;

use super::chairs::*;
use super::life::{after, cancel, check_again, here, no, receive, refuse};
use crate::domain::{
    Command, Disposition, Event, GivenUp, LineDisposition, Phase, Received, Rejection, ShopReturn,
};

/// One of two chairs came back, as a person said, and the ERP does not want it.
fn here_and_refused() -> Vec<Event> {
    let mut events = vec![taken(), cleared()];
    for command in [
        receive(&[(1, 1, Some(Disposition::Repair))]),
        Command::ErpRefused { reason: no() },
    ] {
        let state = ShopReturn::replay(&events);
        events.extend(ShopReturn::decide(&state, command).unwrap());
    }
    events
}

#[test]
fn goods_that_are_here_stay_taken_when_the_erp_refuses_them_and_go_out_again_as_they_are() {
    let before = after(here_and_refused());
    assert_eq!(before.phase, Phase::Held);
    assert_eq!(before.takes().lines[&1].quantity, pieces(1));
    assert_eq!(before.takes().lines[&1].worth, credit("119.00", "19.00"));
    // The rules would find something else by now.
    for verdict in [verdict(&chairs(2)), refusal(&chairs(2))] {
        given::<ShopReturn>(here_and_refused())
            .when(check_again(verdict.clone()))
            .then_nothing();
        given::<ShopReturn>(here_and_refused())
            .when(Command::Retry { verdict })
            .then([Event::Cleared {
                credits: before.credits.clone(),
                freight: None,
                location: before.location.clone(),
                lines: before.lines.clone(),
            }]);
    }
    assert_eq!(before.lines[0].received, pieces(1));
    assert_eq!(before.lines[0].repair, pieces(1));
    assert_eq!(before.lines[0].cancelled, pieces(1));
}

#[test]
fn goods_that_are_here_are_neither_given_up_nor_mended_nor_refused_however_they_are_held() {
    let mend = Command::Mend {
        goods: Box::new(chairs(2)),
        note: "typing error".into(),
        verdict: verdict(&chairs(2)),
        expected_version: None,
    };
    for command in [cancel(GivenUp::HereAlone), mend, refuse()] {
        given::<ShopReturn>(here_and_refused())
            .when(command)
            .then_rejected(Rejection::GoodsReceived);
    }
    given::<ShopReturn>(here_and_refused())
        .when(receive(&[(1, 1, None)]))
        .then_nothing();
}

#[test]
fn what_somebody_decides_after_the_goods_came_is_told_and_only_once() {
    let mut events = vec![taken(), cleared()];
    let mut said = |came: &[(u32, u32, Option<Disposition>)]| {
        let state = ShopReturn::replay(&events);
        let told = ShopReturn::decide(&state, receive(came));
        events.extend(told.clone().unwrap_or_default());
        told
    };
    assert_eq!(said(&[]).unwrap().len(), 1);
    let scrapped = [(1, 2, Some(Disposition::Scrapped))];
    let mut lines = here(2);
    lines[0].scrapped = pieces(2);
    let inspected = Event::Inspected {
        dispositions: vec![LineDisposition {
            line: 1,
            disposition: Disposition::Scrapped,
            quantity: pieces(2),
        }],
        at: at(),
        lines,
    };
    assert_eq!(said(&scrapped), Ok(vec![inspected]));
    assert_eq!(said(&scrapped), Ok(vec![]));
    assert_eq!(said(&[]), Ok(vec![]));
    let otherwise = said(&[(1, 2, Some(Disposition::Restocked))]);
    assert_eq!(otherwise, Err(Rejection::ReceivedBefore));
}

#[test]
fn what_came_back_is_counted_in_the_unit_of_its_line() {
    let in_unit = |unit: &str| Command::Receive {
        lines: vec![Received {
            line: 1,
            quantity: pieces(2),
            unit: Some(UnitCode::parse(unit).unwrap()),
            disposition: None,
        }],
        at: at(),
    };
    given::<ShopReturn>([taken(), cleared()])
        .when(in_unit("BOX"))
        .then_rejected(Rejection::OtherUnit(1));
    let state = ShopReturn::replay(&[taken(), cleared()]);
    assert!(ShopReturn::decide(&state, in_unit("PCS")).is_ok());
}
