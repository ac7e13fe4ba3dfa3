//! Return orders: repeats, contradictions, the feed, and what holds whatever goes wrong.

use std::time::Duration;

use millrace_erp_simulator::faults::{Kind, Rule, When};
use reqwest::Method;
use serde_json::{Value, json};

use crate::reservations::shelf;
use crate::returns::{desk, goods, now, placed, returns, sold, told};
use crate::rig::{Rig, answer};

fn states(entries: &[Value]) -> Vec<&str> {
    entries
        .iter()
        .filter_map(|entry| entry["state"].as_str())
        .collect()
}

#[tokio::test]
async fn other_content_under_a_key_is_refused_as_in_the_order_buffer() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let first = placed(&rig, &goods("T-1")).await;
    let mut again = goods("T-1");
    // The revision is no part of the content.
    again["revision"] = json!(7);
    let (status, same) = rig.post(&returns(&rig), &again).await;
    assert_eq!(
        (status, &same["systemId"], &same["systemRowVersion"]),
        (200, &first["systemId"], &first["systemRowVersion"])
    );
    let mut other = goods("T-1");
    other["isGift"] = json!(true);
    other["revision"] = json!(8);
    let (status, error) = rig.post(&returns(&rig), &other).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (409, &json!("Internal_EntityWithSameKeyExists"))
    );
    desk(&rig, "receive-return", json!(null)).await;
    let (status, later) = rig.post(&returns(&rig), &goods("T-1")).await;
    assert_eq!((status, &later["state"]), (200, &json!("received")));
}

#[tokio::test]
async fn malformed_returns_store_nothing() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let changed = |place: &str, value: Value| {
        let mut wanted = goods("T-1");
        wanted["colour"] = Value::Null;
        wanted.as_object_mut().expect("an object").remove("colour");
        match wanted.pointer_mut(place) {
            Some(found) => *found = value,
            None => wanted[place] = value,
        }
        wanted
    };
    let line = goods("T-1")["lines"][0].clone();
    for malformed in [
        changed("colour", json!("blue")),
        changed("/returnNumber", json!("")),
        changed("/returnNumber", json!("T".repeat(36))),
        changed("/lines", json!([])),
        changed("/lines", json!([line, line])),
        changed("/lines/0/commentText", json!("x".repeat(251))),
        changed("/lines/0/returnReasonCode", json!("MUCH-TOO-LONG")),
        changed("/lines/0/quantity", json!(0.000_001)),
        changed("refundType", json!("Gold")),
    ] {
        let (status, error) = rig.post(&returns(&rig), &malformed).await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (400, &json!("BadRequest_InvalidRequest")),
            "{malformed}"
        );
    }
    assert_eq!(rig.simulator.read(|tables| tables.returns.len()), 0);
}

#[tokio::test]
async fn impossible_quantities_change_nothing() {
    let rig = Rig::start().await;
    sold(&rig).await;
    placed(&rig, &goods("T-1")).await;
    desk(
        &rig,
        "receive-return",
        json!([{ "line": 1, "quantity": 1 }]),
    )
    .await;
    let before = now(&rig, "T-1").await;
    let too_many = json!([{ "line": 1, "quantity": 2 }]);
    let half_possible =
        json!([{ "line": 1, "quantity": 1 }, { "line": 1, "quantity": 1, "disposition": "scrap" }]);
    for (act, lines) in [
        ("receive-return", &too_many),
        ("inspect-return", &too_many),
        ("inspect-return", &half_possible),
        ("credit-return", &too_many),
        ("credit-return", &json!([{ "line": 9, "quantity": 1 }])),
        ("credit-return", &json!([{ "line": 1, "quantity": -1 }])),
    ] {
        let mut body = json!({ "channel": "OUTLET", "returnNumber": "T-1" });
        body["lines"] = lines.clone();
        assert!(rig.simulator.office(act, body).await.is_err(), "{act}");
    }
    assert_eq!(
        now(&rig, "T-1").await["systemRowVersion"],
        before["systemRowVersion"]
    );
}

#[tokio::test]
async fn the_feed_tells_of_what_people_did() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let (_, cursor) = told(&rig, 0).await;
    placed(&rig, &goods("T-1")).await;
    desk(
        &rig,
        "receive-return",
        json!([{ "line": 1, "quantity": 2 }]),
    )
    .await;
    desk(&rig, "inspect-return", json!(null)).await;
    desk(&rig, "credit-return", json!(null)).await;
    desk(&rig, "receive-return", json!(null)).await;
    let (entries, upper) = told(&rig, cursor).await;
    assert_eq!(
        states(&entries),
        ["open", "received", "received", "credited", "received"]
    );
    assert_eq!(
        (&entries[0]["changedBy"], &entries[1]["changedBy"]),
        (&json!("millrace-demo"), &json!("OFFICE"))
    );
    assert_eq!(entries[2]["lines"][0]["restockedQuantity"], json!(2));
    assert_eq!(entries[3]["creditedGrossAmount"], json!(192.70));
    assert_eq!(
        entries[4]["receiptNumbers"], "S-RCPT107001,S-RCPT107002",
        "{}",
        entries[4]
    );
    let last = now(&rig, "T-1").await;
    assert_eq!(entries[4]["returnRowVersion"], last["systemRowVersion"]);
    assert_eq!(told(&rig, upper).await.0, Vec::<Value>::new());
    let (changes, _) = rig.changes(cursor).await;
    let hints = changes
        .iter()
        .filter(|change| change["entity"] == "returnStatus");
    assert_eq!(hints.count(), 5);
}

