//! Judges appends one by one, in their order, against what is known for certain while the head row is held. Pure.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::log::{Append, AppendError, Appended, Expected, StreamAppend};

/// What must be looked up before a verdict.
pub(crate) struct Questions<'a> {
    pub(crate) streams: Vec<&'a str>,
    pub(crate) ids: Vec<Uuid>,
    pub(crate) keys: Vec<&'a str>,
    pub(crate) leases: Vec<&'a str>,
}

/// The answers, true until the head row is given back.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) position: u64,
    pub(crate) fence: i64,
    /// Streams that exist.
    pub(crate) heads: HashMap<String, u64>,
    /// Position and version of events that are there.
    pub(crate) ids: HashMap<Uuid, (u64, u64)>,
    pub(crate) answers: HashMap<String, Appended>,
    pub(crate) leases: HashMap<String, u64>,
}

pub(crate) enum Verdict {
    /// Accepted: the first version of each stream, and what to answer once written.
    Write {
        firsts: Vec<u64>,
        appended: Appended,
    },
    Answer(Result<Appended, AppendError>),
}

impl<'a> Questions<'a> {
    pub(crate) fn about(appends: &[&'a Append]) -> Self {
        let streams = || appends.iter().flat_map(|append| &append.streams);
        Self {
            streams: streams()
                .map(|stream| stream.stream.as_str())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            ids: streams()
                .flat_map(|stream| &stream.events)
                .map(|event| event.id)
                .collect(),
            keys: appends
                .iter()
                .filter_map(|append| append.idempotency_key.as_deref())
                .collect(),
            leases: appends
                .iter()
                .filter_map(|append| append.lease.as_ref())
                .map(|lease| lease.name.as_str())
                .collect(),
        }
    }
}

pub(crate) fn judge(appends: &[&Append], mut facts: Facts) -> Vec<Verdict> {
    appends
        .iter()
        .map(|append| verdict(append, &mut facts))
        .collect()
}

fn verdict(append: &Append, facts: &mut Facts) -> Verdict {
    if let Some(first) = append
        .idempotency_key
        .as_ref()
        .and_then(|key| facts.answers.get(key))
    {
        return Verdict::Answer(Ok(Appended {
            repeated: true,
            ..first.clone()
        }));
    }
    if let Some(answer) = repeated(append, facts) {
        return Verdict::Answer(answer);
    }
    if let Some(lease) = append
        .lease
        .as_ref()
        .filter(|lease| facts.leases.get(&lease.name) != Some(&lease.epoch))
    {
        return Verdict::Answer(Err(AppendError::StaleLease {
            name: lease.name.clone(),
            epoch: lease.epoch,
        }));
    }
    match firsts(append, &facts.heads) {
        Ok(firsts) => accepted(append, firsts, facts),
        Err(conflict) => Verdict::Answer(Err(conflict)),
    }
}

/// Events that are there already: the first answer, pieced together from where they stand.
fn repeated(append: &Append, facts: &Facts) -> Option<Result<Appended, AppendError>> {
    let events = || append.streams.iter().flat_map(|stream| &stream.events);
    let mut seen = events()
        .filter_map(|event| facts.ids.get(&event.id))
        .map(|(position, _)| *position);
    let first = seen.next()?;
    let (first, last) = seen.fold((first, first), |(low, high), position| {
        (low.min(position), high.max(position))
    });
    if let Some(stranger) = events().find(|event| !facts.ids.contains_key(&event.id)) {
        let known = events()
            .find(|event| facts.ids.contains_key(&event.id))
            .unwrap_or(stranger);
        return Some(Err(AppendError::Reused { id: known.id }));
    }
    let version = |stream: &StreamAppend| match stream
        .events
        .last()
        .and_then(|event| facts.ids.get(&event.id))
    {
        Some((_, version)) => *version,
        None => facts.heads.get(&stream.stream).copied().unwrap_or(0),
    };
    Some(Ok(Appended {
        first,
        last,
        versions: append.streams.iter().map(version).collect(),
        repeated: true,
    }))
}

/// The first version of each stream of the append; a stream named twice goes on where its first mention ended.
fn firsts(append: &Append, heads: &HashMap<String, u64>) -> Result<Vec<u64>, AppendError> {
    let mut firsts = Vec::with_capacity(append.streams.len());
    for (index, stream) in append.streams.iter().enumerate() {
        let before = append.streams[..index]
            .iter()
            .filter(|earlier| earlier.stream == stream.stream);
        let actual = heads.get(&stream.stream).copied().unwrap_or(0)
            + before
                .map(|earlier| earlier.events.len() as u64)
                .sum::<u64>();
        match stream.expected {
            Expected::Version(expected) if expected != actual => {
                return Err(AppendError::Conflict {
                    stream: stream.stream.clone(),
                    expected,
                    actual,
                });
            }
            Expected::Version(_) | Expected::Any => firsts.push(actual + 1),
        }
    }
    Ok(firsts)
}

fn accepted(append: &Append, firsts: Vec<u64>, facts: &mut Facts) -> Verdict {
    let before = facts.position;
    let mut versions = Vec::with_capacity(firsts.len());
    for (stream, first) in append.streams.iter().zip(&firsts) {
        for (version, event) in (*first..).zip(&stream.events) {
            facts.position += 1;
            facts.ids.insert(event.id, (facts.position, version));
        }
        let last = first + stream.events.len() as u64 - 1;
        facts.heads.insert(stream.stream.clone(), last);
        versions.push(last);
    }
    let first = if facts.position == before {
        before
    } else {
        before + 1
    };
    let appended = Appended {
        first,
        last: facts.position,
        versions,
        repeated: false,
    };
    if let Some(key) = &append.idempotency_key {
        facts.answers.insert(key.clone(), appended.clone());
    }
    Verdict::Write { firsts, appended }
}
