//! The way of goods that come back, with an ERP that has return orders.

use millrace_contract::returns::v1::{
    LineState, ListReturnReasonsRequest, ListReturnsRequest, RefundWay, ReturnReason, ReturnState,
};
use serde_json::json;
use tonic::Code;

use crate::instance::Instance;
use crate::sale::{CHANNEL, goods, money, pieces};
use crate::world::{PATIENCE, World};

async fn reasons(instance: &Instance, language: &str) -> Vec<ReturnReason> {
    let request = ListReturnReasonsRequest {
        channel: CHANNEL.into(),
        language: language.into(),
    };
    let answer = instance.returns.clone().list_return_reasons(request).await;
    answer.unwrap().into_inner().reasons
}

/// Row 93.
#[tokio::test]
async fn reasons_are_the_erps_in_the_language_asked_for_its_base_or_the_erps_own() {
    let world = World::new().await;
    let instance = world.instance().await;
    let defect = async |language: &str| {
        millrace_test_rig::until(PATIENCE, "reasons are known", async || {
            let reasons = reasons(&instance, language).await;
            reasons.into_iter().find(|reason| reason.code == "DEFECT")
        })
        .await
    };
    assert_eq!(defect("de-DE").await.description, "Defekt");
    assert_eq!(defect("").await.language, "de-DE", "the channel's first");
    let own = defect("fr-FR").await;
    assert_eq!((&*own.description, &*own.language), ("Does not work", ""));
    let new = json!({ "code": "COLOUR", "description": "Other colour" });
    world
        .simulator
        .office("set-return-reason", new)
        .await
        .unwrap();
    millrace_test_rig::until(PATIENCE, "a new reason is known", async || {
        let reasons = reasons(&instance, "de-DE").await;
        reasons.into_iter().find(|reason| reason.code == "COLOUR")
    })
    .await;
    instance.stop().await;
}

/// Rows 92, 94 and 95.
#[tokio::test]
async fn goods_come_back_are_judged_and_credited_and_the_refund_is_announced() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 3).await;
    let instance = world.instance_that_knows("S-1").await;
    let taken = instance.taken(goods("R-1", "S-1", &customer, 2)).await;
    assert_eq!(taken.state(), ReturnState::Accepted);
    assert_eq!(
        taken.credits[0].amount.as_ref().unwrap().gross,
        money(23_800)
    );
    let posted = instance.until_state("R-1", ReturnState::Posted).await;
    assert!(!posted.document.unwrap().number.is_empty());
    assert_eq!(world.return_orders("R-1").await, 1);
    let answer = instance.answer("R-1").await.unwrap();
    let original = answer.order.unwrap();
    assert_eq!(original.order.unwrap().order_number, "S-1");
    assert_eq!(original.customer_number, customer);

    world.office("receive-return", "R-1", json!({})).await;
    let received = instance.until_state("R-1", ReturnState::Received).await;
    assert_eq!(received.lines[0].state(), LineState::Received);
    assert_eq!(received.receipt_numbers.len(), 1);
    let judged = json!({ "lines": [
        { "line": 1, "quantity": 1, "disposition": "restock" },
        { "line": 1, "quantity": 1, "disposition": "scrap" },
    ] });
    world.office("inspect-return", "R-1", judged).await;
    let inspected = instance
        .until("R-1", "it is inspected", |view| {
            view.lines[0].state() == LineState::Inspected
        })
        .await;
    let line = &inspected.lines[0];
    assert_eq!(line.restocked.as_ref().unwrap().units, 1);
    assert_eq!(line.scrapped.as_ref().unwrap().units, 1);
    let one = json!({ "lines": [{ "line": 1, "quantity": 1 }] });
    world.office("credit-return", "R-1", one).await;
    let partly = instance
        .until("R-1", "a piece is credited", |view| {
            !view.refunds.is_empty()
        })
        .await;
    assert_eq!(partly.state(), ReturnState::Received);
    assert_eq!(partly.refunds[0].amount, money(11_900));
    world.office("credit-return", "R-1", json!({})).await;
    let credited = instance.until_state("R-1", ReturnState::Credited).await;
    assert_eq!(credited.credit_memo_numbers.len(), 2);
    assert_eq!(credited.refunds[0].way(), RefundWay::Money);
    assert_eq!(credited.refunds[0].amount, money(23_800));
    assert_eq!(credited.credited.unwrap().gross, money(23_800));
    instance.stop().await;
}

/// Row 113.
#[tokio::test]
async fn the_same_return_again_is_the_same_answer_and_other_content_is_refused() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 3).await;
    let instance = world.instance_that_knows("S-1").await;
    let first = instance.taken(goods("R-1", "S-1", &customer, 1)).await;
    let again = instance
        .submit(goods("R-1", "S-1", &customer, 1))
        .await
        .unwrap();
    assert!(again.repeated_submission);
    assert_eq!(again.shop_return.unwrap().shop_return, first.shop_return);
    let other = instance.submit(goods("R-1", "S-1", &customer, 2)).await;
    assert_eq!(other.unwrap_err().code(), Code::AlreadyExists);
    instance.until_state("R-1", ReturnState::Posted).await;
    assert_eq!(world.return_orders("R-1").await, 1);
    instance.stop().await;
}

