//! The standard entities and their behaviour.

use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Rig, answer};

#[tokio::test]
async fn a_company_is_discovered() {
    let rig = Rig::start().await;
    let rows = rig
        .rows(&format!("{}/api/v2.0/companies", rig.simulator.base_url()))
        .await;
    assert_eq!(rows[0]["id"], json!(rig.company));
    assert_eq!(rows[0]["name"], "Ahorn & Eiche Möbel GmbH");
}

#[tokio::test]
async fn the_demo_company_is_as_large_as_promised() {
    let rig = Rig::start().await;
    let count = async |set: &str| rig.rows(&rig.standard(set)).await.len();
    assert!(count("items").await >= 40);
    assert!(count("itemVariants").await >= 40);
    assert_eq!(count("customers").await, 25);
    assert_eq!(count("locations").await, 9);
    let stores = rig
        .rows(&rig.standard("locations?$filter=startswith(code,'STORE')"))
        .await;
    assert_eq!(stores.len(), 3);
    let prices = rig.rows(&rig.companion("priceLines")).await;
    let mut groups: Vec<&str> = prices
        .iter()
        .filter_map(|row| row["sourceNumber"].as_str())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups, ["RETAIL", "TRADE", "VIP"]);
}

#[tokio::test]
async fn inventory_is_the_sum_over_locations_and_does_not_touch_the_item() {
    let rig = Rig::start().await;
    let item = async || {
        rig.rows(&rig.standard("items?$filter=number eq '1004'"))
            .await[0]
            .clone()
    };
    let before = item().await;
    rig.clock.advance(jiff::SignedDuration::from_secs(60));
    rig.office(
        "move-stock",
        json!({ "item": "1004", "location": "STORE-B", "quantity": 4 }),
    )
    .await;
    let after = item().await;
    assert_eq!(
        after["inventory"].as_i64(),
        before["inventory"].as_i64().map(|stock| stock + 4)
    );
    assert_eq!(
        after["lastModifiedDateTime"],
        before["lastModifiedDateTime"]
    );
    let entries = rig
        .rows(&rig.standard("itemLedgerEntries?$filter=itemNumber eq '1004'"))
        .await;
    let sum: i64 = entries
        .iter()
        .filter_map(|row| row["quantity"].as_i64())
        .sum();
    assert_eq!(Some(sum), after["inventory"].as_i64());
}

#[tokio::test]
async fn an_order_is_inserted_with_its_lines_and_priced_by_group_and_quantity() {
    let rig = Rig::start().await;
    let body = json!({
        "customerNumber": "10001", "externalDocumentNumber": "WEB-1",
        "salesOrderLines": [
            { "lineType": "Item", "lineObjectNumber": "1004", "quantity": 9 },
            { "lineType": "Item", "lineObjectNumber": "1004", "quantity": 10 },
        ],
    });
    let (status, order) = rig
        .post(&rig.standard("salesOrders?$expand=salesOrderLines"), &body)
        .await;
    assert_eq!(status, 201, "{order}");
    let lines = order["salesOrderLines"].as_array().expect("lines");
    // 89.50 less 20 % for the trade, less 26 % from ten pieces on.
    assert_eq!(
        (&lines[0]["unitPrice"], &lines[1]["unitPrice"]),
        (&json!(71.6), &json!(66.23))
    );
    assert_eq!(order["totalAmountExcludingTax"], json!(1306.70));
    assert_eq!(order["totalTaxAmount"], json!(248.27));
    assert_eq!(order["totalAmountIncludingTax"], json!(1554.97));
    assert_eq!(order["status"], "Draft");

    let mut wrong = body.clone();
    wrong["salesOrderLines"][1]["lineObjectNumber"] = json!("NOPE");
    let before = rig.rows(&rig.standard("salesOrders")).await.len();
    assert_eq!(rig.post(&rig.standard("salesOrders"), &wrong).await.0, 400);
    assert_eq!(
        rig.rows(&rig.standard("salesOrders")).await.len(),
        before,
        "no header without its lines"
    );
}

