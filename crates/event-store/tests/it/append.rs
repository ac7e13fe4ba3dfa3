//! What an append promises.

use std::sync::Arc;

use millrace_event_store::{Append, AppendError, Expected, NewEvent};

use crate::everywhere;
use crate::world::{On, World, append, event, on_stream, text, whole_feed};

everywhere!(
    positions_and_versions_count_up_and_everything_comes_back_as_it_was_given,
    an_expected_version_too_low_or_too_high_is_refused,
    a_refused_append_does_not_harm_its_neighbours,
    several_streams_are_written_together_or_not_at_all,
    a_stream_that_is_only_looked_at_is_judged_too,
    a_repeat_is_answered_with_the_first_result,
    an_idempotency_key_is_answered_with_the_first_result_whatever_it_carries,
    an_event_id_in_other_company_is_refused,
    what_no_database_could_keep_is_refused_alone,
    an_empty_append_writes_nothing_and_names_the_head,
    many_callers_at_once_are_all_answered_rightly,
);

async fn positions_and_versions_count_up_and_everything_comes_back_as_it_was_given(on: On) {
    let world = World::new(on).await;
    let mut full = on_stream("item/bc-main/1", Expected::Version(0), &["a", "b"]);
    full.events[1].key = "item/bc-main/1/price".into();
    full.events[1].channel = Some("shop".into());
    full.events[1].cause.causation_id = Some(full.events[0].id);
    full.events[1].cause.traceparent = None;
    full.events[1].erp = None;
    full.events[1].deleted = true;
    let appended = world
        .log
        .append(Append {
            streams: vec![full.clone()],
            ..Append::default()
        })
        .await
        .unwrap();
    assert_eq!(
        (
            appended.first,
            appended.last,
            appended.versions.as_slice(),
            appended.repeated
        ),
        (1, 2, [2].as_slice(), false)
    );
    let appended = world
        .log
        .append(append("item/bc-main/1", Expected::Version(2), &["c"]))
        .await
        .unwrap();
    assert_eq!((appended.first, appended.versions[0]), (3, 3));

    let feed = whole_feed(world.log.as_ref()).await;
    assert_eq!(feed.iter().map(text).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(feed[0].event, full.events[0]);
    assert_eq!(feed[1].event, full.events[1]);
    assert_eq!(
        (feed[0].at.log.as_ref(), feed[0].at.epoch, feed[0].at.shard),
        ("test-log", world.log.epoch(), 0)
    );
    assert_eq!(world.log.head().await.unwrap(), 3);
    assert_eq!(*world.log.moved().borrow(), 3);
    assert_eq!(
        world.log.read_stream("item/bc-main/1", 1, 1).await.unwrap(),
        [feed[1].clone()]
    );
    assert_eq!(
        world
            .log
            .read_last(&["item/bc-main/1".into(), "none".into()])
            .await
            .unwrap(),
        [feed[2].clone()]
    );
}

async fn an_expected_version_too_low_or_too_high_is_refused(on: On) {
    let world = World::new(on).await;
    world
        .log
        .append(append("s", Expected::Any, &["1", "2"]))
        .await
        .unwrap();
    for wrong in [0, 1, 3, 9] {
        let refused = world
            .log
            .append(append("s", Expected::Version(wrong), &["x"]))
            .await
            .unwrap_err();
        assert!(
            matches!(refused, AppendError::Conflict { ref stream, expected, actual: 2 } if stream == "s" && expected == wrong),
            "{refused}"
        );
    }
    let refused = world
        .log
        .append(append("new", Expected::Version(1), &["x"]))
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            AppendError::Conflict {
                expected: 1,
                actual: 0,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 2);
}

async fn a_refused_append_does_not_harm_its_neighbours(on: On) {
    let world = World::new(on).await;
    world
        .log
        .append(append("taken", Expected::Version(0), &["1"]))
        .await
        .unwrap();
    let mut asked = Vec::new();
    for number in 0..60 {
        let (stream, expected) = match number % 4 {
            0 => ("taken".to_owned(), 0),
            1 => ("taken".to_owned(), 7),
            2 => (format!("free-{number}"), 3),
            _ => (format!("free-{number}"), 0),
        };
        let log = world.log.clone();
        asked.push(tokio::spawn(async move {
            (
                number,
                log.append(append(&stream, Expected::Version(expected), &["x"]))
                    .await,
            )
        }));
    }
    for task in asked {
        let (number, result) = task.await.unwrap();
        assert_eq!(result.is_ok(), number % 4 == 3, "{number}: {result:?}");
    }
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 16);
}

