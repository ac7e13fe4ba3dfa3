//! Each fault does what it says, as often as it says, and counts it. Row 121.

use std::time::Duration;

use millrace_erp_simulator::Config;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Rig, answer, order};

/// Waits until `check` holds.
async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut check: F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !check().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not happen"
        );
        tokio::task::yield_now().await;
    }
}

async fn documents(rig: &Rig, number: &str) -> usize {
    let found = rig
        .office(
            "documents",
            json!({ "channel": "OUTLET", "orderNumber": number }),
        )
        .await;
    found["documents"].as_array().map_or(0, Vec::len)
}

fn now(number: &str) -> Value {
    let mut order = order(number);
    order["processNow"] = json!(true);
    order
}

#[tokio::test]
async fn throttling_comes_with_and_without_a_time_to_wait() {
    let rig = Rig::start().await;
    rig.simulator
        .fault(Rule::new(Kind::Throttle).retry_after(7));
    rig.simulator.fault(Rule::new(Kind::Throttle));
    let url = rig.standard("items?$top=1");
    let first = rig
        .request(Method::GET, &url)
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (
            first.status().as_u16(),
            first.headers()["retry-after"].as_bytes()
        ),
        (429, b"7".as_slice())
    );
    let second = rig
        .request(Method::GET, &url)
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (
            second.status().as_u16(),
            second.headers().get("retry-after")
        ),
        (429, None)
    );
    assert_eq!(rig.get(&url).await.0, 200);
    assert_eq!(rig.simulator.fired("throttle"), 2);
}

#[tokio::test]
async fn a_service_that_is_away_answers_503_for_matching_requests_only() {
    let rig = Rig::start().await;
    rig.simulator
        .fault(Rule::new(Kind::Unavailable).on("GET", "customers").times(0));
    assert_eq!(rig.get(&rig.standard("customers")).await.0, 503);
    assert_eq!(rig.get(&rig.companion("customers")).await.0, 503);
    assert_eq!(rig.get(&rig.standard("items")).await.0, 200);
    rig.simulator.clear_faults();
    assert_eq!(rig.get(&rig.standard("customers")).await.0, 200);
}

#[tokio::test]
async fn a_token_expires_and_a_new_one_works() {
    let mut rig = Rig::start().await;
    rig.simulator.fault(Rule::new(Kind::TokenExpired));
    let url = rig.standard("items?$top=1");
    assert_eq!(rig.get(&url).await.0, 401);
    assert_eq!(rig.get(&url).await.0, 401, "it stays expired");
    rig.token = rig.new_token().await;
    assert_eq!(rig.get(&url).await.0, 200);
    rig.clock.advance(jiff::SignedDuration::from_mins(61));
    assert_eq!(rig.get(&url).await.0, 401, "an hour is over");
}

#[tokio::test]
async fn an_answer_lost_after_the_commit_leaves_one_order_however_often_it_is_repeated() {
    let rig = Rig::start().await;
    rig.simulator.fault(
        Rule::new(Kind::LostAnswer)
            .on("POST", "orderBuffer")
            .times(2),
    );
    let url = rig.companion("orderBuffer");
    for _ in 0..2 {
        let outcome = rig
            .request(Method::POST, &url)
            .json(&now("7001"))
            .send()
            .await;
        assert!(outcome.is_err(), "the connection ends without an answer");
    }
    let (status, made) = rig.post(&url, &now("7001")).await;
    assert_eq!((status, &made["attempts"]), (200, &json!(1)));
    assert_eq!(documents(&rig, "7001").await, 1);
    assert_eq!(rig.simulator.fired("lostAnswer"), 2);
}

#[tokio::test]
async fn a_request_lost_on_its_way_does_nothing() {
    let rig = Rig::start().await;
    rig.simulator.fault(
        Rule::new(Kind::LostAnswer)
            .on("POST", "orderBuffer")
            .when(When::Before),
    );
    assert!(
        rig.request(Method::POST, &rig.companion("orderBuffer"))
            .json(&now("7002"))
            .send()
            .await
            .is_err()
    );
    assert_eq!(documents(&rig, "7002").await, 0);
}

#[tokio::test]
async fn a_gateway_timeout_may_come_before_after_or_long_before_the_work() {
    let rig = Rig::start().await;
    for (number, when, at_once) in [
        ("7003", When::Before, 0),
        ("7004", When::After, 1),
        ("7005", When::Later, 0),
    ] {
        let rule = Rule::new(Kind::GatewayTimeout)
            .on("POST", "orderBuffer")
            .when(when)
            .delay(Duration::from_millis(200));
        rig.simulator.fault(rule);
        assert_eq!(
            rig.post(&rig.companion("orderBuffer"), &now(number))
                .await
                .0,
            504
        );
        assert_eq!(documents(&rig, number).await, at_once, "{number}");
    }
    eventually("the late work", async || documents(&rig, "7005").await == 1).await;
    assert_eq!(documents(&rig, "7003").await, 0);
}

