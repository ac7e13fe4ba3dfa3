//! The shape of a JSON document before its values are looked at: every name is a field's, no field is there twice, and a whole
//! number is written as one. The parser of messages would take the last of two, does not say where an unknown one stands, and
//! rounds 9007199254740993.0 to its even neighbour.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Of a name that somebody else chose, an answer repeats so many characters at most.
const LONGEST: usize = 64;

/// Reads a document, or a part of one, and keeps nothing but whether something is there: `null` is nothing.
#[derive(Clone, Default)]
pub struct Shape {
    /// Of the field this stands in; `None`: nothing is known of it.
    kind: Option<Kind>,
    /// The choice this belongs to, where another of it is there already.
    taken: Option<String>,
}

impl Shape {
    /// Of a whole document.
    pub fn of(message: MessageDescriptor) -> Self {
        Self {
            kind: Some(Kind::Message(message)),
            taken: None,
        }
    }

    fn there<E: Error>(&self) -> Result<bool, E> {
        match &self.taken {
            Some(choice) => Err(E::custom(format!("another {choice} is there already"))),
            None => Ok(true),
        }
    }

    fn is_whole(&self) -> bool {
        matches!(
            self.kind,
            Some(
                Kind::Int32
                    | Kind::Int64
                    | Kind::Uint32
                    | Kind::Uint64
                    | Kind::Sint32
                    | Kind::Sint64
                    | Kind::Fixed32
                    | Kind::Fixed64
                    | Kind::Sfixed32
                    | Kind::Sfixed64
                    | Kind::Enum(_)
            )
        )
    }
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        self.there()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        self.there()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        self.there()
    }

    /// With a fraction or an exponent, or beyond 64 bits: whatever was meant, it is no longer exact.
    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        if self.is_whole() {
            return Err(E::custom("is not written as a whole number"));
        }
        self.there()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
        self.there()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<bool, A::Error> {
        let there = self.there()?;
        while elements.next_element_seed(self.clone())?.is_some() {}
        Ok(there)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let there = self.there()?;
        let message = match self.kind {
            Some(Kind::Message(message)) if !has_rules_of_its_own(&message) => message,
            _ => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(there);
            }
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
            let choice = choice.map(|choice| choice.name().to_owned());
            let shape = Self {
                kind: Some(field.kind()),
                taken: choice.clone().filter(|choice| choices.contains(choice)),
            };
            if map.next_value_seed(shape)? {
                choices.extend(choice);
            }
        }
        Ok(there)
    }
}

/// By its name in the protos or the one JSON has for it.
pub fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message
        .get_field_by_name(name)
        .or_else(|| message.get_field_by_json_name(name))
}

/// Well-known types and maps.
fn has_rules_of_its_own(message: &MessageDescriptor) -> bool {
    message.is_map_entry() || is_well_known(message)
}

pub fn is_well_known(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
}

/// A name that a stranger chose, fit for an answer and a line of the log. What does not look like a name may be somebody's
/// address, and is not repeated.
pub fn named(name: &str) -> &str {
    let is_name = name.len() <= LONGEST
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name { name } else { "…" }
}

/// A path that a stranger chose, fit for an answer.
pub fn short(path: &str) -> String {
    let plain = path.chars().filter(|character| !character.is_control());
    let mut line: String = plain.take(LONGEST).collect();
    if line.len() < path.len() {
        line.push('…');
    }
    line
}

/// Refuses a value unseen, where it stands.
struct Refused(String);

impl<'de> DeserializeSeed<'de> for Refused {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<bool, D::Error> {
        Err(D::Error::custom(self.0))
    }
}
