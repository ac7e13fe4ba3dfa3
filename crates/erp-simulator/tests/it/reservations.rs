//! Goods put aside in stores: the worked examples of the README, in its order.

use millrace_erp_simulator::company::CompanyData;
use serde_json::{Value, json};

use crate::rig::Rig;

/// Three white chairs of the five that lie in Hamburg.
pub fn chairs(number: &str) -> Value {
    json!({
        "channelCode": "OUTLET",
        "reservationNumber": number,
        "fromLocationCode": "STORE-HH",
        "referenceText": "Erika M., Freitag",
        "lines": [{ "lineNumber": 1, "itemNumber": "1000", "variantCode": "WEISS", "quantity": 3 }]
    })
}

pub fn requests(rig: &Rig) -> String {
    rig.companion("transferRequests?$expand=lines")
}

pub async fn requested(rig: &Rig, wanted: &Value) -> Value {
    let (status, request) = rig.post(&requests(rig), wanted).await;
    assert_eq!(
        (status, &request["state"]),
        (201, &json!("open")),
        "{request}"
    );
    request
}

pub fn action(rig: &Rig, request: &Value, action: &str) -> String {
    let id = request["systemId"].as_str().expect("an id");
    rig.companion(&format!("transferRequests({id})/Microsoft.NAV.{action}"))
}

pub fn found(quantity: i64) -> Value {
    let lines = json!([{ "lineNumber": 1, "quantity": quantity }]);
    json!({ "foundQuantities": lines.to_string() })
}

pub async fn now(rig: &Rig, number: &str) -> Value {
    let key = format!("channelCode eq 'OUTLET' and reservationNumber eq '{number}'");
    let url = rig.companion(&format!("transferRequests?$expand=lines&$filter={key}"));
    let rows = rig.rows(&url).await;
    assert_eq!(rows.len(), 1, "one key, one request");
    rows[0].clone()
}

pub async fn shelf(rig: &Rig, item: &str, variant: &str, location: &str) -> Value {
    let key = json!({ "figures": [{ "itemNumber": item, "variantCode": variant, "locationCode": location }] });
    let url = rig.companion("stockLookups?$expand=figures");
    rig.post(&url, &key).await.1["figures"][0].clone()
}

/// On hand and reserved of the white chairs.
pub async fn chairs_at(rig: &Rig, location: &str) -> (Value, Value) {
    let figure = shelf(rig, "1000", "WEISS", location).await;
    (
        figure["quantityOnHand"].clone(),
        figure["quantityReserved"].clone(),
    )
}

pub fn pieces(on_hand: i64, reserved: i64) -> (Value, Value) {
    (json!(on_hand), json!(reserved))
}

/// States in the feed after a cursor, with who changed them.
pub async fn told(rig: &Rig, after: i64) -> (Vec<Value>, i64) {
    let url = format!("transferStatusWindows({after})?$expand=entries($expand=lines)");
    let (status, window) = rig.get(&rig.companion(&url)).await;
    assert_eq!(status, 200, "{window}");
    let entries = window["entries"].as_array().cloned().unwrap_or_default();
    (entries, window["upperBound"].as_i64().expect("a cursor"))
}

#[tokio::test]
async fn a_location_may_be_a_store_with_a_reservation_warehouse() {
    let rig = Rig::start().await;
    let rows = rig.rows(&rig.companion("storeLocations")).await;
    assert_eq!(rows.len(), 9);
    let stores = rig
        .rows(&rig.companion("storeLocations?$filter=isStore eq true"))
        .await;
    let mut pairs: Vec<(&str, &str)> = stores
        .iter()
        .filter_map(|row| {
            Some((
                row["code"].as_str()?,
                row["reservationWarehouseCode"].as_str()?,
            ))
        })
        .collect();
    pairs.sort_unstable();
    assert_eq!(
        pairs,
        [
            ("STORE-B", "RES-B"),
            ("STORE-HH", "RES-HH"),
            ("STORE-M", "RES-M")
        ]
    );
}

#[tokio::test]
async fn an_open_request_is_reserved_in_its_store_in_base_units() {
    let rig = Rig::start().await;
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 0));
    let request = requested(&rig, &chairs("R-1")).await;
    assert_eq!(request["toLocationCode"], "RES-HH");
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 3));
    let mut packs = chairs("R-2");
    packs["lines"][0] = json!({ "lineNumber": 1, "itemNumber": "1701", "unitOfMeasureCode": "PACK", "quantity": 1 });
    requested(&rig, &packs).await;
    let figure = shelf(&rig, "1701", "", "STORE-HH").await;
    assert_eq!(figure["quantityReserved"], json!(10));
    // More than there is: nobody looks before a person does.
    let mut many = chairs("R-3");
    many["lines"][0]["quantity"] = json!(70);
    requested(&rig, &many).await;
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 73));
}

