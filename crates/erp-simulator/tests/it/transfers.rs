//! Transfer requests: repeats, contradictions, the feed, and what holds whatever goes wrong.

use std::time::Duration;

use millrace_erp_simulator::company::CompanyData;
use millrace_erp_simulator::database::TransferState;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_service_kit::Ids;
use reqwest::Method;
use serde_json::{Value, json};

use crate::reservations::{
    action, chairs, chairs_at, found, now, pieces, requested, requests, shelf, told,
};
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
    let first = requested(&rig, &chairs("R-1")).await;
    let (status, again) = rig.post(&requests(&rig), &chairs("R-1")).await;
    assert_eq!(
        (status, &again["systemId"], &again["systemRowVersion"]),
        (200, &first["systemId"], &first["systemRowVersion"])
    );
    let mut other = chairs("R-1");
    other["lines"][0]["quantity"] = json!(2);
    let (status, error) = rig.post(&requests(&rig), &other).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (409, &json!("Internal_EntityWithSameKeyExists"))
    );
    let post = action(&rig, &first, "post");
    rig.post(&post, &found(2)).await;
    assert_eq!(rig.post(&post, &found(2)).await.0, 204);
    let (status, error) = rig.post(&post, &found(3)).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (409, &json!("Internal_EntityWithSameKeyExists"))
    );
    assert_eq!(chairs_at(&rig, "RES-HH").await, pieces(2, 2));
}

#[tokio::test]
async fn malformed_requests_store_nothing() {
    let rig = Rig::start().await;
    let mut unknown = chairs("R-1");
    unknown["colour"] = json!("blue");
    let mut long = chairs("R-1");
    long["fromLocationCode"] = json!("MUCH-TOO-LONG");
    let mut twice = chairs("R-1");
    let line = twice["lines"][0].clone();
    twice["lines"] = json!([line, line]);
    let mut empty = chairs("R-1");
    empty["lines"] = json!([]);
    for malformed in [unknown, long, twice, empty, chairs("")] {
        let (status, error) = rig.post(&requests(&rig), &malformed).await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (400, &json!("BadRequest_InvalidRequest"))
        );
    }
    let request = requested(&rig, &chairs("R-2")).await;
    let post = action(&rig, &request, "post");
    let texts = [
        "",
        "{}",
        r#"[{"lineNumber":1}]"#,
        r#"[{"lineNumber":1,"quantity":1},{"lineNumber":1,"quantity":1}]"#,
    ];
    for text in texts {
        let (status, _) = rig.post(&post, &json!({ "foundQuantities": text })).await;
        assert_eq!(status, 400, "{text}");
    }
    for impossible in [found(4), found(-1)] {
        assert_eq!(rig.post(&post, &impossible).await.0, 400);
    }
    assert_eq!(rig.simulator.read(|tables| tables.transfers.len()), 1);
    assert_eq!(now(&rig, "R-2").await["state"], "open");
}

#[tokio::test]
async fn the_feed_tells_of_what_people_did() {
    let rig = Rig::start().await;
    let (_, cursor) = told(&rig, 0).await;
    requested(&rig, &chairs("R-1")).await;
    let open = rig.office("transfer-requests", json!({})).await;
    assert_eq!(open["requests"][0]["reference"], "Erika M., Freitag");
    let which = json!({ "channel": "OUTLET", "reservationNumber": "R-1" });
    let mut post = which.clone();
    post["lines"] = json!([{ "line": 1, "quantity": 2 }]);
    rig.office("post-transfer", post).await;
    rig.office("return-transfer", which).await;
    let nothing = rig
        .office("transfer-requests", json!({ "location": "STORE-HH" }))
        .await;
    assert_eq!(nothing["requests"], json!([]));
    let (entries, upper) = told(&rig, cursor).await;
    assert_eq!(states(&entries), ["open", "posted", "returned"]);
    assert_eq!(
        (&entries[0]["changedBy"], &entries[1]["changedBy"]),
        (&json!("millrace-demo"), &json!("OFFICE"))
    );
    assert_eq!(entries[1]["lines"][0]["foundQuantity"], json!(2));
    let last = now(&rig, "R-1").await;
    assert_eq!(entries[2]["requestRowVersion"], last["systemRowVersion"]);
    assert_eq!(told(&rig, upper).await.0, Vec::<Value>::new());
    let (changes, _) = rig.changes(cursor).await;
    let hints = changes
        .iter()
        .filter(|change| change["entity"] == "transferStatus");
    assert_eq!(hints.count(), 3);
}

