//! Returns of one order at the same instant, from two processes on one PostgreSQL: no piece comes back twice.

use futures::future::join_all;
use millrace_contract::returns::v1::ReturnState;

use crate::instance::config;
use crate::sale::goods;
use crate::world::{World, knows, migrated};

/// F7 and F24's kind.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_returns_at_once_as_many_pass_as_pieces_were_delivered() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 5).await;
    let postgres = millrace_test_rig::postgres().await;
    let url = postgres.create_database("returns").await.unwrap();
    let (database, other) = (migrated(&url).await, migrated(&url).await);
    let one = world.instance_on(database.clone(), config()).await;
    let two = world.instance_on(other, config()).await;
    knows(&database, "S-1").await;
    let submitted = (0..12).map(|index| {
        let instance = if index % 2 == 0 { &one } else { &two };
        let wanted = goods(&format!("R-{index}"), "S-1", &customer, 1);
        async move { submit_until_taken(instance, wanted).await }
    });
    let states = join_all(submitted).await;
    let passed = states
        .iter()
        .filter(|state| **state == ReturnState::Accepted)
        .count();
    assert_eq!(passed, 5, "{states:?}");
    for (index, state) in states.iter().enumerate() {
        let number = format!("R-{index}");
        if *state == ReturnState::Accepted {
            one.until_state(&number, ReturnState::Posted).await;
            assert_eq!(world.return_orders(&number).await, 1);
        } else {
            assert_eq!(two.get(&number).await.state(), ReturnState::Held);
            assert_eq!(world.return_orders(&number).await, 0);
        }
    }
    // The shop is impatient: it sends each to the other one, too.
    for index in 0..12 {
        let instance = if index % 2 == 0 { &two } else { &one };
        let wanted = goods(&format!("R-{index}"), "S-1", &customer, 1);
        assert!(instance.submit(wanted).await.unwrap().repeated_submission);
    }
    one.stop().await;
    two.stop().await;
}

/// ABORTED means: send it again.
async fn submit_until_taken(
    instance: &crate::instance::Instance,
    goods: millrace_contract::returns::v1::Return,
) -> ReturnState {
    loop {
        match instance.submit(goods.clone()).await {
            Ok(answer) => return answer.shop_return.unwrap().state(),
            Err(status) => assert_eq!(status.code(), tonic::Code::Aborted, "{status:?}"),
        }
    }
}
