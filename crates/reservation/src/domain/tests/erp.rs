//! What the ERP says of it, and what its figures do.

use millrace_event_store::given;

use super::*;
use crate::domain::StoreReservation as R;

#[test]
fn what_people_do_in_the_erp_is_told_as_if_it_was_done_here() {
    use TransferState::{Cancelled, Open, Posted, Returned};
    given::<R>([requested()])
        .when(observe(Open))
        .then([placed()]);
    given::<R>([requested(), placed()])
        .when(observe(Posted))
        .then([posted_there()]);
    // Whoever moves it back to the store does it for the customer who is there.
    given::<R>([requested(), placed(), posted_there()])
        .when(observe(Returned))
        .then([picked_up(), settled(Returned, &picked_up())]);
    let not_found = cancelled(CancelReason::NotFound);
    given::<R>([requested(), placed()])
        .when(observe(Cancelled))
        .then([not_found.clone(), settled(Cancelled, &not_found)]);
}

#[test]
fn what_was_put_aside_and_fetched_unseen_is_told_whole() {
    use TransferState::Returned;
    let posted = Event::Posted {
        document_number: "T-1".to_owned(),
        collect_by: LAST,
        transfer: Some(transfer(Returned)),
        lines: posted().lines().to_vec(),
    };
    given::<R>([requested()]).when(observe(Returned)).then([
        posted,
        picked_up(),
        settled(Returned, &picked_up()),
    ]);
}

#[test]
fn an_erp_that_forgot_it_and_was_asked_anew_is_told_of_anew() {
    let anew = |command: Command| match command {
        Command::Observe {
            mut observed,
            collect_by,
        } => {
            observed.transfer.system_id = SystemId(Uuid::from_u128(100));
            Command::Observe {
                observed,
                collect_by,
            }
        }
        other => other,
    };
    let again = Event::Placed {
        transfer: Transfer {
            system_id: SystemId(Uuid::from_u128(100)),
            ..transfer(TransferState::Open)
        },
        lines: vec![line(1, 3), line(2, 1)],
    };
    given::<R>([requested(), placed()])
        .when(anew(observe(TransferState::Open)))
        .then([again]);
}

#[test]
fn what_the_erp_says_again_or_late_changes_nothing() {
    use TransferState::{Open, Posted};
    given::<R>([requested(), placed()])
        .when(observe(Open))
        .then_nothing();
    given::<R>([requested(), placed(), posted_there()])
        .when(observe(Posted))
        .then_nothing();
    given::<R>([requested(), cancelled(CancelReason::ByShop)])
        .when(observe(Posted))
        .then_nothing();
}

#[test]
fn what_has_ended_here_is_settled_once_it_has_ended_there() {
    use TransferState::Returned;
    let given_up = || cancelled(CancelReason::ByShop);
    let settled = settled(Returned, &given_up());
    given::<R>([requested(), placed(), given_up()])
        .when(observe(Returned))
        .then([settled.clone()]);
    given::<R>([requested(), placed(), given_up(), settled])
        .when(observe(Returned))
        .then_nothing();
}

#[test]
fn what_the_erp_refuses_is_cancelled_with_its_code() {
    let Event::Cancelled { lines, .. } = cancelled(CancelReason::RefusedByErp) else {
        unreachable!()
    };
    let refused = Command::RefusedByErp {
        code: "ITEM_BLOCKED".to_owned(),
    };
    given::<R>([requested()])
        .when(refused.clone())
        .then([Event::Cancelled {
            reason: CancelReason::RefusedByErp,
            note: "ITEM_BLOCKED".to_owned(),
            lines,
        }]);
    given::<R>([requested(), posted()])
        .when(refused.clone())
        .then_nothing();
    // It has the first one: that it does not take another changes nothing.
    given::<R>([requested(), placed()])
        .when(refused)
        .then_nothing();
}

#[test]
fn a_shortfall_is_told_whenever_it_changes_until_the_goods_are_found() {
    let short = |count| {
        let mut lines = vec![line(1, 3), line(2, 1)];
        lines[0].short = pieces(count);
        Event::Short { lines }
    };
    let miss = |count| Command::Miss {
        missing: vec![(1, pieces(count))],
    };
    given::<R>([requested()]).when(miss(2)).then([short(2)]);
    given::<R>([requested(), short(2)])
        .when(miss(2))
        .then_nothing();
    given::<R>([requested(), short(2)])
        .when(miss(0))
        .then([short(0)]);
    given::<R>([requested(), short(2)])
        .when(post(&[(1, 2), (2, 0)]))
        .then([posted()]);
    given::<R>([requested(), posted()])
        .when(miss(2))
        .then_nothing();
}
