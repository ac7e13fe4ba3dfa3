//! The pretend ERP's database: tables in memory, transactions with an undo log, one row version counter, a journal.
//!
//! What it copies from SQL Server under Business Central: a row version is given out when a row is *written* and seen when
//! its transaction *commits*; [`Database::boundary`] is the lowest version that is not committed yet; pages of Microsoft's
//! API read uncommitted rows, our companion's pages do not. A transaction can be held open, which is how late commits and
//! rolled-back phantoms are made.

mod journal;
mod returns;
mod row;
mod rows;
mod table;
#[cfg(test)]
mod tests;
mod transaction;
mod transfers;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use uuid::Uuid;

use self::journal::Journal;
pub use self::journal::JournalError;
pub use self::returns::{ReturnLine, ReturnOrder, ReturnState, ReturnStatus};
pub use self::row::{AnyRow, Row, Stamp, Stored, Tables};
pub use self::rows::{
    Address, BufferEntry, BufferState, Customer, Document, DocumentKind, DocumentLine, Figure,
    Item, ItemKind, LedgerEntry, LineKind, Picture, PriceLine, PriceSource, Progress, QueueEntry,
    Record, StatusEntry, StatusLine, Subscription, Variant, buffer_key, ordered_id,
};
pub use self::table::Table;
use self::transaction::{Change, undo};
pub use self::transaction::{Context, Transaction};
pub use self::transfers::{
    CountRequest, CountState, Refused, TransferLine, TransferRequest, TransferState,
    TransferStatus, count_key,
};

/// Everything the pretend environment keeps.
#[derive(Debug)]
pub struct Database {
    tables: Tables,
    marks: Marks,
    pending: Vec<Pending>,
    journal: Option<Journal>,
}

/// What is kept besides rows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Marks {
    /// Last row version given out.
    pub version: i64,
    pub environment: Uuid,
    /// Incarnation of the row versions; a restore makes a new one.
    pub epoch: Uuid,
    pub company: Uuid,
    pub company_name: String,
    pub local_currency: String,
    /// Smallest cursor the change queue can still answer.
    pub oldest_cursor: i64,
    /// Last numbers given out per number series; like BC's series that allow gaps, they are not rolled back.
    pub series: BTreeMap<String, i64>,
    /// Series that nobody has set up.
    #[serde(default)]
    pub without_series: BTreeSet<String>,
}

/// A transaction that was written but is neither committed nor rolled back.
#[derive(Debug)]
struct Pending {
    id: u64,
    first_version: i64,
    changes: Vec<Change>,
    locks: HashSet<String>,
}

/// How a unit of work ended.
#[derive(Debug)]
pub enum Ended<T> {
    Committed(T),
    /// Written and held open; end it with [`Database::finish`].
    Held {
        id: u64,
        answer: T,
    },
    /// It needs a row that an open transaction holds; try again when that ended.
    Blocked,
}

/// Rows written by a committed transaction, for those who tell others.
pub type Written = Vec<(Option<AnyRow>, Option<AnyRow>)>;

impl Database {
    /// An empty one in memory only.
    pub fn new(marks: Marks) -> Self {
        Self {
            tables: Tables::default(),
            marks,
            pending: Vec::new(),
            journal: None,
        }
    }

    /// Goes on with what `folder` holds; `None` when it holds nothing.
    pub fn open(folder: &Path) -> Result<Option<Self>, JournalError> {
        let Some((tables, marks)) = Journal::read(folder)? else {
            return Ok(None);
        };
        let mut database = Self {
            tables,
            marks,
            pending: Vec::new(),
            journal: None,
        };
        database.keep_in(folder)?;
        Ok(Some(database))
    }

    /// From now on every commit is kept in `folder`.
    pub fn keep_in(&mut self, folder: &Path) -> Result<(), JournalError> {
        self.journal = Some(Journal::create(folder, &self.marks, &self.tables)?);
        Ok(())
    }

