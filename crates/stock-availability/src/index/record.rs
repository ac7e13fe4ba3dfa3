//! How a record lies in words.
//!
//! | word | holds |
//! |---|---|
//! | 0 | counter (32 bits; odd: being written or free), locations (16), spare words behind them (16) |
//! | 1 | version of the stream (40), company (8), unit (16) |
//! | 2 | as_of in milliseconds (44), bytes of the number (9) and of the variant (9), flags (2) |
//! | 3, 4 | system id |
//! | … | number and variant, eight bytes per word |
//! | … | locations: number (16) and available in parts of a unit (48); two words each when one does not fit |

use std::sync::atomic::{AtomicU64, Ordering, fence};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::names::Name;

pub(super) const HEADER: usize = 5;
/// Longest number or variant in bytes: a hundred characters, four bytes each.
const LONGEST: usize = 400;

const WIDE: u64 = 1;
const DEDUCTIONS: u64 = 2;
const NARROW_LIMIT: i64 = 1 << 47;
pub(super) const VERSION_LIMIT: u64 = 1 << 40;
const AS_OF_LIMIT: i64 = 1 << 44;

/// What a channel asks by: company, number, variant.
pub(super) struct Key<'a> {
    number: &'a [u8],
    variant: &'a [u8],
    erp: Name,
    hash: u64,
}

impl<'a> Key<'a> {
    /// `None`: empty, or longer than any item number.
    #[inline]
    pub fn new(erp: Name, number: &'a [u8], variant: &'a [u8]) -> Option<Self> {
        let key = Self::asked(erp, number, variant);
        key.is_possible().then_some(key)
    }

    /// Whatever somebody asks for.
    #[inline]
    pub fn asked(erp: Name, number: &'a [u8], variant: &'a [u8]) -> Self {
        Self {
            number,
            variant,
            erp,
            hash: hash(erp, number, variant),
        }
    }

    #[inline]
    pub fn is_possible(&self) -> bool {
        (1..=LONGEST).contains(&self.number.len()) && self.variant.len() <= LONGEST
    }

    #[inline]
    pub fn number_and_variant(&self) -> (&'a [u8], &'a [u8]) {
        (self.number, self.variant)
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn fingerprint(&self) -> u32 {
        fingerprint(self.hash)
    }

    #[inline]
    pub fn matches(&self, record: &[AtomicU64]) -> bool {
        let lengths = record[2].load(Ordering::Relaxed) >> 2 & 0x3_ffff;
        lengths == (self.number.len() << 9 | self.variant.len()) as u64
            && record[1].load(Ordering::Relaxed) >> 16 & 0xff == u64::from(self.erp)
            && self.words_match(&record[HEADER..])
    }

    #[inline]
    fn words_match(&self, words: &[AtomicU64]) -> bool {
        if self.variant.is_empty() {
            let (whole, rest) = self.number.as_chunks::<8>();
            let same = whole
                .iter()
                .zip(words)
                .all(|(mine, word)| u64::from_le_bytes(*mine) == word.load(Ordering::Relaxed));
            let last = words
                .get(whole.len())
                .map(|word| word.load(Ordering::Relaxed));
            return same && (rest.is_empty() || last == Some(padded(self.number, rest)));
        }
        let mut bytes = self.number.iter().chain(self.variant).copied();
        let count = (self.number.len() + self.variant.len()).div_ceil(8);
        words
            .iter()
            .take(count)
            .all(|word| next_word(&mut bytes) == word.load(Ordering::Relaxed))
    }
}

#[inline]
fn hash(erp: Name, number: &[u8], variant: &[u8]) -> u64 {
    let hash = xxh3_64_with_seed(number, u64::from(erp) << 16 | number.len() as u64);
    if variant.is_empty() {
        return hash;
    }
    xxh3_64_with_seed(variant, hash)
}

/// What a slot of a table knows of a hash.
pub(super) fn fingerprint(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// `rest`, the last one to seven of `bytes`, as a word padded with zeros.
#[inline]
fn padded(bytes: &[u8], rest: &[u8]) -> u64 {
    match bytes.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last) >> (8 * (8 - rest.len())),
        None => rest
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[inline]
fn next_word(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let mut word = [0; 8];
    word.iter_mut()
        .zip(bytes)
        .for_each(|(place, byte)| *place = byte);
    u64::from_le_bytes(word)
}

/// Fingerprint of a stream: company, system id, variant.
pub(super) fn stream_fingerprint(erp: Name, item: Uuid, variant: &str) -> u32 {
    let seed = u64::from(erp) ^ xxh3_64_with_seed(variant.as_bytes(), 1);
    (xxh3_64_with_seed(item.as_bytes(), seed) >> 32) as u32
}

/// Odd: a writer is at it, or nothing lives here.
#[inline]
pub(super) fn is_being_written(first: u64) -> bool {
    first & 1 == 1
}

/// Whether what was read since `before` belongs together.
#[inline]
pub(super) fn unchanged(record: &[AtomicU64], before: u64) -> bool {
    fence(Ordering::Acquire);
    record[0].load(Ordering::Relaxed) == before
}

/// A record's first words, read at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    first: u64,
    second: u64,
    third: u64,
}

impl Header {
    #[inline]
    pub fn read(record: &[AtomicU64], first: u64) -> Self {
        Self {
            first,
            second: record[1].load(Ordering::Relaxed),
            third: record[2].load(Ordering::Relaxed),
        }
    }

