//! The ERP's feed has forgotten, or begins anew: what became of orders is told all the same.

use millrace_contract::order::v1::{OrderState, OrderView};
use millrace_contract::webshop_orders::v1::LineState;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use serde_json::json;

use crate::sale::{CHAIR, line, order};
use crate::world::{PATIENCE, World, migrated};

/// Rows 58 and 59.
#[tokio::test]
async fn what_the_feed_forgot_while_nobody_read_is_asked_of_the_documents() {
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), |_| {}).await;
    for number in ["9001", "9002", "9003", "9004"] {
        two_lines(&world, &instance, number).await;
    }
    let parcel =
        json!({ "lines": [{ "line": 10, "quantity": 1 }], "agent": "DHL", "tracking": "JJD0001" });
    world.office("ship", "9001", parcel).await;
    let seen = |view: &OrderView| !view.parcels.is_empty();
    instance.until("9001", "a parcel is seen", seen).await;
    instance.stop().await;

    // All of it is past, posted and gone.
    let rest = json!({ "agent": "DHL", "tracking": "JJD0002" });
    world.office("ship", "9001", rest.clone()).await;
    world.office("invoice", "9001", json!({})).await;
    world.office("ship", "9002", rest.clone()).await;
    world.office("invoice", "9002", json!({})).await;
    let damaged = json!({ "lines": [{ "line": 20, "quantity": 1 }] });
    world.office("credit", "9002", damaged).await;
    // One piece is given up, and the rest is posted.
    let one = json!({ "lines": [{ "line": 10, "quantity": 1 }] });
    world.office("cancel", "9003", one).await;
    world.office("ship", "9003", rest).await;
    world.office("invoice", "9003", json!({})).await;
    world.office("cancel", "9004", json!({})).await;
    world.forget().await;

    let again = world.instance_on(database, |_| {}).await;
    let view = again.until_state("9001", OrderState::Completed).await;
    let parcels: Vec<_> = view
        .parcels
        .iter()
        .map(|parcel| &parcel.tracking_number)
        .collect();
    assert_eq!(parcels, ["JJD0001", "JJD0002"]);
    let kinds: Vec<_> = view
        .documents
        .iter()
        .map(|document| &document.kind)
        .collect();
    assert_eq!(kinds, ["sales-order", "shipment", "shipment", "invoice"]);
    let view = again.until_state("9002", OrderState::Completed).await;
    let view_of_credit = again.until("9002", "a line is credited", |view| {
        view.lines[1].state() == LineState::Credited
    });
    view_of_credit.await;
    assert_eq!(view.parcels.len(), 1);
    let view = again.until_state("9003", OrderState::Completed).await;
    let units = |quantity: &Option<millrace_contract::values::v1::Quantity>| {
        quantity.as_ref().map(|quantity| quantity.units)
    };
    assert_eq!(units(&view.lines[0].cancelled), Some(1));
    assert_eq!(units(&view.lines[0].invoiced), Some(1));
    again.until_state("9004", OrderState::Cancelled).await;
    again.stop().await;
}

/// F9.
#[tokio::test]
async fn what_was_posted_before_a_restored_backup_is_told() {
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), |_| {}).await;
    two_lines(&world, &instance, "9101").await;
    instance.stop().await;
    world.office("ship", "9101", json!({})).await;
    world.office("invoice", "9101", json!({})).await;
    world.forget().await;
    for act in ["backup", "restore"] {
        world.simulator.office(act, json!({})).await.unwrap();
    }
    let again = world.instance_on(database, |_| {}).await;
    let view = again.until_state("9101", OrderState::Completed).await;
    assert_eq!(view.parcels.len(), 1);
    again.stop().await;
}

/// F2 meets a feed that has forgotten: nobody here knew that the order had reached the ERP.
#[tokio::test]
async fn an_order_whose_posting_was_never_confirmed_is_asked_for_as_well() {
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), |_| {}).await;
    let lost = Rule::new(Kind::LostAnswer)
        .on("POST", "orderBuffer")
        .when(When::After);
    world.simulator.fault(lost);
    let away = Rule {
        skip: 1,
        ..Rule::new(Kind::Unavailable)
            .on("POST", "orderBuffer")
            .times(0)
    };
    let feed = Rule::new(Kind::Unavailable)
        .on("GET", "statusWindows")
        .times(0);
    world.simulator.fault(away);
    world.simulator.fault(feed);
    let submitted = order("9201", &world.customer(), 2);
    instance.submit(submitted).await.unwrap();
    millrace_test_rig::until(PATIENCE, "the erp has it", async || {
        (world.documents("9201").await == 1).then_some(())
    })
    .await;
    instance.stop().await;
    world.office("ship", "9201", json!({})).await;
    world.office("invoice", "9201", json!({})).await;
    world.forget().await;

    let again = world.instance_on(database, |_| {}).await;
    world.simulator.clear_faults();
    let view = again.until_state("9201", OrderState::Completed).await;
    assert_eq!(view.parcels.len(), 1);
    again.stop().await;
}

/// F2 and F3, of a question.
#[tokio::test]
async fn an_erp_that_is_away_when_it_is_asked_is_asked_again() {
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), |_| {}).await;
    two_lines(&world, &instance, "9301").await;
    instance.stop().await;
    world.office("ship", "9301", json!({})).await;
    world.office("invoice", "9301", json!({})).await;
    world.forget().await;
    let lost = Rule::new(Kind::LostAnswer).on("GET", "orderDocuments");
    world.simulator.fault(lost);
    let away = Rule::new(Kind::Unavailable)
        .on("GET", "orderDocuments")
        .times(2);
    world.simulator.fault(away);
    let again = world.instance_on(database, |_| {}).await;
    again.until_state("9301", OrderState::Completed).await;
    assert!(world.simulator.fired("unavailable") > 0);
    again.stop().await;
}

/// What happens between the question and the feed's new beginning would be told by neither.
#[tokio::test]
async fn nothing_is_asked_before_the_feed_has_begun_anew() {
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), |_| {}).await;
    two_lines(&world, &instance, "9401").await;
    instance.stop().await;
    world.office("ship", "9401", json!({})).await;
    world.forget().await;
    // The feed says that it has forgotten, and then nothing.
    let silent = Rule {
        skip: 1,
        ..Rule::new(Kind::Unavailable)
            .on("GET", "statusWindows")
            .times(0)
    };
    world.simulator.fault(silent);
    let asked = Rule::new(Kind::Throttle).on("GET", "orderDocuments");
    world.simulator.fault(asked);
    let again = world.instance_on(database, |_| {}).await;
    millrace_test_rig::until(PATIENCE, "the feed was asked again and again", async || {
        (world.simulator.fired("unavailable") > 3).then_some(())
    })
    .await;
    assert_eq!(world.simulator.fired("throttle"), 0);
    world.office("invoice", "9401", json!({})).await;
    world.forget().await;
    world.simulator.clear_faults();
    again.until_state("9401", OrderState::Completed).await;
    again.stop().await;
}

/// Two chairs and one more, in the ERP.
async fn two_lines(world: &World, instance: &crate::instance::Instance, number: &str) {
    let mut wanted = order(number, &world.customer(), 3);
    let content = wanted.order.as_mut().unwrap();
    content.lines = vec![line(10, CHAIR, 2), line(20, CHAIR, 1)];
    instance.submit(wanted).await.unwrap();
    let confirmed =
        |view: &OrderView| view.state() == OrderState::Posted && !view.customer_number.is_empty();
    instance.until(number, "it is posted", confirmed).await;
}
