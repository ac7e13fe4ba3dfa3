//! The end of the log as this process wrote it a moment ago: whoever follows the log is woken by a commit, and finds here what
//! was committed without asking the database for it again.
//!
//! Holds nothing that is not committed, and nothing at all once another process has written in between.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use crate::event::{Position, Recorded};
use crate::row::Identity;
use crate::writer::Batch;

/// Who writes much at once is followed page by page, and pages are the database's business.
const LARGEST_BATCH: usize = 512;
const MOST_EVENTS: usize = 2_048;
const MOST_BYTES: usize = 1 << 20;

#[derive(Clone)]
pub(crate) struct Tail {
    identity: Identity,
    end: Arc<Mutex<End>>,
}

#[derive(Default)]
struct End {
    /// Gapless.
    events: VecDeque<Recorded>,
    bytes: usize,
}

impl Tail {
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity,
            end: Arc::default(),
        }
    }

    /// `batch` was committed after position `base`.
    pub(super) fn committed(&self, base: u64, batch: &Batch<'_>) {
        let mut end = self.end.lock().expect("no holder of this lock panics");
        let follows = end.events.back().is_none_or(|last| last.at.number == base);
        if !follows || batch.rows.len() > LARGEST_BATCH {
            *end = End::default();
        }
        if batch.rows.len() > LARGEST_BATCH {
            return;
        }
        for (number, row) in (base + 1..).zip(&batch.rows) {
            let Some(recorded) = self.recorded(number, row, batch.recorded_at) else {
                *end = End::default();
                continue;
            };
            end.bytes += size(&recorded);
            end.events.push_back(recorded);
        }
        while end.events.len() > MOST_EVENTS || end.bytes > MOST_BYTES {
            match end.events.pop_front() {
                Some(oldest) => end.bytes -= size(&oldest),
                None => break,
            }
        }
    }

    /// As [`crate::EventLog::read_feed`], when all of it up to `head` at least is here.
    pub(crate) fn read(&self, after: u64, limit: usize, head: u64) -> Option<Vec<Recorded>> {
        let end = self.end.lock().expect("no holder of this lock panics");
        let first = end.events.front()?.at.number;
        let last = end.events.back()?.at.number;
        if after < first.saturating_sub(1) || after >= last || last < head {
            return None;
        }
        let skipped = usize::try_from(after + 1 - first).ok()?;
        Some(
            end.events
                .iter()
                .skip(skipped)
                .take(limit)
                .cloned()
                .collect(),
        )
    }

    /// As the database would give it back.
    fn recorded(
        &self,
        number: u64,
        row: &crate::writer::Row<'_>,
        recorded_at: i64,
    ) -> Option<Recorded> {
        let mut event = row.event.clone();
        event.occurred_at = Timestamp::from_microsecond(event.occurred_at.as_microsecond()).ok()?;
        Some(Recorded {
            at: Position {
                log: self.identity.log.clone(),
                epoch: self.identity.epoch,
                shard: 0,
                number,
            },
            stream: row.stream.into(),
            version: row.version,
            recorded_at: Timestamp::from_microsecond(recorded_at).ok()?,
            event,
        })
    }
}

fn size(recorded: &Recorded) -> usize {
    recorded.event.payload.len() + recorded.event.key.len() + recorded.stream.len() + 256
}
