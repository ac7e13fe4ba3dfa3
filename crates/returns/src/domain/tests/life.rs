//! The life of a return, from its submission to what the ERP makes of it.

use millrace_event_store::{Decider, given};
use millrace_values::Quantity;

use super::chairs::*;
use crate::domain::line::given_up;
use crate::domain::{
    CancelReason, Command, Disposition, Event, GivenUp, HoldKind, HoldReason, LineDisposition,
    LineQuantity, LineState, LineStatus, Phase, Received, Rejection, ShopReturn, State, Submitted,
    Taken,
};

pub fn after(events: impl IntoIterator<Item = Event>) -> Taken {
    let state: State = events.into_iter().fold(State::default(), |state, event| {
        ShopReturn::evolve(state, &event)
    });
    *state.0.unwrap()
}

pub fn check_again(verdict: crate::domain::Verdict) -> Command {
    Command::CheckAgain { verdict }
}

pub fn refuse() -> Command {
    Command::Refuse {
        text: "worn".into(),
    }
}

fn refused() -> Event {
    Event::Refused {
        text: "worn".into(),
        lines: given_up(&lines()),
    }
}

pub fn cancel(given_up: GivenUp) -> Command {
    Command::Cancel {
        note: "kept it".into(),
        given_up,
    }
}

fn cancelled() -> Event {
    Event::Cancelled {
        reason: CancelReason::ByShop,
        note: "kept it".into(),
        lines: given_up(&lines()),
    }
}

pub fn no() -> HoldReason {
    HoldReason::of_return(HoldKind::ErpRefused, "CUSTOMERBLOCKED", "the ERP says no")
}

fn erp_refused() -> Event {
    Event::ErpRefused {
        reason: no(),
        lines: lines(),
    }
}

pub fn receive(came: &[(u32, u32, Option<Disposition>)]) -> Command {
    let lines = came.iter().map(|(line, count, disposition)| Received {
        line: *line,
        quantity: pieces(*count),
        unit: None,
        disposition: *disposition,
    });
    Command::Receive {
        lines: lines.collect(),
        at: at(),
    }
}

/// Rows 92 and 94.
#[test]
fn a_return_that_keeps_the_rules_is_taken_and_cleared() {
    given::<ShopReturn>([])
        .when(submit(chairs(2)))
        .then([taken(), cleared()]);
}

#[test]
fn a_return_that_breaks_a_rule_is_taken_and_held() {
    let verdict = refusal(&chairs(2));
    let unknown = verdict.lines.clone();
    let Event::Submitted {
        goods,
        content_hash,
        at,
        ..
    } = taken()
    else {
        unreachable!()
    };
    let command = Command::Submit(Submitted {
        verdict,
        ..submitted(chairs(2))
    });
    given::<ShopReturn>([]).when(command).then([
        Event::Submitted {
            goods,
            content_hash,
            at,
            lines: unknown.clone(),
        },
        Event::Held {
            reasons: refusal(&chairs(2)).reasons,
            lines: unknown,
        },
    ]);
}

#[test]
fn the_same_return_again_changes_nothing_whatever_became_of_it() {
    for then in [cleared(), held(), refused(), cancelled()] {
        given::<ShopReturn>([taken(), then])
            .when(submit(chairs(2)))
            .then_nothing();
    }
}

#[test]
fn the_same_number_with_other_content_or_remarks_is_refused() {
    let other = Command::Submit(Submitted {
        content_hash: vec![2],
        ..submitted(chairs(2))
    });
    given::<ShopReturn>([taken(), cleared()])
        .when(other)
        .then_rejected(Rejection::OtherContent);
    let other = Command::Submit(Submitted {
        same_remarks: false,
        ..submitted(chairs(2))
    });
    given::<ShopReturn>([taken(), cleared()])
        .when(other)
        .then_rejected(Rejection::OtherContent);
}

#[test]
fn a_held_return_goes_on_when_what_it_lacked_has_come() {
    given::<ShopReturn>([taken(), held()])
        .when(check_again(verdict(&chairs(2))))
        .then([cleared()]);
    given::<ShopReturn>([taken(), held()])
        .when(check_again(refusal(&chairs(2))))
        .then_nothing();
    given::<ShopReturn>([taken(), cleared()])
        .when(check_again(refusal(&chairs(2))))
        .then_nothing();
}

