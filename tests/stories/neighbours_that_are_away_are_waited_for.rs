//! A database, Kafka and an ERP that are away at the start: the process lives, `/ready` says who and why, calls are answered
//! UNAVAILABLE, and it goes on by itself. What no waiting mends ends the process with one line.

use millrace_test_rig::{Postgres, until};
use tonic::Code;
use tonic_types::StatusExt;

use crate::process::free_address;
use crate::shop::Shop;
use crate::world::{PATIENCE, Plan, SHOP_TOKEN, World};

/// The report of `/ready` once it says `words`.
async fn told(world: &World, service: &str, words: &[&str]) -> String {
    let url = format!("http://{}/ready", world.process(service).monitoring);
    let what = format!("/ready says {words:?}");
    until(PATIENCE, &what, async || {
        let report = reqwest::get(&url).await.ok()?.text().await.ok()?;
        words
            .iter()
            .all(|word| report.contains(word))
            .then_some(report)
    })
    .await
}

fn environment(postgres: &str) -> Vec<(String, String)> {
    [
        ("MILLRACE_DATABASE__URL", postgres),
        ("MILLRACE_BUS__KIND", "kafka"),
        // Nobody listens there.
        ("MILLRACE_BUS__KAFKA__BOOTSTRAP", "127.0.0.1:1"),
        (
            "MILLRACE_PERSONAL__KEY",
            "c3RvcnktcGVyc29uYWwta2V5LW9mLTMyLWJ5dGVzISE=",
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_starts_without_its_neighbours_and_says_who_is_away() {
    let server = Postgres::start().await.unwrap();
    let database = server.create_database("away").await.unwrap();
    let mut world = World::empty(Plan::default()).await;
    let mut settings = environment(&database);
    let migration = [
        settings.clone(),
        vec![("MILLRACE_BUS__KIND".to_owned(), "embedded".to_owned())],
    ];
    world.migrate(&migration.concat());
    settings.push((
        "MILLRACE_ERP__ADDRESS".to_owned(),
        format!("http://{}/v2.0", free_address()),
    ));
    settings.push((
        "MILLRACE_ERP__SIGN_IN_ADDRESS".to_owned(),
        format!("http://{}", free_address()),
    ));
    server.stop().await.unwrap();

    world.add("catalog-sync", &settings);
    told(&world, "catalog-sync", &["has not answered yet"]).await;
    told(&world, "catalog-sync", &["database of catalog-sync"]).await;
    let address = format!("http://{}", world.process("catalog-sync").grpc);
    let mut shop = Shop::open(|_| address.clone(), SHOP_TOKEN).await;
    let away = until(PATIENCE, "a call is answered", async || {
        let refused = shop.prices().await.unwrap_err();
        // Without details it is the client that found nobody listening yet.
        (!refused.details().is_empty()).then_some(refused)
    })
    .await;
    assert_eq!(away.code(), Code::Unavailable, "{away:?}");
    let details = away.get_error_details();
    assert_eq!(
        details.error_info().unwrap().metadata["dependency"],
        "database"
    );
    // In JSON, too.
    let path = "millrace.catalog.v1.CatalogService/ListPrices";
    let asked = reqwest::Client::new()
        .post(format!(
            "http://{}/{path}",
            world.process("catalog-sync").http
        ))
        .bearer_auth(SHOP_TOKEN)
        .header("content-type", "application/json")
        .body("{}");
    let away = asked.send().await.unwrap();
    assert_eq!(away.status(), 503);
    assert_eq!(away.headers()["retry-after"], "1");

    server.start_again().await.unwrap();
    let report = told(
        &world,
        "catalog-sync",
        &["kafka is away", "the erp is away"],
    )
    .await;
    assert!(report.contains(r#""ready":false"#), "{report}");
    until(PATIENCE, "the catalog is served", async || {
        shop.prices().await.ok()
    })
    .await;
    let log = world.log("catalog-sync");
    let lines = log
        .lines()
        .filter(|line| line.contains("the database is away"));
    assert_eq!(lines.count(), 1, "logged once:\n{log}");
    // Kafka is away to the end, and its relay waits for it.
    assert!(world.stop("catalog-sync").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_waits_for_its_database_stops_when_asked() {
    let mut world = World::empty(Plan::default()).await;
    let nobody = format!("postgres://postgres@{}/nothing", free_address());
    world.add("catalog-sync", &environment(&nobody));
    told(&world, "catalog-sync", &["database of catalog-sync"]).await;
    assert!(world.stop("catalog-sync").await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_exist_is_not_waited_for() {
    let server = millrace_test_rig::postgres().await;
    let mut world = World::empty(Plan::default()).await;
    world.add(
        "catalog-sync",
        &environment(&server.url("no_such_database")),
    );
    let status = world.ended("catalog-sync").await;
    assert_eq!(status.code(), Some(1));
    let log = world.log("catalog-sync");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("no_such_database"), "{log}");
}
