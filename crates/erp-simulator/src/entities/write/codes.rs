//! Code tables: a code, and fields nobody computes with.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::Wanted;
use crate::database::{Record, Stamp, Transaction};
use crate::odata::schema::Schema;
use crate::refusal::Refusal;

pub(super) fn create(
    tx: &mut Transaction<'_>,
    schema: &Schema,
    wanted: &Wanted,
) -> Result<Uuid, Refusal> {
    let mut code = wanted
        .text("code")
        .or(wanted.text("number"))
        .unwrap_or_default()
        .to_uppercase();
    if code.is_empty() && schema.set == "contacts" {
        code = format!("CT{:06}", tx.next_number("contacts", 1));
    }
    if code.is_empty() {
        return Err(Refusal::business(format!(
            "The {} must have a code.",
            schema.entity
        )));
    }
    if tx
        .tables()
        .records
        .by_key(&format!("{}/{code}", schema.set))
        .is_some()
    {
        return Err(Refusal::same_key(schema.entity, &code));
    }
    let record = Record {
        id: tx.new_id(),
        stamp: Stamp::default(),
        set: schema.set.to_owned(),
        code,
        fields: fields(wanted),
    };
    Ok(write(tx, record, "created"))
}

pub(super) fn change(tx: &mut Transaction<'_>, id: Uuid, wanted: &Wanted) -> Result<(), Refusal> {
    let record = tx
        .get::<Record>(id)
        .ok_or_else(|| Refusal::not_found("record"))?;
    let mut changed = (*record).clone();
    changed.fields.extend(fields(wanted));
    let mut change = "modified";
    if let Some(code) = wanted
        .text("code")
        .or(wanted.text("number"))
        .map(str::to_uppercase)
        && code != record.code
    {
        if tx
            .tables()
            .records
            .by_key(&format!("{}/{code}", record.set))
            .is_some()
        {
            return Err(Refusal::same_key(&record.set, &code));
        }
        changed.code = code;
        change = "renamed";
    }
    write(tx, changed, change);
    Ok(())
}

fn fields(wanted: &Wanted) -> BTreeMap<String, Value> {
    let plain = |(name, _): &(&String, &Value)| {
        !["code", "number"].contains(&name.as_str()) && !name.contains('@')
    };
    wanted
        .0
        .iter()
        .filter(plain)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn write(tx: &mut Transaction<'_>, record: Record, change: &str) -> Uuid {
    let record = tx.put(record);
    if record.set == "locations" {
        tx.tell(
            "location",
            change,
            record.id,
            Uuid::nil(),
            record.code.clone(),
        );
    }
    record.id
}
