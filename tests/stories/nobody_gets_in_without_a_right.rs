//! Deny by default: every call × no token, an unknown one, another channel's, a missing scope, an expired or forged one of an
//! issuer; malformed and oversized messages; more calls than the channel's quota.

use millrace_contract::stock::v1::{BatchGetAvailabilityRequest, Sku};
use millrace_test_rig::until;
use tonic::Code;
use tonic_types::StatusExt;

use crate::any_call::{Call, every_call, was_let_in};
use crate::issuer::Issuer;
use crate::shop::order;
use crate::world::{
    ALMIGHTY_SHOP_TOKEN, CHANNEL, OPERATOR_TOKEN, OTHER_SHOP_TOKEN, PATIENCE, POWERLESS_SHOP_TOKEN,
    Plan, SHOP_TOKEN, World,
};

/// Somebody who has no right to make a call.
struct Stranger {
    who: &'static str,
    token: Option<String>,
    code: Code,
    /// As the details of the refusal say it.
    reason: Option<&'static str>,
}

const EVERY_SCOPE: &str = "*";

impl Stranger {
    fn new(who: &'static str, token: &str, code: Code, reason: Option<&'static str>) -> Self {
        let token = (!token.is_empty()).then(|| token.to_owned());
        Self {
            who,
            token,
            code,
            reason,
        }
    }
}

fn strangers(issuer: &Issuer) -> Vec<Stranger> {
    let (unknown, denied) = (Code::Unauthenticated, Code::PermissionDenied);
    let (scope, channel) = (Some("MISSING_SCOPE"), Some("WRONG_CHANNEL"));
    let expired = issuer.expired(CHANNEL, EVERY_SCOPE);
    let forged = issuer.forged(CHANNEL, EVERY_SCOPE);
    let powerless = issuer.token(CHANNEL, "");
    let another = issuer.token("garden", EVERY_SCOPE);
    vec![
        Stranger::new("without a token", "", unknown, None),
        Stranger::new(
            "with an unknown token",
            "a-token-nobody-gave-out",
            unknown,
            None,
        ),
        Stranger::new("without the scope", POWERLESS_SHOP_TOKEN, denied, scope),
        Stranger::new("of another channel", OTHER_SHOP_TOKEN, denied, channel),
        Stranger::new(
            "with an expired JWT",
            &expired,
            unknown,
            Some("TOKEN_EXPIRED"),
        ),
        Stranger::new("with a forged JWT", &forged, unknown, Some("FORGED_TOKEN")),
        Stranger::new("with a JWT without the scope", &powerless, denied, scope),
        Stranger::new("with a JWT of another channel", &another, denied, channel),
    ]
}

/// A world that trusts the issuer, and knows its keys.
async fn world_with(issuer: &Issuer) -> World {
    let plan = Plan {
        more_settings: issuer.settings(),
        ..Plan::default()
    };
    let world = World::in_one_process(plan).await;
    let calls = every_call();
    let call = calls.iter().find(|call| call.has_channel()).unwrap();
    let token = issuer.token(CHANNEL, EVERY_SCOPE);
    until(PATIENCE, "the issuer's keys are known", async || {
        let answer = call.about(&world, Some(&token), CHANNEL).await;
        was_let_in(&answer).then_some(())
    })
    .await;
    world
}

impl Stranger {
    async fn is_refused(&self, world: &World, call: &Call) {
        let answer = call.about(world, self.token.as_deref(), CHANNEL).await;
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

/// Row 123.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_refused_without_a_right() {
    let issuer = Issuer::open().await;
    let (world, strangers) = (world_with(&issuer).await, strangers(&issuer));
    for call in every_call() {
        let strangers = strangers.iter().filter(|stranger| {
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
    let issuer = Issuer::open().await;
    let world = world_with(&issuer).await;
    let of_all_channels = issuer.token("*", EVERY_SCOPE);
    let of_the_channel = issuer.token(CHANNEL, EVERY_SCOPE);
    for call in every_call() {
        for token in [OPERATOR_TOKEN, &of_all_channels] {
            let answer = call.about(&world, Some(token), CHANNEL).await;
            assert!(was_let_in(&answer), "{}: {answer:?}", call.name);
        }
        if call.has_channel() {
            for token in [ALMIGHTY_SHOP_TOKEN, &of_the_channel] {
                let own = call.about(&world, Some(token), CHANNEL).await;
                assert!(was_let_in(&own), "{}: {own:?}", call.name);
            }
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

/// Row 123.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_at_its_quota_is_told_when_to_come_back_and_slows_nobody() {
    let plan = Plan {
        more_settings: "[grpc.limits.channels.furniture]\ncalls_per_second = 1\nburst = 20\n"
            .into(),
        ..Plan::default()
    };
    let world = World::in_one_process(plan).await;
    let calls = every_call();
    let listing = calls.iter().find(|call| call.name.ends_with("/ListItems"));
    let listing = listing.unwrap();
    let mut refused = None;
    for _ in 0..40 {
        let answer = listing.about(&world, Some(SHOP_TOKEN), CHANNEL).await;
        refused = refused.or(answer.err());
    }
    let refused = refused.expect("forty at once are more than twenty");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "OVER_QUOTA");
    assert!(details.retry_info().unwrap().retry_delay.is_some());
    let another = listing
        .about(&world, Some(OTHER_SHOP_TOKEN), "garden")
        .await;
    assert!(was_let_in(&another), "{another:?}");
    let operator = listing.about(&world, Some(OPERATOR_TOKEN), CHANNEL).await;
    assert!(was_let_in(&operator), "{operator:?}");
    let metrics = format!("http://{}/metrics", world.process("all").monitoring);
    let figures = reqwest::get(metrics).await.unwrap().text().await.unwrap();
    let counted = "millrace_grpc_calls_over_quota_total{channel=\"furniture\"}";
    assert!(figures.contains(counted), "{figures}");
}
