//! A pretend ERP, the topics the service reads, and one or more instances of the service with their clients.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::customer::v1 as customer;
use millrace_contract::customer::v1::customer_service_server::{
    CustomerService, CustomerServiceServer,
};
use millrace_contract::customers::v1::{Customer, CustomerBlock, CustomerChanged};
use millrace_contract::items::v1::{Item, ItemChanged};
use millrace_contract::order::v1 as proto;
use millrace_contract::order::v1::order_admin_service_client::OrderAdminServiceClient;
use millrace_contract::order::v1::order_service_client::OrderServiceClient;
use millrace_erp::business_central::{BusinessCentral, Settings};
use millrace_erp::party::{Address, NewCustomer, Parties};
use millrace_erp::{Erp, ErpError};
use millrace_erp_simulator::{Config as SimulatorConfig, Simulator};
use millrace_event_bus::{Bus, EmbeddedBus, Routes};
use millrace_event_store::{
    Append, Cause, Database, DatabaseSettings, EventLog, Expected, NewEvent, Sealer,
};
use millrace_order_intake::{Config, GrpcCustomers, MIGRATIONS, Ports, Service};
use millrace_service_kit::auth::{TokenSettings, Tokens};
use millrace_service_kit::grpc::{Entrance, Limits, serve};
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Clock, Ids, Secret, Shutdown, SystemClock};
use millrace_values::{Channel as WebShop, ChannelCode, Channels};
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::sale::{CHAIR, CHANNEL};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Everything around the service.
pub struct World {
    pub simulator: Simulator,
    pub erp: Arc<BusinessCentral>,
    pub bus: Arc<EmbeddedBus>,
    /// Writes `items` and `customers` in place of their owners.
    owners: Arc<dyn EventLog>,
    customers: Endpoint,
    pub shutdown: Shutdown,
}

impl World {
    pub async fn new() -> Self {
        Self::with(SimulatorConfig::default(), |_| {}).await
    }

    pub async fn with(config: SimulatorConfig, change: impl FnOnce(&mut Settings)) -> Self {
        let config = SimulatorConfig {
            webhook_delay: Duration::from_millis(20),
            ..config
        };
        let simulator = Simulator::start(config, listener().await).await.unwrap();
        let mut settings: Settings = serde_json::from_value(json!({
            "code": "bc-main",
            "address": format!("{}/v2.0", simulator.url()),
            "sign_in_address": simulator.url(),
            "tenant": "demo",
            "environment": "production",
            "client_id": "millrace-demo",
            "client_secret": "millrace-demo",
            "limits": { "timeout": "5s", "write_timeout": "500ms", "patience": "2s" },
            "reading": { "queue_interval": "100ms" },
        }))
        .unwrap();
        change(&mut settings);
        let erp = Arc::new(BusinessCentral::connect(settings, clock(), Ids::random()).unwrap());
        let bus = Arc::new(EmbeddedBus::new());
        let database = memory("owners").await;
        database.migrate(&[]).await.unwrap();
        let owners = database.log().await.unwrap();
        let shutdown = Shutdown::new();
        let (relay, log, stop) = (bus.clone(), owners.clone(), shutdown.clone());
        tokio::spawn(async move { relay.relay(log, Routes::Internal, stop).await });
        let customers = serve_customers(erp.clone(), shutdown.clone()).await;
        let world = Self {
            simulator,
            erp,
            bus,
            owners,
            customers,
            shutdown,
        };
        world.create_item(CHAIR).await;
        world.tell_item(CHAIR, false).await;
        let customer = world.customer();
        world.tell_customer(&customer, CustomerBlock::None).await;
        world
    }

    /// In the ERP alone.
    pub async fn create_item(&self, number: &str) {
        let body = json!({ "number": number, "name": "Sold", "unitPrice": 100 });
        self.simulator.office("create-item", body).await.unwrap();
    }

    /// A customer at home the ERP has from the start.
    pub fn customer(&self) -> String {
        self.simulator.read(|tables| {
            let mut customers = tables.customers.iter();
            let home = customers.find(|customer| {
                customer.address.country == "DE"
                    && customer.currency.is_empty()
                    && customer.blocked.is_empty()
            });
            home.expect("the demo company has customers at home")
                .number
                .clone()
        })
    }

