//! Reasons why goods may come back, with the translations that the companion adds to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ReturnReasonData, codes};
use crate::database::{Record, Transaction};

const SET: &str = "returnReasons";
const DESCRIPTION: &str = "description";
const TRANSLATIONS: &str = "translations";

/// Code, description, and the same in German.
const REASONS: &[(&str, &str, &str)] = &[
    ("DAMAGED", "Arrived damaged", "Beschädigt angekommen"),
    ("DEFECT", "Does not work", "Defekt"),
    ("WRONG", "Wrong item", "Falscher Artikel"),
    ("MISSING", "Parts are missing", "Teile fehlen"),
    ("DISLIKE", "Does not please", "Gefällt nicht"),
    ("SIZE", "Does not fit", "Passt nicht"),
    ("LATE", "Arrived too late", "Zu spät geliefert"),
];

/// Those every company has, and those of this one.
pub(super) fn write_all(tx: &mut Transaction<'_>, data: &[ReturnReasonData]) {
    for (code, description, german) in REASONS {
        let reason = ReturnReasonData {
            code: (*code).to_owned(),
            description: (*description).to_owned(),
            translations: BTreeMap::from([("DEU".to_owned(), (*german).to_owned())]),
        };
        write(tx, &reason);
    }
    for reason in data {
        write(tx, reason);
    }
}

/// Writes a reason; one that is there is replaced.
pub(crate) fn write(tx: &mut Transaction<'_>, data: &ReturnReasonData) {
    let fields = json!({ DESCRIPTION: data.description, TRANSLATIONS: data.translations });
    codes::with(tx, SET, &data.code, fields);
}

/// By BC's code of the language.
pub(crate) fn translations(record: &Record) -> BTreeMap<&str, &str> {
    record
        .fields
        .get(TRANSLATIONS)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(language, text)| Some((language.as_str(), text.as_str()?)))
        .collect()
}
