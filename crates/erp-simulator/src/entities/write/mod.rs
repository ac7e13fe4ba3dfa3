//! Writes to the standard API: create, change, delete, and the bound actions.

mod catalogue;
mod codes;
mod documents;
mod lines;
mod partners;

use std::sync::Arc;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::fetch::{document_kind, lines_kind};
use crate::database::{Record, Tables, Transaction};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::odata::schema::Schema;
use crate::refusal::Refusal;
use crate::simulator::World;

/// The properties a request wants to write, already checked against the schema.
#[derive(Debug, Clone, Default)]
struct Wanted(Map<String, Value>);

impl Wanted {
    fn check(schema: &Schema, body: &Map<String, Value>) -> Result<Self, Refusal> {
        for (name, value) in body {
            if name.starts_with('@') || name.contains("@odata.") {
                continue;
            }
            schema.check(name, value)?;
        }
        Ok(Self(body.clone()))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn set_text(&self, name: &str, field: &mut String) {
        if let Some(text) = self.text(name) {
            text.clone_into(field);
        }
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    fn decimal(&self, name: &str) -> Option<Decimal> {
        self.0.get(name).and_then(crate::numbers::decimal)
    }

    fn set_decimal(&self, name: &str, field: &mut Decimal) {
        if let Some(value) = self.decimal(name) {
            *field = value;
        }
    }

    /// `Some(None)` when it is set to BC's empty date.
    fn date(&self, name: &str) -> Option<Option<Date>> {
        self.text(name)
            .and_then(|text| crate::numbers::parse_date(text).ok())
    }

    fn id(&self, name: &str) -> Option<Uuid> {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .filter(|id: &Uuid| !id.is_nil())
    }

    /// A code given by itself or by its record's id; the id wins, as in BC.
    fn code(
        &self,
        tables: &Tables,
        set: &str,
        id: &str,
        code: &str,
    ) -> Result<Option<String>, Refusal> {
        if let Some(id) = self.id(id) {
            let record = tables.records.get(id).filter(|record| record.set == set);
            let record: &Record = record.ok_or_else(|| unknown(id, set))?;
            return Ok(Some(record.code.clone()));
        }
        let Some(code) = self.text(code) else {
            return Ok(None);
        };
        if !code.is_empty() && tables.records.by_key(&format!("{set}/{code}")).is_none() {
            return Err(unknown(code, set));
        }
        Ok(Some(code.to_owned()))
    }
}

fn unknown(value: impl std::fmt::Display, set: &str) -> Refusal {
    Refusal::new(
        400,
        "Application_FieldValidationException",
        format!("The value '{value}' cannot be found in {set}."),
    )
}

/// Creates a record, below a parent when the address says so.
pub(super) async fn create(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    within: Option<(&str, Uuid)>,
) -> Result<Uuid, Refusal> {
    let mut body = call.json()?;
    if let Some((link, parent)) = within {
        body.insert(link.to_owned(), Value::from(parent.to_string()));
    }
    let release = &|tx: &mut Transaction<'_>| -> Result<Uuid, Refusal> {
        if let Some(kind) = document_kind(schema.set) {
            return documents::create(tx, schema, kind, &body);
        }
        let wanted = Wanted::check(schema, &body)?;
        if let Some(kind) = lines_kind(schema.set) {
            return lines::create(tx, kind, &wanted);
        }
        match schema.set {
            "items" => catalogue::create_item(tx, &wanted),
            "itemVariants" => catalogue::create_variant(tx, &wanted),
            "customers" => partners::create(tx, &wanted),
            _ => codes::create(tx, schema, &wanted),
        }
    };
    world.write(&call.client, call.hold, release).await
}

pub(super) async fn change(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    id: Uuid,
) -> Result<(), Refusal> {
    let wanted = Wanted::check(schema, &call.json()?)?;
    let change = |tx: &mut Transaction<'_>| -> Result<(), Refusal> {
        if document_kind(schema.set).is_some() {
            return documents::change(tx, id, &wanted);
        }
        if lines_kind(schema.set).is_some() {
            return lines::change(tx, id, &wanted);
        }
        match schema.set {
            "items" => catalogue::change_item(tx, id, &wanted),
            "itemVariants" => catalogue::change_variant(tx, id, &wanted),
            "customers" => partners::change(tx, id, &wanted),
            "pictures" => Err(Refusal::bad_request(
                "The content is written at pictureContent.",
            )),
            _ => codes::change(tx, id, &wanted),
        }
    };
    world.write(&call.client, call.hold, change).await
}

pub(super) async fn delete(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    id: Uuid,
) -> Result<(), Refusal> {
    let delete = |tx: &mut Transaction<'_>| -> Result<(), Refusal> {
        if document_kind(schema.set).is_some() {
            return documents::delete(tx, id);
        }
        if lines_kind(schema.set).is_some() {
            return lines::delete(tx, id);
        }
        match schema.set {
            "items" => catalogue::delete_item(tx, id),
            "itemVariants" => catalogue::delete_variant(tx, id),
            "customers" => partners::delete(tx, id),
            "pictures" => {
                tx.delete::<crate::database::Picture>(id);
                Ok(())
            }
            _ => {
                tx.delete::<Record>(id);
                Ok(())
            }
        }
    };
    world.write(&call.client, call.hold, delete).await
}

/// A bound action, such as `Microsoft.NAV.shipAndInvoice`.
pub(super) async fn action(
    world: &Arc<World>,
    call: &Call,
    schema: &'static Schema,
    id: Uuid,
    name: &str,
) -> Result<Answer, Refusal> {
    if !call.is("POST") {
        return Err(Refusal::method_not_allowed(schema.entity));
    }
    let act = |tx: &mut Transaction<'_>| documents::action(tx, id, name);
    let document = world.write(&call.client, call.hold, act).await?;
    Ok(Answer::empty(204).with("location", document.to_string()))
}
