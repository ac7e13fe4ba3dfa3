//! The one who writes: finds room, keeps both tables, tells which questions have a new answer.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use thiserror::Error;
use uuid::Uuid;

use super::names::Name;
use super::record::{self, Content, Header, Key};
use super::table::{Growing, Table};
use super::words::{Chunk, Words};
use super::{Deductions, Index};

/// Figures of one item and variant.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    pub erp: &'a str,
    pub item: Uuid,
    /// Empty while it is not known: then nobody can ask for it yet.
    pub number: &'a str,
    pub variant: &'a str,
    pub unit: &'a str,
    /// Milliseconds since 1970.
    pub as_of: i64,
    /// Version of the stream.
    pub version: u64,
    pub places: &'a [Place<'a>],
    /// Channel, location and quantity in parts of a unit, for channels that deduct their own orders.
    pub own_orders: &'a [(&'a str, &'a str, i64)],
}

/// One location's figure.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub location: &'a str,
    /// In parts of a unit; may be negative.
    pub available: i64,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Older than what is there, or the same again.
    Nothing,
    /// Questions with these hashes ([`Index::question`]) have a new answer; the second is the number it had before.
    Changed(u64, Option<u64>),
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IndexError {
    #[error("item {0} has more than the index can hold")]
    TooLarge(Uuid),
    #[error("there are too many different {0}")]
    TooManyNames(&'static str),
}

pub(super) struct Writer {
    words: Words,
    numbers: Growing,
    streams: Growing,
}

impl Writer {
    pub fn new() -> Self {
        Self {
            words: Words::new(),
            numbers: Growing::new(),
            streams: Growing::new(),
        }
    }

    pub fn table(&self) -> Arc<Table> {
        self.numbers.table.clone()
    }

    pub fn chunks(&self) -> &[Arc<Chunk>] {
        self.words.chunks()
    }

    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Of records and tables; names and deductions apart, of which there are few.
    pub fn bytes(&self) -> usize {
        self.words.bytes() + self.numbers.bytes() + self.streams.bytes()
    }

    pub fn put(&mut self, index: &Index, entry: &Entry<'_>) -> Result<Put, IndexError> {
        let names = &index.names;
        let erp = names
            .erps
            .number(entry.erp)
            .ok_or(IndexError::TooManyNames("companies"))?;
        let unit = names
            .units
            .number(entry.unit)
            .ok_or(IndexError::TooManyNames("units"))?;
        let mut locations = Vec::with_capacity(entry.places.len());
        for place in entry.places {
            let location = names
                .locations
                .number(place.location)
                .ok_or(IndexError::TooManyNames("locations"))?;
            locations.push((location, place.available));
        }
        let mut own_orders = Vec::with_capacity(entry.own_orders.len());
        for (channel, location, quantity) in entry.own_orders {
            let channel = names
                .channels
                .number(channel)
                .ok_or(IndexError::TooManyNames("channels"))?;
            let location = names
                .locations
                .number(location)
                .ok_or(IndexError::TooManyNames("locations"))?;
            own_orders.push((channel, location, *quantity));
        }
        let content = Content {
            erp,
            item: entry.item,
            number: entry.number,
            variant: entry.variant,
            version: entry.version,
            unit,
            as_of: entry.as_of,
            locations: &locations,
            deductions: !own_orders.is_empty(),
        };
        if !content.fits_limits() {
            return Err(IndexError::TooLarge(entry.item));
        }
        self.write(index, &content, own_orders)
    }

    fn write(
        &mut self,
        index: &Index,
        content: &Content<'_>,
        own: Vec<(Name, Name, i64)>,
    ) -> Result<Put, IndexError> {
        let key = Key::new(
            content.erp,
            content.number.as_bytes(),
            content.variant.as_bytes(),
        );
        let hash = key.as_ref().map_or(0, Key::hash);
        let Some(old) = self.find(content.erp, content.item, content.variant) else {
            let offset = self.place(index, content, content.size(), own)?;
            self.streams.insert(
                record::stream_fingerprint(content.erp, content.item, content.variant),
                offset,
            );
            self.name(index, key.as_ref(), offset);
            return Ok(Put::Changed(hash, None));
        };
        let record = self.words.at(old);
        let header = Header::read(record, record[0].load(Ordering::Relaxed));
        if content.version <= header.version() {
            return Ok(Put::Nothing);
        }
        let former = header.hash_of(record, content.erp);
        let renamed = former != key.as_ref().map(Key::hash);
        if !renamed && content.size() <= header.size() {
            deduct(index, old, content.version, own);
            content.write(record, header.size());
            return Ok(Put::Changed(hash, None));
        }
        // Who grew once grows again: a little room saves the next move.
        let size = content.size()
            + if renamed {
                0
            } else {
                content.locations.len() / 4 + 1
            };
        let new = self.place(index, content, size, own)?;
        self.streams.replace(
            record::stream_fingerprint(content.erp, content.item, content.variant),
            old,
            new,
        );
        let found = former.map(record::fingerprint);
        let replaced = found.is_some_and(|found| !renamed && self.numbers.replace(found, old, new));
        if !replaced {
            if let Some(found) = found {
                self.numbers.remove(found, old);
            }
            self.name(index, key.as_ref(), new);
        }
        self.free(index, old, header.size());
        Ok(Put::Changed(hash, former.filter(|_| renamed)))
    }

    pub fn remove(
        &mut self,
        index: &Index,
        erp: &str,
        item: Uuid,
        variant: &str,
        version: u64,
    ) -> Put {
        let Some(erp) = index.names.erps.number(erp) else {
            return Put::Nothing;
        };
        let Some(old) = self.find(erp, item, variant) else {
            return Put::Nothing;
        };
        let record = self.words.at(old);
        let header = Header::read(record, record[0].load(Ordering::Relaxed));
        if version <= header.version() {
            return Put::Nothing;
        }
        let hash = header.hash_of(record, erp);
        self.streams
            .remove(record::stream_fingerprint(erp, item, variant), old);
        if let Some(hash) = hash {
            self.numbers.remove(record::fingerprint(hash), old);
        }
        self.free(index, old, header.size());
        Put::Changed(hash.unwrap_or(0), None)
    }

    /// Writes a new record where nobody looks yet.
    fn place(
        &mut self,
        index: &Index,
        content: &Content<'_>,
        size: usize,
        own: Vec<(Name, Name, i64)>,
    ) -> Result<u32, IndexError> {
        let (offset, grown) = self
            .words
            .take(size)
            .ok_or(IndexError::TooLarge(content.item))?;
        if grown {
            index.publish(self.numbers.table.clone(), self.words.chunks().to_vec());
        }
        deduct(index, offset, content.version, own);
        content.write(self.words.at(offset), size);
        Ok(offset)
    }

    /// Lets readers find the record by its number. Whoever had the number before, has it no more.
    fn name(&mut self, index: &Index, key: Option<&Key<'_>>, offset: u32) {
        let Some(key) = key else { return };
        let taken = self
            .numbers
            .table
            .candidates(key.fingerprint())
            .find(|other| key.matches(self.words.at(*other)));
        if let Some(other) = taken {
            self.numbers.replace(key.fingerprint(), other, offset);
            return;
        }
        if self.numbers.insert(key.fingerprint(), offset) {
            index.publish(self.numbers.table.clone(), self.words.chunks().to_vec());
        }
    }

    fn find(&self, erp: Name, item: Uuid, variant: &str) -> Option<u32> {
        let fingerprint = record::stream_fingerprint(erp, item, variant);
        self.streams.table.candidates(fingerprint).find(|offset| {
            let record = self.words.at(*offset);
            let header = Header::read(record, record[0].load(Ordering::Relaxed));
            record::item_of(record) == item
                && record::erp_of(record) == erp
                && header.variant_is(record, variant)
        })
    }

    fn free(&mut self, index: &Index, offset: u32, size: usize) {
        record::bury(self.words.at(offset));
        index
            .deductions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&offset);
        self.words.give_back(offset, size);
    }
}

fn deduct(index: &Index, offset: u32, version: u64, quantities: Vec<(Name, Name, i64)>) {
    let mut all = index
        .deductions
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    if quantities.is_empty() {
        all.remove(&offset);
        return;
    }
    all.insert(
        offset,
        Deductions {
            version,
            quantities: quantities.into(),
        },
    );
}

impl Index {
    /// Hash of a question, as [`Put::Changed`] tells it. Two questions may share one: it is a hint to look again.
    #[must_use]
    pub fn question(view: &super::View, number: &[u8], variant: &[u8]) -> Option<u64> {
        Key::new(view.erp(), number, variant).map(|key| key.hash())
    }
}
