//! What the feed and the snapshot promise.

use millrace_event_store::{Append, EventLog, Expected, NewEvent, Recorded, StreamAppend};

use crate::everywhere;
use crate::world::{On, World, append, event, text};

everywhere!(
    the_feed_comes_in_pages_after_a_position,
    a_stream_comes_in_pages_after_a_version,
    the_last_event_of_many_streams_comes_at_once,
    the_snapshot_is_the_last_event_of_every_key_as_of_a_position,
    a_stream_with_odd_characters_is_a_stream_like_any_other,
);

async fn the_feed_comes_in_pages_after_a_position(on: On) {
    let world = World::new(on).await;
    world
        .log
        .append(append("s", Expected::Any, &["1", "2", "3", "4", "5"]))
        .await
        .unwrap();
    let page = world.log.read_feed(1, 3).await.unwrap();
    assert_eq!(page.iter().map(text).collect::<Vec<_>>(), ["2", "3", "4"]);
    assert_eq!(world.log.read_feed(5, 3).await.unwrap(), []);
    assert_eq!(world.log.read_feed(500, 3).await.unwrap(), []);
}

async fn a_stream_comes_in_pages_after_a_version(on: On) {
    let world = World::new(on).await;
    for round in 0..3 {
        world
            .log
            .append(append("a", Expected::Any, &[&format!("a{round}")]))
            .await
            .unwrap();
        world
            .log
            .append(append("b", Expected::Any, &["b"]))
            .await
            .unwrap();
    }
    let page = world.log.read_stream("a", 1, 10).await.unwrap();
    assert_eq!(
        page.iter()
            .map(|event| (event.version, text(event)))
            .collect::<Vec<_>>(),
        [(2, "a1"), (3, "a2")]
    );
    assert_eq!(world.log.read_stream("none", 0, 10).await.unwrap(), []);
}

async fn the_last_event_of_many_streams_comes_at_once(on: On) {
    let world = World::new(on).await;
    let streams: Vec<String> = (0..1_000).map(|number| format!("item/{number}")).collect();
    for page in streams.chunks(250) {
        let streams = page
            .iter()
            .map(|stream| crate::world::on_stream(stream, Expected::Version(0), &["old", stream]))
            .collect();
        world
            .log
            .append(Append {
                streams,
                ..Append::default()
            })
            .await
            .unwrap();
    }
    let last = world.log.read_last(&streams).await.unwrap();
    assert_eq!(last.len(), 1_000);
    assert!(
        last.iter()
            .all(|event| event.version == 2 && text(event) == event.stream.as_ref())
    );
    assert_eq!(world.log.read_last(&[]).await.unwrap(), []);
}

async fn the_snapshot_is_the_last_event_of_every_key_as_of_a_position(on: On) {
    let world = World::new(on).await;
    let with = |stream: &str, key: &str, kind: &str, said: &str, deleted| {
        let event = NewEvent {
            key: key.into(),
            kind: kind.into(),
            deleted,
            ..event(said)
        };
        Append {
            streams: vec![StreamAppend {
                stream: stream.into(),
                expected: Expected::Any,
                events: vec![event],
            }],
            ..Append::default()
        }
    };
    for (stream, key, kind, said, deleted) in [
        ("item/1", "item/1", "items", "one", false),        // 1
        ("item/1", "item/1/a", "prices", "price a", false), // 2
        ("item/1", "item/1/b", "prices", "price b", false), // 3
        ("item/2", "item/2", "items", "two", false),        // 4
        ("item/1", "item/1/a", "prices", "price a again", false), // 5
        ("item/1", "item/1", "items", "one again", false),  // 6
        ("item/2", "item/2", "items", "", true),            // 7
        ("item/3", "item/3", "items", "three", false),      // 8
    ] {
        world
            .log
            .append(with(stream, key, kind, said, deleted))
            .await
            .unwrap();
    }
    let log = world.log.as_ref();
    assert_eq!(snapshot(log, &["items"], 8).await, ["one again", "three"]);
    assert_eq!(
        snapshot(log, &["prices"], 8).await,
        ["price b", "price a again"]
    );
    assert_eq!(
        snapshot(log, &["items", "prices"], 8).await,
        ["price b", "price a again", "one again", "three"]
    );
    assert_eq!(
        snapshot(log, &["items"], 5).await,
        ["one", "two"],
        "as it was at position 5"
    );
    let page = log
        .read_latest(&["items", "prices"], 8, 3, 2)
        .await
        .unwrap();
    assert_eq!(
        page.iter().map(text).collect::<Vec<_>>(),
        ["price a again", "one again"]
    );
}

async fn snapshot(log: &dyn EventLog, kinds: &[&str], up_to: u64) -> Vec<String> {
    let events: Vec<Recorded> = log.read_latest(kinds, up_to, 0, 100).await.unwrap();
    events.iter().map(|event| text(event).to_owned()).collect()
}

async fn a_stream_with_odd_characters_is_a_stream_like_any_other(on: On) {
    let world = World::new(on).await;
    let odd = "item/\"ä\\\n\u{1}'; DROP TABLE events; -- 🪑";
    world
        .log
        .append(append(odd, Expected::Version(0), &["1"]))
        .await
        .unwrap();
    world
        .log
        .append(append(odd, Expected::Version(1), &["2"]))
        .await
        .unwrap();
    assert_eq!(
        world.log.read_last(&[odd.to_owned()]).await.unwrap()[0].version,
        2
    );
    assert_eq!(world.log.read_stream(odd, 0, 5).await.unwrap().len(), 2);
}
