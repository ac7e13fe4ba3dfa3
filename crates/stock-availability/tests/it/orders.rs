//! What order-intake tells: a log of its own on the same bus, and the order placed in the simulator.

use std::sync::Arc;

use millrace_contract::values::v1 as values;
use millrace_contract::webshop_orders::v1 as wire;
use millrace_erp::Erp;
use millrace_erp::document::{DocumentRef, NewOrder, NewOrderLine};
use millrace_erp::party::{Address, Parties};
use millrace_erp_simulator::Simulator;
use millrace_event_bus::{Bus, Routes};
use millrace_event_store::{
    Append, Cause, Database, DatabaseSettings, EventLog, Expected, NewEvent,
};
use millrace_service_kit::{Clock, Ids, Shutdown, SystemClock};
use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, LocationCode, OrderNumber, Percentage, Quantity,
    Sku, Timestamp, UnitPrice,
};
use prost::Message;
use uuid::Uuid;

/// A pretend order-intake.
pub struct Orders {
    log: Arc<dyn EventLog>,
    shutdown: Shutdown,
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A pretend catalog-sync.
pub struct Items(Orders);

impl Items {
    pub async fn on(bus: &Arc<impl Bus + 'static>) -> Self {
        Self(Orders::named(bus, "catalog-sync").await)
    }

    pub async fn changed(&self, id: Uuid, number: &str) {
        let item = millrace_contract::items::v1::Item {
            system_id: id.to_string(),
            number: number.into(),
            base_unit: "PCS".into(),
            ..Default::default()
        };
        let event = millrace_contract::items::v1::ItemChanged {
            item: Some(item),
            changed_paths: vec![],
        };
        let stream = format!("item/bc-main/{id}");
        self.0
            .tell_of(
                stream,
                "millrace.items.v1.ItemChanged",
                event.encode_to_vec(),
                false,
            )
            .await;
    }

    pub async fn deleted(&self, id: Uuid) {
        let stream = format!("item/bc-main/{id}");
        self.0
            .tell_of(stream, "millrace.items.v1.ItemDeleted", vec![], true)
            .await;
    }
}

impl Orders {
    pub async fn on(bus: &Arc<impl Bus + 'static>) -> Self {
        Self::named(bus, "order-intake").await
    }

    pub async fn named(bus: &Arc<impl Bus + 'static>, name: &str) -> Self {
        let settings = DatabaseSettings::new("sqlite::memory:", name);
        let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
            .await
            .unwrap();
        database.migrate(&[]).await.unwrap();
        let log = database.log().await.unwrap();
        let shutdown = Shutdown::new();
        let (bus, relayed, stop) = (bus.clone(), log.clone(), shutdown.clone());
        tokio::spawn(async move { bus.relay(relayed, Routes::Internal, stop).await.unwrap() });
        Self { log, shutdown }
    }

    async fn tell(&self, number: &str, kind: &str, payload: Vec<u8>) {
        let stream = format!("order/furniture-de/{number}");
        let kind = format!("millrace.webshop_orders.v1.{kind}");
        self.tell_of(stream, &kind, payload, false).await;
    }

    pub async fn tell_of(&self, stream: String, kind: &str, payload: Vec<u8>, deleted: bool) {
        let now = SystemClock.now();
        let event = NewEvent {
            id: Ids::random().uuid_at(now),
            kind: kind.to_owned(),
            key: stream.clone(),
            erp: Some("bc-main".into()),
            channel: Some("furniture-de".into()),
            occurred_at: now,
            cause: Cause {
                correlation_id: Uuid::from_u128(1),
                causation_id: None,
                traceparent: None,
                actor: "test".into(),
            },
            payload: payload.into(),
            deleted,
        };
        self.log
            .append(Append::to(stream, Expected::Any, vec![event]))
            .await
            .unwrap();
    }

    /// Accepted: pieces of one item from MAIN.
    pub async fn accepted(&self, number: &str, item: &str, pieces: i64) {
        let order = wire::Order {
            channel: "furniture-de".into(),
            order_number: number.into(),
            placed_at: Some(moment(SystemClock.now())),
            lines: vec![wire::OrderLine {
                line_number: 1,
                item_number: item.into(),
                quantity: Some(quantity(pieces)),
                ..Default::default()
            }],
            erp: "bc-main".into(),
            ..Default::default()
        };
        let event = wire::OrderAccepted {
            order: Some(order),
            content_hash: vec![].into(),
            lines: status(pieces, 0, 0),
        };
        self.tell(number, "OrderAccepted", event.encode_to_vec())
            .await;
    }

