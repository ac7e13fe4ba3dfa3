//! Orders that wait are never forgotten, whatever happens at the same moment.

use std::time::Duration;

use millrace_contract::customers::v1::Customer;
use millrace_contract::order::v1::OrderState;
use millrace_contract::webshop_orders::v1::HoldKind;
use millrace_erp_simulator::Config as SimulatorConfig;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_event_store::Database;
use millrace_order_intake::Config;

use crate::instance::config;
use crate::sale::{CHANNEL, new_customers_order, order};
use crate::world::{PATIENCE, World, migrated};

/// No net: nothing but being woken makes an order go on.
fn without_recheck() -> Config {
    Config {
        recheck_every: Duration::from_secs(3600),
        ..config()
    }
}

async fn count(database: &Database, query: &'static str) -> i64 {
    let (count,) = sqlx::query_as(query)
        .fetch_one(database.pool())
        .await
        .unwrap();
    count
}

/// The item's transaction begins before the order is held and ends long after it was looked at.
#[tokio::test]
async fn an_item_that_arrives_while_its_order_is_being_held_is_not_missed() {
    let world = World::new().await;
    let postgres = millrace_test_rig::postgres().await;
    let url = postgres.create_database("order_intake").await.unwrap();
    let database = migrated(&url).await;
    let instance = world
        .instance_with(database.clone(), without_recheck(), |_| {})
        .await;
    millrace_test_rig::until(PATIENCE, "what came before is done with", async || {
        (count(&database, "SELECT count(*) FROM arrivals").await == 0).then_some(())
    })
    .await;
    // Whatever the item's transaction writes last waits for us.
    let mut slow = database.begin().await.unwrap();
    sqlx::query("LOCK TABLE arrivals IN EXCLUSIVE MODE")
        .execute(&mut *slow)
        .await
        .unwrap();
    world.create_item("LATE-7").await;
    world.tell_item("LATE-7", false).await;
    let waits = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database \
                 WHERE NOT granted AND datname = current_database()";
    millrace_test_rig::until(PATIENCE, "the item is being written", async || {
        (count(&database, waits).await > 0).then_some(())
    })
    .await;
    let mut late = order("9101", &world.customer(), 1);
    late.order.as_mut().unwrap().lines[0].item_number = "LATE-7".into();
    let taken = instance.submit(late).await.unwrap().order.unwrap();
    assert_eq!(taken.hold_reasons[0].kind(), HoldKind::UnknownItem);
    millrace_test_rig::until(PATIENCE, "the order was looked at in vain", async || {
        let waits = count(&database, "SELECT count(*) FROM order_waits").await;
        let work = count(&database, "SELECT count(*) FROM order_work").await;
        (waits == 1 && work == 0).then_some(())
    })
    .await;
    slow.rollback().await.unwrap();
    instance.until_state("9101", OrderState::Posted).await;
    instance.stop().await;
}

/// Two orders at once, the second to another address: it is the same customer.
#[tokio::test]
async fn the_second_order_of_a_new_customer_waits_until_the_customer_is_known() {
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let instance = world
        .instance_with(database, without_recheck(), |_| {})
        .await;
    instance
        .submit(new_customers_order("9201", "c-920"))
        .await
        .unwrap();
    let first = instance
        .until("9201", "the customer is told", |view| {
            !view.customer_number.is_empty()
        })
        .await;
    let mut moved = new_customers_order("9202", "c-920");
    let sell_to = moved.personal.as_mut().unwrap().sell_to.as_mut().unwrap();
    sell_to.city = "Bonn".into();
    instance.submit(moved).await.unwrap();
    let held = instance.until_state("9202", OrderState::Held).await;
    assert_eq!(held.hold_reasons[0].kind(), HoldKind::CustomerRefused);
    assert!(held.hold_reasons[0].heals_by_itself);

    let number = first.customer_number;
    let id = world.simulator.read(|tables| {
        let customer = tables.customers.by_key(&number);
        customer.map(|customer| customer.id)
    });
    world
        .tell_of(Customer {
            system_id: id.unwrap().to_string(),
            number: number.clone(),
            channel: CHANNEL.into(),
            shop_customer_number: "c-920".into(),
            ..Customer::default()
        })
        .await;
    let posted = instance
        .until("9202", "the customer is told", |view| {
            !view.customer_number.is_empty()
        })
        .await;
    assert_eq!(posted.customer_number, number);
    instance.stop().await;
}

/// One look ends without a word, another one goes on: the first one's claim is not kept alive by the second.
#[tokio::test]
async fn an_order_whose_look_the_database_ended_is_taken_up_again_while_others_are_under_way() {
    let world = World::with(SimulatorConfig::default(), |settings| {
        settings.limits.write_timeout = Duration::from_secs(60);
    })
    .await;
    let database = migrated("sqlite::memory:").await;
    let short = Config {
        claim: Duration::from_millis(600),
        ..without_recheck()
    };
    let instance = world.instance_with(database.clone(), short, |_| {}).await;
    let silence = Rule::new(Kind::SlowAnswer)
        .on("POST", "orderBuffer")
        .when(When::Before);
    world
        .simulator
        .fault(silence.delay(Duration::from_secs(60)));
    instance
        .submit(order("9301", &world.customer(), 1))
        .await
        .unwrap();
    millrace_test_rig::until(PATIENCE, "a long look is under way", async || {
        (world.simulator.fired("slowAnswer") > 0).then_some(())
    })
    .await;
    let mut late = new_customers_order("9302", "c-930");
    late.order.as_mut().unwrap().lines[0].item_number = "LATE-8".into();
    instance.submit(late).await.unwrap();
    rename(&database, "known_customers", "out_of_reach").await;
    world.create_item("LATE-8").await;
    world.tell_item("LATE-8", false).await;
    millrace_test_rig::until(PATIENCE, "its look failed", async || {
        let report = serde_json::to_string(&instance.health.report()).unwrap();
        report.contains("the database is away").then_some(())
    })
    .await;
    rename(&database, "out_of_reach", "known_customers").await;
    instance.until_state("9302", OrderState::Posted).await;
    assert_eq!(instance.get("9301").await.state(), OrderState::Accepted);
    instance.kill();
}

async fn rename(database: &Database, from: &str, to: &str) {
    let mut tx = database.begin().await.unwrap();
    let rename = format!("ALTER TABLE {from} RENAME TO {to}");
    sqlx::query(sqlx::AssertSqlSafe(rename))
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
