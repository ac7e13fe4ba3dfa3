//! Memory for records: chunks of atomic words that never move, so that a reader may hold on to an offset.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Words in a chunk; a record never spans two.
pub(super) const CHUNK: usize = 16 * 1024;

pub(super) type Chunk = [AtomicU64];

/// The record at `offset`, up to the end of its chunk; `None`: the chunk is not among these.
#[inline]
pub(super) fn word(chunks: &[Arc<Chunk>], offset: u32) -> Option<&[AtomicU64]> {
    let offset = offset as usize;
    chunks.get(offset / CHUNK)?.get(offset % CHUNK..)
}

/// Gives out room for records, and takes it back.
pub(super) struct Words {
    chunks: Vec<Arc<Chunk>>,
    /// First unused word of the last chunk.
    next: usize,
    free: HashMap<usize, Vec<u32>>,
}

impl Words {
    pub fn new() -> Self {
        // Offsets 0 and 1 mean "empty" and "gone" in the tables.
        Self {
            chunks: vec![chunk()],
            next: 2,
            free: HashMap::new(),
        }
    }

    pub fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    pub fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<AtomicU64>()
    }

    pub fn at(&self, offset: u32) -> &[AtomicU64] {
        word(&self.chunks, offset).expect("every offset given out is in a chunk")
    }

    /// Room for `size` words. `None`: larger than a chunk, or all 32 GiB are used. The second answer: a chunk was added.
    pub fn take(&mut self, size: usize) -> Option<(u32, bool)> {
        if size > CHUNK - 2 {
            return None;
        }
        if let Some(offset) = self.free.get_mut(&size).and_then(Vec::pop) {
            return Some((offset, false));
        }
        let grown = self.next + size > CHUNK;
        if grown {
            self.chunks.push(chunk());
            self.next = 0;
        }
        let offset = u32::try_from((self.chunks.len() - 1) * CHUNK + self.next).ok()?;
        self.next += size;
        Some((offset, grown))
    }

    /// `size` as it was taken: the same room is only ever given out whole, so that a record's counter goes on rising.
    pub fn give_back(&mut self, offset: u32, size: usize) {
        self.free.entry(size).or_default().push(offset);
    }
}

fn chunk() -> Arc<Chunk> {
    (0..CHUNK).map(|_| AtomicU64::new(1)).collect()
}
