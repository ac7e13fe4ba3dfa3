//! Held orders and who mends them.

use millrace_contract::customers::v1::CustomerBlock;
use millrace_contract::order::v1::{
    DropOrderRequest, ListHeldRequest, MendOrderRequest, OrderState, OrderView, RetryOrdersRequest,
};
use millrace_contract::webshop_orders::v1::HoldKind;
use tonic::Code;

use crate::instance::{Instance, channels_with};
use crate::sale::{CHANNEL, content, money, order};
use crate::world::{PATIENCE, World};

async fn held(instance: &Instance) -> Vec<OrderView> {
    let request = ListHeldRequest {
        channel: String::new(),
        page_size: 0,
        page_token: String::new(),
    };
    instance
        .admin
        .clone()
        .list_held(request)
        .await
        .unwrap()
        .into_inner()
        .orders
}

fn mend(number: &str, customer: &str) -> MendOrderRequest {
    MendOrderRequest {
        channel: CHANNEL.into(),
        order_number: number.into(),
        order: Some(content(number, customer, 2)),
        personal: None,
        note: "typing error".into(),
        expected_version: 0,
    }
}

/// An unknown item and totals that do not add up.
fn bad_order(number: &str, customer: &str) -> millrace_contract::order::v1::SubmitOrderRequest {
    let mut bad = order(number, customer, 2);
    let content = bad.order.as_mut().unwrap();
    content.lines[0].item_number = "NO-SUCH-ITEM".into();
    content.totals.as_mut().unwrap().gross = money(1);
    bad
}

#[tokio::test]
async fn a_bad_order_is_held_with_its_reasons_listed_mended_and_posted() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    let taken = instance
        .submit(bad_order("4001", &customer))
        .await
        .unwrap()
        .order
        .unwrap();
    let kinds: Vec<_> = taken
        .hold_reasons
        .iter()
        .map(|reason| reason.kind())
        .collect();
    assert_eq!(kinds, [HoldKind::UnknownItem, HoldKind::OrderTotal]);
    let listed = millrace_test_rig::until(PATIENCE, "it is listed", async || {
        held(&instance).await.pop()
    })
    .await;
    assert_eq!(listed.hold_reasons, taken.hold_reasons);

    let mended = instance
        .admin
        .clone()
        .mend_order(mend("4001", &customer))
        .await
        .unwrap();
    assert_eq!(mended.into_inner().order.unwrap().hold_reasons, []);
    instance.until_state("4001", OrderState::Posted).await;
    assert_eq!(world.documents("4001").await, 1);
    // What the shop sent is still the same order to the shop.
    assert!(
        instance
            .submit(bad_order("4001", &customer))
            .await
            .unwrap()
            .repeated_submission
    );
    instance.stop().await;
}

#[tokio::test]
async fn an_order_that_changed_since_it_was_looked_at_is_not_mended() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    instance.submit(bad_order("4002", &customer)).await.unwrap();
    let stale = MendOrderRequest {
        expected_version: 1,
        ..mend("4002", &customer)
    };
    assert_eq!(
        instance
            .admin
            .clone()
            .mend_order(stale)
            .await
            .unwrap_err()
            .code(),
        Code::Aborted
    );
    let seen = MendOrderRequest {
        expected_version: 2,
        ..mend("4002", &customer)
    };
    instance.admin.clone().mend_order(seen).await.unwrap();
    instance.stop().await;
}

/// Row 50.
#[tokio::test]
async fn an_order_in_the_erp_can_neither_be_mended_nor_given_up() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    instance.submit(order("4003", &customer, 2)).await.unwrap();
    instance.until_state("4003", OrderState::Posted).await;
    let refused = instance
        .admin
        .clone()
        .mend_order(mend("4003", &customer))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let drop = DropOrderRequest {
        channel: CHANNEL.into(),
        order_number: "4003".into(),
        note: "no".into(),
    };
    let refused = instance.admin.clone().drop_order(drop).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    instance.stop().await;
}

#[tokio::test]
async fn a_held_order_that_is_given_up_is_cancelled_for_the_shop() {
    let world = World::new().await;
    let instance = world.instance().await;
    instance
        .submit(bad_order("4004", &world.customer()))
        .await
        .unwrap();
    let drop = || DropOrderRequest {
        channel: CHANNEL.into(),
        order_number: "4004".into(),
        note: "customer called".into(),
    };
    let dropped = instance
        .admin
        .clone()
        .drop_order(drop())
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap();
    assert_eq!(dropped.state(), OrderState::Cancelled);
    let again = instance
        .admin
        .clone()
        .drop_order(drop())
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap();
    assert_eq!(
        again.version, dropped.version,
        "giving up twice changes nothing"
    );
    assert_eq!(world.documents("4004").await, 0);
    instance.stop().await;
}

