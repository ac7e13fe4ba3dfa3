//! Deny by default: every call × no token, an unknown one, another channel's, a missing scope; malformed and oversized messages.

use millrace_contract::stock::v1::{BatchGetAvailabilityRequest, Sku};
use millrace_test_rig::until;
use tonic::Code;
use tonic_types::StatusExt;

use crate::any_call::{Call, every_call, was_let_in};
use crate::shop::order;
use crate::world::{
    ALMIGHTY_SHOP_TOKEN, CHANNEL, OPERATOR_TOKEN, OTHER_SHOP_TOKEN, PATIENCE, POWERLESS_SHOP_TOKEN,
    Plan, World,
};

/// Somebody who has no right to make a call.
struct Stranger {
    who: &'static str,
    token: Option<&'static str>,
    code: Code,
    /// As the details of the refusal say it.
    reason: Option<&'static str>,
}

const STRANGERS: [Stranger; 4] = [
    Stranger {
        who: "without a token",
        token: None,
        code: Code::Unauthenticated,
        reason: None,
    },
    Stranger {
        who: "with an unknown token",
        token: Some("a-token-nobody-gave-out"),
        code: Code::Unauthenticated,
        reason: None,
    },
    Stranger {
        who: "without the scope",
        token: Some(POWERLESS_SHOP_TOKEN),
        code: Code::PermissionDenied,
        reason: Some("MISSING_SCOPE"),
    },
    Stranger {
        who: "of another channel",
        token: Some(OTHER_SHOP_TOKEN),
        code: Code::PermissionDenied,
        reason: Some("WRONG_CHANNEL"),
    },
];

impl Stranger {
    async fn is_refused(&self, world: &World, call: &Call) {
        let answer = call.about(world, self.token, CHANNEL).await;
        let what = format!("{} {}", call.name, self.who);
        let refused = answer.expect_err(&what);
        assert_eq!(refused.code(), self.code, "{what}: {refused:?}");
        if let Some(reason) = self.reason {
            let details = refused.get_error_details();
            let told = details.error_info().map(|info| info.reason.as_str());
            assert_eq!(told, Some(reason), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_refused_without_a_right() {
    let world = World::in_one_process(Plan::default()).await;
    for call in every_call() {
        let strangers = STRANGERS.iter().filter(|stranger| {
            // Calls about no channel in particular still let in whoever has their scope.
            call.has_channel() || stranger.reason != Some("WRONG_CHANNEL")
        });
        for stranger in strangers {
            stranger.is_refused(&world, &call).await;
        }
    }
}

/// Whoever has the right is let in: the refusals above are not refusals of everything.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_lets_in_who_has_the_right() {
    let world = World::in_one_process(Plan::default()).await;
    for call in every_call() {
        let answer = call.about(&world, Some(OPERATOR_TOKEN), CHANNEL).await;
        assert!(was_let_in(&answer), "{}: {answer:?}", call.name);
        if call.has_channel() {
            let own = call.about(&world, Some(ALMIGHTY_SHOP_TOKEN), CHANNEL).await;
            assert!(was_let_in(&own), "{}: {own:?}", call.name);
        }
    }
}

/// Row of DESIGN.md §7: unknown → NOT_FOUND, whichever call it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_nobody_knows_is_not_found_by_any_call() {
    let world = World::in_one_process(Plan::default()).await;
    for call in every_call().iter().filter(|call| call.has_channel()) {
        let refused = call.about(&world, Some(OPERATOR_TOKEN), "toys").await;
        let refused = refused.expect_err(&call.name);
        assert_eq!(refused.code(), Code::NotFound, "{}: {refused:?}", call.name);
        assert!(
            refused.message().contains("toys"),
            "{}: {refused:?}",
            call.name
        );
    }
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
