//! A service's database goes back to a backup (F30): its log is not published before a person has said so, and then all of it is.

use std::collections::BTreeMap;

use millrace_contract::changes::v1::start::At;
use millrace_contract::changes::v1::subscribe_response::Message as FeedMessage;
use millrace_contract::changes::v1::{Start, SubscribeRequest};
use millrace_contract::items::v1::ItemChanged;
use millrace_test_rig::until;
use prost::Message;
use serde_json::json;

use crate::shop::Shop;
use crate::tables::Tables;
use crate::the_doctor_says_what_is_wrong::doctor;
use crate::world::{CHANNEL, PATIENCE, Plan, SHOP_TOKEN, World};

const CATALOG: &str = "catalog-sync";
const ITEM: &str = "1503";

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_log_is_refused_with_the_command_that_helps_and_then_the_feed_is_right() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("restored")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let mut world = World::prepared(Plan::default(), &postgres, &bootstrap).await;
    world.add_services(&[CATALOG, "shop-delivery"]);
    world.ready().await;
    let mut shop = shop(&world).await;
    feed_is_the_catalog(&mut shop).await;

    let tables = Tables::open(&postgres).await;
    world.stop(CATALOG).await;
    tables.back_up("catalog_sync").await;
    world.start(CATALOG);
    world.ready().await;
    for name in ["Once", "Twice", "Before the restore"] {
        rename(&world, name).await;
        until(PATIENCE, "the feed tells the change", async || {
            (in_feed(&mut shop).await.get(ITEM)? == name).then_some(())
        })
        .await;
    }
    world.stop(CATALOG).await;
    tables.restore("catalog_sync").await;

    rename(&world, "After the restore").await;
    world.start(CATALOG);
    until(PATIENCE, "the log is refused", async || {
        let log = world.log(CATALOG);
        (log.contains("was restored to an earlier point")
            && log.contains("millrace migrate --new-epoch"))
        .then_some(())
    })
    .await;
    until(PATIENCE, "the catalog itself goes on", async || {
        (in_catalog(&mut shop).await?.get(ITEM)? == "After the restore").then_some(())
    })
    .await;
    assert_eq!(in_feed(&mut shop).await[ITEM], "Before the restore");

    world.stop(CATALOG).await;
    let (code, wrong) = doctor(&world, &["--after-restore"], &[]);
    let (_, found, mend) = wrong
        .iter()
        .find(|(check, _, _)| check == "restore.catalog-sync")
        .unwrap_or_else(|| panic!("{wrong:?}"));
    assert_eq!(code, 1);
    assert!(found.contains("restored to an earlier point"), "{found}");
    assert!(
        mend.contains("millrace migrate --new-epoch catalog-sync"),
        "{mend}"
    );
    let printed = world.runs(&["migrate", "--new-epoch", CATALOG], &[]);
    assert!(
        printed.contains("catalog-sync: a new epoch of its log"),
        "{printed}"
    );
    let (_, wrong) = doctor(&world, &["--after-restore"], &[]);
    let about_logs = wrong
        .iter()
        .filter(|(check, _, _)| check.starts_with("restore."));
    assert_eq!(about_logs.count(), 0, "{wrong:?}");
    world.start(CATALOG);
    world.ready().await;
    feed_is_the_catalog(&mut shop).await;
    assert_eq!(in_feed(&mut shop).await[ITEM], "After the restore");
    let states = shop.items().await.unwrap().len() + shop.prices().await.unwrap().len();
    until(PATIENCE, "everything is published again", async || {
        (published(&world).await? >= states).then_some(())
    })
    .await;
}

/// A shop that reads the catalogue and its feed; nothing else runs.
async fn shop(world: &World) -> Shop {
    let address = |service: &str| {
        let mut running = world.processes.iter();
        let runs = running.find(|process| process.service == service);
        // Nobody listens at port 9.
        runs.map_or("http://127.0.0.1:9".to_owned(), |process| {
            format!("http://{}", process.grpc)
        })
    };
    Shop::open(address, SHOP_TOKEN).await
}

async fn rename(world: &World, name: &str) {
    let change = json!({ "number": ITEM, "name": name });
    world.simulator.office("change-item", change).await.unwrap();
}

/// Waits until the feed's snapshot holds the catalogue's items, under the same names.
async fn feed_is_the_catalog(shop: &mut Shop) {
    until(PATIENCE, "the feed holds the catalogue", async || {
        let catalog = in_catalog(shop).await?;
        (!catalog.is_empty() && in_feed(shop).await == catalog).then_some(())
    })
    .await;
}

/// Names by number.
async fn in_catalog(shop: &mut Shop) -> Option<BTreeMap<String, String>> {
    let items = shop.items().await.ok()?;
    let items = items.into_iter().filter_map(|found| found.item);
    Some(items.map(|item| (item.number, item.display_name)).collect())
}

async fn in_feed(shop: &mut Shop) -> BTreeMap<String, String> {
    let request = SubscribeRequest {
        channel: CHANNEL.into(),
        consumer: "story".into(),
        start: Some(Start {
            at: Some(At::Snapshot(true)),
        }),
        kinds: vec!["items".into()],
    };
    let mut feed = shop.feed.subscribe(request).await.unwrap().into_inner();
    let mut names = BTreeMap::new();
    loop {
        let answer = feed.message().await.unwrap().expect("the feed goes on");
        match answer.message {
            Some(FeedMessage::Change(change)) => {
                let changed = ItemChanged::decode(change.payload).unwrap();
                names.extend(changed.item.map(|item| (item.number, item.display_name)));
            }
            Some(FeedMessage::CaughtUpToken(_)) => return names,
            _ => {}
        }
    }
}

/// How many events the catalogue's process has published since its start.
async fn published(world: &World) -> Option<usize> {
    let url = format!("http://{}/metrics", world.process(CATALOG).monitoring);
    let metrics = reqwest::get(&url).await.ok()?.text().await.ok()?;
    let line = metrics
        .lines()
        .find(|line| line.contains("relay_published") && !line.starts_with('#'))?;
    line.rsplit(' ').next()?.parse().ok()
}