#[test]
fn a_held_return_is_mended_and_checked() {
    let mend = |expected_version| Command::Mend {
        goods: Box::new(chairs(2)),
        note: "typing error".into(),
        verdict: verdict(&chairs(2)),
        expected_version,
    };
    let mended = Event::Mended {
        goods: Box::new(chairs(2)),
        note: "typing error".into(),
        lines: lines(),
    };
    given::<ShopReturn>([taken(), held()])
        .when(mend(None))
        .then([mended, cleared()]);
    given::<ShopReturn>([taken(), held()])
        .when(mend(Some(1)))
        .then_rejected(Rejection::ChangedMeanwhile {
            expected: 1,
            actual: 2,
        });
    given::<ShopReturn>([taken(), cleared()])
        .when(mend(None))
        .then_rejected(Rejection::NotHeld);
    given::<ShopReturn>([taken(), held(), refused()])
        .when(mend(None))
        .then_rejected(Rejection::Ended);
}

#[test]
fn a_person_says_no_once_and_for_ever() {
    given::<ShopReturn>([taken(), held()])
        .when(refuse())
        .then([refused()]);
    given::<ShopReturn>([taken(), held(), refused()])
        .when(refuse())
        .then_nothing();
    given::<ShopReturn>([taken(), held(), refused()])
        .when(check_again(verdict(&chairs(2))))
        .then_nothing();
    given::<ShopReturn>([taken(), cleared()])
        .when(refuse())
        .then_rejected(Rejection::NotHeld);
    let ended = after([taken(), held(), refused()]);
    assert_eq!(ended.refusal, "worn");
    assert_eq!(ended.lines[0].state(), LineState::Cancelled);
}

#[test]
fn what_the_erp_refused_is_held_until_a_person_says_otherwise() {
    given::<ShopReturn>([taken(), cleared()])
        .when(Command::ErpRefused { reason: no() })
        .then([erp_refused()]);
    given::<ShopReturn>([taken(), cleared(), erp_refused()])
        .when(check_again(verdict(&chairs(2))))
        .then_nothing();
    let again = Command::Retry {
        verdict: verdict(&chairs(2)),
    };
    given::<ShopReturn>([taken(), cleared(), erp_refused()])
        .when(again)
        .then([cleared()]);
    let once = after([taken(), cleared()]).revision();
    let twice = after([taken(), cleared(), erp_refused(), cleared()]).revision();
    assert!(twice > once, "the ERP may take other content");
}

#[test]
fn only_a_return_that_passed_has_anything_of_its_order() {
    assert_eq!(after([taken(), held()]).takes(), Default::default());
    let has = after([taken(), cleared()]).takes();
    assert_eq!(has.lines[&1].quantity, pieces(2));
    assert_eq!(has.lines[&1].worth, credit("238.00", "38.00"));
    for given_back in [erp_refused(), cancelled()] {
        let takes = after([taken(), cleared(), given_back]).takes();
        assert_eq!(takes, Default::default());
    }
}

#[test]
fn a_return_is_given_up_until_goods_came_back() {
    given::<ShopReturn>([taken(), held()])
        .when(cancel(GivenUp::HereAlone))
        .then([cancelled()]);
    given::<ShopReturn>([taken(), cleared()])
        .when(cancel(GivenUp::NotInErp))
        .then([cancelled()]);
    given::<ShopReturn>([taken(), cleared(), posted()])
        .when(cancel(GivenUp::InErp))
        .then([cancelled()]);
    given::<ShopReturn>([taken(), held(), cancelled()])
        .when(cancel(GivenUp::HereAlone))
        .then_nothing();
    given::<ShopReturn>([taken(), cleared()])
        .when(cancel(GivenUp::HereAlone))
        .then_rejected(Rejection::OnItsWay);
    given::<ShopReturn>([taken(), held(), refused()])
        .when(cancel(GivenUp::HereAlone))
        .then_rejected(Rejection::Ended);
    let came = Event::Received {
        received: vec![],
        receipts: vec![],
        credits: vec![],
        at: at(),
        lines: here(2),
    };
    given::<ShopReturn>([taken(), cleared(), came])
        .when(cancel(GivenUp::NotInErp))
        .then_rejected(Rejection::GoodsReceived);
}

