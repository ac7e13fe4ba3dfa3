//! The reference shop's whole catalogue, all prices and all stock arrive, on every way a shop can take them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use millrace_contract::inventories::v1::{Inventory, InventoryChanged};
use millrace_contract::items::v1::{Item, ItemChanged};
use millrace_contract::prices::v1::{Price, PriceChanged};
use millrace_contract::values::v1 as wire;
use millrace_test_rig::{say, until};
use prost::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rust_decimal::Decimal;

use crate::refarch::{self, Expected, Thing};
use crate::shop::Shop;
use crate::tables::Tables;
use crate::world::{CHANNEL, Plan, SERVICES, World};

/// A whole catalogue may take this long on two cores, everything else running too.
const FULL_SYNC: Duration = Duration::from_secs(300);

/// Rows 2, 12, 96, 98.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_shop_arrives_over_kafka_alone_and_over_grpc_alone() {
    let Some(shared) = millrace_test_rig::shared_dir() else {
        say("refarch: skipped, ../shared is not there");
        return;
    };
    let reference = refarch::read(&shared.join("sfcc/refarch"));
    say(&format!(
        "refarch: the source has {} skus, {} products, {} items, {} variants, {} prices, {} stock records ({} in the first list)",
        reference.skus,
        reference.products,
        reference.expected.items.len(),
        reference.expected.variants.len(),
        reference.expected.prices.len(),
        reference.expected.stock.len(),
        reference.inventory_records,
    ));
    assert_eq!(reference.skus, 4040);
    assert_eq!(reference.products, 159);
    assert_eq!(reference.inventory_records, 4036);

    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("refarch")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let plan = Plan {
        company: reference.company,
        location_group: refarch::locations(),
        price_groups: refarch::price_groups(),
        currency: "EUR".into(),
        ..Plan::default()
    };
    let began = Instant::now();
    let mut world = World::prepared(plan, &postgres, &bootstrap).await;
    // The channel's feed comes when everything is there. It reads items first; whatever comes too early all the same waits and heals
    // (event-bus shows that for every bus).
    let (feed, sources) = SERVICES.split_last().unwrap();
    assert_eq!(*feed, "shop-delivery");
    world.add_services(sources);
    world.ready().await;
    world.add_services(&[feed]);
    world.ready().await;

    let mut shop = world.shop().await;
    until(
        FULL_SYNC,
        "a client of gRPC alone has everything",
        async || {
            let seen = over_grpc(&mut shop, &reference.expected).await.ok()?;
            complete("gRPC", &seen, &reference.expected)
        },
    )
    .await;
    say(&format!(
        "refarch: everything equal over gRPC after {:.1} s",
        began.elapsed().as_secs_f64()
    ));

    let (bootstrap, prefix) = world.kafka.clone().unwrap();
    let mut topics = OutwardTopics::open(&bootstrap, &prefix);
    until(
        FULL_SYNC,
        "a consumer of the outward topics alone has everything",
        async || {
            topics.read();
            complete("Kafka", &topics.seen(), &reference.expected)
        },
    )
    .await;
    let tables = Tables::open(&postgres).await;
    let waited = tables.ever_kept_aside().await;
    assert_eq!(tables.unresolved().await, 0, "everything has healed");
    say(&format!(
        "refarch: {waited} records arrived before their item, 0 wait still"
    ));
    say(&format!(
        "refarch: everything equal over Kafka after {:.1} s: {} items, {} variants, {} prices, {} stock figures",
        began.elapsed().as_secs_f64(),
        reference.expected.items.len(),
        reference.expected.variants.len(),
        reference.expected.prices.len(),
        reference.expected.stock.len(),
    ));
}

fn complete(way: &str, seen: &Expected, expected: &Expected) -> Option<()> {
    let full = seen.items.len() >= expected.items.len()
        && seen.prices.len() >= expected.prices.len()
        && seen.stock.len() >= expected.stock.len();
    if !full {
        return None;
    }
    // Whoever has as much as the source must have exactly the source.
    assert_eq!(seen.items, expected.items, "items over {way}");
    assert_eq!(seen.variants, expected.variants, "variants over {way}");
    assert_eq!(seen.prices, expected.prices, "prices over {way}");
    assert_eq!(seen.stock, expected.stock, "stock over {way}");
    Some(())
}