#[tokio::test]
async fn what_people_plan_to_hold_back_stands_beside_what_is_requested() {
    let rig = Rig::start().await;
    let request = requested(&rig, &chairs("R-1")).await;
    let plan = json!({ "item": "1000", "variant": "WEISS", "location": "STORE-HH", "reserved": 1 });
    rig.office("plan-stock", plan).await;
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 4));
    let cancel = action(&rig, &request, "cancel");
    assert_eq!(rig.post(&cancel, &json!({})).await.0, 204);
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 1));
}

#[tokio::test]
async fn posting_moves_what_was_found_and_frees_the_rest() {
    let rig = Rig::start().await;
    let request = requested(&rig, &chairs("R-1")).await;
    let post = action(&rig, &request, "post");
    assert_eq!(rig.post(&post, &found(2)).await.0, 204);
    let posted = now(&rig, "R-1").await;
    assert_eq!(
        (&posted["state"], &posted["transferDocumentNumber"]),
        (&json!("posted"), &json!("TR000001"))
    );
    assert_eq!(posted["lines"][0]["foundQuantity"], json!(2));
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(3, 0));
    assert_eq!(chairs_at(&rig, "RES-HH").await, pieces(2, 2));
    let moved: Vec<(String, i64)> = rig.simulator.read(|tables| {
        let entries = tables
            .ledger
            .iter()
            .filter(|entry| entry.document_number == "TR000001");
        entries
            .map(|entry| {
                (
                    entry.location.clone(),
                    i64::try_from(entry.quantity.mantissa()).expect("whole"),
                )
            })
            .collect()
    });
    assert_eq!(
        moved,
        [("STORE-HH".to_owned(), -2), ("RES-HH".to_owned(), 2)]
    );
}

#[tokio::test]
async fn nothing_in_a_reservation_warehouse_is_free_whoever_brought_it() {
    let rig = Rig::start().await;
    let brought =
        json!({ "item": "1000", "variant": "WEISS", "location": "RES-HH", "quantity": 4 });
    rig.office("move-stock", brought).await;
    assert_eq!(chairs_at(&rig, "RES-HH").await, pieces(4, 4));
}

#[tokio::test]
async fn what_was_posted_goes_back_to_the_store_once() {
    let rig = Rig::start().await;
    let request = requested(&rig, &chairs("R-1")).await;
    let back = action(&rig, &request, "returnToStore");
    let (status, error) = rig.post(&back, &json!({})).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (400, &json!("Application_DialogException")),
        "nothing is posted yet"
    );
    let post = action(&rig, &request, "post");
    rig.post(&post, &found(2)).await;
    for _ in 0..2 {
        assert_eq!(rig.post(&back, &json!({})).await.0, 204);
        let returned = now(&rig, "R-1").await;
        assert_eq!(
            (&returned["state"], &returned["returnDocumentNumber"]),
            (&json!("returned"), &json!("TR000002"))
        );
        assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 0));
        assert_eq!(chairs_at(&rig, "RES-HH").await, pieces(0, 0));
    }
    let late = rig.post(&post, &found(2)).await;
    assert_eq!(late.0, 204, "a late repeat of the posting does nothing");
    assert_eq!(now(&rig, "R-1").await["state"], "returned");
}

#[tokio::test]
async fn nothing_found_cancels_and_what_was_cancelled_is_not_posted() {
    let rig = Rig::start().await;
    let request = requested(&rig, &chairs("R-1")).await;
    let post = action(&rig, &request, "post");
    for _ in 0..2 {
        assert_eq!(rig.post(&post, &found(0)).await.0, 204);
    }
    let cancelled = now(&rig, "R-1").await;
    assert_eq!(
        (&cancelled["state"], &cancelled["transferDocumentNumber"]),
        (&json!("cancelled"), &json!(""))
    );
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 0));
    let (status, error) = rig.post(&post, &found(1)).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (400, &json!("Application_DialogException"))
    );
}

