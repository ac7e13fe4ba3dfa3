//! What was known no longer holds: the log was rebuilt.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_event_bus::{
    From, ParkedState, Stalled, list_parked, list_stalled, restart_stalled, retry_parked,
};
use millrace_event_store::Database;

use crate::handler::{self, Obedient};
use crate::world::{World, append, item, order, pairs, taken, until};

async fn latest(database: &Database) -> HashMap<String, String> {
    handler::taken(database).await.into_iter().collect()
}

fn obedient() -> Arc<Obedient> {
    Arc::new(Obedient {
        idempotent: true,
        ..Obedient::default()
    })
}

pub async fn a_rebuilt_log_of_states_is_read_again_from_its_beginning(world: World) {
    let (old, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&old).await;
    let (consumer, meter) = world.consume(world.consumer(&["items"], &sink, obedient()));
    append(
        &old,
        (0..20).map(|n| item(&old, &format!("{}", n % 5), &format!("old {n}"))),
    )
    .await;
    taken(&sink, 20).await;
    relay.stop().await;

    let new = world.rebuilt_log().await;
    append(
        &new,
        (0..10).map(|n| item(&new, &format!("{}", n % 5), &format!("new {n}"))),
    )
    .await;
    let relay = world.relay(&new).await;
    until("the new log's states are there", async || {
        let latest = latest(&sink).await;
        (0..5).all(|key| latest.get(&key.to_string()) == Some(&format!("new {}", key + 5)))
    })
    .await;
    let reading = meter.read();
    assert!(reading.resyncs > 0);
    assert_eq!(
        reading.handled, 30,
        "what the old log said is not said again"
    );
    assert_eq!(list_stalled(&sink).await.expect("readable"), []);

    append(&new, [item(&new, "0", "live")]).await;
    until("it goes on", async || latest(&sink).await["0"] == "live").await;
    consumer.stop().await;
    relay.stop().await;

    // A newcomer to the group goes through both lives of the topic and ends with the same states.
    let newcomer = world.sink().await;
    let relay = world.relay(&new).await;
    let (consumer, _) = world.consume(world.consumer(&["items"], &newcomer, obedient()));
    until("the newcomer has the same", async || {
        let (left, right) = (latest(&sink).await, latest(&newcomer).await);
        left == right
    })
    .await;
    consumer.stop().await;
    relay.stop().await;
}

/// PostgreSQL died before it had written the last transaction to its disk.
pub async fn a_database_that_forgot_the_last_transaction_is_read_on_from_where_it_stands(
    world: World,
) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let (consumer, _) = world.consume(world.consumer(&["items"], &sink, obedient()));
    append(&log, [item(&log, "k", "1"), item(&log, "k", "2")]).await;
    taken(&sink, 2).await;
    let stands =
        "SELECT next_offset, position FROM bus_positions ORDER BY next_offset DESC LIMIT 1";
    let before: (i64, i64) = sqlx::query_as(stands)
        .fetch_one(sink.pool())
        .await
        .expect("a position");
    append(&log, [item(&log, "k", "3")]).await;
    taken(&sink, 3).await;
    let mut tx = sink.begin().await.expect("a transaction");
    sqlx::query("DELETE FROM taken WHERE body = '3'")
        .execute(&mut *tx)
        .await
        .expect("deleted");
    sqlx::query("UPDATE bus_positions SET next_offset = $1, position = $2 WHERE next_offset > $1")
        .bind(before.0)
        .bind(before.1)
        .execute(&mut *tx)
        .await
        .expect("moved back");
    tx.commit().await.expect("committed");
    assert_eq!(
        taken(&sink, 3).await,
        pairs(&[("k", "1"), ("k", "2"), ("k", "3")])
    );
    consumer.stop().await;
    relay.stop().await;
}

async fn stalled_after_rebuild(
    world: &World,
    sink: &Database,
    old: &Database,
    new: &Database,
) -> Vec<Stalled> {
    let relay = world.relay(old).await;
    append(old, (0..4).map(|n| order(old, "o", &format!("old {n}")))).await;
    taken(sink, 4).await;
    relay.stop().await;
    append(new, (0..3).map(|n| order(new, "o", &format!("new {n}")))).await;
    let _relay = world.relay(new).await;
    until("the topic waits for a person", async || {
        !list_stalled(sink).await.expect("readable").is_empty()
    })
    .await;
    assert_eq!(
        handler::taken(sink).await.len(),
        4,
        "nothing is taken meanwhile"
    );
    let stalled = list_stalled(sink).await.expect("readable");
    assert!(
        stalled[0].reason.contains("was rebuilt"),
        "{}",
        stalled[0].reason
    );
    stalled
}

