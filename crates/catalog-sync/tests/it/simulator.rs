//! The service against a simulated Business Central with the companion, over real HTTP.

use std::time::Duration;

use millrace_erp_simulator::Simulator;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_test_rig::{seeds, soak_result};
use serde_json::{Value, json};

use crate::harness::{database, start};
use crate::truth::{adapter, simulator, truth, until_equal};

/// Rows 2 and 12.
#[tokio::test]
async fn the_company_is_in_the_catalog_as_it_is_in_the_erp() {
    let simulator = simulator().await;
    let running = start(adapter(&simulator), database().await).await;
    running.ready().await;
    until_equal(&running, &simulator).await;
    let (items, prices) = truth(&simulator);
    assert!(
        items.len() >= 40 && prices.len() >= 100,
        "{} items, {} prices",
        items.len(),
        prices.len()
    );
    assert_eq!(
        running.told("ItemChanged").await.len(),
        items.len(),
        "each once"
    );
    running.stop().await;
    simulator.stop().await;
}

/// Rows 3, 4, 9, 10, 11 and 26.
#[tokio::test]
async fn what_people_do_in_the_erp_arrives_and_nothing_else() {
    let simulator = simulator().await;
    let running = start(adapter(&simulator), database().await).await;
    running.ready().await;
    until_equal(&running, &simulator).await;
    let number = truth(&simulator).0.into_keys().next().unwrap();
    let before = running.told("ItemChanged").await.len();
    for (act, body) in [
        (
            "change-item",
            json!({ "number": number, "name": "Renamed" }),
        ),
        (
            "rename-item",
            json!({ "number": number, "newNumber": "RENUMBERED" }),
        ),
        (
            "create-item",
            json!({ "number": "FRESH", "name": "Fresh", "unitPrice": 9.99 }),
        ),
        (
            "create-variant",
            json!({ "item": "FRESH", "code": "OAK", "description": "Oak" }),
        ),
        (
            "change-variant",
            json!({ "item": "FRESH", "code": "OAK", "blocked": true }),
        ),
        (
            "set-price",
            json!({ "item": "FRESH", "variant": "OAK", "priceGroup": "TRADE", "unitPrice": 7.5, "minimum": 10 }),
        ),
        (
            "change-item",
            json!({ "number": "FRESH", "unitPrice": 8.88 }),
        ),
        (
            "delete-price",
            json!({ "item": "FRESH", "variant": "OAK", "priceGroup": "TRADE", "minimum": 10 }),
        ),
        ("change-item", json!({ "number": "FRESH", "blocked": true })),
        (
            "change-item",
            json!({ "number": "FRESH", "blocked": false }),
        ),
        (
            "create-item",
            json!({ "number": "BRIEF", "name": "Brief", "unitPrice": 1 }),
        ),
        ("delete-item", json!({ "number": "BRIEF" })),
    ] {
        simulator
            .office(act, body)
            .await
            .unwrap_or_else(|refusal| panic!("{act}: {refusal:?}"));
        until_equal(&running, &simulator).await;
    }
    let told = running.told("ItemChanged").await;
    let touched: std::collections::BTreeSet<&str> =
        told[before..].iter().map(|event| &*event.stream).collect();
    assert_eq!(
        touched.len(),
        3,
        "only the renamed item and the two fresh ones were told"
    );
    assert_eq!(running.told("ItemDeleted").await.len(), 1);
    running.stop().await;
    simulator.stop().await;
}

/// Whatever the ERP does to us, in the end the catalog is what the ERP holds.
#[tokio::test(flavor = "multi_thread")]
async fn an_erp_that_fails_in_every_way_delays_the_catalog_and_harms_nothing() {
    let (mut rounds, mut fired) = (0, 0);
    for seed in seeds("catalog under faults", 3, 200) {
        let mut dice = Dice(seed | 1);
        let simulator = simulator().await;
        simulator.office("backup", json!({})).await.unwrap();
        let mut database = database().await;
        let mut running = start(adapter(&simulator), database).await;
        for _ in 0..40 {
            match dice.roll(12) {
                0..6 => office(&simulator, &mut dice).await,
                6..9 => fault(&simulator, &mut dice),
                9 => _ = simulator.office("restore", json!({})).await,
                10 => _ = simulator.office("forget-changes", json!({})).await,
                _ => {
                    database = running.stop().await;
                    running = start(adapter(&simulator), database).await;
                }
            }
        }
        rounds += 1;
        fired += READING
            .map(|(_, name)| simulator.fired(name))
            .iter()
            .sum::<u64>();
        simulator.clear_faults();
        until_equal(&running, &simulator).await;
        running.stop().await;
        simulator.stop().await;
    }
    let outcome =
        format!("{rounds} rounds of 40 turns, {fired} faults fired, equal to the ERP every time");
    soak_result("catalog-under-faults", &outcome).unwrap();
}

/// What can go wrong with a read, and what the simulator calls it.
const READING: [(Kind, &str); 5] = [
    (Kind::Throttle, "throttle"),
    (Kind::Unavailable, "unavailable"),
    (Kind::GatewayTimeout, "gatewayTimeout"),
    (Kind::LostAnswer, "lostAnswer"),
    (Kind::TokenExpired, "tokenExpired"),
];

fn fault(simulator: &Simulator, dice: &mut Dice) {
    let (kind, _) = READING[dice.roll(READING.len())];
    let page = ["items", "itemVariants", "priceLines", "changeWindows", ""][dice.roll(5)];
    let when = [When::Before, When::After][dice.roll(2)];
    let rule = Rule::new(kind)
        .times(dice.roll(3) as u64 + 1)
        .delay(Duration::from_millis(30));
    simulator.fault(rule.on("GET", page).when(when));
}

async fn office(simulator: &Simulator, dice: &mut Dice) {
    let numbers: Vec<String> = truth(simulator).0.into_keys().collect();
    let item = &numbers[dice.roll(numbers.len())];
    let value = dice.roll(1_000);
    let price = f64::from(u32::try_from(value).unwrap()) / 8.0 + 1.0;
    let (act, body): (&str, Value) = match dice.roll(6) {
        0 => (
            "change-item",
            json!({ "number": item, "name": format!("Name {value}"), "blocked": value.is_multiple_of(4) }),
        ),
        1 => (
            "rename-item",
            json!({ "number": item, "newNumber": format!("R{value}") }),
        ),
        2 => (
            "create-item",
            json!({ "number": format!("C{value}"), "name": "Created", "unitPrice": price }),
        ),
        3 => ("delete-item", json!({ "number": item })),
        4 => (
            "create-variant",
            json!({ "item": item, "code": format!("V{value}"), "description": "Variant" }),
        ),
        _ => (
            "set-price",
            json!({ "item": item, "unitPrice": price, "minimum": value % 3, "priceGroup": "VIP" }),
        ),
    };
    // What the ERP's own rules refuse is no part of this test.
    _ = simulator.office(act, body).await;
}

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % sides as u64).unwrap()
    }
}