    fn locations(self) -> usize {
        (self.first >> 32 & 0xffff) as usize
    }

    fn spare(self) -> usize {
        (self.first >> 48) as usize
    }

    pub fn version(self) -> u64 {
        self.second >> 24
    }

    pub fn unit(self) -> Name {
        (self.second & 0xffff) as Name
    }

    pub fn as_of(self) -> i64 {
        (self.third >> 20) as i64
    }

    pub fn has_deductions(self) -> bool {
        self.third & DEDUCTIONS != 0
    }

    fn words_per_location(self) -> usize {
        if self.third & WIDE == 0 { 1 } else { 2 }
    }

    fn key_words(self) -> usize {
        ((self.third >> 11 & 0x1ff) as usize + (self.third >> 2 & 0x1ff) as usize).div_ceil(8)
    }

    /// Words the record takes, spare ones included.
    pub fn size(self) -> usize {
        HEADER + self.key_words() + self.locations() * self.words_per_location() + self.spare()
    }

    #[inline]
    pub fn each_location(self, record: &[AtomicU64], mut tell: impl FnMut(Name, i64)) {
        let from = HEADER + self.key_words();
        if self.third & WIDE == 0 {
            // A count read from a record that is just being replaced may lead beyond the chunk: what is there is enough.
            for word in record.iter().skip(from).take(self.locations()) {
                let word = word.load(Ordering::Relaxed);
                tell((word >> 48) as Name, ((word << 16) as i64) >> 16);
            }
            return;
        }
        for pair in record
            .get(from..)
            .unwrap_or_default()
            .chunks_exact(2)
            .take(self.locations())
        {
            tell(
                pair[0].load(Ordering::Relaxed) as Name,
                pair[1].load(Ordering::Relaxed) as i64,
            );
        }
    }

    /// Hash of the number and variant; `None` while there is no number. Only for the one who writes.
    pub fn hash_of(self, record: &[AtomicU64], erp: Name) -> Option<u64> {
        let words = &record[HEADER..HEADER + self.key_words()];
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
            .collect();
        let number = (self.third >> 11 & 0x1ff) as usize;
        let variant = (self.third >> 2 & 0x1ff) as usize;
        Key::new(erp, &bytes[..number], &bytes[number..number + variant]).map(|key| key.hash())
    }

