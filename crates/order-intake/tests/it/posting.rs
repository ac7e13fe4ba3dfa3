//! What the ERP is given of an order, and given again.

use std::sync::Arc;

use millrace_contract::order::v1::{OrderState, RetryOrdersRequest};
use millrace_contract::values::v1::Quantity;
use millrace_contract::webshop_orders::v1 as proto;
use millrace_erp_simulator::database::Document;
use millrace_event_store::{Append, Cause, Database, Expected, NewEvent};
use millrace_service_kit::{Clock, Ids, SystemClock};
use prost::Message;
use serde_json::json;

use crate::instance::channels_with;
use crate::sale::{CHANNEL, content, order};
use crate::world::{World, migrated};

/// An item counted in pieces and sold in boxes of ten.
async fn boxed_item(world: &World, number: &str) {
    let body = json!({
        "number": number, "name": "Screws", "unitPrice": 100,
        "units": [{ "code": "BOX", "quantity": 10 }], "salesUnit": "BOX",
    });
    world.simulator.office("create-item", body).await.unwrap();
    world.tell_item(number, false).await;
}

/// The sales order as the ERP booked it.
fn booked(world: &World, number: &str) -> Document {
    let order = world.buffered(number).order_id;
    world
        .simulator
        .read(|tables| Document::clone(tables.documents.get(order).unwrap()))
}

#[tokio::test]
async fn a_line_without_a_unit_is_booked_in_the_base_unit_and_not_in_the_sales_unit() {
    let world = World::new().await;
    let instance = world.instance().await;
    boxed_item(&world, "SCREW-1").await;
    let mut wanted = order("9001", &world.customer(), 2);
    wanted.order.as_mut().unwrap().lines[0].item_number = "SCREW-1".into();
    instance.submit(wanted).await.unwrap();
    let posted = instance.until_state("9001", OrderState::Posted).await;
    let line = &booked(&world, "9001").lines[0];
    assert_eq!(line.unit, "PCS");
    assert_eq!((line.quantity * line.unit_quantity).to_string(), "2");
    assert_eq!(posted.lines[0].ordered.as_ref().unwrap().unit, "PCS");
    instance.stop().await;
}

/// An older version did not write down the unit the shop left out.
#[tokio::test]
async fn an_order_that_was_cleared_before_an_upgrade_is_booked_in_the_base_unit_too() {
    let world = World::new().await;
    boxed_item(&world, "SCREW-2").await;
    let database = migrated("sqlite::memory:").await;
    let mut cleared = content("9002", &world.customer(), 2);
    cleared.lines[0].item_number = "SCREW-2".into();
    cleared.erp = "bc-main".into();
    clear_without_units(&database, cleared).await;
    let instance = world.instance_on(database, |_| {}).await;
    instance.until_state("9002", OrderState::Posted).await;
    assert_eq!(booked(&world, "9002").lines[0].unit, "PCS");
    instance.stop().await;
}

async fn clear_without_units(database: &Database, order: proto::Order) {
    let stream = format!("order/{CHANNEL}/{}", order.order_number);
    let lines = vec![proto::LineStatus {
        line_number: 1,
        ordered: Some(Quantity {
            units: 2,
            ..Quantity::default()
        }),
        ..proto::LineStatus::default()
    }];
    let accepted = proto::OrderAccepted {
        order: Some(order),
        content_hash: vec![1].into(),
        lines: lines.clone(),
    };
    let cleared = proto::OrderCleared { lines };
    let ids = Ids::random();
    let event = |name: &str, payload: Vec<u8>| NewEvent {
        id: ids.uuid_at(SystemClock.now()),
        kind: format!("millrace.webshop_orders.v1.{name}"),
        key: stream.clone(),
        erp: Some("bc-main".into()),
        channel: Some(CHANNEL.into()),
        occurred_at: SystemClock.now(),
        cause: Cause {
            correlation_id: ids.uuid_at(SystemClock.now()),
            causation_id: None,
            traceparent: None,
            actor: "test".into(),
        },
        payload: payload.into(),
        deleted: false,
    };
    let events = vec![
        event("OrderAccepted", accepted.encode_to_vec()),
        event("OrderCleared", cleared.encode_to_vec()),
    ];
    let log = database.log().await.unwrap();
    log.append(Append::to(&*stream, Expected::Version(0), events))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_the_erp_refused_for_a_setting_is_posted_by_a_retry_once_the_setting_is_mended() {
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let wrong = Arc::new(channels_with(&[("card", "NO-SUCH")]));
    let instance = world
        .instance_on(database.clone(), |ports| ports.channels = wrong)
        .await;
    instance
        .submit(order("9003", &world.customer(), 1))
        .await
        .unwrap();
    let held = instance.until_state("9003", OrderState::Held).await;
    assert_eq!(held.hold_reasons[0].subject, "CODE");
    instance.stop().await;

    let mended = world.instance_on(database, |_| {}).await;
    let retry = RetryOrdersRequest {
        channel: CHANNEL.into(),
        order_numbers: vec!["9003".into()],
    };
    mended.admin.clone().retry_orders(retry).await.unwrap();
    mended.until_state("9003", OrderState::Posted).await;
    assert_eq!(world.documents("9003").await, 1);
    assert_eq!(booked(&world, "9003").payment_method, "CARD");
    mended.stop().await;
}
