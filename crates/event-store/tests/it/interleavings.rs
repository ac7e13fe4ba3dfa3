//! Random appends, alone and many at once, from two processes, with wrong versions, repeats, keys and leases: whatever the order
//! they were taken in, the feed tells one story in which every answer was true.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::future::join_all;
use millrace_event_store::{
    Append, AppendError, Appended, EventLog, Expected, LeaseEpoch, Recorded, StreamAppend,
};
use millrace_test_rig::{rounds, seeds, soak_result, unique};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::world::{On, World, on_stream, open, whole_feed};

#[derive(Debug, Clone)]
struct Ask {
    process: usize,
    /// Stream, what is expected of it (`None`: nothing; else how far from the truth before the group), how many events.
    streams: Vec<(u8, Option<i8>, u8)>,
    key: Option<u8>,
    /// How far from the lease's present epoch.
    lease: Option<u8>,
    /// Sends what an earlier ask sent, instead.
    repeat: Option<prop::sample::Index>,
}

#[derive(Debug, Clone)]
enum Step {
    Together(Vec<Ask>),
    Takeover { process: usize },
}

fn ask() -> impl Strategy<Value = Ask> {
    let expected =
        prop_oneof![3 => Just(None), 5 => Just(Some(0)), 1 => Just(Some(-1)), 1 => Just(Some(1))];
    let streams = prop::collection::vec((0..4_u8, expected, 0..3_u8), 1..4);
    let key = prop::option::weighted(0.15, 0..3_u8);
    let lease = prop::option::weighted(0.2, prop_oneof![4 => Just(0_u8), 1 => Just(1)]);
    let repeat = prop::option::weighted(0.15, any::<prop::sample::Index>());
    (0..2_usize, streams, key, lease, repeat).prop_map(|(process, streams, key, lease, repeat)| {
        Ask {
            process,
            streams,
            key,
            lease,
            repeat,
        }
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let together = prop_oneof![
        prop::collection::vec(ask(), 1..2),
        prop::collection::vec(ask(), 2..12)
    ];
    let step = prop_oneof![9 => together.prop_map(Step::Together), 1 => (0..2_usize).prop_map(|process| Step::Takeover { process })];
    prop::collection::vec(step, 1..12)
}

/// What the test knows: everything that was sent, what was answered, and the feed so far.
struct Story {
    logs: [Arc<dyn EventLog>; 2],
    lease: LeaseEpoch,
    sent: Vec<Append>,
    feed: Vec<Recorded>,
    versions: HashMap<String, u64>,
    keyed: HashMap<String, (u64, u64, Vec<u64>)>,
}

impl Story {
    async fn begin(logs: [Arc<dyn EventLog>; 2]) -> Self {
        let lease = LeaseEpoch {
            name: "l".into(),
            epoch: 0,
        };
        Self {
            logs,
            lease,
            sent: Vec::new(),
            feed: Vec::new(),
            versions: HashMap::new(),
            keyed: HashMap::new(),
        }
    }

    fn append(&self, ask: &Ask) -> Append {
        if let Some(repeat) = ask.repeat.filter(|_| !self.sent.is_empty()) {
            return self.sent[repeat.index(self.sent.len())].clone();
        }
        let mut ahead: HashMap<String, u64> = HashMap::new();
        let mut streams: Vec<StreamAppend> = Vec::new();
        for (stream, expected, events) in &ask.streams {
            let stream = format!("s{stream}");
            let now = ahead
                .get(&stream)
                .or_else(|| self.versions.get(&stream))
                .copied()
                .unwrap_or(0);
            let expected = expected.map_or(Expected::Any, |off| {
                Expected::Version(now.saturating_add_signed(off.into()))
            });
            ahead.insert(stream.clone(), now + u64::from(*events));
            streams.push(on_stream(
                &stream,
                expected,
                &vec!["x"; usize::from(*events)],
            ));
        }
        let lease = ask.lease.map(|off| LeaseEpoch {
            name: "l".into(),
            epoch: self.lease.epoch.saturating_sub(off.into()),
        });
        Append {
            streams,
            idempotency_key: ask.key.map(|key| format!("key{key}")),
            lease,
        }
    }

    async fn together(&mut self, asks: &[Ask]) {
        let appends: Vec<Append> = asks.iter().map(|ask| self.append(ask)).collect();
        let before = self.versions.clone();
        let answers = asks
            .iter()
            .zip(&appends)
            .map(|(ask, append)| self.logs[ask.process].append(append.clone()));
        let answers = join_all(answers).await;
        self.feed = whole_feed(self.logs[0].as_ref()).await;
        let alone = appends.len() == 1;
        let mut accounted: HashSet<u64> = self.feed.iter().map(|event| event.at.number).collect();
        for (append, answer) in appends.iter().zip(&answers) {
            match answer {
                Ok(appended) => self.was_true(append, appended),
                Err(AppendError::Conflict {
                    stream,
                    expected,
                    actual,
                }) => {
                    assert_ne!(expected, actual);
                    assert!(append.streams.iter().any(|part| part.stream == *stream
                        && part.expected == Expected::Version(*expected)));
                    let earliest = before.get(stream).copied().unwrap_or(0);
                    let own: u64 = append
                        .streams
                        .iter()
                        .filter(|part| part.stream == *stream)
                        .map(|part| part.events.len() as u64)
                        .sum();
                    let latest = self
                        .feed
                        .iter()
                        .filter(|event| event.stream.as_ref() == stream)
                        .count() as u64;
                    assert!(
                        (earliest..=latest + own).contains(actual),
                        "{stream} never stood at {actual}"
                    );
                    self.nothing_was_written(append);
                }
                Err(AppendError::StaleLease { epoch, .. }) => {
                    assert!(*epoch != self.lease.epoch || self.lease.epoch == 0);
                    self.nothing_was_written(append);
                }
                Err(AppendError::Reused { id }) => {
                    assert!(self.feed.iter().any(|event| event.event.id == *id))
                }
                Err(other) => panic!("{other}"),
            }
            if alone
                && append.lease.is_none()
                && append.idempotency_key.is_none()
                && !self.sent.contains(append)
            {
                assert_eq!(
                    answer.is_ok(),
                    holds(append, &before),
                    "{append:?} was answered with {answer:?}"
                );
            }
        }
        for event in &self.feed {
            self.versions
                .insert(event.stream.to_string(), event.version);
            let known = appends
                .iter()
                .chain(&self.sent)
                .flat_map(|append| &append.streams)
                .flat_map(|part| &part.events);
            if event.stream.as_ref() == "lease/l"
                || known.into_iter().any(|sent| *sent == event.event)
            {
                accounted.remove(&event.at.number);
            }
        }
        assert_eq!(accounted, HashSet::new(), "nobody sent these");
        self.sent.extend(appends);
    }

    /// An accepted append stands together, in its order, and everything it expected held at that moment.
    fn was_true(&mut self, append: &Append, appended: &Appended) {
        let first = (appended.first, appended.last, appended.versions.clone());
        if let Some(key) = &append.idempotency_key {
            let kept = self
                .keyed
                .entry(key.clone())
                .or_insert_with(|| first.clone());
            assert_eq!(*kept, first, "a key has one answer");
            if appended.repeated {
                return;
            }
        }
        let mut position = appended.first;
        for (part, version) in append.streams.iter().zip(&appended.versions) {
            for event in &part.events {
                let stored = &self.feed[usize::try_from(position).unwrap() - 1];
                assert_eq!(
                    (&stored.event, stored.stream.as_ref()),
                    (event, part.stream.as_str())
                );
                position += 1;
            }
            if let (Expected::Version(expected), false) = (part.expected, part.events.is_empty()) {
                assert_eq!(
                    expected + part.events.len() as u64,
                    *version,
                    "what was expected was true"
                );
            }
        }
        if position > appended.first {
            assert_eq!(position, appended.last + 1);
        }
    }

    fn nothing_was_written(&self, append: &Append) {
        let ids: HashSet<_> = append
            .streams
            .iter()
            .flat_map(|part| &part.events)
            .map(|event| event.id)
            .collect();
        if !self.sent.contains(append) {
            assert!(
                !self.feed.iter().any(|event| ids.contains(&event.event.id)),
                "refused, but written"
            );
        }
    }
}

fn holds(append: &Append, versions: &HashMap<String, u64>) -> bool {
    let mut versions = versions.clone();
    append.streams.iter().all(|part| {
        let version = versions.entry(part.stream.clone()).or_default();
        let held = part.expected == Expected::Any || part.expected == Expected::Version(*version);
        *version += part.events.len() as u64;
        held
    })
}

async fn tell(logs: [Arc<dyn EventLog>; 2], steps: Vec<Step>) {
    let mut story = Story::begin(logs).await;
    for step in steps {
        match step {
            Step::Together(asks) => story.together(&asks).await,
            Step::Takeover { process } => {
                story.logs[process]
                    .release_lease(&story.lease)
                    .await
                    .unwrap();
                let held = story.logs[process]
                    .take_lease("l", &unique("holder"), std::time::Duration::from_secs(600))
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!(held.lease.epoch, story.lease.epoch + 1);
                story.lease = held.lease;
            }
        }
    }
}

/// Tells `share` stories (in a soak, `whole`), all drawn from one seed, which is printed.
fn every_story(on: On, share: u64, whole: u64, told: impl Fn(Vec<Step>)) {
    let name = format!("event-store-interleavings-{on:?}").to_lowercase();
    let stories = rounds(share, whole);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&seeds(&name, 1, 1).next().unwrap().to_le_bytes());
    let config = Config {
        cases: u32::try_from(stories).unwrap(),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
        .run(&steps(), |steps| {
            told(steps);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    soak_result(&name, &format!("{stories} stories, every answer true")).unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn every_interleaving_tells_one_true_story_on_sqlite() {
    let runtime = runtime();
    every_story(On::Memory, 60, 2_000, |steps| {
        runtime.block_on(async {
            let world = World::new(On::Memory).await;
            tell([world.log.clone(), world.log.clone()], steps).await;
            world.database.close().await;
        });
    });
}

#[test]
fn every_interleaving_tells_one_true_story_on_postgres() {
    let runtime = runtime();
    let world = runtime.block_on(World::new(On::Postgres));
    every_story(On::Postgres, 25, 1_000, |steps| {
        runtime.block_on(async {
            let mut settings = world.settings.clone();
            settings.name = unique("log");
            let (one, two) = (open(&settings).await, open(&settings).await);
            one.migrate(&[]).await.unwrap();
            tell([one.log().await.unwrap(), two.log().await.unwrap()], steps).await;
            one.close().await;
            two.close().await;
        });
    });
}
