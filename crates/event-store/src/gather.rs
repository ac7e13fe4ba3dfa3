//! Whoever follows a log gathers while it is busy: events in quick succession share a transaction or a request.

use std::time::Duration;

const AT_MOST: Duration = Duration::from_millis(20);

/// For how long after the beginning of a page of so many events the next page waits, when each of them is worth `per_event`. Few
/// events at a time are not kept waiting.
#[must_use]
pub fn gather(events: usize, per_event: Duration) -> Duration {
    let events = u32::try_from(events).unwrap_or(u32::MAX);
    per_event.saturating_mul(events).min(AT_MOST)
}
