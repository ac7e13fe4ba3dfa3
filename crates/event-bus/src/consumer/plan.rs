//! What a batch of records means for the positions, before anything is touched: which to take, which are repeats, which
//! belong to an earlier life of their log, and where a new one begins. Pure.

use std::collections::{BTreeMap, HashMap};

use millrace_event_store::Position;

use crate::subscription::{Mark, Partition, Seen, Taken};

/// `next` of a partition that is to be read from its beginning.
pub(crate) const BEGINNING: i64 = -1;

impl Mark {
    pub(crate) fn beginning() -> Self {
        Self {
            next: BEGINNING,
            seen: None,
            since: BEGINNING,
            stalled: None,
        }
    }
}

/// What to do with a batch.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub steps: Vec<&'a Taken>,
    /// Where each partition stands when all steps are done; only those that move.
    pub marks: BTreeMap<Partition, Mark>,
    pub repeated: u64,
    /// Of an epoch that has ended since.
    pub stale: u64,
    /// Partitions in which a new epoch begins, with the record it begins at; what comes from there on is not in the plan.
    pub rebuilt: Vec<(Partition, i64, Position)>,
}

/// Judges `records` against where their partitions stand.
pub(super) fn plan<'a>(
    marks: &HashMap<Partition, Mark>,
    records: &'a [Taken],
    reached: &[(Partition, i64)],
) -> Plan<'a> {
    let mut plan = Plan {
        steps: Vec::new(),
        marks: BTreeMap::new(),
        repeated: 0,
        stale: 0,
        rebuilt: Vec::new(),
    };
    for taken in records {
        if plan
            .rebuilt
            .iter()
            .any(|(partition, ..)| *partition == taken.partition)
        {
            continue;
        }
        let Some(known) = marks.get(&taken.partition) else {
            continue;
        };
        let mark = plan
            .marks
            .entry(taken.partition.clone())
            .or_insert_with(|| known.clone());
        if taken.offset < mark.next {
            plan.repeated += 1;
            continue;
        }
        let verdict = match &taken.event {
            Ok(recorded) => judge(mark, taken.offset, &recorded.at),
            Err(_) => Verdict::Take,
        };
        match verdict {
            Verdict::Take => plan.steps.push(taken),
            Verdict::Repeat => plan.repeated += 1,
            Verdict::Stale => plan.stale += 1,
            Verdict::Rebuilt(at) => {
                plan.rebuilt
                    .push((taken.partition.clone(), taken.offset, at));
                continue;
            }
        }
        mark.next = taken.offset + 1;
        if let (Verdict::Take, Ok(recorded)) = (&verdict, &taken.event) {
            if mark.seen.is_none() {
                mark.since = taken.offset;
            }
            mark.seen = Some(Seen::at(&recorded.at));
        }
    }
    for (partition, next) in reached {
        let rebuilt = plan
            .rebuilt
            .iter()
            .any(|(rebuilt, ..)| rebuilt == partition);
        if let (false, Some(known)) = (rebuilt, marks.get(partition)) {
            let mark = plan
                .marks
                .entry(partition.clone())
                .or_insert_with(|| known.clone());
            mark.next = mark.next.max(*next);
        }
    }
    plan.marks
        .retain(|partition, mark| marks.get(partition) != Some(mark));
    plan
}

impl Seen {
    pub(crate) fn at(position: &Position) -> Self {
        Self {
            log: position.log.clone(),
            epoch: position.epoch,
            shard: position.shard,
            number: position.number,
        }
    }
}

enum Verdict {
    Take,
    Repeat,
    Stale,
    Rebuilt(Position),
}

fn judge(mark: &Mark, offset: i64, at: &Position) -> Verdict {
    let Some(seen) = &mark.seen else {
        return Verdict::Take;
    };
    if seen.epoch == at.epoch && seen.log == at.log {
        // Within a partition a log's positions only rise; a relay that published twice shows here.
        let repeat = seen.shard == at.shard && at.number <= seen.number;
        return if repeat {
            Verdict::Repeat
        } else {
            Verdict::Take
        };
    }
    if offset < mark.since {
        Verdict::Stale
    } else {
        Verdict::Rebuilt(at.clone())
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
