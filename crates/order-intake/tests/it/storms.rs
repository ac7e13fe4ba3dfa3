//! Many orders under faults drawn by chance. `make test` draws one storm, `make soak` many; the seed is printed.

use std::time::Duration;

use futures::{StreamExt, stream};
use millrace_contract::order::v1::{OrderState, SubmitOrderRequest};
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_service_kit::Ids;
use serde_json::json;

use crate::instance::Instance;
use crate::sale::{new_customers_order, order};
use crate::world::World;

const ORDERS: usize = 50;
const STORM: Duration = Duration::from_secs(120);

/// F2, F3, F5, F6 together. Rows 41 and 113.
#[tokio::test(flavor = "multi_thread")]
async fn orders_in_a_storm_become_one_document_each() {
    let mut orders = 0;
    let mut fired = 0;
    for seed in millrace_test_rig::seeds("orders in a storm", 1, 24) {
        let (taken, faults) = storm(seed).await;
        orders += taken;
        fired += faults;
    }
    assert!(fired > 0, "a storm without a fault shows nothing");
    let outcome = format!("{orders} orders, {fired} faults fired, 0 lost, 0 doubled");
    millrace_test_rig::soak_result("orders-in-a-storm", &outcome).unwrap();
}

/// Answers how many orders were taken and how many faults fired.
async fn storm(seed: u64) -> (usize, u64) {
    let chance = Ids::seeded(seed);
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    for _ in 0..ORDERS / 2 {
        world.simulator.fault(fault(&chance));
    }
    let orders: Vec<(String, SubmitOrderRequest)> = (0..ORDERS)
        .map(|index| {
            let number = format!("S{seed}-{index}");
            let quantity = 1 + pick(&chance, 3) as i64;
            let order = match pick(&chance, 5) {
                0 => new_customers_order(&number, &format!("c{seed}-{index}")),
                _ => order(&number, &customer, quantity),
            };
            (number, order)
        })
        .collect();
    stream::iter(&orders)
        .for_each_concurrent(8, |(_, order)| submit(&instance, order))
        .await;
    for (number, _) in &orders {
        let what = format!("order {number} is confirmed");
        let posted = millrace_test_rig::until(STORM, &what, async || {
            let view = instance.get(number).await;
            (view.state() == OrderState::Posted && !view.customer_number.is_empty()).then_some(view)
        });
        let posted = posted.await;
        assert_eq!(posted.total_difference, None, "order {number}, seed {seed}");
        assert_eq!(
            world.documents(number).await,
            1,
            "order {number}, seed {seed}"
        );
    }
    // Nobody makes a document later, either: the last ones are shipped and stay alone.
    world.simulator.clear_faults();
    let (last, _) = &orders[ORDERS - 1];
    world
        .office("ship", last, json!({ "agent": "DHL", "tracking": "JJD" }))
        .await;
    instance
        .until(last, "its parcel is told", |view| view.parcels.len() == 1)
        .await;
    for (number, _) in &orders[..ORDERS - 1] {
        assert_eq!(
            world.documents(number).await,
            1,
            "order {number}, seed {seed}"
        );
    }
    let kinds = [
        "lostAnswer",
        "gatewayTimeout",
        "slowAnswer",
        "throttle",
        "unavailable",
        "tokenExpired",
        "lateCommit",
    ];
    let fired = kinds.iter().map(|kind| world.simulator.fired(kind)).sum();
    instance.stop().await;
    (ORDERS, fired)
}

/// A shop that says everything twice now and then.
async fn submit(instance: &Instance, order: &SubmitOrderRequest) {
    let first = instance.submit(order.clone()).await.unwrap();
    assert!(!first.repeated_submission);
    let again = instance.submit(order.clone()).await.unwrap();
    assert!(again.repeated_submission);
}

fn fault(chance: &Ids) -> Rule {
    let when = [When::Before, When::After, When::Later][pick(chance, 3)];
    let delay = Duration::from_millis(pick(chance, 900) as u64);
    let rule = match pick(chance, 7) {
        0 => Rule::new(Kind::LostAnswer).when(when).delay(delay),
        1 => Rule::new(Kind::GatewayTimeout).when(when).delay(delay),
        2 => Rule::new(Kind::SlowAnswer).delay(delay),
        3 => Rule::new(Kind::Throttle),
        4 => Rule::new(Kind::Unavailable),
        5 => Rule::new(Kind::TokenExpired),
        _ => Rule::new(Kind::LateCommit).delay(delay),
    };
    let path = if pick(chance, 4) == 0 {
        "customers"
    } else {
        "orderBuffer"
    };
    let mut rule = rule.on("POST", path);
    rule.skip = pick(chance, ORDERS / 2) as u64;
    rule
}

/// Below `limit`, by chance.
fn pick(chance: &Ids, limit: usize) -> usize {
    (chance.fraction() * limit as f64) as usize
}
