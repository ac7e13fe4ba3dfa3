//! Answers on standard output.

use std::io::{self, Write};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use millrace_contract::values::v1::{Decimal, Money, Quantity};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(millrace_contract::DESCRIPTORS)
            .expect("our own descriptors are valid")
    })
}

/// The named type of the contract.
pub fn descriptor(kind: &str) -> Result<MessageDescriptor> {
    pool()
        .get_message_by_name(kind)
        .with_context(|| format!("type {kind} is not known to this binary"))
}

/// Protobuf bytes of the named type as JSON, with the protos' own field names.
pub fn to_json(kind: &str, bytes: &[u8]) -> Result<Value> {
    let message = DynamicMessage::decode(descriptor(kind)?, bytes)
        .with_context(|| format!("could not read a {kind}"))?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(true);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// One JSON document, one line.
pub fn json(kind: &str, message: &impl Message) -> Result<()> {
    value(&to_json(kind, &message.encode_to_vec())?)
}

pub fn value(value: &Value) -> Result<()> {
    line(&value.to_string())
}

/// A line for people. A reader that left (`| head`) is no failure.
pub fn line(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => Ok(written?),
    }
}

pub fn money(money: Option<&Money>) -> String {
    money.map_or_else(
        || "-".into(),
        |money| {
            format!(
                "{} {}",
                decimal(money.units, money.nanos, 2),
                money.currency_code
            )
        },
    )
}

pub fn quantity(quantity: Option<&Quantity>) -> String {
    quantity.map_or_else(
        || "-".into(),
        |quantity| decimal(quantity.units, quantity.nanos, 0),
    )
}

pub fn number(number: Option<&Decimal>) -> String {
    number.map_or_else(
        || "-".into(),
        |number| decimal(number.units, number.nanos, 0),
    )
}

fn decimal(units: i64, nanos: i32, places: usize) -> String {
    let sign = if units < 0 || nanos < 0 { "-" } else { "" };
    let digits = format!("{:09}", nanos.unsigned_abs());
    let kept = digits.trim_end_matches('0').len().max(places);
    if kept == 0 {
        return format!("{sign}{}", units.unsigned_abs());
    }
    format!("{sign}{}.{}", units.unsigned_abs(), &digits[..kept])
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn a_decimal_shows_no_more_places_than_it_has_and_no_fewer_than_asked() {
        assert_eq!(decimal(12, 500_000_000, 2), "12.50");
        assert_eq!(decimal(0, -10_000, 0), "-0.00001");
        assert_eq!(decimal(7, 0, 0), "7");
    }
}
