//! From the ERP into the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_catalog_sync::Config;
use millrace_contract::items::v1::ItemChanged;
use millrace_contract::prices::v1::PriceChanged;
use millrace_erp::{ErpError, Flow, Observed};
use millrace_event_store::Database;
use prost::Message;

use crate::harness::{PATIENCE, database, start, start_with};
use crate::records::{prices, variant};
use crate::scripted_erp::{NAMELESS, ScriptedErp, id, item};

/// Nothing in these tests may wait for the poll.
const NEVER: Duration = Duration::from_secs(3_600);

/// Rows 2 and 12.
#[tokio::test]
async fn the_full_set_is_told_once_with_every_price() {
    let erp = erp_with(10);
    let running = start(erp, database().await).await;
    running.ready().await;
    assert_eq!(running.told("ItemChanged").await.len(), 10);
    let told = running.told("PriceChanged").await;
    assert_eq!(told.len(), 20);
    let groups: BTreeMap<String, usize> = told.iter().fold(BTreeMap::new(), |mut groups, event| {
        let price = PriceChanged::decode(event.event.payload.clone())
            .unwrap()
            .price
            .unwrap();
        *groups.entry(price.key.unwrap().price_group).or_default() += 1;
        groups
    });
    assert_eq!(
        groups,
        BTreeMap::from([(String::new(), 10), ("DEALER".to_owned(), 10)])
    );
    running.stop().await;
}

/// Row 3: only what changed, and without waiting for the poll.
#[tokio::test]
async fn a_hint_brings_the_change_and_nothing_else() {
    let erp = erp_with(5);
    let running = start(erp.clone(), database().await).await;
    running.ready().await;
    let mut renamed = item(3);
    renamed.display_name = "Rocking chair".into();
    renamed.variants = vec![variant(33, "OAK")];
    erp.has(Observed::Item(renamed.clone()));
    erp.tells(Flow::Items, Observed::Item(renamed));
    let told = running.until_told("ItemChanged", 6).await;
    let last = told.last().unwrap();
    let changed = ItemChanged::decode(last.event.payload.clone()).unwrap();
    assert_eq!(changed.changed_paths, ["display_name", "variants"]);
    assert_eq!(changed.item.unwrap().display_name, "Rocking chair");
    assert_eq!(last.version, 2);
    assert_eq!(last.event.key, format!("item/bc-main/{}", id(3)));
    assert_eq!(last.event.erp.as_deref(), Some("bc-main"));
    assert_eq!(last.event.cause.actor, "ADELE");
    running.stop().await;
}

/// Rows 9 and 11.
#[tokio::test]
async fn a_changed_price_is_told_and_one_that_went_is_deleted() {
    let erp = erp_with(5);
    let running = start(erp.clone(), database().await).await;
    running.ready().await;
    erp.tells(Flow::Prices, Observed::Prices(prices(2, &[("", 95)])));
    let gone = running.until_told("PriceDeleted", 1).await;
    assert_eq!(
        gone[0].event.key,
        format!("price/bc-main/{}//DEALER/", id(2))
    );
    assert!(gone[0].event.deleted);
    let changed = running.told("PriceChanged").await;
    assert_eq!(changed.len(), 11);
    // And back again: the stream goes on.
    erp.tells(
        Flow::Prices,
        Observed::Prices(prices(2, &[("", 95), ("DEALER", 70)])),
    );
    let changed = running.until_told("PriceChanged", 12).await;
    assert_eq!(changed.last().unwrap().version, 3);
    running.stop().await;
}

/// Row 10.
#[tokio::test]
async fn an_item_that_is_gone_goes_with_all_its_prices() {
    let erp = erp_with(5);
    let running = start(erp.clone(), database().await).await;
    running.ready().await;
    erp.loses(id(4));
    erp.tells(Flow::Items, Observed::ItemGone(id(4)));
    running.until_told("PriceDeleted", 2).await;
    let gone = running.told("ItemDeleted").await;
    assert_eq!(gone.len(), 1);
    assert!(gone[0].event.deleted);
    running.stop().await;
}

