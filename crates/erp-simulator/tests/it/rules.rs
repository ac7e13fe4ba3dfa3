//! The worked examples of the README, in its order.

use serde_json::{Value, json};

use crate::rig::{Rig, order};

async fn placed(rig: &Rig, customer: &str, lines: Value) -> Value {
    let body = json!({ "customerNumber": customer, "salesOrderLines": lines });
    let (status, order) = rig
        .post(&rig.standard("salesOrders?$expand=salesOrderLines"), &body)
        .await;
    assert_eq!(status, 201, "{order}");
    order
}

fn item(number: &str, quantity: i64) -> Value {
    json!({ "lineType": "Item", "lineObjectNumber": number, "quantity": quantity })
}

async fn bought(rig: &Rig, wanted: Value) -> Value {
    let mut wanted = wanted;
    wanted["processNow"] = json!(true);
    rig.post(&rig.companion("orderBuffer"), &wanted).await.1
}

#[tokio::test]
async fn a_price_comes_from_the_customers_group_and_the_quantity() {
    let rig = Rig::start().await;
    let trade = placed(&rig, "10001", json!([item("1004", 9), item("1004", 10)])).await;
    let prices: Vec<&Value> = trade["salesOrderLines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| &line["unitPrice"])
        .collect();
    assert_eq!(prices, [&json!(71.6), &json!(66.23)]);
}

#[tokio::test]
async fn the_lowest_price_after_its_line_discount_wins() {
    let rig = Rig::start().await;
    rig.office(
        "set-price",
        json!({ "item": "1000", "unitPrice": 90, "includesTax": true }),
    )
    .await;
    let vip = placed(&rig, "20000", json!([item("1000", 1)])).await;
    let line = &vip["salesOrderLines"][0];
    assert_eq!(
        (
            &line["unitPrice"],
            &line["discountPercent"],
            &line["discountAmount"]
        ),
        (&json!(93.9), &json!(10), &json!(9.39))
    );
    assert_eq!(vip["totalAmountIncludingTax"], json!(84.51));
    let retail = placed(&rig, "20001", json!([item("1000", 1)])).await;
    assert_eq!(retail["salesOrderLines"][0]["unitPrice"], json!(90));
}

#[tokio::test]
async fn without_a_fitting_line_the_items_own_price_is_taken_into_the_orders_price_mode() {
    let rig = Rig::start().await;
    let vip = placed(&rig, "20000", json!([item("1001", 1)])).await;
    assert_eq!(vip["salesOrderLines"][0]["unitPrice"], json!(141.61));
    assert_eq!(vip["totalAmountExcludingTax"], json!(119));
}

#[tokio::test]
async fn a_price_of_another_variant_unit_day_or_currency_does_not_fit() {
    let rig = Rig::start().await;
    for other in [
        json!({ "item": "1004", "unitPrice": 1, "variant": "NONE" }),
        json!({ "item": "1004", "unitPrice": 1, "unit": "PACK" }),
        json!({ "item": "1004", "unitPrice": 1, "currency": "CHF" }),
        json!({ "item": "1004", "unitPrice": 1, "customer": "10002" }),
        json!({ "item": "1004", "unitPrice": 1, "minimum": 2, "ends": "2026-11-21" }),
        json!({ "item": "1004", "unitPrice": 1, "minimum": 3, "starts": "2026-11-23" }),
    ] {
        rig.office("set-price", other).await;
    }
    let order = placed(&rig, "10001", json!([item("1004", 3)])).await;
    assert_eq!(order["salesOrderLines"][0]["unitPrice"], json!(71.6));
}

#[tokio::test]
async fn a_line_is_rounded_to_cents_away_from_zero() {
    let rig = Rig::start().await;
    let mut line = item("1004", 3);
    line["unitPrice"] = json!(0.335);
    let order = placed(&rig, "10001", json!([line])).await;
    assert_eq!(order["totalAmountExcludingTax"], json!(1.01));
}

#[tokio::test]
async fn tax_is_computed_per_rate_on_the_sum_and_the_lines_add_up_to_it() {
    let rig = Rig::start().await;
    let mut line = item("1004", 1);
    line["unitPrice"] = json!(0.33);
    let mut book = item("1702", 1);
    book["unitPrice"] = json!(10);
    let order = placed(&rig, "10001", json!([line, line, line, book])).await;
    let taxes: Vec<&Value> = order["salesOrderLines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| &line["netTaxAmount"])
        .collect();
    assert_eq!(
        taxes,
        [&json!(0.06), &json!(0.07), &json!(0.06), &json!(0.7)]
    );
    assert_eq!(order["totalTaxAmount"], json!(0.89));
}

#[tokio::test]
async fn tax_follows_the_customers_and_the_items_group() {
    let rig = Rig::start().await;
    for (customer, percent) in [
        ("10001", 19),
        ("10006", 0),
        ("10007", 0),
        ("20007", 19),
        ("20008", 0),
    ] {
        let order = placed(&rig, customer, json!([item("1004", 1)])).await;
        assert_eq!(
            order["salesOrderLines"][0]["taxPercent"],
            json!(percent),
            "{customer}"
        );
    }
}

#[tokio::test]
async fn an_invoice_discount_is_spread_in_proportion_before_tax() {
    let rig = Rig::start().await;
    let body = json!({ "customerNumber": "10001", "discountAmount": 10, "salesOrderLines": [
        { "lineObjectNumber": "1004", "quantity": 1, "unitPrice": 66.67 },
        { "lineObjectNumber": "1702", "quantity": 1, "unitPrice": 33.33 },
    ] });
    let (_, order) = rig
        .post(&rig.standard("salesOrders?$expand=salesOrderLines"), &body)
        .await;
    assert_eq!(
        order["salesOrderLines"][0]["invoiceDiscountAllocation"],
        json!(6.67)
    );
    assert_eq!(
        (&order["totalAmountExcludingTax"], &order["totalTaxAmount"]),
        (&json!(90), &json!(13.5))
    );
}

#[tokio::test]
async fn tax_as_sold_is_booked_and_the_difference_is_kept() {
    let rig = Rig::start().await;
    let mut wanted = order("1");
    wanted["netAmount"] = json!(224.18);
    wanted["taxAmount"] = json!(42.61);
    let made = bought(&rig, wanted).await;
    assert_eq!(
        (&made["state"], &made["taxDifference"]),
        (&json!("created"), &json!(0.01)),
        "{made}"
    );
    assert_eq!(
        (
            &made["bookedNetAmount"],
            &made["bookedTaxAmount"],
            &made["bookedGrossAmount"]
        ),
        (&json!(224.18), &json!(42.61), &json!(266.79))
    );
    let mut wanted = order("2");
    wanted["netAmount"] = json!(223.18);
    wanted["taxAmount"] = json!(43.61);
    let failed = bought(&rig, wanted).await;
    assert_eq!(
        (&failed["state"], &failed["errorCode"]),
        (&json!("failed"), &json!("TOTALS")),
        "more than one euro of tax"
    );
}

#[tokio::test]
async fn parts_of_a_line_add_up_to_the_line() {
    let rig = Rig::start().await;
    let wanted = json!({
        "channelCode": "OUTLET", "orderNumber": "1", "customerNumber": "10001", "orderDate": "2026-11-22", "locationCode": "MAIN",
        "netAmount": 10, "taxAmount": 1.9, "grossAmount": 11.9,
        "lines": [{ "lineNumber": 1, "objectNumber": "1004", "quantity": 3, "unitPrice": 4, "discountAmount": 2 }],
    });
    assert_eq!(bought(&rig, wanted).await["state"], "created");
    let mut gross = Vec::new();
    for _ in 0..3 {
        let one = json!({ "channel": "OUTLET", "orderNumber": "1", "lines": [{ "line": 1, "quantity": 1 }] });
        rig.office("ship", one.clone()).await;
        gross.push(rig.office("invoice", one).await["gross"].clone());
    }
    assert_eq!(gross, [json!(3.96), json!(3.98), json!(3.96)]);
    let documents = rig
        .office(
            "documents",
            json!({ "channel": "OUTLET", "orderNumber": "1" }),
        )
        .await;
    let kinds: Vec<&str> = documents["documents"]
        .as_array()
        .expect("documents")
        .iter()
        .filter_map(|row| row["kind"].as_str())
        .collect();
    assert!(
        !kinds.contains(&"Order"),
        "after the last invoice the order is gone: {kinds:?}"
    );
    assert_eq!(
        rig.rows(&rig.standard("customers?$filter=number eq '10001'"))
            .await[0]["balanceDue"],
        json!(11.9)
    );
}

#[tokio::test]
async fn another_unit_takes_its_base_units_from_the_stock() {
    let rig = Rig::start().await;
    let stock = async || {
        rig.office("stock", json!({ "item": "1701", "location": "MAIN" }))
            .await["figures"][0]
            .clone()
    };
    rig.office(
        "count-stock",
        json!({ "item": "1701", "location": "MAIN", "quantity": 50 }),
    )
    .await;
    let wanted = json!({
        "channelCode": "OUTLET", "orderNumber": "1", "customerNumber": "10001", "orderDate": "2026-11-22", "locationCode": "MAIN",
        "netAmount": 79.2, "taxAmount": 15.05, "grossAmount": 94.25,
        "lines": [{ "lineNumber": 1, "objectNumber": "1701", "unitOfMeasureCode": "PACK", "quantity": 2, "unitPrice": 39.6 }],
    });
    assert_eq!(bought(&rig, wanted).await["state"], "created");
    assert_eq!(stock().await["quantityOnSalesOrders"], json!(20));
    rig.office("ship", json!({ "channel": "OUTLET", "orderNumber": "1" }))
        .await;
    assert_eq!(
        (
            &stock().await["quantityOnHand"],
            &stock().await["quantityOnSalesOrders"]
        ),
        (&json!(30), &json!(0))
    );
}

#[tokio::test]
async fn a_cancelled_rest_frees_its_stock_and_keeps_what_was_shipped() {
    let rig = Rig::start().await;
    assert_eq!(bought(&rig, order("1")).await["state"], "created");
    let shop = json!({ "channel": "OUTLET", "orderNumber": "1" });
    rig.office(
        "ship",
        json!({ "channel": "OUTLET", "orderNumber": "1", "lines": [{ "line": 1, "quantity": 1 }] }),
    )
    .await;
    rig.office(
        "cancel",
        json!({ "channel": "OUTLET", "orderNumber": "1", "reason": "DISLIKE" }),
    )
    .await;
    let figures = rig
        .office(
            "stock",
            json!({ "item": "1000", "variant": "WEISS", "location": "MAIN" }),
        )
        .await;
    assert_eq!(figures["figures"][0]["quantityOnSalesOrders"], json!(0));
    rig.office("invoice", shop.clone()).await;
    let documents = rig.office("documents", shop).await;
    let invoice = documents["documents"]
        .as_array()
        .expect("documents")
        .iter()
        .find(|row| row["kind"] == "Invoice");
    // One chair and the freight.
    assert_eq!(
        invoice.map(|invoice| invoice["gross"].clone()),
        Some(json!(98.8))
    );
    let (_, feed) = rig
        .get(&rig.companion("statusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    let cancelled = feed["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .find(|entry| entry["kind"] == "cancelled")
        .cloned();
    let cancelled = cancelled.expect("a cancellation");
    assert_eq!(
        (&cancelled["reasonCode"], &cancelled["lines"][0]["quantity"]),
        (&json!("DISLIKE"), &json!(1))
    );
    assert_eq!(cancelled["lines"][1]["cancelledQuantity"], json!(1));
}

#[tokio::test]
async fn a_credit_memo_written_by_hand_for_a_shops_invoice_is_told_to_the_shop() {
    let rig = Rig::start().await;
    assert_eq!(bought(&rig, order("1")).await["state"], "created");
    let shop = json!({ "channel": "OUTLET", "orderNumber": "1" });
    rig.office("ship", shop.clone()).await;
    rig.office("invoice", shop).await;
    let invoice = &rig.rows(&rig.standard("salesInvoices")).await[0];
    let body = json!({ "customerNumber": "20001", "invoiceId": invoice["id"], "salesCreditMemoLines": [
        { "lineObjectNumber": "1501", "quantity": 1, "unitPrice": 74.09 },
    ] });
    let (_, memo) = rig.post(&rig.standard("salesCreditMemos"), &body).await;
    assert_eq!(memo["status"], "Draft", "{memo}");
    let post = format!(
        "salesCreditMemos({})/Microsoft.NAV.post",
        memo["id"].as_str().expect("an id")
    );
    assert_eq!(rig.post(&rig.standard(&post), &json!({})).await.0, 204);
    let (_, feed) = rig
        .get(&rig.companion("statusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    let last = feed["entries"]
        .as_array()
        .and_then(|entries| entries.last())
        .cloned()
        .expect("an entry");
    assert_eq!(
        (&last["kind"], &last["lines"][0]["lineNumber"]),
        (&json!("credited"), &json!(2))
    );
}