async fn several_streams_are_written_together_or_not_at_all(on: On) {
    let world = World::new(on).await;
    let both = |expected_b| Append {
        streams: vec![
            on_stream("a", Expected::Any, &["a"]),
            on_stream("b", Expected::Version(expected_b), &["b1", "b2"]),
            on_stream("a", Expected::Any, &["a2"]),
        ],
        ..Append::default()
    };
    let appended = world.log.append(both(0)).await.unwrap();
    assert_eq!(
        (appended.first, appended.last, appended.versions),
        (1, 4, vec![1, 2, 2])
    );
    assert!(matches!(
        world.log.append(both(1)).await,
        Err(AppendError::Conflict { .. })
    ));
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 4);
    assert_eq!(world.log.append(both(2)).await.unwrap().versions, [3, 4, 4]);
}

async fn a_stream_that_is_only_looked_at_is_judged_too(on: On) {
    let world = World::new(on).await;
    let looking = |seen| Append {
        streams: vec![
            on_stream("order", Expected::Any, &["x"]),
            on_stream("customer", Expected::Version(seen), &[]),
        ],
        ..Append::default()
    };
    assert_eq!(world.log.append(looking(0)).await.unwrap().versions, [1, 0]);
    world
        .log
        .append(append("customer", Expected::Any, &["1"]))
        .await
        .unwrap();
    // In PostgreSQL another process, which this one knows nothing of.
    let other = if on == On::Postgres {
        World::reopened(&world.settings).await.log
    } else {
        world.log.clone()
    };
    other
        .append(append("customer", Expected::Any, &["2"]))
        .await
        .unwrap();
    for stale in [0, 1, 3] {
        let refused = world.log.append(looking(stale)).await.unwrap_err();
        assert!(
            matches!(refused, AppendError::Conflict { actual: 2, .. }),
            "{refused}"
        );
    }
    assert_eq!(world.log.append(looking(2)).await.unwrap().versions, [2, 2]);
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 4);
}

async fn a_repeat_is_answered_with_the_first_result(on: On) {
    let world = World::new(on).await;
    let asked = Append {
        streams: vec![
            on_stream("a", Expected::Version(0), &["a"]),
            on_stream("b", Expected::Any, &["b"]),
        ],
        ..Append::default()
    };
    let first = world.log.append(asked.clone()).await.unwrap();
    world
        .log
        .append(append("a", Expected::Version(1), &["later"]))
        .await
        .unwrap();
    let again = world.log.append(asked.clone()).await.unwrap();
    assert!(again.repeated && !first.repeated);
    assert_eq!(
        (again.first, again.last, again.versions),
        (first.first, first.last, first.versions)
    );
    // Two at once, never seen before.
    let asked = append("c", Expected::Any, &["c"]);
    let (one, two) = tokio::join!(world.log.append(asked.clone()), world.log.append(asked));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.first, one.versions), (two.first, two.versions));
    assert_ne!(one.repeated, two.repeated);
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 4);
}

