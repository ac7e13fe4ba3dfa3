//! What follows a ring that the shop did not take.

use jiff::{SignedDuration, Timestamp};

/// Pauses before the next tries; the last one again and again.
const PAUSES: [SignedDuration; 6] = [
    SignedDuration::from_secs(5),
    SignedDuration::from_mins(5),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(5),
    SignedDuration::from_hours(10),
];

/// A shop may ask for more time than the schedule gives, up to this.
const LONGEST_WISH: SignedDuration = SignedDuration::from_hours(24);

/// Of a pause, so much more at most, so that many shops behind one server are not rung at one moment.
const JITTER: f64 = 0.2;

/// How a ring failed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    pub since: Timestamp,
    pub attempts: u32,
    pub next_try: Timestamp,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    TryAgain(Trouble),
    GiveUp,
}

/// Decides after one more failure at `now`. `jitter` is 0 to 1; `wish` is how long the shop asks for.
#[must_use]
pub fn after_failure(
    before: Option<Trouble>,
    wish: Option<SignedDuration>,
    now: Timestamp,
    jitter: f64,
    give_up_after: SignedDuration,
) -> Next {
    let since = before.map_or(now, |trouble| trouble.since);
    let attempts = before.map_or(0, |trouble| trouble.attempts) + 1;
    if attempts > 1 && now.duration_since(since) >= give_up_after {
        return Next::GiveUp;
    }
    let place = (attempts as usize - 1).min(PAUSES.len() - 1);
    let pause = PAUSES[place].mul_f64(1.0 + JITTER * jitter);
    let wish = wish.unwrap_or_default().min(LONGEST_WISH);
    let next_try = now.checked_add(pause.max(wish));
    Next::TryAgain(Trouble {
        since,
        attempts,
        next_try: next_try.unwrap_or(Timestamp::MAX),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIVE_DAYS: SignedDuration = SignedDuration::from_hours(5 * 24);

    fn start() -> Timestamp {
        "2026-11-27T08:00:00Z".parse().unwrap()
    }

    /// Fails at every try; answers the pauses, and how long it took until it was given up.
    fn failing(jitter: f64, wish: Option<SignedDuration>) -> (Vec<SignedDuration>, SignedDuration) {
        let (mut now, mut trouble, mut pauses) = (start(), None, Vec::new());
        loop {
            match after_failure(trouble, wish, now, jitter, FIVE_DAYS) {
                Next::GiveUp => return (pauses, now.duration_since(start())),
                Next::TryAgain(next) => {
                    pauses.push(next.next_try.duration_since(now));
                    now = next.next_try;
                    trouble = Some(next);
                }
            }
        }
    }

    /// Row 126: the schedule of Standard Webhooks, then patience for days.
    #[test]
    fn a_dead_shop_is_tried_less_and_less_often_and_then_no_more() {
        let (pauses, lasted) = failing(0.0, None);
        let seconds: Vec<i64> = pauses.iter().map(|pause| pause.as_secs()).collect();
        assert_eq!(
            seconds[..8],
            [5, 300, 1800, 7200, 18_000, 36_000, 36_000, 36_000]
        );
        assert!(lasted >= FIVE_DAYS && lasted < FIVE_DAYS + SignedDuration::from_hours(10));
    }

    #[test]
    fn a_wish_for_more_time_is_granted_within_reason() {
        let (patient, _) = failing(0.0, Some(SignedDuration::from_mins(10)));
        assert_eq!(patient[0], SignedDuration::from_mins(10));
        assert_eq!(patient[2], SignedDuration::from_mins(30));
        let (endless, _) = failing(0.0, Some(SignedDuration::MAX));
        assert_eq!(endless[0], SignedDuration::from_hours(24));
    }

    #[test]
    fn one_failure_is_never_the_last_however_little_patience_there_is() {
        let next = after_failure(None, None, start(), 0.0, SignedDuration::ZERO);
        assert!(matches!(next, Next::TryAgain(_)));
    }

    proptest! {
        #[test]
        fn no_try_comes_early_and_none_comes_a_fifth_too_late(jitter in 0.0..1.0) {
            let (plain, _) = failing(0.0, None);
            let (jittered, _) = failing(jitter, None);
            for (plain, jittered) in plain.iter().zip(&jittered) {
                prop_assert!(jittered >= plain && *jittered <= plain.mul_f64(1.2));
            }
        }
    }
}
