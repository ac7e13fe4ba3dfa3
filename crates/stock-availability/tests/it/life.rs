//! Starting again, standing by, and a world that is away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millrace_contract::stock::v1 as wire;
use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_event_bus::{EmbeddedBus, KafkaBus, KafkaSettings};
use millrace_stock_availability::Config;
use millrace_test_rig::until;
use serde_json::json;

use crate::harness::{
    PATIENCE, Running, SHOP, World, adapter, database, get, quick, simulator, start,
};
use crate::spoiled_erp::Spoiled;

#[tokio::test]
async fn a_service_that_starts_again_answers_before_the_erp_does() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().display());
    let first = start(
        adapter(&simulator),
        database(&url).await,
        Arc::new(EmbeddedBus::new()),
        quick(),
    )
    .await;
    first.ready().await;
    let before = until(PATIENCE, "1702 is known", async || {
        let answer = get(
            &mut first.client(Some(SHOP)).await,
            "1702",
            "",
            wire::Source::Index,
        )
        .await;
        answer.known.then_some(answer)
    })
    .await;
    first.stop().await;
    simulator.fault(Rule::new(Kind::Unavailable).times(0));
    let second = start(
        adapter(&simulator),
        database(&url).await,
        Arc::new(EmbeddedBus::new()),
        quick(),
    )
    .await;
    let mut client = second.client(Some(SHOP)).await;
    let after = until(PATIENCE, "1702 is known again", async || {
        let answer = get(&mut client, "1702", "", wire::Source::Index).await;
        answer.known.then_some(answer)
    })
    .await;
    assert_eq!(
        (after.available, after.version, after.as_of),
        (before.available, before.version, before.as_of)
    );
    second.stop().await;
}

