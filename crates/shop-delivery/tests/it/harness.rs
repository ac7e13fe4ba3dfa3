//! Logs to write to, a running service, a client of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use millrace_contract::changes::v1::change_feed_service_client::ChangeFeedServiceClient;
use millrace_contract::changes::v1::doorbell_service_client::DoorbellServiceClient;
use millrace_contract::changes::v1::start::At;
use millrace_contract::changes::v1::subscribe_response::Message;
use millrace_contract::changes::v1::{
    Change, PullRequest, Start, SubscribeRequest, SubscribeResponse,
};
use millrace_doorbell::SystemNames;
use millrace_event_bus::{Bus, EmbeddedBus, Routes};
use millrace_event_store::{
    Append, Database, DatabaseSettings, EventLog, Expected, Migrations, NewEvent, StreamAppend,
};
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::grpc::{Entrance, Limits, serve};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Ids, Secret, Shutdown, SystemClock};
use millrace_shop_delivery::{Config, MIGRATIONS, Ports, Service, database_name};
use millrace_test_rig::until;
use millrace_values::{Channel, ChannelCode, Channels};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel as Connection;
use tonic::{Request, Status, Streaming};

pub const PATIENCE: Duration = Duration::from_secs(120);
pub const SHOP: &str = "the-shops-own-token-1";
pub const TOYS: &str = "the-toys-own-token-12";
pub const BLIND: &str = "a-token-without-scope";
pub const OPERATOR: &str = "an-operators-own-token";

/// Where databases are and how events travel.
pub struct Ground {
    pub url: String,
    pub bus: Arc<dyn Bus>,
}

impl Ground {
    pub fn embedded() -> Self {
        Self {
            url: "sqlite::memory:".into(),
            bus: Arc::new(EmbeddedBus::new()),
        }
    }
}

/// The services that shop-delivery listens to, as logs.
pub struct Sources {
    catalog: Arc<dyn EventLog>,
    stock: Arc<dyn EventLog>,
    orders: Arc<dyn EventLog>,
    shutdown: Shutdown,
    relays: Vec<JoinHandle<()>>,
}

pub struct World {
    pub ground: Ground,
    pub sources: Sources,
    pub feeds: HashMap<ChannelCode, Database>,
    pub health: Health,
    pub metrics: Metrics,
    pub config: Config,
    running: Option<Running>,
}

struct Running {
    address: String,
    shutdown: Shutdown,
    tasks: Vec<JoinHandle<()>>,
}

pub type Client = ChangeFeedServiceClient<InterceptedService<Connection, Bearer>>;
pub type BellClient = DoorbellServiceClient<InterceptedService<Connection, Bearer>>;

#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn of(token: Option<&str>) -> Self {
        Self(token.map(|token| format!("Bearer {token}").parse().unwrap()))
    }
}

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

pub async fn opened(url: &str, name: &str, owners: &[&Migrations]) -> Database {
    let settings = DatabaseSettings::new(url, name);
    let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
        .await
        .unwrap();
    database.migrate(owners).await.unwrap();
    database
}

impl Sources {
    async fn open(ground: &Ground) -> Self {
        let log = async |name: &str| opened(&ground.url, name, &[]).await.log().await.unwrap();
        let (catalog, stock, orders) = (
            log("catalog-sync").await,
            log("stock-availability").await,
            log("order-intake").await,
        );
        let shutdown = Shutdown::new();
        let relay = |log: &Arc<dyn EventLog>| {
            let (bus, log, stop) = (ground.bus.clone(), log.clone(), shutdown.clone());
            tokio::spawn(async move { bus.relay(log, Routes::Internal, stop).await.unwrap() })
        };
        let relays = vec![relay(&catalog), relay(&stock), relay(&orders)];
        Self {
            catalog,
            stock,
            orders,
            shutdown,
            relays,
        }
    }

