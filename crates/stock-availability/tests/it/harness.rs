//! A simulator, a running service, and a client of it.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::stock::v1 as wire;
use millrace_contract::stock::v1::stock_service_client::StockServiceClient;
use millrace_erp::Erp;
use millrace_erp::business_central::{BusinessCentral, Settings};
use millrace_erp_simulator::{Config as SimulatorConfig, Simulator};
use millrace_event_bus::{Bus, EmbeddedBus};
use millrace_event_store::{Database, DatabaseSettings};
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::grpc::{Entrance, Limits, serve};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Ids, Secret, Shutdown, SystemClock};
use millrace_stock_availability::{Config, MIGRATIONS, Ports, Service};
use millrace_test_rig::until;
use millrace_values::{Channel, Channels};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel as Connection;
use tonic::{Request, Status};

pub const PATIENCE: Duration = Duration::from_secs(20);
pub const SHOP: &str = "the-shops-own-token-1";
pub const TOYS: &str = "the-toys-own-token-12";
pub const BLIND: &str = "a-token-without-scope";
pub const OPERATOR: &str = "an-operators-own-token";

pub type Client = StockServiceClient<InterceptedService<Connection, Bearer>>;

#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

pub async fn simulator() -> Simulator {
    simulator_with(true).await
}

pub async fn simulator_with(companion: bool) -> Simulator {
    let config = SimulatorConfig {
        companion,
        webhook_delay: Duration::from_millis(20),
        ..SimulatorConfig::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(config, listener).await.unwrap()
}

pub fn adapter(simulator: &Simulator) -> Arc<BusinessCentral> {
    adapter_at_level(simulator, "companion")
}

pub fn adapter_at_level(simulator: &Simulator, level: &str) -> Arc<BusinessCentral> {
    let settings: Settings = serde_json::from_value(json!({
        "code": "bc-main",
        "address": format!("{}/v2.0", simulator.url()),
        "sign_in_address": simulator.url(),
        "tenant": "demo",
        "environment": "production",
        "client_id": "millrace-demo",
        "client_secret": "millrace-demo",
        "local_currency": "EUR",
        "default_location": "MAIN",
        "limits": { "timeout": "5s", "write_timeout": "5s" },
        "reading": { "page_size": 20, "queue_interval": "50ms", "poll_interval": "50ms", "overlap": "5s" },
        "level": level,
    }))
    .unwrap();
    Arc::new(BusinessCentral::connect(settings, Arc::new(SystemClock), Ids::random()).unwrap())
}

/// A database with the tables of the service and of the bus.
pub async fn database(url: &str) -> Database {
    let settings = DatabaseSettings::new(url, "stock-availability");
    let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
        .await
        .unwrap();
    database
        .migrate(&[
            &MIGRATIONS,
            millrace_event_bus::migrations(),
            millrace_operations::migrations(),
        ])
        .await
        .unwrap();
    database
}

pub struct Running {
    pub database: Database,
    pub health: Health,
    pub address: String,
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
}

pub fn quick() -> Config {
    Config {
        takeover_after: Duration::from_millis(400),
        ..Config::default()
    }
}

pub async fn start(
    erp: Arc<dyn Erp>,
    database: Database,
    bus: Arc<dyn Bus>,
    config: Config,
) -> Running {
    let health = Health::default();
    let ports = Ports {
        database: database.clone(),
        bus,
        erp,
        clock: Arc::new(SystemClock),
        ids: Ids::random(),
        channels: Arc::new(channels()),
        health: health.clone(),
        metrics: Metrics::default(),
        message_limit: Limits::default().message_bytes(),
    };
    let service = Service::build(config, ports).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let routes = tonic::service::Routes::new(service.grpc());
    let entrance = Entrance {
        tokens: tokens(),
        limits: Limits::default(),
        health: health.clone(),
        metrics: Metrics::default(),
        descriptors: millrace_contract::DESCRIPTORS,
        quick: &millrace_stock_availability::grpc::QUICK,
    };
    let shutdown = Shutdown::new();
    let (stop_serving, stop_running) = (shutdown.clone(), shutdown.clone());
    let tasks = vec![
        tokio::spawn(async move {
            serve(listener, routes, entrance, stop_serving)
                .await
                .unwrap()
        }),
        tokio::spawn(async move { service.run(stop_running).await.unwrap() }),
    ];
    Running {
        database,
        health,
        address,
        shutdown,
        tasks,
    }
}

impl Running {
    pub async fn ready(&self) {
        until(PATIENCE, "the service is ready", async || {
            self.health.report().ready.then_some(())
        })
        .await;
    }

    pub async fn client(&self, token: Option<&str>) -> Client {
        let connection = Connection::from_shared(self.address.clone())
            .unwrap()
            .connect()
            .await
            .unwrap();
        let token = token.map(|token| format!("Bearer {token}").parse().unwrap());
        StockServiceClient::with_interceptor(connection, Bearer(token))
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        self.database.close().await;
    }
}

/// The usual world: demo company, one service, embedded bus.
pub struct World {
    pub simulator: Simulator,
    pub erp: Arc<BusinessCentral>,
    pub bus: Arc<EmbeddedBus>,
    pub service: Running,
    pub client: Client,
}

impl World {
    pub async fn begin() -> Self {
        Self::begin_with(quick()).await
    }

    pub async fn begin_with(config: Config) -> Self {
        let simulator = simulator().await;
        let erp = adapter(&simulator);
        let bus = Arc::new(EmbeddedBus::new());
        let service = start(
            erp.clone(),
            database("sqlite::memory:").await,
            bus.clone(),
            config,
        )
        .await;
        let client = service.client(Some(SHOP)).await;
        let world = Self {
            simulator,
            erp,
            bus,
            service,
            client,
        };
        world.service.ready().await;
        world
    }

    pub async fn office(&self, act: &str, body: Value) -> Value {
        self.simulator.office(act, body).await.unwrap()
    }

    /// Available in the shop's channel; `None`: unknown.
    pub async fn available(&self, item: &str, variant: &str) -> Option<i64> {
        let answer = get(&mut self.client.clone(), item, variant, wire::Source::Index).await;
        answer.known.then(|| answer.available.unwrap().units)
    }

    pub async fn eventually(&self, item: &str, variant: &str, available: Option<i64>) {
        let what = format!("{item} {variant} has {available:?}");
        until(PATIENCE, &what, async || {
            (self.available(item, variant).await == available).then_some(())
        })
        .await;
    }
}

pub async fn get(
    client: &mut Client,
    item: &str,
    variant: &str,
    source: wire::Source,
) -> wire::Availability {
    let request = wire::GetAvailabilityRequest {
        channel: "furniture-de".into(),
        sku: Some(sku(item, variant)),
        source: source as i32,
        by_location: false,
    };
    client
        .get_availability(request)
        .await
        .unwrap()
        .into_inner()
        .availability
        .unwrap()
}

pub fn sku(item: &str, variant: &str) -> wire::Sku {
    wire::Sku {
        item_number: item.into(),
        variant_code: variant.into(),
    }
}

pub fn channels() -> Channels {
    let channel = |code: &str, deducts: bool| -> Channel {
        serde_json::from_value(json!({
            "code": code,
            "erp": "bc-main",
            "languages": ["de-DE"],
            "location_group": ["MAIN", "SOUTH"],
            "currency": "EUR",
            "prices_include_tax": true,
            "deducts_own_orders": deducts,
        }))
        .unwrap()
    };
    Channels::new([channel("furniture-de", true), channel("toys-de", false)]).unwrap()
}

fn tokens() -> Tokens {
    let token = |name: &str, token: &str, channel: Option<&str>, scope: &str| TokenSettings {
        name: name.into(),
        token: Some(Secret::new(token)),
        sha256: None,
        channel: channel.map(Into::into),
        scopes: [scope.to_owned()].into(),
    };
    Tokens::new([
        token("shop", SHOP, Some("furniture-de"), "stock:read"),
        token("toys", TOYS, Some("toys-de"), "stock:read"),
        token("blind", BLIND, Some("furniture-de"), "catalog:read"),
        token("operator", OPERATOR, None, "*"),
    ])
    .unwrap()
}
