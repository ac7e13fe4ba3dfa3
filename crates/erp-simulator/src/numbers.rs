//! Decimals, dates and ids between rows and JSON.
//!
//! BC writes decimals as JSON numbers. A number is read from its text, so that `0.1` stays a tenth.

use std::str::FromStr;

use jiff::{Timestamp, civil::Date};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Number, Value};
use uuid::Uuid;

/// As BC shows it: no trailing zeros, no exponent.
pub fn number(value: Decimal) -> Value {
    let value = value.normalize();
    if value.scale() == 0
        && let Ok(whole) = i64::try_from(value.mantissa())
    {
        return Value::from(whole);
    }
    Number::from_str(&value.to_string()).map_or(Value::Null, Value::Number)
}

/// Larger numbers are no quantity or amount of a shop, and their products would not fit a decimal.
pub const LARGEST: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// From a JSON number, whatever way it was written.
pub fn decimal(value: &Value) -> Option<Decimal> {
    let Value::Number(number) = value else {
        return None;
    };
    let text = number.to_string();
    Decimal::from_str(&text)
        .or_else(|_| Decimal::from_scientific(&text))
        .ok()
}

/// To two places, halves away from zero, as BC rounds amounts.
pub fn cents(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

/// To five places, as BC rounds unit prices and quantities.
pub fn unit_amount(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(5, RoundingStrategy::MidpointAwayFromZero)
}

/// BC's empty date is a date.
pub fn date(value: Option<Date>) -> Value {
    value.map_or_else(
        || Value::from("0001-01-01"),
        |date| Value::from(date.to_string()),
    )
}

/// `None` for BC's empty date; an error text for what is no date.
pub fn parse_date(text: &str) -> Result<Option<Date>, String> {
    let date: Date = text
        .parse()
        .map_err(|_| format!("'{text}' is not a date"))?;
    Ok((date.year() > 1).then_some(date))
}

pub fn instant(value: Timestamp) -> Value {
    Value::from(instant_text(value))
}

pub fn instant_text(value: Timestamp) -> String {
    format!("{value:.3}")
}

pub fn optional_instant(value: Option<Timestamp>) -> Value {
    value.map_or_else(|| Value::from("0001-01-01T00:00:00Z"), instant)
}

pub fn guid(value: Uuid) -> Value {
    Value::from(value.to_string())
}

/// `#[serde(with)]` for a decimal that is a JSON number.
pub mod wire {
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use serde_json::Value;

    pub fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        super::number(*value).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        let value = Value::deserialize(deserializer)?;
        super::decimal(&value)
            .filter(|decimal| decimal.normalize().scale() <= 5 && decimal.abs() < super::LARGEST)
            .ok_or_else(|| {
                D::Error::custom(format!(
                    "{value} is not a number below a billion with at most 5 decimal places"
                ))
            })
    }
}

/// The same for one that may be absent.
pub mod wire_option {
    use rust_decimal::Decimal;
    use serde::{Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        value: &Option<Decimal>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(super::number).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Decimal>, D::Error> {
        super::wire::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_numbers_and_keep_their_digits() {
        for text in ["0", "12", "0.1", "-3.25", "1234567.12345", "99999999.99"] {
            let decimal_value = Decimal::from_str(text).expect("a decimal");
            let value = number(decimal_value);
            assert_eq!(value.to_string(), text);
            assert_eq!(decimal(&value), Some(decimal_value));
        }
        assert_eq!(
            number(Decimal::from_str("5.500").expect("a decimal")).to_string(),
            "5.5"
        );
        assert_eq!(
            decimal(&serde_json::json!(1e-5)),
            Some(Decimal::from_str("0.00001").expect("a decimal"))
        );
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let cents_of = |text: &str| cents(Decimal::from_str(text).expect("a decimal")).to_string();
        assert_eq!(cents_of("0.125"), "0.13");
        assert_eq!(cents_of("-0.125"), "-0.13");
        assert_eq!(cents_of("0.124999"), "0.12");
    }

    #[test]
    fn the_empty_date_is_a_date() {
        assert_eq!(parse_date("0001-01-01"), Ok(None));
        assert_eq!(date(None), Value::from("0001-01-01"));
    }
}
