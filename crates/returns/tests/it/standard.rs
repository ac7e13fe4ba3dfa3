//! A tenant without return orders: it gets a credit memo, and only once somebody said that the goods are here.

use millrace_contract::returns::v1 as proto;
use millrace_contract::returns::v1::{Disposition, HoldKind, LineState, RefundWay, ReturnState};
use millrace_returns::Config;
use serde_json::json;
use tonic::Code;

use crate::instance::{Instance, config, kinds};
use crate::sale::{goods, money, order, pieces};
use crate::world::{World, knows, migrated};

pub async fn instance(world: &World) -> Instance {
    let reasons =
        "reasons = [{ code = 'DEFECT', description = 'Broken', translations = { de = 'Kaputt' } }]";
    let of_settings: Config = toml::from_str(reasons).unwrap();
    let database = migrated("sqlite::memory:").await;
    let config = Config {
        reasons: of_settings.reasons,
        ..config()
    };
    let instance = world.instance_on(database.clone(), config).await;
    knows(&database, "S-1").await;
    instance
}

fn came(count: i64, disposition: Disposition) -> Vec<proto::ReceivedLine> {
    vec![proto::ReceivedLine {
        line_number: 1,
        quantity: pieces(count),
        disposition: disposition.into(),
    }]
}

pub async fn delivered(world: &World, customer: &str) {
    world.tell_sold("S-1", order("S-1", customer, 3)).await;
    world.ship("S-1", 3).await;
}

#[tokio::test]
async fn goods_are_waited_for_received_once_and_what_did_not_come_may_come_with_another_return() {
    let world = World::standard(true).await;
    let customer = world.customer();
    delivered(&world, &customer).await;
    let instance = instance(&world).await;
    let taken = instance.taken(goods("R-1", "S-1", &customer, 3)).await;
    assert_eq!(taken.state(), ReturnState::Accepted);
    let nothing = instance.receive("R-1", came(0, Disposition::Unspecified));
    assert_eq!(nothing.await.unwrap_err().code(), Code::InvalidArgument);
    let many = instance.receive("R-1", came(4, Disposition::Unspecified));
    assert_eq!(many.await.unwrap_err().code(), Code::InvalidArgument);
    let received = instance
        .receive("R-1", came(2, Disposition::Repair))
        .await
        .unwrap();
    assert_eq!(received.state(), ReturnState::Received);
    let line = &received.lines[0];
    assert_eq!(line.state(), LineState::Inspected);
    assert_eq!(line.cancelled.as_ref().unwrap().units, 1);
    assert_eq!(line.repair.as_ref().unwrap().units, 2);
    let worth = received.credits[0].amount.as_ref().unwrap();
    assert_eq!(worth.gross, money(23_800));
    let again = instance.receive("R-1", came(2, Disposition::Repair)).await;
    assert_eq!(again.unwrap().state(), ReturnState::Received);
    let other = instance.receive("R-1", came(1, Disposition::Repair)).await;
    assert_eq!(other.unwrap_err().code(), Code::FailedPrecondition);
    let late = instance.cancel("R-1").await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
    let rest = instance.taken(goods("R-2", "S-1", &customer, 1)).await;
    assert_eq!(rest.state(), ReturnState::Accepted);
    let cancelled = instance.cancel("R-2").await.unwrap();
    assert_eq!(cancelled.state(), ReturnState::Cancelled);
    instance.stop().await;
}

/// Row 92.
#[tokio::test]
async fn what_came_back_is_a_credit_memo_that_a_person_posts() {
    let world = World::standard(true).await;
    let customer = world.customer();
    delivered(&world, &customer).await;
    let instance = instance(&world).await;
    instance.taken(goods("R-1", "S-1", &customer, 2)).await;
    instance
        .receive("R-1", came(2, Disposition::Restocked))
        .await
        .unwrap();
    let posted = instance
        .until("R-1", "it is a draft in the ERP", |view| {
            view.document.is_some()
        })
        .await;
    assert_eq!(posted.state(), ReturnState::Received);
    let late = instance.cancel("R-1").await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
    let number = json!({ "number": posted.document.unwrap().number });
    world
        .simulator
        .office("post-credit-memo", number)
        .await
        .unwrap();
    let credited = instance.until_state("R-1", ReturnState::Credited).await;
    assert_eq!(credited.refunds[0].way(), RefundWay::Money);
    assert_eq!(credited.refunds[0].amount, money(23_800));
    instance.stop().await;
}

/// F27, where the goods are here before the ERP says no.
#[tokio::test]
async fn goods_that_are_here_stay_taken_when_the_erp_refuses_them_and_become_a_memo_when_retried() {
    let world = World::standard(true).await;
    let customer = world.customer();
    let mut sold = order("S-1", &customer, 3);
    // The ERP gets the item later.
    sold.lines[0].item_number = "SOLD-2".into();
    world.tell_sold("S-1", sold).await;
    world.ship("S-1", 3).await;
    let instance = instance(&world).await;
    instance.taken(goods("R-1", "S-1", &customer, 3)).await;
    instance
        .receive("R-1", came(2, Disposition::Unspecified))
        .await
        .unwrap();
    let held = instance.until_state("R-1", ReturnState::Held).await;
    assert_eq!(kinds(&held), [HoldKind::ErpRefused]);
    assert_eq!(held.lines[0].state(), LineState::Received);
    let others = instance.taken(goods("R-2", "S-1", &customer, 2)).await;
    assert_eq!(kinds(&others), [HoldKind::TooMany], "one is left");
    let given_up = instance.cancel("R-1").await.unwrap_err();
    assert_eq!(given_up.code(), Code::FailedPrecondition);
    assert!(given_up.message().contains("came back"));
    let judged = instance.receive("R-1", came(2, Disposition::Scrapped));
    let judged = judged.await.unwrap();
    assert_eq!(judged.lines[0].state(), LineState::Inspected);

    let item = json!({ "number": "SOLD-2", "name": "Sold", "unitPrice": 100 });
    world.simulator.office("create-item", item).await.unwrap();
    let retry = proto::RetryReturnsRequest {
        channel: crate::sale::CHANNEL.into(),
        return_numbers: vec!["R-1".into()],
    };
    instance.admin.clone().retry_returns(retry).await.unwrap();
    let posted = instance
        .until("R-1", "it is a draft in the ERP", |view| {
            view.document.is_some()
        })
        .await;
    assert_eq!(posted.state(), ReturnState::Received);
    assert_eq!(posted.lines, judged.lines);
    let worth = posted.credits[0].amount.as_ref().unwrap();
    assert_eq!(worth.gross, money(23_800));
    instance.stop().await;
}

#[tokio::test]
async fn reasons_are_those_of_the_settings() {
    let world = World::standard(false).await;
    let customer = world.customer();
    delivered(&world, &customer).await;
    let instance = instance(&world).await;
    let request = proto::ListReturnReasonsRequest {
        channel: crate::sale::CHANNEL.into(),
        language: "de-AT".into(),
    };
    let told = instance.returns.clone().list_return_reasons(request).await;
    let told = told.unwrap().into_inner().reasons;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&*told[0].description, &*told[0].language),
        ("Kaputt", "de"),
        "its base language"
    );
    instance.stop().await;
}
