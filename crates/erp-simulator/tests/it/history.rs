//! What became of an order, for who has lost his place in the feed.

use serde_json::{Value, json};

use crate::rig::{Rig, order};

/// What the feed tells of the order as well, in both shapes without what is of an entry alone.
pub async fn is_as_told(rig: &Rig, number: &str) {
    let (_, feed) = rig
        .get(&rig.companion("statusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    let entries = feed["entries"].as_array().cloned().unwrap_or_default();
    let told: Vec<Value> = entries
        .into_iter()
        .filter(|entry| entry["orderNumber"] == number && is_posted(entry))
        .map(bare)
        .collect();
    let rows = documents(rig, number).await;
    let posted = rows.into_iter().filter(is_posted).map(bare);
    assert_eq!(posted.collect::<Vec<_>>(), told);
}

async fn documents(rig: &Rig, number: &str) -> Vec<Value> {
    let key = format!("$filter=channelCode eq 'OUTLET' and orderNumber eq '{number}'");
    rig.rows(&rig.companion(&format!("orderDocuments?{key}&$expand=lines")))
        .await
}

fn is_posted(entry: &Value) -> bool {
    ["shipped", "invoiced", "credited"].contains(&entry["kind"].as_str().unwrap_or_default())
}

fn bare(mut entry: Value) -> Value {
    for field in ["systemRowVersion", "systemId", "@odata.etag"] {
        if let Some(entry) = entry.as_object_mut() {
            entry.remove(field);
        }
    }
    let lines = entry["lines"].as_array_mut().expect("lines");
    for line in lines.iter_mut().filter_map(Value::as_object_mut) {
        line.retain(|field, _| field == "quantity" || !field.ends_with("Quantity"));
    }
    entry
}

/// The last row: the order's lines as they stand.
async fn stands(rig: &Rig, number: &str) -> Vec<(i64, f64)> {
    let rows = documents(rig, number).await;
    let last = rows.last().expect("a row");
    assert_eq!(last["kind"], "changed", "{last}");
    let lines = last["lines"].as_array().expect("lines").iter();
    let line = |line: &Value| {
        (
            line["lineNumber"].as_i64().expect("a number"),
            line["quantity"].as_f64().expect("a quantity"),
        )
    };
    lines.map(line).collect()
}

async fn act(rig: &Rig, act: &str, number: &str, more: Value) {
    let mut body = json!({ "channel": "OUTLET", "orderNumber": number });
    let more = more.as_object().cloned().unwrap_or_default();
    body.as_object_mut().expect("an object").extend(more);
    rig.office(act, body).await;
}

async fn ordered(rig: &Rig, number: &str) {
    let mut wanted = order(number);
    wanted["processNow"] = json!(true);
    let (_, made) = rig.post(&rig.companion("orderBuffer"), &wanted).await;
    assert_eq!(made["state"], "created", "{made}");
}

#[tokio::test]
async fn the_documents_of_an_order_tell_what_the_feed_told() {
    let rig = Rig::start().await;
    ordered(&rig, "1").await;
    let parcel =
        json!({ "lines": [{ "line": 1, "quantity": 1 }], "agent": "DHL", "tracking": "JJD1" });
    act(&rig, "ship", "1", parcel).await;
    assert_eq!(stands(&rig, "1").await, [(1, 2.0), (2, 1.0)]);
    act(&rig, "invoice", "1", json!({})).await;
    act(
        &rig,
        "ship",
        "1",
        json!({ "agent": "DPD", "tracking": "D2" }),
    )
    .await;
    act(&rig, "invoice", "1", json!({})).await;
    let damaged = json!({ "lines": [{ "line": 1, "quantity": 1 }], "reason": "DEFECT" });
    act(&rig, "credit", "1", damaged).await;
    is_as_told(&rig, "1").await;
    assert_eq!(
        stands(&rig, "1").await,
        [(1, 2.0), (2, 1.0)],
        "the order is gone, and stands at what was shipped of it"
    );
    let before = documents(&rig, "1").await;
    rig.office("forget-changes", json!({})).await;
    assert_eq!(documents(&rig, "1").await, before, "nothing is forgotten");
}

#[tokio::test]
async fn what_was_cancelled_is_missing_where_the_order_stands() {
    let rig = Rig::start().await;
    ordered(&rig, "1").await;
    let one = json!({ "lines": [{ "line": 1, "quantity": 1 }] });
    act(&rig, "cancel", "1", one).await;
    let told = rig
        .get(&rig.companion("statusWindows(0)?$expand=entries"))
        .await
        .1["entries"]
        .as_array()
        .and_then(|entries| entries.last()?["systemRowVersion"].as_i64());
    assert_eq!(stands(&rig, "1").await, [(1, 1.0), (2, 1.0)]);
    let row = documents(&rig, "1").await.remove(0);
    assert!(row["systemRowVersion"].as_i64() >= told, "{row} {told:?}");
    act(&rig, "cancel", "1", json!({})).await;
    assert_eq!(stands(&rig, "1").await, [(1, 0.0), (2, 0.0)], "deleted");
    ordered(&rig, "2").await;
    let fewer = json!({ "line": 1, "quantity": 1 });
    act(&rig, "change-line", "2", fewer).await;
    act(&rig, "ship", "2", json!({})).await;
    act(&rig, "invoice", "2", json!({})).await;
    assert_eq!(
        stands(&rig, "2").await,
        [(1, 1.0), (2, 1.0)],
        "reduced before it was posted in full"
    );
}

#[tokio::test]
async fn the_documents_are_those_of_one_order() {
    let rig = Rig::start().await;
    rig.post(&rig.companion("orderBuffer"), &order("1")).await;
    assert_eq!(
        documents(&rig, "1").await,
        Vec::<Value>::new(),
        "in the buffer only"
    );
    assert_eq!(documents(&rig, "no-such-order").await, Vec::<Value>::new());
    for filter in [
        "",
        "?$filter=orderNumber eq '1'",
        "?$filter=channelCode eq 'OUTLET'",
        "?$filter=channelCode eq 'OUTLET' and (orderNumber eq '1' or orderNumber eq '2')",
    ] {
        let url = rig.companion(&format!("orderDocuments{filter}"));
        let (status, error) = rig.get(&url).await;
        assert_eq!(status, 400, "{filter}: {error}");
    }
}