#[tokio::test]
async fn posting_an_order_leaves_documents_and_removes_it() {
    let rig = Rig::start().await;
    let body = json!({
        "customerNumber": "10001", "externalDocumentNumber": "WEB-2",
        "salesOrderLines": [{ "lineType": "Item", "lineObjectNumber": "1004", "quantity": 3 }],
    });
    let (_, order) = rig.post(&rig.standard("salesOrders"), &body).await;
    let id = order["id"].as_str().expect("an id");
    let (status, _) = rig
        .post(
            &rig.standard(&format!("salesOrders({id})/Microsoft.NAV.shipAndInvoice")),
            &json!({}),
        )
        .await;
    assert_eq!(status, 204);
    assert_eq!(
        rig.get(&rig.standard(&format!("salesOrders({id})")))
            .await
            .0,
        404
    );
    let number = order["number"].as_str().expect("a number");
    for which in [
        json!({ "order": number }),
        json!({ "orderNumber": "WEB-2" }),
    ] {
        let found = rig.office("documents", which).await;
        assert_eq!(
            found["documents"].as_array().map(Vec::len),
            Some(2),
            "{found}"
        );
    }
    let invoices = rig
        .rows(&rig.standard(&format!("salesInvoices?$filter=orderNumber eq '{number}'")))
        .await;
    assert_eq!(invoices.len(), 1);
    assert_eq!(
        (
            &invoices[0]["orderId"],
            &invoices[0]["externalDocumentNumber"]
        ),
        (&json!(id), &json!("WEB-2"))
    );
    assert_eq!(
        invoices[0]["totalAmountIncludingTax"],
        order["totalAmountIncludingTax"]
    );
    let shipments = rig
        .rows(&rig.standard(&format!(
            "salesShipments?$filter=orderNumber eq '{number}'&$expand=salesShipmentLines"
        )))
        .await;
    assert_eq!(shipments[0]["salesShipmentLines"][0]["quantity"], json!(3));
    let ledger = rig
        .rows(&rig.standard(&format!(
            "itemLedgerEntries?$filter=documentNumber eq '{}'",
            shipments[0]["number"].as_str().expect("n")
        )))
        .await;
    assert_eq!(
        (&ledger[0]["quantity"], &ledger[0]["entryType"]),
        (&json!(-3), &json!("Sale"))
    );
}

