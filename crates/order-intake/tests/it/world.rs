//! A pretend ERP, the topics the service reads, and one or more instances of the service with their clients.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::customers::v1::{Customer, CustomerBlock, CustomerChanged};
use millrace_contract::items::v1::{Item, ItemChanged};
use millrace_erp::business_central::{BusinessCentral, Settings};
use millrace_erp_simulator::database::BufferEntry;
use millrace_erp_simulator::{Config as SimulatorConfig, Simulator};
use millrace_event_bus::{Bus, EmbeddedBus, Routes};
use millrace_event_store::{
    Append, Cause, Database, DatabaseSettings, EventLog, Expected, NewEvent, Sealer,
};
use millrace_order_intake::{Config, GrpcCustomers, MIGRATIONS, Ports};
use millrace_service_kit::grpc::Limits;
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Clock, Ids, Secret, Shutdown, SystemClock};
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::transport::Endpoint;
use uuid::Uuid;

use crate::instance::{Instance, channels, config};
use crate::newcomers::serve_customers;
use crate::sale::{CHAIR, CHANNEL};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Everything around the service.
pub struct World {
    pub simulator: Simulator,
    pub erp: Arc<BusinessCentral>,
    pub bus: Arc<EmbeddedBus>,
    /// Writes `items`, `customers` and `returns` in place of their owners.
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

    pub async fn tell(&self, stream: String, kind: &str, payload: Vec<u8>) {
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

    /// An order as it stands in the ERP's buffer.
    pub fn buffered(&self, number: &str) -> BufferEntry {
        self.simulator.read(|tables| {
            let entry = tables
                .buffer
                .iter()
                .find(|entry| entry.order_number == number);
            BufferEntry::clone(entry.expect("the order is in the buffer"))
        })
    }

    /// What a person in the ERP does with an order.
    pub async fn office(&self, act: &str, number: &str, more: serde_json::Value) {
        let mut body = json!({ "channel": CHANNEL.to_uppercase(), "orderNumber": number });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
        self.simulator.office(act, body).await.unwrap();
    }

    /// The retention of the ERP's feeds passes.
    pub async fn forget(&self) {
        let forget = self.simulator.office("forget-changes", json!({}));
        forget.await.unwrap();
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
            message_limit: Limits::default().message_bytes(),
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

pub async fn migrated(url: &str) -> Database {
    let database = Database::open(
        &DatabaseSettings::new(url, "order-intake"),
        clock(),
        Ids::random(),
    )
    .await
    .unwrap();
    database
        .migrate(&[
            millrace_event_bus::migrations(),
            millrace_operations::migrations(),
            &MIGRATIONS,
        ])
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

pub async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}
