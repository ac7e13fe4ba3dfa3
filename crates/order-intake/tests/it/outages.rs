//! Neighbours and the database go away and come back; people are erased.

use std::sync::Arc;

use millrace_contract::order::v1::{GetOrderRequest, OrderState, WatchOrdersRequest};
use millrace_contract::webshop_orders::v1::HoldKind;
use millrace_event_store::Sealer;
use millrace_order_intake::GrpcCustomers;
use millrace_service_kit::Secret;
use millrace_test_rig::Postgres;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::instance::SERVICE_DESK;
use crate::sale::{CHANNEL, new_customers_order, order};
use crate::world::{PATIENCE, World, migrated};

/// F16 and F18's kind: nothing that was acknowledged is lost, nothing that was refused is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_restarts_loses_no_order() {
    let world = World::new().await;
    let postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database("order_intake").await.unwrap();
    let instance = world.instance_on(migrated(&url).await, |_| {}).await;
    let customer = world.customer();
    instance.submit(order("8001", &customer, 1)).await.unwrap();
    instance.until_state("8001", OrderState::Posted).await;

    postgres.kill().await.unwrap();
    let refused = instance
        .submit(order("8002", &customer, 1))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    postgres.start_again().await.unwrap();

    let taken = millrace_test_rig::until(PATIENCE, "the same order is taken", async || {
        instance.submit(order("8002", &customer, 1)).await.ok()
    });
    taken.await;
    millrace_test_rig::until(PATIENCE, "order 8002 is posted", async || {
        let view = instance.try_get("8002").await.ok()?;
        (view.state() == OrderState::Posted).then_some(())
    })
    .await;
    for number in ["8001", "8002"] {
        assert_eq!(world.documents(number).await, 1);
    }
    instance.stop().await;
}

#[tokio::test]
async fn a_watch_ends_with_the_service_and_says_so() {
    let world = World::new().await;
    let instance = world.instance().await;
    instance
        .submit(order("8101", &world.customer(), 1))
        .await
        .unwrap();
    let request = WatchOrdersRequest {
        channel: CHANNEL.into(),
        order_numbers: vec!["8101".into()],
    };
    let mut watch = instance
        .orders
        .clone()
        .watch_orders(request)
        .await
        .unwrap()
        .into_inner();
    let first = watch.next().await.unwrap().unwrap().order.unwrap();
    assert_eq!(
        first.order.unwrap().order_number,
        "8101",
        "the order as it is comes first"
    );
    instance.shutdown.cancel();
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            match watch.next().await {
                Some(Ok(_)) => {}
                Some(Err(status)) => return Some(status.code()),
                None => return None,
            }
        }
    });
    assert_eq!(ended.await.unwrap(), Some(Code::Unavailable));
    drop(watch);
    instance.stop().await;
}

/// I7's kind: only orders that need a new customer wait for who creates customers.
#[tokio::test]
async fn orders_of_known_customers_do_not_wait_for_customer_sync() {
    let world = World::new().await;
    let nobody = Endpoint::from_static("http://127.0.0.1:1");
    let away = Arc::new(GrpcCustomers::new(
        nobody,
        &Secret::new("a-token-between-services"),
    ));
    let instance = world
        .instance_on(migrated("sqlite::memory:").await, |ports| {
            ports.customers = away
        })
        .await;
    instance
        .submit(new_customers_order("8201", "c-820"))
        .await
        .unwrap();
    instance
        .submit(order("8202", &world.customer(), 1))
        .await
        .unwrap();
    instance.until_state("8202", OrderState::Posted).await;
    assert_eq!(instance.get("8201").await.state(), OrderState::Accepted);
    millrace_test_rig::until(PATIENCE, "the trouble is shown", async || {
        let report = serde_json::to_string(&instance.health.report()).unwrap();
        report.contains("customer-sync is away").then_some(())
    })
    .await;
    assert!(instance.health.report().ready);
    instance.stop().await;
}

/// F29: who is erased is forgotten; the order is held and says so, not posted without an address.
#[tokio::test]
async fn an_order_whose_buyer_was_erased_meanwhile_is_held() {
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let sealer = Arc::new(Sealer::new(database.clone(), &[7; 32]));
    let own = sealer.clone();
    let instance = world
        .instance_on(database.clone(), |ports| ports.sealer = own)
        .await;
    let mut late = new_customers_order("8301", "c-830");
    late.order.as_mut().unwrap().lines[0].item_number = "LATE-2".into();
    let taken = instance.submit(late.clone()).await.unwrap().order.unwrap();
    assert_eq!(taken.state(), OrderState::Held);

    let query = sqlx::query_as("SELECT person FROM personal_keys");
    let (person,): (String,) = query.fetch_one(database.pool()).await.unwrap();
    let mut tx = database.begin().await.unwrap();
    sealer.erase(&mut tx, &person).await.unwrap();
    tx.commit().await.unwrap();
    world.create_item("LATE-2").await;
    world.tell_item("LATE-2", false).await;

    let held = instance.until("8301", "it is held for its buyer", |view| {
        view.hold_reasons
            .iter()
            .any(|reason| reason.kind() == HoldKind::CustomerRefused)
    });
    held.await;
    assert_eq!(world.documents("8301").await, 0);
    let request = GetOrderRequest {
        channel: CHANNEL.into(),
        order_number: "8301".into(),
        include_personal: true,
    };
    let told = instance
        .as_caller(SERVICE_DESK)
        .await
        .get_order(request)
        .await
        .unwrap();
    assert_eq!(told.into_inner().order.unwrap().personal, None);
    assert!(
        instance.submit(late).await.is_err(),
        "nobody writes about an erased person again"
    );
    instance.stop().await;
}
