//! A log that grew large is read as quickly as a small one.

use std::time::{Duration, Instant};

use millrace_event_store::{Append, Expected};

use crate::everywhere;
use crate::world::{On, World, on_stream};

everywhere!(the_snapshot_of_a_long_log_comes_page_by_page_in_steady_time);

/// Pages of a snapshot and of the feed over 24,000 events of 6,000 streams: a plan that looks at the whole log for every page
/// would take minutes.
async fn the_snapshot_of_a_long_log_comes_page_by_page_in_steady_time(on: On) {
    let world = World::new(on).await;
    // Statements are prepared, and their plans settled, while the log is small.
    for _ in 0..8 {
        world
            .log
            .read_latest(&["millrace.items.v1.ItemChanged"], 10, 0, 500)
            .await
            .unwrap();
        world.log.read_feed(0, 500).await.unwrap();
    }
    for round in 0..4 {
        for page in 0..12 {
            let stream = |number: u64| format!("item/bc-main/{}", page * 500 + number);
            let streams = (0..500)
                .map(|number| on_stream(&stream(number), Expected::Version(round), &["x"]))
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
    }
    let began = Instant::now();
    let (mut after, mut seen) = (0, 0);
    loop {
        let page = world
            .log
            .read_latest(&["millrace.items.v1.ItemChanged"], 24_000, after, 500)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.iter().all(|event| event.version == 4));
        after = last.at.number;
        seen += page.len();
    }
    assert_eq!(seen, 6_000);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}
