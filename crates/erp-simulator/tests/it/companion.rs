//! The companion's API: feeds, pages, buffer.

use serde_json::{Value, json};

use crate::rig::{Rig, order};

fn texts<'a>(rows: &'a [Value], field: &str) -> Vec<&'a str> {
    rows.iter().filter_map(|row| row[field].as_str()).collect()
}

#[tokio::test]
async fn a_full_set_and_then_its_changes_have_no_gap() {
    let rig = Rig::start().await;
    let cursor = rig.cursor().await;
    let items = rig.rows(&rig.companion("items")).await;
    assert!(items.len() >= 40, "{}", items.len());
    rig.office(
        "change-item",
        json!({ "number": "1000", "name": "Stuhl Lina neu" }),
    )
    .await;
    rig.office(
        "rename-item",
        json!({ "number": "1001", "newNumber": "1001-N" }),
    )
    .await;
    rig.office(
        "set-price",
        json!({ "item": "1000", "priceGroup": "RETAIL", "unitPrice": 99.90 }),
    )
    .await;
    rig.office(
        "move-stock",
        json!({ "item": "1000", "variant": "WEISS", "location": "MAIN", "quantity": 3 }),
    )
    .await;
    let (entries, upper) = rig.changes(cursor).await;
    assert_eq!(
        texts(&entries, "entity"),
        ["item", "item", "priceLine", "stock"]
    );
    assert_eq!(
        texts(&entries, "changeType"),
        ["modified", "renamed", "modified", "modified"]
    );
    assert_eq!(entries[3]["primaryKey"], "1000,WEISS,MAIN");
    let (none, still) = rig.changes(upper).await;
    assert!(none.is_empty());
    assert_eq!(still, upper);
    let id = entries[1]["systemId"].as_str().expect("an id");
    let renamed = rig
        .rows(&rig.companion(&format!("items?$filter=systemId eq {id}")))
        .await;
    assert_eq!(renamed[0]["number"], "1001-N");
}

#[tokio::test]
async fn a_window_is_cut_short_at_top_and_goes_on_from_its_upper_bound() {
    let rig = Rig::start().await;
    let mut after = 0;
    let mut seen = 0;
    loop {
        let url = rig.companion(&format!("changeWindows({after})?$expand=entries($top=100)"));
        let (status, body) = rig.get(&url).await;
        assert_eq!(status, 200);
        seen += body["entries"].as_array().expect("entries").len();
        after = body["upperBound"].as_i64().expect("a cursor");
        if body["hasMore"] == false {
            break;
        }
    }
    let (all, upper) = rig.changes(0).await;
    assert_eq!((seen, after), (all.len(), upper));
}

#[tokio::test]
async fn a_cursor_older_than_the_retention_or_newer_than_everything_says_so() {
    let rig = Rig::start().await;
    rig.office("forget-changes", json!({})).await;
    let (_, expired) = rig
        .get(&rig.companion("changeWindows(5)?$expand=entries"))
        .await;
    assert_eq!(
        (&expired["state"], &expired["upperBound"]),
        (&json!("expired"), &json!(5))
    );
    let (_, ahead) = rig
        .get(&rig.companion("changeWindows(99999999)?$expand=entries"))
        .await;
    assert_eq!(ahead["state"], "ahead");
}

#[tokio::test]
async fn an_order_becomes_one_document_however_often_it_is_sent() {
    let rig = Rig::start().await;
    let mut wanted = order("1042");
    wanted["processNow"] = json!(true);
    let (first_status, first) = rig
        .post(&rig.companion("orderBuffer?$expand=lines"), &wanted)
        .await;
    assert_eq!(
        (first_status, &first["state"]),
        (201, &json!("created")),
        "{first}"
    );
    assert_eq!(first["bookedGrossAmount"], json!(266.79));
    assert_eq!(first["bookedTaxAmount"], json!(42.60));
    let (again_status, again) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert_eq!(
        (again_status, &again["salesOrderNumber"]),
        (200, &first["salesOrderNumber"])
    );
    let documents = rig
        .office(
            "documents",
            json!({ "channel": "OUTLET", "orderNumber": "1042" }),
        )
        .await;
    assert_eq!(
        documents["documents"].as_array().map(Vec::len),
        Some(1),
        "{documents}"
    );
    wanted["lines"][0]["quantity"] = json!(3);
    let (status, error) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (409, &json!("Internal_EntityWithSameKeyExists"))
    );
}

