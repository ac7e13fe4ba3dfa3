//! The database goes away and comes back.

use millrace_contract::order::v1::{OrderState, WatchOrdersRequest};
use millrace_test_rig::Postgres;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::sale::{CHANNEL, order};
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