async fn over_grpc(shop: &mut Shop, expected: &Expected) -> Result<Expected, tonic::Status> {
    let mut seen = Expected::default();
    for item in shop.items().await? {
        take_item(&mut seen, item.item.unwrap());
    }
    if seen.items.len() < expected.items.len() {
        return Ok(seen);
    }
    for price in shop.prices().await? {
        take_price(&mut seen, &price);
    }
    // Of everything there is, not of what has stock alone: the rest has to be unknown.
    let items = seen.items.keys().map(|item| (item.clone(), String::new()));
    let things: BTreeSet<Thing> = items.chain(seen.variants.iter().cloned()).collect();
    let things: Vec<Thing> = things.into_iter().collect();
    for (thing, availability) in things.iter().zip(shop.availabilities(&things).await?) {
        if !availability.known {
            let zero = availability.available.is_some() || !availability.locations.is_empty();
            assert!(!zero, "unknown is not zero: {availability:?}");
            continue;
        }
        assert!(
            !availability.locations.is_empty(),
            "a figure of nowhere: {availability:?}"
        );
        for location in availability.locations {
            seen.stock.insert(
                (thing.clone(), location.location_code),
                number(location.available.as_ref().unwrap()),
            );
        }
    }
    Ok(seen)
}

fn take_item(seen: &mut Expected, item: Item) {
    for variant in item.variants {
        seen.variants.insert((item.number.clone(), variant.code));
    }
    seen.items.insert(item.number, item.display_name);
}

fn take_price(seen: &mut Expected, price: &Price) {
    let key = price.key.as_ref().unwrap();
    let thing = (key.item_number.clone(), key.variant_code.clone());
    for tier in &price.tiers {
        let money = tier.unit_price.as_ref().unwrap();
        let amount = Decimal::from(money.units) + Decimal::new(money.nanos.into(), 9);
        let minimum = tier
            .minimum_quantity
            .as_ref()
            .map(number)
            .unwrap_or_default();
        let key = (
            thing.clone(),
            key.price_group.clone(),
            money.currency_code.clone(),
            minimum,
        );
        seen.prices.insert(key, amount.normalize());
    }
}

fn take_inventory(seen: &mut Expected, inventory: &Inventory) {
    let thing = (
        inventory.item_number.clone(),
        inventory.variant_code.clone(),
    );
    for location in &inventory.locations {
        let available = number(location.available.as_ref().unwrap());
        seen.stock
            .insert((thing.clone(), location.location_code.clone()), available);
    }
}

fn number(decimal: &wire::Decimal) -> Decimal {
    (Decimal::from(decimal.units) + Decimal::new(decimal.nanos.into(), 9)).normalize()
}

/// The latest of every key on the channel's topics.
struct OutwardTopics {
    consumer: BaseConsumer,
    prefix: String,
    records: BTreeMap<(String, Vec<u8>), Vec<u8>>,
}

impl OutwardTopics {
    fn open(bootstrap: &str, prefix: &str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", millrace_test_rig::unique("outward"))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut assignment = TopicPartitionList::new();
        for kind in ["items", "prices", "inventories"] {
            let topic = format!("{prefix}shop.{CHANNEL}.{kind}");
            let metadata = consumer
                .fetch_metadata(Some(&topic), Duration::from_secs(10))
                .unwrap();
            for partition in metadata.topics()[0].partitions() {
                assignment
                    .add_partition_offset(&topic, partition.id(), Offset::Beginning)
                    .unwrap();
            }
        }
        consumer.assign(&assignment).unwrap();
        Self {
            consumer,
            prefix: prefix.to_owned(),
            records: BTreeMap::new(),
        }
    }

    fn read(&mut self) {
        while let Some(record) = self.consumer.poll(Duration::from_millis(200)) {
            let record = record.unwrap();
            let topic = record.topic().trim_start_matches(&self.prefix).to_owned();
            let key = (topic, record.key().unwrap_or_default().to_vec());
            match record.payload() {
                Some(payload) => self.records.insert(key, payload.to_vec()),
                None => self.records.remove(&key),
            };
        }
    }

    fn seen(&self) -> Expected {
        let mut seen = Expected::default();
        for ((topic, _), payload) in &self.records {
            let payload = payload.as_slice();
            match topic.rsplit('.').next().unwrap() {
                "items" => take_item(
                    &mut seen,
                    ItemChanged::decode(payload).unwrap().item.unwrap(),
                ),
                "prices" => take_price(
                    &mut seen,
                    &PriceChanged::decode(payload).unwrap().price.unwrap(),
                ),
                "inventories" => take_inventory(
                    &mut seen,
                    &InventoryChanged::decode(payload)
                        .unwrap()
                        .inventory
                        .unwrap(),
                ),
                other => panic!("unexpected topic {other}"),
            }
        }
        seen
    }
}
