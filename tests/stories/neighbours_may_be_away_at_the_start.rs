//! A process that starts while a neighbour is away stays up, says on `/ready` what it misses, and goes on by itself when the
//! neighbour comes.

use millrace_erp_simulator::{Config, Simulator};
use millrace_test_rig::{Kafka, until};
use serde_json::Value;

use crate::process::{Process, free_address};
use crate::world::{PATIENCE, Plan, SERVICES, World};

/// Waits until it says that it is not ready because of its neighbour; a part that is only "starting" gives no reason.
async fn says_what_it_misses(process: &mut Process, neighbour: &[&str]) {
    let what = format!("{} says that it misses {}", process.service, neighbour[0]);
    let mut last = Value::Null;
    let said = async || {
        let (ready, report) = process.readiness().await?;
        assert!(!ready, "ready without its neighbour: {report}");
        let parts = report["components"].as_object()?.values();
        let troubles = parts.filter_map(|part| part["trouble"].as_str());
        let troubles: Vec<String> = troubles.map(str::to_lowercase).collect();
        if report != last {
            println!("{report}");
            last = report;
        }
        troubles
            .iter()
            .any(|trouble| neighbour.iter().any(|word| trouble.contains(word)))
            .then_some(())
    };
    until(PATIENCE, &what, said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_erp_may_be_away_at_the_start() {
    let address = free_address();
    let plan = Plan {
        erp: Some(address),
        ..Plan::default()
    };
    let mut world = World::with_everything_in_one_process(plan).await;
    says_what_it_misses(world.process_mut("all"), &["erp"]).await;
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let erp = Simulator::start(Config::default(), listener).await.unwrap();
    world.ready().await;
    let mut shop = world.shop().await;
    until(PATIENCE, "the shop sees the ERP's items", async || {
        let items = shop.items().await.ok()?;
        (!items.is_empty()).then_some(())
    })
    .await;
    erp.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_may_be_away_at_the_start() {
    let postgres = millrace_test_rig::postgres().await;
    let postgres = postgres.create_database("without_kafka").await.unwrap();
    let kafka = Kafka::start().await.unwrap();
    let mut world = World::prepared(Plan::default(), &postgres, &kafka.bootstrap()).await;
    kafka.kill().await.unwrap();
    world.add_services(&SERVICES);
    // Who must have read a topic before it can answer is not ready.
    let stock = world.process_mut("stock-availability");
    says_what_it_misses(stock, &["kafka"]).await;
    // What is in a log already can be served without it: items, and the feed as far as it was filled.
    for service in ["catalog-sync", "shop-delivery"] {
        world.process_mut(service).ready().await;
    }
    kafka.start_again().await.unwrap();
    world.ready().await;
    let mut shop = world.shop().await;
    until(PATIENCE, "the stock of 1004 is known", async || {
        shop.available("1004").await
    })
    .await;
}
