//! What the writer remembers, to spare the database questions: where streams stand and who holds leases. Never more than a hint
//! that a version is not too high; the unique keys and the fence judge.

use std::collections::{BTreeSet, HashMap};

use crate::log::{Append, Expected, StreamAppend};

/// Streams remembered per generation; two generations are kept.
const STREAMS: usize = 32_768;

#[derive(Default)]
pub(super) struct Known {
    young: HashMap<String, u64>,
    old: HashMap<String, u64>,
    fence: Option<i64>,
    leases: HashMap<String, u64>,
}

impl Known {
    fn version(&self, stream: &str) -> Option<u64> {
        self.young
            .get(stream)
            .or_else(|| self.old.get(stream))
            .copied()
    }

    pub(super) fn stands_at(&mut self, stream: &str, version: u64) {
        if let Some(known) = self.young.get_mut(stream) {
            *known = version.max(*known);
            return;
        }
        if self.young.len() >= STREAMS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream.to_owned(), version);
    }

    /// Streams that must be asked about before anybody can vouch for them. A stream said to be new need not be: it cannot be lower.
    pub(super) fn unknown<'a>(
        &self,
        streams: impl Iterator<Item = &'a StreamAppend>,
    ) -> Vec<&'a str> {
        let asked = streams.filter(|stream| {
            stream.expected != Expected::Version(0) && self.version(&stream.stream).is_none()
        });
        asked
            .map(|stream| stream.stream.as_str())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    pub(super) fn learn(&mut self, asked: &[&str], found: Vec<(String, u64)>) {
        for (stream, version) in found {
            self.stands_at(&stream, version);
        }
        for stream in asked {
            if self.version(stream).is_none() {
                self.stands_at(stream, 0);
            }
        }
    }

    pub(super) fn see_leases(&mut self, fence: i64, leases: &HashMap<String, u64>) {
        if self.fence != Some(fence) {
            self.leases.clear();
            self.fence = Some(fence);
        }
        self.leases
            .extend(leases.iter().map(|(name, epoch)| (name.clone(), *epoch)));
    }

    pub(super) fn forget_leases(&mut self) {
        self.fence = None;
        self.leases.clear();
    }

    pub(super) fn fence_for_leases(&self) -> Option<i64> {
        self.fence
    }

    /// A view that runs ahead of the database while a batch is put together.
    pub(super) fn ahead<'a>(&self) -> Ahead<'_, 'a> {
        Ahead {
            known: self,
            versions: HashMap::new(),
        }
    }
}

pub(super) struct Ahead<'k, 'a> {
    known: &'k Known,
    versions: HashMap<&'a str, u64>,
}

impl<'a> Ahead<'_, 'a> {
    /// The first version of each stream, when everything expected is as far as known true.
    pub(super) fn vouch(&mut self, append: &'a Append) -> Option<Vec<u64>> {
        // A stream that is only looked at writes no row that a unique key could judge: only a look under the lock can answer.
        if append.streams.is_empty() || append.streams.iter().any(|stream| stream.events.is_empty())
        {
            return None;
        }
        if let Some(lease) = &append.lease {
            let held = self.known.fence.is_some()
                && self.known.leases.get(&lease.name) == Some(&lease.epoch);
            if !held {
                return None;
            }
        }
        let mut firsts = Vec::with_capacity(append.streams.len());
        let mut done: Vec<(&str, u64)> = Vec::with_capacity(append.streams.len());
        for stream in &append.streams {
            let earlier = done
                .iter()
                .rev()
                .find(|(name, _)| *name == stream.stream)
                .map(|(_, version)| *version);
            let version = earlier
                .or_else(|| self.version(&stream.stream))
                .unwrap_or(0);
            if matches!(stream.expected, Expected::Version(expected) if expected != version) {
                return None;
            }
            firsts.push(version + 1);
            done.push((&stream.stream, version + stream.events.len() as u64));
        }
        self.versions.extend(done);
        Some(firsts)
    }

    fn version(&self, stream: &str) -> Option<u64> {
        self.versions
            .get(stream)
            .copied()
            .or_else(|| self.known.version(stream))
    }
}