#[tokio::test]
async fn a_deletion_nobody_told_is_found_by_comparison() {
    let erp = erp_with(5);
    let config = Config {
        takeover_after: Duration::from_millis(400),
        compare_every: Duration::ZERO,
    };
    let running = start_with(erp.clone(), database().await, config).await;
    running.ready().await;
    erp.loses(id(1));
    erp.tells(Flow::Customers, Observed::CustomerGone(id(1)));
    running.until_told("ItemDeleted", 1).await;
    running.until_told("PriceDeleted", 2).await;
    running.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_where_it_stopped_and_tells_nothing_again() {
    let erp = erp_with(5);
    let running = start(erp.clone(), database().await).await;
    running.ready().await;
    let before = running.events().await.len();
    let database = running.stop().await;
    let reads = erp.asked().len();
    let running = start(erp.clone(), database).await;
    erp.tells(Flow::Items, Observed::Item(item(6)));
    running.until_told("ItemChanged", 6).await;
    assert_eq!(running.events().await.len(), before + 1);
    assert!(erp.asked().len() - reads < 10, "no second full read");
    running.stop().await;
}

#[tokio::test]
async fn a_resync_tells_what_changed_meanwhile_and_deletes_what_went() {
    let erp = erp_with(8);
    let running = start(erp.clone(), database().await).await;
    running.ready().await;
    erp.loses(id(2));
    let mut renamed = item(3);
    renamed.display_name = "Bench".into();
    erp.has(Observed::Item(renamed));
    erp.fails_once(ErpError::ResyncNeeded {
        reason: "restored from a backup".into(),
    });
    running.until_told("ItemDeleted", 1).await;
    assert_eq!(running.told("ItemChanged").await.len(), 9);
    running.stop().await;
}

#[tokio::test]
async fn an_erp_that_is_away_is_shown_and_then_forgotten() {
    let erp = Arc::new(ScriptedErp::new(NEVER));
    erp.has(Observed::Item(item(1)));
    for _ in 0..3 {
        erp.fails_once(ErpError::Away {
            reason: "503".into(),
            retry_after: None,
        });
    }
    let running = start(erp, database().await).await;
    running.ready().await;
    assert_eq!(running.told("ItemChanged").await.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_kept_and_the_flow_goes_on() {
    let erp = erp_with(2);
    let running = start(erp.clone(), database().await).await;
    running.ready().await;
    let unreadable = Observed::Unreadable {
        entity: "item",
        system_id: Some(id(9)),
        reason: "number is empty".into(),
    };
    erp.tells(Flow::Items, unreadable);
    erp.tells(Flow::Items, Observed::Item(item(7)));
    running.until_told("ItemChanged", 3).await;
    let kept = async |database: &millrace_event_store::Database| -> i64 {
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM erp_unreadable")
            .fetch_one(database.pool())
            .await
            .unwrap();
        count
    };
    millrace_test_rig::until(crate::harness::PATIENCE, "it is kept", async || {
        (kept(&running.database).await == 1).then_some(())
    })
    .await;
    erp.tells(Flow::Items, Observed::Item(item(9)));
    running.until_told("ItemChanged", 4).await;
    millrace_test_rig::until(crate::harness::PATIENCE, "it is forgotten", async || {
        (kept(&running.database).await == 0).then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn prices_that_cannot_be_read_in_a_full_read_are_not_taken_for_gone() {
    let erp = erp_with(3);
    let running = start(erp.clone(), database().await).await;
    running.ready().await;
    running.until_told("PriceChanged", 6).await;
    let database = running.stop().await;
    sqlx::query("UPDATE cursors SET cursor = '' WHERE name = 'prices/bc-main'")
        .execute(database.pool())
        .await
        .unwrap();
    erp.has(Observed::Unreadable {
        entity: "prices",
        system_id: Some(id(1)),
        reason: "an amount is no number".into(),
    });
    erp.loses(id(2));
    let running = start(erp.clone(), database).await;
    let gone = running.until_told("PriceDeleted", 2).await;
    assert_eq!(gone.len(), 2, "those of item 2");
    let item = id(1).to_string();
    assert!(gone.iter().all(|price| !price.event.key.contains(&item)));
    running.stop().await;
}

#[tokio::test]
async fn prices_without_an_item_in_a_full_read_leave_all_prices_until_one_is_clean() {
    let erp = erp_with(3);
    let running = start(erp.clone(), database().await).await;
    running.ready().await;
    running.until_told("PriceChanged", 6).await;
    let database = running.stop().await;
    erp.has(Observed::Unreadable {
        entity: "prices",
        system_id: None,
        reason: "the item is missing".into(),
    });
    erp.loses(id(2));
    erp.has(Observed::Item(item(2)));
    read_all_prices_again(&database).await;
    let running = start(erp.clone(), database).await;
    millrace_test_rig::until(PATIENCE, "it is told", async || {
        unreadable(&running.database)
            .await
            .contains(&"full read".to_owned())
            .then_some(())
    })
    .await;
    running.ready().await;
    assert!(running.told("PriceDeleted").await.is_empty());
    let database = running.stop().await;

    erp.loses(id(NAMELESS));
    read_all_prices_again(&database).await;
    let running = start(erp.clone(), database).await;
    let gone = running.until_told("PriceDeleted", 2).await;
    assert_eq!(gone.len(), 2, "those of item 2, once");
    let item = id(2).to_string();
    assert!(gone.iter().all(|price| price.event.key.contains(&item)));
    assert!(unreadable(&running.database).await.is_empty());
    running.stop().await;
}

async fn read_all_prices_again(database: &Database) {
    sqlx::query("UPDATE cursors SET cursor = '' WHERE name = 'prices/bc-main'")
        .execute(database.pool())
        .await
        .unwrap();
}

/// What kinds of records are kept because they cannot be read.
async fn unreadable(database: &Database) -> Vec<String> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT entity FROM erp_unreadable")
        .fetch_all(database.pool())
        .await
        .unwrap();
    rows.into_iter().map(|(entity,)| entity).collect()
}

fn erp_with(count: u32) -> Arc<ScriptedErp> {
    let erp = Arc::new(ScriptedErp::new(NEVER));
    for number in 1..=count {
        erp.has(Observed::Item(item(number)));
        erp.has(Observed::Prices(prices(
            number,
            &[("", 100), ("DEALER", 80)],
        )));
    }
    erp
}