    pub async fn held(&self, number: &str, pieces: i64) {
        let event = wire::OrderHeld {
            reasons: vec![],
            lines: status(pieces, 0, 0),
        };
        self.tell(number, "OrderHeld", event.encode_to_vec()).await;
    }

    pub async fn cancelled(&self, number: &str, pieces: i64, cancelled: i64) {
        let event = wire::OrderCancelled {
            lines: status(pieces, cancelled, 0),
            ..Default::default()
        };
        self.tell(number, "OrderCancelled", event.encode_to_vec())
            .await;
    }

    pub async fn posted(&self, number: &str, pieces: i64, document: &DocumentRef) {
        let document = wire::ErpDocument {
            kind: "sales-order".into(),
            system_id: document.system_id.to_string(),
            number: document.number.clone(),
            row_version: document
                .row_version
                .map(|version| version.to_string())
                .unwrap_or_default(),
            posted_at: Some(document.posted_at.into()),
        };
        let event = wire::OrderPosted {
            document: Some(document),
            lines: status(pieces, 0, 0),
            ..Default::default()
        };
        self.tell(number, "OrderPosted", event.encode_to_vec())
            .await;
    }

    pub async fn shipped(&self, number: &str, pieces: i64) {
        let document = wire::ErpDocument {
            kind: "shipment".into(),
            posted_at: Some(moment(SystemClock.now())),
            ..Default::default()
        };
        let event = wire::OrderShipped {
            document: Some(document),
            lines: status(pieces, 0, pieces),
            ..Default::default()
        };
        self.tell(number, "OrderShipped", event.encode_to_vec())
            .await;
    }

    /// Something that is no message at all.
    pub async fn garbled(&self, number: &str) {
        self.tell(number, "OrderAccepted", vec![0xff, 0xff]).await;
    }
}

fn status(ordered: i64, cancelled: i64, shipped: i64) -> Vec<wire::LineStatus> {
    vec![wire::LineStatus {
        line_number: 1,
        ordered: Some(quantity(ordered)),
        cancelled: Some(quantity(cancelled)),
        shipped: Some(quantity(shipped)),
        ..Default::default()
    }]
}

fn quantity(units: i64) -> values::Quantity {
    values::Quantity {
        units,
        nanos: 0,
        unit: String::new(),
    }
}

fn moment(at: jiff::Timestamp) -> prost_types::Timestamp {
    Timestamp(at).into()
}

/// The order becomes a document of the ERP.
pub async fn place(
    simulator: &Simulator,
    erp: &dyn Erp,
    number: &str,
    item: &str,
    pieces: u32,
) -> DocumentRef {
    let customer = simulator.read(|tables| {
        let home = tables
            .customers
            .iter()
            .find(|customer| customer.address.country == "DE" && customer.currency.is_empty());
        home.expect("the demo company has customers at home")
            .number
            .clone()
    });
    let euro = Currency::parse("EUR").unwrap();
    let net = i64::from(pieces) * 100;
    let amount = |cents: i64| Amount::new(euro, millrace_values::Decimal::new(cents, 2)).unwrap();
    let order = NewOrder {
        channel: ChannelCode::parse("furniture-de").unwrap(),
        number: OrderNumber::parse(number).unwrap(),
        revision: 1,
        placed_at: Timestamp(SystemClock.now()),
        customer: CustomerNumber::parse(&customer).unwrap(),
        parties: Parties {
            sell_to: Address {
                name: "Erika Mustermann".into(),
                line1: "Heidestraße 17".into(),
                postal_code: "51147".into(),
                city: "Köln".into(),
                country_code: "DE".into(),
                ..Address::default()
            },
            email: "erika@example.com".into(),
            ..Parties::default()
        },
        currency: euro,
        prices_include_tax: false,
        payment_method_code: String::new(),
        payment_terms_code: String::new(),
        shipment_method_code: String::new(),
        requested_delivery: None,
        lines: vec![NewOrderLine {
            line_number: 1,
            item: Sku::parse(item).unwrap(),
            variant: None,
            location: Some(LocationCode::parse("MAIN").unwrap()),
            quantity: Quantity::from(pieces),
            unit: None,
            unit_price: UnitPrice::new(euro, 100.into()).unwrap(),
            discount: Amount::zero(euro),
            tax_percent: Percentage::new(19.into()).unwrap(),
            net: amount(net * 100),
            gross: amount(net * 119),
        }],
        freight: None,
        net: amount(net * 100),
        tax: amount(net * 19),
        gross: amount(net * 119),
    };
    erp.place_order(&order).await.unwrap().document
}
