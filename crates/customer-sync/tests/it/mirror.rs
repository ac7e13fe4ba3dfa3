//! Customers of the ERP, as they change.

use std::sync::Arc;

use millrace_contract::customer::v1::get_customer_request::By;
use millrace_contract::customers::v1::{CustomerBlock, CustomerChanged};
use millrace_erp_simulator::Simulator;
use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_event_bus::EmbeddedBus;
use millrace_test_rig::until;
use prost::Message;
use serde_json::json;

use crate::harness::{
    PATIENCE, Running, SERVICE, adapter, database, got, running, simulator, start, start_with,
};
use crate::spoiled_erp::Spoiled;

fn numbers(simulator: &Simulator) -> Vec<String> {
    simulator.read(|tables| {
        tables
            .customers
            .iter()
            .map(|customer| customer.number.clone())
            .collect()
    })
}

/// Row 29.
#[tokio::test]
async fn every_customer_of_the_erp_is_there_once() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let numbers = numbers(&simulator);
    assert!(numbers.len() >= 25);
    assert_eq!(running.told("CustomerChanged").await.len(), numbers.len());
    let client = running.client(Some(SERVICE)).await;
    for number in numbers {
        let by = By::Number(number.clone());
        let answer = running.until_customer(by, |_| true).await;
        let name = simulator.read(|tables| {
            tables
                .customers
                .by_key(&number)
                .unwrap()
                .address
                .name
                .clone()
        });
        assert_eq!(answer.personal.unwrap().sell_to.unwrap().name, name);
    }
    drop(client);
    running.stop().await;
}

/// Row 30.
#[tokio::test]
async fn what_changes_in_the_erp_changes_here() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let number = numbers(&simulator)[0].clone();
    let told = running.told("CustomerChanged").await.len();
    let before = running
        .until_customer(By::Number(number.clone()), |_| true)
        .await;
    let id = before.customer.unwrap().system_id;
    simulator
        .office(
            "change-customer",
            json!({ "number": number, "name": "Neuer Name" }),
        )
        .await
        .unwrap();
    let by_id = By::SystemId(id.clone());
    running
        .until_customer(by_id.clone(), |answer| {
            answer
                .personal
                .as_ref()
                .unwrap()
                .sell_to
                .as_ref()
                .unwrap()
                .name
                == "Neuer Name"
        })
        .await;
    simulator
        .office(
            "change-customer",
            json!({ "number": number, "blocked": "All" }),
        )
        .await
        .unwrap();
    running
        .until_customer(by_id.clone(), |answer| {
            answer.customer.as_ref().unwrap().block() == CustomerBlock::All
        })
        .await;
    simulator
        .office(
            "rename-customer",
            json!({ "number": number, "newNumber": "NEW-C" }),
        )
        .await
        .unwrap();
    running
        .until_customer(By::Number("NEW-C".into()), |answer| {
            answer.customer.as_ref().unwrap().system_id == id
        })
        .await;
    let events = running.told("CustomerChanged").await;
    let paths: Vec<Vec<String>> = events[told..]
        .iter()
        .map(|event| {
            CustomerChanged::decode(event.event.payload.clone())
                .unwrap()
                .changed_paths
        })
        .collect();
    assert_eq!(paths, [vec!["personal"], vec!["block"], vec!["number"]]);
    assert!(
        events
            .iter()
            .all(|event| event.event.erp.as_deref() == Some("bc-main"))
    );
    running.stop().await;
}

/// Row 30.
#[tokio::test]
async fn a_deleted_customer_is_gone_here_too() {
    let simulator = simulator().await;
    simulator
        .office(
            "create-customer",
            json!({ "number": "GONE-1", "address": { "name": "Soon Gone", "country": "DE" } }),
        )
        .await
        .unwrap();
    let running = running(&simulator).await;
    running
        .until_customer(By::Number("GONE-1".into()), |_| true)
        .await;
    simulator
        .office("delete-customer", json!({ "number": "GONE-1" }))
        .await
        .unwrap();
    let client = running.client(Some(SERVICE)).await;
    until(PATIENCE, "the customer is gone", async || {
        let answer = got(&mut client.clone(), By::Number("GONE-1".into())).await;
        answer
            .is_err_and(|status| status.code() == tonic::Code::NotFound)
            .then_some(())
    })
    .await;
    let deleted = running.told("CustomerDeleted").await;
    assert_eq!(deleted.len(), 1);
    assert!(deleted[0].event.deleted);
    running.stop().await;
}

/// Row 29. The cursor and the events survive; nothing is told twice.
#[tokio::test]
async fn a_restart_goes_on_where_it_stood() {
    let simulator = simulator().await;
    let directory = tempfile();
    let url = format!("sqlite:{directory}");
    let first = start(&simulator, database(&url).await).await;
    first.ready().await;
    let told = first.told("CustomerChanged").await.len();
    let database_of_first = first.stop().await;
    database_of_first.close().await;
    drop(database_of_first);
    let number = numbers(&simulator)[0].clone();
    simulator
        .office(
            "change-customer",
            json!({ "number": number, "name": "While Away" }),
        )
        .await
        .unwrap();
    let second = start(&simulator, database(&url).await).await;
    second
        .until_customer(By::Number(number), |answer| {
            answer
                .personal
                .as_ref()
                .unwrap()
                .sell_to
                .as_ref()
                .unwrap()
                .name
                == "While Away"
        })
        .await;
    assert_eq!(second.told("CustomerChanged").await.len(), told + 1);
    second.stop().await;
    _ = std::fs::remove_dir_all(directory);
}

