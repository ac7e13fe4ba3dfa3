//! Whatever a shop answers and however often the service is started again, with other settings or the same: every change is in a ring
//! that the shop took, and the shop hears of changes in the order of its feed.

use std::collections::BTreeSet;

use millrace_contract::changes::v1::start::At;
use millrace_test_rig::{seeds, until};

use crate::harness::{Ground, PATIENCE, World, furniture};
use crate::rung::{Ring, Shop, config, told_by_id};
use crate::source::*;

const TURNS: usize = 25;
const RHYTHMS: [&str; 4] = [
    "",
    "coalesce = { by = 'key', within = '50ms' }",
    "coalesce = { by = 'kind', within = '50ms' }",
    "coalesce = { by = 'channel', within = '50ms' }",
];

/// A small generator: the same turns for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Rows 97, 100 and 126.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_taken_in_order_whatever_happens() {
    for seed in seeds("doorbells", 6, 200) {
        let mut dice = Dice(seed);
        let shop = Shop::open().await;
        let rhythm = RHYTHMS[dice.roll(RHYTHMS.len())];
        let set = |rhythm| config("", &[shop.doorbell("shop", rhythm)]);
        let mut world = World::ringing_on(Ground::embedded(), set(rhythm)).await;
        let mut changed = false;
        for turn in 0..TURNS {
            match dice.roll(8) {
                0..4 => {
                    let number = u32::try_from(dice.roll(5)).unwrap();
                    world.sources.say([item(number, &format!("{turn}"))]).await;
                }
                4 => shop.answers([500, 503, 302][dice.roll(3)]),
                5 => shop.takes(),
                6 => world.switch("shop", true, false).await,
                _ => {
                    world.stop().await;
                    if dice.roll(3) == 0 {
                        world.config = set(RHYTHMS[dice.roll(RHYTHMS.len())]);
                        changed = true;
                    }
                    world.start(furniture("'DEALER'", "'EAST'")).await;
                }
            }
        }
        shop.takes();
        world.switch("shop", true, false).await;
        let last = item(9, "the last");
        world.sources.say([last.clone()]).await;
        // Which of several keys comes last in the feed is not for the test to say.
        let (feed, taken) = until(PATIENCE, "the feed's end is taken", async || {
            let feed = items_of(&world).await;
            let status = world.status("shop").await;
            let taken: Vec<Ring> = shop.rings().into_iter().filter(|ring| ring.taken).collect();
            let told = taken.iter().map(Ring::position).max();
            let end = feed.iter().map(|(position, _)| *position).max();
            let is_there = feed.iter().any(|(_, key)| *key == last.key);
            let is_all = is_there && told == end && status.pending == 0;
            is_all.then_some((feed, taken))
        })
        .await;
        // Other settings make other rings of what was under way: something may have been told twice, but not under one id.
        if changed {
            told_by_id(&taken);
        } else {
            judge(&feed, &taken, seed);
        }
        world.end().await;
    }
}

/// Position and key of every item's change in the feed.
async fn items_of(world: &World) -> Vec<(u64, String)> {
    let feed = world.pulled(At::Beginning(true), &["items"]).await;
    let envelopes = feed.into_iter().filter_map(|change| change.envelope);
    envelopes
        .map(|envelope| (envelope.position, envelope.key))
        .collect()
}

fn judge(feed: &[(u64, String)], taken: &[Ring], seed: u64) {
    let counted: u64 = told_by_id(taken)
        .values()
        .map(|body| body["data"]["count"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, feed.len() as u64, "seed {seed}: {feed:?}");
    let mut seen = BTreeSet::new();
    let once = taken.iter().filter(|ring| seen.insert(ring.id.clone()));
    let told: Vec<u64> = once.map(Ring::position).collect();
    if told.len() == feed.len() {
        assert!(told.is_sorted(), "seed {seed}: {told:?}");
    }
}