/// Two chairs of which so many are here, and no more will come.
pub fn here(count: u32) -> Vec<LineStatus> {
    let lines = lines().into_iter().map(|line| LineStatus {
        received: pieces(count),
        cancelled: pieces(2) - pieces(count),
        ..line
    });
    lines.collect()
}

#[test]
fn goods_that_came_back_without_the_erp_are_told_with_what_becomes_of_them() {
    let received = Event::Received {
        received: vec![LineQuantity {
            line: 1,
            quantity: pieces(2),
        }],
        receipts: vec![],
        credits: vec![],
        at: at(),
        lines: here(2),
    };
    given::<ShopReturn>([taken(), cleared()])
        .when(receive(&[]))
        .then([received.clone()]);
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
    given::<ShopReturn>([taken(), cleared()])
        .when(receive(&[(1, 2, Some(Disposition::Scrapped))]))
        .then([received.clone(), inspected]);
    given::<ShopReturn>([taken(), cleared(), received.clone()])
        .when(receive(&[]))
        .then_nothing();
    given::<ShopReturn>([taken(), cleared(), received])
        .when(receive(&[(1, 1, None)]))
        .then_rejected(Rejection::ReceivedBefore);
}

#[test]
fn what_did_not_come_back_is_given_back_and_worth_nothing() {
    let state = ShopReturn::replay(&[taken(), cleared()]);
    let events = ShopReturn::decide(&state, receive(&[(1, 1, None)])).unwrap();
    let taken = events.iter().fold(state, ShopReturn::evolve).0.unwrap();
    assert_eq!(taken.lines, here(1));
    assert_eq!(taken.takes().lines[&1].quantity, pieces(1));
    assert_eq!(taken.takes().lines[&1].worth, credit("119.00", "19.00"));
}

#[test]
fn more_than_was_asked_for_or_nothing_or_another_line_does_not_come_back() {
    let said = |came: &[(u32, u32, Option<Disposition>)], rejection| {
        given::<ShopReturn>([taken(), cleared()])
            .when(receive(came))
            .then_rejected(rejection);
    };
    said(&[(1, 3, None)], Rejection::NotSoMany(1));
    said(&[(7, 1, None)], Rejection::UnknownLine(7));
    said(&[(1, 0, None)], Rejection::NothingReceived);
    given::<ShopReturn>([taken(), held()])
        .when(receive(&[]))
        .then_rejected(Rejection::Held);
    given::<ShopReturn>([taken(), held(), cancelled()])
        .when(receive(&[]))
        .then_rejected(Rejection::Ended);
}

#[test]
fn nothing_can_be_said_of_a_return_nobody_submitted() {
    given::<ShopReturn>([])
        .when(refuse())
        .then_rejected(Rejection::Unknown);
    given::<ShopReturn>([])
        .when(Command::Observed(seen()))
        .then_rejected(Rejection::Unknown);
}

#[test]
fn the_state_of_a_line_is_read_off_its_quantities() {
    let line = |received: u32, inspected: u32, credited: u32, cancelled: u32| LineStatus {
        received: pieces(received),
        restocked: pieces(inspected),
        credited: pieces(credited),
        cancelled: pieces(cancelled),
        scrapped: Quantity::ZERO,
        ..lines().remove(0)
    };
    let told = [
        (line(0, 0, 0, 0), LineState::Requested),
        (line(1, 0, 0, 0), LineState::PartlyReceived),
        (line(2, 0, 0, 0), LineState::Received),
        (line(1, 0, 0, 1), LineState::Received),
        (line(2, 1, 0, 0), LineState::Received),
        (line(2, 2, 0, 0), LineState::Inspected),
        (line(2, 2, 1, 0), LineState::Inspected),
        (line(2, 0, 2, 0), LineState::Credited),
        (line(0, 0, 0, 2), LineState::Cancelled),
    ];
    for (line, state) in told {
        assert_eq!(line.state(), state, "{line:?}");
    }
    assert_eq!(after([taken(), cleared(), posted()]).phase, Phase::Posted);
}
