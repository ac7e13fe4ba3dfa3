//! Many returns under faults drawn by chance. `make test` draws one storm of 50, `make soak` twenty; the seed is printed.

use std::time::Duration;

use futures::{StreamExt, stream};
use millrace_contract::returns::v1::{Return, ReturnState};
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_service_kit::Ids;
use serde_json::json;

use crate::instance::Instance;
use crate::sale::{commented, goods, money};
use crate::world::World;

const RETURNS: usize = 50;
/// Each is of so many pieces, and so many returns come of it.
const ORDERS: usize = 10;
const STORM: Duration = Duration::from_secs(120);

/// F2, F3, F5, F6 together. Rows 92 and 113.
#[tokio::test(flavor = "multi_thread")]
async fn returns_in_a_storm_become_one_return_order_each() {
    let (mut returns, mut fired) = (0, 0);
    for seed in millrace_test_rig::seeds("returns in a storm", 1, 20) {
        fired += storm(seed).await;
        returns += RETURNS;
    }
    assert!(fired > 0, "a storm without a fault shows nothing");
    let outcome = format!("{returns} returns, {fired} faults fired, 0 lost, 0 doubled");
    millrace_test_rig::soak_result("returns-in-a-storm", &outcome).unwrap();
}

/// Answers how many faults fired.
async fn storm(seed: u64) -> u64 {
    let chance = Ids::seeded(seed);
    let world = World::new().await;
    let customer = world.customer();
    let order = |index: usize| format!("S{seed}-{}", index % ORDERS);
    for index in 0..ORDERS {
        let count = u32::try_from(RETURNS / ORDERS).unwrap();
        world.delivered(&order(index), &customer, count).await;
    }
    let instance = world.instance_that_knows(&order(ORDERS - 1)).await;
    for _ in 0..RETURNS / 2 {
        world.simulator.fault(fault(&chance));
    }
    let wanted: Vec<(String, Return)> = (0..RETURNS)
        .map(|index| {
            let number = format!("R{seed}-{index}");
            let goods = goods(&number, &order(index), &customer, 1);
            (number, goods)
        })
        .collect();
    stream::iter(&wanted)
        .for_each_concurrent(8, |(_, goods)| submit(&instance, goods))
        .await;
    for (number, _) in &wanted {
        let what = format!("return {number} is posted");
        millrace_test_rig::until(STORM, &what, async || {
            let view = instance.get(number).await;
            (view.state() == ReturnState::Posted).then_some(())
        })
        .await;
        assert_eq!(
            world.return_orders(number).await,
            1,
            "return {number}, seed {seed}"
        );
    }
    // Nobody makes one later, either: the last one is received and credited, and all stay alone.
    world.simulator.clear_faults();
    let (last, _) = &wanted[RETURNS - 1];
    world.office("receive-return", last, json!({})).await;
    world.office("credit-return", last, json!({})).await;
    let credited = instance
        .until(last, "its refund is announced", |view| {
            !view.refunds.is_empty()
        })
        .await;
    assert_eq!(credited.refunds[0].amount, money(11_900));
    for (number, _) in &wanted {
        assert_eq!(
            world.return_orders(number).await,
            1,
            "return {number}, seed {seed}"
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
    fired
}

/// A shop that says everything twice.
async fn submit(instance: &Instance, goods: &Return) {
    let request = commented(goods.clone(), "broken");
    loop {
        match instance.submit_with(request.clone()).await {
            Ok(_) => break,
            // Another return of the order was quicker, again and again: send it once more.
            Err(status) => assert_eq!(status.code(), tonic::Code::Aborted, "{status:?}"),
        }
    }
    let again = instance.submit_with(request).await.unwrap();
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
    let mut rule = rule.on("POST", "returnOrders");
    rule.skip = pick(chance, RETURNS / 2) as u64;
    rule
}

/// Below `limit`, by chance.
fn pick(chance: &Ids, limit: usize) -> usize {
    (chance.fraction() * limit as f64) as usize
}
