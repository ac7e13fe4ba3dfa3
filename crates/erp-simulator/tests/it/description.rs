//! What the companion answers against what its OpenAPI file describes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::returns::goods;
use crate::rig::{Rig, order};

/// Property names of each schema, and those that must be there.
#[derive(Default)]
struct Schema {
    properties: BTreeSet<String>,
    required: BTreeSet<String>,
}

/// Reads the schemas from the file by its layout: names four spaces in, flow lists of required names, one property a line.
fn schemas() -> BTreeMap<String, Schema> {
    let text = include_str!("../../../../deploy/business-central/companion-v1.0.openapi.yaml");
    let (_, schemas) = text
        .split_once("\n  schemas:\n")
        .expect("there are schemas");
    let mut found: BTreeMap<String, Schema> = BTreeMap::new();
    let mut name = String::new();
    for line in schemas.lines() {
        let indent = line.len() - line.trim_start().len();
        let word = line
            .trim()
            .split(':')
            .next()
            .unwrap_or_default()
            .trim_matches('\'')
            .to_owned();
        if indent == 4 {
            name = word;
            continue;
        }
        let schema = found.entry(name.clone()).or_default();
        let required = line
            .trim()
            .trim_start_matches("- ")
            .strip_prefix("required: [");
        if indent > 12 {
            continue;
        }
        if let Some(list) = required.and_then(|list| list.strip_suffix(']')) {
            schema
                .required
                .extend(list.split(',').map(|name| name.trim().to_owned()));
        } else if line.trim_start().starts_with(char::is_alphabetic) {
            schema.properties.insert(word);
        }
    }
    found
}

fn check(schemas: &BTreeMap<String, Schema>, name: &str, record: &Value) {
    let schema = &schemas[name];
    let record = record
        .as_object()
        .unwrap_or_else(|| panic!("{name} has no record"));
    for required in &schema.required {
        assert!(
            record.contains_key(required),
            "{name}.{required} is described as always there"
        );
    }
    for property in record.keys().filter(|property| !property.starts_with('@')) {
        let sent = match name {
            "BufferedOrder" => "NewBufferedOrder",
            "ReturnOrder" => "NewReturnOrder",
            _ => name,
        };
        let described =
            schema.properties.contains(property) || schemas[sent].properties.contains(property);
        assert!(described, "{name}.{property} is not described");
    }
}

#[tokio::test]
async fn every_answer_of_the_companion_is_as_its_description_says() {
    let schemas = schemas();
    let rig = Rig::start().await;
    let mut wanted = order("1");
    wanted["processNow"] = json!(true);
    let (_, made) = rig
        .post(&rig.companion("orderBuffer?$expand=lines"), &wanted)
        .await;
    check(&schemas, "BufferedOrder", &made);
    check(&schemas, "BufferedOrderLine", &made["lines"][0]);
    check(&schemas, "Address", &made["shipTo"]);
    let wanted = json!({ "channelCode": "OUTLET", "reservationNumber": "R-1", "fromLocationCode": "STORE-B",
        "lines": [{ "lineNumber": 1, "itemNumber": "1000", "variantCode": "WEISS", "quantity": 1 }] });
    let (_, request) = rig
        .post(&rig.companion("transferRequests?$expand=lines"), &wanted)
        .await;
    check(&schemas, "TransferRequest", &request);
    check(&schemas, "TransferRequestLine", &request["lines"][0]);
    let wanted = json!({ "channelCode": "OUTLET", "reservationNumber": "R-1", "lineNumber": 1,
        "locationCode": "STORE-B", "itemNumber": "1000" });
    let (_, request) = rig.post(&rig.companion("countRequests"), &wanted).await;
    check(&schemas, "CountRequest", &request);
    let (_, back) = rig
        .post(&rig.companion("returnOrders?$expand=lines"), &goods("T-1"))
        .await;
    check(&schemas, "ReturnOrder", &back);
    check(&schemas, "ReturnOrderLine", &back["lines"][0]);
    let (_, reasons) = rig
        .get(&rig.companion("returnReasons?$expand=translations"))
        .await;
    let reason = &reasons["value"][0];
    check(&schemas, "ReturnReason", reason);
    check(
        &schemas,
        "ReturnReasonTranslation",
        &reason["translations"][0],
    );
    for (set, name) in [
        ("returnOrders", "ReturnOrder"),
        ("returnReasons", "ReturnReason"),
        ("storeLocations", "StoreLocation"),
        ("transferRequests", "TransferRequest"),
        ("countRequests", "CountRequest"),
        ("companionInfo", "CompanionInfo"),
        ("setupChecks", "SetupCheck"),
        ("changeEntries", "ChangeEntry"),
        ("items", "Item"),
        ("itemVariants", "ItemVariant"),
        ("priceLines", "PriceLine"),
        ("stockFigures", "StockFigure"),
        ("customers", "Customer"),
    ] {
        let rows = rig.rows(&rig.companion(set)).await;
        check(&schemas, name, &rows[0]);
    }
    let (_, window) = rig
        .get(&rig.companion("changeWindows(0)?$expand=entries"))
        .await;
    check(&schemas, "ChangeWindow", &window);
    check(&schemas, "ChangeEntry", &window["entries"][0]);
    let (_, window) = rig
        .get(&rig.companion("statusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    check(&schemas, "StatusWindow", &window);
    check(&schemas, "StatusEntry", &window["entries"][0]);
    check(&schemas, "StatusLine", &window["entries"][0]["lines"][0]);
    let key = "$filter=channelCode eq 'OUTLET' and orderNumber eq '1'";
    let rows = rig
        .rows(&rig.companion(&format!("orderDocuments?{key}&$expand=lines")))
        .await;
    check(&schemas, "StatusEntry", &rows[0]);
    check(&schemas, "StatusLine", &rows[0]["lines"][0]);
    let (_, window) = rig
        .get(&rig.companion("transferStatusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    check(&schemas, "TransferStatusWindow", &window);
    check(&schemas, "TransferStatusEntry", &window["entries"][0]);
    check(
        &schemas,
        "TransferRequestLine",
        &window["entries"][0]["lines"][0],
    );
    let (_, window) = rig
        .get(&rig.companion("returnStatusWindows(0)?$expand=entries($expand=lines)"))
        .await;
    check(&schemas, "ReturnStatusWindow", &window);
    let entry = &window["entries"][0];
    check(&schemas, "ReturnStatusEntry", entry);
    check(&schemas, "ReturnOrderLine", &entry["lines"][0]);
    let key = json!({ "figures": [{ "itemNumber": "1000" }] });
    let (_, lookup) = rig
        .post(&rig.companion("stockLookups?$expand=figures"), &key)
        .await;
    check(&schemas, "StockLookup", &lookup);
    let mut figure = lookup["figures"][0].clone();
    assert_eq!(
        figure
            .as_object_mut()
            .and_then(|figure| figure.remove("result")),
        Some(json!("found"))
    );
    check(&schemas, "StockFigure", &figure);
}
