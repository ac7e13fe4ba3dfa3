//! A big company: a full read stays quick and its pages stay small, and a hint is followed at once.

use std::time::Instant;

use millrace_erp::{Erp, Flow};
use millrace_erp_simulator::{Config, company};
use serde_json::json;

use crate::mirror::{Mirror, assert_equal};
use crate::world::world_with;

#[tokio::test]
async fn four_thousand_items_arrive_whole_in_pages() {
    let mut data = company::demo();
    company::scale(&mut data, 4000);
    let world = world_with(
        Config {
            company: data,
            ..Config::default()
        },
        |settings| {
            settings.reading.page_size = 500;
        },
    )
    .await;
    let mut mirror = Mirror::default();
    let began = Instant::now();
    mirror.catch_up_all(&*world.erp).await;
    millrace_test_rig::say(&format!(
        "erp: full read of {} items, their prices and stock in {:?}, {} requests",
        mirror.facts.items.len(),
        began.elapsed(),
        world.erp.usage().started
    ));
    assert!(mirror.facts.items.len() > 4000);
    assert_equal(&mirror, &world.simulator);
    let mut took = Vec::new();
    let number = world
        .simulator
        .read(|tables| tables.items.iter().next().unwrap().number.clone());
    for round in 0..20 {
        world
            .simulator
            .office(
                "change-item",
                json!({ "number": number, "name": format!("Name {round}") }),
            )
            .await
            .unwrap();
        let began = Instant::now();
        let page = world
            .erp
            .read(Flow::Items, mirror.cursor(Flow::Items).as_ref())
            .await
            .unwrap();
        took.push(began.elapsed());
        assert_eq!(
            page.observations.len(),
            1,
            "a change costs one item, not four thousand"
        );
        mirror.catch_up(&*world.erp, Flow::Items).await;
    }
    took.sort();
    millrace_test_rig::say(&format!("erp: a change is read in {:?} (median)", took[10]));
}
