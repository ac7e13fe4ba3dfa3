//! What becomes of an order in the ERP, line by line.

use millrace_contract::order::v1::OrderState;
use millrace_contract::webshop_orders::v1::LineState;
use serde_json::json;

use crate::sale::{CHAIR, line, money, order};
use crate::world::World;

/// Rows 58 and 59.
#[tokio::test]
async fn shipments_with_tracking_and_invoices_arrive_line_by_line() {
    let world = World::new().await;
    let instance = world.instance().await;
    let mut two_lines = order("3001", &world.customer(), 3);
    let content = two_lines.order.as_mut().unwrap();
    content.lines = vec![line(10, CHAIR, 2), line(20, CHAIR, 1)];
    instance.submit(two_lines).await.unwrap();
    instance.until_state("3001", OrderState::Posted).await;

    let parcel =
        json!({ "lines": [{ "line": 10, "quantity": 1 }], "agent": "DHL", "tracking": "JJD0001" });
    world.office("ship", "3001", parcel).await;
    let view = instance
        .until("3001", "a parcel is on its way", |view| {
            !view.parcels.is_empty()
        })
        .await;
    assert_eq!(view.parcels[0].tracking_number, "JJD0001");
    assert!(!view.parcels[0].carrier.is_empty());
    assert_eq!(view.lines[0].state(), LineState::PartlyDelivered);
    assert_eq!(view.lines[1].state(), LineState::Created);

    world
        .office(
            "ship",
            "3001",
            json!({ "agent": "DHL", "tracking": "JJD0002" }),
        )
        .await;
    let view = instance
        .until("3001", "everything is on its way", |view| {
            view.parcels.len() == 2
        })
        .await;
    assert!(
        view.lines
            .iter()
            .all(|line| line.state() == LineState::Delivered)
    );
    assert_eq!(view.state(), OrderState::Posted);

    world.office("invoice", "3001", json!({})).await;
    let view = instance.until_state("3001", OrderState::Completed).await;
    assert!(
        view.lines
            .iter()
            .all(|line| line.state() == LineState::Invoiced)
    );

    world
        .office(
            "credit",
            "3001",
            json!({ "lines": [{ "line": 20, "quantity": 1 }] }),
        )
        .await;
    let view = instance
        .until("3001", "a line is credited", |view| {
            view.lines[1].state() == LineState::Credited
        })
        .await;
    assert_eq!(view.lines[0].state(), LineState::Invoiced);
    let kinds: Vec<_> = view
        .documents
        .iter()
        .map(|document| document.kind.as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "sales-order",
            "shipment",
            "shipment",
            "invoice",
            "credit-memo"
        ]
    );
    instance.stop().await;
}

#[tokio::test]
async fn what_people_cancel_in_the_erp_is_cancelled() {
    let world = World::new().await;
    let instance = world.instance().await;
    instance
        .submit(order("3002", &world.customer(), 2))
        .await
        .unwrap();
    instance.until_state("3002", OrderState::Posted).await;
    world.office("cancel", "3002", json!({})).await;
    let view = instance.until_state("3002", OrderState::Cancelled).await;
    assert_eq!(view.lines[0].state(), LineState::Cancelled);
    instance.stop().await;
}

#[tokio::test]
async fn a_quantity_that_people_reduce_in_the_erp_is_no_longer_waited_for() {
    let world = World::new().await;
    let instance = world.instance().await;
    instance
        .submit(order("3005", &world.customer(), 3))
        .await
        .unwrap();
    instance.until_state("3005", OrderState::Posted).await;
    world
        .office("change-line", "3005", json!({ "line": 1, "quantity": 2 }))
        .await;
    let view = instance
        .until("3005", "one piece is cancelled", |view| {
            view.lines[0]
                .cancelled
                .as_ref()
                .is_some_and(|cancelled| cancelled.units == 1)
        })
        .await;
    assert_eq!(view.lines[0].state(), LineState::Created);
    world
        .office(
            "ship",
            "3005",
            json!({ "agent": "DHL", "tracking": "JJD0005" }),
        )
        .await;
    world.office("invoice", "3005", json!({})).await;
    instance.until_state("3005", OrderState::Completed).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_reader_that_starts_from_nothing_tells_nothing_twice() {
    let world = World::new().await;
    let database = crate::world::migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), |_| {}).await;
    instance
        .submit(order("3003", &world.customer(), 2))
        .await
        .unwrap();
    instance.until_state("3003", OrderState::Posted).await;
    world
        .office(
            "ship",
            "3003",
            json!({ "agent": "DHL", "tracking": "JJD0003" }),
        )
        .await;
    let before = instance.until("3003", "it is shipped and confirmed", |view| {
        !view.parcels.is_empty() && !view.customer_number.is_empty()
    });
    let before = before.await;
    instance.stop().await;

    sqlx::query("DELETE FROM cursors")
        .execute(database.pool())
        .await
        .unwrap();
    let again = world.instance_on(database.clone(), |_| {}).await;
    world.office("invoice", "3003", json!({})).await;
    let after = again.until_state("3003", OrderState::Completed).await;
    assert_eq!(after.parcels, before.parcels);
    assert_eq!(
        after.version,
        before.version + 1,
        "the invoice alone is new"
    );
    again.stop().await;
}

/// Row 47.
#[tokio::test]
async fn freight_reaches_the_erp_and_the_totals_agree() {
    let world = World::new().await;
    let instance = world.instance().await;
    let mut order = order("3004", &world.customer(), 1);
    let content = order.order.as_mut().unwrap();
    content.freight = Some(millrace_contract::webshop_orders::v1::Freight {
        net: money(495),
        gross: money(589),
        tax_percent: Some(millrace_contract::values::v1::Decimal {
            units: 19,
            nanos: 0,
        }),
    });
    let totals = content.totals.as_mut().unwrap();
    (totals.net, totals.tax, totals.gross) = (money(10_495), money(1_994), money(12_489));
    instance.submit(order).await.unwrap();
    let posted = instance
        .until("3004", "it is confirmed", |view| {
            view.state() == OrderState::Posted && view.version >= 3
        })
        .await;
    assert_eq!(posted.total_difference, None);
    instance.stop().await;
}
