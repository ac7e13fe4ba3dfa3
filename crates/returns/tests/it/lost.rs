//! What is known here and what the ERP has are not the same: it was restored, its feed expired, an answer was lost.

use std::time::Duration;

use millrace_contract::returns::v1 as proto;
use millrace_contract::returns::v1::ReturnState;
use millrace_erp::Erp;
use millrace_erp::return_order::ReturnKey;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_event_store::{Append, Cause, Database, Expected, NewEvent};
use millrace_service_kit::{Clock, Ids, SystemClock};
use millrace_values::{ChannelCode, ReturnNumber};
use serde_json::json;
use tonic::Code;

use crate::instance::{Instance, config};
use crate::sale::{CHANNEL, commented, goods, money, order};
use crate::standard;
use crate::world::{PATIENCE, World, knows, migrated};

async fn retry(instance: &Instance, number: &str) {
    let request = proto::RetryReturnsRequest {
        channel: CHANNEL.into(),
        return_numbers: vec![number.into()],
    };
    instance.admin.clone().retry_returns(request).await.unwrap();
}

/// Nobody has to look at anything any more.
async fn forget_work(database: &Database) {
    let mut tx = database.begin().await.unwrap();
    sqlx::query("DELETE FROM return_work")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn an_erp_that_was_restored_gets_its_returns_anew() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 3).await;
    let instance = world.instance_that_knows("S-1").await;
    world.simulator.office("backup", json!({})).await.unwrap();
    instance.taken(goods("R-1", "S-1", &customer, 2)).await;
    instance.until_state("R-1", ReturnState::Posted).await;
    world.simulator.office("restore", json!({})).await.unwrap();
    assert_eq!(world.return_orders("R-1").await, 0);
    millrace_test_rig::until(PATIENCE, "the erp has it again", async || {
        (world.return_orders("R-1").await == 1).then_some(())
    })
    .await;
    instance.until_state("R-1", ReturnState::Posted).await;
    world.office("receive-return", "R-1", json!({})).await;
    instance.until_state("R-1", ReturnState::Received).await;
    // What has begun there does not begin anew.
    world.simulator.office("restore", json!({})).await.unwrap();
    instance.taken(goods("R-2", "S-1", &customer, 1)).await;
    instance.until_state("R-2", ReturnState::Posted).await;
    assert_eq!(world.return_orders("R-1").await, 0);
    assert_eq!(instance.get("R-1").await.state(), ReturnState::Received);
    instance.stop().await;
}

#[tokio::test]
async fn what_the_feed_has_forgotten_is_asked_for() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let database = migrated("sqlite::memory:").await;
    let first = world.instance_on(database.clone(), config()).await;
    knows(&database, "S-1").await;
    first.taken(goods("R-1", "S-1", &customer, 2)).await;
    first.until_state("R-1", ReturnState::Posted).await;
    first.stop().await;
    world.office("receive-return", "R-1", json!({})).await;
    world.office("credit-return", "R-1", json!({})).await;
    world
        .simulator
        .office("forget-changes", json!({}))
        .await
        .unwrap();
    let second = world.instance_on(database, config()).await;
    let credited = second.until_state("R-1", ReturnState::Credited).await;
    assert_eq!(credited.refunds[0].amount, money(23_800));
    second.stop().await;
}

/// F3's kind: what an attempt sent whose answer was lost may go out otherwise the next time.
#[tokio::test]
async fn a_return_that_is_there_with_other_words_is_taken_for_what_it_is() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let first = world.instance_that_knows("S-1").await;
    let request = commented(goods("R-1", "S-1", &customer, 2), "It wobbles.");
    first.submit_with(request).await.unwrap();
    first.until_state("R-1", ReturnState::Posted).await;
    first.stop().await;
    let second = world.instance_that_knows("S-1").await;
    second.taken(goods("R-1", "S-1", &customer, 2)).await;
    second.until_state("R-1", ReturnState::Posted).await;
    assert_eq!(world.return_orders("R-1").await, 1);
    second.stop().await;
}

#[tokio::test]
async fn what_cannot_be_handed_over_can_be_given_up() {
    let world = World::new().await;
    world.tell_sold("S-1", order("S-1", "", 2)).await;
    world.ship("S-1", 2).await;
    let instance = world.instance_that_knows("S-1").await;
    let gift = proto::Return {
        gift: true,
        ..goods("R-1", "S-1", "", 2)
    };
    assert_eq!(instance.taken(gift).await.state(), ReturnState::Accepted);
    let cancelled = millrace_test_rig::until(PATIENCE, "nobody is at it", async || {
        instance.cancel("R-1").await.ok()
    })
    .await;
    assert_eq!(cancelled.state(), ReturnState::Cancelled);
    instance.stop().await;
}

