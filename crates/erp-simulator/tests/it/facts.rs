//! The entities against what was collected from Microsoft's documentation.

use std::path::PathBuf;

use serde_json::Value;

use crate::rig::Rig;

/// Documented entity and the set it is served under.
const SETS: &[(&str, &str)] = &[
    ("item", "items"),
    ("itemVariant", "itemVariants"),
    ("itemCategory", "itemCategories"),
    ("unitOfMeasure", "unitsOfMeasure"),
    ("currency", "currencies"),
    ("countryRegion", "countriesRegions"),
    ("paymentTerm", "paymentTerms"),
    ("paymentMethod", "paymentMethods"),
    ("shipmentMethod", "shipmentMethods"),
    ("taxGroup", "taxGroups"),
    ("location", "locations"),
    ("salespersonPurchaser", "salespeoplePurchasers"),
    ("customer", "customers"),
    ("contact", "contacts"),
    ("salesOrder", "salesOrders"),
    ("salesShipment", "salesShipments"),
    ("salesInvoice", "salesInvoices"),
    ("salesCreditMemo", "salesCreditMemos"),
    ("customerReturnReason", "customerReturnReasons"),
    ("itemLedgerEntry", "itemLedgerEntries"),
];

const LINES: &[(&str, &str)] = &[
    ("salesOrderLine", "salesOrders"),
    ("salesShipmentLine", "salesShipments"),
    ("salesInvoiceLine", "salesInvoices"),
    ("salesCreditMemoLine", "salesCreditMemos"),
];

/// The collected facts, where they are at hand.
fn documented() -> Option<Vec<Value>> {
    let folder = std::env::var_os("MILLRACE_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(folder.join("bc/bc-api-v2.0-entities.docs.json")).ok()?;
    let mut facts: Value = serde_json::from_str(&text).ok()?;
    facts["entities"].as_array_mut().map(std::mem::take)
}

fn fits(kind: &str, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        "GUID" => text.is_some_and(|text| text.len() == 36),
        "string" => text.is_some(),
        "boolean" => value.is_boolean(),
        "decimal" => value.is_number(),
        "integer" | "int64" => value.is_i64(),
        "date" => text.is_some_and(|text| text.parse::<jiff::civil::Date>().is_ok()),
        "datetime" => text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        kind => kind.starts_with("NAV.") && text.is_some_and(|text| !text.contains(' ')),
    }
}

fn compare(entity: &str, properties: &[Value], record: &Value) {
    let record = record
        .as_object()
        .unwrap_or_else(|| panic!("{entity} has no record to compare"));
    let mut names: Vec<&str> = record
        .keys()
        .map(String::as_str)
        .filter(|name| !name.contains('@'))
        .collect();
    let mut documented: Vec<&str> = properties
        .iter()
        .filter_map(|property| property["name"].as_str())
        .collect();
    names.sort_unstable();
    documented.sort_unstable();
    assert_eq!(names, documented, "{entity}");
    for property in properties {
        let (name, kind) = (
            property["name"].as_str().unwrap_or_default(),
            property["type"].as_str().unwrap_or_default(),
        );
        assert!(
            fits(kind, &record[name]),
            "{entity}.{name} is {} and not {kind}",
            record[name]
        );
    }
}

#[tokio::test]
async fn every_entity_has_exactly_the_documented_properties_with_their_types_and_read_only_rules() {
    let Some(documented) = documented() else {
        millrace_test_rig::say(
            "documented entities: skipped, the collected facts are not here (set MILLRACE_SHARED)",
        );
        return;
    };
    let rig = Rig::start().await;
    make_documents(&rig).await;
    let properties = |entity: &str| -> Vec<Value> {
        let found = documented.iter().find(|facts| facts["entity"] == entity);
        found
            .and_then(|facts| facts["properties"].as_array().cloned())
            .unwrap_or_else(|| panic!("{entity} is documented"))
    };
    let mut compared = 0;
    for (entity, set) in SETS {
        let rows = rig.rows(&rig.standard(&format!("{set}?$top=1"))).await;
        compare(
            entity,
            &properties(entity),
            rows.first().unwrap_or(&Value::Null),
        );
        read_only(&rig, set, &properties(entity)).await;
        compared += 1;
    }
    for (entity, set) in LINES {
        let rows = rig
            .rows(&rig.standard(&format!("{set}?$top=1&$expand={entity}s")))
            .await;
        compare(
            entity,
            &properties(entity),
            &rows[0][format!("{entity}s")][0],
        );
        compared += 1;
    }
    let subscription = subscribed(&rig).await;
    compare("subscriptions", &properties("subscriptions"), &subscription);
    let companies = rig
        .rows(&format!("{}/api/v2.0/companies", rig.simulator.base_url()))
        .await;
    compare("company", &properties("company"), &companies[0]);
    let item = &rig
        .rows(&rig.standard("items?$top=1&$expand=picture"))
        .await[0];
    let picture = rig
        .get(&rig.standard(&format!(
            "items({})/picture",
            item["id"].as_str().unwrap_or_default()
        )))
        .await
        .1;
    let mut documented = properties("picture");
    // A stream is not in the record; its addresses are.
    documented.retain(|property| property["type"] != "stream");
    compare("picture", &documented, &picture);
    assert!(picture.get("pictureContent@odata.mediaReadLink").is_some());
    millrace_test_rig::say(&format!("documented entities: {} compared", compared + 3));
}

/// What is documented as read-only is refused by POST; entities without POST refuse everything.
async fn read_only(rig: &Rig, set: &str, properties: &[Value]) {
    for property in properties {
        let description = property["desc"].as_str().unwrap_or_default().to_lowercase();
        if !description.contains("read-only") && !description.contains("non-editable") {
            continue;
        }
        let name = property["name"].as_str().unwrap_or_default();
        let value = match property["type"].as_str().unwrap_or_default() {
            "GUID" => Value::from("00000000-0000-0000-0000-000000000001"),
            "decimal" => Value::from(1),
            "boolean" => Value::from(true),
            "datetime" => Value::from("2026-01-01T00:00:00Z"),
            _ => Value::from("X"),
        };
        let (status, error) = rig
            .post(&rig.standard(set), &serde_json::json!({ name: value }))
            .await;
        assert!(
            status == 405 || error["error"]["code"] == "Application_ReadOnlyField",
            "{set}.{name}: {status} {error}"
        );
    }
}

/// One of each kind of document.
async fn make_documents(rig: &Rig) {
    for number in ["1", "2"] {
        let mut order = crate::rig::order(number);
        order["processNow"] = true.into();
        let (_, made) = rig.post(&rig.companion("orderBuffer"), &order).await;
        assert_eq!(made["state"], "created", "{made}");
    }
    let shop = serde_json::json!({ "channel": "OUTLET", "orderNumber": "1" });
    for act in ["ship", "invoice", "credit"] {
        rig.office(act, shop.clone()).await;
    }
}

/// A subscription of a subscriber that answers the handshake.
async fn subscribed(rig: &Rig) -> Value {
    let subscriber = crate::webhooks::Subscriber::start().await;
    crate::webhooks::subscribe(rig, &subscriber, "items").await
}
