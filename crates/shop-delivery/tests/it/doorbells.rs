//! How shops are rung, and what operators see of it. Where it matters on PostgreSQL as well as on SQLite.

use std::time::Duration;

use millrace_contract::changes::v1::start::At;
use millrace_contract::changes::v1::{
    DoorbellState, ListDoorbellsRequest, OpenChannelRequest, SwitchDoorbellRequest,
    TestDoorbellRequest,
};
use millrace_contract::doorbells::v1::{DoorbellSwitchedOff, OffReason};
use millrace_test_rig::until;
use prost::Message;
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{Ground, OPERATOR, PATIENCE, SHOP, World, furniture};
use crate::operator::{CHANNEL, keys, postgres};
use crate::rung::{Shop, config, told_by_id};
use crate::source::*;

/// Rows 97, 100 and 126.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_is_rung_for_every_change_in_the_order_of_its_feed() {
    for ground in [Ground::embedded(), postgres().await] {
        let shop = Shop::open().await;
        let config = config("", &[shop.doorbell("shop", "kinds = ['items']")]);
        let world = World::ringing_on(ground, config).await;
        world.sources.say([order(CHANNEL, "A-1")]).await;
        world.say_items(1..=30).await;
        let rings = shop.hears(30).await;
        assert_eq!(shop.keys(), keys(1..=30));
        assert_eq!(told_by_id(&rings).len(), 30, "an id of its own each");
        // "Fetch this": what is pulled with the token begins with the change.
        let token = rings[4].body["data"]["token"].as_str().unwrap();
        let pulled = world.pulled(At::AfterToken(token.into()), &["items"]).await;
        let first = pulled[0].envelope.as_ref().unwrap();
        assert_eq!(
            (first.position, &*first.key),
            (rings[4].position(), &*item_key(5))
        );
        world.has_nothing_pending("shop").await;
        let status = world.status("shop").await;
        assert_eq!(status.state(), DoorbellState::Ringing);
        assert!(status.last_success_at.is_some() && status.lag.is_none());
        assert!(status.origin.starts_with("http://127.0.0.1:"));
        assert!(!status.origin.contains("hook"));
        world.end().await;
    }
}

/// Row 133: a first load is silent until the channel is opened; what comes after that is rung, also when nobody was there at that
/// moment.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_load_rings_nothing_until_the_channel_is_opened() {
    for ground in [Ground::embedded(), postgres().await] {
        let shop = Shop::open().await;
        let config = config("", &[shop.doorbell("shop", "")]);
        let mut world = World::closed_on(ground, config).await;
        world.say_items(1..=20).await;
        world
            .until_shown(&crate::harness::shown(
                (1..=20).map(|number| item(number, "Chair")),
            ))
            .await;
        let status = world.status("shop").await;
        assert_eq!(status.state(), DoorbellState::WaitingForOpening);
        assert_eq!(status.rung_up_to, None);
        let early = world.replay("shop", 1, 1).await.unwrap_err();
        assert_eq!(
            early.get_error_details().error_info().unwrap().reason,
            "NOT_OPEN"
        );
        let position = world.open().await;
        assert_eq!(world.open().await, position, "opened once");
        world.stop().await;
        world.start(furniture("'DEALER'", "'EAST'")).await;
        world.say_items(21..=22).await;
        shop.hears(2).await;
        assert_eq!(shop.keys(), keys(21..=22));
        world.end().await;
    }
}