    /// As catalog-sync would.
    pub async fn tell_item(&self, number: &str, blocked: bool) {
        let id = self
            .simulator
            .read(|tables| tables.items.by_key(number).map(|item| item.id));
        let id = id.unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, number.as_bytes()));
        let item = Item {
            system_id: id.to_string(),
            number: number.into(),
            blocked,
            base_unit: "PCS".into(),
            ..Item::default()
        };
        let message = ItemChanged {
            item: Some(item),
            changed_paths: vec![],
        };
        self.tell(
            format!("item/bc-main/{id}"),
            "millrace.items.v1.ItemChanged",
            message.encode_to_vec(),
        )
        .await;
    }

    /// As customer-sync would.
    pub async fn tell_customer(&self, number: &str, block: CustomerBlock) {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, number.as_bytes());
        let customer = Customer {
            system_id: id.to_string(),
            number: number.into(),
            block: block.into(),
            ..Customer::default()
        };
        self.tell_of(customer).await;
    }

    pub async fn tell_of(&self, customer: Customer) {
        let stream = format!("customer/bc-main/{}", customer.system_id);
        let message = CustomerChanged {
            customer: Some(customer),
            changed_paths: vec![],
        };
        self.tell(
            stream,
            "millrace.customers.v1.CustomerChanged",
            message.encode_to_vec(),
        )
        .await;
    }

    async fn tell(&self, stream: String, kind: &str, payload: Vec<u8>) {
        let ids = Ids::random();
        let now = clock().now();
        let event = NewEvent {
            id: ids.uuid_at(now),
            kind: kind.into(),
            key: stream.clone(),
            erp: Some("bc-main".into()),
            channel: None,
            occurred_at: now,
            cause: Cause {
                correlation_id: ids.uuid_at(now),
                causation_id: None,
                traceparent: None,
                actor: "test".into(),
            },
            payload: payload.into(),
            deleted: false,
        };
        self.owners
            .append(Append::to(stream, Expected::Any, vec![event]))
            .await
            .unwrap();
    }

    /// How many documents the ERP has of an order.
    pub async fn documents(&self, number: &str) -> usize {
        let body = json!({ "channel": CHANNEL.to_uppercase(), "orderNumber": number });
        let answer = self.simulator.office("documents", body).await.unwrap();
        answer["documents"].as_array().unwrap().len()
    }

    /// What a person in the ERP does with an order.
    pub async fn office(&self, act: &str, number: &str, more: serde_json::Value) {
        let mut body = json!({ "channel": CHANNEL.to_uppercase(), "orderNumber": number });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
        self.simulator.office(act, body).await.unwrap();
    }

    /// An instance on a database of its own, in memory.
    pub async fn instance(&self) -> Instance {
        self.instance_on(migrated("sqlite::memory:").await, |_| {})
            .await
    }

    pub async fn instance_on(
        &self,
        database: Database,
        change: impl FnOnce(&mut Ports),
    ) -> Instance {
        self.instance_with(database, config(), change).await
    }

    pub async fn instance_with(
        &self,
        database: Database,
        config: Config,
        change: impl FnOnce(&mut Ports),
    ) -> Instance {
        let health = Health::default();
        let metrics = Metrics::default();
        let knowing = database.clone();
        let mut ports = Ports {
            sealer: Arc::new(Sealer::new(database.clone(), &[7; 32])),
            database,
            bus: self.bus.clone(),
            erp: self.erp.clone(),
            customers: Arc::new(GrpcCustomers::new(
                self.customers.clone(),
                &Secret::new("a-token-between-services"),
            )),
            clock: clock(),
            ids: Ids::random(),
            channels: Arc::new(channels()),
            health: health.clone(),
            metrics: metrics.clone(),
        };
        change(&mut ports);
        let instance = Instance::start(config, ports, self.shutdown.child_token()).await;
        millrace_test_rig::until(PATIENCE, "items and customers are known", async || {
            let items: (i64,) = sqlx::query_as("SELECT count(*) FROM known_items")
                .fetch_one(knowing.pool())
                .await
                .unwrap();
            let customers: (i64,) = sqlx::query_as("SELECT count(*) FROM known_customers")
                .fetch_one(knowing.pool())
                .await
                .unwrap();
            (items.0 > 0 && customers.0 > 0).then_some(())
        })
        .await;
        instance
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Short pauses: tests wait for nothing but the service.
pub fn config() -> Config {
    Config {
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_millis(500),
        ..Config::default()
    }
}

/// One running service.
pub struct Instance {
    pub orders: OrderServiceClient<Authorized>,
    pub admin: OrderAdminServiceClient<Authorized>,
    pub address: String,
    pub health: Health,
    pub metrics: Metrics,
    pub shutdown: Shutdown,
    running: JoinHandle<()>,
}

impl Instance {
    async fn start(config: Config, ports: Ports, shutdown: Shutdown) -> Self {
        let (health, metrics) = (ports.health.clone(), ports.metrics.clone());
        let service = Service::build(config, ports).await.unwrap();
        let listener = listener().await;
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut routes = tonic::service::Routes::builder();
        routes
            .add_service(service.grpc())
            .add_service(service.admin_grpc());
        let entrance = Entrance {
            tokens: tokens(),
            limits: Limits::default(),
            health: health.clone(),
            metrics: metrics.clone(),
            descriptors: millrace_contract::DESCRIPTORS,
        };
        let stop = shutdown.clone();
        let served = tokio::spawn(serve(listener, routes.routes(), entrance, stop));
        let stop = shutdown.clone();
        let running = tokio::spawn(async move {
            service.run(stop).await.unwrap();
            served.await.unwrap().unwrap();
        });
        let channel = Endpoint::from_shared(address.clone())
            .unwrap()
            .connect()
            .await
            .unwrap();
        let orders = OrderServiceClient::with_interceptor(channel.clone(), token(SHOP));
        let admin = OrderAdminServiceClient::with_interceptor(channel, token(OPERATOR));
        Self {
            orders,
            admin,
            address,
            health,
            metrics,
            shutdown,
            running,
        }
    }

    /// The shop's client with another token.
    pub async fn as_caller(&self, secret: &'static str) -> OrderServiceClient<Authorized> {
        let channel = Endpoint::from_shared(self.address.clone())
            .unwrap()
            .connect()
            .await
            .unwrap();
        OrderServiceClient::with_interceptor(channel, token(secret))
    }

    pub async fn submit(
        &self,
        order: proto::SubmitOrderRequest,
    ) -> Result<proto::SubmitOrderResponse, Status> {
        self.orders
            .clone()
            .submit_order(order)
            .await
            .map(Response::into_inner)
    }

    pub async fn get(&self, number: &str) -> proto::OrderView {
        let request = proto::GetOrderRequest {
            channel: CHANNEL.into(),
            order_number: number.into(),
            include_personal: false,
        };
        self.orders
            .clone()
            .get_order(request)
            .await
            .unwrap()
            .into_inner()
            .order
            .unwrap()
    }

    /// The order once `holds` of it.
    pub async fn until(
        &self,
        number: &str,
        what: &str,
        holds: impl Fn(&proto::OrderView) -> bool,
    ) -> proto::OrderView {
        millrace_test_rig::until(PATIENCE, what, async || {
            Some(self.get(number).await).filter(&holds)
        })
        .await
    }

    pub async fn until_state(&self, number: &str, state: proto::OrderState) -> proto::OrderView {
        self.until(number, &format!("order {number} is {state:?}"), |view| {
            view.state() == state
        })
        .await
    }

    /// The value of a metric without labels.
    pub fn count(&self, metric: &str) -> u64 {
        let text = self.metrics.text();
        let line = text.lines().find_map(|line| {
            line.strip_prefix(&format!("millrace_{metric}_total "))
                .map(str::to_owned)
        });
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or_default()
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        // A connection that stays open would keep the server from draining.
        drop((self.orders, self.admin));
        self.running.await.unwrap();
    }
}

pub const SHOP: &str = "the-shop-of-furniture-de";
pub const OTHER_SHOP: &str = "the-shop-of-another-channel";
pub const READER: &str = "somebody-who-may-only-read";
pub const SERVICE_DESK: &str = "somebody-who-may-see-people";
pub const OPERATOR: &str = "the-operator-of-everything";

fn tokens() -> Tokens {
    let token = |name: &str, secret: &str, channel: Option<&str>, scopes: &[&str]| TokenSettings {
        name: name.into(),
        token: Some(Secret::new(secret)),
        sha256: None,
        channel: channel.map(Into::into),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    Tokens::new([
        token("shop", SHOP, Some(CHANNEL), &["order:submit", "order:read"]),
        token(
            "other-shop",
            OTHER_SHOP,
            Some("toys-fr"),
            &["order:submit", "order:read"],
        ),
        token("reader", READER, Some(CHANNEL), &["order:read"]),
        token(
            "service-desk",
            SERVICE_DESK,
            Some(CHANNEL),
            &["order:read", "order:personal"],
        ),
        token("operator", OPERATOR, None, &["*"]),
    ])
    .unwrap()
}

pub type Authorized = InterceptedService<Channel, Bearer>;

#[derive(Clone)]
pub struct Bearer(&'static str);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(
            "authorization",
            format!("Bearer {}", self.0).parse().unwrap(),
        );
        Ok(request)
    }
}

