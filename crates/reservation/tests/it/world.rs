//! Stores with figures, and instances of the service with their clients.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::inventories::v1::{Inventory, InventoryChanged, LocationFigure};
use millrace_contract::personal::v1::Personal;
use millrace_contract::reservation::v1 as proto;
use millrace_contract::reservation::v1::reservation_service_client::ReservationServiceClient;
use millrace_contract::reservations::v1::{Reservation, ReservationLine};
use millrace_contract::values::v1::{Decimal, Quantity};
use millrace_event_bus::{Bus, EmbeddedBus, Routes};
use millrace_event_store::{
    Append, Cause, Database, DatabaseSettings, EventLog, Expected, NewEvent, Sealer,
};
use millrace_reservation::{Config, MIGRATIONS, Ports, Service, ServiceError};
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::grpc::{Entrance, Limits, serve};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Clock, Ids, ManualClock, Secret, Shutdown, SystemClock, Timestamp};
use millrace_values::{Channel as WebShop, Channels};
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_secs(20);
pub const CHANNEL: &str = "furniture";
pub const OTHER: &str = "outlet";
pub const STORE: &str = "STORE-1";
pub const CHAIR: &str = "1896-S";
pub const LAMP: &str = "1928-S";

const SHOP: &str = "the-token-of-the-shop";
const OUTLET: &str = "the-token-of-the-outlet";
const STAFF: &str = "the-token-of-the-staff";

const SETTINGS: &str = r#"
look_every = "20ms"

[[stores]]
location = "STORE-1"
channels = ["furniture", "outlet"]
time_zone = "Europe/Berlin"
open_on = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
keep_for = 2
quantity = 1000

[[stores]]
location = "STORE-2"
channels = ["outlet"]
time_zone = "Europe/Berlin"
"#;

pub type Client = ReservationServiceClient<InterceptedService<Channel, Token>>;

#[derive(Clone)]
pub struct Token(&'static str);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let bearer = format!("Bearer {}", self.0).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    }
}

/// Figures, and who tells them.
pub struct World {
    bus: Arc<EmbeddedBus>,
    owner: Arc<dyn EventLog>,
    pub clock: Arc<ManualClock>,
    pub shutdown: Shutdown,
}

/// One running service.
pub struct Instance {
    pub shop: Client,
    pub outlet: Client,
    pub staff: Client,
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    running: JoinHandle<Result<(), ServiceError>>,
}

impl World {
    /// It is a Friday morning.
    pub async fn new() -> Self {
        let bus = Arc::new(EmbeddedBus::new());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let settings = DatabaseSettings::new("sqlite::memory:", "stock-availability");
        let database = Database::open(&settings, clock, Ids::random())
            .await
            .unwrap();
        database.migrate(&[]).await.unwrap();
        let owner = database.log().await.unwrap();
        let shutdown = Shutdown::new();
        let (relay, log, stop) = (bus.clone(), owner.clone(), shutdown.clone());
        tokio::spawn(async move { relay.relay(log, Routes::Internal, stop).await });
        let friday: Timestamp = "2026-11-27T09:00:00Z".parse().unwrap();
        Self {
            bus,
            owner,
            clock: Arc::new(ManualClock::at(friday)),
            shutdown,
        }
    }

