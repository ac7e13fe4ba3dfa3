//! Messages and enums as JSON Schema.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;
use crate::catalogue::Catalogue;
use crate::shape::is_well_known;

/// Everything the calls speak of.
#[derive(Default)]
pub struct Schemas {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
    /// What may stand in an answer, and gain fields.
    answered: BTreeSet<String>,
}

impl Schemas {
    pub fn of(catalogue: &Catalogue) -> Self {
        let mut schemas = Self::default();
        for (_, call) in catalogue.iter() {
            schemas.gather(&call.output());
        }
        schemas.answered = schemas.messages.keys().cloned().collect();
        for (_, call) in catalogue.iter() {
            schemas.gather(&call.input());
        }
        schemas
    }

    fn gather(&mut self, message: &MessageDescriptor) {
        let name = message.full_name();
        if is_well_known(message) || self.messages.contains_key(name) {
            return;
        }
        self.messages.insert(name.to_owned(), message.clone());
        for field in message.fields() {
            match field.kind() {
                Kind::Message(inner) => self.gather(&inner),
                Kind::Enum(choices) => {
                    let name = choices.full_name().to_owned();
                    self.enums.insert(name, choices);
                }
                _ => {}
            }
        }
    }

    pub fn describe(&self, comments: &mut Comments) -> Map<String, Value> {
        let mut schemas = Map::new();
        for (name, message) in &self.messages {
            let mut schema = object(message, comments);
            // Only what is asked is closed: a reader passes over what a newer Millrace adds to its answers.
            if !self.answered.contains(name) {
                schema["additionalProperties"] = json!(false);
            }
            schemas.insert(name.clone(), schema);
        }
        for (name, choices) in &self.enums {
            schemas.insert(name.clone(), enumeration(choices, comments));
        }
        schemas
    }
}

/// Of a schema by its name.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn object(message: &MessageDescriptor, comments: &mut Comments) -> Value {
    let file = message.parent_file();
    let mut about = comments.of(&file, message.path());
    for choice in message.oneofs().filter(|choice| !choice.is_synthetic()) {
        let names: Vec<_> = choice
            .fields()
            .map(|field| format!("`{}`", field.name()))
            .collect();
        let why = comments.of(&file, choice.path());
        about.push_str(&format!("\n\nAt most one of {}. {why}", names.join(", ")));
    }
    let mut properties = Map::new();
    for field in message.fields() {
        let mut schema = value(&field);
        let about = comments.of(&file, field.path());
        schema["description"] = json!(about);
        properties.insert(field.name().to_owned(), schema);
    }
    json!({ "type": "object", "description": about, "properties": properties })
}

fn value(field: &FieldDescriptor) -> Value {
    if field.is_list() {
        return json!({ "type": "array", "items": one(&field.kind()) });
    }
    if let Kind::Message(entry) = field.kind()
        && field.is_map()
    {
        let values = one(&entry.map_entry_value_field().kind());
        return json!({ "type": "object", "additionalProperties": values });
    }
    one(&field.kind())
}

fn one(kind: &Kind) -> Value {
    match kind {
        Kind::Double | Kind::Float => json!({ "type": "number" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX })
        }
        Kind::Uint32 | Kind::Fixed32 => {
            json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX })
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$" })
        }
        Kind::Uint64 | Kind::Fixed64 => {
            json!({ "type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$" })
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
            "google.protobuf.Duration" => {
                json!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$" })
            }
            // Whatever the mapping of another well-known type is.
            _ if is_well_known(message) => json!({}),
            name => reference(name),
        },
        Kind::Enum(choices) => reference(choices.full_name()),
    }
}

fn enumeration(choices: &EnumDescriptor, comments: &mut Comments) -> Value {
    let file = choices.parent_file();
    let mut about = comments.of(&file, choices.path()) + "\n";
    let mut names = Vec::new();
    for choice in choices.values() {
        let why = comments.of(&file, choice.path());
        about.push_str(&format!("\n- `{}`: {why}", choice.name()));
        names.push(choice.name().to_owned());
    }
    json!({ "type": "string", "description": about, "enum": names })
}
