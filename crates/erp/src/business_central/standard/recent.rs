//! What a poll saw lately. Polls overlap, so most of what they find was told before: a row is told again only when its
//! content changed, or when the reader did not keep what it was told. And because a standard tenant shows rows that are not
//! committed, a row that was there and is not any more was rolled back (or deleted): it is looked at once again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use millrace_values::Timestamp;
use uuid::Uuid;

use crate::Flow;
use crate::business_central::odata::Value;

/// Rows remembered per reader; more than that are told again, which is harmless.
const ROWS: usize = 100_000;
const READERS: usize = 16;

/// Lives as long as the adapter; a restart forgets it and tells the overlap once again.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    hasher: RandomState,
    readers: Mutex<HashMap<(Flow, u64), Reader>>,
}

#[derive(Debug, Default)]
struct Reader {
    rows: HashMap<(u8, Uuid), Seen>,
    used: u64,
}

#[derive(Debug)]
struct Seen {
    content: u64,
    modified: Timestamp,
    /// Kept by the reader once it comes back with this step.
    told: u64,
    /// The poll that saw it last, by its beginning.
    poll: Timestamp,
    owner: Value,
}

/// A row of a poll.
pub(crate) struct Row<'a> {
    pub source: u8,
    pub id: Uuid,
    pub modified: Timestamp,
    pub text: &'a str,
    /// Key of the record that is told when this row changed.
    pub owner: Value,
}

/// Which reader, at which step, in which poll.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stand {
    pub flow: Flow,
    pub reader: u64,
    pub step: u64,
    pub poll: Timestamp,
}

impl Recent {
    /// Remembers the row; true when it has to be told.
    pub fn is_news(&self, stand: Stand, row: Row<'_>) -> bool {
        let content = self.hasher.hash_one(row.text);
        let mut readers = self.readers.lock().expect("no holder of this lock panics");
        let latest = readers
            .values()
            .map(|reader| reader.used)
            .max()
            .unwrap_or_default();
        if readers.len() >= READERS && !readers.contains_key(&(stand.flow, stand.reader)) {
            let oldest = readers
                .iter()
                .min_by_key(|(_, reader)| reader.used)
                .map(|(key, _)| *key);
            oldest.and_then(|key| readers.remove(&key));
        }
        let reader = readers.entry((stand.flow, stand.reader)).or_default();
        reader.used = latest + 1;
        let told = stand.step + 1;
        let known = reader.rows.len();
        match reader.rows.get_mut(&(row.source, row.id)) {
            Some(seen) => {
                let kept = seen.content == content && seen.told <= stand.step;
                if !kept {
                    *seen = Seen {
                        content,
                        modified: row.modified,
                        told,
                        poll: stand.poll,
                        owner: row.owner,
                    };
                }
                seen.poll = stand.poll;
                !kept
            }
            None => {
                if known < ROWS {
                    let seen = Seen {
                        content,
                        modified: row.modified,
                        told,
                        poll: stand.poll,
                        owner: row.owner,
                    };
                    reader.rows.insert((row.source, row.id), seen);
                }
                true
            }
        }
    }

    /// Owners of rows that the poll that just ended should have shown and did not. What fell behind `bound` is forgotten.
    pub fn vanished(&self, stand: Stand, source: u8, bound: Timestamp) -> Vec<Value> {
        let mut readers = self.readers.lock().expect("no holder of this lock panics");
        let Some(reader) = readers.get_mut(&(stand.flow, stand.reader)) else {
            return Vec::new();
        };
        let mut owners = Vec::new();
        reader.rows.retain(|(of, _), seen| {
            if *of != source || seen.poll == stand.poll {
                return true;
            }
            if seen.modified >= bound && !owners.contains(&seen.owner) {
                owners.push(seen.owner.clone());
            }
            false
        });
        owners
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp(jiff::Timestamp::from_second(second).unwrap())
    }

    fn stand(step: u64, poll: i64) -> Stand {
        Stand {
            flow: Flow::Items,
            reader: 1,
            step,
            poll: time(poll),
        }
    }

    fn row(text: &str) -> Row<'_> {
        Row {
            source: 0,
            id: Uuid::from_u128(1),
            modified: time(100),
            text,
            owner: Value::text("1"),
        }
    }

    #[test]
    fn what_was_told_and_kept_is_no_news() {
        let recent = Recent::default();
        assert!(recent.is_news(stand(0, 1), row("a")));
        assert!(!recent.is_news(stand(1, 2), row("a")));
        assert!(recent.is_news(stand(1, 2), row("b")));
    }

    #[test]
    fn what_the_reader_did_not_keep_is_told_again() {
        let recent = Recent::default();
        assert!(recent.is_news(stand(5, 1), row("a")));
        assert!(recent.is_news(stand(5, 2), row("a")));
    }

    #[test]
    fn a_row_that_was_rolled_back_is_looked_at_again() {
        let recent = Recent::default();
        recent.is_news(stand(0, 1), row("a"));
        assert_eq!(
            recent.vanished(stand(1, 2), 0, time(50)),
            [Value::text("1")]
        );
        assert!(recent.vanished(stand(2, 3), 0, time(50)).is_empty());
    }

    #[test]
    fn a_row_that_fell_out_of_the_overlap_is_not_missed() {
        let recent = Recent::default();
        recent.is_news(stand(0, 1), row("a"));
        assert!(recent.vanished(stand(1, 2), 0, time(101)).is_empty());
    }
}
