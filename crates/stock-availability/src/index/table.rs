//! Finds records by fingerprint: open addressing, a slot is a fingerprint and an offset in one word.
//!
//! The place of a slot follows from its fingerprint alone, so a table grows without looking at any record.

use std::sync::atomic::{AtomicU64, Ordering};

const EMPTY: u64 = 0;
/// Something stood here; probing goes on behind it.
const GONE: u64 = 1;
const SMALLEST: usize = 64;

/// Slots, written by one thread and read by many.
pub(super) struct Table {
    slots: Box<[AtomicU64]>,
}

impl Table {
    pub fn new(room: usize) -> Self {
        Self {
            slots: (0..room.max(SMALLEST))
                .map(|_| AtomicU64::new(EMPTY))
                .collect(),
        }
    }

    fn home(&self, fingerprint: u32) -> usize {
        usize::try_from((u64::from(fingerprint) * self.slots.len() as u64) >> 32).unwrap_or(0)
    }

    /// Where probing for this fingerprint begins.
    #[inline]
    pub fn home_slot(&self, fingerprint: u32) -> u64 {
        self.slots[self.home(fingerprint)].load(Ordering::Relaxed)
    }

    /// Offsets of records that may be the one.
    #[inline]
    pub fn candidates(&self, fingerprint: u32) -> impl Iterator<Item = u32> {
        let mut at = self.home(fingerprint);
        let mut left = self.slots.len();
        std::iter::from_fn(move || {
            while left > 0 {
                let slot = self.slots[at].load(Ordering::Acquire);
                at = if at + 1 == self.slots.len() {
                    0
                } else {
                    at + 1
                };
                left -= 1;
                if slot == EMPTY {
                    return None;
                }
                if (slot >> 32) as u32 == fingerprint && slot != GONE {
                    return Some(slot as u32);
                }
            }
            None
        })
    }

    /// Puts `offset` in; the table has room. Answers whether a slot was used that was empty before.
    fn insert(&self, fingerprint: u32, offset: u32) -> bool {
        let mut at = self.home(fingerprint);
        loop {
            let slot = self.slots[at].load(Ordering::Relaxed);
            if slot == EMPTY || slot == GONE {
                self.slots[at].store(packed(fingerprint, offset), Ordering::Release);
                return slot == EMPTY;
            }
            at = if at + 1 == self.slots.len() {
                0
            } else {
                at + 1
            };
        }
    }

    /// Replaces what stands there for `old`; `None` removes it. Answers whether it stood there.
    fn replace(&self, fingerprint: u32, old: u32, new: Option<u32>) -> bool {
        let mut at = self.home(fingerprint);
        for _ in 0..self.slots.len() {
            let slot = self.slots[at].load(Ordering::Relaxed);
            if slot == EMPTY {
                return false;
            }
            if slot == packed(fingerprint, old) {
                self.slots[at].store(
                    new.map_or(GONE, |new| packed(fingerprint, new)),
                    Ordering::Release,
                );
                return true;
            }
            at = if at + 1 == self.slots.len() {
                0
            } else {
                at + 1
            };
        }
        false
    }
}

fn packed(fingerprint: u32, offset: u32) -> u64 {
    u64::from(fingerprint) << 32 | u64::from(offset)
}

/// A table that grows: the writer's side.
pub(super) struct Growing {
    pub table: std::sync::Arc<Table>,
    /// Slots that are not empty, gone ones included.
    used: usize,
    live: usize,
}

impl Growing {
    pub fn new() -> Self {
        Self {
            table: std::sync::Arc::new(Table::new(SMALLEST)),
            used: 0,
            live: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.live
    }

    pub fn bytes(&self) -> usize {
        self.table.slots.len() * size_of::<AtomicU64>()
    }

    /// Answers whether readers need the new table.
    pub fn insert(&mut self, fingerprint: u32, offset: u32) -> bool {
        // Above 85 % probes get long; a quarter more room keeps the average near three quarters full.
        let grown = (self.used + 1) * 20 > self.table.slots.len() * 17;
        if grown {
            let larger = Table::new((self.live + 1) * 3 / 2);
            for slot in &self.table.slots {
                let slot = slot.load(Ordering::Relaxed);
                if slot != EMPTY && slot != GONE {
                    larger.insert((slot >> 32) as u32, slot as u32);
                }
            }
            self.used = self.live;
            self.table = std::sync::Arc::new(larger);
        }
        if self.table.insert(fingerprint, offset) {
            self.used += 1;
        }
        self.live += 1;
        grown
    }

    pub fn replace(&mut self, fingerprint: u32, old: u32, new: u32) -> bool {
        self.table.replace(fingerprint, old, Some(new))
    }

    pub fn remove(&mut self, fingerprint: u32, offset: u32) {
        if self.table.replace(fingerprint, offset, None) {
            self.live -= 1;
        }
    }
}
