//! Questions and answers, with the generated client.

use std::collections::BTreeSet;

use millrace_contract::stock::v1 as wire;
use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_test_rig::until;
use serde_json::json;

use crate::harness::{PATIENCE, TOYS, World, get, sku};

/// Rows 78 and 79: what the index says is what the ERP says.
#[tokio::test]
async fn every_figure_of_the_erp_can_be_looked_up() {
    let world = World::begin().await;
    // Wherever something lies or lay; the ERP also says zero of what it never had, which the index does not know.
    let keys: BTreeSet<(String, String)> = world.simulator.read(|tables| {
        let sold_here = |location: &str| ["MAIN", "SOUTH"].contains(&location);
        let figures = tables
            .figures
            .iter()
            .filter(|figure| sold_here(&figure.location));
        figures
            .map(|figure| {
                (
                    tables.items.get(figure.item).unwrap().number.clone(),
                    figure.variant.clone(),
                )
            })
            .collect()
    });
    assert!(keys.len() > 60, "{}", keys.len());
    let ask = |source: wire::Source| {
        let request = wire::BatchGetAvailabilityRequest {
            channel: "furniture-de".into(),
            skus: keys
                .iter()
                .map(|(item, variant)| sku(item, variant))
                .collect(),
            source: source as i32,
            by_location: true,
        };
        let mut client = world.client.clone();
        async move {
            client
                .batch_get_availability(request)
                .await
                .unwrap()
                .into_inner()
                .availabilities
        }
    };
    let live = ask(wire::Source::Live).await;
    let index = until(PATIENCE, "everything published has arrived", async || {
        let index = ask(wire::Source::Index).await;
        index.iter().all(|answer| answer.known).then_some(index)
    })
    .await;
    assert_eq!(index.len(), keys.len());
    for (index, live) in index.iter().zip(&live) {
        assert_eq!(
            (index.source(), live.source()),
            (wire::Source::Index, wire::Source::Live)
        );
        assert_eq!(
            (&index.sku, index.known, &index.available, &index.unit),
            (&live.sku, live.known, &live.available, &live.unit)
        );
        let places = |answer: &wire::Availability| -> Vec<_> {
            answer
                .locations
                .iter()
                .map(|place| (place.location_code.clone(), place.available))
                .collect()
        };
        assert_eq!(places(index), places(live), "{:?}", index.sku);
    }
}

/// Row 74: the figure follows the ERP.
#[tokio::test]
async fn a_movement_in_the_erp_changes_the_answer() {
    let world = World::begin().await;
    world
        .office(
            "create-item",
            json!({ "number": "NEW-1", "name": "New", "unitPrice": 5 }),
        )
        .await;
    assert_eq!(world.available("NEW-1", "").await, None);
    world
        .office(
            "move-stock",
            json!({ "item": "NEW-1", "quantity": 12, "location": "MAIN" }),
        )
        .await;
    world.eventually("NEW-1", "", Some(12)).await;
    world
        .office(
            "move-stock",
            json!({ "item": "NEW-1", "quantity": 5, "location": "SOUTH" }),
        )
        .await;
    world
        .office(
            "move-stock",
            json!({ "item": "NEW-1", "quantity": 7, "location": "OUTLET" }),
        )
        .await;
    world.eventually("NEW-1", "", Some(17)).await;
    world
        .office(
            "plan-stock",
            json!({ "item": "NEW-1", "location": "MAIN", "safety": 4, "reserved": 1 }),
        )
        .await;
    world.eventually("NEW-1", "", Some(12)).await;
    world
        .office(
            "move-stock",
            json!({ "item": "NEW-1", "quantity": -40, "location": "MAIN" }),
        )
        .await;
    world.eventually("NEW-1", "", Some(0)).await;
}

#[tokio::test]
async fn a_renamed_item_is_answered_under_its_new_number() {
    let world = World::begin().await;
    world
        .office(
            "create-item",
            json!({ "number": "OLD-1", "name": "Old", "unitPrice": 5 }),
        )
        .await;
    world
        .office(
            "move-stock",
            json!({ "item": "OLD-1", "quantity": 3, "location": "MAIN" }),
        )
        .await;
    world.eventually("OLD-1", "", Some(3)).await;
    world
        .office(
            "rename-item",
            json!({ "number": "OLD-1", "newNumber": "FRESH-1" }),
        )
        .await;
    world
        .office(
            "move-stock",
            json!({ "item": "FRESH-1", "quantity": 1, "location": "MAIN" }),
        )
        .await;
    world.eventually("FRESH-1", "", Some(4)).await;
    assert_eq!(world.available("OLD-1", "").await, None);
}