#[tokio::test]
async fn a_return_is_given_up_here_or_in_the_erp_and_the_pieces_may_come_back_again() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let instance = world.instance_that_knows("S-1").await;
    let all = |number: &str| goods(number, "S-1", &customer, 2);
    instance.taken(all("R-1")).await;
    instance.until_state("R-1", ReturnState::Posted).await;
    let cancelled = instance.cancel("R-1").await.unwrap();
    assert_eq!(cancelled.state(), ReturnState::Cancelled);
    assert_eq!(instance.cancel("R-1").await.unwrap(), cancelled);
    instance.taken(all("R-2")).await;
    instance.until_state("R-2", ReturnState::Posted).await;
    world.office("cancel-return", "R-2", json!({})).await;
    instance.until_state("R-2", ReturnState::Cancelled).await;
    instance.taken(all("R-3")).await;
    instance.until_state("R-3", ReturnState::Posted).await;
    world.office("receive-return", "R-3", json!({})).await;
    instance.until_state("R-3", ReturnState::Received).await;
    let late = instance.cancel("R-3").await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
    instance.stop().await;
}

#[tokio::test]
async fn what_comes_back_is_posted_in_the_erp_and_not_here() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let instance = world.instance_that_knows("S-1").await;
    instance.taken(goods("R-1", "S-1", &customer, 1)).await;
    let refused = instance.receive("R-1", vec![]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("posted in the ERP"));
    instance.stop().await;
}

#[tokio::test]
async fn returns_are_listed_newest_first_by_order_and_state() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 9).await;
    world.delivered("S-2", &customer, 9).await;
    let instance = world.instance_that_knows("S-2").await;
    for (number, order) in [("R-1", "S-1"), ("R-2", "S-2"), ("R-3", "S-1")] {
        instance.taken(goods(number, order, &customer, 1)).await;
        instance.until_state(number, ReturnState::Posted).await;
    }
    let listed = async |order_number: &str, state: ReturnState, page_size, page_token: String| {
        let request = ListReturnsRequest {
            channel: CHANNEL.into(),
            order_number: order_number.into(),
            state: state.into(),
            page_size,
            page_token,
        };
        let page = instance.returns.clone().list_returns(request).await;
        let page = page.unwrap().into_inner();
        let numbers = page.returns.into_iter();
        let numbers: Vec<String> = numbers
            .map(|view| view.shop_return.unwrap().return_number)
            .collect();
        (numbers, page.next_page_token)
    };
    millrace_test_rig::until(PATIENCE, "all are listed", async || {
        let (numbers, _) = listed("", ReturnState::Posted, 0, String::new()).await;
        (numbers == ["R-3", "R-2", "R-1"]).then_some(())
    })
    .await;
    let (numbers, _) = listed("S-1", ReturnState::Unspecified, 0, String::new()).await;
    assert_eq!(numbers, ["R-3", "R-1"]);
    let (first, token) = listed("", ReturnState::Unspecified, 2, String::new()).await;
    assert_eq!(first, ["R-3", "R-2"]);
    let (rest, end) = listed("", ReturnState::Unspecified, 2, token).await;
    assert_eq!((rest, end), (vec!["R-1".to_owned()], String::new()));
    instance.stop().await;
}

#[tokio::test]
async fn a_reader_that_starts_from_nothing_tells_nothing_twice() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let database = crate::world::migrated("sqlite::memory:").await;
    let instance = world
        .instance_on(database.clone(), crate::instance::config())
        .await;
    crate::world::knows(&database, "S-1").await;
    instance.taken(goods("R-1", "S-1", &customer, 2)).await;
    instance.until_state("R-1", ReturnState::Posted).await;
    world.office("receive-return", "R-1", json!({})).await;
    let before = instance.until_state("R-1", ReturnState::Received).await;
    instance.stop().await;
    sqlx::query("DELETE FROM cursors")
        .execute(database.pool())
        .await
        .unwrap();
    let again = world
        .instance_on(database.clone(), crate::instance::config())
        .await;
    world.office("credit-return", "R-1", json!({})).await;
    let after = again
        .until("R-1", "the refund is announced", |view| {
            !view.refunds.is_empty()
        })
        .await;
    assert_eq!(after.version, before.version + 2, "credit and refund alone");
    assert_eq!(after.lines[0].received.as_ref().unwrap().units, 2);
    assert_eq!(
        pieces(2).unwrap().units,
        after.lines[0].credited.as_ref().unwrap().units
    );
    again.stop().await;
}
