//! The ERP lies, the network loses, processes die: there is one return order, and nothing is lost.

use std::time::Duration;

use millrace_contract::returns::v1::ReturnState;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use tonic::Code;

use crate::instance::config;
use crate::sale::goods;
use crate::world::{PATIENCE, World, knows, migrated};

/// F2 and F3. Row 113.
#[tokio::test]
async fn whatever_becomes_of_the_answer_there_is_one_return_order() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 9).await;
    let instance = world.instance_that_knows("S-1").await;
    let rule = |kind, when| Rule::new(kind).on("POST", "returnOrders").when(when);
    let faults = [
        rule(Kind::LostAnswer, When::After),
        rule(Kind::LostAnswer, When::Before),
        rule(Kind::LostAnswer, When::Later).delay(Duration::from_millis(200)),
        rule(Kind::GatewayTimeout, When::After),
        rule(Kind::GatewayTimeout, When::Before),
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        let number = format!("R-{index}");
        world.simulator.fault(fault);
        instance.taken(goods(&number, "S-1", &customer, 1)).await;
        instance.until_state(&number, ReturnState::Posted).await;
        assert_eq!(world.return_orders(&number).await, 1, "{number}");
    }
    assert_eq!(world.simulator.fired("lostAnswer"), 3);
    assert_eq!(world.simulator.fired("gatewayTimeout"), 2);
    instance.stop().await;
}

/// F10's kind: what can be served is served.
#[tokio::test]
async fn returns_are_taken_while_the_erp_is_away_and_posted_when_it_is_back() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 9).await;
    let instance = world.instance_that_knows("S-1").await;
    world.simulator.fault(Rule::new(Kind::Unavailable).times(0));
    for number in ["R-1", "R-2"] {
        let taken = instance.taken(goods(number, "S-1", &customer, 1)).await;
        assert_eq!(taken.state(), ReturnState::Accepted);
    }
    millrace_test_rig::until(PATIENCE, "the trouble is shown", async || {
        let report = serde_json::to_string(&instance.health.report()).unwrap();
        report.contains("returns cannot be posted").then_some(())
    })
    .await;
    assert!(instance.health.report().ready, "returns are still taken");
    world.simulator.clear_faults();
    for number in ["R-1", "R-2"] {
        instance.until_state(number, ReturnState::Posted).await;
        assert_eq!(world.return_orders(number).await, 1);
    }
    world.simulator.fault(Rule::new(Kind::Unavailable).times(0));
    let away = instance.cancel("R-1").await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    world.simulator.clear_faults();
    millrace_test_rig::until(PATIENCE, "it is given up", async || {
        instance.cancel("R-1").await.ok()
    })
    .await;
    instance.stop().await;
}

/// F1's kind: a process that is gone leaves its claims behind; they expire.
#[tokio::test]
async fn returns_of_a_process_that_died_are_posted_by_the_next_one() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 9).await;
    let database = migrated("sqlite::memory:").await;
    let mut short = config();
    short.claim = Duration::from_millis(600);
    short.takeover_after = Duration::from_millis(600);
    let first = world.instance_on(database.clone(), short.clone()).await;
    knows(&database, "S-1").await;
    let silence = Rule::new(Kind::SlowAnswer).on("POST", "returnOrders");
    world
        .simulator
        .fault(silence.times(0).delay(Duration::from_secs(60)));
    for number in ["R-1", "R-2", "R-3"] {
        first.taken(goods(number, "S-1", &customer, 1)).await;
    }
    millrace_test_rig::until(PATIENCE, "an attempt is under way", async || {
        (world.simulator.fired("slowAnswer") > 0).then_some(())
    })
    .await;
    first.kill();
    world.simulator.clear_faults();
    let second = world.instance_on(database, short).await;
    for number in ["R-1", "R-2", "R-3"] {
        second.until_state(number, ReturnState::Posted).await;
        assert_eq!(world.return_orders(number).await, 1);
    }
    second.stop().await;
}