#[tokio::test]
async fn an_attempt_that_succeeds_after_the_return_was_given_up_is_taken_back() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let database = migrated("sqlite::memory:").await;
    let mut patient = config();
    patient.first_pause = Duration::from_secs(5);
    patient.longest_pause = Duration::from_secs(5);
    let instance = world.instance_on(database.clone(), patient).await;
    knows(&database, "S-1").await;
    let late = Rule::new(Kind::LostAnswer).when(When::Later);
    let late = late
        .on("POST", "returnOrders")
        .delay(Duration::from_secs(2));
    world.simulator.fault(late);
    instance.taken(goods("R-1", "S-1", &customer, 2)).await;
    millrace_test_rig::until(PATIENCE, "an answer is lost", async || {
        (world.simulator.fired("lostAnswer") == 1).then_some(())
    })
    .await;
    millrace_test_rig::until(PATIENCE, "nobody is at it", async || {
        match instance.cancel("R-1").await {
            Ok(_) => Some(()),
            Err(status) => {
                assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
                None
            }
        }
    })
    .await;
    // Only the feed can tell of it.
    forget_work(&database).await;
    millrace_test_rig::until(PATIENCE, "it is given up there, too", async || {
        world.simulator.read(|tables| {
            let mut there = tables.returns.iter();
            let is_over = |state| state == millrace_erp_simulator::database::ReturnState::Cancelled;
            there
                .next()
                .filter(|there| is_over(there.state))
                .map(|_| ())
        })
    })
    .await;
    instance.stop().await;
}

/// As a process leaves them that found an ERP without return orders, in the middle of an upgrade.
#[tokio::test]
async fn accepted_returns_that_nobody_asks_for_are_looked_at_after_a_start() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let database = migrated("sqlite::memory:").await;
    let first = world.instance_on(database.clone(), config()).await;
    knows(&database, "S-1").await;
    world.simulator.fault(Rule::new(Kind::Unavailable).times(0));
    first.taken(goods("R-1", "S-1", &customer, 2)).await;
    millrace_test_rig::until(PATIENCE, "the row is there", async || {
        let sql = "SELECT count(*) FROM returns";
        let count: (i64,) = sqlx::query_as(sql)
            .fetch_one(database.pool())
            .await
            .unwrap();
        (count.0 == 1).then_some(())
    })
    .await;
    first.stop().await;
    forget_work(&database).await;
    world.simulator.clear_faults();
    let second = world.instance_on(database, config()).await;
    second.until_state("R-1", ReturnState::Posted).await;
    second.stop().await;
}

/// One record that cannot be read stops nobody else.
#[tokio::test]
async fn a_return_that_cannot_be_read_does_not_keep_the_erps_news_from_others() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), config()).await;
    knows(&database, "S-1").await;
    for number in ["R-1", "R-2"] {
        instance.taken(goods(number, "S-1", &customer, 1)).await;
        instance.until_state(number, ReturnState::Posted).await;
    }
    let (ids, now) = (Ids::random(), SystemClock.now());
    let stream = format!("return/{CHANNEL}/R-1");
    let event = NewEvent {
        id: ids.uuid_at(now),
        kind: "millrace.returns.v1.ReturnOfANewerBinary".into(),
        key: stream.clone(),
        erp: Some("bc-main".into()),
        channel: Some(CHANNEL.into()),
        occurred_at: now,
        cause: Cause {
            correlation_id: ids.uuid_at(now),
            causation_id: None,
            traceparent: None,
            actor: "test".into(),
        },
        payload: vec![1].into(),
        deleted: false,
    };
    let log = database.log().await.unwrap();
    log.append(Append::to(stream, Expected::Any, vec![event]))
        .await
        .unwrap();
    world.office("receive-return", "R-1", json!({})).await;
    world.office("receive-return", "R-2", json!({})).await;
    instance.until_state("R-2", ReturnState::Received).await;
    instance.stop().await;
}

/// F3. Nobody knows for minutes whether a draft was written: the others do not wait for that.
#[tokio::test]
async fn a_draft_in_doubt_keeps_no_other_return_waiting() {
    let world = World::standard(true).await;
    let customer = world.customer();
    standard::delivered(&world, &customer).await;
    let instance = standard::instance(&world).await;
    for number in ["R-1", "R-2"] {
        instance.taken(goods(number, "S-1", &customer, 1)).await;
    }
    let lost = Rule::new(Kind::LostAnswer).on("POST", "salesCreditMemos");
    world.simulator.fault(lost);
    instance.receive("R-1", vec![]).await.unwrap();
    millrace_test_rig::until(PATIENCE, "an answer is lost", async || {
        (world.simulator.fired("lostAnswer") == 1).then_some(())
    })
    .await;
    instance.receive("R-2", vec![]).await.unwrap();
    instance
        .until("R-2", "it is a draft in the ERP", |view| {
            view.document.is_some()
        })
        .await;
    instance.stop().await;
}

#[tokio::test]
async fn a_draft_that_people_deleted_is_written_anew_when_an_operator_says_so() {
    let world = World::standard(true).await;
    let customer = world.customer();
    standard::delivered(&world, &customer).await;
    let instance = standard::instance(&world).await;
    instance.taken(goods("R-1", "S-1", &customer, 1)).await;
    instance.receive("R-1", vec![]).await.unwrap();
    let first = instance
        .until("R-1", "it is a draft in the ERP", |view| {
            view.document.is_some()
        })
        .await;
    let key = ReturnKey {
        channel: ChannelCode::parse(CHANNEL).unwrap(),
        number: ReturnNumber::parse("R-1").unwrap(),
    };
    world.erp.cancel_return(&key).await.unwrap();
    retry(&instance, "R-1").await;
    instance
        .until("R-1", "it is another draft", |view| {
            view.document.is_some() && view.document != first.document
        })
        .await;
    assert!(world.erp.find_return(&key).await.unwrap().is_some());
    instance.stop().await;
}
