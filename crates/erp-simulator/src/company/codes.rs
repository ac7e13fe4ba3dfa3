//! The codes every company has: units, currencies, countries, terms, methods, tax setup, reasons, people, carriers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::CompanyData;
use crate::database::{Record, Stamp, Transaction};

/// Countries of the EU whose businesses buy without German tax.
const EU: [&str; 7] = ["AT", "NL", "BE", "FR", "IT", "DK", "PL"];

/// VAT business posting group of a country, as the pretend customer templates have it.
pub(crate) fn tax_group_of(country: &str) -> &'static str {
    match country {
        "" | "DE" => "DOMESTIC",
        country if EU.contains(&country) => "EU",
        _ => "EXPORT",
    }
}

/// Writes a code record with text fields; one that is there is replaced.
pub(crate) fn record(tx: &mut Transaction<'_>, set: &str, code: &str, fields: &[(&str, &str)]) {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect();
    put(tx, set, code, fields);
}

fn put(tx: &mut Transaction<'_>, set: &str, code: &str, fields: BTreeMap<String, Value>) -> Uuid {
    let id = super::code(tx, set, code).map_or_else(|| tx.new_id(), |found| found.id);
    tx.put(Record {
        id,
        stamp: Stamp::default(),
        set: set.to_owned(),
        code: code.to_owned(),
        fields,
    });
    id
}

pub(super) fn with(tx: &mut Transaction<'_>, set: &str, code: &str, fields: Value) -> Uuid {
    let fields = match fields {
        Value::Object(fields) => fields.into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            BTreeMap::new()
        }
    };
    put(tx, set, code, fields)
}

pub(super) fn write(tx: &mut Transaction<'_>, data: &CompanyData) {
    for (code, name, iso) in [
        ("PCS", "Piece", "EA"),
        ("SET", "Set", "SET"),
        ("PACK", "Pack", "PK"),
        ("M", "Metre", "MTR"),
        ("HOUR", "Hour", "HUR"),
    ] {
        with(
            tx,
            "unitsOfMeasure",
            code,
            json!({ "displayName": name, "internationalStandardCode": iso, "symbol": "" }),
        );
    }
    let local = tx.marks().local_currency.clone();
    for code in ["EUR", "CHF", "USD", "GBP"]
        .into_iter()
        .chain(data.currencies.iter().map(String::as_str))
    {
        if code != local {
            let fields = json!({ "displayName": code, "symbol": "", "amountDecimalPlaces": "2:2", "amountRoundingPrecision": 0.01 });
            with(tx, "currencies", code, fields);
        }
    }
    for (code, name) in [
        ("DE", "Germany"),
        ("AT", "Austria"),
        ("CH", "Switzerland"),
        ("NL", "Netherlands"),
        ("BE", "Belgium"),
        ("FR", "France"),
        ("GB", "Great Britain"),
        ("US", "USA"),
    ] {
        let format = if code == "US" || code == "GB" {
            "City_x002B_County_x002B_Post_x0020_Code"
        } else {
            "Post_x0020_Code_x002B_City"
        };
        with(
            tx,
            "countriesRegions",
            code,
            json!({ "displayName": name, "addressFormat": format }),
        );
    }
    for (code, name, due) in [
        ("14D", "14 days", "14D"),
        ("30D", "30 days", "30D"),
        ("PREPAID", "Paid in advance", "0D"),
    ] {
        let fields = json!({
            "displayName": name, "dueDateCalculation": due, "discountDateCalculation": "", "discountPercent": 0,
            "calculateDiscountOnCreditMemos": false,
        });
        with(tx, "paymentTerms", code, fields);
    }
    for (set, codes) in CODES {
        for (code, name) in *codes {
            let field = if *set == "customerReturnReasons" {
                "description"
            } else {
                "displayName"
            };
            record(tx, set, code, &[(field, name)]);
        }
    }
    for (code, name) in [
        ("NORMAL", "Full rate"),
        ("REDUCED", "Reduced rate"),
        ("NONE", "No tax"),
    ] {
        with(
            tx,
            "taxGroups",
            code,
            json!({ "displayName": name, "taxType": "VAT" }),
        );
    }
    for (business, rates) in [
        ("DOMESTIC", [19, 7, 0]),
        ("EU", [0, 0, 0]),
        ("EXPORT", [0, 0, 0]),
    ] {
        for (product, percent) in ["NORMAL", "REDUCED", "NONE"].into_iter().zip(rates) {
            with(
                tx,
                "vatPostingSetup",
                &format!("{business}/{product}"),
                json!({ "percent": percent }),
            );
        }
    }
    for (code, name, email) in [
        ("AK", "Anke Körner", "anke.koerner@example.com"),
        ("JB", "Jasper Bloom", "jasper.bloom@example.com"),
    ] {
        let fields = json!({ "displayName": name, "email": email, "jobTitle": "Sales", "commisionPercent": 3 });
        with(tx, "salespeoplePurchasers", code, fields);
    }
    for (code, name) in data.item_categories.iter().chain(&data.price_groups) {
        let set = if data.item_categories.contains_key(code) {
            "itemCategories"
        } else {
            "priceGroups"
        };
        record(tx, set, code, &[("displayName", name)]);
    }
}

type Codes = &'static [(&'static str, &'static str)];

const CODES: &[(&str, Codes)] = &[
    (
        "paymentMethods",
        &[
            ("BANK", "Bank transfer"),
            ("CARD", "Credit card"),
            ("PAYPAL", "PayPal"),
            ("INVOICE", "On invoice"),
            ("CASH", "Cash"),
        ],
    ),
    (
        "shipmentMethods",
        &[
            ("DAP", "Delivered at place"),
            ("EXW", "Ex works"),
            ("PICKUP", "Pick up in store"),
        ],
    ),
    (
        "shippingAgents",
        &[
            ("DHL", "DHL Paket"),
            ("DPD", "DPD"),
            ("UPS", "United Parcel Service"),
            ("SPED", "Möbelspedition Nord"),
        ],
    ),
    (
        "customerReturnReasons",
        &[
            ("DAMAGED", "Arrived damaged"),
            ("WRONG", "Wrong item"),
            ("DISLIKE", "Does not please"),
            ("LATE", "Arrived too late"),
        ],
    ),
];

pub(super) fn location(tx: &mut Transaction<'_>, code: &str, fields: Value) -> Uuid {
    with(tx, "locations", code, fields)
}

/// A contact, so that the standard page has some.
pub(super) fn contact(tx: &mut Transaction<'_>, number: &str, fields: Value) {
    with(tx, "contacts", number, fields);
}
