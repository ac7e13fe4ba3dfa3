use bytes::Bytes;
use jiff::Timestamp;
use millrace_event_store::{Cause, NewEvent, Recorded};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// What a partition holds: offset, epoch, position in that epoch.
type Content = Vec<(i64, u128, u64)>;

#[test]
fn what_was_taken_is_not_taken_again() {
    let marks = at(Mark {
        next: 5,
        passed: None,
        seen: Some(seen(1, 3)),
        since: 0,
        old_until: -1,
        stalled: None,
    });
    let records = [record(4, 1, 3), record(5, 1, 3), record(6, 1, 4)];
    let plan = plan(&marks, &HashMap::new(), &records, &[]);
    assert_eq!((offsets(&plan), plan.repeated), (vec![6], 2));
    assert_eq!(plan.marks[&partition()].next, 7);
}

#[test]
fn a_new_epoch_ends_the_plan_where_it_begins() {
    let marks = at(Mark {
        next: 0,
        passed: None,
        seen: Some(seen(1, 3)),
        since: 0,
        old_until: -1,
        stalled: None,
    });
    let records = [record(0, 1, 4), record(1, 2, 1), record(2, 2, 2)];
    let plan = plan(&marks, &HashMap::new(), &records, &[reached(9)]);
    assert_eq!(offsets(&plan), [0]);
    assert_eq!(plan.rebuilt.len(), 1);
    assert_eq!(
        (plan.rebuilt[0].1, plan.rebuilt[0].2.epoch),
        (1, Uuid::from_u128(2))
    );
    assert_eq!(
        plan.marks[&partition()].next,
        1,
        "not past the new epoch, whatever was reached"
    );
}

#[test]
fn what_is_older_than_the_epoch_is_stale() {
    let marks = at(Mark {
        next: BEGINNING,
        passed: None,
        seen: Some(seen(2, 0)),
        since: 2,
        old_until: -1,
        stalled: None,
    });
    let records = [record(0, 1, 1), record(1, 1, 2), record(2, 2, 1)];
    let plan = plan(&marks, &HashMap::new(), &records, &[]);
    assert_eq!((offsets(&plan), plan.stale), (vec![2], 2));
}

#[test]
fn a_partition_that_is_not_ours_is_left_alone() {
    let records = [record(0, 1, 1)];
    let plan = plan(&HashMap::new(), &HashMap::new(), &records, &[reached(4)]);
    assert!(plan.steps.is_empty() && plan.marks.is_empty());
}

#[test]
fn passing_over_foreign_events_moves_the_mark() {
    let marks = at(Mark {
        next: 3,
        passed: None,
        seen: None,
        since: BEGINNING,
        old_until: -1,
        stalled: None,
    });
    let plan = plan(&marks, &HashMap::new(), &[], &[reached(9)]);
    assert_eq!(plan.marks[&partition()].next, 9);
}

/// Several lives of one log; within each, positions rise, and a relay may have published some twice.
fn content() -> impl Strategy<Value = Content> {
    prop::collection::vec(
        prop::collection::vec((1_u64..4, any::<bool>()), 1..12),
        1..4,
    )
    .prop_map(|lives| {
        let mut content = Vec::new();
        let mut offset = 0;
        for (epoch, life) in lives.into_iter().enumerate() {
            let mut number = 0;
            for (step, twice) in life {
                number += step;
                for _ in 0..=u8::from(twice) {
                    content.push((offset, epoch as u128 + 1, number));
                    offset += 1 + i64::from(step == 3);
                }
            }
        }
        content
    })
}

proptest! {
    /// However a partition is cut into batches, refetched and interrupted, what is taken ends as the last life of the log,
    /// each event of it once and in order.
    #[test]
    fn the_last_life_of_a_log_is_taken_once_and_in_order(content in content(), cuts in prop::collection::vec((1_usize..6, any::<bool>()), 40)) {
        let mut mark = Mark::beginning(-1);
        let mut taken: Vec<(u128, u64)> = Vec::new();
        let mut cuts = cuts.into_iter().cycle();
        let mut resyncs = 0;
        loop {
            let (limit, lost_in_a_crash) = cuts.next().expect("endless");
            let records: Vec<Taken> =
                content.iter().filter(|(offset, ..)| *offset >= mark.next).take(limit).map(|&(o, e, n)| record(o, e, n)).collect();
            if records.is_empty() {
                break;
            }
            if lost_in_a_crash && cuts.next().expect("endless").1 {
                continue;
            }
            let marks = at(mark.clone());
            let plan = plan(&marks, &HashMap::new(), &records, &[]);
            taken.extend(plan.steps.iter().map(|step| {
                let at = &step.event.as_ref().expect("readable").at;
                (at.epoch.as_u128(), at.number)
            }));
            mark = plan.marks.get(&partition()).cloned().unwrap_or(mark);
            if let Some((_, offset, at)) = plan.rebuilt.first() {
                mark = Mark { next: BEGINNING, passed: None, seen: Some(Seen { number: 0, ..Seen::at(at) }), since: *offset, old_until: -1, stalled: None };
                resyncs += 1;
                prop_assert!(resyncs < 10, "it ends");
            }
        }
        let last = content.last().expect("not empty").1;
        let mut expected: Vec<(u128, u64)> = content.iter().filter(|(_, epoch, _)| *epoch == last).map(|&(_, e, n)| (e, n)).collect();
        expected.dedup();
        let of_last: Vec<(u128, u64)> = taken.iter().copied().filter(|(epoch, _)| *epoch == last).collect();
        prop_assert_eq!(&of_last, &expected);
        prop_assert!(taken.ends_with(&expected), "nothing older comes after it");
    }
}

