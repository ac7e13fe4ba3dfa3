//! A simulator and an adapter that speaks to it.

use std::sync::Arc;
use std::time::Duration;

use millrace_erp::business_central::{BusinessCentral, Level, Settings};
use millrace_erp_simulator::{Config, Simulator};
use millrace_service_kit::{Ids, SystemClock};
use serde_json::json;
use tokio::net::TcpListener;

pub struct World {
    pub simulator: Simulator,
    pub erp: Arc<BusinessCentral>,
}

/// The demo company with the companion, read in small pages.
pub async fn world() -> World {
    world_with(Config::default(), |_| {}).await
}

/// The demo company without it.
pub async fn standard_world() -> World {
    standard_world_with(|_| {}).await
}

pub async fn standard_world_with(change: impl FnOnce(&mut Settings)) -> World {
    let config = Config {
        companion: false,
        ..Config::default()
    };
    world_with(config, |settings| {
        settings.level = Level::Standard;
        change(settings);
    })
    .await
}

pub async fn world_with(config: Config, change: impl FnOnce(&mut Settings)) -> World {
    let config = Config {
        webhook_delay: config.webhook_delay.min(Duration::from_millis(20)),
        ..config
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let simulator = Simulator::start(config, listener).await.unwrap();
    let mut settings = settings(&simulator);
    change(&mut settings);
    let erp = adapter(settings);
    World { simulator, erp }
}

pub fn settings(simulator: &Simulator) -> Settings {
    serde_json::from_value(json!({
        "code": "bc-main",
        "address": format!("{}/v2.0", simulator.url()),
        "sign_in_address": simulator.url(),
        "tenant": "demo",
        "environment": "production",
        "client_id": "millrace-demo",
        "client_secret": "millrace-demo",
        "local_currency": "EUR",
        "default_location": "MAIN",
        "limits": { "timeout": "5s", "write_timeout": "2s" },
        "reading": { "page_size": 7 },
    }))
    .unwrap()
}

pub fn adapter(settings: Settings) -> Arc<BusinessCentral> {
    Arc::new(BusinessCentral::connect(settings, Arc::new(SystemClock), Ids::random()).unwrap())
}

/// Waits until `holds` is true, for at most ten seconds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "it did not come true that {what}"
        );
        tokio::task::yield_now().await;
    }
}