#[tokio::test]
async fn what_nobody_knows_is_unknown_and_not_zero() {
    let mut world = World::begin().await;
    let answer = get(&mut world.client, "NO-SUCH", "", wire::Source::Index).await;
    assert!(!answer.known);
    assert_eq!(
        (answer.available, answer.as_of, answer.version),
        (None, None, 0)
    );
    assert_eq!(answer.sku, Some(sku("NO-SUCH", "")));
    let live = get(&mut world.client, "NO-SUCH", "", wire::Source::Live).await;
    assert!(
        !live.known && live.source() == wire::Source::Live,
        "{live:?}"
    );
}

#[tokio::test]
async fn an_answer_says_how_old_it_is_and_where_it_comes_from() {
    let mut world = World::begin().await;
    let answer = get(&mut world.client, "1702", "", wire::Source::Unspecified).await;
    assert!(answer.known && !answer.stale, "{answer:?}");
    assert_eq!(
        (answer.source(), answer.unit.as_str()),
        (wire::Source::Index, "PCS")
    );
    assert!(answer.version >= 1 && answer.as_of.is_some());
}

#[tokio::test]
async fn questions_on_a_stream_are_answered_in_their_order() {
    let mut world = World::begin().await;
    let items: Vec<String> = (0..250)
        .map(|number| {
            if number % 2 == 0 {
                "1702".into()
            } else {
                format!("NO-{number}")
            }
        })
        .collect();
    let questions: Vec<_> = items
        .iter()
        .map(|item| wire::StreamAvailabilityRequest {
            channel: "furniture-de".into(),
            sku: Some(sku(item, "")),
            by_location: false,
        })
        .collect();
    let mut answers = world
        .client
        .stream_availability(tokio_stream::iter(questions))
        .await
        .unwrap()
        .into_inner();
    let mut answered = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        let availability = answer.availability.unwrap();
        assert_eq!(
            availability.known,
            availability.sku.as_ref().unwrap().item_number == "1702"
        );
        answered.push(availability.sku.unwrap().item_number);
    }
    assert_eq!(answered, items);
}

/// F20: the index answers when the ERP does not.
#[tokio::test]
async fn a_live_question_falls_back_to_the_index_and_says_so() {
    let mut world = World::begin().await;
    let before = get(&mut world.client, "1702", "", wire::Source::Index).await;
    world.simulator.fault(
        Rule::new(Kind::Unavailable)
            .on("POST", "stockLookups")
            .times(0),
    );
    let answer = get(&mut world.client, "1702", "", wire::Source::Live).await;
    assert_eq!(answer.source(), wire::Source::IndexFallback);
    assert_eq!((answer.known, answer.available), (true, before.available));
    world.simulator.clear_faults();
    let answer = get(&mut world.client, "1702", "", wire::Source::Live).await;
    assert_eq!(answer.source(), wire::Source::Live);
}

#[tokio::test]
async fn live_questions_asked_together_share_a_request() {
    let world = World::begin().await;
    // The rule never runs out and takes no time: it only counts.
    let slow = Rule::new(Kind::SlowAnswer)
        .on("POST", "stockLookups")
        .times(0)
        .delay(std::time::Duration::from_millis(50));
    world.simulator.fault(slow);
    let asks = (0..40).map(|_| {
        let mut client = world.client.clone();
        async move {
            get(&mut client, "1702", "", wire::Source::Live)
                .await
                .source()
        }
    });
    let sources = futures::future::join_all(asks).await;
    assert!(
        sources.iter().all(|source| *source == wire::Source::Live),
        "{sources:?}"
    );
    let requests = world.simulator.fired("slowAnswer");
    assert!(
        (1..=4).contains(&requests),
        "{requests} requests for 40 questions"
    );
}

#[tokio::test]
async fn only_a_channel_that_deducts_its_own_orders_gets_an_allocation() {
    let mut world = World::begin().await;
    assert!(
        get(&mut world.client, "1702", "", wire::Source::Index)
            .await
            .allocation
            .is_some()
    );
    let request = wire::GetAvailabilityRequest {
        channel: "toys-de".into(),
        sku: Some(sku("1702", "")),
        ..Default::default()
    };
    let answer = world
        .service
        .client(Some(TOYS))
        .await
        .get_availability(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.availability.unwrap().allocation, None);
}
