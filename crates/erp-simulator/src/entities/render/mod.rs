//! Rows as Microsoft's API shows them.

pub mod catalogue;
pub mod partners;
pub mod sales;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::database::{Record, Tables};
use crate::numbers::{guid, instant};
use crate::odata::page::Rendered;
use crate::odata::schema::{Kind, Schema};

/// The id of a code, or BC's empty id.
pub fn code_id(tables: &Tables, set: &str, code: &str) -> Value {
    guid(find(tables, set, code).map_or(Uuid::nil(), |record| record.id))
}

pub fn find<'a>(tables: &'a Tables, set: &str, code: &str) -> Option<&'a Arc<Record>> {
    tables.records.by_key(&format!("{set}/{code}"))
}

/// A code record: what it has, and BC's empty value for what it has not.
pub fn record(schema: &Schema, row: &Record) -> Rendered {
    let mut rendered = Map::new();
    for property in schema.properties {
        let value = match property.name {
            "id" => guid(row.id),
            "code" | "number" => Value::from(row.code.clone()),
            "lastModifiedDateTime" => instant(row.stamp.modified_at),
            name => row
                .fields
                .get(name)
                .cloned()
                .unwrap_or_else(|| empty(property.kind)),
        };
        rendered.insert(property.name.to_owned(), value);
    }
    rendered
}

/// BC has no null: an empty field has an empty value.
pub fn empty(kind: Kind) -> Value {
    match kind {
        Kind::Guid => guid(Uuid::nil()),
        Kind::Text(_) | Kind::Stream => json!(""),
        Kind::Boolean => json!(false),
        Kind::Decimal | Kind::Integer => json!(0),
        Kind::Date => json!("0001-01-01"),
        Kind::Instant => json!("0001-01-01T00:00:00Z"),
        Kind::Enum(members) => json!(members.first()),
        Kind::Complex => Value::Null,
    }
}

/// Puts what was written and is only kept over the empty values.
pub fn with_extra(
    mut rendered: Rendered,
    schema: &Schema,
    extra: &std::collections::BTreeMap<String, Value>,
) -> Rendered {
    for property in schema.properties {
        if !rendered.contains_key(property.name) {
            let value = extra
                .get(property.name)
                .cloned()
                .unwrap_or_else(|| empty(property.kind));
            rendered.insert(property.name.to_owned(), value);
        }
    }
    rendered
}

pub fn object(value: Value) -> Rendered {
    match value {
        Value::Object(record) => record,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Rendered::new()
        }
    }
}
