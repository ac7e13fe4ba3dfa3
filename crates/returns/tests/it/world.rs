//! A pretend ERP, the topic the service reads, and one or more instances of the service with their clients.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::webshop_orders::v1 as orders;
use millrace_erp::Erp;
use millrace_erp::business_central::{BusinessCentral, Settings};
use millrace_erp::document::{NewOrder, NewOrderLine};
use millrace_erp_simulator::{Config as SimulatorConfig, Simulator};
use millrace_event_bus::{Bus, EmbeddedBus, Routes};
use millrace_event_store::{
    Append, Cause, Database, DatabaseSettings, EventLog, Expected, NewEvent, Sealer,
};
use millrace_returns::{Config, MIGRATIONS, Ports};
use millrace_service_kit::grpc::Limits;
use millrace_service_kit::health::Health;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Clock, Ids, Shutdown, SystemClock};
use millrace_values::{
    Amount, Channel, ChannelCode, Channels, Currency, CustomerNumber, LocationCode, OrderNumber,
    Percentage, Quantity, Sku, Timestamp, UnitCode, UnitPrice,
};
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::instance::{Instance, config};
use crate::sale::{CHAIR, CHANNEL, order, pieces, status};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Everything around the service.
pub struct World {
    pub simulator: Simulator,
    pub erp: Arc<BusinessCentral>,
    pub bus: Arc<EmbeddedBus>,
    /// Writes `webshop-orders` in place of its owner.
    owner: Arc<dyn EventLog>,
    pub shutdown: Shutdown,
}

impl World {
    pub async fn new() -> Self {
        Self::with(SimulatorConfig::default()).await
    }

    /// A tenant without the companion; with or without the pages that tell return reasons.
    pub async fn standard(analytics: bool) -> Self {
        Self::with(SimulatorConfig {
            companion: false,
            analytics,
            ..SimulatorConfig::default()
        })
        .await
    }

    async fn with(config: SimulatorConfig) -> Self {
        let config = SimulatorConfig {
            webhook_delay: Duration::from_millis(20),
            ..config
        };
        let simulator = Simulator::start(config, listener().await).await.unwrap();
        let settings: Settings = serde_json::from_value(json!({
            "code": "bc-main",
            "address": format!("{}/v2.0", simulator.url()),
            "sign_in_address": simulator.url(),
            "tenant": "demo",
            "environment": "production",
            "client_id": "millrace-demo",
            "client_secret": "millrace-demo",
            "limits": { "timeout": "5s", "write_timeout": "500ms", "patience": "2s" },
            "reading": { "queue_interval": "100ms", "poll_interval": "200ms" },
        }))
        .unwrap();
        let erp = Arc::new(BusinessCentral::connect(settings, clock(), Ids::random()).unwrap());
        let bus = Arc::new(EmbeddedBus::new());
        let database = memory("order-intake").await;
        database.migrate(&[]).await.unwrap();
        let owner = database.log().await.unwrap();
        let shutdown = Shutdown::new();
        let (relay, log, stop) = (bus.clone(), owner.clone(), shutdown.clone());
        tokio::spawn(async move { relay.relay(log, Routes::Internal, stop).await });
        let item = json!({ "number": CHAIR, "name": "Sold", "unitPrice": 100 });
        simulator.office("create-item", item).await.unwrap();
        Self {
            simulator,
            erp,
            bus,
            owner,
            shutdown,
        }
    }

    /// A customer at home the ERP has from the start.
    pub fn customer(&self) -> String {
        self.customers().remove(0)
    }

    pub fn customers(&self) -> Vec<String> {
        self.simulator.read(|tables| {
            let home = tables.customers.iter().filter(|customer| {
                customer.address.country == "DE"
                    && customer.currency.is_empty()
                    && customer.blocked.is_empty()
            });
            home.map(|customer| customer.number.clone()).collect()
        })
    }

