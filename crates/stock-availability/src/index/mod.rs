//! Every figure of every item in memory, compactly: one record of a few words per item and variant. One thread writes,
//! in place; readers never wait for a lock, they look again when a record changed under their eyes (a seqlock per record).
//!
//! A record: header, system id, number and variant, then one word per location. With ten locations an item takes about
//! 16 bytes per location, tables included (a test measures it).

mod names;
mod record;
mod shown;
mod table;
mod view;
mod words;
mod writer;

use std::collections::HashMap;
use std::hint;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;

use arc_swap::{ArcSwap, Guard};

pub use names::{Name, NameList, Names};
pub use shown::{Change, Shown};
pub use view::View;
pub use writer::{Entry, IndexError, Place, Put};

use record::{Header, Key};
use table::Table;
use words::{Chunk, word};
use writer::Writer;

/// Quantities in the index are whole numbers of this part of a unit.
pub const PARTS_PER_UNIT: i64 = 100_000;

/// What readers need, replaced as a whole when a table or the list of chunks grows.
struct Root {
    table: Arc<Table>,
    chunks: Vec<Arc<Chunk>>,
}

/// In-flight quantities of channels that deduct their own orders, per channel and location; few records have any.
struct Deductions {
    version: u64,
    quantities: Box<[(Name, Name, i64)]>,
}

/// The figures of all items of one incarnation of the `inventories` log.
pub struct Index {
    names: Arc<Names>,
    root: ArcSwap<Root>,
    deductions: RwLock<HashMap<u32, Deductions>>,
    writer: Mutex<Writer>,
}

/// One answer, before it is put into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// At least one location of the group has a figure.
    pub known: bool,
    /// Sum over the group in parts of a unit, zero if below.
    pub available: i64,
    /// The same without the channel's own orders placed after `as_of`.
    pub allocation: i64,
    pub unit: Name,
    /// Milliseconds since 1970.
    pub as_of: i64,
    pub version: u64,
}

/// What a lookup calls for each location of the group that has a figure: location, available (may be negative).
pub trait Locations {
    /// Another look begins: what was told so far does not count.
    fn begin(&mut self);
    fn location(&mut self, location: Name, available: i64);
}

/// For lookups that only want the sum.
pub struct SumOnly;

impl Locations for SumOnly {
    fn begin(&mut self) {}
    fn location(&mut self, _: Name, _: i64) {}
}

impl Locations for Vec<(Name, i64)> {
    fn begin(&mut self) {
        self.clear();
    }
    fn location(&mut self, location: Name, available: i64) {
        self.push((location, available));
    }
}

impl Index {
    #[must_use]
    pub fn new(names: Arc<Names>) -> Self {
        let writer = Writer::new();
        Self {
            names,
            root: ArcSwap::from_pointee(Root {
                table: writer.table(),
                chunks: writer.chunks().to_vec(),
            }),
            deductions: RwLock::default(),
            writer: Mutex::new(writer),
        }
    }

    #[must_use]
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// How many items and variants have a record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory that records and tables take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.bytes()
    }

    /// Takes an item's figures unless it has these or newer ones.
    ///
    /// # Errors
    /// More than the index can hold; nothing was changed.
    pub fn put(&self, entry: &Entry<'_>) -> Result<Put, IndexError> {
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(self, entry)
    }

    /// Forgets an item, unless something newer than `version` was put.
    pub fn remove(&self, erp: &str, item: uuid::Uuid, variant: &str, version: u64) -> Put {
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(self, erp, item, variant, version)
    }

    /// The figures of one item or variant as a channel sees them.
    #[inline]
    pub fn look(
        &self,
        view: &View,
        number: &[u8],
        variant: &[u8],
        locations: &mut impl Locations,
    ) -> Reading {
        self.lookup().look(view, number, variant, locations)
    }

    /// For several looks in a row.
    #[inline]
    #[must_use]
    pub fn lookup(&self) -> Lookup<'_> {
        Lookup {
            index: self,
            root: self.root.load(),
        }
    }

    #[inline]
    fn attempt(
        &self,
        root: &Root,
        view: &View,
        key: &Key<'_>,
        locations: &mut impl Locations,
    ) -> Attempt {
        for offset in root.table.candidates(key.fingerprint()) {
            // The table is written in place: it may lead to a chunk that this root does not have yet.
            let Some(record) = word(&root.chunks, offset) else {
                return Attempt::Changed;
            };
            let before = record[0].load(Ordering::Acquire);
            if record::is_being_written(before) {
                return Attempt::Changed;
            }
            if !key.matches(record) {
                if record::unchanged(record, before) {
                    continue;
                }
                return Attempt::Changed;
            }
            let header = Header::read(record, before);
            locations.begin();
            let mut sum = 0_i64;
            let mut known = false;
            header.each_location(record, |location, available| {
                if view.sells_from(location) {
                    known = true;
                    sum = sum.saturating_add(available);
                    locations.location(location, available);
                }
            });
            let mut own = 0;
            if header.has_deductions() && view.deducts() {
                match self.own_orders(offset, header.version(), view) {
                    Some(quantity) => own = quantity,
                    None => return Attempt::Changed,
                }
            }
            if !record::unchanged(record, before) {
                return Attempt::Changed;
            }
            return Attempt::Read(Reading {
                known,
                available: sum.max(0),
                allocation: sum.saturating_add(own).max(0),
                unit: header.unit(),
                as_of: header.as_of(),
                version: header.version(),
            });
        }
        Attempt::Absent
    }

    fn own_orders(&self, offset: u32, version: u64, view: &View) -> Option<i64> {
        let all = self
            .deductions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let deductions = all
            .get(&offset)
            .filter(|deductions| deductions.version == version)?;
        let own = deductions.quantities.iter();
        let own = own.filter(|(channel, location, _)| {
            view.is_channel(*channel) && view.sells_from(*location)
        });
        Some(own.fold(0, |sum, (_, _, quantity)| sum.saturating_add(*quantity)))
    }

    fn publish(&self, table: Arc<Table>, chunks: Vec<Arc<Chunk>>) {
        self.root.store(Arc::new(Root { table, chunks }));
    }
}

