//! What a batch of records means for the positions, before anything is touched: which to take, which are repeats, which
//! belong to an earlier life of their log, and where a new one begins. Pure.

use std::collections::{BTreeMap, HashMap};

use millrace_event_store::Position;

use crate::past::Past;
use crate::subscription::{Mark, Partition, Reached, Seen, Taken};
use crate::topics::{self, Kind};

/// `next` of a partition that is to be read from its beginning.
pub(crate) const BEGINNING: i64 = -1;
/// `old_until` of a partition whose past is over.
pub(crate) const NOTHING_OLD: i64 = -1;

impl Mark {
    /// Of a partition that ends at `end`.
    pub(crate) fn beginning(end: i64) -> Self {
        Self {
            next: BEGINNING,
            passed: None,
            seen: None,
            since: BEGINNING,
            old_until: end,
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
    /// What the steps take of the partitions' past.
    pub past: HashMap<Partition, Past>,
}

/// Judges `records` against where their partitions stand, and what was taken of their past.
pub(super) fn plan<'a>(
    marks: &HashMap<Partition, Mark>,
    past: &HashMap<&Partition, &Past>,
    records: &'a [Taken],
    reached: &[Reached],
) -> Plan<'a> {
    let mut plan = Plan {
        steps: Vec::new(),
        marks: BTreeMap::new(),
        repeated: 0,
        stale: 0,
        rebuilt: Vec::new(),
        past: HashMap::new(),
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
            Ok(recorded) => match judge(mark, taken.offset, &recorded.at) {
                // Of a compacted topic's past the first of two may be gone, and this one is all there is.
                Verdict::Repeat if is_past(mark, taken) => {
                    let taken_before = [
                        past.get(&taken.partition).copied(),
                        plan.past.get(&taken.partition),
                    ]
                    .into_iter()
                    .flatten()
                    .any(|past| past.reaches(taken.key(), recorded.at.number));
                    if taken_before {
                        Verdict::Repeat
                    } else {
                        Verdict::Take
                    }
                }
                verdict => verdict,
            },
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
        mark.passed = taken.event.as_ref().ok().map(|recorded| recorded.event.id);
        if let (Verdict::Take, Ok(recorded)) = (&verdict, &taken.event) {
            if mark.seen.is_none() {
                mark.since = taken.offset;
            }
            if is_past(mark, taken) {
                plan.past
                    .entry(taken.partition.clone())
                    .or_default()
                    .note(taken.key(), recorded.at.number);
            }
            let seen = Seen::at(&recorded.at);
            let is_new = mark
                .seen
                .as_ref()
                .is_none_or(|newest| newest.comes_before(&recorded.at));
            if taken.offset >= mark.old_until && is_new {
                mark.old_until = NOTHING_OLD;
            }
            match &mark.seen {
                Some(further) if further.same_log(&seen) && further.number > seen.number => {}
                _ => mark.seen = Some(seen),
            }
        }
    }
    for Reached {
        partition,
        next,
        passed,
    } in reached
    {
        let rebuilt = plan
            .rebuilt
            .iter()
            .any(|(rebuilt, ..)| rebuilt == partition);
        if let (false, Some(known)) = (rebuilt, marks.get(partition)) {
            let mark = plan
                .marks
                .entry(partition.clone())
                .or_insert_with(|| known.clone());
            if *next > mark.next {
                mark.next = *next;
                mark.passed = Some(*passed);
            }
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

    /// In the same life of the same log.
    pub(crate) fn comes_before(&self, at: &Position) -> bool {
        self.same_log(&Self::at(at)) && self.number < at.number
    }

    fn same_log(&self, other: &Self) -> bool {
        (&self.log, self.epoch, self.shard) == (&other.log, other.epoch, other.shard)
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

/// It may have lost company to compaction.
fn is_past(mark: &Mark, taken: &Taken) -> bool {
    mark.old_until >= 0
        && topics::named(taken.partition.topic).is_some_and(|topic| topic.kind == Kind::State)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
