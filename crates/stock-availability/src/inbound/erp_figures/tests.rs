//! One process reads at a time, and who was replaced writes nothing.

use millrace_erp::business_central::{BusinessCentral, Settings};
use millrace_erp_simulator::{Config, Simulator};
use millrace_event_store::{DatabaseSettings, Held};
use millrace_service_kit::SystemClock;
use millrace_service_kit::health::Health;
use millrace_values::ErpCode;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;

struct World {
    _simulator: Simulator,
    database: Database,
    reader: FigureReader,
}

impl World {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(Config::default(), listener).await.unwrap();
        let settings: Settings = serde_json::from_value(json!({
            "code": "bc-main",
            "address": format!("{}/v2.0", simulator.url()),
            "sign_in_address": simulator.url(),
            "tenant": "demo",
            "environment": "production",
            "client_id": "millrace-demo",
            "client_secret": "millrace-demo",
            "local_currency": "EUR",
        }))
        .unwrap();
        let (clock, ids) = (Arc::new(SystemClock), Ids::random());
        let erp = BusinessCentral::connect(settings, clock.clone(), ids.clone()).unwrap();
        let settings = DatabaseSettings::new("sqlite::memory:", "stock-availability");
        let database = Database::open(&settings, clock.clone(), ids.clone());
        let database = database.await.unwrap();
        let owners = [
            &crate::MIGRATIONS,
            millrace_event_bus::migrations(),
            millrace_operations::migrations(),
        ];
        database.migrate(&owners).await.unwrap();
        let erps = [ErpCode::parse("bc-main").unwrap()];
        let freshness = Freshness::new(erps, Duration::from_secs(60), clock.clone());
        let reader = FigureReader {
            erp: Arc::new(erp),
            database: database.clone(),
            freshness,
            note_every: Duration::ZERO,
            margin: Duration::ZERO,
            wake: Arc::default(),
            complete: Arc::default(),
            component: Health::default().component("figures"),
            unreadable: Counter::default(),
            clock,
            ids,
        };
        Self {
            _simulator: simulator,
            database,
            reader,
        }
    }

    async fn lease(&self, holder: &str, ttl: Duration) -> Option<Held> {
        let log = self.database.log().await.unwrap();
        log.take_lease("join-stock", holder, ttl).await.unwrap()
    }

    /// What the reader has written: figures, and where it stands.
    async fn written(&self) -> (i64, Option<String>) {
        let query = sqlx::query_as("SELECT COUNT(*) FROM erp_figures");
        let (figures,): (i64,) = query.fetch_one(self.database.pool()).await.unwrap();
        let name = self.reader.name();
        (figures, load_cursor(&self.database, &name).await.unwrap())
    }
}

/// FAULTS.md F7.
#[tokio::test]
async fn who_was_replaced_writes_neither_figures_nor_where_he_stands() {
    let world = World::new().await;
    let here = world.lease("here", Duration::from_millis(1)).await.unwrap();
    let there = millrace_test_rig::until(
        Duration::from_secs(5),
        "the lease is taken over",
        async || world.lease("there", Duration::from_secs(60)).await,
    );
    let there = there.await;
    let (mut place, mut noted) = (None, None);
    let late = world.reader.look(&mut place, &mut noted, &here.lease).await;
    assert!(matches!(late, Err(StepError::Superseded)), "{late:?}");
    assert_eq!(world.written().await, (0, None));

    while world
        .reader
        .look(&mut place, &mut noted, &there.lease)
        .await
        .unwrap()
    {}
    let before = world.written().await;
    assert!(before.0 > 0 && before.1.is_some(), "{before:?}");
    let erp = ErpCode::parse("bc-main").unwrap();
    assert!(world.reader.freshness.read_at(&erp).is_some());

    let mut old = Some(Place {
        standing: Standing::default(),
        unwritten: false,
        written_at: Timestamp::UNIX_EPOCH,
    });
    let late = world.reader.look(&mut old, &mut noted, &here.lease).await;
    assert!(matches!(late, Err(StepError::Superseded)), "{late:?}");
    assert_eq!(world.written().await, before);
}
