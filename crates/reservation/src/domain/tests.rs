//! A reservation's life, rule by rule.

use jiff::civil::{Date, date};
use millrace_event_store::given;
use millrace_values::{
    ChannelCode, CustomerNumber, ErpCode, LocationCode, Quantity, ReservationNumber, Sku, SystemId,
    Timestamp,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use super::{Rejection as Not, StoreReservation as R};
use millrace_event_store::Decider;

const ANSWER: Date = date(2026, 11, 28);
const LAST: Date = date(2026, 11, 30);

fn pieces(count: u32) -> Quantity {
    Quantity::from(count)
}

fn line(number: u32, requested: u32) -> LineStatus {
    LineStatus {
        line: number,
        requested: pieces(requested),
        unit: None,
        found: pieces(0),
        cancelled: pieces(0),
        picked_up: pieces(0),
        returned: pieces(0),
        item: SystemId(Uuid::from_u128(u128::from(number))),
        variant: None,
    }
}

fn reservation() -> Reservation {
    Reservation {
        channel: ChannelCode::parse("furniture").unwrap(),
        number: ReservationNumber::parse("R-1").unwrap(),
        store: LocationCode::parse("STORE-1").unwrap(),
        placed_at: Timestamp(jiff::Timestamp::UNIX_EPOCH),
        customer: Some(CustomerNumber::parse("C-1").unwrap()),
        contact: None,
        lines: vec![Line {
            number: 1,
            item: Sku::parse("1896-S").unwrap(),
            variant: None,
            quantity: pieces(3),
        }],
        erp: ErpCode::parse("bc-main").unwrap(),
    }
}

fn asked() -> Requested {
    Requested {
        reservation: Box::new(reservation()),
        content_hash: vec![7],
        at: Timestamp(jiff::Timestamp::UNIX_EPOCH),
        answer_by: ANSWER,
        lines: vec![line(1, 3), line(2, 1)],
        same_person: true,
    }
}

fn requested() -> Event {
    let Requested {
        reservation,
        content_hash,
        at,
        answer_by,
        lines,
        ..
    } = asked();
    Event::Requested {
        reservation,
        content_hash,
        at,
        answer_by,
        lines,
    }
}

fn post(found: &[(u32, u32)]) -> Command {
    Command::Post {
        found: found
            .iter()
            .map(|(line, count)| (*line, pieces(*count)))
            .collect(),
        document_number: "R-1".to_owned(),
        collect_by: LAST,
    }
}

/// Two of three, and the other line not at all.
fn posted() -> Event {
    let mut lines = vec![line(1, 3), line(2, 1)];
    (lines[0].found, lines[0].cancelled) = (pieces(2), pieces(1));
    lines[1].cancelled = pieces(1);
    Event::Posted {
        document_number: "R-1".to_owned(),
        collect_by: LAST,
        lines,
    }
}

fn picked_up() -> Event {
    let mut lines = posted().lines().to_vec();
    lines[0].picked_up = pieces(2);
    Event::PickedUp { lines }
}

fn cancel() -> Command {
    Command::Cancel {
        reason: CancelReason::ByShop,
        note: String::new(),
    }
}

fn pick_up() -> Command {
    Command::PickUp { customer: None }
}

fn expire(today: Date) -> Command {
    Command::Expire { today }
}

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
        .then_nothing();
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

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Request(asked())),
        (0..5_u32, 0..3_u32).prop_map(|(one, two)| post(&[(1, one), (2, two)])),
        Just(pick_up()),
        Just(cancel()),
        Just(Command::Remind),
        (0..10_i8).prop_map(|day| expire(LAST.saturating_add(jiff::Span::new().days(day - 3)))),
    ]
}