async fn an_idempotency_key_is_answered_with_the_first_result_whatever_it_carries(on: On) {
    let world = World::new(on).await;
    let keyed = |text: &str| Append {
        idempotency_key: Some("order-1".into()),
        ..append("order", Expected::Any, &[text, "more"])
    };
    let (one, two) = tokio::join!(
        world.log.append(keyed("first")),
        world.log.append(keyed("second"))
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(
        (one.first, one.last, &one.versions),
        (two.first, two.last, &two.versions)
    );
    assert_ne!(one.repeated, two.repeated);
    let three = world.log.append(keyed("third")).await.unwrap();
    assert!(three.repeated);
    assert_eq!((three.first, three.last, three.versions), (1, 2, vec![2]));
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 2);
}

async fn an_event_id_in_other_company_is_refused(on: On) {
    let world = World::new(on).await;
    let old = append("s", Expected::Any, &["old"]);
    world.log.append(old.clone()).await.unwrap();
    let mut mixed = old.clone();
    mixed.streams[0].events.push(event("new"));
    let refused = world.log.append(mixed).await.unwrap_err();
    assert!(
        matches!(refused, AppendError::Reused { id } if id == old.streams[0].events[0].id),
        "{refused}"
    );
    assert_eq!(whole_feed(world.log.as_ref()).await.len(), 1);
}

async fn what_no_database_could_keep_is_refused_alone(on: On) {
    let world = World::new(on).await;
    let twin = event("twin");
    let twins = Append::to("s", Expected::Any, vec![twin.clone(), twin]);
    assert!(matches!(
        world.log.append(twins).await,
        Err(AppendError::Reused { .. })
    ));
    let zero = Append::to(
        "s",
        Expected::Any,
        vec![NewEvent {
            key: "a\0b".into(),
            ..event("x")
        }],
    );
    let long = Append::to("x".repeat(2_000), Expected::Any, vec![event("x")]);
    let vast = Append::to(
        "s",
        Expected::Any,
        vec![NewEvent {
            payload: vec![0; 17 << 20].into(),
            ..event("x")
        }],
    );
    let (zero, long, vast, fine) = tokio::join!(
        world.log.append(zero),
        world.log.append(long),
        world.log.append(vast),
        world.log.append(append("s", Expected::Any, &["fine"]))
    );
    assert!(matches!(zero, Err(AppendError::Malformed { .. })));
    assert!(matches!(long, Err(AppendError::Malformed { .. })));
    assert!(matches!(vast, Err(AppendError::TooLarge { events: 1, .. })));
    assert_eq!(fine.unwrap().last, 1);
}

async fn an_empty_append_writes_nothing_and_names_the_head(on: On) {
    let world = World::new(on).await;
    world
        .log
        .append(append("s", Expected::Any, &["1", "2"]))
        .await
        .unwrap();
    let nothing = world
        .log
        .append(append("s", Expected::Version(2), &[]))
        .await
        .unwrap();
    assert_eq!(
        (nothing.first, nothing.last, nothing.versions),
        (2, 2, vec![2])
    );
    assert!(matches!(
        world
            .log
            .append(append("s", Expected::Version(1), &[]))
            .await,
        Err(AppendError::Conflict { actual: 2, .. })
    ));
    assert_eq!(world.log.append(Append::default()).await.unwrap().last, 2);
}

async fn many_callers_at_once_are_all_answered_rightly(on: On) {
    let world = World::new(on).await;
    let callers = (0..64).map(|caller: u64| {
        let log = world.log.clone();
        tokio::spawn(async move {
            for round in 0..20 {
                let own = format!("own-{caller}");
                let appended = log
                    .append(append(&own, Expected::Version(round), &["x"]))
                    .await
                    .unwrap();
                assert_eq!(appended.versions, [round + 1]);
                log.append(append(
                    "hot",
                    Expected::Any,
                    &[&format!("{caller}/{round}")],
                ))
                .await
                .unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let feed = whole_feed(world.log.as_ref()).await;
    assert_eq!(feed.len(), 64 * 20 * 2);
    let hot: std::collections::HashSet<_> = feed
        .iter()
        .filter(|event| event.stream == Arc::from("hot"))
        .map(text)
        .collect();
    assert_eq!(hot.len(), 64 * 20);
}
