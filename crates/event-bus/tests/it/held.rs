//! Parked, unresolved and waiting records (DESIGN.md §4).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_event_bus::{
    ParkedRecord, ParkedState, drop_parked, list_parked, resolve, retry_parked,
};
use millrace_event_store::Database;

use crate::handler::{self, Obedient};
use crate::world::{World, append, item, order, pairs, price, taken, until};

async fn parked(database: &Database) -> Vec<ParkedRecord> {
    list_parked(database, 0, 1_000).await.expect("readable")
}

async fn parked_count(database: &Database, count: usize) -> Vec<ParkedRecord> {
    until(&format!("{count} records are kept aside"), async || {
        parked(database).await.len() == count
    })
    .await;
    parked(database).await
}

pub async fn a_newer_state_supersedes_a_parked_one(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let (consumer, _) =
        world.consume(world.consumer(&["items"], &sink, Arc::new(Obedient::default())));
    append(&log, [item(&log, "a", "poison"), item(&log, "b", "1")]).await;
    let kept = parked_count(&sink, 1).await;
    assert_eq!(
        (kept[0].key.as_str(), kept[0].state, kept[0].reason.as_str()),
        ("a", ParkedState::Parked, "poison")
    );
    assert_eq!(
        (kept[0].topic.as_str(), kept[0].kind.as_str()),
        ("items", "millrace.items.v1.ItemChanged")
    );
    append(&log, [item(&log, "a", "2")]).await;
    assert_eq!(taken(&sink, 2).await, pairs(&[("b", "1"), ("a", "2")]));
    parked_count(&sink, 0).await;
    consumer.stop().await;
    relay.stop().await;
}

pub async fn facts_wait_behind_a_parked_one_of_their_key_and_others_go_on(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let (consumer, meter) =
        world.consume(world.consumer(&["webshop-orders"], &sink, Arc::new(Obedient::default())));
    append(
        &log,
        [
            order(&log, "a", "poison"),
            order(&log, "a", "2"),
            order(&log, "b", "1"),
            order(&log, "a", "3"),
        ],
    )
    .await;
    assert_eq!(taken(&sink, 1).await, pairs(&[("b", "1")]));
    let kept = parked_count(&sink, 3).await;
    assert_eq!(
        kept.iter().map(|kept| kept.state).collect::<Vec<_>>(),
        [
            ParkedState::Parked,
            ParkedState::Waiting,
            ParkedState::Waiting
        ]
    );
    assert_eq!(kept[0].waiting_behind, 2);
    assert_eq!((meter.read().parked, meter.read().waiting), (1, 2));
    consumer.stop().await;
    relay.stop().await;
}

pub async fn a_retried_fact_lets_those_behind_it_follow_in_order(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let handler = Arc::new(Obedient::default());
    let (consumer, _) = world.consume(world.consumer(&["webshop-orders"], &sink, handler.clone()));
    append(
        &log,
        [
            order(&log, "a", "poison"),
            order(&log, "a", "2"),
            order(&log, "a", "3"),
        ],
    )
    .await;
    let kept = parked_count(&sink, 3).await;
    assert_eq!(
        retry_parked(&sink, &[kept[0].id]).await.expect("retried"),
        1
    );
    until("it was tried again and stays", async || {
        let kept = parked(&sink).await;
        kept[0].attempts == 2 && kept[0].state == ParkedState::Parked
    })
    .await;
    assert_eq!(
        retry_parked(&sink, &[kept[1].id]).await.expect("answered"),
        0,
        "one that waits stays behind"
    );
    handler.antidote.store(true, Ordering::Relaxed);
    append(&log, [order(&log, "a", "4")]).await;
    parked_count(&sink, 4).await;
    retry_parked(&sink, &[kept[0].id]).await.expect("retried");
    assert_eq!(
        taken(&sink, 4).await,
        pairs(&[("a", "poison"), ("a", "2"), ("a", "3"), ("a", "4")])
    );
    parked_count(&sink, 0).await;
    append(&log, [order(&log, "a", "5")]).await;
    taken(&sink, 5).await;
    consumer.stop().await;
    relay.stop().await;
}

pub async fn a_dropped_fact_lets_those_behind_it_follow(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let (consumer, _) =
        world.consume(world.consumer(&["webshop-orders"], &sink, Arc::new(Obedient::default())));
    append(
        &log,
        [
            order(&log, "a", "poison"),
            order(&log, "a", "2"),
            order(&log, "a", "3"),
        ],
    )
    .await;
    let kept = parked_count(&sink, 3).await;
    assert_eq!(
        drop_parked(&sink, &[kept[0].id, 999_999], "a test order")
            .await
            .expect("dropped"),
        1
    );
    assert_eq!(taken(&sink, 2).await, pairs(&[("a", "2"), ("a", "3")]));
    parked_count(&sink, 0).await;
    consumer.stop().await;
    relay.stop().await;
}