/// F27.
#[tokio::test]
async fn what_the_erp_refuses_is_held_and_posted_once_when_it_is_retried_twice() {
    let world = World::new().await;
    let instance = world.instance().await;
    // Known here, but not to the ERP.
    world.tell_item("EARLY-1", false).await;
    let mut order = order("4005", &world.customer(), 2);
    order.order.as_mut().unwrap().lines[0].item_number = "EARLY-1".into();
    millrace_test_rig::until(PATIENCE, "the item is known here", async || {
        instance.submit(order.clone()).await.unwrap();
        let view = instance.get("4005").await;
        (view
            .hold_reasons
            .iter()
            .all(|reason| reason.kind() == HoldKind::ErpRefused)
            && view.state() == OrderState::Held)
            .then_some(())
    })
    .await;
    world.create_item("EARLY-1").await;
    let retry = || RetryOrdersRequest {
        channel: CHANNEL.into(),
        order_numbers: vec!["4005".into()],
    };
    let (mut one, mut two) = (instance.admin.clone(), instance.admin.clone());
    let (first, second) = tokio::join!(one.retry_orders(retry()), two.retry_orders(retry()));
    assert_eq!(
        (
            first.unwrap().into_inner().retried,
            second.unwrap().into_inner().retried
        ),
        (1, 1)
    );
    instance.until_state("4005", OrderState::Posted).await;
    assert_eq!(world.documents("4005").await, 1);
    instance.stop().await;
}

#[tokio::test]
async fn what_the_erp_refuses_for_an_item_is_tried_again_when_the_item_changes() {
    let world = World::new().await;
    let instance = world.instance().await;
    // Known here, but not to the ERP.
    world.tell_item("EARLY-2", false).await;
    let mut order = order("4006", &world.customer(), 2);
    order.order.as_mut().unwrap().lines[0].item_number = "EARLY-2".into();
    instance.submit(order).await.unwrap();
    let refused = millrace_test_rig::until(PATIENCE, "the erp refused it", async || {
        let mut listed = held(&instance).await.into_iter();
        listed.find(|view| view.hold_reasons[0].kind() == HoldKind::ErpRefused)
    })
    .await;
    assert!(refused.hold_reasons[0].heals_by_itself);
    world.create_item("EARLY-2").await;
    world.tell_item("EARLY-2", false).await;
    instance.until_state("4006", OrderState::Posted).await;
    assert_eq!(world.documents("4006").await, 1);
    assert_eq!(
        world.buffered("4006").attempts,
        2,
        "not tried before something changed"
    );
    instance.stop().await;
}

#[tokio::test]
async fn every_held_order_of_a_channel_is_retried_at_once() {
    let world = World::new().await;
    let instance = world.instance().await;
    for number in ["4101", "4102", "4103"] {
        instance
            .submit(bad_order(number, &world.customer()))
            .await
            .unwrap();
    }
    millrace_test_rig::until(PATIENCE, "three are held", async || {
        (held(&instance).await.len() == 3).then_some(())
    })
    .await;
    let request = RetryOrdersRequest {
        channel: CHANNEL.into(),
        order_numbers: vec![],
    };
    let retried = instance
        .admin
        .clone()
        .retry_orders(request)
        .await
        .unwrap()
        .into_inner()
        .retried;
    assert_eq!(retried, 3);
    instance.stop().await;
}

/// Row 52.
#[tokio::test]
async fn a_blocked_customers_order_goes_on_when_the_block_goes() {
    let world = World::new().await;
    let customer = world.customer();
    let instance = world.instance().await;
    world.tell_customer(&customer, CustomerBlock::All).await;
    world.tell_item("NEXT-1", true).await;
    let mut number = 4_200;
    // Until the block is known here, orders pass.
    let number = millrace_test_rig::until(PATIENCE, "the block is known", async || {
        number += 1;
        let taken = instance
            .submit(order(&number.to_string(), &customer, 1))
            .await
            .unwrap()
            .order
            .unwrap();
        let blocked = taken
            .hold_reasons
            .iter()
            .any(|reason| reason.kind() == HoldKind::CustomerBlocked);
        blocked.then(|| number.to_string())
    })
    .await;
    world.tell_customer(&customer, CustomerBlock::None).await;
    instance.until_state(&number, OrderState::Posted).await;
    instance.stop().await;
}

#[tokio::test]
async fn settings_that_changed_with_a_restart_free_what_waited_for_them() {
    let world = World::new().await;
    let database = crate::world::migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), |_| {}).await;
    let mut unmapped = order("4301", &world.customer(), 1);
    unmapped.order.as_mut().unwrap().payment_method = "invoice".into();
    let taken = instance.submit(unmapped).await.unwrap().order.unwrap();
    assert_eq!(
        taken.hold_reasons[0].kind(),
        HoldKind::PaymentMethodUnmapped
    );
    millrace_test_rig::until(PATIENCE, "it is listed", async || {
        held(&instance).await.pop()
    })
    .await;
    instance.stop().await;

    let mapped = channels_with(&[("card", "CARD"), ("invoice", "")]);
    let again = world
        .instance_on(database, |ports| {
            ports.channels = std::sync::Arc::new(mapped)
        })
        .await;
    again.until_state("4301", OrderState::Posted).await;
    assert_eq!(world.documents("4301").await, 1);
    again.stop().await;
}