#[tokio::test]
async fn a_cancellation_is_repeated_and_refused_after_posting() {
    let rig = Rig::start().await;
    let request = requested(&rig, &chairs("R-1")).await;
    let cancel = action(&rig, &request, "cancel");
    for _ in 0..2 {
        assert_eq!(rig.post(&cancel, &json!({})).await.0, 204);
        assert_eq!(now(&rig, "R-1").await["state"], "cancelled");
        assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 0));
    }
    let other = requested(&rig, &chairs("R-2")).await;
    rig.post(&action(&rig, &other, "post"), &found(3)).await;
    let (status, error) = rig.post(&action(&rig, &other, "cancel"), &json!({})).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (400, &json!("Application_DialogException"))
    );
    assert_eq!(now(&rig, "R-2").await["state"], "posted");
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_says_which_and_leaves_its_key_free() {
    let rig = Rig::start().await;
    let data: CompanyData = serde_json::from_value(json!({
        "locations": [{ "code": "POPUP", "name": "Stand auf dem Markt", "store": true }],
        "items": [{ "number": "OLD", "name": "Alt", "blocked": true }],
    }))
    .expect("a company");
    rig.simulator.load(&data).await.expect("loaded");
    let cases = [
        ("NOPE", "1000", "WEISS", "", json!(1), "LOCATION"),
        ("MAIN", "1000", "WEISS", "", json!(1), "NOTASTORE"),
        ("POPUP", "1000", "WEISS", "", json!(1), "NOWAREHOUSE"),
        ("STORE-HH", "NOPE", "", "", json!(1), "ITEM"),
        ("STORE-HH", "9001", "", "", json!(1), "ITEM"),
        ("STORE-HH", "OLD", "", "", json!(1), "ITEMBLOCKED"),
        ("STORE-HH", "1000", "NOPE", "", json!(1), "VARIANT"),
        ("STORE-HH", "1000", "WEISS", "CRATE", json!(1), "UNIT"),
        ("STORE-HH", "1000", "WEISS", "", json!(0), "QUANTITY"),
        ("STORE-HH", "1000", "WEISS", "", json!(-1), "QUANTITY"),
    ];
    let (_, before) = told(&rig, 0).await;
    for (from, item, variant, unit, quantity, code) in cases {
        let mut wanted = chairs("R-1");
        wanted["fromLocationCode"] = json!(from);
        wanted["lines"][0] = json!({ "lineNumber": 7, "itemNumber": item, "variantCode": variant,
            "unitOfMeasureCode": unit, "quantity": quantity });
        let (status, refused) = rig.post(&requests(&rig), &wanted).await;
        assert_eq!(status, 201, "{refused}");
        assert_eq!(
            (&refused["state"], &refused["errorCode"]),
            (&json!("refused"), &json!(code)),
            "{refused}"
        );
    }
    let mut elsewhere = chairs("R-1");
    elsewhere["toLocationCode"] = json!("RES-B");
    let (_, refused) = rig.post(&requests(&rig), &elsewhere).await;
    assert_eq!(refused["errorCode"], "WAREHOUSE");
    let (status, _) = rig.post(&action(&rig, &refused, "post"), &found(1)).await;
    assert_eq!(status, 400, "a refused request is nobody's to post");
    assert_eq!(told(&rig, before).await.0, Vec::<Value>::new());
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(5, 0));
    let (_, mended) = rig.post(&requests(&rig), &chairs("R-1")).await;
    assert_eq!(
        (&mended["state"], &mended["errorCode"]),
        (&json!("open"), &json!(""))
    );
}

#[tokio::test]
async fn a_till_sells_what_is_reserved_all_the_same() {
    let rig = Rig::start().await;
    requested(&rig, &chairs("R-1")).await;
    let sale = |location: &str| json!({ "item": "1000", "variant": "WEISS", "location": location, "quantity": 4 });
    rig.office("sell-at-till", sale("STORE-HH")).await;
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(1, 3));
    let refused = rig.simulator.office("sell-at-till", sale("MAIN")).await;
    assert!(refused.is_err(), "there is no till in a warehouse");
}

#[tokio::test]
async fn whoever_answers_a_count_request_sets_what_is_on_hand() {
    let rig = Rig::start().await;
    let wanted = json!({ "channelCode": "OUTLET", "reservationNumber": "R-1", "lineNumber": 1,
        "locationCode": "STORE-HH", "itemNumber": "1000", "variantCode": "WEISS", "reasonText": "not found" });
    let url = rig.companion("countRequests");
    let (status, first) = rig.post(&url, &wanted).await;
    assert_eq!((status, &first["state"]), (201, &json!("open")));
    let open = rig
        .office("count-requests", json!({ "location": "STORE-HH" }))
        .await;
    assert_eq!(open["requests"][0]["reason"], "not found");
    let counted =
        json!({ "channel": "OUTLET", "reservationNumber": "R-1", "line": 1, "quantity": 4 });
    let closed = rig.office("answer-count", counted.clone()).await;
    assert_eq!(
        (&closed["state"], &closed["document"]),
        (&json!("counted"), &json!("J00001"))
    );
    assert_eq!(chairs_at(&rig, "STORE-HH").await, pieces(4, 0));
    assert!(
        rig.simulator.office("answer-count", counted).await.is_err(),
        "it is closed"
    );
    let (status, again) = rig.post(&url, &wanted).await;
    assert_eq!(
        (status, &again["state"], &again["countedQuantity"]),
        (200, &json!("counted"), &json!(4))
    );
    let mut other = wanted.clone();
    other["reasonText"] = json!("another");
    assert_eq!(rig.post(&url, &other).await.0, 409);
    other["lineNumber"] = json!(2);
    other["itemNumber"] = json!("NOPE");
    let (_, refused) = rig.post(&url, &other).await;
    assert_eq!(
        (&refused["state"], &refused["errorCode"]),
        (&json!("refused"), &json!("ITEM"))
    );
}
