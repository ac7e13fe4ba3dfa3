//! Returns while things go wrong: each write takes place once, and no news is passed by.

use std::time::Duration;

use millrace_erp::return_order::ReturnState;
use millrace_erp::stock::StockKey;
use millrace_erp::{Erp, ErpError, Flow, Observed};
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_values::{Quantity, Sku};
use serde_json::json;

use crate::mirror::Mirror;
use crate::returns::{desk, goods, key, placed, sold, states};
use crate::world::{World, eventually, world};

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

/// On hand of the item, and the boundary of the figure.
async fn looked_up(world: &World) -> (Quantity, u64) {
    let key = StockKey {
        item: Sku::parse("SOLD-1").unwrap(),
        variant: None,
    };
    let observed = world.erp.stock_now(&[key]).await.unwrap().remove(0);
    let on_hand = observed.figures.iter().map(|figure| figure.on_hand).sum();
    (on_hand, observed.boundary.unwrap())
}

#[tokio::test]
async fn whatever_becomes_of_the_answer_a_return_order_is_made_and_given_up_once() {
    let world = world().await;
    let customer = sold(&world).await;
    for (nth, trouble) in troubles("returnOrders").into_iter().enumerate() {
        let wanted = goods(&format!("T-{nth}"), &customer);
        world.simulator.fault(trouble);
        let error = world.erp.place_return(&wanted).await.unwrap_err();
        assert!(matches!(error, ErpError::Unknown), "{error}");
        let opened = world.erp.place_return(&wanted).await.unwrap().observed;
        let found = world.erp.find_return(&wanted.key).await.unwrap();
        assert_eq!(found, Some(opened));
        world.simulator.fault(troubles("NAV.cancel").remove(nth));
        let lost = world.erp.cancel_return(&wanted.key).await;
        assert!(matches!(lost.unwrap_err(), ErpError::Unknown));
        let cancelled = world.erp.cancel_return(&wanted.key).await.unwrap();
        assert_eq!(cancelled.state, ReturnState::Cancelled);
    }
    eventually("the late ones came and changed nothing", async || {
        let told = |tables: &millrace_erp_simulator::database::Tables| {
            (tables.returns.len(), tables.return_statuses.len())
        };
        world.simulator.read(told) == (5, 10)
    })
    .await;
}

#[tokio::test]
async fn an_outage_leaves_no_doubt_that_nothing_was_made() {
    let world = world().await;
    let customer = sold(&world).await;
    world
        .simulator
        .fault(Rule::new(Kind::Unavailable).on("POST", "returnOrders"));
    let wanted = goods("T-1", &customer);
    let error = world.erp.place_return(&wanted).await.unwrap_err();
    assert!(matches!(error, ErpError::Away { .. }), "{error}");
    assert_eq!(world.erp.find_return(&key("T-1")).await.unwrap(), None);
    world
        .simulator
        .fault(Rule::new(Kind::Throttle).on("POST", "returnOrders"));
    // A 429 proves that nothing happened, so the adapter may try again by itself.
    assert!(!world.erp.place_return(&wanted).await.unwrap().existed);
}

#[tokio::test]
async fn a_figure_contains_restocked_goods_when_its_boundary_says_so() {
    let world = world().await;
    let customer = sold(&world).await;
    placed(&world, &goods("T-1", &customer)).await;
    desk(&world, "receive-return", "T-1", None).await;
    let (before, _) = looked_up(&world).await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    mirror.catch_up(&*world.erp, Flow::Stock).await;
    world.simulator.fault(
        Rule::new(Kind::LateCommit)
            .on("POST", "_office/inspect-return")
            .delay(Duration::from_millis(300)),
    );
    let inspected = desk(&world, "inspect-return", "T-1", None).await;
    let version = inspected["rowVersion"].as_u64().unwrap();
    let after: Quantity = [before, Quantity::from(2)].into_iter().sum();
    eventually("the figure contains it", async || {
        let (on_hand, boundary) = looked_up(&world).await;
        let contains = boundary > version;
        assert_eq!(on_hand, if contains { after } else { before });
        contains
    })
    .await;
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    let told = mirror.returns.last().unwrap();
    assert_eq!(told.row_version, Some(version));
    assert_eq!(told.lines[0].restocked, Quantity::from(2));
    // What is followed says the same.
    let cursor = mirror.cursor(Flow::Stock);
    let page = world.erp.read(Flow::Stock, cursor.as_ref()).await.unwrap();
    let Observed::Stock(stock) = &page.observations[0] else {
        panic!("{page:?}");
    };
    assert!(stock.boundary.unwrap() > version);
    let on_hand: Quantity = stock.figures.iter().map(|figure| figure.on_hand).sum();
    assert_eq!(on_hand, after);
}

#[tokio::test]
async fn a_late_commit_is_told_when_it_is_there_and_nothing_is_passed_by() {
    let world = world().await;
    let customer = sold(&world).await;
    placed(&world, &goods("T-1", &customer)).await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    world.simulator.fault(
        Rule::new(Kind::LateCommit)
            .on("POST", "_office/receive-return")
            .delay(Duration::from_millis(300)),
    );
    desk(&world, "receive-return", "T-1", None).await;
    placed(&world, &goods("T-2", &customer)).await;
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    eventually("both are told", async || {
        mirror.catch_up(&*world.erp, Flow::Returns).await;
        mirror.returns.len() == 3
    })
    .await;
    assert_eq!(
        states(&mirror),
        [ReturnState::Open, ReturnState::Received, ReturnState::Open]
    );
}

#[tokio::test]
async fn a_restored_erp_makes_the_reader_of_returns_begin_anew() {
    let world = world().await;
    let customer = sold(&world).await;
    placed(&world, &goods("T-1", &customer)).await;
    world.simulator.office("backup", json!({})).await.unwrap();
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    placed(&world, &goods("T-2", &customer)).await;
    world.simulator.office("restore", json!({})).await.unwrap();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    assert_eq!(mirror.resyncs, 1);
    assert_eq!(world.erp.find_return(&key("T-2")).await.unwrap(), None);
}
