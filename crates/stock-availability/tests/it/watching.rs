//! Figures that are told as they change.

use std::time::Duration;

use millrace_contract::stock::v1 as wire;
use serde_json::json;
use tokio::time::timeout;

use crate::harness::{PATIENCE, World, sku};

fn watch(items: &[&str]) -> wire::WatchAvailabilityRequest {
    wire::WatchAvailabilityRequest {
        channel: "furniture-de".into(),
        skus: items.iter().map(|item| sku(item, "")).collect(),
        by_location: true,
    }
}

async fn next(
    answers: &mut tonic::Streaming<wire::WatchAvailabilityResponse>,
) -> wire::Availability {
    let answer = timeout(PATIENCE, answers.message())
        .await
        .expect("something is told");
    answer
        .unwrap()
        .expect("the stream goes on")
        .availability
        .unwrap()
}

/// Row 77.
#[tokio::test]
async fn a_watcher_is_told_the_figure_and_then_every_change() {
    let mut world = World::begin().await;
    let mut answers = world
        .client
        .watch_availability(watch(&["W-1", "W-2"]))
        .await
        .unwrap()
        .into_inner();
    assert!(!next(&mut answers).await.known);
    assert!(!next(&mut answers).await.known);
    world
        .office(
            "create-item",
            json!({ "number": "W-1", "name": "Watched", "unitPrice": 5 }),
        )
        .await;
    world
        .office(
            "move-stock",
            json!({ "item": "W-1", "quantity": 6, "location": "MAIN" }),
        )
        .await;
    let told = next(&mut answers).await;
    assert_eq!(
        (
            told.sku.unwrap().item_number.as_str(),
            told.available.unwrap().units
        ),
        ("W-1", 6)
    );
    world
        .office(
            "move-stock",
            json!({ "item": "W-1", "quantity": 2, "location": "SOUTH" }),
        )
        .await;
    let told = next(&mut answers).await;
    assert_eq!(told.available.unwrap().units, 8);
    assert_eq!(told.locations.len(), 2);
}

#[tokio::test]
async fn a_change_elsewhere_is_not_told() {
    let mut world = World::begin().await;
    world
        .office(
            "create-item",
            json!({ "number": "W-3", "name": "Watched", "unitPrice": 5 }),
        )
        .await;
    world
        .office(
            "move-stock",
            json!({ "item": "W-3", "quantity": 6, "location": "MAIN" }),
        )
        .await;
    world.eventually("W-3", "", Some(6)).await;
    let mut answers = world
        .client
        .watch_availability(watch(&["W-3"]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(next(&mut answers).await.available.unwrap().units, 6);
    world
        .office(
            "move-stock",
            json!({ "item": "W-3", "quantity": 9, "location": "OUTLET" }),
        )
        .await;
    world
        .office(
            "move-stock",
            json!({ "item": "W-3", "quantity": 1, "location": "MAIN" }),
        )
        .await;
    assert_eq!(next(&mut answers).await.available.unwrap().units, 7);
    assert!(
        timeout(Duration::from_millis(200), answers.message())
            .await
            .is_err(),
        "nothing more is told"
    );
}

#[tokio::test]
async fn a_stop_ends_the_streams() {
    let mut world = World::begin().await;
    let mut answers = world
        .client
        .watch_availability(watch(&["1702"]))
        .await
        .unwrap()
        .into_inner();
    next(&mut answers).await;
    let ended = tokio::spawn(async move { while let Ok(Some(_)) = answers.message().await {} });
    timeout(PATIENCE, world.service.stop())
        .await
        .expect("the service stops while somebody watches");
    ended.await.unwrap();
}
