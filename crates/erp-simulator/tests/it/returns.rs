//! Goods that come back: the worked examples of the README, in its order.

use millrace_erp_simulator::company::CompanyData;
use serde_json::{Value, json};

use crate::history::is_as_told;
use crate::reservations::shelf;
use crate::rig::{Rig, order};

/// The two chairs and the lamp of [`order`], with the freight.
pub fn goods(number: &str) -> Value {
    json!({
        "channelCode": "OUTLET",
        "returnNumber": number,
        "orderNumber": "1",
        "customerNumber": "20001",
        "pricesIncludeTax": true,
        "freightNetAmount": 4.11,
        "freightGrossAmount": 4.90,
        "freightTaxPercent": 19,
        "netAmount": 224.19,
        "taxAmount": 42.60,
        "grossAmount": 266.79,
        "lines": [
            { "lineNumber": 1, "orderLineNumber": 1, "itemNumber": "1000", "variantCode": "WEISS", "quantity": 2,
              "returnReasonCode": "DISLIKE", "conditionText": "as new", "commentText": "Zu weiß.",
              "photoAddresses": "https://photos.example/1", "unitPrice": 93.90, "taxPercent": 19,
              "netAmount": 157.82, "grossAmount": 187.80 },
            { "lineNumber": 2, "orderLineNumber": 2, "itemNumber": "1501", "quantity": 1,
              "returnReasonCode": "DEFECT", "unitPrice": 81.90, "discountAmount": 7.81, "taxPercent": 19,
              "netAmount": 62.26, "grossAmount": 74.09 }
        ]
    })
}

/// The shop's order 1, shipped and invoiced.
pub async fn sold(rig: &Rig) {
    let mut wanted = order("1");
    wanted["processNow"] = json!(true);
    let (_, made) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert_eq!(made["state"], "created", "{made}");
    let shop = json!({ "channel": "OUTLET", "orderNumber": "1" });
    rig.office("ship", shop.clone()).await;
    rig.office("invoice", shop).await;
}

pub fn returns(rig: &Rig) -> String {
    rig.companion("returnOrders?$expand=lines")
}

pub async fn placed(rig: &Rig, wanted: &Value) -> Value {
    let (status, order) = rig.post(&returns(rig), wanted).await;
    assert_eq!((status, &order["state"]), (201, &json!("open")), "{order}");
    order
}

pub async fn now(rig: &Rig, number: &str) -> Value {
    let key = format!("channelCode eq 'OUTLET' and returnNumber eq '{number}'");
    let url = rig.companion(&format!("returnOrders?$expand=lines&$filter={key}"));
    let rows = rig.rows(&url).await;
    assert_eq!(rows.len(), 1, "one key, one return order");
    rows[0].clone()
}

/// What the feed tells after a cursor.
pub async fn told(rig: &Rig, after: i64) -> (Vec<Value>, i64) {
    let url = format!("returnStatusWindows({after})?$expand=entries($expand=lines)");
    let (status, window) = rig.get(&rig.companion(&url)).await;
    assert_eq!(status, 200, "{window}");
    let entries = window["entries"].as_array().cloned().unwrap_or_default();
    (entries, window["upperBound"].as_i64().expect("a cursor"))
}

/// An act on return order T-1, for some of its lines.
pub async fn desk(rig: &Rig, act: &str, lines: Value) -> Value {
    rig.office(act, which(lines)).await
}

fn which(lines: Value) -> Value {
    let mut body = json!({ "channel": "OUTLET", "returnNumber": "T-1" });
    if !lines.is_null() {
        body["lines"] = lines;
    }
    body
}

async fn on_hand(rig: &Rig, item: &str, variant: &str) -> Value {
    shelf(rig, item, variant, "MAIN").await["quantityOnHand"].clone()
}

