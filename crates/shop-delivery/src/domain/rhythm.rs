//! When a doorbell rings.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

#[derive(Debug, Clone, PartialEq)]
pub enum Rhythm {
    AtOnce,
    /// At whole multiples since 1970, so that every process means the same moments.
    Every(SignedDuration),
    /// At these times of every day; never empty.
    At {
        times: Vec<Time>,
        zone: TimeZone,
    },
}

impl Rhythm {
    /// The first moment at or after `from` at which it may ring.
    #[must_use]
    pub fn from(&self, from: Timestamp) -> Timestamp {
        match self {
            Self::AtOnce => from,
            Self::Every(period) => {
                let (since, period) = (from.as_microsecond(), micros(*period).max(1));
                let beats = since.div_euclid(period) + i64::from(since.rem_euclid(period) > 0);
                let next = Timestamp::from_microsecond(beats.saturating_mul(period));
                next.unwrap_or(Timestamp::MAX)
            }
            Self::At { times, zone } => {
                let today = from.to_zoned(zone.clone()).date();
                let tomorrow = today.tomorrow().unwrap_or(today);
                let days = [today, tomorrow].into_iter();
                let moments = days.flat_map(|day| {
                    // A time that the clock leaps over comes an hour later, one that it repeats comes once.
                    let moment =
                        move |time: &Time| day.to_datetime(*time).to_zoned(zone.clone()).ok();
                    times.iter().filter_map(moment)
                });
                let moments = moments.map(|moment| moment.timestamp());
                let next = moments.filter(|moment| *moment >= from).min();
                next.unwrap_or(Timestamp::MAX)
            }
        }
    }
}

fn micros(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn daily(times: &[&str]) -> Rhythm {
        Rhythm::At {
            times: times.iter().map(|time| time.parse().unwrap()).collect(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        }
    }

    /// Row 100.
    #[test]
    fn a_daily_rhythm_keeps_to_the_clock_on_the_wall() {
        let rhythm = daily(&["18:00", "06:00"]);
        for (from, rings) in [
            ("2026-11-27T03:00:00Z", "2026-11-27T05:00:00Z"),
            ("2026-11-27T05:00:00Z", "2026-11-27T05:00:00Z"),
            ("2026-11-27T05:00:01Z", "2026-11-27T17:00:00Z"),
            ("2026-11-27T23:30:00Z", "2026-11-28T05:00:00Z"),
            ("2026-07-01T00:00:00Z", "2026-07-01T04:00:00Z"),
        ] {
            assert_eq!(rhythm.from(at(from)), at(rings), "{from}");
        }
    }

    #[test]
    fn a_time_the_clock_leaps_over_comes_later_and_one_it_repeats_comes_once() {
        let night = daily(&["02:30"]);
        let leapt = night.from(at("2026-03-28T22:00:00Z"));
        assert_eq!(leapt, at("2026-03-29T01:30:00Z"));
        let repeated = night.from(at("2026-10-24T22:00:00Z"));
        assert_eq!(repeated, at("2026-10-25T00:30:00Z"));
        let next = night.from(at("2026-10-25T00:30:01Z"));
        assert_eq!(next, at("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn an_interval_beats_at_the_same_moments_everywhere() {
        let rhythm = Rhythm::Every(SignedDuration::from_mins(15));
        assert_eq!(
            rhythm.from(at("2026-11-27T03:00:01Z")),
            at("2026-11-27T03:15:00Z")
        );
        assert_eq!(
            rhythm.from(at("2026-11-27T03:15:00Z")),
            at("2026-11-27T03:15:00Z")
        );
    }

    proptest! {
        #[test]
        fn it_never_rings_before_its_time_nor_a_beat_too_late(
            seconds in 0_i64..4_000_000_000,
            period in 1_i64..100_000,
            minutes in proptest::collection::vec(0_i8..60, 1..4),
        ) {
            let from = Timestamp::from_second(seconds).unwrap();
            let every = Rhythm::Every(SignedDuration::from_secs(period)).from(from);
            prop_assert!(every >= from && every.duration_since(from) < SignedDuration::from_secs(period));
            let times = minutes.iter().map(|minute| jiff::civil::time(2, *minute, 0, 0)).collect();
            let zone = TimeZone::get("America/New_York").unwrap();
            let rhythm = Rhythm::At { times, zone };
            let at = rhythm.from(from);
            // A day, the hour of a clock put back, and the minutes between two of its times.
            prop_assert!(at >= from && at.duration_since(from) <= SignedDuration::from_hours(26));
            prop_assert_eq!(rhythm.from(at), at);
        }
    }
}
