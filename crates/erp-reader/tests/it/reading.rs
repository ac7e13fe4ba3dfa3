//! What a reader promises.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use millrace_erp::{ErpError, Flow};
use millrace_test_rig::until;

use crate::scripted_erp::id;
use crate::world::{ITEMS, Mishap, Notebook, PATIENCE, World};

#[tokio::test]
async fn the_full_set_comes_first_and_is_compared_and_then_changes() {
    let world = World::new(5).await;
    let sink = Arc::new(Notebook::default());
    let reading = world.reads_items(&sink);
    reading.ready().await;
    world.tells(6);
    sink.until_noted("6", 1).await;
    assert_eq!(
        sink.notes(),
        ["begin", "1 2 3", "4 5", "end", "compare 5", "6"]
    );
    reading.stop().await;
}

#[tokio::test]
async fn a_crash_between_page_and_cursor_repeats_the_page_and_skips_none() {
    let world = World::new(5).await;
    let sink = Arc::new(Notebook::default());
    for note in ["1 2 3", "4 5", "end", "compare 5"] {
        sink.once(note, Mishap::Dies);
        let reading = world.reads_items(&sink);
        sink.until_noted(note, 1).await;
        reading.crash().await;
    }
    let reading = world.reads_items(&sink);
    reading.ready().await;
    sink.once("6", Mishap::Dies);
    world.tells(6);
    sink.until_noted("6", 1).await;
    reading.crash().await;
    let reading = world.reads_items(&sink);
    sink.until_noted("6", 2).await;
    let told = [
        &["begin", "1 2 3"][..],
        &["begin", "1 2 3", "4 5"],
        &["4 5", "end"],
        &["4 5", "end", "compare 5"],
        &["4 5", "end", "compare 5", "6"],
        &["6"],
    ];
    assert_eq!(sink.notes(), told.concat());
    reading.stop().await;
}

#[tokio::test]
async fn a_page_that_could_not_be_written_is_read_again() {
    let world = World::new(5).await;
    let sink = Arc::new(Notebook::default());
    sink.once("4 5", Mishap::Fails);
    let reading = world.reads_items(&sink);
    reading.ready().await;
    assert_eq!(
        sink.notes(),
        ["begin", "1 2 3", "4 5", "4 5", "end", "compare 5"]
    );
    reading.stop().await;
}

#[tokio::test]
async fn the_cursor_is_written_once_a_second() {
    let world = World::new(2).await;
    let sink = Arc::new(Notebook::default());
    let reading = world.reads_items(&sink);
    reading.ready().await;
    for passed in ["told 0", "told 1", "told 2"] {
        let before = world.asked_from(Some(passed));
        world.tells_others();
        world.until_asked_from(Some(passed), before + 1).await;
    }
    assert_eq!(world.cursor().await.as_deref(), Some("told 0"));
    world.clock.advance(SignedDuration::from_secs(1));
    world.tells_others();
    world.until_cursor("told 4").await;
    world.tells(3);
    sink.until_noted("3", 1).await;
    assert_eq!(world.cursor().await.as_deref(), Some("told 4"));
    world.clock.advance(SignedDuration::from_secs(1));
    world.tells_others();
    world.until_cursor("told 6").await;
    reading.stop().await;
}

#[tokio::test]
async fn nothing_of_the_database_stands_between_a_hint_and_the_look_it_asks_for() {
    let world = World::new(2).await;
    let sink = Arc::new(Notebook::default());
    let reading = world.reads_items(&sink);
    reading.ready().await;
    // The only connection there is.
    let tx = world.database.begin().await.unwrap();
    for passed in ["told 0", "told 1", "told 2"] {
        let before = world.asked_from(Some(passed));
        world.tells_others();
        world.until_asked_from(Some(passed), before + 1).await;
    }
    drop(tx);
    reading.stop().await;
}