fn token(secret: &'static str) -> Bearer {
    Bearer(secret)
}

fn channels() -> Channels {
    channels_with(&[("card", "CARD")])
}

/// Two shops that map these payment methods.
pub fn channels_with(payment_methods: &[(&str, &str)]) -> Channels {
    let payment_methods: std::collections::BTreeMap<_, _> =
        payment_methods.iter().copied().collect();
    let shop = |code: &str, currency: &str| -> WebShop {
        serde_json::from_value(json!({
            "code": code,
            "erp": "bc-main",
            "languages": ["de"],
            "location_group": ["MAIN", "SOUTH"],
            "currency": currency,
            "prices_include_tax": false,
            "payment_methods": payment_methods,
        }))
        .unwrap()
    };
    Channels::new([shop(CHANNEL, "EUR"), shop("toys-fr", "EUR")]).unwrap()
}

pub async fn migrated(url: &str) -> Database {
    let database = Database::open(
        &DatabaseSettings::new(url, "order-intake"),
        clock(),
        Ids::random(),
    )
    .await
    .unwrap();
    database
        .migrate(&[&MIGRATIONS, millrace_event_bus::migrations()])
        .await
        .unwrap();
    database
}

async fn memory(name: &str) -> Database {
    Database::open(
        &DatabaseSettings::new("sqlite::memory:", name),
        clock(),
        Ids::random(),
    )
    .await
    .unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// customer-sync, as far as order-intake sees it: creates customers in the ERP.
struct Newcomers {
    erp: Arc<BusinessCentral>,
}

async fn serve_customers(erp: Arc<BusinessCentral>, shutdown: Shutdown) -> Endpoint {
    let listener = listener().await;
    let endpoint =
        Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder()
        .add_service(CustomerServiceServer::new(Newcomers { erp }));
    tokio::spawn(server.serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned()));
    endpoint
}

