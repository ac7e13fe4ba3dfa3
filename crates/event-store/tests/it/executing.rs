//! Carrying out commands against a log.

use std::sync::Arc;

use millrace_event_store::{
    Append, AppendError, Context, Decider, Draft, ExecuteError, Expected, LeaseEpoch, Loads,
    Recorded, Stored, Streams,
};
use millrace_service_kit::{Ids, SystemClock};

use crate::everywhere;
use crate::world::{On, World, append, cause, text, whole_feed};

everywhere!(
    a_command_becomes_events_and_nothing_to_do_becomes_nothing,
    a_rejection_writes_nothing,
    commands_that_race_are_decided_anew_until_they_fit,
    a_state_stream_loads_from_its_end,
    a_page_of_observations_is_carried_out_at_once,
    a_command_under_a_stale_lease_is_refused,
    a_stored_event_of_somebody_else_is_named,
);

/// Counts to ten, one fact at a time.
struct Counter;

#[derive(Debug, PartialEq, Eq)]
struct Full;

impl Decider for Counter {
    type State = u64;
    type Command = u64;
    type Event = u64;
    type Rejection = Full;

    fn decide(state: &u64, add: u64) -> Result<Vec<u64>, Full> {
        match add {
            0 => Ok(vec![]),
            add if state + add > 10 => Err(Full),
            add => Ok(vec![1; usize::try_from(add).unwrap()]),
        }
    }

    fn evolve(state: u64, event: &u64) -> u64 {
        state + event
    }
}

impl Stored for Counter {
    const LOADS: Loads = Loads::Fold;

    fn encode(event: &u64) -> Draft {
        Draft::new("test.v1.Counted", event.to_string().into_bytes())
    }

    fn decode(recorded: &Recorded) -> Result<u64, String> {
        text(recorded)
            .parse()
            .map_err(|_| format!("{} is no number", text(recorded)))
    }
}

/// A state: whatever was last observed.
struct Mirror;

impl Decider for Mirror {
    type State = String;
    type Command = String;
    type Event = String;
    type Rejection = String;

    fn decide(state: &String, observed: String) -> Result<Vec<String>, String> {
        match observed.as_str() {
            "" => Err("empty".into()),
            same if same == state => Ok(vec![]),
            _ => Ok(vec![observed]),
        }
    }

    fn evolve(_: String, event: &String) -> String {
        event.clone()
    }
}

impl Stored for Mirror {
    const LOADS: Loads = Loads::Last;

    fn encode(event: &String) -> Draft {
        Draft {
            key: Some("finer".into()),
            erp: Some("bc".into()),
            ..Draft::new("test.v1.Seen", event.clone().into_bytes())
        }
    }

    fn decode(recorded: &Recorded) -> Result<String, String> {
        Ok(text(recorded).to_owned())
    }
}

fn streams<D: Stored>(world: &World) -> Streams<D>
where
    D::State: Send,
    D::Command: Clone + Send,
    D::Event: Send + Sync,
    D::Rejection: std::fmt::Debug + Send,
{
    Streams::new(world.log.clone(), Arc::new(SystemClock), Ids::random())
}

async fn a_command_becomes_events_and_nothing_to_do_becomes_nothing(on: On) {
    let world = World::new(on).await;
    let counters = streams::<Counter>(&world);
    let done = counters.execute("c", 3, cause()).await.unwrap();
    assert_eq!(
        (
            done.state,
            done.version,
            done.events,
            done.appended.unwrap().last
        ),
        (3, 3, vec![1, 1, 1], 3)
    );
    let done = counters.execute("c", 0, cause()).await.unwrap();
    assert_eq!((done.state, done.version, done.appended), (3, 3, None));
    let feed = whole_feed(world.log.as_ref()).await;
    assert_eq!(
        (
            feed[0].event.key.as_str(),
            feed[0].event.kind.as_str(),
            &feed[0].event.cause
        ),
        ("c", "test.v1.Counted", &cause())
    );
    assert_eq!(counters.load("c").await.unwrap().state, 3);
    assert_eq!(counters.load("none").await.unwrap().version, 0);
}