/// Row 133: a feed without a shop.
#[tokio::test(flavor = "multi_thread")]
async fn a_staging_channel_has_a_feed_and_never_rings() {
    let shop = Shop::open().await;
    let config = config("staging = true", &[shop.doorbell("shop", "")]);
    let world = World::with(Ground::embedded(), furniture("'DEALER'", "'EAST'"), config).await;
    world.say_items(1..=3).await;
    world
        .until_shown(&crate::harness::shown(
            (1..=3).map(|number| item(number, "Chair")),
        ))
        .await;
    let mut bells = world.bells(Some(OPERATOR)).await;
    let channel = CHANNEL.to_owned();
    let refused = bells
        .open_channel(OpenChannelRequest {
            channel: channel.clone(),
        })
        .await;
    let tried = bells
        .test_doorbell(TestDoorbellRequest {
            channel,
            doorbell: "shop".into(),
        })
        .await;
    for refused in [refused.map(drop).unwrap_err(), tried.map(drop).unwrap_err()] {
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(
            refused.get_error_details().error_info().unwrap().reason,
            "STAGING_CHANNEL"
        );
    }
    assert_eq!(world.status("shop").await.state(), DoorbellState::Staging);
    assert!(shop.rings().is_empty());
    world.end().await;
}

/// Row 126: what is not taken comes again under the same id, and what comes after it waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_ring_that_is_not_taken_comes_again_under_its_id_and_in_its_place() {
    for ground in [Ground::embedded(), postgres().await] {
        let shop = Shop::open().await;
        let config = config("", &[shop.doorbell("shop", "")]);
        let mut world = World::ringing_on(ground, config).await;
        shop.answers(503);
        world.say_items(1..=3).await;
        let status = world.reaches("shop", DoorbellState::Failing).await;
        assert_eq!(
            (&*status.last_failure, status.failed_attempts),
            ("answered 503", 1)
        );
        assert!(status.next_attempt_at.is_some() && status.pending > 0);
        let is_failing = "millrace_doorbell_failing{channel=\"furniture\",doorbell=\"shop\"} 1";
        until(PATIENCE, "it is shown to fail", async || {
            world.metrics.text().contains(is_failing).then_some(())
        })
        .await;
        // Neither a restart nor the next change makes it impatient.
        world.stop().await;
        world.start(furniture("'DEALER'", "'EAST'")).await;
        shop.takes();
        shop.hears(4).await;
        world.has_nothing_pending("shop").await;
        let rings = shop.rings();
        assert_eq!(shop.keys(), [keys(1..=1), keys(1..=3)].concat());
        assert_eq!(told_by_id(&rings).len(), 3);
        assert_eq!(rings[0].id, rings[1].id);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_never_answers_delays_no_other() {
    let (dead, alive) = (Shop::open().await, Shop::open().await);
    dead.never_answers();
    let doorbells = [dead.doorbell("dead", ""), alive.doorbell("alive", "")];
    let world = World::ringing(config("", &doorbells)).await;
    world.say_items(1..=50).await;
    alive.hears(50).await;
    assert_eq!(alive.keys(), keys(1..=50));
    assert!(dead.rings().iter().all(|ring| ring.key() == item_key(1)));
    world.end().await;
}

/// Row 126: 410 switches off, the feed says so, and nothing is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn gone_switches_a_doorbell_off_until_somebody_switches_it_on() {
    let shop = Shop::open().await;
    let mut world = World::ringing(config("", &[shop.doorbell("shop", "")])).await;
    shop.answers(410);
    world.say_items(1..=2).await;
    let status = world.reaches("shop", DoorbellState::Off).await;
    assert!(status.off_reason.contains("410") && status.off_since.is_some());
    let told = world.pulled(At::Beginning(true), &["doorbells"]).await;
    let off = told.last().unwrap();
    assert_eq!(
        off.envelope.as_ref().unwrap().r#type,
        "millrace.doorbells.v1.DoorbellSwitchedOff"
    );
    let off = DoorbellSwitchedOff::decode(off.payload.clone()).unwrap();
    assert_eq!((off.reason(), &*off.doorbell), (OffReason::Gone, "shop"));
    let is_off = "millrace_doorbell_off{channel=\"furniture\",doorbell=\"shop\"} 1";
    let metrics = world.metrics.text();
    assert!(metrics.contains(is_off), "{metrics}");
    assert!(
        metrics.contains(
            "millrace_doorbell_failures_total{channel=\"furniture\",doorbell=\"shop\"} 1"
        ),
        "{metrics}"
    );
    // Whoever rings it next shows so, too.
    world.stop().await;
    world.start(furniture("'DEALER'", "'EAST'")).await;
    until(PATIENCE, "it is shown to be off", async || {
        world.metrics.text().contains(is_off).then_some(())
    })
    .await;
    shop.takes();
    world.say_items(3..=3).await;
    world.switch("shop", true, false).await;
    shop.hears(4).await;
    assert_eq!(shop.keys(), [keys(1..=1), keys(1..=3)].concat());
    assert_eq!(
        world
            .reaches("shop", DoorbellState::Ringing)
            .await
            .off_reason,
        ""
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_for_too_long_switches_a_doorbell_off() {
    let shop = Shop::open().await;
    let mut config = config("", &[shop.doorbell("shop", "")]);
    config.give_up_after = Duration::from_secs(1);
    let world = World::ringing(config).await;
    shop.answers(500);
    world.say_items(1..=1).await;
    let status = world.reaches("shop", DoorbellState::Off).await;
    assert_eq!(status.off_reason, "it failed for too long: answered 500");
    assert_eq!(shop.rings().len(), 2, "tried again once, then given up");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_doorbell_owes_can_be_given_up() {
    let shop = Shop::open().await;
    let world = World::ringing(config("", &[shop.doorbell("shop", "")])).await;
    world.switch("shop", false, false).await;
    world.reaches("shop", DoorbellState::Off).await;
    world.say_items(1..=3).await;
    until(PATIENCE, "three changes wait", async || {
        (world.status("shop").await.pending == 3).then_some(())
    })
    .await;
    world.switch("shop", true, true).await;
    world.reaches("shop", DoorbellState::Ringing).await;
    world.say_items(4..=4).await;
    shop.hears(1).await;
    assert_eq!(shop.keys(), keys(4..=4));
    world.end().await;
}

/// Row 126: one change, and a range, under the ids they always have.
#[tokio::test(flavor = "multi_thread")]
async fn one_change_or_a_range_is_rung_again() {
    for ground in [Ground::embedded(), postgres().await] {
        let shop = Shop::open().await;
        let config = config("", &[shop.doorbell("shop", "kinds = ['items']")]);
        let world = World::ringing_on(ground, config).await;
        world.say_items(1..=5).await;
        let first = shop.hears(5).await;
        let position = first[2].position();
        assert_eq!(world.replay("shop", position, 0).await.unwrap(), 1);
        assert_eq!(shop.hears(6).await[5], first[2]);
        let (from, to) = (first[1].position(), first[3].position());
        world.replay("shop", from, to).await.unwrap();
        assert_eq!(shop.hears(9).await[6..], first[1..4]);
        world.has_nothing_pending("shop").await;
        for (from, to, field) in [
            (0, 0, "first_position"),
            (9_999, 0, "first_position"),
            (2, 1, "last_position"),
            (1, 9_999, "last_position"),
        ] {
            let refused = world.replay("shop", from, to).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(
                refused.message().starts_with(field),
                "{}",
                refused.message()
            );
        }
        assert_eq!(shop.rings().len(), 9);
        world.end().await;
    }
}

/// Row 100: many changes, one ring.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_record_ring_once_in_a_while() {
    let shop = Shop::open().await;
    let coalesce = "coalesce = { by = 'key', within = '1s' }\nkinds = ['items']";
    let world = World::ringing(config("", &[shop.doorbell("shop", coalesce)])).await;
    for round in 0..10 {
        world
            .sources
            .say([
                item(1, &format!("One {round}")),
                item(2, &format!("Two {round}")),
            ])
            .await;
    }
    until(PATIENCE, "every change is rung for", async || {
        let told: u64 = shop.rings().iter().map(super::rung::Ring::count).sum();
        (told == 20).then_some(())
    })
    .await;
    // All of it took less than the second; a slow machine may need more than one window.
    assert!(shop.rings().len() <= 10, "{} rings", shop.rings().len());
    world.end().await;
}

/// Rows 100 and 126: what comes while a ring is under way belongs to the next, also when the first has to be begun again.
#[tokio::test(flavor = "multi_thread")]
async fn a_ring_for_several_changes_is_the_same_when_it_is_begun_again() {
    for ground in [Ground::embedded(), postgres().await] {
        let shop = Shop::open().await;
        let coalesce = "coalesce = { by = 'key', within = '300ms' }\nkinds = ['items']";
        let config = config("", &[shop.doorbell("shop", coalesce)]);
        let mut world = World::ringing_on(ground, config).await;
        shop.never_answers();
        let both = |name: &str| [item(1, name), item(2, name)];
        world.sources.say(both("first")).await;
        world.sources.say(both("second")).await;
        shop.hears(1).await;
        world.sources.say(both("third")).await;
        world.reaches("shop", DoorbellState::Failing).await;
        world.stop().await;
        shop.takes();
        world.start(furniture("'DEALER'", "'EAST'")).await;
        world.sources.say(both("fourth")).await;
        let rings = until(PATIENCE, "every change is rung for", async || {
            let rings = shop.rings();
            let told: u64 = taken(&rings).map(super::rung::Ring::count).sum();
            (told >= 8).then_some(rings)
        })
        .await;
        let told: u64 = taken(&rings).map(super::rung::Ring::count).sum();
        assert_eq!(told, 8, "each change is in one ring that was taken");
        assert!(told_by_id(&rings).len() < rings.len(), "one came again");
        world.end().await;
    }
}

fn taken(rings: &[super::rung::Ring]) -> impl Iterator<Item = &super::rung::Ring> {
    rings.iter().filter(|ring| ring.taken)
}

/// Row 100: by schedule, and then all of it in order, with the changes themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_doorbell_with_a_schedule_rings_at_its_beats() {
    let shop = Shop::open().await;
    let every = "every = '2s'\npayload = 'full'\nkinds = ['items']";
    let world = World::ringing(config("", &[shop.doorbell("shop", every)])).await;
    world.say_items(1..=5).await;
    let rings = shop.hears(5).await;
    assert_eq!(shop.keys(), keys(1..=5));
    let item = &rings[0].body["data"]["payload"]["item"];
    assert_eq!(item["display_name"], "Chair");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_rings_at_once_and_says_what_the_shop_answered() {
    let shop = Shop::open().await;
    let world =
        World::closed_on(Ground::embedded(), config("", &[shop.doorbell("shop", "")])).await;
    let request = TestDoorbellRequest {
        channel: CHANNEL.into(),
        doorbell: "shop".into(),
    };
    let mut bells = world.bells(Some(OPERATOR)).await;
    let answer = bells
        .test_doorbell(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert!(answer.taken && answer.failure.is_empty() && answer.took.is_some());
    let rings = shop.rings();
    assert_eq!((rings.len(), &rings[0].id), (1, &answer.webhook_id));
    assert_eq!(rings[0].body["type"], "millrace.test");
    shop.answers(401);
    let answer = bells.test_doorbell(request).await.unwrap().into_inner();
    assert_eq!((answer.taken, &*answer.failure), (false, "answered 401"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_the_feed_may_not_see_to_its_doorbells() {
    let shop = Shop::open().await;
    let world =
        World::closed_on(Ground::embedded(), config("", &[shop.doorbell("shop", "")])).await;
    let request = ListDoorbellsRequest {
        channel: CHANNEL.into(),
    };
    let refused = world
        .bells(Some(SHOP))
        .await
        .list_doorbells(request)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut bells = world.bells(Some(OPERATOR)).await;
    let request = TestDoorbellRequest {
        channel: CHANNEL.into(),
        doorbell: "door".into(),
    };
    assert_eq!(
        bells.test_doorbell(request).await.unwrap_err().code(),
        Code::NotFound
    );
    let silent = SwitchDoorbellRequest {
        channel: CHANNEL.into(),
        doorbell: "shop".into(),
        ..Default::default()
    };
    let refused = bells.switch_doorbell(silent).await.unwrap_err();
    assert!(
        refused.message().starts_with("note"),
        "{}",
        refused.message()
    );
    world.end().await;
}
