//! The same on a real PostgreSQL and a real Kafka.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use millrace_contract::customer::v1::RegisterCustomerRequest;
use millrace_contract::customer::v1::get_customer_request::By;
use millrace_contract::customers::v1::CustomerChanged;
use millrace_erp_simulator::Simulator;
use millrace_event_bus::{Bus, KafkaBus, KafkaSettings, Mirrored};
use prost::Message;
use serde_json::json;

use crate::harness::{PATIENCE, SERVICE, database, personal, simulator, start_on};

/// Rows 29 and 30.
#[tokio::test]
async fn the_topic_holds_every_customer_of_the_erp_as_it_is_and_none_that_is_gone() {
    let simulator = simulator().await;
    let url = millrace_test_rig::postgres()
        .await
        .create_database("customers")
        .await
        .unwrap();
    let bus = KafkaBus::new(
        KafkaSettings {
            bootstrap: millrace_test_rig::kafka().await.bootstrap(),
            prefix: format!("{}.", millrace_test_rig::unique("customers")),
            ..KafkaSettings::default()
        },
        "test",
    )
    .unwrap();
    bus.create_topics().await.unwrap();
    let bus = Arc::new(bus);
    let running = start_on(&simulator, database(&url).await, bus.clone()).await;
    running.ready().await;
    let mut client = running.client(Some(SERVICE)).await;
    let request = RegisterCustomerRequest {
        channel: "furniture".into(),
        shop_customer_number: "S-1".into(),
        personal: Some(personal("Erika Mustermann")),
        ..Default::default()
    };
    let created = client
        .register_customer(request)
        .await
        .unwrap()
        .into_inner();
    simulator
        .office(
            "rename-customer",
            json!({ "number": created.number, "newNumber": "ERIKA" }),
        )
        .await
        .unwrap();
    let gone = json!({ "number": "GONE-1", "address": { "name": "Soon Gone", "country": "DE" } });
    simulator.office("create-customer", gone).await.unwrap();
    running
        .until_customer(By::Number("GONE-1".into()), |_| true)
        .await;
    simulator
        .office("delete-customer", json!({ "number": "GONE-1" }))
        .await
        .unwrap();
    let wanted = truth(&simulator);
    let told = tokio::time::timeout(PATIENCE, followed(&*bus, &wanted)).await;
    assert!(
        told.is_ok(),
        "the topic does not come to hold the erp's customers"
    );
    running.stop().await;
}

fn truth(simulator: &Simulator) -> BTreeMap<String, String> {
    simulator.read(|tables| {
        tables
            .customers
            .iter()
            .map(|customer| (customer.id.to_string(), customer.number.clone()))
            .collect()
    })
}

/// Follows the topic until it holds what is wanted.
async fn followed(bus: &dyn Bus, wanted: &BTreeMap<String, String>) {
    let mut topic = bus.mirror(&["customers"]).await.unwrap();
    let mut told = BTreeMap::new();
    while told != *wanted {
        let Mirrored::Record(delivery) = topic.next().await.unwrap().unwrap() else {
            continue;
        };
        let event = delivery.event.unwrap().event;
        let id = event.key.rsplit('/').next().unwrap().to_owned();
        if event.deleted {
            told.remove(&id);
            continue;
        }
        let customer = CustomerChanged::decode(event.payload)
            .unwrap()
            .customer
            .unwrap();
        told.insert(id, customer.number);
    }
}