#[tokio::test]
async fn slow_work_ends_at_bcs_limit_and_slow_answers_at_the_gateways() {
    let limit = Duration::from_millis(100);
    let rig = Rig::with(Config {
        operation_limit: limit,
        gateway_limit: limit,
        ..Config::default()
    })
    .await;
    let slow = |when| {
        Rule::new(Kind::SlowAnswer)
            .on("POST", "orderBuffer")
            .when(when)
            .delay(Duration::from_secs(60))
    };
    rig.simulator.fault(slow(When::Before));
    assert_eq!(
        rig.post(&rig.companion("orderBuffer"), &now("7006"))
            .await
            .0,
        408
    );
    assert_eq!(documents(&rig, "7006").await, 0);
    rig.simulator.fault(slow(When::After));
    assert_eq!(
        rig.post(&rig.companion("orderBuffer"), &now("7007"))
            .await
            .0,
        504
    );
    assert_eq!(documents(&rig, "7007").await, 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_what_it_asked_for() {
    let rig = Rig::start().await;
    let rule = Rule::new(Kind::SlowAnswer)
        .on("POST", "orderBuffer")
        .when(When::Before)
        .delay(Duration::from_millis(300));
    rig.simulator.fault(rule);
    let request = rig
        .request(Method::POST, &rig.companion("orderBuffer"))
        .json(&now("7008"));
    assert!(
        request
            .timeout(Duration::from_millis(100))
            .send()
            .await
            .is_err()
    );
    eventually("the order", async || documents(&rig, "7008").await == 1).await;
}

#[tokio::test]
async fn a_late_commit_holds_the_boundary_and_comes_with_its_old_stamps() {
    let rig = Rig::start().await;
    let cursor = rig.cursor().await;
    rig.simulator.fault(
        Rule::new(Kind::LateCommit)
            .on("POST", "_office/change-item")
            .delay(Duration::from_millis(400)),
    );
    rig.office("change-item", json!({ "number": "1000", "name": "Spät" }))
        .await;
    rig.clock.advance(jiff::SignedDuration::from_mins(5));
    rig.office("change-item", json!({ "number": "1001", "name": "Früh" }))
        .await;
    // The second change is committed, but stands above the open one: nothing may be told yet.
    let (entries, upper) = rig.changes(cursor).await;
    assert_eq!((entries.len(), upper), (0, cursor));
    let committed = rig
        .rows(&rig.companion("items?$filter=number eq '1000'"))
        .await;
    assert_ne!(committed[0]["displayName"], "Spät");
    eventually("the commit", async || {
        rig.changes(cursor).await.0.len() == 2
    })
    .await;
    let (entries, _) = rig.changes(cursor).await;
    assert_eq!(
        (&entries[0]["primaryKey"], &entries[1]["primaryKey"]),
        (&json!("1000"), &json!("1001"))
    );
    assert!(entries[0]["changedAt"].as_str() < entries[1]["changedAt"].as_str());
    assert_eq!(rig.simulator.fired("lateCommit"), 1);
}

#[tokio::test]
async fn microsofts_pages_show_rows_that_are_rolled_back_and_ours_do_not() {
    let rig = Rig::start().await;
    rig.simulator.fault(
        Rule::new(Kind::DirtyRead)
            .on("POST", "_office/change-item")
            .delay(Duration::from_millis(300)),
    );
    rig.office(
        "change-item",
        json!({ "number": "1000", "name": "Phantom" }),
    )
    .await;
    let name = async |url: String| rig.rows(&url).await[0]["displayName"].clone();
    assert_eq!(
        name(rig.standard("items?$filter=number eq '1000'")).await,
        "Phantom"
    );
    assert_ne!(
        name(rig.companion("items?$filter=number eq '1000'")).await,
        "Phantom"
    );
    eventually("the rollback", async || {
        name(rig.standard("items?$filter=number eq '1000'")).await != "Phantom"
    })
    .await;
    assert!(
        rig.simulator.fired("dirtyRead") >= 2,
        "the fault and the dirty reads are counted"
    );
}

#[tokio::test]
async fn the_same_order_waits_for_an_open_transaction_and_finds_what_it_made() {
    let rig = Rig::start().await;
    rig.simulator.fault(
        Rule::new(Kind::LateCommit)
            .on("POST", "orderBuffer")
            .delay(Duration::from_millis(300)),
    );
    let url = rig.companion("orderBuffer");
    let wanted = order("7010");
    let (first, second) = tokio::join!(rig.post(&url, &wanted), rig.post(&url, &wanted));
    assert_eq!(first.1["systemId"], second.1["systemId"]);
    let mut statuses = [first.0, second.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201]);
}

#[tokio::test]
async fn a_stale_etag_can_be_answered_412() {
    let rig = Rig::start().await;
    rig.simulator.fault(Rule::new(Kind::StaleEtag412));
    let item = &rig.rows(&rig.standard("items?$top=1")).await[0];
    let url = rig.standard(&format!("items({})", item["id"].as_str().expect("an id")));
    let stale = || {
        answer(
            rig.request(Method::PATCH, &url)
                .header("if-match", "W/\"old\"")
                .json(&json!({})),
        )
    };
    assert_eq!(stale().await.0, 412);
    assert_eq!(stale().await.0, 409);
}

/// Row 121.
#[tokio::test]
async fn faults_are_switched_and_counted_over_http() {
    let rig = Rig::start().await;
    let url = format!("{}/_faults", rig.simulator.url());
    let rule = json!({ "kind": "unavailable", "method": "GET", "path": "items", "times": 0, "skip": 1, "retryAfter": 3 });
    let (status, added) = answer(rig.http.post(&url).json(&rule)).await;
    assert_eq!(status, 201);
    assert_eq!(
        rig.get(&rig.standard("items?$top=1")).await.0,
        200,
        "the first passes"
    );
    assert_eq!(rig.get(&rig.standard("items?$top=1")).await.0, 503);
    let (_, listed) = answer(rig.http.get(&url)).await;
    assert_eq!(
        (
            &listed["rules"][0]["fired"],
            &listed["fired"]["unavailable"]
        ),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        answer(rig.http.delete(format!("{url}/{}", added["id"])))
            .await
            .0,
        204
    );
    assert_eq!(rig.get(&rig.standard("items?$top=1")).await.0, 200);
    assert_eq!(
        answer(rig.http.post(&url).json(&json!({ "kind": "gremlins" })))
            .await
            .0,
        400
    );
    let (_, listed) = answer(rig.http.get(&url)).await;
    assert_eq!(
        listed["fired"]["unavailable"],
        json!(1),
        "counters outlive their rules"
    );
}

#[tokio::test]
async fn a_restored_environment_has_older_versions_and_a_new_epoch() {
    let rig = Rig::start().await;
    let epoch = async || rig.rows(&rig.companion("companionInfo")).await[0]["epoch"].clone();
    rig.office("backup", json!({})).await;
    let before = epoch().await;
    rig.office(
        "change-item",
        json!({ "number": "1000", "name": "Vergessen" }),
    )
    .await;
    let cursor = rig.cursor().await;
    rig.office("restore", json!({})).await;
    assert_ne!(epoch().await, before);
    let (_, window) = rig
        .get(&rig.companion(&format!("changeWindows({cursor})")))
        .await;
    assert_eq!(window["state"], "ahead");
    let items = rig
        .rows(&rig.companion("items?$filter=number eq '1000'"))
        .await;
    assert_ne!(items[0]["displayName"], "Vergessen");
}

#[tokio::test]
async fn nothing_comes_of_a_lost_request_after_bcs_time_limit() {
    let operation_limit = Duration::from_millis(200);
    let rig = Rig::with(Config {
        operation_limit,
        ..Config::default()
    })
    .await;
    let lost = |delay| {
        Rule::new(Kind::LostAnswer)
            .on("POST", "orderBuffer")
            .when(When::Later)
            .delay(delay)
    };
    rig.simulator.fault(lost(operation_limit * 2));
    rig.simulator.fault(lost(operation_limit / 2));
    for number in ["7020", "7021"] {
        let request = rig
            .request(Method::POST, &rig.companion("orderBuffer"))
            .json(&now(number));
        assert!(request.send().await.is_err());
    }
    eventually("the one within the limit", async || {
        documents(&rig, "7021").await == 1
    })
    .await;
    assert_eq!(documents(&rig, "7020").await, 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_slow_answers() {
    let rig = Rig::start().await;
    rig.simulator
        .fault(Rule::new(Kind::SlowAnswer).delay(Duration::from_secs(60)));
    let slow = tokio::spawn(
        rig.request(Method::GET, &rig.standard("items?$top=1"))
            .send(),
    );
    eventually("the request", async || {
        rig.simulator.fired("slowAnswer") == 1
    })
    .await;
    tokio::time::timeout(Duration::from_secs(5), rig.simulator.stop())
        .await
        .expect("stops at once");
    assert!(
        slow.await.expect("joined").is_ok(),
        "what was in hand was answered"
    );
}