/// The figure's boundary tells whether the figure contains what was restocked, also while a commit is late.
#[tokio::test]
async fn a_figure_contains_restocked_goods_when_its_boundary_says_so() {
    let rig = Rig::start().await;
    sold(&rig).await;
    placed(&rig, &goods("T-1")).await;
    desk(&rig, "receive-return", json!(null)).await;
    let before = shelf(&rig, "1000", "WEISS", "MAIN").await["quantityOnHand"].clone();
    let after = json!(before.as_i64().expect("pieces") + 2);
    let (_, cursor) = told(&rig, 0).await;
    rig.simulator.fault(
        Rule::new(Kind::LateCommit)
            .on("POST", "_office/inspect-return")
            .delay(Duration::from_millis(300)),
    );
    let inspected = desk(&rig, "inspect-return", json!(null)).await;
    let version = inspected["rowVersion"].as_i64().expect("a version");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let figure = shelf(&rig, "1000", "WEISS", "MAIN").await;
        let (entries, _) = told(&rig, cursor).await;
        if figure["boundary"].as_i64().expect("a boundary") > version {
            assert_eq!(figure["quantityOnHand"], after);
            let (entries, _) = told(&rig, cursor).await;
            assert_eq!(states(&entries), ["received"]);
            break;
        }
        assert_eq!(figure["quantityOnHand"], before);
        // Read after the figure: the commit may have come between the two.
        assert!(entries.len() <= 1);
        assert!(tokio::time::Instant::now() < deadline, "it never commits");
    }
    assert_eq!(rig.simulator.fired("lateCommit"), 1);
}

#[tokio::test]
async fn whatever_becomes_of_the_answers_a_return_order_is_made_once() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let trouble = [
        Rule::new(Kind::LostAnswer).when(When::Before),
        Rule::new(Kind::LostAnswer).when(When::After),
        Rule::new(Kind::GatewayTimeout).when(When::After),
        Rule::new(Kind::GatewayTimeout)
            .when(When::Later)
            .delay(Duration::from_millis(30)),
        Rule::new(Kind::LateCommit).delay(Duration::from_millis(30)),
    ];
    // Until an answer comes, as a client would.
    let insist = async |url: &str, body: &Value| loop {
        let request = rig.request(Method::POST, url).json(body);
        let Ok(response) = request.send().await else {
            continue;
        };
        if response.status().is_success() {
            return response.text().await.expect("a body");
        }
        assert_eq!(response.status().as_u16(), 504);
    };
    for rule in trouble.clone() {
        rig.simulator.fault(rule.on("POST", "returnOrders"));
    }
    let text = insist(&returns(&rig), &goods("T-1")).await;
    let order: Value = serde_json::from_str(&text).expect("a return order");
    for rule in trouble {
        rig.simulator.fault(rule.on("POST", "NAV.cancel"));
    }
    let id = order["systemId"].as_str().expect("an id");
    let cancel = rig.companion(&format!("returnOrders({id})/Microsoft.NAV.cancel"));
    insist(&cancel, &json!({})).await;
    // The late one comes too.
    insist(&cancel, &json!({})).await;
    assert_eq!(states(&told(&rig, 0).await.0), ["open", "cancelled"]);
    assert_eq!(rig.simulator.read(|tables| tables.returns.len()), 1);
    assert_eq!(rig.simulator.fired("lostAnswer"), 4);
    assert_eq!(rig.simulator.fired("gatewayTimeout"), 4);
}

#[tokio::test]
async fn a_return_order_follows_renames_and_keeps_its_item_from_being_deleted() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let rename = json!({ "number": "20001", "newNumber": "20001-N" });
    rig.office("rename-customer", rename).await;
    let rename = json!({ "item": "1000", "code": "WEISS", "newCode": "SNOW" });
    rig.office("rename-variant", rename).await;
    let mut wanted = goods("T-1");
    wanted["customerNumber"] = json!("20001-N");
    wanted["lines"][0]["variantCode"] = json!("SNOW");
    placed(&rig, &wanted).await;
    let rename = json!({ "item": "1000", "code": "SNOW", "newCode": "IVORY" });
    rig.office("rename-variant", rename).await;
    let before = shelf(&rig, "1000", "IVORY", "MAIN").await["quantityOnHand"].clone();
    desk(&rig, "receive-return", json!(null)).await;
    desk(&rig, "inspect-return", json!(null)).await;
    let after = shelf(&rig, "1000", "IVORY", "MAIN").await["quantityOnHand"].clone();
    assert_eq!(after.as_i64(), before.as_i64().map(|pieces| pieces + 2));
    let gone = rig
        .simulator
        .office("delete-item", json!({ "number": "1000" }))
        .await;
    assert!(gone.is_err(), "there is some of it");
}

#[tokio::test]
async fn the_pages_know_only_their_own_methods_and_actions() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let order = placed(&rig, &goods("T-1")).await;
    let id = order["systemId"].as_str().expect("an id");
    let one = rig.companion(&format!("returnOrders({id})"));
    let (status, found) = rig.get(&one).await;
    assert_eq!((status, found.get("lines")), (200, None));
    let nobody = rig.companion("returnOrders(00000000-0000-0000-0000-000000000001)");
    assert_eq!(rig.get(&nobody).await.0, 404);
    let cancel = format!("{nobody}/Microsoft.NAV.cancel");
    assert_eq!(rig.post(&cancel, &json!({})).await.0, 404);
    let dance = format!("{one}/Microsoft.NAV.dance");
    assert_eq!(rig.post(&dance, &json!({})).await.0, 404);
    for set in ["returnOrders", "returnReasons"] {
        let delete = rig.request(Method::DELETE, &rig.companion(set));
        assert_eq!(answer(delete).await.0, 405, "{set}");
    }
}