#[tokio::test]
async fn lines_are_only_listed_of_a_document() {
    let rig = Rig::start().await;
    let (status, error) = rig.get(&rig.standard("salesOrderLines")).await;
    assert_eq!(
        (status, &error["error"]["code"]),
        (400, &json!("Application_DialogException"))
    );
    let body = json!({ "customerNumber": "10001", "salesOrderLines": [{ "lineObjectNumber": "1004", "quantity": 1 }] });
    let (_, order) = rig.post(&rig.standard("salesOrders"), &body).await;
    let id = order["id"].as_str().expect("an id");
    let lines = rig
        .rows(&rig.standard(&format!("salesOrderLines?$filter=documentId eq {id}")))
        .await;
    assert_eq!(lines.len(), 1);
    let (status, added) = rig
        .post(
            &rig.standard(&format!("salesOrders({id})/salesOrderLines")),
            &json!({ "lineObjectNumber": "1005", "quantity": 2, "discountPercent": 10 }),
        )
        .await;
    assert_eq!(
        (status, &added["discountAmount"]),
        (201, &json!(15.12)),
        "{added}"
    );
    let line = rig.standard(&format!(
        "salesOrderLines({})",
        added["id"].as_str().expect("an id")
    ));
    let request = rig
        .request(Method::PATCH, &line)
        .header("if-match", "*")
        .json(&json!({ "quantity": 1 }));
    assert_eq!(answer(request).await.1["quantity"], json!(1));
    let request = rig.request(Method::DELETE, &line).header("if-match", "*");
    assert_eq!(answer(request).await.0, 204);
    assert_eq!(
        rig.rows(&rig.standard(&format!("salesOrders({id})/salesOrderLines")))
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn an_invoice_discount_is_spread_over_the_lines_and_lowers_the_tax() {
    let rig = Rig::start().await;
    let body = json!({
        "customerNumber": "10001", "discountAmount": 10,
        "salesOrderLines": [
            { "lineObjectNumber": "1004", "quantity": 1, "unitPrice": 66.67 },
            { "lineObjectNumber": "1702", "quantity": 1, "unitPrice": 33.33 },
        ],
    });
    let (_, order) = rig
        .post(&rig.standard("salesOrders?$expand=salesOrderLines"), &body)
        .await;
    let lines = order["salesOrderLines"].as_array().expect("lines");
    assert_eq!(
        (
            &lines[0]["invoiceDiscountAllocation"],
            &lines[1]["invoiceDiscountAllocation"]
        ),
        (&json!(6.67), &json!(3.33))
    );
    // 60.00 at 19 % and 30.00 at 7 %.
    assert_eq!(
        (&order["totalAmountExcludingTax"], &order["totalTaxAmount"]),
        (&json!(90), &json!(13.5))
    );
}

#[tokio::test]
async fn codes_and_partners_are_made_changed_and_deleted() {
    let rig = Rig::start().await;
    let (status, made) = rig
        .post(
            &rig.standard("paymentTerms"),
            &json!({ "code": "60D", "displayName": "60 days", "dueDateCalculation": "60D" }),
        )
        .await;
    assert_eq!(
        (status, &made["discountPercent"]),
        (201, &json!(0)),
        "{made}"
    );
    assert_eq!(
        rig.post(&rig.standard("paymentTerms"), &json!({ "code": "60D" }))
            .await
            .0,
        409
    );
    let (_, customer) = rig
        .post(
            &rig.standard("customers"),
            &json!({ "displayName": "Neu GmbH", "paymentTermsId": made["id"], "country": "AT" }),
        )
        .await;
    assert_eq!(customer["paymentTermsId"], made["id"], "{customer}");
    let url = rig.standard(&format!(
        "customers({})?$expand=paymentTerm",
        customer["id"].as_str().expect("an id")
    ));
    assert_eq!(rig.get(&url).await.1["paymentTerm"]["code"], "60D");
    let request = rig
        .request(Method::PATCH, &url)
        .header("if-match", "*")
        .json(&json!({ "blocked": "All" }));
    assert_eq!(answer(request).await.1["blocked"], "All");
    let (status, _) = rig
        .post(
            &rig.standard("salesOrders"),
            &json!({ "customerNumber": customer["number"] }),
        )
        .await;
    assert_eq!(status, 400, "a blocked customer gets no order");
    assert_eq!(
        answer(rig.request(Method::DELETE, &url).header("if-match", "*"))
            .await
            .0,
        204
    );
    let (_, renamed) = rig
        .post(
            &rig.standard("items"),
            &json!({ "number": "Z9", "displayName": "Neu" }),
        )
        .await;
    let url = rig.standard(&format!(
        "items({})",
        renamed["id"].as_str().expect("an id")
    ));
    let request = rig
        .request(Method::PATCH, &url)
        .header("if-match", "*")
        .json(&json!({ "number": "Z10" }));
    assert_eq!(
        answer(request).await.1["id"],
        renamed["id"],
        "a rename keeps the id"
    );
}

#[tokio::test]
async fn a_picture_travels_as_bytes() {
    let rig = Rig::start().await;
    let item = &rig
        .rows(&rig.standard("items?$filter=number eq '1000'"))
        .await[0];
    let url = rig.standard(&format!(
        "items({})/picture",
        item["id"].as_str().expect("an id")
    ));
    assert_eq!(rig.get(&url).await.1["contentType"], "");
    let request = rig
        .request(Method::PATCH, &format!("{url}/pictureContent"))
        .header("if-match", "*")
        .header("content-type", "image/png")
        .body(vec![1_u8, 2, 3]);
    assert_eq!(answer(request).await.0, 204);
    let picture = rig.get(&url).await.1;
    assert_eq!(
        (&picture["contentType"], &picture["parentType"]),
        (&json!("image/png"), &json!("Item"))
    );
    let link = picture["pictureContent@odata.mediaReadLink"]
        .as_str()
        .expect("a link");
    let bytes = rig
        .request(Method::GET, link)
        .send()
        .await
        .expect("an answer")
        .bytes()
        .await
        .expect("bytes");
    assert_eq!(bytes.as_ref(), [1, 2, 3]);
}

#[tokio::test]
async fn an_order_deleted_by_hand_is_told_as_cancelled_and_a_posted_one_is_not() {
    let rig = Rig::start().await;
    let mut wanted = crate::rig::order("9001");
    wanted["processNow"] = json!(true);
    let (_, made) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    let url = rig.standard(&format!(
        "salesOrders({})",
        made["salesOrderId"].as_str().expect("an id")
    ));
    assert_eq!(
        answer(rig.request(Method::DELETE, &url).header("if-match", "*"))
            .await
            .0,
        204
    );
    let (_, feed) = rig
        .get(&rig.companion("statusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    let last = feed["entries"]
        .as_array()
        .and_then(|entries| entries.last())
        .cloned()
        .unwrap_or(Value::Null);
    assert_eq!(
        (&last["kind"], &last["lines"][0]["cancelledQuantity"]),
        (&json!("cancelled"), &json!(2))
    );
    let figures = rig
        .office(
            "stock",
            json!({ "item": "1000", "variant": "WEISS", "location": "MAIN" }),
        )
        .await;
    assert_eq!(figures["figures"][0]["quantityOnSalesOrders"], json!(0));
}
