//! `--data`, `--scale`, and loading a company.

use std::sync::Arc;

use millrace_erp_simulator::company::{self, CompanyData};
use millrace_erp_simulator::{Config, Simulator};
use millrace_service_kit::{Ids, SystemClock};
use serde_json::json;
use tokio::net::TcpListener;

use crate::rig::{Rig, order};

async fn at(folder: &std::path::Path) -> Simulator {
    let config = Config {
        data: Some(folder.to_owned()),
        ..Config::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Simulator::start_with(config, listener, Arc::new(SystemClock), Ids::random())
        .await
        .expect("starts")
}

#[tokio::test]
async fn a_restart_goes_on_with_the_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = at(folder.path()).await;
    let company = first.company_id();
    let config = Config {
        data: Some(folder.path().to_owned()),
        ..Config::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let error = Simulator::start(config, listener)
        .await
        .expect_err("two cannot share a folder");
    assert!(
        std::error::Error::source(&error)
            .is_some_and(|source| source.to_string().contains("in use")),
        "{error:?}"
    );
    first
        .office(
            "rename-item",
            json!({ "number": "1000", "newNumber": "1000-R" }),
        )
        .await
        .expect("renamed");
    let (versions, rows) = first.read(|tables| {
        (
            tables.queue.iter().last().map(|row| row.stamp.version),
            tables.items.len(),
        )
    });
    first.stop().await;
    let second = at(folder.path()).await;
    assert_eq!(second.company_id(), company);
    let again = second.read(|tables| {
        assert!(tables.items.by_key("1000-R").is_some());
        (
            tables.queue.iter().last().map(|row| row.stamp.version),
            tables.items.len(),
        )
    });
    assert_eq!(again, (versions, rows));
    second.stop().await;
}

#[tokio::test]
async fn an_open_transfer_is_still_open_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = at(folder.path()).await;
    let body = json!({ "channelCode": "OUTLET", "reservationNumber": "R-1", "fromLocationCode": "STORE-HH",
        "lines": [{ "lineNumber": 1, "itemNumber": "1000", "variantCode": "WEISS", "quantity": 3 }] });
    let rig = Rig::at(first).await;
    let url = rig.companion("transferRequests");
    assert_eq!(rig.post(&url, &body).await.0, 201);
    rig.simulator.stop().await;
    let second = at(folder.path()).await;
    let which = json!({ "channel": "OUTLET", "reservationNumber": "R-1" });
    let posted = second.office("post-transfer", which).await.expect("posted");
    assert_eq!(posted["lines"][0]["found"], json!(3));
    second.stop().await;
}

#[tokio::test]
async fn a_commit_that_was_half_written_when_the_simulator_died_is_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = at(folder.path()).await;
    first
        .office("change-item", json!({ "number": "1000", "name": "Bleibt" }))
        .await
        .expect("changed");
    first.stop().await;
    let file = folder.path().join("company.jsonl");
    let mut text = std::fs::read_to_string(&file).expect("a file");
    text.push_str("{\"marks\":null,\"rows\":[{\"table\":\"items\",\"id\":");
    std::fs::write(&file, text).expect("written");
    let second = at(folder.path()).await;
    assert_eq!(
        second
            .read(|tables| tables.items.by_key("1000").map(|item| item.name.clone()))
            .as_deref(),
        Some("Bleibt")
    );
    second.stop().await;
}

#[tokio::test]
async fn a_large_company_is_loaded_and_served() {
    let mut company = company::demo();
    company::scale(&mut company, 4_000);
    let rig = Rig::with(Config {
        company,
        ..Config::default()
    })
    .await;
    let items = rig.rows(&rig.companion("items")).await;
    assert_eq!(items.len(), 4_049);
    assert_eq!(
        rig.rows(&rig.companion("priceLines?$filter=priceListCode eq 'SCALE'"))
            .await
            .len(),
        4_000
    );
    let scaled = rig.office("stock", json!({ "item": "G0003999" })).await;
    assert_eq!(scaled["figures"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_company_is_a_document_and_can_be_added_to() {
    let rig = Rig::start().await;
    let data: CompanyData = serde_json::from_value(json!({
        "locations": [{ "code": "SHELF", "name": "Ein Regal" }],
        "items": [{ "number": "SKU-1", "name": "Camera", "variants": [{ "code": "RED", "description": "red" }] }],
        "priceLists": [{ "code": "USD-LIST", "currency": "USD", "lines": [{ "item": "SKU-1", "price": 49.99, "minimum": 2 }] }],
        "stock": [{ "item": "SKU-1", "variant": "RED", "location": "SHELF", "quantity": 7, "safety": 1 }],
    }))
    .expect("a company");
    rig.simulator.load(&data).await.expect("loaded");
    let prices = rig
        .rows(&rig.companion("priceLines?$filter=itemNumber eq 'SKU-1'"))
        .await;
    assert_eq!(
        (
            &prices[0]["currencyCode"],
            &prices[0]["unitPrice"],
            &prices[0]["sourceType"]
        ),
        (&json!("USD"), &json!(49.99), &json!("All_x0020_Customers"))
    );
    let figures = rig
        .rows(&rig.companion("stockFigures?$filter=locationCode eq 'SHELF'"))
        .await;
    assert_eq!(
        (&figures[0]["quantityOnHand"], &figures[0]["safetyStock"]),
        (&json!(7), &json!(1))
    );
    let unknown: CompanyData = serde_json::from_value(
        json!({ "stock": [{ "item": "NOPE", "location": "SHELF", "quantity": 1 }] }),
    )
    .expect("a company");
    assert!(rig.simulator.load(&unknown).await.is_err());
}

#[tokio::test]
async fn ledger_entries_and_figures_always_agree() {
    let rig = Rig::start().await;
    let mut wanted = order("1");
    wanted["processNow"] = json!(true);
    rig.post(&rig.companion("orderBuffer"), &wanted).await;
    for act in ["ship", "invoice", "credit"] {
        rig.office(act, json!({ "channel": "OUTLET", "orderNumber": "1" }))
            .await;
    }
    rig.office(
        "count-stock",
        json!({ "item": "1004", "location": "MAIN", "quantity": 11 }),
    )
    .await;
    rig.simulator.read(|tables| {
        for figure in tables.figures.iter() {
            let sum: rust_decimal::Decimal = tables
                .ledger
                .children(figure.item)
                .filter(|entry| {
                    entry.variant == figure.variant && entry.location == figure.location
                })
                .map(|entry| entry.quantity)
                .sum();
            assert_eq!(sum, figure.on_hand);
        }
    });
}