    /// Chairs were sold to somebody the ERP has: in the ERP, and told of.
    pub async fn sell(&self, number: &str, customer: &str, count: u32) {
        self.erp
            .place_order(&erp_order(number, customer, count))
            .await
            .unwrap();
        self.tell_sold(number, order(number, customer, count.into()))
            .await;
    }

    /// Told of alone.
    pub async fn tell_sold(&self, number: &str, order: orders::Order) {
        let count = order.lines[0].quantity.as_ref().unwrap().units;
        let buyer = order.buyer.clone().unwrap();
        let accepted = orders::OrderAccepted {
            order: Some(order),
            content_hash: vec![1].into(),
            lines: status(count, 0),
        };
        self.tell(number, "OrderAccepted", accepted.encode_to_vec())
            .await;
        let posted = orders::OrderPosted {
            document: Some(document("sales-order", 1)),
            customer_number: buyer.customer_number,
            lines: status(count, 0),
            ..orders::OrderPosted::default()
        };
        self.tell(number, "OrderPosted", posted.encode_to_vec())
            .await;
    }

    /// So many of `count` chairs were shipped in one go.
    pub async fn ship(&self, number: &str, count: i64) {
        self.tell_shipped(number, count, count).await;
    }

    /// `shipped` of `count`; once per order.
    pub async fn tell_shipped(&self, number: &str, count: i64, shipped: i64) {
        let message = orders::OrderShipped {
            document: Some(document("shipment", 2)),
            shipped: vec![orders::LineQuantity {
                line_number: 1,
                quantity: pieces(shipped),
            }],
            lines: status(count, shipped),
            ..orders::OrderShipped::default()
        };
        self.tell(number, "OrderShipped", message.encode_to_vec())
            .await;
    }

    /// Sold and shipped.
    pub async fn delivered(&self, number: &str, customer: &str, count: u32) {
        self.sell(number, customer, count).await;
        self.ship(number, count.into()).await;
    }

