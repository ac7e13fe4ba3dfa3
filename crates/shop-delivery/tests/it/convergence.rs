//! Whatever happens in whatever order, a reader that follows from the beginning and a newcomer both end up with exactly what the
//! channel may see.

use std::collections::BTreeMap;

use millrace_contract::changes::v1::start::At;
use millrace_event_store::NewEvent;
use millrace_test_rig::{rounds, seeds, soak_result, until};

use crate::harness::{PATIENCE, Shown, World, apply, furniture};
use crate::source::*;

const GROUPS: [&str; 3] = ["", "DEALER", "STAFF"];

/// The sources as they are now.
#[derive(Default)]
struct Truth {
    /// Present: content and whether it is blocked.
    items: BTreeMap<u32, (NewEvent, bool)>,
    prices: BTreeMap<(u32, &'static str), NewEvent>,
    stock: BTreeMap<u32, Vec<(&'static str, i64)>>,
}

impl Truth {
    /// One more thing that happens.
    fn turn(&mut self, dice: &mut Dice) -> NewEvent {
        let number = dice.roll(4) + 1;
        let group = GROUPS[dice.roll(3) as usize];
        match dice.roll(10) {
            0..3 => self.has_item(
                number,
                item(number, &format!("name {}", dice.roll(3))),
                false,
            ),
            3 => self.has_item(number, blocked(number, "blocked"), true),
            4 => {
                self.items.remove(&number);
                no_item(number)
            }
            5..7 => {
                let price = price(number, group, i64::from(dice.roll(3)));
                self.prices.insert((number, group), price.clone());
                price
            }
            7 => {
                self.prices.remove(&(number, group));
                no_price(number, group)
            }
            _ => {
                let locations: &[&str] =
                    [&["EAST"][..], &["WEST"], &["EAST", "WEST"]][dice.roll(3) as usize];
                let figures: Vec<(&str, i64)> = locations
                    .iter()
                    .map(|code| (*code, i64::from(dice.roll(3))))
                    .collect();
                self.stock.insert(number, figures.clone());
                stock(number, &figures)
            }
        }
    }

    fn has_item(&mut self, number: u32, event: NewEvent, blocked: bool) -> NewEvent {
        self.items.insert(number, (event.clone(), blocked));
        event
    }

    fn visible(&self) -> Shown {
        let mut shown = Shown::new();
        for (number, (item, blocked)) in &self.items {
            if *blocked {
                continue;
            }
            shown.insert(item.key.clone(), item.payload.clone());
            for group in ["", "DEALER"] {
                if let Some(price) = self.prices.get(&(*number, group)) {
                    shown.insert(price.key.clone(), price.payload.clone());
                }
            }
            let figures = self.stock.get(number).into_iter().flatten();
            let east: Vec<(&str, i64)> = figures
                .filter(|(location, _)| *location == "EAST")
                .copied()
                .collect();
            if !east.is_empty() {
                shown.insert(
                    stock_key(*number),
                    stock_payload(*number, &east, &["furniture"]),
                );
            }
        }
        shown
    }
}

#[tokio::test]
async fn readers_end_up_with_exactly_what_the_channel_may_see() {
    let (mut stories, mut told) = (0, 0);
    for seed in seeds("feed convergence", 6, 300) {
        let mut dice = Dice(seed | 1);
        let mut truth = Truth::default();
        let mut world = World::embedded().await;
        for _ in 0..rounds(3, 10) {
            let events: Vec<NewEvent> = (0..30).map(|_| truth.turn(&mut dice)).collect();
            told += events.len();
            world.sources.say(events).await;
            if dice.roll(2) == 0 {
                world.stop().await;
                world.start(furniture("'DEALER'", "'EAST'")).await;
            }
        }
        let wanted = truth.visible();
        world.until_shown(&wanted).await;
        // The feed may pass through the wanted state on its way: the follower has until it is there to stay.
        until(
            PATIENCE,
            &format!("seed {seed}: a follower knows the same"),
            async || (followed(&world).await == wanted).then_some(()),
        )
        .await;
        world.until_shown(&wanted).await;
        world.end().await;
        stories += 1;
    }
    let outcome = format!(
        "{stories} stories, {told} records, every reader with exactly what its channel may see"
    );
    soak_result("feed-convergence", &outcome).unwrap();
}

/// What somebody knows who read every change from the first on.
async fn followed(world: &World) -> Shown {
    let (changes, _) = world.subscribe(At::Beginning(true)).await.caught_up().await;
    let mut followed = Shown::new();
    for change in &changes {
        apply(&mut followed, change);
    }
    followed
}

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 11) % u64::from(sides)).unwrap()
    }
}
