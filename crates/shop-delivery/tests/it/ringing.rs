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
        until(PATIENCE, "the last change is taken", async || {
            let rings = shop.rings();
            let is_last = |ring: &Ring| ring.taken && ring.key() == last.key;
            rings.iter().any(is_last).then_some(())
        })
        .await;
        world.has_nothing_pending("shop").await;
        judge(&world, &shop, changed, seed).await;
        world.end().await;
    }
}

async fn judge(world: &World, shop: &Shop, changed: bool, seed: u64) {
    let feed = world.pulled(At::Beginning(true), &["items"]).await;
    let feed: Vec<(u64, String)> = feed
        .into_iter()
        .filter_map(|change| change.envelope)
        .map(|envelope| (envelope.position, envelope.key))
        .collect();
    let taken: Vec<Ring> = shop.rings().into_iter().filter(|ring| ring.taken).collect();
    // The latest of each key was told, and so was everything in between, if only as a number.
    let told: BTreeSet<u64> = taken.iter().map(Ring::position).collect();
    let end = feed.last().map(|(position, _)| *position);
    assert_eq!(told.last().copied(), end, "seed {seed}");
    if changed {
        return;
    }
    let rings: BTreeSet<&str> = taken.iter().map(|ring| ring.id.as_str()).collect();
    let once = told_by_id(&taken);
    assert_eq!(rings.len(), once.len());
    let counted: u64 = once
        .values()
        .map(|body| body["data"]["count"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, feed.len() as u64, "seed {seed}");
    // In the order of the first change of each: that is where its token begins.
    let mut seen = BTreeSet::new();
    let firsts = taken.iter().filter(|ring| seen.insert(ring.id.clone()));
    let ends: Vec<u64> = firsts.map(Ring::position).collect();
    if ends.len() == feed.len() {
        assert!(ends.is_sorted(), "seed {seed}: {ends:?}");
    }
}
