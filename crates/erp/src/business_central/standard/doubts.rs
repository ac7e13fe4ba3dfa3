//! Writes of which nobody knows what became. A standard tenant takes no key of ours, so whoever repeats such a write before
//! Business Central itself has given up on it may have it twice. Lives as long as the adapter: a restart forgets, and then
//! the search alone stands between a repeat and a duplicate.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// By key, until when the write may still happen; without an end while it is under way.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<HashMap<String, Option<Instant>>>);

/// A write that is under way. Whoever loses it without a word leaves a doubt.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    doubts: &'a Doubts,
    key: String,
    limit: Duration,
}

impl Doubts {
    /// Notes that a write is under way; Business Central gives up on it `limit` after the last word of it.
    ///
    /// # Errors
    /// One is, or may still happen: how long nothing may be written.
    pub fn begin(&self, key: &str, limit: Duration) -> Result<Attempt<'_>, Duration> {
        let now = Instant::now();
        let mut doubts = self.0.lock().expect("no holder of this lock panics");
        doubts.retain(|_, until| until.is_none_or(|until| until > now));
        if let Some(until) = doubts.get(key) {
            return Err(until.map_or(limit, |until| until - now));
        }
        doubts.insert(key.to_owned(), None);
        Ok(Attempt {
            doubts: self,
            key: key.to_owned(),
            limit,
        })
    }

    fn set(&self, key: &str, until: Option<Instant>) {
        let mut doubts = self.0.lock().expect("no holder of this lock panics");
        match until {
            Some(_) => _ = doubts.insert(key.to_owned(), until),
            None => _ = doubts.remove(key),
        }
    }
}

impl Attempt<'_> {
    /// What became of it is known.
    pub fn ended(mut self) {
        self.limit = Duration::ZERO;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let until = (!self.limit.is_zero()).then(|| Instant::now() + self.limit);
        self.doubts.set(&self.key, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(480);

    #[tokio::test(start_paused = true)]
    async fn a_write_of_unknown_outcome_waits_until_the_erp_has_given_up_on_it() {
        let doubts = Doubts::default();
        let attempt = doubts.begin("a", LIMIT).unwrap();
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert_eq!(doubts.begin("a", LIMIT).unwrap_err(), LIMIT);
        drop(attempt);
        tokio::time::advance(Duration::from_secs(80)).await;
        let remaining = Duration::from_secs(400);
        assert_eq!(doubts.begin("a", LIMIT).unwrap_err(), remaining);
        assert!(doubts.begin("b", LIMIT).is_ok());
        tokio::time::advance(remaining).await;
        assert!(doubts.begin("a", LIMIT).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_whose_outcome_is_known_keeps_nobody_waiting() {
        let doubts = Doubts::default();
        doubts.begin("a", LIMIT).unwrap().ended();
        assert!(doubts.begin("a", LIMIT).is_ok());
    }
}
