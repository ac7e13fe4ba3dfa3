//! A running service and a client of it.

use std::sync::Arc;
use std::time::Duration;

use millrace_catalog_sync::{Config, MIGRATIONS, Ports, Service};
use millrace_contract::catalog::v1::catalog_service_client::CatalogServiceClient;
use millrace_erp::Erp;
use millrace_event_bus::{Bus, EmbeddedBus};
use millrace_event_store::{Database, DatabaseSettings, EventLog, LEASE_TAKEN, Recorded};
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::grpc::{Entrance, Limits, serve};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Ids, Secret, Shutdown, SystemClock};
use millrace_test_rig::until;
use millrace_values::{Channel, Channels};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel as Connection;
use tonic::{Request, Status};

pub const PATIENCE: Duration = Duration::from_secs(120);
pub const SHOP: &str = "the-shops-own-token-1";
pub const TOYS: &str = "the-toys-own-token-12";
pub const BLIND: &str = "a-token-without-scope";

pub struct Running {
    pub database: Database,
    pub health: Health,
    pub address: String,
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
}

pub type Client = CatalogServiceClient<InterceptedService<Connection, Bearer>>;

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

/// In memory.
pub async fn database() -> Database {
    database_at("sqlite::memory:").await
}

pub async fn database_at(url: &str) -> Database {
    let settings = DatabaseSettings::new(url, "catalog-sync");
    let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
        .await
        .unwrap();
    let owners = [millrace_operations::migrations(), &MIGRATIONS];
    database.migrate(&owners).await.unwrap();
    database
}

pub async fn start(erp: Arc<dyn Erp>, database: Database) -> Running {
    start_with(
        erp,
        database,
        Config {
            takeover_after: Duration::from_millis(400),
            ..Config::default()
        },
    )
    .await
}

pub async fn start_with(erp: Arc<dyn Erp>, database: Database, config: Config) -> Running {
    start_on(Arc::new(EmbeddedBus::new()), erp, database, config).await
}

pub async fn start_on(
    bus: Arc<dyn Bus>,
    erp: Arc<dyn Erp>,
    database: Database,
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
        quick: &[],
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
        CatalogServiceClient::with_interceptor(connection, Bearer(token))
    }

    /// Everything told so far.
    pub async fn events(&self) -> Vec<Recorded> {
        let log: Arc<dyn EventLog> = self.database.log().await.unwrap();
        let events = log.read_feed(0, 100_000).await.unwrap();
        events
            .into_iter()
            .filter(|event| event.event.kind != LEASE_TAKEN)
            .collect()
    }

    /// Everything told of this kind, as its message's short name: `ItemChanged`.
    pub async fn told(&self, kind: &str) -> Vec<Recorded> {
        self.events()
            .await
            .into_iter()
            .filter(|event| event.event.kind.ends_with(kind))
            .collect()
    }

    pub async fn until_told(&self, kind: &str, count: usize) -> Vec<Recorded> {
        let what = format!("{count} × {kind} told");
        until(PATIENCE, &what, async || {
            Some(self.told(kind).await).filter(|told| told.len() >= count)
        })
        .await
    }

    /// Returns when everything has stopped by itself.
    pub async fn stop(self) -> Database {
        self.shutdown.cancel();
        for task in self.tasks {
            tokio::time::timeout(PATIENCE, task)
                .await
                .expect("it stops when asked")
                .unwrap();
        }
        self.database
    }
}

fn tokens() -> Tokens {
    let token = |name: &str, secret: &str, channel: &str, scopes: &[&str]| TokenSettings {
        name: name.into(),
        token: Some(Secret::new(secret)),
        sha256: None,
        channel: Some(channel.into()),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    Tokens::new([
        token("shop", SHOP, "furniture", &["catalog:read"]),
        token("toys", TOYS, "toys", &["catalog:read"]),
        token("blind", BLIND, "furniture", &["stock:read"]),
    ])
    .unwrap()
}

pub fn channels() -> Channels {
    let channel = |code: &str, erp: &str, groups: &str| -> Channel {
        let text = format!(
            "code = '{code}'\nerp = '{erp}'\nlanguages = ['en']\nprice_groups = [{groups}]\nlocation_group = ['MAIN']\ncurrency = 'EUR'\nprices_include_tax = false"
        );
        toml::from_str(&text).unwrap()
    };
    Channels::new([
        channel("furniture", "bc-main", "'DEALER', 'RETAIL', 'TRADE', 'VIP'"),
        channel("toys", "bc-toys", ""),
    ])
    .unwrap()
}
