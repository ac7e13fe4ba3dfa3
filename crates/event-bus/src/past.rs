//! What a reader has taken of a compacted topic's past.
//!
//! In a partition a log's positions rise, but for what a relay had to send again after a failure. Of records sent twice, compaction
//! may take the first away and leave a later record of another key in front of the second: then a position goes back although its
//! record was never seen. So for what was there before a reader began, each key speaks for itself.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

/// The highest position taken of each key, by the key's hash.
#[derive(Debug, Default)]
pub(crate) struct Past(HashMap<u64, u64>);

impl Past {
    /// That position of the key, or a later one, was taken.
    pub(crate) fn reaches(&self, key: &str, number: u64) -> bool {
        self.0
            .get(&xxh3_64(key.as_bytes()))
            .is_some_and(|taken| *taken >= number)
    }

    pub(crate) fn note(&mut self, key: &str, number: u64) {
        self.0.insert(xxh3_64(key.as_bytes()), number);
    }

    /// With what was taken since.
    pub(crate) fn merge(&mut self, later: Self) {
        self.0.extend(later.0);
    }
}