    /// Each into the log of its owner, in this order per log; many at once.
    pub async fn say(&self, events: impl IntoIterator<Item = NewEvent>) {
        let appends = events.into_iter().map(|event| {
            let log = match event.kind.split('.').nth(1).unwrap() {
                "inventories" => &self.stock,
                "webshop_orders" => &self.orders,
                _ => &self.catalog,
            };
            let stream = StreamAppend {
                stream: event.key.clone(),
                expected: Expected::Any,
                events: vec![event],
            };
            log.append(Append {
                streams: vec![stream],
                ..Append::default()
            })
        });
        for said in join_all(appends).await {
            said.unwrap();
        }
    }
}

impl World {
    pub async fn embedded() -> Self {
        Self::on(Ground::embedded(), furniture("'DEALER'", "'EAST'")).await
    }

    pub async fn on(ground: Ground, furniture: Channel) -> Self {
        Self::with(ground, furniture, Config::default()).await
    }

    pub async fn with(ground: Ground, furniture: Channel, config: Config) -> Self {
        let sources = Sources::open(&ground).await;
        let mut feeds = HashMap::new();
        for code in ["furniture", "toys"] {
            let code = ChannelCode::parse(code).unwrap();
            let owners = [&MIGRATIONS, millrace_event_bus::migrations()];
            feeds.insert(
                code.clone(),
                opened(&ground.url, &database_name(&code), &owners).await,
            );
        }
        let mut world = Self {
            ground,
            sources,
            feeds,
            health: Health::default(),
            metrics: Metrics::default(),
            config,
            running: None,
        };
        world.start(furniture).await;
        world
    }

    /// Starts the service.
    pub async fn start(&mut self, furniture: Channel) {
        self.health = Health::default();
        self.metrics = Metrics::default();
        let channels =
            Channels::new([furniture, channel("toys", "bc-toys", "", "'EAST'")]).unwrap();
        let ports = Ports {
            feeds: self.feeds.clone(),
            bus: self.ground.bus.clone(),
            clock: Arc::new(SystemClock),
            ids: Ids::random(),
            channels: Arc::new(channels),
            names: Arc::new(SystemNames),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            message_limit: Limits::default().message_bytes(),
        };
        let config = Config {
            takeover_after: Duration::from_secs(2),
            ..self.config.clone()
        };
        let service = Service::build(config, ports).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes =
            tonic::service::Routes::new(service.grpc()).add_service(service.doorbell_grpc());
        let entrance = Entrance {
            tokens: tokens(),
            limits: Limits::default(),
            health: self.health.clone(),
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
        self.running = Some(Running {
            address,
            shutdown,
            tasks,
        });
        until(PATIENCE, "the service is ready", async || {
            self.health.report().ready.then_some(())
        })
        .await;
    }

    /// Stops the service; it must end by itself.
    pub async fn stop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        running.shutdown.cancel();
        for task in running.tasks {
            tokio::time::timeout(PATIENCE, task)
                .await
                .expect("it stops when asked")
                .unwrap();
        }
    }

    pub async fn end(mut self) {
        self.stop().await;
        self.sources.shutdown.cancel();
        for relay in self.sources.relays.drain(..) {
            tokio::time::timeout(PATIENCE, relay)
                .await
                .expect("a relay stops when asked")
                .unwrap();
        }
    }

    pub fn feed(&self, channel: &str) -> &Database {
        &self.feeds[&ChannelCode::parse(channel).unwrap()]
    }

    pub async fn client(&self, token: Option<&str>) -> Client {
        let bearer = Bearer::of(token);
        ChangeFeedServiceClient::with_interceptor(self.connection().await, bearer)
    }

    pub async fn bells(&self, token: Option<&str>) -> BellClient {
        DoorbellServiceClient::with_interceptor(self.connection().await, Bearer::of(token))
    }

    async fn connection(&self) -> Connection {
        let address = self.running.as_ref().unwrap().address.clone();
        let endpoint = Connection::from_shared(address).unwrap();
        endpoint.connect().await.unwrap()
    }

