//! What holds whatever goes wrong: nothing is missed by who follows, and one key makes one order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_service_kit::Ids;
use reqwest::Method;
use serde_json::json;

use crate::rig::{Rig, order};

const SEED: u64 = 20_261_122;

fn draw(ids: &Ids, below: u64) -> u64 {
    u64::from(ids.bytes::<1>()[0]) % below
}

#[tokio::test]
async fn a_follower_misses_nothing_while_late_commits_overtake_each_other() {
    let rig = Arc::new(Rig::start().await);
    let done = Arc::new(AtomicBool::new(false));
    let mut cursor = rig.cursor().await;
    let start = cursor;
    let follower = tokio::spawn({
        let (rig, done) = (rig.clone(), done.clone());
        async move {
            let mut seen = Vec::new();
            loop {
                // Whoever looks after the end has seen the end.
                let last = done.load(Ordering::SeqCst);
                let (entries, upper) = rig.changes(cursor).await;
                seen.extend(
                    entries
                        .iter()
                        .filter_map(|entry| entry["systemRowVersion"].as_i64()),
                );
                assert!(upper >= cursor, "a cursor never goes back");
                cursor = upper;
                if last && entries.is_empty() {
                    return seen;
                }
            }
        }
    });
    let writers = (0..4).map(|writer: u64| {
        let rig = rig.clone();
        tokio::spawn(async move {
            let ids = Ids::seeded(SEED + writer);
            for nth in 0..25 {
                if draw(&ids, 4) == 0 {
                    let kind = if draw(&ids, 3) == 0 {
                        Kind::DirtyRead
                    } else {
                        Kind::LateCommit
                    };
                    let delay = Duration::from_millis(draw(&ids, 40));
                    rig.simulator.fault(
                        Rule::new(kind)
                            .on("POST", "_office/move-stock")
                            .delay(delay),
                    );
                }
                let item = format!("{}", 1000 + draw(&ids, 10));
                rig.office(
                    "move-stock",
                    json!({ "item": item, "location": "MAIN", "quantity": nth + 1 }),
                )
                .await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("a writer ends");
    }
    // Held transactions are still open; the boundary tells when the last one ended.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let last = rig.simulator.read(|tables| {
            tables
                .queue
                .iter()
                .last()
                .map_or(0, |entry| entry.stamp.version)
        });
        if rig.cursor().await >= last {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "a transaction stays open"
        );
    }
    done.store(true, Ordering::SeqCst);
    let seen = follower.await.expect("the follower ends");
    let all: Vec<i64> = rig.simulator.read(|tables| {
        tables
            .queue
            .iter()
            .map(|entry| entry.stamp.version)
            .filter(|version| *version > start)
            .collect()
    });
    assert_eq!(seen, all, "seed {SEED}: every entry once, in order");
    assert!(
        rig.simulator.fired("lateCommit") > 0,
        "seed {SEED}: no commit was late"
    );
}

#[tokio::test]
async fn whatever_is_lost_or_late_one_key_makes_one_order() {
    let rig = Rig::start().await;
    let ids = Ids::seeded(SEED);
    let url = rig.companion("orderBuffer");
    for nth in 0..40 {
        for _ in 0..draw(&ids, 4) {
            let kinds = [
                Kind::LostAnswer,
                Kind::GatewayTimeout,
                Kind::LateCommit,
                Kind::DirtyRead,
                Kind::Throttle,
                Kind::Unavailable,
            ];
            let kind = kinds[usize::try_from(draw(&ids, 6)).unwrap_or_default()];
            let when = [When::Before, When::After, When::Later]
                [usize::try_from(draw(&ids, 3)).unwrap_or_default()];
            let rule = Rule::new(kind)
                .on("POST", "orderBuffer")
                .when(when)
                .delay(Duration::from_millis(draw(&ids, 30)));
            rig.simulator.fault(rule);
        }
        let mut wanted = order(&format!("P{nth}"));
        wanted["processNow"] = json!(true);
        loop {
            let answer = rig.request(Method::POST, &url).json(&wanted).send().await;
            if let Ok(answer) = answer
                && answer.status().is_success()
            {
                let body: serde_json::Value = answer.json().await.expect("json");
                assert_eq!(body["state"], "created", "{body}");
                break;
            }
        }
    }
    // Late work may still be on its way; it finds its order made.
    rig.simulator.clear_faults();
    let figures = async || {
        rig.office(
            "stock",
            json!({ "item": "1000", "variant": "WEISS", "location": "MAIN" }),
        )
        .await["figures"][0]
            .clone()
    };
    assert_eq!(
        figures().await["quantityOnSalesOrders"],
        json!(80),
        "seed {SEED}"
    );
    assert_eq!(
        rig.rows(&rig.standard("salesOrders")).await.len(),
        40,
        "seed {SEED}"
    );
    let fired = ["lostAnswer", "gatewayTimeout", "lateCommit", "dirtyRead"]
        .map(|kind| rig.simulator.fired(kind));
    assert!(
        fired.iter().all(|times| *times > 0),
        "seed {SEED}: a fault never fired: {fired:?}"
    );
}