#[tonic::async_trait]
impl CustomerService for Newcomers {
    async fn get_customer(
        &self,
        _: Request<customer::GetCustomerRequest>,
    ) -> Result<Response<customer::GetCustomerResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_customers(
        &self,
        _: Request<customer::ListCustomersRequest>,
    ) -> Result<Response<customer::ListCustomersResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn register_customer(
        &self,
        request: Request<customer::RegisterCustomerRequest>,
    ) -> Result<Response<customer::RegisterCustomerResponse>, Status> {
        let request = request.into_inner();
        let personal = request.personal.unwrap_or_default();
        let address = personal.sell_to.unwrap_or_default();
        let customer = NewCustomer {
            channel: ChannelCode::parse(&request.channel).unwrap(),
            shop_customer_number: request.shop_customer_number,
            parties: Parties {
                sell_to: Address {
                    name: address.name,
                    line1: address.address_line1,
                    city: address.city,
                    postal_code: address.postal_code,
                    country_code: address.country_code,
                    ..Address::default()
                },
                email: personal.email,
                ..Parties::default()
            },
            currency: None,
            language: None,
        };
        let created = self
            .erp
            .create_customer(&customer)
            .await
            .map_err(|error| match error {
                ErpError::Contradiction { .. } => Status::already_exists("other content"),
                ErpError::Refused { .. } => Status::failed_precondition("refused"),
                _ => Status::unavailable("the erp is away"),
            })?;
        Ok(Response::new(customer::RegisterCustomerResponse {
            system_id: created.system_id.to_string(),
            number: created.number.to_string(),
            existed: created.existed,
        }))
    }
}