    /// A subscription of channel furniture from `at`.
    pub async fn subscribe(&self, at: At) -> Live {
        let request = SubscribeRequest {
            channel: "furniture".into(),
            consumer: "test".into(),
            start: Some(Start { at: Some(at) }),
            kinds: vec![],
        };
        Live(
            self.client(Some(SHOP))
                .await
                .subscribe(request)
                .await
                .unwrap()
                .into_inner(),
        )
    }

    /// What a newcomer learns of channel furniture: the latest content of every key.
    pub async fn shown(&self) -> Shown {
        let mut live = self.subscribe(At::Snapshot(true)).await;
        let mut shown = Shown::new();
        loop {
            match live.next().await {
                Message::Change(change) => apply(&mut shown, &change),
                Message::CaughtUpToken(_) => return shown,
            }
        }
    }

    /// Waits until the newcomer's view is `wanted`.
    pub async fn until_shown(&self, wanted: &Shown) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let shown = self.shown().await;
            if shown == *wanted {
                return;
            }
            let keys = |shown: &Shown| shown.keys().cloned().collect::<Vec<_>>();
            assert!(
                tokio::time::Instant::now() < deadline,
                "shown: {:#?}\nwanted: {:#?}",
                keys(&shown),
                keys(wanted)
            );
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the feed of furniture holds everything it will: nothing unresolved is meant.
    pub async fn pulled(&self, at: At, kinds: &[&str]) -> Vec<Change> {
        let request = PullRequest {
            channel: "furniture".into(),
            consumer: "test".into(),
            start: Some(Start { at: Some(at) }),
            max_changes: 1_000,
            wait_seconds: 0,
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        self.client(Some(SHOP))
            .await
            .pull(request)
            .await
            .unwrap()
            .into_inner()
            .changes
    }
}

/// Content by key.
pub type Shown = BTreeMap<String, Bytes>;

pub fn apply(shown: &mut Shown, change: &Change) {
    let key = change.envelope.as_ref().unwrap().key.clone();
    if change.deleted {
        assert!(change.payload.is_empty());
        shown.remove(&key);
    } else {
        shown.insert(key, change.payload.clone());
    }
}

pub fn shown(events: impl IntoIterator<Item = NewEvent>) -> Shown {
    events
        .into_iter()
        .map(|event| (event.key, event.payload))
        .collect()
}

/// An open stream of changes.
pub struct Live(Streaming<SubscribeResponse>);

impl Live {
    pub async fn next(&mut self) -> Message {
        let message = tokio::time::timeout(PATIENCE, self.0.message())
            .await
            .expect("a message in time");
        message
            .unwrap()
            .expect("the stream goes on")
            .message
            .unwrap()
    }

    pub async fn change(&mut self) -> Change {
        loop {
            if let Message::Change(change) = self.next().await {
                return change;
            }
        }
    }

    /// Changes up to the point where the stream says it is live, and its token.
    pub async fn caught_up(&mut self) -> (Vec<Change>, String) {
        let mut changes = Vec::new();
        loop {
            match self.next().await {
                Message::Change(change) => changes.push(change),
                Message::CaughtUpToken(token) => return (changes, token),
            }
        }
    }

    /// How the stream ended.
    pub async fn end(mut self) -> Result<(), Status> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.message())
                .await
                .expect("an end in time")?
            {
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
}

pub fn furniture(price_groups: &str, locations: &str) -> Channel {
    channel("furniture", "bc-main", price_groups, locations)
}

fn channel(code: &str, erp: &str, groups: &str, locations: &str) -> Channel {
    let text = format!(
        "code = '{code}'\nerp = '{erp}'\nlanguages = ['en']\nprice_groups = [{groups}]\nlocation_group = [{locations}]\ncurrency = 'EUR'\nprices_include_tax = false"
    );
    toml::from_str(&text).unwrap()
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
        token("shop", SHOP, "furniture", &["feed:read"]),
        token("toys", TOYS, "toys", &["feed:read"]),
        token("blind", BLIND, "furniture", &["stock:read"]),
        TokenSettings {
            channel: None,
            ..token("operator", OPERATOR, "", &["doorbell:admin"])
        },
    ])
    .unwrap()
}
