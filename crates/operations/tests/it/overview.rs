//! What waits for a person stands at `/metrics` and in `/ready`.

use millrace_erp::{Flow, Observed};
use millrace_event_bus::{From, list_stalled, restart_stalled};
use millrace_event_store::Database;
use millrace_operations::{Overview, unreadable};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_values::ErpCode;

use crate::stalled::service_whose_log_was_rebuilt;
use crate::world::{World, give_up, list, parked, until, until_kept};

struct Watched {
    overview: Overview,
    metrics: Metrics,
    health: Health,
}

impl Watched {
    fn new(world: &World, database: &Database) -> Self {
        let (metrics, health) = (Metrics::default(), Health::default());
        let databases = [database.clone()];
        let overview = Overview::new(world.bus.clone(), databases, &metrics, &health);
        Self {
            overview,
            metrics,
            health,
        }
    }

    fn shows(&self, line: &str) {
        let text = self.metrics.text();
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }

    fn trouble(&self) -> String {
        format!("{:?}", self.health.report())
    }
}

#[tokio::test]
async fn consumers_show_what_they_did_and_what_they_keep() {
    let world = World::new();
    let database = world.service("order-intake").await;
    let watched = Watched::new(&world, &database);
    assert!(
        watched.health.report().ready,
        "nobody waits for the first look"
    );
    world.orders(&["o1 poison", "o1 2", "o2 1"]).await;
    until_kept(&database, 2).await;
    watched.overview.look().await;
    for line in [
        r#"millrace_consumer_handled_total{consumer="order-intake"} 1"#,
        r#"millrace_consumer_parked_total{consumer="order-intake"} 1"#,
        r#"millrace_consumer_parked_now{consumer="order-intake"} 1"#,
        r#"millrace_consumer_waiting{consumer="order-intake"} 1"#,
        r#"millrace_consumer_unresolved{consumer="order-intake"} 0"#,
        "# TYPE millrace_consumer_lag gauge",
        "# TYPE millrace_relay_position gauge",
        "# TYPE millrace_relay_published counter",
    ] {
        watched.shows(line);
    }
    let trouble = watched.trouble();
    assert!(
        trouble.contains("1 records of order-intake are parked"),
        "{trouble}"
    );
    assert!(
        watched.health.report().ready,
        "a parked record takes nothing away"
    );

    let parked = parked([&database]);
    let id = list(&parked).await[0].id;
    give_up(&parked, "order-intake", &[id], "a test order")
        .await
        .expect("dropped");
    until_kept(&database, 0).await;
    watched.overview.look().await;
    watched.shows(r#"millrace_consumer_parked_now{consumer="order-intake"} 0"#);
    assert!(
        !watched.trouble().contains("are parked"),
        "{}",
        watched.trouble()
    );
}

#[tokio::test]
async fn a_stalled_partition_is_a_trouble_until_it_goes_on() {
    let world = World::new();
    let database = service_whose_log_was_rebuilt(&world).await;
    let watched = Watched::new(&world, &database);
    watched.overview.look().await;
    let gauge = r#"millrace_consumer_stalled{consumer="order-intake",topic="webshop-orders"}"#;
    watched.shows(&format!("{gauge} 1"));
    let trouble = watched.trouble();
    for words in [
        "webshop-orders 0 of order-intake waits for a person",
        "was rebuilt",
    ] {
        assert!(trouble.contains(words), "{trouble}");
    }
    for stalled in list_stalled(&database).await.expect("readable") {
        restart_stalled(&database, &stalled, From::Here)
            .await
            .expect("restarted");
    }
    until("it goes on", async || world.taster.taken().len() == 3).await;
    watched.overview.look().await;
    watched.shows(&format!("{gauge} 0"));
    assert!(
        !watched.trouble().contains("waits for a person"),
        "{}",
        watched.trouble()
    );
}

#[tokio::test]
async fn unreadable_records_of_the_erp_are_counted() {
    let world = World::new();
    let database = world.service("stock-availability").await;
    let watched = Watched::new(&world, &database);
    let erp = ErpCode::parse("bc-main").expect("a code");
    let broken = Observed::Unreadable {
        entity: "stock",
        system_id: None,
        reason: "why".to_owned(),
    };
    unreadable::note(&database, &erp, Flow::Stock, &[broken])
        .await
        .expect("noted");
    watched.overview.look().await;
    watched.shows(r#"millrace_erp_unreadable{erp="bc-main",flow="stock"} 1"#);
    let trouble = watched.trouble();
    let words = "1 records of stock of erp bc-main cannot be read by stock-availability";
    assert!(trouble.contains(words), "{trouble}");
}

#[tokio::test]
async fn a_database_that_is_away_is_a_trouble_that_is_shown() {
    let world = World::new();
    let database = world.service("order-intake").await;
    let watched = Watched::new(&world, &database);
    database.close().await;
    watched.overview.look().await;
    let trouble = watched.trouble();
    assert!(
        trouble.contains("what is kept aside cannot be looked at"),
        "{trouble}"
    );
}
