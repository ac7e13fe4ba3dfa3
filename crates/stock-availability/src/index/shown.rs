//! The index that is shown at the moment, and word of what changes in it.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::broadcast;

use super::{Entry, Index, IndexError, Names, Put};

/// How far a watcher may fall behind before it has to look at everything again.
const CHANGES: usize = 4096;

/// What watchers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The question with this hash has a new answer.
    Question(u64),
    /// Another index is shown: anything may have changed.
    Everything,
}

/// Holds the index; replaced as a whole when its source had to be read anew.
pub struct Shown {
    names: Arc<Names>,
    current: ArcSwap<Index>,
    changes: broadcast::Sender<Change>,
}

impl Shown {
    /// Begins empty.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let names = Names::new();
        let current = ArcSwap::from_pointee(Index::new(names.clone()));
        Arc::new(Self {
            names,
            current,
            changes: broadcast::Sender::new(CHANGES),
        })
    }

    #[must_use]
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    #[inline]
    #[must_use]
    pub fn index(&self) -> Guard<Arc<Index>> {
        self.current.load()
    }

    /// An empty index that may be shown later.
    #[must_use]
    pub fn blank(&self) -> Arc<Index> {
        Arc::new(Index::new(self.names.clone()))
    }

    pub fn replace(&self, index: Arc<Index>) {
        self.current.store(index);
        self.tell(Change::Everything);
    }

    /// Puts into the index that is shown, and tells watchers.
    ///
    /// # Errors
    /// As [`Index::put`].
    pub fn put(&self, entry: &Entry<'_>) -> Result<(), IndexError> {
        let put = self.index().put(entry)?;
        self.tell_of(put);
        Ok(())
    }

    /// Removes from the index that is shown, and tells watchers.
    pub fn remove(&self, erp: &str, item: uuid::Uuid, variant: &str, version: u64) {
        let put = self.index().remove(erp, item, variant, version);
        self.tell_of(put);
    }

    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn tell_of(&self, put: Put) {
        match put {
            Put::Nothing => {}
            Put::Changed(question, former) => {
                self.tell(Change::Question(question));
                former
                    .into_iter()
                    .for_each(|former| self.tell(Change::Question(former)));
            }
        }
    }

    fn tell(&self, change: Change) {
        // Nobody watching is no failure.
        let _ = self.changes.send(change);
    }
}
