//! A message with every field filled, from its descriptor alone and the same every time.

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

pub fn filled(message: &MessageDescriptor) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        assert!(
            !field.is_map(),
            "no event has a map: its order on the wire is not fixed"
        );
        let value = value(&field);
        let value = if field.is_list() {
            Value::List(vec![value])
        } else {
            value
        };
        filled.set_field(&field, value);
    }
    filled
}

/// Paths of all fields there are. Of alternatives (a oneof) only one can be set: the last.
pub fn paths(message: &MessageDescriptor, prefix: &str, paths: &mut BTreeSet<String>) {
    for field in message.fields() {
        let is_outdone = field.containing_oneof().is_some_and(|oneof| {
            oneof
                .fields()
                .last()
                .is_some_and(|last| last.number() != field.number())
        });
        if is_outdone {
            continue;
        }
        let path = format!("{prefix}{}", field.name());
        if let Kind::Message(inner) = field.kind() {
            self::paths(&inner, &format!("{path}."), paths);
        }
        paths.insert(path);
    }
}

fn value(field: &FieldDescriptor) -> Value {
    let number = field.number();
    match field.kind() {
        Kind::Bool => Value::Bool(true),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 if field.name() == "nanos" => {
            Value::I32(500_000_000)
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(i32::try_from(number).unwrap()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 if field.name() == "seconds" => {
            Value::I64(1_770_000_000)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(i64::from(number)),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::from(number)),
        Kind::Float | Kind::Double => panic!("{}: numbers are never floats", field.full_name()),
        Kind::String => Value::String(text(field.name())),
        Kind::Bytes => Value::Bytes(field.name().as_bytes().to_vec().into()),
        Kind::Enum(values) => {
            Value::EnumNumber(values.values().map(|value| value.number()).max().unwrap())
        }
        Kind::Message(inner) => Value::Message(filled(&inner)),
    }
}

/// Texts that read as what they stand for, so that the same files serve tests of parsers.
fn text(field: &str) -> String {
    let text = match field {
        "currency_code" => "EUR",
        "valid_from" => "2026-01-01",
        "valid_until" => "2026-12-31",
        "channel" => "furniture-de",
        "erp" => "bc-main",
        name if name.ends_with("system_id") => "5d115c9c-44e3-ea11-bb43-000d3a2feca1",
        name if name.ends_with("date") => "2026-06-30",
        name => name,
    };
    text.to_owned()
}