    pub fn variant_is(self, record: &[AtomicU64], variant: &str) -> bool {
        let (number, length) = (
            (self.third >> 11 & 0x1ff) as usize,
            (self.third >> 2 & 0x1ff) as usize,
        );
        length == variant.len()
            && variant.bytes().enumerate().all(|(at, byte)| {
                let at = number + at;
                (record[HEADER + at / 8].load(Ordering::Relaxed) >> (at % 8 * 8)) as u8 == byte
            })
    }
}

pub(super) fn item_of(record: &[AtomicU64]) -> Uuid {
    Uuid::from_u64_pair(
        record[3].load(Ordering::Relaxed),
        record[4].load(Ordering::Relaxed),
    )
}

pub(super) fn erp_of(record: &[AtomicU64]) -> Name {
    (record[1].load(Ordering::Relaxed) >> 16 & 0xff) as Name
}

/// What is to be written.
pub(super) struct Content<'a> {
    pub erp: Name,
    pub item: Uuid,
    pub number: &'a str,
    pub variant: &'a str,
    pub version: u64,
    pub unit: Name,
    pub as_of: i64,
    pub locations: &'a [(Name, i64)],
    pub deductions: bool,
}

impl Content<'_> {
    fn is_wide(&self) -> bool {
        self.locations
            .iter()
            .any(|(_, available)| !(-NARROW_LIMIT..NARROW_LIMIT).contains(available))
    }

    /// Words it needs.
    pub fn size(&self) -> usize {
        let per_location = if self.is_wide() { 2 } else { 1 };
        HEADER
            + (self.number.len() + self.variant.len()).div_ceil(8)
            + self.locations.len() * per_location
    }

    pub fn fits_limits(&self) -> bool {
        self.number.len() <= LONGEST
            && self.variant.len() <= LONGEST
            && self.locations.len() <= usize::from(u16::MAX)
            && self.erp <= 0xff
            && self.version < VERSION_LIMIT
    }

    /// Writes it into a record of `size` words, which readers may be looking at.
    pub fn write(&self, record: &[AtomicU64], size: usize) {
        let wide = self.is_wide();
        let counter = record[0].load(Ordering::Relaxed) as u32;
        // Odd while it is written; it is odd already when the room is new or was given back.
        let odd = counter | 1;
        record[0].store(u64::from(odd), Ordering::Relaxed);
        fence(Ordering::Release);
        let put = |at: usize, word: u64| record[at].store(word, Ordering::Relaxed);
        put(
            1,
            self.version << 24 | u64::from(self.erp) << 16 | u64::from(self.unit),
        );
        let flags = if wide { WIDE } else { 0 } | if self.deductions { DEDUCTIONS } else { 0 };
        let as_of = self.as_of.clamp(0, AS_OF_LIMIT - 1) as u64;
        put(
            2,
            as_of << 20
                | (self.number.len() as u64) << 11
                | (self.variant.len() as u64) << 2
                | flags,
        );
        let (high, low) = self.item.as_u64_pair();
        put(3, high);
        put(4, low);
        let mut at = HEADER;
        let mut bytes = self.number.bytes().chain(self.variant.bytes());
        for _ in 0..(self.number.len() + self.variant.len()).div_ceil(8) {
            put(at, next_word(&mut bytes));
            at += 1;
        }
        for (location, available) in self.locations {
            if wide {
                put(at, u64::from(*location));
                put(at + 1, *available as u64);
                at += 2;
            } else {
                put(
                    at,
                    u64::from(*location) << 48 | (*available as u64 & 0xffff_ffff_ffff),
                );
                at += 1;
            }
        }
        let spare = (size - at) as u64;
        let even = odd.wrapping_add(1);
        record[0].store(
            spare << 48 | (self.locations.len() as u64) << 32 | u64::from(even),
            Ordering::Release,
        );
    }
}

/// Marks the room as free: whoever still reads it looks again.
pub(super) fn bury(record: &[AtomicU64]) {
    let counter = record[0].load(Ordering::Relaxed) as u32;
    record[0].store(u64::from(counter | 1), Ordering::Release);
}