#[tokio::test]
async fn an_order_that_cannot_be_made_says_why_and_can_be_mended() {
    let rig = Rig::start().await;
    let mut wanted = order("1043");
    wanted["lines"][1]["objectNumber"] = json!("NOPE");
    let (status, stored) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert_eq!((status, &stored["state"]), (201, &json!("received")));
    let id = stored["systemId"].as_str().expect("an id");
    let (status, _) = rig
        .post(
            &rig.companion(&format!("orderBuffer({id})/Microsoft.NAV.process")),
            &json!({}),
        )
        .await;
    assert_eq!(status, 204);
    let (_, failed) = rig.get(&rig.companion(&format!("orderBuffer({id})"))).await;
    assert_eq!(
        (
            &failed["state"],
            &failed["errorCode"],
            &failed["errorLineNumber"]
        ),
        (&json!("failed"), &json!("ITEM"), &json!(2))
    );
    let mut mended = order("1043");
    mended["revision"] = json!(2);
    mended["processNow"] = json!(true);
    let (_, made) = rig.post(&rig.companion("orderBuffer"), &mended).await;
    assert_eq!(
        (&made["state"], &made["attempts"]),
        (&json!("created"), &json!(2)),
        "{made}"
    );
}

#[tokio::test]
async fn totals_that_do_not_add_up_are_refused_with_the_line() {
    let rig = Rig::start().await;
    let mut wanted = order("1044");
    wanted["processNow"] = json!(true);
    wanted["grossAmount"] = json!(266.80);
    wanted["taxAmount"] = json!(42.61);
    let (_, failed) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert_eq!(
        (&failed["state"], &failed["errorCode"]),
        (&json!("failed"), &json!("TOTALS")),
        "{failed}"
    );
}

#[tokio::test]
async fn stock_follows_order_shipment_and_credit() {
    let rig = Rig::start().await;
    let key = json!({ "figures": [{ "itemNumber": "1000", "variantCode": "WEISS", "locationCode": "MAIN" },
                                    { "itemNumber": "NOPE" }] });
    let look = async || {
        rig.post(&rig.companion("stockLookups?$expand=figures"), &key)
            .await
            .1["figures"]
            .clone()
    };
    let before = look().await;
    assert_eq!(
        (&before[0]["result"], &before[1]["result"]),
        (&json!("found"), &json!("unknownItem"))
    );
    let on_hand = before[0]["quantityOnHand"].as_i64().expect("whole");
    let mut wanted = order("1045");
    wanted["processNow"] = json!(true);
    let (_, made) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    let ordered = look().await;
    assert_eq!(ordered[0]["quantityOnSalesOrders"], json!(2));
    assert!(made["salesOrderRowVersion"].as_i64() < ordered[0]["boundary"].as_i64());
    let shop = json!({ "channel": "OUTLET", "orderNumber": "1045" });
    let mut ship = shop.clone();
    ship["agent"] = json!("DHL");
    ship["tracking"] = json!("JJD0099");
    rig.office("ship", ship).await;
    let shipped = look().await;
    assert_eq!(
        (
            &shipped[0]["quantityOnHand"],
            &shipped[0]["quantityOnSalesOrders"]
        ),
        (&json!(on_hand - 2), &json!(0))
    );
    rig.office("invoice", shop.clone()).await;
    let documents = rig.office("documents", shop.clone()).await;
    let kinds = texts(
        documents["documents"].as_array().expect("documents"),
        "kind",
    );
    assert!(
        !kinds.contains(&"Order") && kinds.contains(&"Invoice"),
        "a posted order is gone: {kinds:?}"
    );
    rig.office(
        "credit",
        json!({ "channel": "OUTLET", "orderNumber": "1045", "reason": "DAMAGED" }),
    )
    .await;
    assert_eq!(look().await[0]["quantityOnHand"], json!(on_hand));

    let (_, feed) = rig
        .get(&rig.companion("statusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    let entries = feed["entries"].as_array().expect("entries");
    assert_eq!(
        texts(entries, "kind"),
        ["created", "released", "shipped", "invoiced", "credited"]
    );
    assert_eq!(
        (
            &entries[2]["trackingNumber"],
            &entries[2]["shippingAgentCode"]
        ),
        (&json!("JJD0099"), &json!("DHL"))
    );
    assert_eq!(
        entries[2]["lines"].as_array().map(Vec::len),
        Some(2),
        "freight is not a line of the shop"
    );
    assert_eq!(entries[4]["lines"][0]["creditedQuantity"], json!(2));
}

#[tokio::test]
async fn a_customer_is_created_once_per_reference() {
    let rig = Rig::start().await;
    let wanted = json!({ "externalReference": "OUTLET/77", "displayName": "Greta Sommer", "country": "DE", "email": "g@example.com" });
    let (status, first) = rig.post(&rig.companion("customers"), &wanted).await;
    assert_eq!(status, 201, "{first}");
    let (status, again) = rig.post(&rig.companion("customers"), &wanted).await;
    assert_eq!((status, &again["number"]), (200, &first["number"]));
    let mut other = wanted.clone();
    other["displayName"] = json!("Somebody else");
    let (status, error) = rig.post(&rig.companion("customers"), &other).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (409, &json!("Internal_EntityWithSameKeyExists"))
    );
    let (status, error) = rig
        .post(
            &rig.companion("customers"),
            &json!({ "externalReference": "x", "displayName": "y", "nope": 1 }),
        )
        .await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (400, &json!("BadRequest"))
    );
}