async fn restart(sink: &Database, stalled: &[Stalled], from: From) {
    for stalled in stalled {
        assert!(
            restart_stalled(sink, stalled, from)
                .await
                .expect("restarted")
        );
    }
    assert!(
        !restart_stalled(sink, &stalled[0], from)
            .await
            .expect("answered"),
        "it was not stalled any more"
    );
}

pub async fn facts_of_a_rebuilt_log_wait_for_a_person_and_go_on_where_they_stopped(world: World) {
    let (old, new, sink) = (
        world.log().await,
        world.rebuilt_log().await,
        world.sink().await,
    );
    let (consumer, _) = world.consume(world.consumer(&["webshop-orders"], &sink, obedient()));
    let stalled = stalled_after_rebuild(&world, &sink, &old, &new).await;
    restart(&sink, &stalled, From::Here).await;
    let relay = world.relay(&new).await;
    append(&new, [order(&new, "o", "newest")]).await;
    until("what is new arrives", async || {
        latest(&sink).await.get("o").map(String::as_str) == Some("newest")
    })
    .await;
    consumer.stop().await;
    relay.stop().await;
}

pub async fn facts_of_a_rebuilt_log_wait_for_a_person_and_begin_again(world: World) {
    let (old, new, sink) = (
        world.log().await,
        world.rebuilt_log().await,
        world.sink().await,
    );
    let (consumer, _) = world.consume(world.consumer(&["webshop-orders"], &sink, obedient()));
    let stalled = stalled_after_rebuild(&world, &sink, &old, &new).await;
    restart(&sink, &stalled, From::Beginning).await;
    let taken = taken(&sink, 7).await;
    let bodies: Vec<&str> = taken.iter().map(|(_, body)| body.as_str()).collect();
    assert_eq!(
        bodies,
        [
            "old 0", "old 1", "old 2", "old 3", "new 0", "new 1", "new 2"
        ]
    );
    consumer.stop().await;
}

pub async fn a_parked_fact_of_an_earlier_life_stays_beside_one_at_the_same_place(world: World) {
    let (old, new, sink) = (
        world.log().await,
        world.rebuilt_log().await,
        world.sink().await,
    );
    let handler = obedient();
    let (consumer, _) = world.consume(world.consumer(&["webshop-orders"], &sink, handler.clone()));
    let relay = world.relay(&old).await;
    append(&old, (0..3).map(|n| order(&old, "c", &n.to_string()))).await;
    append(&old, [order(&old, "a", "poison")]).await;
    let kept = async || list_parked(&sink, 0, 1_000).await.expect("readable");
    until("the fourth is parked", async || kept().await.len() == 1).await;
    relay.stop().await;

    // The fourth of the new life stands where the parked one stood; the first belongs behind it all the same.
    append(&new, [order(&new, "a", "later")]).await;
    append(&new, (3..5).map(|n| order(&new, "c", &n.to_string()))).await;
    append(&new, [order(&new, "b", "poison")]).await;
    let relay = world.relay(&new).await;
    until("the new life is taken", async || {
        for stalled in list_stalled(&sink).await.expect("readable") {
            restart_stalled(&sink, &stalled, From::Beginning)
                .await
                .expect("restarted");
        }
        kept().await.len() >= 3 && handler::taken(&sink).await.len() >= 5
    })
    .await;
    let mut known: Vec<(String, ParkedState, u64)> = kept()
        .await
        .into_iter()
        .map(|kept| (kept.key, kept.state, kept.waiting_behind))
        .collect();
    // Keys may stand in different partitions.
    known.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(
        known,
        [
            ("a".to_owned(), ParkedState::Parked, 1),
            ("a".to_owned(), ParkedState::Waiting, 0),
            ("b".to_owned(), ParkedState::Parked, 0)
        ]
    );

    handler.antidote.store(true, Ordering::Relaxed);
    let first = kept().await[0].id;
    retry_parked(&sink, &[first]).await.expect("retried");
    let handled = taken(&sink, 7).await;
    assert_eq!(handled[5..], pairs(&[("a", "poison"), ("a", "later")]));
    consumer.stop().await;
    relay.stop().await;
}
