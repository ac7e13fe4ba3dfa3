//! Codes and numbers that name things.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// Why a text is no valid code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodeError {
    #[error("{what} is empty")]
    Empty { what: &'static str },
    #[error("{what} is longer than {limit} characters")]
    TooLong { what: &'static str, limit: usize },
    #[error("{what} holds a character that is not allowed: {character:?}")]
    Character { what: &'static str, character: char },
    #[error("{what} is not a UUID")]
    NotAUuid { what: &'static str },
    #[error("{what} is not a BCP 47 language tag")]
    NotALanguage { what: &'static str },
}

fn printable(what: &'static str, text: &str, limit: usize) -> Result<(), CodeError> {
    if text.chars().count() > limit {
        return Err(CodeError::TooLong { what, limit });
    }
    match text.chars().find(|character| character.is_control()) {
        Some(character) => Err(CodeError::Character { what, character }),
        None => Ok(()),
    }
}

/// Lower-case letters, digits and dashes: safe in topic names, file names and URLs.
fn slug(what: &'static str, text: &str, limit: usize) -> Result<(), CodeError> {
    printable(what, text, limit)?;
    match text
        .chars()
        .find(|character| !matches!(character, 'a'..='z' | '0'..='9' | '-'))
    {
        Some(character) => Err(CodeError::Character { what, character }),
        None => Ok(()),
    }
}

macro_rules! code {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub struct $name(Box<str>);

        impl $name {
            /// # Errors
            /// The text is empty, too long, or holds a character that is not allowed.
            pub fn parse(text: &str) -> Result<Self, CodeError> {
                let text = text.trim();
                if text.is_empty() {
                    return Err(CodeError::Empty { what: $what });
                }
                $check($what, text, $limit)?;
                Ok(Self(text.into()))
            }

            /// An empty text is `None`.
            ///
            /// # Errors
            /// As [`Self::parse`], but for the empty text.
            pub fn parse_optional(text: &str) -> Result<Option<Self>, CodeError> {
                if text.trim().is_empty() { Ok(None) } else { Self::parse(text).map(Some) }
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?}", &*self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

code!(/// Number of an item, as the ERP writes it: `1896-S`.
    Sku, "item number", 100, printable);
code!(/// Code of an item's variant, unique within the item.
    VariantCode, "variant code", 100, printable);
code!(/// Which ERP and company, from the settings: `bc-main`.
    ErpCode, "erp code", 32, slug);
code!(/// One webshop: `furniture-de`.
    ChannelCode, "channel", 32, slug);
code!(/// The ERP's number of a customer.
    CustomerNumber, "customer number", 50, printable);
code!(/// The shop's number of an order, unique within its channel.
    OrderNumber, "order number", 35, printable);
code!(/// The shop's number of a reservation, unique within its channel.
    ReservationNumber, "reservation number", 35, printable);
code!(/// The shop's number of a return, unique within its channel.
    ReturnNumber, "return number", 35, printable);
code!(/// Why goods come back, as the ERP names it: `DEFECT`.
    ReturnReasonCode, "return reason", 20, printable);
code!(/// A place with stock.
    LocationCode, "location code", 50, printable);
code!(/// A price group of the ERP.
    PriceGroup, "price group", 50, printable);
code!(/// A unit of measure, as the ERP writes it: `PCS`.
    UnitCode, "unit of measure", 50, printable);

/// The ERP's own id of a record: stays the same when its number changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SystemId(pub Uuid);

impl SystemId {
    /// # Errors
    /// The text is no UUID, or the empty one (all zeros), which Business Central writes for "none".
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        match Uuid::try_parse(text) {
            Ok(id) if !id.is_nil() => Ok(Self(id)),
            Ok(_) => Err(CodeError::Empty { what: "system id" }),
            Err(_) => Err(CodeError::NotAUuid { what: "system id" }),
        }
    }
}

impl fmt::Display for SystemId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A BCP 47 language tag in its canonical case: `de-CH`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LanguageTag(Box<str>);

impl LanguageTag {
    /// # Errors
    /// The text is no well-formed tag.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let tag = oxilangtag::LanguageTag::parse_and_normalize(text)
            .map_err(|_| CodeError::NotALanguage { what: "language" })?;
        Ok(Self(tag.as_str().into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for LanguageTag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_trimmed_and_never_empty() {
        assert_eq!(Sku::parse(" 1896-S ").unwrap().as_str(), "1896-S");
        assert_eq!(
            Sku::parse("  "),
            Err(CodeError::Empty {
                what: "item number"
            })
        );
        assert_eq!(Sku::parse_optional(""), Ok(None));
    }

    #[test]
    fn a_control_character_is_refused() {
        assert_eq!(
            OrderNumber::parse("A\0B"),
            Err(CodeError::Character {
                what: "order number",
                character: '\0'
            })
        );
    }

    #[test]
    fn a_reservation_number_is_no_longer_than_the_erps_key() {
        assert!(ReservationNumber::parse(&"R".repeat(35)).is_ok());
        assert_eq!(
            ReservationNumber::parse(&"R".repeat(36)),
            Err(CodeError::TooLong {
                what: "reservation number",
                limit: 35
            })
        );
    }

    #[test]
    fn a_return_number_is_no_longer_than_the_erps_key() {
        assert!(ReturnNumber::parse(&"T".repeat(35)).is_ok());
        assert_eq!(
            ReturnNumber::parse(&"T".repeat(36)),
            Err(CodeError::TooLong {
                what: "return number",
                limit: 35
            })
        );
    }

    #[test]
    fn a_channel_is_safe_in_a_topic_name() {
        assert!(ChannelCode::parse("furniture-de").is_ok());
        assert_eq!(
            ChannelCode::parse("a.b"),
            Err(CodeError::Character {
                what: "channel",
                character: '.'
            })
        );
    }

    #[test]
    fn the_empty_guid_of_business_central_is_no_id() {
        assert_eq!(
            SystemId::parse("00000000-0000-0000-0000-000000000000"),
            Err(CodeError::Empty { what: "system id" })
        );
    }

    #[test]
    fn a_language_is_written_in_canonical_case() {
        assert_eq!(LanguageTag::parse("DE-ch").unwrap().as_str(), "de-CH");
        assert!(LanguageTag::parse("german!").is_err());
    }
}