/// The figure's boundary tells whether the figure contains the request, also while a commit is late.
#[tokio::test]
async fn a_figure_contains_a_posting_when_its_boundary_says_so() {
    let rig = Rig::start().await;
    let request = requested(&rig, &chairs("R-1")).await;
    let version = request["systemRowVersion"].as_i64().expect("a version");
    let figure = shelf(&rig, "1000", "WEISS", "STORE-HH").await;
    assert!(figure["boundary"].as_i64().expect("a boundary") > version);
    let (_, cursor) = told(&rig, 0).await;
    rig.simulator.fault(
        Rule::new(Kind::LateCommit)
            .on("POST", "_office/post-transfer")
            .delay(Duration::from_millis(300)),
    );
    let which = json!({ "channel": "OUTLET", "reservationNumber": "R-1" });
    let posted = rig.office("post-transfer", which).await;
    let version = posted["rowVersion"].as_i64().expect("a version");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let figure = shelf(&rig, "1000", "WEISS", "STORE-HH").await;
        let (entries, _) = told(&rig, cursor).await;
        if figure["boundary"].as_i64().expect("a boundary") > version {
            assert_eq!(figure["quantityOnHand"], json!(2));
            let (entries, _) = told(&rig, cursor).await;
            assert_eq!(states(&entries), ["posted"]);
            break;
        }
        assert_eq!(
            (&figure["quantityOnHand"], &figure["quantityReserved"]),
            (&json!(5), &json!(3))
        );
        // Read after the figure: the commit may have come between the two.
        assert!(entries.len() <= 1);
        assert!(tokio::time::Instant::now() < deadline, "it never commits");
    }
    assert_eq!(rig.simulator.fired("lateCommit"), 1);
}

#[tokio::test]
async fn whatever_becomes_of_the_answers_each_act_takes_place_once() {
    let rig = Rig::start().await;
    let trouble = |path: &str| {
        let path = path.to_owned();
        [
            Rule::new(Kind::LostAnswer).when(When::Before),
            Rule::new(Kind::LostAnswer).when(When::After),
            Rule::new(Kind::GatewayTimeout).when(When::After),
            Rule::new(Kind::GatewayTimeout)
                .when(When::Later)
                .delay(Duration::from_millis(30)),
            Rule::new(Kind::LateCommit).delay(Duration::from_millis(30)),
        ]
        .map(|rule| rule.on("POST", &path))
    };
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
    for rule in trouble("transferRequests") {
        rig.simulator.fault(rule);
    }
    let text = insist(&requests(&rig), &chairs("R-1")).await;
    let request: Value = serde_json::from_str(&text).expect("a request");
    for (name, body) in [("post", found(2)), ("returnToStore", json!({}))] {
        for rule in trouble(name) {
            rig.simulator.fault(rule);
        }
        let url = action(&rig, &request, name);
        insist(&url, &body).await;
        // The late one comes too.
        insist(&url, &body).await;
    }
    let returned = now(&rig, "R-1").await;
    assert_eq!(
        (
            &returned["transferDocumentNumber"],
            &returned["returnDocumentNumber"]
        ),
        (&json!("TR000001"), &json!("TR000002"))
    );
    assert_eq!(
        states(&told(&rig, 0).await.0),
        ["open", "posted", "returned"]
    );
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 0));
    assert_eq!(chairs_at(&rig, "RES-HH").await, pieces(0, 0));
    assert_eq!(rig.simulator.fired("lostAnswer"), 6);
    assert_eq!(rig.simulator.fired("gatewayTimeout"), 6);
}

#[tokio::test]
async fn a_transfer_follows_a_renamed_variant_and_keeps_its_item_from_being_deleted() {
    let rig = Rig::start().await;
    let data: CompanyData = serde_json::from_value(json!({
        "items": [{ "number": "SKU-1", "name": "Regal", "variants": [{ "code": "RED", "description": "red" }] }],
    }))
    .expect("a company");
    rig.simulator.load(&data).await.expect("loaded");
    let mut wanted = chairs("R-1");
    wanted["lines"][0] =
        json!({ "lineNumber": 1, "itemNumber": "SKU-1", "variantCode": "RED", "quantity": 1 });
    let request = requested(&rig, &wanted).await;
    let gone = rig
        .simulator
        .office("delete-item", json!({ "number": "SKU-1" }))
        .await;
    assert!(gone.is_err(), "somebody waits for it");
    let rename = json!({ "item": "SKU-1", "code": "RED", "newCode": "CRIMSON" });
    rig.office("rename-variant", rename).await;
    rig.post(&action(&rig, &request, "post"), &found(1)).await;
    let store = shelf(&rig, "SKU-1", "CRIMSON", "STORE-HH").await;
    let aside = shelf(&rig, "SKU-1", "CRIMSON", "RES-HH").await;
    assert_eq!(
        (&store["quantityReserved"], &aside["quantityOnHand"]),
        (&json!(0), &json!(1))
    );
}