#[tokio::test]
async fn answers_are_marked_stale_while_the_erp_is_away_and_fresh_again_after() {
    let config = Config {
        stale_after: Duration::from_millis(500),
        ..quick()
    };
    let world = World::begin_with(config).await;
    let mut client = world.client.clone();
    world.simulator.fault(Rule::new(Kind::Unavailable).times(0));
    let answer = until(PATIENCE, "the answer is stale", async || {
        let answer = get(&mut client, "1702", "", wire::Source::Index).await;
        answer.stale.then_some(answer)
    })
    .await;
    assert!(answer.known, "what is known is served on");
    world.simulator.clear_faults();
    until(PATIENCE, "the answer is fresh", async || {
        let answer = get(&mut client, "1702", "", wire::Source::Index).await;
        (!answer.stale).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_unchanged_company_read_again_publishes_nothing() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().display());
    let first = start(
        adapter(&simulator),
        database(&url).await,
        Arc::new(EmbeddedBus::new()),
        quick(),
    )
    .await;
    first.ready().await;
    let log = first.database.log().await.unwrap();
    let marks = async || {
        let count: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM marks")
            .fetch_one(first.database.pool())
            .await
            .unwrap();
        (count.0 == 0 && log.head().await.unwrap() > 40).then_some(())
    };
    until(PATIENCE, "everything is published", marks).await;
    let published = log.read_feed(0, 10_000).await.unwrap().len();
    drop(log);
    first.stop().await;
    let again = database(&url).await;
    let mut tx = again.begin().await.unwrap();
    millrace_event_store::save_cursor(&mut tx, "stock/bc-main", "")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let second = start(
        adapter(&simulator),
        again,
        Arc::new(EmbeddedBus::new()),
        quick(),
    )
    .await;
    second.ready().await;
    let log = second.database.log().await.unwrap();
    simulator
        .office(
            "create-item",
            json!({ "number": "LAST-1", "name": "Last", "unitPrice": 5 }),
        )
        .await
        .unwrap();
    simulator
        .office(
            "move-stock",
            json!({ "item": "LAST-1", "quantity": 1, "location": "MAIN" }),
        )
        .await
        .unwrap();
    let mut client = second.client(Some(SHOP)).await;
    until(PATIENCE, "the last item is known", async || {
        get(&mut client, "LAST-1", "", wire::Source::Index)
            .await
            .known
            .then_some(())
    })
    .await;
    let events = log.read_feed(0, 10_000).await.unwrap();
    let leases = events[published..]
        .iter()
        .filter(|event| event.event.kind == millrace_event_store::LEASE_TAKEN)
        .count();
    assert_eq!(
        events.len() - published - leases,
        1,
        "only the last item is news"
    );
    second.stop().await;
}

/// F9: the ERP goes back to a backup, its row versions with it.
#[tokio::test]
async fn after_a_restore_the_figures_are_those_of_the_backup() {
    let world = World::begin().await;
    let office = async |act: &str, body| world.office(act, body).await;
    office(
        "create-item",
        json!({ "number": "KEPT-1", "name": "Kept", "unitPrice": 5 }),
    )
    .await;
    office(
        "move-stock",
        json!({ "item": "KEPT-1", "quantity": 3, "location": "MAIN" }),
    )
    .await;
    world.eventually("KEPT-1", "", Some(3)).await;
    office("backup", json!({})).await;
    office(
        "move-stock",
        json!({ "item": "KEPT-1", "quantity": 30, "location": "MAIN" }),
    )
    .await;
    office(
        "create-item",
        json!({ "number": "LOST-1", "name": "Lost", "unitPrice": 5 }),
    )
    .await;
    office(
        "move-stock",
        json!({ "item": "LOST-1", "quantity": 4, "location": "MAIN" }),
    )
    .await;
    world.eventually("LOST-1", "", Some(4)).await;
    world.eventually("KEPT-1", "", Some(33)).await;
    office("restore", json!({})).await;
    world.eventually("KEPT-1", "", Some(3)).await;
    world.eventually("LOST-1", "", None).await;
    office(
        "move-stock",
        json!({ "item": "KEPT-1", "quantity": 1, "location": "MAIN" }),
    )
    .await;
    world.eventually("KEPT-1", "", Some(4)).await;
}

#[tokio::test]
async fn while_kafka_is_away_the_index_says_that_it_waits_for_it() {
    let simulator = simulator().await;
    // Nobody listens there.
    let nobody = format!("127.0.0.1:{}", millrace_test_rig::free_port().unwrap());
    let bus = KafkaBus::new(KafkaSettings::new(nobody, "alone."), "this process").unwrap();
    let database = database("sqlite::memory:").await;
    let service = start(adapter(&simulator), database, Arc::new(bus), quick()).await;
    until(PATIENCE, "it says what it waits for", async || {
        let report = serde_json::to_value(service.health.report()).unwrap();
        let trouble = &report["components"]["stock-availability.index"]["trouble"];
        let why = trouble.as_str().unwrap_or_default();
        why.starts_with("waits for the inventories: could not reach kafka")
            .then_some(())
    })
    .await;
    assert!(!service.health.report().ready);
    service.stop().await;
}

#[tokio::test]
async fn figures_that_cannot_be_read_are_kept_until_they_can() {
    let simulator = simulator().await;
    let erp = Spoiled::new(adapter(&simulator));
    let (database, bus) = (
        database("sqlite::memory:").await,
        Arc::new(EmbeddedBus::new()),
    );
    let service = start(erp.clone(), database, bus, quick()).await;
    let item = simulator.read(|tables| tables.items.by_key("1000").unwrap().id);
    until(PATIENCE, "the figure is kept", async || {
        is_kept(&service, item).await.then_some(())
    })
    .await;
    erp.mend(true);
    let more = json!({ "item": "1000", "quantity": 1, "location": "MAIN" });
    simulator.office("move-stock", more).await.unwrap();
    until(PATIENCE, "it can be read again", async || {
        (!is_kept(&service, item).await).then_some(())
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn figures_that_cannot_be_read_in_a_full_read_are_not_taken_for_gone() {
    let simulator = simulator().await;
    let erp = Spoiled::new(adapter(&simulator));
    erp.mend(true);
    let (database, bus) = (
        database("sqlite::memory:").await,
        Arc::new(EmbeddedBus::new()),
    );
    let service = start(erp.clone(), database, bus, quick()).await;
    service.ready().await;
    let mut client = service.client(Some(SHOP)).await;
    let before = until(PATIENCE, "1702 is known", async || {
        let answer = get(&mut client, "1702", "", wire::Source::Index).await;
        answer.known.then_some(answer)
    })
    .await;
    let generations = "SELECT COUNT(*), MIN(generation) FROM erp_figures";
    let read = async || -> (i64, i64) {
        let found = sqlx::query_as(generations).fetch_one(service.database.pool());
        found.await.unwrap()
    };
    let (items, generation) = read().await;
    erp.mend(false);
    simulator.office("backup", json!({})).await.unwrap();
    simulator.office("restore", json!({})).await.unwrap();
    let more = json!({ "item": "1702", "quantity": 1, "location": "MAIN" });
    simulator.office("move-stock", more).await.unwrap();
    until(PATIENCE, "everything was read again", async || {
        let (_, least) = read().await;
        (least > generation).then_some(())
    })
    .await;
    assert_eq!(read().await.0, items);
    let after = get(&mut client, "1702", "", wire::Source::Index).await;
    assert!(after.known);
    assert_eq!(after.available, before.available);
    service.stop().await;
}

#[tokio::test]
async fn a_full_read_with_figures_of_nobody_deletes_none_until_one_is_clean() {
    let simulator = simulator().await;
    let erp = Spoiled::new(adapter(&simulator));
    erp.mend(true);
    let (database, bus) = (
        database("sqlite::memory:").await,
        Arc::new(EmbeddedBus::new()),
    );
    let service = start(erp.clone(), database, bus, quick()).await;
    service.ready().await;
    let office = async |act: &str, body| simulator.office(act, body).await.unwrap();
    office("backup", json!({})).await;
    let lost = json!({ "number": "LOST-1", "name": "Lost", "unitPrice": 5 });
    office("create-item", lost).await;
    let moved = json!({ "item": "LOST-1", "quantity": 4, "location": "MAIN" });
    office("move-stock", moved).await;
    let client = service.client(Some(SHOP)).await;
    let known = async || {
        let mut client = client.clone();
        get(&mut client, "LOST-1", "", wire::Source::Index)
            .await
            .known
    };
    until(PATIENCE, "LOST-1 is known", async || {
        known().await.then_some(())
    })
    .await;

    erp.nameless.store(true, Ordering::Relaxed);
    erp.mend(false);
    office("restore", json!({})).await;
    until(PATIENCE, "it is told", async || {
        is_told(&service).await.then_some(())
    })
    .await;
    let figures: (i64,) = sqlx::query_as("SELECT COUNT(*) FROM erp_figures")
        .fetch_one(service.database.pool())
        .await
        .unwrap();
    assert!(figures.0 > 1 && known().await);

    erp.mend(true);
    office("restore", json!({})).await;
    until(PATIENCE, "LOST-1 is gone", async || {
        (!known().await).then_some(())
    })
    .await;
    assert!(!is_told(&service).await);
    service.stop().await;
}

/// Whether the last full read is kept among what cannot be read.
async fn is_told(service: &Running) -> bool {
    let found: Option<(i64,)> =
        sqlx::query_as("SELECT id FROM erp_unreadable WHERE flow = 'stock' AND system_id = '' AND entity = 'full read'")
            .fetch_optional(service.database.pool())
            .await
            .unwrap();
    found.is_some()
}

async fn is_kept(service: &Running, item: uuid::Uuid) -> bool {
    let found: Option<(i64,)> =
        sqlx::query_as("SELECT id FROM erp_unreadable WHERE flow = 'stock' AND system_id = $1")
            .bind(item.to_string())
            .fetch_optional(service.database.pool())
            .await
            .unwrap();
    found.is_some()
}