#[tokio::test]
async fn a_resync_starts_again_from_nothing() {
    let world = World::new(5).await;
    let sink = Arc::new(Notebook::default());
    let reading = world.reads_items(&sink);
    reading.ready().await;
    sink.once("begin", Mishap::Dies);
    world.erp.fails_once(ErpError::ResyncNeeded {
        reason: "restored from a backup".into(),
    });
    sink.until_noted("begin", 2).await;
    // Also for whoever comes after a crash.
    reading.crash().await;
    let reading = world.reads_items(&sink);
    sink.until_noted("compare 5", 2).await;
    let full = ["begin", "1 2 3", "4 5", "end", "compare 5"];
    assert_eq!(sink.notes(), [&full[..], &["begin"], &full].concat());
    assert_eq!(world.asked_from(None), 2);
    reading.stop().await;
}

#[tokio::test]
async fn what_went_without_a_word_is_found_when_the_next_comparison_is_due() {
    let world = World::new(3).await;
    let sink = Arc::new(Notebook::default());
    let reading = world.reads_items(&sink);
    reading.ready().await;
    world.erp.loses(id(1));
    world.clock.advance(SignedDuration::from_secs(3_599));
    world.tells(2);
    sink.until_noted("2", 1).await;
    world.clock.advance(SignedDuration::from_secs(1));
    world.tells(3);
    sink.until_noted("compare 2", 1).await;
    assert_eq!(
        sink.notes(),
        ["begin", "1 2 3", "end", "compare 3", "2", "3", "compare 2"]
    );
    reading.stop().await;
}

#[tokio::test]
async fn a_reader_that_lost_the_lease_stops_and_later_goes_on_where_the_other_stood() {
    let world = World::new(5).await;
    let sink = Arc::new(Notebook::default());
    let reading = world.reads_items(&sink);
    reading.ready().await;
    let ttl = Duration::from_millis(400);
    let other = until(PATIENCE, "another process has the lease", async || {
        world.clock.advance(SignedDuration::from_millis(401));
        let taken = world.log.take_lease(ITEMS, "another process", ttl).await;
        taken.unwrap()
    })
    .await;
    // The other has begun a full read and stands in its midst.
    world.set_cursor("3").await;
    world.log.release_lease(&other.lease).await.unwrap();
    world.until_asked_from(Some("3"), 2).await;
    sink.until_noted("compare 5", 2).await;
    reading.stop().await;
}

#[tokio::test]
async fn a_flow_that_was_read_once_is_ready_while_the_erp_is_away() {
    let world = World::new(2).await;
    let sink = Arc::new(Notebook::default());
    let reading = world.reads_items(&sink);
    reading.ready().await;
    reading.stop().await;
    let before = sink.notes();
    world.erp.fails_once(ErpError::Away {
        reason: "503".into(),
        retry_after: Some(Duration::from_secs(3_600)),
    });
    let reading = world.reads_items(&sink);
    reading.ready().await;
    assert_eq!(sink.notes(), before);
    reading.stop().await;
}

#[tokio::test]
async fn a_flow_that_goes_after_another_waits_for_its_first_full_read() {
    let world = World::new(5).await;
    let items = Arc::new(Notebook::default());
    let prices = Arc::new(Notebook::after(ITEMS));
    let after = world.reads_prices(&prices);
    let first = world.reads_items(&items);
    after.ready().await;
    let asked = world.erp.asked();
    let last_page = (Flow::Items, Some("3".to_owned()));
    let items_read = asked.iter().position(|asked| *asked == last_page);
    let prices_begun = asked.iter().position(|(flow, _)| *flow == Flow::Prices);
    assert!(items_read < prices_begun, "{asked:?}");
    assert_eq!(prices.notes(), ["begin", "end"], "nothing to compare with");
    first.stop().await;
    after.stop().await;
}

#[tokio::test]
async fn a_reader_that_was_replaced_does_not_move_the_cursor() {
    let world = World::new(5).await;
    let sink = Arc::new(Notebook::default());
    let reading = world.reads_items(&sink);
    reading.ready().await;
    sqlx::query("UPDATE leases SET epoch = epoch + 1")
        .execute(world.database.pool())
        .await
        .unwrap();
    // Late enough for a cursor to be written.
    world.clock.advance(SignedDuration::from_secs(60));
    world.tells(6);
    // Its successor finds the cursor as it was, and reads the window again.
    sink.until_noted("6", 2).await;
    reading.stop().await;
}
