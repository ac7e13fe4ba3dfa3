//! A neighbour goes away while everything runs: what needs it says so, what does not goes on, and readiness stays.

use millrace_contract::order::v1::OrderState;
use millrace_contract::stock::v1::{GetAvailabilityRequest, Sku, Source};
use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_test_rig::{Postgres, until};
use tonic::Code;

use crate::orders_survive_everything::{documents, submit};
use crate::shop::order;
use crate::world::{CHANNEL, PATIENCE, Plan, World};

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_orders_are_unavailable_and_stock_is_told_all_the_same() {
    let server = Postgres::start().await.unwrap();
    let postgres = server.create_database("away").await.unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let mut world = World::distributed(Plan::default(), &postgres, &bootstrap).await;
    let mut shop = world.shop().await;
    until(PATIENCE, "the stock of 1004 is known", async || {
        shop.available("1004").await
    })
    .await;

    server.stop().await.unwrap();
    let wish = order("WEB-REFUSED", "S-1", &[("1004", 2, 10690)]);
    let refused = shop.orders.submit_order(wish).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let refused = shop.items().await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(shop.available("1004").await.is_some(), "stock is in memory");
    for process in &mut world.processes {
        let (ready, report) = process.readiness().await.unwrap();
        assert!(ready, "{} took itself away: {report}", process.service);
    }

    server.start_again().await.unwrap();
    submit(&mut shop, "WEB-TAKEN").await;
    shop.reaches("WEB-TAKEN", OrderState::Posted).await;
    assert_eq!(documents(&world, "WEB-TAKEN").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_erp_orders_are_taken_and_live_stock_falls_back_and_says_so() {
    let world = World::in_one_process(Plan::default()).await;
    let mut shop = world.shop().await;
    until(PATIENCE, "the stock of 1004 is known", async || {
        shop.available("1004").await
    })
    .await;

    let away = Rule::new(Kind::Unavailable).times(0);
    world.simulator.fault(away);
    submit(&mut shop, "WEB-WITHOUT-ERP").await;
    let live = GetAvailabilityRequest {
        channel: CHANNEL.into(),
        sku: Some(Sku {
            item_number: "1004".into(),
            variant_code: String::new(),
        }),
        source: Source::Live.into(),
        by_location: false,
    };
    let answer = shop
        .stock
        .get_availability(live)
        .await
        .unwrap()
        .into_inner();
    let availability = answer.availability.unwrap();
    assert!(availability.known);
    assert_eq!(availability.source(), Source::IndexFallback);
    assert_eq!(documents(&world, "WEB-WITHOUT-ERP").await, 0);

    world.simulator.clear_faults();
    shop.reaches("WEB-WITHOUT-ERP", OrderState::Posted).await;
    assert_eq!(documents(&world, "WEB-WITHOUT-ERP").await, 1);
}