#[tokio::test]
async fn every_company_has_return_reasons_in_german_too_and_may_have_more() {
    let rig = Rig::start().await;
    let url = rig.companion("returnReasons?$expand=translations");
    let rows = rig.rows(&url).await;
    assert_eq!(rows.len(), 7);
    for row in &rows {
        assert_eq!(row["translations"][0]["languageCode"], "DEU", "{row}");
    }
    let data: CompanyData = serde_json::from_value(json!({
        "returnReasons": [{ "code": "COLOUR", "description": "Other colour", "translations": { "DEU": "Andere Farbe", "FRA": "Autre couleur" } }],
    }))
    .expect("a company");
    rig.simulator.load(&data).await.expect("loaded");
    let one = format!("{url}&$filter=code eq 'COLOUR'");
    let rows = rig.rows(&one).await;
    assert_eq!(
        rows[0]["translations"],
        json!([
            { "languageCode": "DEU", "description": "Andere Farbe" },
            { "languageCode": "FRA", "description": "Autre couleur" },
        ])
    );
    let change = json!({ "code": "COLOUR", "description": "Colour" });
    rig.office("set-return-reason", change).await;
    let rows = rig.rows(&one).await;
    assert_eq!(
        (&rows[0]["description"], &rows[0]["translations"]),
        (&json!("Colour"), &json!([]))
    );
    rig.office("delete-return-reason", json!({ "code": "COLOUR" }))
        .await;
    assert_eq!(rig.rows(&one).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_return_order_refers_to_the_shops_order_and_moves_nothing() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let before = on_hand(&rig, "1000", "WEISS").await;
    let order = placed(&rig, &goods("T-1")).await;
    assert_eq!(order["returnOrderNumber"], "S-RETORD105001");
    assert_eq!(
        (&order["orderNumber"], &order["currencyCode"]),
        (&json!("1"), &json!("EUR"))
    );
    // The order's own location and the base unit, where the shop says nothing.
    let line = &order["lines"][0];
    assert_eq!(
        (&line["locationCode"], &line["unitOfMeasureCode"]),
        (&json!("MAIN"), &json!("PCS"))
    );
    assert_eq!(
        (&line["conditionText"], &line["receivedQuantity"]),
        (&json!("as new"), &json!(0))
    );
    desk(&rig, "receive-return", Value::Null).await;
    assert_eq!(on_hand(&rig, "1000", "WEISS").await, before);
    let listed = rig.office("return-orders", json!({})).await;
    assert_eq!(listed["returns"][0]["state"], "received");
}

#[tokio::test]
async fn only_what_may_be_sold_again_goes_back_on_its_shelf() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let chairs = on_hand(&rig, "1000", "WEISS").await;
    let lamps = on_hand(&rig, "1501", "").await;
    placed(&rig, &goods("T-1")).await;
    desk(&rig, "receive-return", Value::Null).await;
    let judged = json!([
        { "line": 1, "quantity": 1 },
        { "line": 1, "quantity": 1, "disposition": "scrap" },
        { "line": 2, "quantity": 1, "disposition": "repair" },
    ]);
    desk(&rig, "inspect-return", judged).await;
    let more = on_hand(&rig, "1000", "WEISS").await;
    assert_eq!(more.as_i64(), chairs.as_i64().map(|pieces| pieces + 1));
    assert_eq!(on_hand(&rig, "1501", "").await, lamps);
    let order = now(&rig, "T-1").await;
    let line = &order["lines"][0];
    assert_eq!(
        (&line["restockedQuantity"], &line["scrappedQuantity"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(order["lines"][1]["repairQuantity"], json!(1));
    let entry = rig.simulator.read(|tables| {
        let back = |entry: &&std::sync::Arc<millrace_erp_simulator::database::LedgerEntry>| {
            entry.document_kind == "Sales_x0020_Return_x0020_Receipt"
        };
        let entries: Vec<_> = tables.ledger.iter().filter(back).cloned().collect();
        assert_eq!(entries.len(), 1);
        entries[0].clone()
    });
    assert_eq!(order["receiptNumbers"], json!(entry.document_number));
    assert_eq!(entry.quantity, rust_decimal::Decimal::ONE);
    // The return order is written last: who compares row versions needs no other.
    let figure = shelf(&rig, "1000", "WEISS", "MAIN").await;
    let moved = figure["systemRowVersion"]
        .as_i64()
        .max(Some(entry.stamp.version));
    assert!(order["systemRowVersion"].as_i64() > moved, "{order}");
}

#[tokio::test]
async fn goods_come_back_in_another_unit_and_in_parts() {
    let rig = Rig::start().await;
    let line = json!({ "lineNumber": 1, "objectNumber": "1701", "unitOfMeasureCode": "PACK", "quantity": 2,
        "unitPrice": 10 });
    let wanted = json!({ "channelCode": "OUTLET", "orderNumber": "1", "customerNumber": "10001", "orderDate": "2026-11-22",
        "locationCode": "MAIN", "netAmount": 20, "taxAmount": 3.80, "grossAmount": 23.80, "processNow": true,
        "lines": [line] });
    let (_, made) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert_eq!(made["state"], "created", "{made}");
    let shop = json!({ "channel": "OUTLET", "orderNumber": "1" });
    rig.office("ship", shop.clone()).await;
    rig.office("invoice", shop).await;
    let before = on_hand(&rig, "1701", "").await.as_i64().expect("pieces");
    let wanted = json!({ "channelCode": "OUTLET", "returnNumber": "T-1", "orderNumber": "1", "customerNumber": "10001",
        "netAmount": 15, "taxAmount": 2.85, "grossAmount": 17.85, "lines": [
        { "lineNumber": 1, "orderLineNumber": 1, "itemNumber": "1701", "quantity": 15, "returnReasonCode": "SIZE",
          "unitPrice": 1, "taxPercent": 19, "netAmount": 15, "grossAmount": 17.85 },
    ] });
    placed(&rig, &wanted).await;
    for (pieces, state) in [(4, "received"), (11, "received")] {
        let received = desk(
            &rig,
            "receive-return",
            json!([{ "line": 1, "quantity": pieces }]),
        )
        .await;
        assert_eq!(received["state"], state);
    }
    desk(&rig, "inspect-return", Value::Null).await;
    assert_eq!(on_hand(&rig, "1701", "").await, json!(before + 15));
    desk(&rig, "credit-return", Value::Null).await;
    let (_, feed) = rig
        .get(&rig.companion("statusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    let entries = feed["entries"].as_array().expect("entries");
    let line = &entries.last().expect("an entry")["lines"][0];
    assert_eq!(
        (
            &line["quantity"],
            &line["unitOfMeasureCode"],
            &line["creditedQuantity"]
        ),
        (&json!(1.5), &json!("PACK"), &json!(1.5))
    );
    is_as_told(&rig, "1").await;
}

#[tokio::test]
async fn parts_of_a_credit_add_up_to_what_was_sold() {
    let rig = Rig::start().await;
    let line =
        json!({ "lineNumber": 1, "objectNumber": "1004", "quantity": 3, "unitPrice": 3.33333 });
    let wanted = json!({ "channelCode": "OUTLET", "orderNumber": "1", "customerNumber": "10001", "orderDate": "2026-11-22",
        "locationCode": "MAIN", "netAmount": 10, "taxAmount": 1.90, "grossAmount": 11.90, "processNow": true,
        "lines": [line] });
    let (_, made) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert_eq!(made["state"], "created", "{made}");
    let shop = json!({ "channel": "OUTLET", "orderNumber": "1" });
    rig.office("ship", shop.clone()).await;
    rig.office("invoice", shop).await;
    let wanted = json!({ "channelCode": "OUTLET", "returnNumber": "T-1", "orderNumber": "1", "customerNumber": "10001",
        "freightNetAmount": 1, "freightGrossAmount": 1.19, "freightTaxPercent": 19,
        "netAmount": 11, "taxAmount": 2.09, "grossAmount": 13.09, "lines": [
        { "lineNumber": 1, "orderLineNumber": 1, "itemNumber": "1004", "quantity": 3, "returnReasonCode": "WRONG",
          "unitPrice": 3.33333, "taxPercent": 19, "netAmount": 10, "grossAmount": 11.90 },
    ] });
    placed(&rig, &wanted).await;
    desk(&rig, "receive-return", Value::Null).await;
    let mut memos = Vec::new();
    for state in ["received", "received", "credited"] {
        let one = json!([{ "line": 1, "quantity": 1 }]);
        let memo = desk(&rig, "credit-return", one).await;
        assert_eq!(memo["state"], state);
        memos.push((memo["net"].clone(), memo["gross"].clone()));
    }
    // The first one brings the freight.
    assert_eq!(
        memos,
        [
            (json!(4.33), json!(5.16)),
            (json!(3.34), json!(3.96)),
            (json!(3.33), json!(3.97))
        ]
    );
    let order = now(&rig, "T-1").await;
    assert_eq!(
        (&order["creditedNetAmount"], &order["creditedGrossAmount"]),
        (&json!(11), &json!(13.09))
    );
    assert_eq!(order["lines"][0]["creditedGrossAmount"], json!(11.9));
    let balance = rig.simulator.read(|tables| {
        let customer = tables.customers.by_key("10001").expect("the customer");
        customer.balance
    });
    assert_eq!(balance.to_string(), "-1.19");
}

#[tokio::test]
async fn a_credit_memo_is_told_once_in_the_orders_feed() {
    let rig = Rig::start().await;
    sold(&rig).await;
    placed(&rig, &goods("T-1")).await;
    desk(&rig, "receive-return", Value::Null).await;
    desk(&rig, "credit-return", Value::Null).await;
    let (_, feed) = rig
        .get(&rig.companion("statusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    let entries = feed["entries"].as_array().expect("entries");
    let credited: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["kind"] == "credited")
        .collect();
    assert_eq!(credited.len(), 1);
    let order = now(&rig, "T-1").await;
    assert_eq!(order["state"], "credited");
    assert_eq!(
        order["creditMemoNumbers"], credited[0]["documentNumber"],
        "both name the same document"
    );
    let lines = credited[0]["lines"].as_array().expect("lines");
    let quantities: Vec<&Value> = lines.iter().map(|line| &line["creditedQuantity"]).collect();
    assert_eq!(quantities, [&json!(2), &json!(1)]);
    let shop = json!({ "channel": "OUTLET", "orderNumber": "1" });
    let papers = rig.office("documents", shop.clone()).await;
    let memos = papers["documents"].as_array().expect("documents").iter();
    let memo: Vec<&Value> = memos
        .filter(|paper| paper["kind"] == "CreditMemo")
        .collect();
    assert_eq!(
        (memo.len(), &memo[0]["gross"]),
        (1, &json!(266.79)),
        "freight included"
    );
    // What came back cannot be credited a second time from the invoice.
    let again = rig.simulator.office("credit", shop).await;
    assert!(again.is_err(), "{again:?}");
    let again = rig.simulator.office("credit-return", which(json!(null)));
    assert!(again.await.is_err());
}

#[tokio::test]
async fn a_return_order_that_breaks_a_rule_is_kept_as_refused() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let cases: [(&str, Value, &str); 15] = [
        ("/orderNumber", json!("2"), "ORDER"),
        ("/channelCode", json!("OTHER"), "ORDER"),
        ("/customerNumber", json!("NOPE"), "CUSTOMER"),
        ("/customerNumber", json!("20002"), "OTHERCUSTOMER"),
        ("/currencyCode", json!("CHF"), "CURRENCY"),
        ("/lines/0/orderLineNumber", json!(3), "ORDERLINE"),
        ("/lines/0/itemNumber", json!("NOPE"), "ITEM"),
        ("/lines/0/itemNumber", json!("1501"), "ITEM"),
        ("/lines/0/variantCode", json!("NOPE"), "VARIANT"),
        ("/lines/0/unitOfMeasureCode", json!("CRATE"), "UNIT"),
        ("/lines/0/quantity", json!(0), "QUANTITY"),
        ("/lines/0/quantity", json!(3), "QUANTITY"),
        ("/lines/0/locationCode", json!("NOPE"), "LOCATION"),
        ("/lines/0/returnReasonCode", json!("NOPE"), "REASON"),
        ("/lines/0/grossAmount", json!(190), "TOTALS"),
    ];
    for (nth, (place, value, code)) in cases.into_iter().enumerate() {
        let mut wanted = goods(&format!("T-{nth}"));
        wanted["currencyCode"] = json!("");
        wanted["lines"][0]["locationCode"] = json!("");
        wanted["lines"][0]["unitOfMeasureCode"] = json!("");
        *wanted.pointer_mut(place).expect("a place") = value;
        let (status, refused) = rig.post(&returns(&rig), &wanted).await;
        assert_eq!(
            (status, &refused["state"], &refused["errorCode"]),
            (201, &json!("refused"), &json!(code)),
            "{place}: {refused}"
        );
        assert_eq!(refused["lines"], json!([]));
    }
    assert_eq!(told(&rig, 0).await.0, Vec::<Value>::new());
    let mut whole = goods("T-0");
    whole["grossAmount"] = json!(266.80);
    whole["revision"] = json!(2);
    let (_, refused) = rig.post(&returns(&rig), &whole).await;
    assert_eq!(refused["errorCode"], "TOTALS");
}

#[tokio::test]
async fn a_mended_return_takes_the_place_of_a_refused_one() {
    let rig = Rig::start().await;
    let (_, refused) = rig.post(&returns(&rig), &goods("T-1")).await;
    assert_eq!(refused["errorCode"], "ORDER");
    let mut other = goods("T-1");
    other["lines"][0]["conditionText"] = json!("used");
    let (status, error) = rig.post(&returns(&rig), &other).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (409, &json!("Internal_EntityWithSameKeyExists"))
    );
    sold(&rig).await;
    // The same again is looked at again, and a higher revision may say something else.
    let order = placed(&rig, &goods("T-1")).await;
    assert_eq!(order["systemId"], refused["systemId"]);
    let (_, refused) = rig
        .post(&returns(&rig), &{
            let mut wrong = goods("T-2");
            wrong["lines"][0]["returnReasonCode"] = json!("NOPE");
            wrong
        })
        .await;
    assert_eq!(refused["state"], "refused");
    let mut mended = goods("T-2");
    mended["revision"] = json!(2);
    assert_eq!(placed(&rig, &mended).await["revision"], json!(2));
}

#[tokio::test]
async fn what_was_not_received_can_be_given_up_and_nothing_else() {
    let rig = Rig::start().await;
    sold(&rig).await;
    let order = placed(&rig, &goods("T-1")).await;
    let id = order["systemId"].as_str().expect("an id");
    let cancel = rig.companion(&format!("returnOrders({id})/Microsoft.NAV.cancel"));
    assert_eq!(rig.post(&cancel, &json!({})).await.0, 204);
    assert_eq!(rig.post(&cancel, &json!({})).await.0, 204);
    assert_eq!(now(&rig, "T-1").await["state"], "cancelled");
    for act in ["receive-return", "inspect-return", "credit-return"] {
        assert!(
            rig.simulator.office(act, which(json!(null))).await.is_err(),
            "{act}"
        );
    }
    let (_, cursor) = told(&rig, 0).await;
    let other = placed(&rig, &goods("T-2")).await;
    let body = json!({ "channel": "OUTLET", "returnNumber": "T-2" });
    rig.office("receive-return", body).await;
    let id = other["systemId"].as_str().expect("an id");
    let cancel = rig.companion(&format!("returnOrders({id})/Microsoft.NAV.cancel"));
    let (status, error) = rig.post(&cancel, &json!({})).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (400, &json!("Application_DialogException"))
    );
    assert_eq!(
        told(&rig, cursor).await.0.len(),
        2,
        "a refusal tells nothing"
    );
}

#[tokio::test]
async fn a_line_for_a_ledger_account_is_taxed_at_the_full_rate() {
    let rig = Rig::start().await;
    let body = json!({ "customerNumber": "10001", "salesCreditMemoLines": [
        { "lineType": "Account", "lineObjectNumber": "8120", "quantity": 1, "unitPrice": 10 },
        { "lineType": "Comment", "description": "Return outlet/T-1" },
    ] });
    let (_, memo) = rig.post(&rig.standard("salesCreditMemos"), &body).await;
    assert_eq!(
        (&memo["totalAmountExcludingTax"], &memo["totalTaxAmount"]),
        (&json!(10), &json!(1.9)),
        "{memo}"
    );
    let draft = json!({ "number": memo["number"] });
    let posted = rig.office("post-credit-memo", draft.clone()).await;
    assert_eq!(posted["creditMemo"], "PS-CR104001");
    let again = rig.simulator.office("post-credit-memo", draft).await;
    assert!(again.is_err(), "there is no such draft any more");
}

#[tokio::test]
async fn microsofts_analytics_tell_return_reasons_and_nothing_else() {
    let rig = Rig::start().await;
    let page = |set: &str| {
        format!(
            "{}/api/microsoft/analytics/v1.0/companies({})/{set}",
            rig.simulator.base_url(),
            rig.company
        )
    };
    let reasons = page("returnReasonCodes");
    assert_eq!(rig.rows(&reasons).await.len(), 7);
    let defect = rig
        .rows(&format!("{reasons}?$filter=reasonCode eq 'DEFECT'"))
        .await;
    assert_eq!(
        defect,
        [json!({ "reasonCode": "DEFECT", "reasonDescription": "Does not work" })]
    );
    assert_eq!(rig.post(&reasons, &json!({})).await.0, 405);
    assert_eq!(rig.get(&page("items")).await.0, 404);
    let without = Rig::with(millrace_erp_simulator::Config {
        analytics: false,
        ..millrace_erp_simulator::Config::default()
    })
    .await;
    let there = reasons.replace(&rig.simulator.base_url(), &without.simulator.base_url());
    assert_eq!(without.get(&there).await.0, 404);
}