/// What is looked for.
pub struct Sought<'a>(Key<'a>);

impl<'a> Sought<'a> {
    #[inline]
    #[must_use]
    pub fn new(view: &View, number: &'a [u8], variant: &'a [u8]) -> Self {
        Self(Key::asked(view.erp(), number, variant))
    }

    #[inline]
    #[must_use]
    pub fn number_and_variant(&self) -> (&'a [u8], &'a [u8]) {
        self.0.number_and_variant()
    }
}

/// Looks into the index. Kept for as long as one answer takes: what is put meanwhile may or may not be seen.
pub struct Lookup<'a> {
    index: &'a Index,
    root: Guard<Arc<Root>>,
}

impl Lookup<'_> {
    /// The figures of one item or variant as a channel sees them.
    #[inline]
    pub fn look(
        &mut self,
        view: &View,
        number: &[u8],
        variant: &[u8],
        locations: &mut impl Locations,
    ) -> Reading {
        self.look_for(view, &Sought::new(view, number, variant), locations)
    }

    /// Asks the memory for what is about to be looked at, all at once: alone, each look waits for the memory twice.
    #[inline]
    pub fn approach(&self, sought: &[Sought<'_>]) {
        let Root { table, chunks } = &**self.root;
        let keys = || sought.iter().map(|sought| &sought.0);
        // Loads that depend on nothing but themselves: the processor has many of them under way at a time.
        let mut seen = 0;
        for key in keys() {
            seen ^= table.home_slot(key.fingerprint());
        }
        for key in keys() {
            let record = table
                .candidates(key.fingerprint())
                .next()
                .and_then(|offset| word(chunks, offset));
            if let Some(record) = record {
                seen ^= record[0].load(Ordering::Relaxed);
                // Most records reach into a second line of the cache, many into a third.
                for word in record.iter().skip(8).step_by(8).take(2) {
                    seen ^= word.load(Ordering::Relaxed);
                }
            }
        }
        hint::black_box(seen);
    }

    /// As [`Self::look`].
    #[inline]
    pub fn look_for(
        &mut self,
        view: &View,
        sought: &Sought<'_>,
        locations: &mut impl Locations,
    ) -> Reading {
        let key = &sought.0;
        if !key.is_possible() {
            return Reading::default();
        }
        let mut turns = 0_u32;
        loop {
            match self.index.attempt(&self.root, view, key, locations) {
                Attempt::Read(reading) => return reading,
                Attempt::Absent => return Reading::default(),
                Attempt::Changed => {
                    turns += 1;
                    // The record may have moved to where only a newer table leads.
                    self.root = self.index.root.load();
                    // The writer may have lost its core in the middle of a record.
                    if turns.is_multiple_of(64) {
                        thread::yield_now()
                    } else {
                        hint::spin_loop()
                    }
                }
            }
        }
    }
}

enum Attempt {
    Read(Reading),
    Absent,
    /// A record changed while it was read, or moved.
    Changed,
}

#[cfg(test)]
mod tests;
