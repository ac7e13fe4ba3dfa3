//! Transfers while things go wrong: each write takes place once, and no news is passed by.

use std::time::Duration;

use millrace_erp::transfer::TransferState;
use millrace_erp::{Erp, ErpError, Flow};
use millrace_erp_simulator::faults::{Kind, Rule, When};
use serde_json::json;

use crate::mirror::Mirror;
use crate::transfers::{chairs, found, key, office_key, pieces, quantities, requested, states};
use crate::world::{eventually, world};

/// What may become of the answer to a write, so that nobody knows whether it was done.
fn troubles(path: &str) -> Vec<Rule> {
    let rule = |kind, when| Rule::new(kind).on("POST", path).when(when);
    vec![
        rule(Kind::GatewayTimeout, When::After),
        rule(Kind::GatewayTimeout, When::Before),
        rule(Kind::LostAnswer, When::After),
        rule(Kind::LostAnswer, When::Before),
        rule(Kind::LostAnswer, When::Later).delay(Duration::from_millis(50)),
    ]
}

#[tokio::test]
async fn whatever_becomes_of_the_answer_a_transfer_is_requested_once() {
    let world = world().await;
    for (nth, trouble) in troubles("transferRequests").into_iter().enumerate() {
        let wanted = chairs(&format!("R-{nth}"));
        world.simulator.fault(trouble);
        let error = world.erp.request_transfer(&wanted).await.unwrap_err();
        assert!(matches!(error, ErpError::Unknown), "{error}");
        let transfer = world.erp.request_transfer(&wanted).await.unwrap().transfer;
        let found = world.erp.find_transfer(&wanted.key).await.unwrap();
        assert_eq!(found, Some(transfer));
    }
    let requests = world.simulator.read(|tables| tables.transfers.len());
    assert_eq!(requests, 5);
    eventually("the late one came and changed nothing", async || {
        pieces(&world, "STORE-HH").await == quantities(5, 15)
    })
    .await;
}

#[tokio::test]
async fn whatever_becomes_of_the_answer_goods_are_moved_once() {
    let world = world().await;
    for (nth, number) in ["R-0", "R-1", "R-2", "R-3", "R-4"].into_iter().enumerate() {
        let transfer = requested(&world, number).await;
        world.simulator.fault(troubles("NAV.post").remove(nth));
        let lost = world.erp.post_transfer(&transfer.key, &found(1)).await;
        assert!(matches!(lost.unwrap_err(), ErpError::Unknown));
        let posted = world
            .erp
            .post_transfer(&transfer.key, &found(1))
            .await
            .unwrap();
        assert_eq!(posted.state, TransferState::Posted);
        world.simulator.fault(troubles("returnToStore").remove(nth));
        let lost = world.erp.return_transfer(&transfer.key).await;
        assert!(matches!(lost.unwrap_err(), ErpError::Unknown));
        world.erp.return_transfer(&transfer.key).await.unwrap();
        let other = requested(&world, &format!("{number}-C")).await;
        world.simulator.fault(troubles("NAV.cancel").remove(nth));
        let lost = world.erp.cancel_transfer(&other.key).await;
        assert!(matches!(lost.unwrap_err(), ErpError::Unknown));
        world.erp.cancel_transfer(&other.key).await.unwrap();
    }
    assert_eq!(pieces(&world, "STORE-HH").await, quantities(5, 0));
    assert_eq!(pieces(&world, "RES-HH").await, quantities(0, 0));
    let moves = world.simulator.read(|tables| {
        let moves = tables
            .ledger
            .iter()
            .filter(|entry| entry.kind == "Transfer");
        moves.count()
    });
    assert_eq!(moves, 5 * 4);
}

#[tokio::test]
async fn an_act_whose_outcome_cannot_be_read_is_unknown_and_repeated_without_harm() {
    let world = world().await;
    let transfer = requested(&world, "R-1").await;
    // While the action is on its way the page for reading goes away.
    world.simulator.fault(
        Rule::new(Kind::SlowAnswer)
            .on("POST", "NAV.post")
            .when(When::After)
            .delay(Duration::from_millis(300)),
    );
    let (erp, key) = (world.erp.clone(), transfer.key.clone());
    let posting = tokio::spawn(async move { erp.post_transfer(&key, &found(3)).await });
    eventually("the action was taken", async || {
        world.simulator.fired("slowAnswer") == 1
    })
    .await;
    world.simulator.fault(
        Rule::new(Kind::Unavailable)
            .on("GET", "transferRequests")
            .times(3),
    );
    let error = posting.await.unwrap().unwrap_err();
    assert!(matches!(error, ErpError::Unknown), "{error}");
    let posted = world.erp.post_transfer(&transfer.key, &found(3)).await;
    assert_eq!(posted.unwrap().state, TransferState::Posted);
    assert_eq!(pieces(&world, "RES-HH").await, quantities(3, 3));
}

#[tokio::test]
async fn an_outage_leaves_no_doubt_that_nothing_was_requested() {
    let world = world().await;
    world
        .simulator
        .fault(Rule::new(Kind::Unavailable).on("POST", "transferRequests"));
    let error = world
        .erp
        .request_transfer(&chairs("R-1"))
        .await
        .unwrap_err();
    assert!(matches!(error, ErpError::Away { .. }), "{error}");
    assert_eq!(world.erp.find_transfer(&key("R-1")).await.unwrap(), None);
}

#[tokio::test]
async fn a_late_commit_is_told_when_it_is_there_and_nothing_is_passed_by() {
    let world = world().await;
    requested(&world, "R-1").await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Transfers).await;
    world.simulator.fault(
        Rule::new(Kind::LateCommit)
            .on("POST", "_office/post-transfer")
            .delay(Duration::from_millis(300)),
    );
    world
        .simulator
        .office("post-transfer", office_key("R-1"))
        .await
        .unwrap();
    requested(&world, "R-2").await;
    mirror.catch_up(&*world.erp, Flow::Transfers).await;
    eventually("both are told", async || {
        mirror.catch_up(&*world.erp, Flow::Transfers).await;
        mirror.transfers.len() == 3
    })
    .await;
    assert_eq!(
        states(&mirror),
        [
            TransferState::Open,
            TransferState::Posted,
            TransferState::Open
        ]
    );
}

#[tokio::test]
async fn a_restored_erp_makes_the_reader_of_transfers_begin_anew() {
    let world = world().await;
    requested(&world, "R-1").await;
    world.simulator.office("backup", json!({})).await.unwrap();
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Transfers).await;
    requested(&world, "R-2").await;
    world.simulator.office("restore", json!({})).await.unwrap();
    mirror.catch_up(&*world.erp, Flow::Transfers).await;
    assert_eq!(mirror.resyncs, 1);
    assert_eq!(world.erp.find_transfer(&key("R-2")).await.unwrap(), None);
}
