//! Requested, posted, picked up; or ended otherwise.

use jiff::civil::date;
use millrace_event_store::given;
use millrace_values::CustomerNumber;

use super::*;
use crate::domain::{Rejection as Not, StoreReservation as R};

#[test]
fn a_shop_reserves_once_and_the_same_again_is_the_same() {
    given::<R>([])
        .when(Command::Request(asked()))
        .then([requested()]);
    given::<R>([requested()])
        .when(Command::Request(asked()))
        .then_nothing();
}

#[test]
fn a_number_stands_for_one_content_and_one_person() {
    let other = Requested {
        content_hash: vec![8],
        ..asked()
    };
    given::<R>([requested()])
        .when(Command::Request(other))
        .then_rejected(Not::OtherContent);
    let somebody_else = Requested {
        same_person: false,
        ..asked()
    };
    given::<R>([requested()])
        .when(Command::Request(somebody_else))
        .then_rejected(Not::OtherContent);
}

#[test]
fn what_was_found_is_put_aside_and_the_rest_is_cancelled() {
    given::<R>([requested()])
        .when(post(&[(1, 2), (2, 0)]))
        .then([posted()]);
}

#[test]
fn a_store_that_says_it_again_is_answered_and_one_that_says_otherwise_is_refused() {
    given::<R>([requested(), posted()])
        .when(post(&[(1, 2), (2, 0)]))
        .then_nothing();
    given::<R>([requested(), posted()])
        .when(post(&[]))
        .then_rejected(Not::PostedBefore);
}

#[test]
fn nothing_found_cancels_all() {
    let mut lines = vec![line(1, 3), line(2, 1)];
    (lines[0].cancelled, lines[1].cancelled) = (pieces(3), pieces(1));
    given::<R>([requested()])
        .when(post(&[(1, 0), (2, 0)]))
        .then([Event::Cancelled {
            reason: CancelReason::NotFound,
            note: String::new(),
            lines,
        }]);
}

#[test]
fn nobody_finds_more_than_was_asked_for_or_a_line_that_is_not_there() {
    given::<R>([requested()])
        .when(post(&[(1, 4)]))
        .then_rejected(Not::NotSoMany(1));
    given::<R>([requested()])
        .when(post(&[(9, 1)]))
        .then_rejected(Not::UnknownLine(9));
}

#[test]
fn who_comes_in_time_gets_what_was_put_aside_once() {
    given::<R>([requested(), posted()])
        .when(pick_up())
        .then([picked_up()]);
    given::<R>([requested(), posted(), picked_up()])
        .when(pick_up())
        .then_rejected(Not::PickedUpBefore);
    given::<R>([requested()])
        .when(pick_up())
        .then_rejected(Not::NotPosted);
}

#[test]
fn nobody_gets_what_is_somebody_elses() {
    let customer = Some(CustomerNumber::parse("C-2").unwrap());
    given::<R>([requested(), posted()])
        .when(Command::PickUp { customer })
        .then_rejected(Not::WrongCustomer);
}

#[test]
fn what_has_ended_absorbs_what_comes_late() {
    let end = || [requested(), posted(), picked_up()];
    given::<R>(end()).when(cancel()).then_rejected(Not::Ended);
    given::<R>(end())
        .when(expire(date(2027, 1, 1)))
        .then_nothing();
    given::<R>(end())
        .when(post(&[(1, 2), (2, 0)]))
        .then_rejected(Not::Ended);
    given::<R>(end()).when(Command::Remind).then_nothing();
}

#[test]
fn goods_wait_to_the_end_of_their_last_day_and_then_go_back() {
    given::<R>([requested(), posted()])
        .when(expire(LAST))
        .then_nothing();
    let mut lines = posted().lines().to_vec();
    lines[0].returned = pieces(2);
    given::<R>([requested(), posted()])
        .when(expire(date(2026, 12, 1)))
        .then([Event::Expired { lines }]);
}

#[test]
fn what_nobody_looks_for_in_time_is_cancelled() {
    given::<R>([requested()])
        .when(expire(ANSWER))
        .then_nothing();
    let mut lines = vec![line(1, 3), line(2, 1)];
    (lines[0].cancelled, lines[1].cancelled) = (pieces(3), pieces(1));
    given::<R>([requested()])
        .when(expire(date(2026, 11, 29)))
        .then([Event::Cancelled {
            reason: CancelReason::Unanswered,
            note: String::new(),
            lines,
        }]);
}

#[test]
fn a_customer_is_reminded_once() {
    let reminded = Event::Reminded {
        collect_by: LAST,
        lines: posted().lines().to_vec(),
    };
    given::<R>([requested(), posted()])
        .when(Command::Remind)
        .then([reminded.clone()]);
    given::<R>([requested(), posted(), reminded])
        .when(Command::Remind)
        .then_nothing();
}
