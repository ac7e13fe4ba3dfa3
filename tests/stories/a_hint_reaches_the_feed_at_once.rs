//! What Business Central's webhook tells of is in the shop's feed long before the next look at the ERP.

use std::time::{Duration, Instant};

use millrace_contract::changes::v1::start::At;
use millrace_contract::changes::v1::subscribe_response::Message as FeedMessage;
use millrace_contract::changes::v1::{Start, SubscribeRequest, SubscribeResponse};
use millrace_contract::items::v1::ItemChanged;
use millrace_test_rig::until;
use prost::Message;
use serde_json::json;
use tonic::Streaming;

use crate::shop::Shop;
use crate::world::{CHANNEL, PATIENCE, Plan, World};

/// Nobody looks at the ERP more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// Far below: the simulator gathers changes for a fifth of a second, the rest is our own way.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_the_feed_long_before_the_next_look_at_the_erp() {
    let plan = Plan {
        look_every: LOOK_EVERY,
        hooked: true,
        ..Plan::default()
    };
    let world = World::in_one_process(plan).await;
    until(PATIENCE, "the ERP knows whom to tell", async || {
        let subscribed = world.simulator.read(|tables| tables.subscriptions.len());
        (subscribed > 0).then_some(())
    })
    .await;
    let mut shop = world.shop().await;
    let mut feed = live_feed(&mut shop).await;
    // Three, so that one that fell on the moment of a look by chance does not make the story true.
    for round in 0..3 {
        let name = format!("Told at once, {round}");
        let change = json!({ "number": "1503", "name": name });
        world.simulator.office("change-item", change).await.unwrap();
        let saved = Instant::now();
        tokio::time::timeout(PATIENCE, tells_of(&mut feed, &name))
            .await
            .expect("the feed tells of the change");
        let took = saved.elapsed();
        println!("in the feed {} ms after the ERP saved it", took.as_millis());
        assert!(took < AT_ONCE, "it took {took:?}");
    }
}

/// The feed's items from its live end on.
async fn live_feed(shop: &mut Shop) -> Streaming<SubscribeResponse> {
    let request = SubscribeRequest {
        channel: CHANNEL.into(),
        consumer: "story".into(),
        start: Some(Start {
            at: Some(At::Snapshot(true)),
        }),
        kinds: vec!["items".into()],
    };
    let mut feed = shop.feed.subscribe(request).await.unwrap().into_inner();
    until(PATIENCE, "the feed has told what was there", async || {
        let answer = feed.message().await.unwrap()?;
        matches!(answer.message, Some(FeedMessage::CaughtUpToken(_))).then_some(())
    })
    .await;
    feed
}

async fn tells_of(feed: &mut Streaming<SubscribeResponse>, name: &str) {
    loop {
        let answer = feed.message().await.unwrap().expect("the feed goes on");
        let Some(FeedMessage::Change(change)) = answer.message else {
            continue;
        };
        let changed = ItemChanged::decode(change.payload).unwrap();
        if changed.item.is_some_and(|item| item.display_name == name) {
            return;
        }
    }
}