    /// As stock-availability would.
    pub async fn tell(&self, item: &str, there: &[(&str, i64)]) {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, item.as_bytes());
        let figure = |(location, available): &(&str, i64)| LocationFigure {
            location_code: (*location).to_owned(),
            available: Some(decimal(*available)),
            ..LocationFigure::default()
        };
        let message = InventoryChanged {
            inventory: Some(Inventory {
                item_system_id: id.to_string(),
                item_number: item.to_owned(),
                unit: "PCS".to_owned(),
                locations: there.iter().map(figure).collect(),
                ..Inventory::default()
            }),
        };
        let stream = format!("inventory/bc-main/{id}/");
        let (ids, now) = (Ids::random(), SystemClock.now());
        let event = NewEvent {
            id: ids.uuid_at(now),
            kind: "millrace.inventories.v1.InventoryChanged".to_owned(),
            key: stream.clone(),
            erp: Some("bc-main".to_owned()),
            channel: None,
            occurred_at: now,
            cause: Cause {
                correlation_id: ids.uuid_at(now),
                causation_id: None,
                traceparent: None,
                actor: "test".to_owned(),
            },
            payload: message.encode_to_vec().into(),
            deleted: false,
        };
        let append = Append::to(stream, Expected::Any, vec![event]);
        self.owner.append(append).await.unwrap();
    }

    pub async fn instance(&self) -> Instance {
        self.instance_on("sqlite::memory:").await
    }

    pub async fn instance_on(&self, url: &str) -> Instance {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let settings = DatabaseSettings::new(url, "reservation");
        let database = Database::open(&settings, clock.clone(), Ids::random())
            .await
            .unwrap();
        let owners = [
            millrace_event_bus::migrations(),
            millrace_operations::migrations(),
            &MIGRATIONS,
        ];
        database.migrate(&owners).await.unwrap();
        let (health, metrics) = (Health::default(), Metrics::default());
        let ports = Ports {
            database: database.clone(),
            bus: self.bus.clone(),
            sealer: Arc::new(Sealer::new(database.clone(), &[7; 32])),
            channels: Arc::new(channels()),
            clock,
            ids: Ids::random(),
            health: health.clone(),
            metrics: metrics.clone(),
            holder: millrace_test_rig::unique("reservation"),
            message_limit: Limits::default().message_bytes(),
        };
        let config: Config = toml::from_str(SETTINGS).unwrap();
        let service = Service::build(config, ports).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = tonic::service::Routes::new(service.grpc());
        let entrance = Entrance {
            tokens: tokens(),
            limits: Limits::default(),
            health,
            metrics,
            descriptors: millrace_contract::DESCRIPTORS,
            quick: &[],
        };
        tokio::spawn(serve(listener, routes, entrance, self.shutdown.clone()));
        let running = tokio::spawn(service.run(self.shutdown.clone()));
        let channel = Endpoint::from_shared(address)
            .unwrap()
            .connect()
            .await
            .unwrap();
        let client =
            |token| ReservationServiceClient::with_interceptor(channel.clone(), Token(token));
        Instance {
            shop: client(SHOP),
            outlet: client(OUTLET),
            staff: client(STAFF),
            log: database.log().await.unwrap(),
            database,
            running,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Instance {
    /// After the world was told to stop: until the files are free.
    pub async fn ended(self) {
        self.running.await.unwrap().unwrap();
        self.database.close().await;
    }

    /// Until the service knows that an item is there.
    pub async fn knows(&self, item: &str) {
        millrace_test_rig::until(PATIENCE, "the figure is known", async || {
            let rows: Vec<(String,)> = sqlx::query_as("SELECT asked FROM inventories")
                .fetch_all(self.database.pool())
                .await
                .unwrap();
            rows.iter()
                .any(|(asked,)| asked.contains(item))
                .then_some(())
        })
        .await;
    }

    /// Everything that is held of an item, by the last event of its shelf.
    pub async fn held(&self, item: &str) -> i64 {
        use millrace_contract::shelves::v1::ShelfMoved;
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, item.as_bytes());
        let stream = format!("shelf/bc-main/{STORE}/{id}/");
        let last = self.log.read_last(&[stream]).await.unwrap();
        last.first().map_or(0, |recorded| {
            let moved = ShelfMoved::decode(recorded.event.payload.as_ref()).unwrap();
            moved.held.unwrap_or_default().units
        })
    }
}

/// A guest's wish.
pub fn wish(number: &str, lines: &[(&str, i64)]) -> proto::CreateReservationRequest {
    let lines = lines
        .iter()
        .zip(1..)
        .map(|((item, count), line)| ReservationLine {
            line_number: line,
            item_number: (*item).to_owned(),
            variant_code: String::new(),
            quantity: Some(pieces(*count)),
        });
    proto::CreateReservationRequest {
        reservation: Some(Reservation {
            channel: CHANNEL.to_owned(),
            reservation_number: number.to_owned(),
            store: STORE.to_owned(),
            placed_at: Some(prost_types::Timestamp::default()),
            lines: lines.collect(),
            ..Reservation::default()
        }),
        contact: Some(Personal {
            email: "erika@example.com".to_owned(),
            ..Personal::default()
        }),
    }
}

pub fn pieces(count: i64) -> Quantity {
    Quantity {
        units: count,
        nanos: 0,
        unit: String::new(),
    }
}

fn decimal(units: i64) -> Decimal {
    Decimal { units, nanos: 0 }
}

fn channels() -> Channels {
    let shop = |code: &str| -> WebShop {
        serde_json::from_value(json!({
            "code": code,
            "erp": "bc-main",
            "languages": ["de"],
            "location_group": ["STORE-1"],
            "currency": "EUR",
            "prices_include_tax": true,
        }))
        .unwrap()
    };
    Channels::new([shop(CHANNEL), shop(OTHER)]).unwrap()
}

fn tokens() -> Tokens {
    let token = |name: &str, channel: Option<&str>, scopes: &[&str]| TokenSettings {
        name: name.to_owned(),
        token: Some(Secret::new(name)),
        sha256: None,
        channel: channel.map(str::to_owned),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    let shop = [
        "reservation:create",
        "reservation:read",
        "reservation:personal",
    ];
    Tokens::new([
        token(SHOP, Some(CHANNEL), &shop),
        token(OUTLET, Some(OTHER), &shop),
        token(STAFF, None, &["reservation:store", "reservation:read"]),
    ])
    .unwrap()
}
