//! What is personal stays under its key, also when the ERP repeats it.

use std::io;
use std::sync::{Arc, Mutex};

use millrace_contract::order::v1::OrderState;
use millrace_contract::personal::v1::{Address, Personal};
use millrace_contract::webshop_orders::v1::HoldKind;
use prost::Message;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::sale::order;
use crate::world::{World, migrated};

/// Stands in every value of the buyer's data, and nowhere else.
const CANARY: &str = "nightingale";

/// Everything that is logged in this process.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    fn begin() -> Self {
        let logged = Self::default();
        let filter = "millrace_order_intake=trace,millrace_erp=trace,millrace_event_store=trace,\
                      millrace_event_bus=trace,millrace_service_kit=trace,millrace_erp_reader=trace";
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_ansi(false)
            .with_writer(logged.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        logged
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn nightingale() -> Personal {
    let address = |what: &str| Address {
        name: format!("{what} Nightingale"),
        name2: "c/o Nightingale".into(),
        address_line1: "Nightingale Lane 1".into(),
        address_line2: "Nightingale House".into(),
        postal_code: "Nightingale-1".into(),
        city: "Nightingale".into(),
        state: "Nightingale".into(),
        country_code: "DE".into(),
        contact_name: "F. Nightingale".into(),
    };
    Personal {
        sell_to: Some(address("Florence")),
        ship_to: Some(address("Frances")),
        bill_to: Some(address("William")),
        // Business Central refuses it, and repeats it.
        email: "nightingale@".into(),
        phone: "nightingale".into(),
        vat_registration_number: "nightingale".into(),
    }
}

fn clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    assert!(!text.contains(CANARY), "{what}: {text}");
}

#[tokio::test]
async fn what_the_erp_repeats_of_a_buyer_stands_in_no_event_row_log_line_or_metric() {
    let logged = Logged::begin();
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), |_| {}).await;
    let mut wanted = order("9401", &world.customer(), 1);
    wanted.personal = Some(nightingale());
    instance.submit(wanted).await.unwrap();
    let held = instance.until_state("9401", OrderState::Held).await;
    assert_eq!(held.hold_reasons[0].kind(), HoldKind::ErpRefused);
    let said = world.buffered("9401").error_text.to_lowercase();
    assert!(said.contains(CANARY), "the erp repeats it: {said}");

    clean("the answer", &held.encode_to_vec());
    let log = database.log().await.unwrap();
    let events = log.read_feed(0, 1000).await.unwrap();
    assert!(events.len() > 2);
    for recorded in events {
        clean(&recorded.event.kind, &recorded.event.payload);
    }
    let views: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT view FROM orders")
        .fetch_all(database.pool())
        .await
        .unwrap();
    for (view,) in views {
        clean("a row", &view);
    }
    clean("the metrics", instance.metrics.text().as_bytes());
    let log = logged.text();
    assert!(log.contains("order 9401"), "something was logged");
    clean("the log", log.as_bytes());
    instance.stop().await;
}