    /// Committed rows.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Lowest row version that may not be committed yet; everything below it is.
    pub fn boundary(&self) -> i64 {
        self.pending
            .iter()
            .map(|pending| pending.first_version)
            .min()
            .unwrap_or(self.marks.version + 1)
    }

    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Shows `read` what READ UNCOMMITTED shows: committed rows with those of open transactions over them.
    pub fn read_uncommitted<T>(&mut self, read: impl FnOnce(&Tables) -> T) -> T {
        for pending in &self.pending {
            for change in &pending.changes {
                self.tables
                    .replace(change.before.as_ref(), change.after.as_ref());
            }
        }
        let answer = read(&self.tables);
        for pending in self.pending.iter().rev() {
            undo(&mut self.tables, &pending.changes);
        }
        answer
    }

    /// Runs `work` as one transaction: all of it is committed, or on an error nothing. With `hold` it stays open.
    pub fn transact<T, E>(
        &mut self,
        mut transaction: impl FnMut(&mut Transaction<'_>) -> Result<T, E>,
        context: &Context<'_>,
        hold: bool,
    ) -> Result<(Ended<T>, Written), E> {
        let first_version = self.marks.version + 1;
        let mut open = Transaction::begin(&mut self.tables, &mut self.marks, context);
        let outcome = transaction(&mut open);
        let changes = open.into_changes();
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                undo(&mut self.tables, &changes);
                return Err(error);
            }
        };
        // Nobody can be in the way while nothing is open, which is nearly always.
        let locks = if hold || self.has_pending() {
            locks(&changes)
        } else {
            HashSet::new()
        };
        if self
            .pending
            .iter()
            .any(|pending| !pending.locks.is_disjoint(&locks))
        {
            undo(&mut self.tables, &changes);
            return Ok((Ended::Blocked, Vec::new()));
        }
        if hold && !changes.is_empty() {
            undo(&mut self.tables, &changes);
            let id = self
                .pending
                .iter()
                .map(|pending| pending.id)
                .max()
                .unwrap_or(0)
                + 1;
            self.pending.push(Pending {
                id,
                first_version,
                changes,
                locks,
            });
            return Ok((Ended::Held { id, answer }, Vec::new()));
        }
        self.record(&changes);
        Ok((Ended::Committed(answer), written(changes)))
    }

    /// Commits or rolls back a held transaction. `None`: there is no such one.
    pub fn finish(&mut self, id: u64, commit: bool) -> Option<Written> {
        let at = self.pending.iter().position(|pending| pending.id == id)?;
        let pending = self.pending.remove(at);
        if !commit {
            return Some(Vec::new());
        }
        for change in &pending.changes {
            self.tables
                .replace(change.before.as_ref(), change.after.as_ref());
        }
        self.record(&pending.changes);
        Some(written(pending.changes))
    }

    /// Changes what stands beside the rows; used by acts that are not transactions, such as a restore.
    pub fn change_marks(&mut self, change: impl FnOnce(&mut Marks)) {
        change(&mut self.marks);
        self.record(&[]);
    }

    /// The rows as they are now, for a later [`Database::restore`].
    pub fn backup(&self) -> (Tables, Marks) {
        (self.tables.clone(), self.marks.clone())
    }

    /// Goes back to a backup: row versions and numbers go backwards, as they do in BC; the epoch becomes `epoch`.
    pub fn restore(&mut self, backup: (Tables, Marks), epoch: Uuid) -> Result<(), JournalError> {
        self.tables = backup.0;
        self.marks = Marks { epoch, ..backup.1 };
        self.pending.clear();
        if let Some(journal) = self.journal.take() {
            self.journal = Some(journal.restart(&self.marks, &self.tables)?);
        }
        Ok(())
    }

    /// A journal that cannot be written must not let a pretend ERP forget what it acknowledged, so this ends the process's
    /// use of it loudly instead of going on without.
    fn record(&mut self, changes: &[Change]) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        if let Err(error) = journal.append(&self.marks, changes) {
            tracing::error!(%error, "the simulator's journal could not be written; nothing more is kept");
            self.journal = None;
        }
    }
}

fn written(changes: Vec<Change>) -> Written {
    changes
        .into_iter()
        .map(|change| (change.before, change.after))
        .collect()
}

/// What SQL would lock: the rows, and the entries of unique keys.
fn locks(changes: &[Change]) -> HashSet<String> {
    let mut locks = HashSet::new();
    for row in changes
        .iter()
        .flat_map(|change| [change.before.as_ref(), change.after.as_ref()])
        .flatten()
    {
        row.locks(&mut locks);
    }
    locks
}
