//! Stores with figures, and instances of the service with their clients.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use millrace_contract::inventories::v1::{Inventory, InventoryChanged, LocationFigure};
use millrace_contract::personal::v1::Personal;
use millrace_contract::reservation::v1 as proto;
use millrace_contract::reservation::v1::reservation_service_client::ReservationServiceClient;
use millrace_contract::reservations::v1::{Reservation, ReservationLine};
use millrace_contract::values::v1::{Decimal, Quantity};
use millrace_erp::Erp;
use millrace_erp::business_central::BusinessCentral;
use millrace_erp_simulator::{Config as SimulatorConfig, Simulator};
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
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt;
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
short_after = "50ms"
takeover_after = "1s"

[[stores]]
location = "STORE-1"
channels = ["furniture", "outlet"]
time_zone = "Europe/Berlin"
open_on = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
keep_for = 2
quantity = 1000

[[stores]]
location = "STORE-HH"
channels = ["furniture"]
time_zone = "Europe/Berlin"

[[stores]]
location = "MAIN"
channels = ["furniture"]
time_zone = "Europe/Berlin"

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
    erp: Option<Pretended>,
    pub clock: Arc<ManualClock>,
    pub shutdown: Shutdown,
}

/// A pretend ERP, and the adapter that speaks to it.
pub struct Pretended {
    pub simulator: Simulator,
    pub adapter: Arc<BusinessCentral>,
}

/// What figures know: requests with a row version below, and what happened up to a moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    pub boundary: Option<u64>,
    pub settled: Option<Timestamp>,
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
            erp: None,
            clock: Arc::new(ManualClock::at(friday)),
            shutdown,
        }
    }

    /// With an ERP that has transfer requests.
    pub async fn with_erp() -> Self {
        let config = SimulatorConfig {
            webhook_delay: Duration::from_millis(20),
            ..SimulatorConfig::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(config, listener).await.unwrap();
        let settings = serde_json::from_value(json!({
            "code": "bc-main",
            "address": format!("{}/v2.0", simulator.url()),
            "sign_in_address": simulator.url(),
            "tenant": "demo",
            "environment": "production",
            "client_id": "millrace-demo",
            "client_secret": "millrace-demo",
            "limits": { "timeout": "5s", "write_timeout": "500ms", "patience": "2s" },
            "reading": { "queue_interval": "100ms" },
        }));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let adapter = BusinessCentral::connect(settings.unwrap(), clock, Ids::random()).unwrap();
        let mut world = Self::new().await;
        // Time passes ten times as fast, so that what is put off comes soon.
        let (clock, stop) = (world.clock.clone(), world.shutdown.clone());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            while !stop.is_cancelled() {
                ticks.tick().await;
                clock.advance(SignedDuration::from_secs(1));
            }
        });
        world.erp = Some(Pretended {
            simulator,
            adapter: Arc::new(adapter),
        });
        world
    }

    /// What a person does in the ERP.
    pub async fn office(&self, act: &str, body: Value) -> Value {
        self.erp().simulator.office(act, body).await.unwrap()
    }

    pub fn erp(&self) -> &Pretended {
        self.erp.as_ref().expect("this world has an ERP")
    }

    /// As stock-availability would.
    pub async fn tell(&self, item: &str, there: &[(&str, i64)]) {
        self.tell_of(item, there, Known::default()).await;
    }

    /// The same, with what the figures know.
    pub async fn tell_of(&self, item: &str, there: &[(&str, i64)], known: Known) {
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
                boundary: known
                    .boundary
                    .map(|boundary| boundary.to_string())
                    .unwrap_or_default(),
                settled: known.settled.map(|settled| prost_types::Timestamp {
                    seconds: settled.as_second(),
                    nanos: settled.subsec_nanosecond(),
                }),
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
            erp: self
                .erp
                .as_ref()
                .map(|erp| erp.adapter.clone() as Arc<dyn Erp>),
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
    /// What works behind the calls is gone in the middle, as if it had been killed; its leases run out.
    pub fn dies(&self) {
        self.running.abort();
    }

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

    /// Until the last figure of an item is known here.
    pub async fn held_up_to(&self, store: &str, item: &str, there: i64) {
        let what = format!("{there} of {item} are known");
        millrace_test_rig::until(PATIENCE, &what, async || {
            let rows: Vec<(String, Vec<u8>)> =
                sqlx::query_as("SELECT asked, inventory FROM inventories")
                    .fetch_all(self.database.pool())
                    .await
                    .unwrap();
            let (_, inventory) = rows.into_iter().find(|(asked, _)| asked.contains(item))?;
            let inventory = Inventory::decode(&*inventory).unwrap();
            let mut places = inventory.locations.into_iter();
            let place = places.find(|place| place.location_code == store)?;
            (place.available?.units == there).then_some(())
        })
        .await;
    }

    /// Everything that is held of an item, by the last event of its shelf.
    pub async fn held(&self, item: &str) -> i64 {
        self.held_in(STORE, item).await
    }

    pub async fn held_in(&self, store: &str, item: &str) -> i64 {
        use millrace_contract::shelves::v1::ShelfMoved;
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, item.as_bytes());
        let stream = format!("shelf/bc-main/{store}/{id}/");
        let last = self.log.read_last(&[stream]).await.unwrap();
        last.first().map_or(0, |recorded| {
            let moved = ShelfMoved::decode(recorded.event.payload.as_ref()).unwrap();
            moved.held.unwrap_or_default().units
        })
    }
}

/// A guest's wish.
pub fn wish(number: &str, lines: &[(&str, i64)]) -> proto::CreateReservationRequest {
    wish_in(STORE, number, lines)
}

pub fn wish_in(
    store: &str,
    number: &str,
    lines: &[(&str, i64)],
) -> proto::CreateReservationRequest {
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
            store: store.to_owned(),
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

/// The name of the rule that said no.
pub fn reason(refused: &Status) -> String {
    let details = refused.get_error_details();
    let info = details.error_info();
    info.map(|info| info.reason.clone()).unwrap_or_default()
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