proptest! {
    /// FAULTS.md F25: messages cross in any order. Every line adds up after each, an end stays the end, and then nothing is held.
    #[test]
    fn whatever_crosses_every_line_adds_up_and_an_end_is_final(commands in prop::collection::vec(any_command(), 1..30)) {
        let mut state = State::default();
        let mut held = vec![pieces(0), pieces(0)];
        for command in commands {
            let before = state.clone();
            let Ok(events) = R::decide(&state, command) else { continue };
            if let (Some(taken), Some(last)) = (&before.0, events.last()) {
                prop_assert!(!taken.phase.is_the_end());
                for moved in taken.moves_to(last.lines()) {
                    let at = usize::try_from(moved.shelf.item.0.as_u128()).unwrap() - 1;
                    held[at] = held[at] + moved.quantity;
                }
            }
            state = events.iter().fold(state, R::evolve);
            let Some(taken) = &state.0 else { continue };
            if before.0.is_none() {
                held = taken.lines.iter().map(LineStatus::held).collect();
            }
            for (line, held) in taken.lines.iter().zip(&held) {
                prop_assert!(line.found + line.cancelled <= line.requested);
                prop_assert!(line.picked_up + line.returned <= line.found);
                prop_assert_eq!(line.held(), *held);
                prop_assert!(line.held() >= pieces(0));
                prop_assert!(!taken.phase.is_the_end() || line.held().is_zero());
            }
        }
    }
}

mod days {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::civil::Weekday;
    use jiff::tz::TimeZone;

    use super::*;

    fn store(closed: &[Date]) -> Store {
        let weekdays = [
            Weekday::Monday,
            Weekday::Tuesday,
            Weekday::Wednesday,
            Weekday::Thursday,
            Weekday::Friday,
            Weekday::Saturday,
        ];
        Store {
            location: LocationCode::parse("STORE-1").unwrap(),
            erp: ErpCode::parse("bc-main").unwrap(),
            channels: BTreeSet::new(),
            hours: OpeningHours {
                time_zone: TimeZone::get("Europe/Berlin").unwrap(),
                open_on: weekdays.map(Into::into).into(),
                closed: closed.iter().copied().collect(),
            },
            answer_within: 1,
            keep_for: 3,
            keep_for_channel: BTreeMap::from([(ChannelCode::parse("vip").unwrap(), 5)]),
            remind_before: 1,
            limits: Limits {
                lines: 2,
                quantity_per_line: pieces(5),
                open_per_customer: Some(1),
            },
        }
    }

    fn furniture() -> ChannelCode {
        ChannelCode::parse("furniture").unwrap()
    }

    #[test]
    fn only_days_on_which_the_store_is_open_count() {
        // A Friday; Monday is a holiday.
        let friday: jiff::Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        let store = store(&[date(2026, 11, 30)]);
        assert_eq!(
            store.collect_by(&furniture(), friday),
            date(2026, 12, 2),
            "Saturday, Tuesday, Wednesday"
        );
    }

    #[test]
    fn a_channel_may_have_longer() {
        let friday: jiff::Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        let vip = ChannelCode::parse("vip").unwrap();
        assert_eq!(store(&[]).collect_by(&vip, friday), date(2026, 12, 3));
    }

    #[test]
    fn a_day_ends_in_the_stores_own_time_zone() {
        let late: jiff::Timestamp = "2026-11-27T23:30:00Z".parse().unwrap();
        assert_eq!(store(&[]).hours.day(late), date(2026, 11, 28));
    }

    #[test]
    fn the_reminder_comes_on_the_open_day_before_the_last() {
        let (store, monday) = (store(&[]), date(2026, 11, 30));
        assert!(!store.reminds(monday, date(2026, 11, 27)));
        assert!(store.reminds(monday, date(2026, 11, 28)));
        assert!(store.reminds(monday, date(2026, 11, 29)));
        assert!(!store.reminds(monday, date(2026, 12, 1)));
    }

    #[test]
    fn limits_are_named() {
        let line = |quantity| Line {
            quantity: pieces(quantity),
            ..reservation().lines.remove(0)
        };
        let store = store(&[]);
        assert_eq!(store.beyond(&[line(5), line(1)]), None);
        let reason = |lines: &[Line]| store.beyond(lines).map(|(reason, _)| reason);
        assert_eq!(reason(&[line(6)]), Some("QUANTITY_TOO_LARGE"));
        assert_eq!(reason(&[line(1), line(1), line(1)]), Some("TOO_MANY_LINES"));
    }
}