#[tokio::test]
async fn malformed_requests_are_refused_and_nothing_is_stored() {
    let rig = Rig::start().await;
    let change = |path: &str, value: Value| {
        let mut wanted = order("1");
        *wanted.pointer_mut(path).expect("a place") = value;
        wanted
    };
    for wanted in [
        change("/lines/0/quantity", json!("two")),
        change("/lines/0/quantity", json!(1e27)),
        change("/lines/0/unitPrice", json!(0.123456)),
        change("/lines/1/lineNumber", json!(1)),
        change("/lines", json!([])),
        change("/orderNumber", json!("")),
        change("/orderNumber", json!("x".repeat(36))),
        change("/orderDate", json!("yesterday")),
        change("/pricesIncludeTax", json!("yes")),
        json!({ "surprise": true }),
        json!([]),
    ] {
        let (status, error) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
        assert_eq!(status, 400, "{wanted}");
        assert!(
            error["error"]["code"]
                .as_str()
                .is_some_and(|code| code.starts_with("BadRequest")),
            "{error}"
        );
    }
    assert!(rig.rows(&rig.companion("orderBuffer")).await.is_empty());
    for wanted in [
        json!({ "figures": [] }),
        json!({ "figures": vec![json!({ "itemNumber": "1" }); 101] }),
    ] {
        assert_eq!(
            rig.post(&rig.companion("stockLookups?$expand=figures"), &wanted)
                .await
                .0,
            400
        );
    }
}

#[tokio::test]
async fn each_reason_why_an_order_cannot_be_made_has_its_code() {
    let rig = Rig::start().await;
    rig.office(
        "change-customer",
        json!({ "number": "20003", "blocked": "Ship" }),
    )
    .await;
    rig.office(
        "change-item",
        json!({ "number": "1004", "salesBlocked": true }),
    )
    .await;
    for (nth, (path, value, code)) in [
        ("/customerNumber", json!("NOBODY"), "CUSTOMER"),
        ("/customerNumber", json!("20003"), "CUSTOMERBLOCKED"),
        ("/lines/1/objectNumber", json!("NOPE"), "ITEM"),
        ("/lines/1/objectNumber", json!("1004"), "ITEMBLOCKED"),
        ("/lines/0/variantCode", json!("PINK"), "VARIANT"),
        ("/locationCode", json!("MOON"), "LOCATION"),
        ("/lines/0/taxPercent", json!(7), "TAX"),
        ("/lines/0/quantity", json!(0), "OTHER"),
        ("/grossAmount", json!(1), "TOTALS"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut wanted = order(&format!("R{nth}"));
        *wanted.pointer_mut(path).expect("a place") = value;
        wanted["processNow"] = json!(true);
        let (_, failed) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
        assert_eq!(
            (&failed["state"], &failed["errorCode"]),
            (&json!("failed"), &json!(code)),
            "{failed}"
        );
    }
    for (nth, (field, code)) in [
        ("currencyCode", "CURRENCY"),
        ("paymentTermsCode", "CODE"),
        ("shippingAgentCode", "CODE"),
        ("email", "OTHER"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut wanted = order(&format!("S{nth}"));
        wanted[field] = json!("NOPE");
        wanted["processNow"] = json!(true);
        let (_, failed) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
        assert_eq!(failed["errorCode"], json!(code), "{failed}");
    }
    let mut wanted = order("U1");
    wanted["lines"][0]["unitOfMeasureCode"] = json!("HOUR");
    wanted["processNow"] = json!(true);
    let (_, failed) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert_eq!(
        (&failed["errorCode"], &failed["errorLineNumber"]),
        (&json!("UNIT"), &json!(1))
    );
    assert!(
        rig.rows(&rig.standard("salesOrders")).await.is_empty(),
        "nothing was made of any of them"
    );
}