    async fn tell(&self, number: &str, kind: &str, payload: Vec<u8>) {
        let ids = Ids::random();
        let now = clock().now();
        let stream = format!("order/{CHANNEL}/{number}");
        let event = NewEvent {
            id: ids.uuid_at(now),
            kind: format!("millrace.webshop_orders.v1.{kind}"),
            key: stream.clone(),
            erp: Some("bc-main".into()),
            channel: Some(CHANNEL.into()),
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
        self.owner
            .append(Append::to(stream, Expected::Any, vec![event]))
            .await
            .unwrap();
    }

    /// What a person in the ERP does with a return.
    pub async fn office(&self, act: &str, number: &str, more: Value) -> Value {
        let mut body = json!({ "channel": CHANNEL.to_uppercase(), "returnNumber": number });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
        self.simulator.office(act, body).await.unwrap()
    }

    /// How many return orders the ERP has under this number that were not refused.
    pub async fn return_orders(&self, number: &str) -> usize {
        let body = json!({ "channel": CHANNEL.to_uppercase() });
        let answer = self.simulator.office("return-orders", body).await.unwrap();
        let all = answer["returns"].as_array().unwrap();
        let of_number = |order: &&Value| order["returnNumber"] == number;
        all.iter().filter(of_number).count()
    }

    /// An instance on a database of its own, in memory.
    pub async fn instance(&self) -> Instance {
        self.instance_on(migrated("sqlite::memory:").await, config())
            .await
    }

    pub async fn instance_on(&self, database: Database, config: Config) -> Instance {
        let ports = Ports {
            sealer: Arc::new(Sealer::new(database.clone(), &[7; 32])),
            database: database.clone(),
            bus: self.bus.clone(),
            erp: self.erp.clone(),
            channels: Arc::new(channels()),
            clock: clock(),
            ids: Ids::random(),
            health: Health::default(),
            metrics: Metrics::default(),
            holder: Ids::random().uuid_at(clock().now()).to_string(),
            message_limit: Limits::default().message_bytes(),
        };
        Instance::start(config, ports, self.shutdown.child_token()).await
    }

    /// An instance that knows the reasons and the order.
    pub async fn instance_that_knows(&self, order: &str) -> Instance {
        let database = migrated("sqlite::memory:").await;
        let instance = self.instance_on(database.clone(), config()).await;
        knows(&database, order).await;
        instance
    }
}

/// Until the rows hold the reasons and the order.
pub async fn knows(database: &Database, order: &str) {
    let stream = format!("order/{CHANNEL}/{order}");
    millrace_test_rig::until(PATIENCE, "reasons and the order are known", async || {
        let reasons: (i64,) = sqlx::query_as("SELECT count(*) FROM return_reasons")
            .fetch_one(database.pool())
            .await
            .unwrap();
        let orders: (i64,) = sqlx::query_as("SELECT count(*) FROM known_orders WHERE stream = $1")
            .bind(&stream)
            .fetch_one(database.pool())
            .await
            .unwrap();
        (reasons.0 > 0 && orders.0 > 0).then_some(())
    })
    .await;
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn document(kind: &str, number: u64) -> orders::ErpDocument {
    orders::ErpDocument {
        kind: kind.into(),
        system_id: format!("5d115c9c-44e3-ea11-bb43-{number:012}"),
        number: number.to_string(),
        row_version: number.to_string(),
        posted_at: Some(millrace_values::Timestamp(clock().now()).into()),
    }
}

fn erp_order(number: &str, customer: &str, count: u32) -> NewOrder {
    let euro = Currency::parse("EUR").unwrap();
    let amount = |value: u32| Amount::new(euro, value.into()).unwrap();
    NewOrder {
        channel: ChannelCode::parse(CHANNEL).unwrap(),
        number: OrderNumber::parse(number).unwrap(),
        revision: 1,
        placed_at: Timestamp::parse("2026-11-22T10:00:00Z").unwrap(),
        customer: CustomerNumber::parse(customer).unwrap(),
        parties: millrace_erp::party::Parties::default(),
        currency: euro,
        prices_include_tax: false,
        payment_method_code: String::new(),
        payment_terms_code: String::new(),
        shipment_method_code: String::new(),
        requested_delivery: None,
        lines: vec![NewOrderLine {
            line_number: 1,
            item: Sku::parse(CHAIR).unwrap(),
            variant: None,
            location: Some(LocationCode::parse("MAIN").unwrap()),
            quantity: Quantity::from(count),
            unit: Some(UnitCode::parse("PCS").unwrap()),
            unit_price: UnitPrice::new(euro, 100.into()).unwrap(),
            discount: Amount::zero(euro),
            tax_percent: Percentage::new(19.into()).unwrap(),
            net: amount(100 * count),
            gross: amount(119 * count),
        }],
        freight: None,
        net: amount(100 * count),
        tax: amount(19 * count),
        gross: amount(119 * count),
    }
}

pub fn channels() -> Channels {
    let shop = |code: &str| -> Channel {
        serde_json::from_value(json!({
            "code": code,
            "erp": "bc-main",
            "languages": ["de-DE"],
            "location_group": ["MAIN", "SOUTH"],
            "currency": "EUR",
            "prices_include_tax": false,
        }))
        .unwrap()
    };
    Channels::new([shop(CHANNEL), shop("toys-fr")]).unwrap()
}

pub async fn migrated(url: &str) -> Database {
    let settings = DatabaseSettings::new(url, millrace_returns::NAME);
    let database = Database::open(&settings, clock(), Ids::random())
        .await
        .unwrap();
    let owners = [
        millrace_event_bus::migrations(),
        millrace_operations::migrations(),
        &MIGRATIONS,
    ];
    database.migrate(&owners).await.unwrap();
    database
}

async fn memory(name: &str) -> Database {
    let settings = DatabaseSettings::new("sqlite::memory:", name);
    Database::open(&settings, clock(), Ids::random())
        .await
        .unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

pub async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}