/// What a relay sends that fails now and then and goes back to its checkpoint: numbers of events in the order of offsets.
fn sent_with_failures() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec((1_u64..9, 0_u64..6), 1..8).prop_map(|runs| {
        let (mut sent, mut checkpoint) = (Vec::new(), 0);
        for (length, lost) in runs {
            sent.extend(checkpoint + 1..=checkpoint + length);
            checkpoint += length - lost.min(length);
        }
        // In the end it gets through.
        sent.extend(checkpoint + 1..=sent.iter().copied().max().unwrap_or(0));
        sent
    })
}

proptest! {
    /// Whatever compaction left of what was there before, a newcomer ends with the last event of every key, and no key goes back.
    #[test]
    fn a_newcomer_to_a_compacted_topic_misses_no_key(
        sent in sent_with_failures(),
        keys in 1_u64..5,
        until in 0.0_f64..=1.0,
        removed in prop::collection::vec(any::<bool>(), 80),
        cuts in prop::collection::vec(1_usize..6, 40),
    ) {
        let old_until = (sent.len() as f64 * until) as usize;
        let superseded = |offset: usize| sent[offset + 1..old_until.max(offset + 1)].iter().any(|number| number % keys == sent[offset] % keys);
        let left: Vec<(usize, u64)> = sent.iter().copied().enumerate()
            .filter(|(offset, _)| !(*offset < old_until && superseded(*offset) && removed[offset % removed.len()]))
            .collect();
        let mut mark = Mark::beginning(old_until as i64);
        let mut past = Past::default();
        let mut taken: HashMap<u64, Vec<u64>> = HashMap::new();
        let mut cuts = cuts.into_iter().cycle();
        loop {
            let records: Vec<Taken> = left.iter()
                .filter(|(offset, _)| *offset as i64 >= mark.next)
                .take(cuts.next().expect("endless"))
                .map(|&(offset, number)| keyed(offset as i64, number, number % keys))
                .collect();
            if records.is_empty() {
                break;
            }
            let marks = at(mark.clone());
            let own = partition();
            let mut plan = plan(&marks, &HashMap::from([(&own, &past)]), &records, &[]);
            for step in &plan.steps {
                let number = step.event.as_ref().expect("readable").at.number;
                taken.entry(number % keys).or_default().push(number);
            }
            if let Some(more) = plan.past.remove(&own) {
                past.merge(more);
            }
            mark = plan.marks.get(&own).cloned().unwrap_or(mark);
        }
        let highest = *sent.iter().max().expect("not empty");
        for key in 0..keys {
            let last = (1..=highest).filter(|number| number % keys == key).max();
            let of_key = taken.get(&key).cloned().unwrap_or_default();
            prop_assert_eq!(of_key.last().copied(), last, "key {}: {:?}", key, of_key);
            prop_assert!(of_key.windows(2).all(|pair| pair[0] < pair[1]), "key {} goes back: {:?}", key, of_key);
        }
    }
}

fn keyed(offset: i64, number: u64, key: u64) -> Taken {
    let mut taken = record(offset, 1, number);
    if let Ok(recorded) = &mut taken.event {
        recorded.event.key = format!("key-{key}");
    }
    taken
}

fn offsets(plan: &Plan<'_>) -> Vec<i64> {
    plan.steps.iter().map(|step| step.offset).collect()
}

fn partition() -> Partition {
    Partition {
        topic: "items",
        number: 0,
        source: "".into(),
    }
}

fn at(mark: Mark) -> HashMap<Partition, Mark> {
    HashMap::from([(partition(), mark)])
}

fn reached(next: i64) -> Reached {
    Reached {
        partition: partition(),
        next,
        passed: Uuid::from_u128(99),
    }
}

fn seen(epoch: u128, number: u64) -> Seen {
    Seen {
        log: "log".into(),
        epoch: Uuid::from_u128(epoch),
        shard: 0,
        number,
    }
}

fn record(offset: i64, epoch: u128, number: u64) -> Taken {
    let event = NewEvent {
        id: Uuid::from_u128(u128::from(number)),
        kind: "millrace.items.v1.ItemChanged".to_owned(),
        key: "a".to_owned(),
        erp: None,
        channel: None,
        occurred_at: Timestamp::UNIX_EPOCH,
        cause: Cause {
            correlation_id: Uuid::nil(),
            causation_id: None,
            traceparent: None,
            actor: String::new(),
        },
        payload: Bytes::new(),
        deleted: false,
    };
    let at = Position {
        log: "log".into(),
        epoch: Uuid::from_u128(epoch),
        shard: 0,
        number,
    };
    let recorded = Recorded {
        at,
        stream: "a".into(),
        version: number,
        recorded_at: Timestamp::UNIX_EPOCH,
        event,
    };
    Taken {
        partition: partition(),
        offset,
        event: Ok(recorded),
    }
}