pub async fn too_many_facts_behind_a_parked_one_hold_their_partition_back(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let consumer = world
        .consumer(&["webshop-orders"], &sink, Arc::new(Obedient::default()))
        .waiting_per_key(3);
    let (consumer, meter) = world.consume(consumer);
    append(&log, [order(&log, "a", "poison")]).await;
    append(&log, (0..6).map(|n| order(&log, "a", &n.to_string()))).await;
    let kept = parked_count(&sink, 4).await;
    until("it is told", async || meter.read().failed > 0).await;
    assert_eq!(parked(&sink).await.len(), 4, "no more than may");
    drop_parked(&sink, &[kept[0].id], "given up")
        .await
        .expect("dropped");
    let bodies: Vec<String> = taken(&sink, 6)
        .await
        .into_iter()
        .map(|(_, body)| body)
        .collect();
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "5"]);
    consumer.stop().await;
    relay.stop().await;
}

pub async fn a_record_that_came_too_early_heals_when_its_need_arrives(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let (consumer, meter) =
        world.consume(world.consumer(&["items", "prices"], &sink, Arc::new(Obedient::default())));
    append(
        &log,
        (0..40).map(|n| price(&log, &format!("p{n}"), &format!("needs:items/i{n}"))),
    )
    .await;
    let kept = parked_count(&sink, 40).await;
    assert!(
        kept.iter()
            .all(|kept| kept.state == ParkedState::Unresolved
                && kept.waits_for.starts_with("items/i"))
    );
    append(&log, (0..40).map(|n| item(&log, &format!("i{n}"), "here"))).await;
    assert_eq!(taken(&sink, 80).await.len(), 80);
    parked_count(&sink, 0).await;
    assert_eq!((meter.read().unresolved, meter.read().healed), (40, 40));
    consumer.stop().await;
    relay.stop().await;
}

pub async fn a_record_heals_when_the_service_says_so(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let (consumer, _) =
        world.consume(world.consumer(&["prices"], &sink, Arc::new(Obedient::default())));
    append(&log, [price(&log, "p", "needs:customers/c1")]).await;
    parked_count(&sink, 1).await;
    let mut tx = sink.begin().await.expect("a transaction");
    sqlx::query("INSERT INTO taken (place, id, topic, record_key, position, body) VALUES (-1, 'c1', '', 'c1', 0, 'made here')")
        .execute(&mut *tx)
        .await
        .expect("inserted");
    assert_eq!(resolve(&mut tx, "customers/c1").await.expect("resolved"), 1);
    tx.commit().await.expect("committed");
    taken(&sink, 2).await;
    parked_count(&sink, 0).await;
    consumer.stop().await;
    relay.stop().await;
}

pub async fn what_a_handler_wrote_for_a_parked_record_is_undone(world: World) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    append(
        &log,
        [
            item(&log, "a", "1"),
            item(&log, "b", "write then park"),
            item(&log, "c", "3"),
        ],
    )
    .await;
    let (consumer, _) =
        world.consume(world.consumer(&["items"], &sink, Arc::new(Obedient::default())));
    parked_count(&sink, 1).await;
    taken(&sink, 2).await;
    let keys: Vec<String> = handler::taken(&sink)
        .await
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert!(!keys.contains(&"b".to_owned()));
    consumer.stop().await;
    relay.stop().await;
}

pub async fn records_of_a_topic_that_is_no_longer_known_do_not_hide_those_behind_them(
    world: World,
) {
    let (log, sink) = (world.log().await, world.sink().await);
    let relay = world.relay(&log).await;
    let consumer = || world.consumer(&["prices"], &sink, Arc::new(Obedient::default()));
    let (running, _) = world.consume(consumer());
    let waiting = |n| price(&log, &format!("p{n}"), "needs:customers/c1");
    append(&log, (0..251).map(waiting)).await;
    parked_count(&sink, 251).await;
    running.stop().await;
    // More of them than are looked at in one go.
    let retired =
        "UPDATE bus_held SET topic = 'retired', next_attempt_at = 0 WHERE record_key <> 'p250'";
    sqlx::query(retired)
        .execute(sink.pool())
        .await
        .expect("updated");
    let mut tx = sink.begin().await.expect("a transaction");
    sqlx::query("INSERT INTO taken (place, id, topic, record_key, position, body) VALUES (-1, 'c1', '', 'c1', 0, 'made here')")
        .execute(&mut *tx)
        .await
        .expect("inserted");
    sqlx::query("UPDATE bus_held SET next_attempt_at = 0 WHERE record_key = 'p250'")
        .execute(&mut *tx)
        .await
        .expect("updated");
    tx.commit().await.expect("committed");
    let (running, _) = world.consume(consumer());
    assert_eq!(taken(&sink, 2).await[1].0, "p250");
    running.stop().await;
    relay.stop().await;
}
