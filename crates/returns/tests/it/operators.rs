//! Held returns and who mends or refuses them.

use millrace_contract::returns::v1 as proto;
use millrace_contract::returns::v1::{HoldKind, ReturnState};
use millrace_event_store::{Append, Expected, NewEvent};
use millrace_service_kit::{Clock, Ids, SystemClock};
use serde_json::json;
use tonic::{Code, Status};

use crate::instance::{Instance, config, kinds};
use crate::sale::{CHANNEL, goods};
use crate::world::{PATIENCE, World, migrated};

async fn held(instance: &Instance) -> Vec<proto::ReturnView> {
    let request = proto::ListHeldReturnsRequest {
        channel: String::new(),
        page_size: 0,
        page_token: String::new(),
    };
    let answer = instance.admin.clone().list_held_returns(request).await;
    answer.unwrap().into_inner().returns
}

async fn mend(
    instance: &Instance,
    content: proto::Return,
    expected_version: u64,
) -> Result<proto::ReturnView, Status> {
    let request = proto::MendReturnRequest {
        channel: CHANNEL.into(),
        return_number: content.return_number.clone(),
        shop_return: Some(content),
        remarks: None,
        note: "typing error".into(),
        expected_version,
    };
    let answer = instance.admin.clone().mend_return(request).await?;
    Ok(answer.into_inner().shop_return.unwrap())
}

async fn retry(instance: &Instance, numbers: &[&str]) -> u32 {
    let request = proto::RetryReturnsRequest {
        channel: CHANNEL.into(),
        return_numbers: numbers.iter().map(|number| (*number).to_owned()).collect(),
    };
    let answer = instance.admin.clone().retry_returns(request).await;
    answer.unwrap().into_inner().retried
}

async fn refuse(instance: &Instance, number: &str) -> Result<proto::ReturnView, Status> {
    let request = proto::RefuseReturnRequest {
        channel: CHANNEL.into(),
        return_number: number.into(),
        text: "The goods were worn.".into(),
    };
    let answer = instance.admin.clone().refuse_return(request).await?;
    Ok(answer.into_inner().shop_return.unwrap())
}

#[tokio::test]
async fn a_held_return_is_listed_with_its_reasons_mended_and_posted() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let instance = world.instance_that_knows("S-1").await;
    let mut wrong = goods("R-1", "S-1", &customer, 3);
    wrong.lines[0].reason_code = "WHIM".into();
    let taken = instance.taken(wrong.clone()).await;
    assert_eq!(kinds(&taken), [HoldKind::TooMany, HoldKind::ReasonUnknown]);
    let listed = millrace_test_rig::until(PATIENCE, "it is listed", async || {
        held(&instance).await.pop()
    })
    .await;
    assert_eq!(listed.hold_reasons, taken.hold_reasons);
    let right = goods("R-1", "S-1", &customer, 2);
    let stale = mend(&instance, right.clone(), 1).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
    let mended = mend(&instance, right.clone(), listed.version)
        .await
        .unwrap();
    assert_eq!(mended.state(), ReturnState::Accepted);
    instance.until_state("R-1", ReturnState::Posted).await;
    let late = mend(&instance, right, 0).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
    // What the shop sent is still the same return to the shop.
    assert!(instance.submit(wrong).await.unwrap().repeated_submission);
    assert_eq!(world.return_orders("R-1").await, 1);
    instance.stop().await;
}

#[tokio::test]
async fn a_return_that_is_refused_says_why_and_has_ended() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let instance = world.instance_that_knows("S-1").await;
    instance.taken(goods("R-1", "S-1", &customer, 3)).await;
    let refused = refuse(&instance, "R-1").await.unwrap();
    assert_eq!(refused.state(), ReturnState::Refused);
    assert_eq!(refused.refusal, "The goods were worn.");
    assert_eq!(refuse(&instance, "R-1").await.unwrap(), refused);
    assert_eq!(retry(&instance, &["R-1"]).await, 0);
    let ended = instance.cancel("R-1").await.unwrap_err();
    assert_eq!(ended.code(), Code::FailedPrecondition);
    instance.taken(goods("R-2", "S-1", &customer, 2)).await;
    let accepted = refuse(&instance, "R-2").await.unwrap_err();
    assert_eq!(accepted.code(), Code::FailedPrecondition);
    assert_eq!(world.return_orders("R-1").await, 0);
    instance.stop().await;
}

