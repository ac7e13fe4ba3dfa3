//! What became of an order, for who has lost his place in the feed.

use millrace_erp::document::{DocumentKind, DocumentObserved, NewOrder};
use millrace_erp::{Erp, ErpError, Flow};
use millrace_values::Quantity;
use serde_json::{Value, json};

use crate::mirror::Mirror;
use crate::orders::order;
use crate::world::{World, standard_world, world};

async fn act(world: &World, act: &str, number: &str, more: Value) {
    let mut body = json!({ "channel": "FURNITURE-DE", "orderNumber": number });
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    world.simulator.office(act, body).await.unwrap();
}

async fn documents_of(world: &World, order: &NewOrder) -> Vec<DocumentObserved> {
    let documents = world.erp.documents_of(&order.channel, &order.number);
    documents.await.unwrap()
}

fn posted(documents: &[DocumentObserved]) -> Vec<DocumentObserved> {
    let posted = documents.iter().filter(|document| {
        !matches!(
            document.document.kind,
            DocumentKind::SalesOrder | DocumentKind::Cancellation
        )
    });
    // The feed says at which row version it told of a document, the document which one it has itself.
    let mut posted: Vec<_> = posted.cloned().collect();
    for document in &mut posted {
        document.document.row_version = None;
    }
    posted
}

#[tokio::test]
async fn the_documents_of_an_order_are_those_the_feed_told() {
    let world = world().await;
    let order = order(&world, "9001").await;
    world.erp.place_order(&order).await.unwrap();
    let one =
        json!({ "lines": [{ "line": 1, "quantity": 1 }], "agent": "DHL", "tracking": "JJD1" });
    act(&world, "ship", "9001", one).await;
    act(&world, "invoice", "9001", json!({})).await;
    act(&world, "credit", "9001", json!({})).await;
    let mut feed = Mirror::default();
    feed.catch_up(&*world.erp, Flow::Documents).await;

    world
        .simulator
        .office("forget-changes", json!({}))
        .await
        .unwrap();
    let mut forgotten = Mirror::default();
    forgotten.catch_up(&*world.erp, Flow::Documents).await;
    assert_eq!(forgotten.documents, []);

    let documents = documents_of(&world, &order).await;
    assert_eq!(posted(&documents), posted(&feed.documents));
    assert_eq!(posted(&documents).len(), 3);
    let order = documents.last().unwrap();
    assert_eq!(order.document.kind, DocumentKind::SalesOrder);
    assert_eq!(order.lines[0].quantity, Quantity::from(2));
    let told = feed.documents.last().unwrap().document.row_version;
    assert!(order.document.row_version >= told);
}

#[tokio::test]
async fn what_was_cancelled_is_missing_in_the_order_also_when_it_is_gone() {
    let world = world().await;
    let order = order(&world, "9002").await;
    world.erp.place_order(&order).await.unwrap();
    act(&world, "cancel", "9002", json!({})).await;
    let documents = documents_of(&world, &order).await;
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].document.kind, DocumentKind::SalesOrder);
    assert_eq!(documents[0].lines.len(), 1);
    assert_eq!(documents[0].lines[0].quantity, Quantity::ZERO);
}

#[tokio::test]
async fn an_order_the_erp_does_not_have_has_no_documents() {
    let world = world().await;
    let order = order(&world, "9003").await;
    assert_eq!(documents_of(&world, &order).await, []);
}

#[tokio::test]
async fn who_cannot_tell_says_so() {
    let world = standard_world().await;
    let order = order(&world, "9004").await;
    let error = world.erp.documents_of(&order.channel, &order.number).await;
    assert!(matches!(error, Err(ErpError::Unsupported(_))), "{error:?}");
}
