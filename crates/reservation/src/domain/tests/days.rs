//! Days on which a store is open.

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
        reservation_warehouse: None,
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
