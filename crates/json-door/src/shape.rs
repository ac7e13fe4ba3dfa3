//! The shape of a JSON document before its values are looked at: every name is a field's, and no field is there twice. The
//! parser of messages would take the last of two and does not say where an unknown one stands.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Of a name that somebody else chose, an answer repeats so many characters at most.
const LONGEST: usize = 64;

/// Reads a document, or a part of one, and keeps nothing. With a message: an object here has that one's fields.
#[derive(Clone)]
pub struct Shape(pub Option<MessageDescriptor>);

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(self.clone())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some(message) = self.0 else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        let (mut fields, mut choices) = (BTreeSet::new(), BTreeSet::new());
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let Some(field) = field(&message, &name) else {
                let why = format!("{} has no such field", message.full_name());
                return map.next_value_seed(Refused(why));
            };
            if !fields.insert(field.number()) {
                return map.next_value_seed(Refused("is there twice".to_owned()));
            }
            let choice = field.containing_oneof();
            let choice = choice.filter(|choice| !choice.is_synthetic());
            if let Some(choice) = choice
                && !choices.insert(choice.name().to_owned())
            {
                let why = format!("another {} is there already", choice.name());
                return map.next_value_seed(Refused(why));
            }
            map.next_value_seed(Shape(message_of(&field)))?;
        }
        Ok(())
    }
}

/// By its name in the protos or the one JSON has for it.
pub fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message
        .get_field_by_name(name)
        .or_else(|| message.get_field_by_json_name(name))
}

/// What an object in this field is; `None` for well-known types and maps, which have rules of their own.
fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if !field.is_map() && !is_well_known(&message) => Some(message),
        _ => None,
    }
}

pub fn is_well_known(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

/// A name that a stranger chose, fit for a line of the log.
pub fn short(name: &str) -> String {
    let plain = name.chars().filter(|character| !character.is_control());
    let mut line: String = plain.take(LONGEST).collect();
    if line.len() < name.len() {
        line.push('…');
    }
    line
}

/// Refuses a value unseen, where it stands.
struct Refused(String);

impl<'de> DeserializeSeed<'de> for Refused {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Err(D::Error::custom(self.0))
    }
}