/// F27.
#[tokio::test]
async fn what_the_erp_refuses_is_held_gives_its_pieces_back_and_is_posted_once_when_retried() {
    let world = World::new().await;
    let customer = world.customer();
    // Known here, but not to the ERP.
    world
        .tell_sold("S-1", crate::sale::order("S-1", &customer, 2))
        .await;
    world.ship("S-1", 2).await;
    let instance = world.instance_that_knows("S-1").await;
    instance.taken(goods("R-1", "S-1", &customer, 2)).await;
    let held = instance.until_state("R-1", ReturnState::Held).await;
    assert_eq!(kinds(&held), [HoldKind::ErpRefused]);
    assert_eq!(held.hold_reasons[0].subject, "ORDER");
    assert!(held.hold_reasons[0].message.contains("There is no order"));
    let other = instance.taken(goods("R-2", "S-1", &customer, 2)).await;
    assert_eq!(other.state(), ReturnState::Accepted, "the pieces are free");
    instance.until_state("R-2", ReturnState::Held).await;
    world.sell("S-1", &customer, 2).await;
    world.ship("S-1", 2).await;
    let (one, two) = tokio::join!(retry(&instance, &["R-1"]), retry(&instance, &["R-1"]));
    assert_eq!((one, two), (1, 1));
    instance.until_state("R-1", ReturnState::Posted).await;
    assert_eq!(retry(&instance, &[]).await, 1, "every held one");
    let none_left = instance
        .until("R-2", "its pieces are gone", |view| {
            kinds(view) == [HoldKind::TooMany]
        })
        .await;
    assert_eq!(none_left.state(), ReturnState::Held);
    assert_eq!(world.return_orders("R-1").await, 1);
    instance.stop().await;
}

#[tokio::test]
async fn a_number_under_which_the_erp_has_another_return_is_held() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 4).await;
    let first = world.instance_that_knows("S-1").await;
    first.taken(goods("R-1", "S-1", &customer, 1)).await;
    first.until_state("R-1", ReturnState::Posted).await;
    first.stop().await;
    // Another Millrace, which knows nothing of it.
    let second = world.instance_that_knows("S-1").await;
    second.taken(goods("R-1", "S-1", &customer, 2)).await;
    let held = second.until_state("R-1", ReturnState::Held).await;
    assert_eq!(kinds(&held), [HoldKind::ErpRefused]);
    world.office("receive-return", "R-1", json!({})).await;
    assert_eq!(world.return_orders("R-1").await, 1);
    second.stop().await;
}

#[tokio::test]
async fn an_order_that_cannot_be_read_holds_its_return_and_keeps_no_other_from_being_retried() {
    let world = World::new().await;
    let customer = world.customer();
    let mut broken = crate::sale::order("S-1", &customer, 2);
    broken.lines[0].net = None;
    world.tell_sold("S-1", broken).await;
    let instance = world.instance_that_knows("S-1").await;
    let taken = instance.taken(goods("R-1", "S-1", &customer, 1)).await;
    assert_eq!(kinds(&taken), [HoldKind::OrderUnknown]);
    assert_eq!(instance.answer("R-1").await.unwrap().order, None);
    instance.taken(goods("R-2", "S-2", &customer, 1)).await;
    let listed = async || Some(held(&instance).await).filter(|held| held.len() == 2);
    millrace_test_rig::until(PATIENCE, "both are listed", listed).await;
    assert_eq!(retry(&instance, &[]).await, 2);
    world.delivered("S-1", &customer, 2).await;
    instance.until_state("R-1", ReturnState::Posted).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_return_that_cannot_be_read_is_passed_over_when_all_are_retried() {
    let world = World::new().await;
    let customer = world.customer();
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), config()).await;
    for number in ["R-1", "R-2"] {
        instance.taken(goods(number, "S-1", &customer, 1)).await;
    }
    let listed = async || Some(held(&instance).await).filter(|held| held.len() == 2);
    millrace_test_rig::until(PATIENCE, "both are listed", listed).await;
    // As a newer binary writes it.
    let log = database.log().await.unwrap();
    let stream = format!("return/{CHANNEL}/R-1");
    let last = log.read_last(std::slice::from_ref(&stream)).await.unwrap();
    let event = NewEvent {
        id: Ids::random().uuid_at(SystemClock.now()),
        kind: "millrace.returns.v1.ReturnUnheardOf".into(),
        ..last[0].event.clone()
    };
    log.append(Append::to(stream, Expected::Any, vec![event]))
        .await
        .unwrap();
    assert_eq!(retry(&instance, &[]).await, 1);
    instance.stop().await;
}
