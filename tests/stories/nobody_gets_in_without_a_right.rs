//! Deny by default: every call × no token, an unknown one, another channel's, a missing scope; malformed and oversized messages.

use millrace_contract::catalog::v1::{GetItemRequest, get_item_request};
use millrace_contract::changes::v1::PullRequest;
use millrace_contract::customer::v1::ListCustomersRequest;
use millrace_contract::order::v1::{GetOrderRequest, ListHeldRequest};
use millrace_contract::stock::v1::{BatchGetAvailabilityRequest, GetAvailabilityRequest, Sku};
use millrace_test_rig::until;
use tonic::{Code, Status};

use crate::shop::{Shop, order};
use crate::world::{CHANNEL, OTHER_SHOP_TOKEN, PATIENCE, Plan, World};

/// One call of every service on the channel `furniture`.
async fn every_call(shop: &mut Shop) -> Vec<(&'static str, Result<(), Status>)> {
    let channel = || CHANNEL.to_owned();
    let by = Some(get_item_request::By::Number("1000".into()));
    let sku = Some(Sku {
        item_number: "1000".into(),
        variant_code: String::new(),
    });
    vec![
        (
            "GetItem",
            shop.catalog
                .get_item(GetItemRequest {
                    channel: channel(),
                    by,
                })
                .await
                .map(drop),
        ),
        ("ListPrices", shop.prices().await.map(drop)),
        ("ExportItems", shop.items().await.map(drop)),
        (
            "ListCustomers",
            shop.customers
                .list_customers(ListCustomersRequest {
                    channel: channel(),
                    ..Default::default()
                })
                .await
                .map(drop),
        ),
        (
            "GetAvailability",
            shop.stock
                .get_availability(GetAvailabilityRequest {
                    channel: channel(),
                    sku,
                    ..Default::default()
                })
                .await
                .map(drop),
        ),
        (
            "SubmitOrder",
            shop.orders
                .submit_order(order("WEB-NOBODY", "S-1", &[("1004", 1, 10690)]))
                .await
                .map(drop),
        ),
        (
            "GetOrder",
            shop.orders
                .get_order(GetOrderRequest {
                    channel: channel(),
                    order_number: "WEB-1".into(),
                    include_personal: false,
                })
                .await
                .map(drop),
        ),
        (
            "ListHeld",
            shop.admin
                .list_held(ListHeldRequest {
                    channel: channel(),
                    ..Default::default()
                })
                .await
                .map(drop),
        ),
        (
            "Pull",
            shop.feed
                .pull(PullRequest {
                    channel: channel(),
                    consumer: "x".into(),
                    ..Default::default()
                })
                .await
                .map(drop),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_refused_without_a_token_and_with_another_channels() {
    let world = World::in_one_process(Plan::default()).await;
    for (call, answer) in every_call(&mut world.shop_with("a-token-nobody-gave-out").await).await {
        assert_eq!(
            answer.unwrap_err().code(),
            Code::Unauthenticated,
            "{call} with an unknown token"
        );
    }
    for (call, answer) in every_call(&mut world.shop_with(OTHER_SHOP_TOKEN).await).await {
        assert_eq!(
            answer.unwrap_err().code(),
            Code::PermissionDenied,
            "{call} with another channel's token"
        );
    }
    let mut shop = world.shop().await;
    let held = shop
        .admin
        .list_held(ListHeldRequest {
            channel: CHANNEL.into(),
            ..Default::default()
        })
        .await;
    assert_eq!(
        held.unwrap_err().code(),
        Code::PermissionDenied,
        "a shop is no operator"
    );
    let unknown = shop.view("WEB-NOBODY").await;
    assert_eq!(
        unknown.unwrap_err().code(),
        Code::NotFound,
        "a refused order leaves nothing behind"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_oversized_requests_are_refused_by_name_and_store_nothing() {
    let world = World::in_one_process(Plan::default()).await;
    let mut shop = world.shop().await;
    until(PATIENCE, "stock is known", async || {
        shop.available("1004").await
    })
    .await;

    let mut negative = order("WEB-NEGATIVE", "S-1", &[("1004", 1, 10690)]);
    negative.order.as_mut().unwrap().lines[0]
        .quantity
        .as_mut()
        .unwrap()
        .units = -1;
    let refused = shop.orders.submit_order(negative).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("quantity"),
        "{}",
        refused.message()
    );
    assert_eq!(
        shop.view("WEB-NEGATIVE").await.unwrap_err().code(),
        Code::NotFound
    );

    let skus = vec![
        Sku {
            item_number: "1004".into(),
            variant_code: String::new()
        };
        1001
    ];
    let refused = shop
        .stock
        .batch_get_availability(BatchGetAvailabilityRequest {
            channel: CHANNEL.into(),
            skus,
            ..Default::default()
        })
        .await;
    assert_eq!(
        refused.unwrap_err().code(),
        Code::InvalidArgument,
        "a batch of 1001"
    );

    let mut huge = order("WEB-HUGE", "S-1", &[("1004", 1, 10690)]);
    huge.order.as_mut().unwrap().payment_method = "x".repeat(5 << 20);
    let refused = shop.orders.submit_order(huge).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert!(refused.message().contains("larger than"), "{refused:?}");
    assert!(
        shop.available("1004").await.is_some(),
        "the connection and the service live on"
    );
}