async fn a_rejection_writes_nothing(on: On) {
    let world = World::new(on).await;
    let counters = streams::<Counter>(&world);
    assert!(matches!(
        counters.execute("c", 11, cause()).await,
        Err(ExecuteError::Rejected(Full))
    ));
    assert_eq!(world.log.head().await.unwrap(), 0);
}

async fn commands_that_race_are_decided_anew_until_they_fit(on: On) {
    let world = World::new(on).await;
    let tasks: Vec<_> = (0..14)
        .map(|_| {
            let counters = streams::<Counter>(&world);
            tokio::spawn(async move {
                loop {
                    match counters.execute("c", 1, cause()).await {
                        Err(ExecuteError::Conflict) => {}
                        other => return other.is_ok(),
                    }
                }
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap());
    }
    assert_eq!(done, 10, "never more than ten");
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 10);
}

async fn a_state_stream_loads_from_its_end(on: On) {
    let world = World::new(on).await;
    let mirrors = streams::<Mirror>(&world);
    for seen in ["a", "b", "b", "c"] {
        mirrors
            .execute("m", seen.to_owned(), cause())
            .await
            .unwrap();
    }
    let loaded = mirrors.load("m").await.unwrap();
    assert_eq!((loaded.state.as_str(), loaded.version), ("c", 3));
    let feed = whole_feed(world.log.as_ref()).await;
    assert_eq!(
        (feed[0].event.key.as_str(), feed[0].event.erp.as_deref()),
        ("finer", Some("bc"))
    );
}

async fn a_page_of_observations_is_carried_out_at_once(on: On) {
    let world = World::new(on).await;
    let mirrors = streams::<Mirror>(&world);
    let observed = |said: &str| {
        (0..700)
            .map(|item| (format!("item/{item}"), said.to_owned()))
            .collect::<Vec<_>>()
    };
    let first = mirrors
        .execute_many(observed("one"), cause())
        .await
        .unwrap();
    assert!(
        first
            .iter()
            .all(|outcome| outcome.as_ref().is_ok_and(|done| done.version == 1))
    );
    let again = mirrors
        .execute_many(observed("one"), cause())
        .await
        .unwrap();
    assert!(
        again
            .iter()
            .all(|outcome| outcome.as_ref().is_ok_and(|done| done.appended.is_none()))
    );
    assert_eq!(world.log.head().await.unwrap(), 700);

    let mixed = [
        ("item/1", "two"),
        ("item/2", ""),
        ("item/1", "three"),
        ("item/3", "one"),
        ("item/1", "three"),
    ];
    let outcomes = mirrors
        .execute_many(
            mixed
                .map(|(stream, said)| (stream.to_owned(), said.to_owned()))
                .to_vec(),
            cause(),
        )
        .await
        .unwrap();
    let versions: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().ok().map(|done| done.version))
        .collect();
    assert_eq!(versions, [Some(2), None, Some(3), Some(1), Some(3)]);
    assert!(matches!(&outcomes[1], Err(ExecuteError::Rejected(why)) if why == "empty"));
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 702);
}

async fn a_command_under_a_stale_lease_is_refused(on: On) {
    let world = World::new(on).await;
    let context = Context {
        lease: Some(LeaseEpoch {
            name: "poller".into(),
            epoch: 4,
        }),
        ..Context::from(cause())
    };
    let refused = streams::<Mirror>(&world)
        .execute("m", "a".into(), context)
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            ExecuteError::Refused(AppendError::StaleLease { epoch: 4, .. })
        ),
        "{refused}"
    );
}

async fn a_stored_event_of_somebody_else_is_named(on: On) {
    let world = World::new(on).await;
    let strange: Append = append("c", Expected::Any, &["strange"]);
    world.log.append(strange).await.unwrap();
    let refused = streams::<Counter>(&world)
        .execute("c", 1, cause())
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "stored event at position 1 cannot be read: strange is no number"
    );
}