/// Restored from a backup: everything is read again, and what is not there any more is gone.
#[tokio::test]
async fn a_restored_erp_is_mirrored_as_it_is_now() {
    let simulator = simulator().await;
    simulator.office("backup", json!({})).await.unwrap();
    simulator
        .office(
            "create-customer",
            json!({ "number": "LOST-1", "address": { "name": "After Backup", "country": "DE" } }),
        )
        .await
        .unwrap();
    let running = running(&simulator).await;
    running
        .until_customer(By::Number("LOST-1".into()), |_| true)
        .await;
    simulator.office("restore", json!({})).await.unwrap();
    let client = running.client(Some(SERVICE)).await;
    until(PATIENCE, "the customer is gone", async || {
        let answer = got(&mut client.clone(), By::Number("LOST-1".into())).await;
        answer
            .is_err_and(|status| status.code() == tonic::Code::NotFound)
            .then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn an_erp_that_is_away_is_shown_and_caught_up_with_later() {
    let simulator = simulator().await;
    simulator.fault(Rule::new(Kind::Unavailable).times(0));
    let running = start(&simulator, database("sqlite::memory:").await).await;
    until(PATIENCE, "the trouble is shown", async || {
        let report = serde_json::to_string(&running.health.report()).unwrap();
        (report.contains("the erp is away") && !running.health.report().ready).then_some(())
    })
    .await;
    simulator.clear_faults();
    running.ready().await;
    assert_eq!(
        running.told("CustomerChanged").await.len(),
        numbers(&simulator).len()
    );
    running.stop().await;
}

/// Row 122. Names, addresses and mails stand nowhere in the log, and an erased person stays erased.
#[tokio::test]
async fn personal_data_is_sealed_and_can_be_erased() {
    let simulator = simulator().await;
    let address = json!({
        "name": "Canary Finch", "addressLine1": "Canary Street 1", "city": "Canaryville", "country": "DE"
    });
    let canary = json!({ "number": "CANARY", "address": address, "email": "canary@example.com" });
    let made = simulator.office("create-customer", canary).await.unwrap();
    let id = made["systemId"].as_str().unwrap().to_owned();
    let running = running(&simulator).await;
    for event in running.told("").await {
        let text = String::from_utf8_lossy(&event.event.payload).to_lowercase();
        assert!(
            !text.contains("canary finch")
                && !text.contains("canaryville")
                && !text.contains("@example")
        );
    }
    erase(&running, &id).await;
    let answer = running
        .until_customer(By::SystemId(id.clone()), |answer| answer.personal.is_none())
        .await;
    assert_eq!(answer.customer.unwrap().number, "CANARY");
    // Whatever the ERP goes on to show, nothing about the person is kept again; what is not personal goes on.
    let told = running.told("CustomerChanged").await.len();
    let change = json!({ "number": "CANARY", "name": "Canary Again", "blocked": "All" });
    simulator.office("change-customer", change).await.unwrap();
    let answer = running
        .until_customer(By::SystemId(id.clone()), |answer| {
            answer.customer.as_ref().unwrap().block() == CustomerBlock::All
        })
        .await;
    assert!(answer.personal.is_none());
    for event in &running.told("CustomerChanged").await[told..] {
        let customer = CustomerChanged::decode(event.event.payload.clone())
            .unwrap()
            .customer
            .unwrap();
        assert!(customer.personal.unwrap().ciphertext.is_empty());
    }
    running.stop().await;
}

async fn erase(running: &Running, id: &str) {
    let sealer: &Arc<_> = &running.sealer;
    let mut tx = running.database.begin().await.unwrap();
    sealer
        .erase(&mut tx, &format!("customer/bc-main/{id}"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

fn tempfile() -> String {
    let name = millrace_test_rig::unique("customer_sync");
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn customers_that_cannot_be_read_are_kept_until_they_can() {
    let simulator = simulator().await;
    let erp = Spoiled::new(adapter(&simulator));
    let bus = Arc::new(EmbeddedBus::new());
    let running = start_with(erp.clone(), database("sqlite::memory:").await, bus).await;
    running.ready().await;
    let numbers = numbers(&simulator);
    assert_eq!(unreadable(&running).await, numbers.len());
    assert_eq!(running.told("CustomerChanged").await.len(), 0);
    erp.mend(true);
    let change = json!({ "number": numbers[0], "name": "Neuer Name" });
    simulator.office("change-customer", change).await.unwrap();
    until(PATIENCE, "one can be read again", async || {
        (unreadable(&running).await == numbers.len() - 1).then_some(())
    })
    .await;
    assert_eq!(running.told("CustomerChanged").await.len(), 1);
    running.stop().await;
}

async fn unreadable(running: &Running) -> usize {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT system_id FROM erp_unreadable WHERE flow = 'customers'")
            .fetch_all(running.database.pool())
            .await
            .unwrap();
    rows.len()
}
