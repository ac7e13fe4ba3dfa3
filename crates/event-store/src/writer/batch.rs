//! What one transaction writes: rows in order, numbered from a base that only the database knows.

use crate::event::NewEvent;
use crate::log::{Append, Appended};

pub(crate) struct Batch<'a> {
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) answers: Vec<Answer<'a>>,
    pub(crate) recorded_at: i64,
    /// Written only while the log's fence stands here; `None` where no append names a lease or the head row is held.
    pub(crate) fence: Option<i64>,
    appends: Vec<Written>,
}

pub(crate) struct Row<'a> {
    pub(crate) stream: &'a str,
    pub(crate) version: u64,
    pub(crate) event: &'a NewEvent,
}

/// The first answer of an idempotency key, to be kept. Positions count from the batch's base.
pub(crate) struct Answer<'a> {
    pub(crate) key: &'a str,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) versions: Vec<u64>,
}

struct Written {
    before: u64,
    events: u64,
    versions: Vec<u64>,
}

impl<'a> Batch<'a> {
    /// `appends` with the first version of each of their streams.
    pub(crate) fn of<'f>(
        appends: impl Iterator<Item = (&'a Append, &'f [u64])>,
        recorded_at: i64,
        fence: Option<i64>,
    ) -> Self {
        let mut batch = Self {
            rows: Vec::with_capacity(256),
            answers: Vec::new(),
            recorded_at,
            fence: None,
            appends: Vec::new(),
        };
        for (append, firsts) in appends {
            let before = batch.rows.len() as u64;
            let mut versions = Vec::with_capacity(firsts.len());
            for (stream, first) in append.streams.iter().zip(firsts) {
                let numbered = (*first..).zip(&stream.events);
                batch.rows.extend(numbered.map(|(version, event)| Row {
                    stream: &stream.stream,
                    version,
                    event,
                }));
                versions.push(first + stream.events.len() as u64 - 1);
            }
            let events = batch.rows.len() as u64 - before;
            if let Some(key) = &append.idempotency_key {
                let (first, last) = span(0, before, events);
                batch.answers.push(Answer {
                    key,
                    first,
                    last,
                    versions: versions.clone(),
                });
            }
            if append.lease.is_some() {
                batch.fence = fence;
            }
            batch.appends.push(Written {
                before,
                events,
                versions,
            });
        }
        batch
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.answers.is_empty()
    }

    /// What to answer once the batch is durable, in its order.
    pub(crate) fn results(&self, base: u64) -> Vec<Appended> {
        let told = |written: &Written| {
            let (first, last) = span(base, written.before, written.events);
            Appended {
                first,
                last,
                versions: written.versions.clone(),
                repeated: false,
            }
        };
        self.appends.iter().map(told).collect()
    }
}

fn span(base: u64, before: u64, events: u64) -> (u64, u64) {
    let last = base + before + events;
    (if events == 0 { last } else { base + before + 1 }, last)
}