#[tokio::test]
async fn the_pages_know_only_their_own_methods_and_actions() {
    let rig = Rig::start().await;
    let request = requested(&rig, &chairs("R-1")).await;
    let id = request["systemId"].as_str().expect("an id");
    let (status, one) = rig
        .get(&rig.companion(&format!("transferRequests({id})")))
        .await;
    assert_eq!((status, one.get("lines")), (200, None));
    let nobody = rig.companion("transferRequests(00000000-0000-0000-0000-000000000001)");
    assert_eq!(rig.get(&nobody).await.0, 404);
    let cancel = format!("{nobody}/Microsoft.NAV.cancel");
    assert_eq!(rig.post(&cancel, &json!({})).await.0, 404);
    let dance = action(&rig, &request, "dance");
    assert_eq!(rig.post(&dance, &json!({})).await.0, 404);
    for set in ["transferRequests", "storeLocations", "countRequests"] {
        let delete = rig.request(Method::DELETE, &rig.companion(set));
        assert_eq!(answer(delete).await.0, 405, "{set}");
    }
}

const SEED: u64 = 20_261_127;

fn draw(ids: &Ids, below: u64) -> u64 {
    u64::from(ids.bytes::<1>()[0]) % below
}

/// Trouble of some kind for the next writes.
fn disturb(rig: &Rig, ids: &Ids) {
    let kinds = [
        Kind::LostAnswer,
        Kind::GatewayTimeout,
        Kind::LateCommit,
        Kind::DirtyRead,
        Kind::Throttle,
        Kind::Unavailable,
    ];
    for _ in 0..draw(ids, 3) {
        let kind = kinds[usize::try_from(draw(ids, 6)).expect("small")];
        let when =
            [When::Before, When::After, When::Later][usize::try_from(draw(ids, 3)).expect("small")];
        let rule = Rule::new(kind)
            .on("POST", "transferRequests")
            .when(when)
            .delay(Duration::from_millis(draw(ids, 20)));
        rig.simulator.fault(rule);
    }
}

/// Repeats until an answer says that it was done, or that the business says no.
async fn insist(rig: &Rig, url: &str, body: &Value) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let sent = rig.request(Method::POST, url).json(body).send().await;
        if let Ok(response) = &sent
            && matches!(response.status().as_u16(), 200..=299 | 400 | 409)
        {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{url} is never done: {sent:?}"
        );
    }
}

#[tokio::test]
async fn whatever_is_lost_or_late_figures_equal_entries_and_open_requests() {
    let rig = Rig::start().await;
    let ids = Ids::seeded(SEED);
    for _ in 0..60 {
        let number = format!("R-{}", draw(&ids, 20));
        disturb(&rig, &ids);
        insist(&rig, &requests(&rig), &chairs(&number)).await;
        let request = now(&rig, &number).await;
        disturb(&rig, &ids);
        let quantity = i64::try_from(draw(&ids, 4)).expect("small");
        let (act, body) = match draw(&ids, 4) {
            0 => ("cancel", json!({})),
            1 => ("returnToStore", json!({})),
            2 => ("post", found(quantity)),
            _ => continue,
        };
        insist(&rig, &action(&rig, &request, act), &body).await;
    }
    rig.simulator.clear_faults();
    // Late work that is still on its way finds everything done, or is done before anybody looks.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let balanced = rig.simulator.read(|tables| {
            let white = |variant: &str, location: &str, place: &str| {
                variant == "WEISS" && location == place
            };
            ["STORE-HH", "RES-HH"].into_iter().all(|place| {
                let item = tables.items.by_key("1000").expect("the chair").id;
                let on_hand: rust_decimal::Decimal = tables
                    .ledger
                    .children(item)
                    .filter(|entry| white(&entry.variant, &entry.location, place))
                    .map(|entry| entry.quantity)
                    .sum();
                let open: rust_decimal::Decimal = tables
                    .transfers
                    .iter()
                    .filter(|request| request.state == TransferState::Open && request.from == place)
                    .flat_map(|request| &request.lines)
                    .map(|line| line.quantity)
                    .sum();
                let figure = tables
                    .figures
                    .children(item)
                    .find(|figure| white(&figure.variant, &figure.location, place));
                let reserved = if place == "RES-HH" { on_hand } else { open };
                figure.is_none_or(|figure| figure.on_hand == on_hand && figure.reserved == reserved)
            })
        });
        assert!(
            balanced,
            "seed {SEED}: every commit leaves the books balanced"
        );
        let (_, upper) = told(&rig, 0).await;
        if upper == rig.cursor().await {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "a transaction stays open"
        );
    }
    let moved = rig.simulator.read(|tables| {
        let posted = tables
            .transfers
            .iter()
            .filter(|request| !request.document.is_empty());
        posted.count()
    });
    assert!(moved > 3, "seed {SEED}: only {moved} were posted");
    for kind in ["lostAnswer", "gatewayTimeout", "lateCommit", "dirtyRead"] {
        assert!(rig.simulator.fired(kind) > 0, "seed {SEED}: no {kind}");
    }
}
