//! A unit of work: it writes into the tables at once and remembers how to undo it.

use std::sync::Arc;

use jiff::Timestamp;
use millrace_service_kit::Ids;
use uuid::Uuid;

use super::row::{AnyRow, Stamp, Stored, Tables};
use super::rows::{QueueEntry, ordered_id};
use super::{Marks, Table};

/// Who works, and when.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub now: Timestamp,
    /// User or application, as it appears in `changedBy`.
    pub actor: &'a str,
    pub ids: &'a Ids,
}

/// One row before and after.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub before: Option<AnyRow>,
    pub after: Option<AnyRow>,
}

pub(super) fn undo(tables: &mut Tables, changes: &[Change]) {
    for change in changes.iter().rev() {
        tables.replace(change.after.as_ref(), change.before.as_ref());
    }
}

/// An open transaction. It reads its own writes and the committed rows.
#[derive(Debug)]
pub struct Transaction<'a> {
    tables: &'a mut Tables,
    marks: &'a mut Marks,
    context: &'a Context<'a>,
    changes: Vec<Change>,
}

impl<'a> Transaction<'a> {
    pub(super) fn begin(
        tables: &'a mut Tables,
        marks: &'a mut Marks,
        context: &'a Context<'a>,
    ) -> Self {
        Self {
            tables,
            marks,
            context,
            changes: Vec::new(),
        }
    }

    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    pub fn tables(&self) -> &Tables {
        self.tables
    }

    pub fn marks(&self) -> &Marks {
        self.marks
    }

    pub fn now(&self) -> Timestamp {
        self.context.now
    }

    pub fn actor(&self) -> &str {
        self.context.actor
    }

    pub fn new_id(&self) -> Uuid {
        // BC's system ids are sequential GUIDs.
        self.context.ids.uuid_at(self.context.now)
    }

    /// The largest row version given out so far.
    pub fn version(&self) -> i64 {
        self.marks.version
    }

    pub fn next_version(&mut self) -> i64 {
        self.marks.version += 1;
        self.marks.version
    }

    /// The next number of a series, such as `SO-1004`.
    pub fn next_number(&mut self, series: &str, first: i64) -> i64 {
        let last = self
            .marks
            .series
            .entry(series.to_owned())
            .or_insert(first - 1);
        *last += 1;
        *last
    }

    pub fn table<R: Stored>(&self) -> &Table<R> {
        R::table(self.tables)
    }

    pub fn get<R: Stored>(&self, id: Uuid) -> Option<Arc<R>> {
        R::table(self.tables).get(id).cloned()
    }

    /// Inserts the row, or replaces the one with its id; stamps it with a new row version.
    pub fn put<R: Stored>(&mut self, mut row: R) -> Arc<R> {
        let version = self.next_version();
        let before = self.get::<R>(row.id());
        let created_at = before
            .as_ref()
            .map_or(self.context.now, |before| before.stamp().created_at);
        *row.stamp_mut() = Stamp {
            version,
            created_at,
            modified_at: self.context.now,
            modified_by: self.context.actor.to_owned(),
        };
        let row = Arc::new(row);
        self.change(Change {
            before: before.map(R::wrap),
            after: Some(R::wrap(row.clone())),
        });
        row
    }

    /// Replaces a row without moving its stamp, for sums that BC keeps elsewhere.
    pub fn put_silently<R: Stored>(&mut self, mut row: R, stamp: Stamp) {
        *row.stamp_mut() = stamp;
        let before = self.get::<R>(row.id());
        self.change(Change {
            before: before.map(R::wrap),
            after: Some(R::wrap(Arc::new(row))),
        });
    }

    pub fn delete<R: Stored>(&mut self, id: Uuid) {
        let Some(before) = self.get::<R>(id) else {
            return;
        };
        self.next_version();
        self.change(Change {
            before: Some(R::wrap(before)),
            after: None,
        });
    }

    /// Appends to the companion's change queue, in this transaction.
    pub fn tell(&mut self, entity: &str, change: &str, id: Uuid, parent: Uuid, key: String) {
        let version = self.next_version();
        let stamp = Stamp {
            version,
            created_at: self.context.now,
            modified_at: self.context.now,
            modified_by: self.context.actor.to_owned(),
        };
        let entry = QueueEntry {
            id: ordered_id(version),
            stamp,
            entity: entity.to_owned(),
            change: change.to_owned(),
            system_id: id,
            parent,
            key,
        };
        self.change(Change {
            before: None,
            after: Some(AnyRow::QueueEntry(Arc::new(entry))),
        });
    }

    fn change(&mut self, change: Change) {
        self.tables
            .replace(change.before.as_ref(), change.after.as_ref());
        self.changes.push(change);
    }

    /// Appends a row whose id follows its own row version, so that a log can be read in order.
    pub fn append<R: Stored>(&mut self, row: impl FnOnce(Uuid) -> R) -> Arc<R> {
        let version = self.next_version();
        let mut row = row(ordered_id(version));
        *row.stamp_mut() = Stamp {
            version,
            created_at: self.context.now,
            modified_at: self.context.now,
            modified_by: self.context.actor.to_owned(),
        };
        let row = Arc::new(row);
        self.change(Change {
            before: None,
            after: Some(R::wrap(row.clone())),
        });
        row
    }
}
