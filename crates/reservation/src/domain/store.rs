//! A store as the settings describe it: who may reserve there, how much, and how long goods are kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use millrace_values::{ChannelCode, ErpCode, LocationCode, Quantity};

use super::reservation::Line;

#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    pub location: LocationCode,
    pub erp: ErpCode,
    /// Shops whose customers may reserve here.
    pub channels: BTreeSet<ChannelCode>,
    /// Where it puts aside what is reserved; `None`: as the ERP says.
    pub reservation_warehouse: Option<LocationCode>,
    pub hours: OpeningHours,
    /// Open days within which somebody looks for the goods, the day they are asked for not counted.
    pub answer_within: u16,
    /// Days on which the store is open and the goods wait, the day they are put aside not counted.
    pub keep_for: u16,
    /// Where a channel's customers have longer, or less long.
    pub keep_for_channel: BTreeMap<ChannelCode, u16>,
    /// So many open days before the last one the customer is reminded; 0: never.
    pub remind_before: u16,
    pub limits: Limits,
}

/// How much one reservation, and one customer, may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub lines: usize,
    pub quantity_per_line: Quantity,
    /// `None`: as many as there are goods.
    pub open_per_customer: Option<usize>,
}

/// On which days a store is open.
#[derive(Debug, Clone, PartialEq)]
pub struct OpeningHours {
    pub time_zone: TimeZone,
    pub open_on: BTreeSet<Open>,
    /// Days on which it is closed all the same.
    pub closed: BTreeSet<Date>,
}

/// A weekday, ordered from Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Open(i8);

impl From<Weekday> for Open {
    fn from(day: Weekday) -> Self {
        Self(day.to_monday_zero_offset())
    }
}

/// No store is closed for so long; a list of closed days that says otherwise is not waited for.
const LONGEST_CLOSED: usize = 400;

impl OpeningHours {
    /// The day it is in the store.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.time_zone.clone()).date()
    }

    #[must_use]
    pub fn is_open(&self, day: Date) -> bool {
        self.open_on.contains(&Open::from(day.weekday())) && !self.closed.contains(&day)
    }

    /// The `count`th open day after `day`.
    #[must_use]
    pub fn open_days_after(&self, day: Date, count: u16) -> Date {
        let mut reached = day;
        for _ in 0..count {
            reached = self.next_open(reached);
        }
        reached
    }

    fn next_open(&self, day: Date) -> Date {
        let mut next = day;
        for _ in 0..LONGEST_CLOSED {
            next = next.saturating_add(1.day());
            if self.is_open(next) {
                return next;
            }
        }
        next
    }

    /// Open days after `from`, up to and with `to`.
    #[must_use]
    pub fn open_days_between(&self, from: Date, to: Date) -> usize {
        let mut day = from;
        let mut count = 0;
        while day < to {
            day = day.saturating_add(1.day());
            count += usize::from(self.is_open(day));
        }
        count
    }
}

impl Store {
    /// One that takes no reservations any more. What it has goes on: every day counts, and nobody is reminded.
    #[must_use]
    pub fn given_up(location: &LocationCode, erp: &ErpCode) -> Self {
        Self {
            location: location.clone(),
            erp: erp.clone(),
            channels: BTreeSet::new(),
            reservation_warehouse: None,
            hours: OpeningHours {
                time_zone: TimeZone::UTC,
                open_on: (0..7).map(Open).collect(),
                closed: BTreeSet::new(),
            },
            answer_within: 1,
            keep_for: 3,
            keep_for_channel: BTreeMap::new(),
            remind_before: 0,
            limits: Limits {
                lines: 0,
                quantity_per_line: Quantity::ZERO,
                open_per_customer: None,
            },
        }
    }

    /// Last day on which the store may look for goods asked for at `at`.
    #[must_use]
    pub fn answer_by(&self, at: Timestamp) -> Date {
        self.hours
            .open_days_after(self.hours.day(at), self.answer_within)
    }

    /// Last day on which goods put aside at `at` for a customer of `channel` are kept.
    #[must_use]
    pub fn collect_by(&self, channel: &ChannelCode, at: Timestamp) -> Date {
        let keep_for = self.keep_for_channel.get(channel).unwrap_or(&self.keep_for);
        self.hours.open_days_after(self.hours.day(at), *keep_for)
    }

    /// What is beyond the limits of one reservation: the name of the rule and its sentence.
    #[must_use]
    pub fn beyond(&self, lines: &[Line]) -> Option<(&'static str, String)> {
        let limits = &self.limits;
        if lines.len() > limits.lines {
            let why = format!("{} lines are more than {}", lines.len(), limits.lines);
            return Some(("TOO_MANY_LINES", why));
        }
        let large = lines
            .iter()
            .find(|line| line.quantity > limits.quantity_per_line)?;
        let why = format!(
            "line {}: {} is more than {}",
            large.number, large.quantity, limits.quantity_per_line
        );
        Some(("QUANTITY_TOO_LARGE", why))
    }

    /// Whether it is time to remind of goods kept until `collect_by`.
    #[must_use]
    pub fn reminds(&self, collect_by: Date, today: Date) -> bool {
        self.remind_before > 0
            && today <= collect_by
            && self.hours.open_days_between(today, collect_by) <= usize::from(self.remind_before)
    }
}
