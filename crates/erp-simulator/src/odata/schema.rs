//! What an entity consists of: names, types, what may be written. The lists themselves stand with the entities.

use serde_json::Value;

use crate::refusal::Refusal;

/// Type of a property, as `$metadata` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Guid,
    Text(usize),
    Boolean,
    Decimal,
    Integer,
    Date,
    Instant,
    /// An enumeration with its members as the API spells them.
    Enum(&'static [&'static str]),
    Stream,
    /// A nested object or list of its own; only in the companion's order buffer.
    Complex,
}

#[derive(Debug, Clone, Copy)]
pub struct Property {
    pub name: &'static str,
    pub kind: Kind,
    pub writable: bool,
}

/// A link to another entity.
#[derive(Debug, Clone, Copy)]
pub struct Navigation {
    pub name: &'static str,
    pub target: &'static str,
    pub many: bool,
    /// One: our property with the target's id. Many: the target's property with our id.
    pub link: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub struct Schema {
    pub entity: &'static str,
    pub set: &'static str,
    pub properties: &'static [Property],
    pub navigations: &'static [Navigation],
    /// Whether POST, PATCH and DELETE exist.
    pub insert: bool,
    pub modify: bool,
    pub delete: bool,
}

/// Read and write.
pub const fn rw(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        writable: true,
    }
}

/// Read only.
pub const fn ro(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        writable: false,
    }
}

pub const fn one(name: &'static str, target: &'static str, link: &'static str) -> Navigation {
    Navigation {
        name,
        target,
        many: false,
        link,
    }
}

pub const fn many(name: &'static str, target: &'static str, link: &'static str) -> Navigation {
    Navigation {
        name,
        target,
        many: true,
        link,
    }
}

impl Schema {
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties
            .iter()
            .find(|property| property.name == name)
    }

    pub fn navigation(&self, name: &str) -> Option<&'static Navigation> {
        self.navigations
            .iter()
            .find(|navigation| navigation.name == name)
    }

    /// Checks one value that a request wants to write.
    pub fn check(&self, name: &str, value: &Value) -> Result<(), Refusal> {
        let property = self
            .property(name)
            .ok_or_else(|| Refusal::no_such_property(name, self.entity))?;
        if !property.writable {
            return Err(Refusal::read_only(name));
        }
        property.accepts(value).map_err(|why| {
            Refusal::bad_request(format!("Cannot convert a value of '{name}': {why}."))
        })
    }
}

impl Property {
    fn accepts(&self, value: &Value) -> Result<(), String> {
        match (self.kind, value) {
            (Kind::Text(most), Value::String(text)) => {
                let length = text.chars().count();
                if length > most {
                    return Err(format!(
                        "the length of the string is {length}, but it must be less than or equal to {most} characters"
                    ));
                }
                Ok(())
            }
            (Kind::Guid, Value::String(text)) => text
                .parse::<uuid::Uuid>()
                .map(|_| ())
                .map_err(|_| format!("'{text}' is not an Edm.Guid")),
            (Kind::Date, Value::String(text)) => crate::numbers::parse_date(text).map(|_| ()),
            (Kind::Instant, Value::String(text)) => text
                .parse::<jiff::Timestamp>()
                .map(|_| ())
                .map_err(|_| format!("'{text}' is not an Edm.DateTimeOffset")),
            (Kind::Enum(members), Value::String(text)) => {
                if members.contains(&text.as_str()) {
                    Ok(())
                } else {
                    Err(format!(
                        "the value '{text}' is not a member of the enumeration"
                    ))
                }
            }
            (Kind::Boolean, Value::Bool(_)) | (Kind::Complex, _) => Ok(()),
            (Kind::Decimal, Value::Number(_)) => match crate::numbers::decimal(value) {
                Some(value) if value.abs() < crate::numbers::LARGEST => Ok(()),
                Some(_) => Err("it is not below a billion".to_owned()),
                None => Err("it is too large for an Edm.Decimal".to_owned()),
            },
            (Kind::Integer, Value::Number(number))
                if number
                    .as_i64()
                    .is_some_and(|number| i32::try_from(number).is_ok()) =>
            {
                Ok(())
            }
            _ => Err(format!("{value} has another type")),
        }
    }
}
