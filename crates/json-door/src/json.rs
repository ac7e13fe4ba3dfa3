//! Messages as JSON, after the JSON mapping of proto3: 64-bit numbers are text, bytes Base64, times RFC 3339. Names are those of
//! the protos, as in refusals and doorbells; a request may also have the mapping's lowerCamelCase. Answers show every field.

use std::fmt;

use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
use serde::de::DeserializeSeed;
use serde_json::de::{Deserializer, SliceRead};
use serde_path_to_error::{Path, Segment, Track};

use crate::shape::{Shape, field, is_well_known, named};

/// What cannot be read, and where it stands. Values are not repeated: they may be personal.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// e.g. `order.lines[0].quantity`; `message`: all of it.
    pub place: String,
    pub why: String,
}

impl From<Wrong> for tonic::Status {
    fn from(wrong: Wrong) -> Self {
        millrace_service_kit::rejection::bad_request(wrong.place, wrong.why)
    }
}

/// Reads a document as a message and writes it as gRPC sends it. The nesting is limited by the parser, at 128.
pub fn read(kind: &MessageDescriptor, text: &[u8]) -> Result<Vec<u8>, Wrong> {
    parse(text, Shape::of(kind.clone())).map_err(|error| match error.kind {
        Category::Syntax => error.wrong(format!("is no JSON: {}", error.cause)),
        // In the words of the shape.
        Category::Data => error.wrong(error.cause.to_string()),
    })?;
    let message = parse(text, kind.clone()).map_err(|error| {
        let expected = expected(kind, &error.path);
        error.wrong(format!("is not {expected}"))
    })?;
    Ok(message.encode_to_vec())
}

/// Writes what gRPC answered.
pub fn write(kind: &MessageDescriptor, bytes: &[u8]) -> Result<Vec<u8>, WriteError> {
    let message = DynamicMessage::decode(kind.clone(), bytes)?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false);
    let mut text = Vec::with_capacity(bytes.len() * 2);
    let mut serializer = serde_json::Serializer::new(&mut text);
    message.serialize_with_options(&mut serializer, &options)?;
    Ok(text)
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the bytes are no such message")]
    Decode(#[from] prost::DecodeError),
    #[error("the message has no form in JSON")]
    Json(#[from] serde_json::Error),
}

struct ParseError {
    path: Path,
    kind: Category,
    cause: serde_json::Error,
}

enum Category {
    Syntax,
    Data,
}

impl ParseError {
    fn wrong(&self, why: String) -> Wrong {
        Wrong {
            place: place(&self.path),
            why,
        }
    }
}

fn parse<'de, S: DeserializeSeed<'de>>(text: &'de [u8], seed: S) -> Result<S::Value, ParseError> {
    let mut track = Track::new();
    let mut json = Deserializer::new(SliceRead::new(text));
    let deserializer = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let parsed = seed.deserialize(deserializer).and_then(|value| {
        json.end()?;
        Ok(value)
    });
    parsed.map_err(|cause| ParseError {
        path: track.path(),
        kind: match cause.is_data() {
            true => Category::Data,
            false => Category::Syntax,
        },
        cause,
    })
}

fn place(path: &Path) -> String {
    let mut place = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => place.push_str(&format!("[{index}]")),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(named(name));
            }
            Segment::Unknown => {}
        }
    }
    if place.is_empty() {
        return "message".to_owned();
    }
    place
}

/// What should stand at this place.
fn expected(message: &MessageDescriptor, path: &Path) -> String {
    let mut kind = Kind::Message(message.clone());
    let mut is_list = false;
    for segment in path {
        match (segment, &kind) {
            (Segment::Seq { .. }, _) => is_list = false,
            (Segment::Map { key }, Kind::Message(message)) => {
                let Some(field) = field(message, key) else {
                    break;
                };
                is_list = field.is_list();
                kind = field.kind();
            }
            _ => break,
        }
    }
    if is_list {
        return "an array".to_owned();
    }
    Expected(&kind).to_string()
}

struct Expected<'a>(&'a Kind);

impl fmt::Display for Expected<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            Kind::Double | Kind::Float => "a number",
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a whole number of 32 bits",
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "a whole number of 64 bits",
            Kind::Uint32 | Kind::Fixed32 => "a whole number of 32 bits, at least 0",
            Kind::Uint64 | Kind::Fixed64 => "a whole number of 64 bits, at least 0",
            Kind::Bool => "true or false",
            Kind::String => "text",
            Kind::Bytes => "Base64",
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => "a time such as 2026-11-28T12:00:00Z",
                "google.protobuf.Duration" => "seconds such as 1.5s",
                name if is_well_known(message) => return write!(formatter, "a {name}"),
                name => return write!(formatter, "an object, a {name}"),
            },
            Kind::Enum(choices) => {
                let names: Vec<_> = choices
                    .values()
                    .map(|value| value.name().to_owned())
                    .collect();
                return write!(formatter, "one of {}", names.join(", "));
            }
        };
        formatter.write_str(words)
    }
}

#[cfg(test)]
mod tests {
    use millrace_contract::order::v1::SubmitOrderRequest;
    use millrace_contract::stock::v1::GetAvailabilityResponse;
    use prost_reflect::DescriptorPool;
    use serde_json::Value;

    use super::*;

    fn kind(name: &str) -> MessageDescriptor {
        let pool = DescriptorPool::decode(millrace_contract::DESCRIPTORS).unwrap();
        pool.get_message_by_name(name).unwrap()
    }

    fn order(text: &str) -> Result<SubmitOrderRequest, Wrong> {
        let bytes = read(
            &kind("millrace.order.v1.SubmitOrderRequest"),
            text.as_bytes(),
        )?;
        Ok(SubmitOrderRequest::decode(bytes.as_slice()).unwrap())
    }

    #[test]
    fn an_order_is_read_with_the_names_of_the_protos_or_of_json() {
        let text = r#"{"order": {"order_number": "W-1", "placedAt": "2026-11-28T12:00:00Z",
            "lines": [{"lineNumber": 1, "quantity": {"units": "3", "nanos": 500000000}}]}, "personal": null}"#;
        let order = order(text).unwrap().order.unwrap();
        assert_eq!(order.order_number, "W-1");
        assert_eq!(order.placed_at.unwrap().seconds, 1_795_867_200);
        let quantity = order.lines[0].quantity.as_ref().unwrap();
        assert_eq!((quantity.units, quantity.nanos), (3, 500_000_000));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place_and_without_its_value() {
        for (text, place, why) in [
            (
                r#"{"order": {"lines": [{"quantty": 1}]}}"#,
                "order.lines[0].quantty",
                "millrace.webshop_orders.v1.OrderLine has no such field",
            ),
            (
                r#"{"order": {"lines": [{}, {"quantity": {"units": "canary"}}]}}"#,
                "order.lines[1].quantity.units",
                "is not a whole number of 64 bits",
            ),
            (
                r#"{"order": {"order_number": 7}}"#,
                "order.order_number",
                "is not text",
            ),
            (
                r#"{"order": {"lines": "canary"}}"#,
                "order.lines",
                "is not an array",
            ),
            (
                r#"{"order": {"lines": ["canary"]}}"#,
                "order.lines[0]",
                "is not an object, a millrace.webshop_orders.v1.OrderLine",
            ),
            (
                r#"{"order": {"placed_at": "canary"}}"#,
                "order.placed_at",
                "is not a time",
            ),
            (
                r#"{"personal": {"email": "a"}, "personal": {"email": "canary"}}"#,
                "personal",
                "is there twice",
            ),
            (
                r#"{"order": {"order_number": "a", "orderNumber": "canary"}}"#,
                "order.orderNumber",
                "is there twice",
            ),
            (
                r#"{"order": {"canary@example.com": "a"}}"#,
                "order.…",
                "millrace.webshop_orders.v1.Order has no such field",
            ),
            ("[]", "message", "is not an object"),
            ("\"canary\"", "message", "is not an object"),
            ("", "message", "is no JSON"),
            ("{} {}", "message", "is no JSON: trailing characters"),
            ("{\"order\": \u{7f}", "order", "is no JSON"),
        ] {
            let wrong = order(text).unwrap_err();
            assert_eq!(wrong.place, place, "{text}: {wrong:?}");
            assert!(wrong.why.starts_with(why), "{text}: {wrong:?}");
            assert!(!wrong.why.contains("canary"), "{text}: {wrong:?}");
        }
    }

    #[test]
    fn only_one_of_a_choice_may_be_there() {
        let kind = kind("millrace.changes.v1.PullRequest");
        let text = br#"{"start": {"snapshot": true, "beginning": true}}"#;
        let wrong = read(&kind, text).unwrap_err();
        assert_eq!(wrong.place, "start.beginning");
        assert!(
            wrong.why.starts_with("another at is there already"),
            "{wrong:?}"
        );
        for text in [
            &br#"{"start": {"snapshot": true, "beginning": null}}"#[..],
            br#"{"start": {"snapshot": null, "beginning": true}}"#,
        ] {
            assert_eq!(read(&kind, text).map_err(|wrong| wrong.place).err(), None);
        }
    }

    /// An amount is what is written, or it is refused.
    #[test]
    fn a_whole_number_is_not_rounded() {
        let order = |units: &str| {
            order(&format!(
                r#"{{"order": {{"lines": [{{"quantity": {{"units": {units}}}}}]}}}}"#
            ))
        };
        for (text, units) in [
            ("9007199254740993", 9_007_199_254_740_993),
            ("\"9007199254740993\"", 9_007_199_254_740_993),
            ("-9223372036854775808", i64::MIN),
        ] {
            let order = order(text).unwrap().order.unwrap();
            let quantity = order.lines[0].quantity.as_ref().unwrap();
            assert_eq!(quantity.units, units, "{text}");
        }
        for text in [
            "0.99999999999999999999",
            "9007199254740993.0",
            "1e-400",
            "1e2",
            "18446744073709551616",
            "\"1.0\"",
        ] {
            let wrong = order(text).unwrap_err();
            assert_eq!(wrong.place, "order.lines[0].quantity.units", "{text}");
        }
    }

    #[test]
    fn a_name_of_an_enum_that_is_none_is_told_those_there_are() {
        let kind = kind("millrace.stock.v1.GetAvailabilityRequest");
        let wrong = read(&kind, br#"{"source": "canary"}"#).unwrap_err();
        assert_eq!(wrong.place, "source");
        let choices = "is not one of SOURCE_UNSPECIFIED, SOURCE_INDEX";
        assert!(wrong.why.starts_with(choices), "{wrong:?}");
    }

    #[test]
    fn deep_nesting_is_refused_in_no_time() {
        for (open, close) in [("[", "]"), (r#"{"order":"#, "}"), (r#"{"x":"#, "}")] {
            let text = format!("{}1{}", open.repeat(1_000_000), close.repeat(1_000_000));
            let wrong = order(&text).unwrap_err();
            assert!(
                ["is no JSON: recursion", "millrace."]
                    .iter()
                    .any(|why| wrong.why.starts_with(why)),
                "{wrong:?}"
            );
            assert!(wrong.place.len() < 1000, "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_shows_what_is_zero_and_leaves_out_what_is_absent() {
        let kind = kind("millrace.stock.v1.GetAvailabilityResponse");
        let answer = GetAvailabilityResponse {
            availability: Some(Default::default()),
        };
        let text = write(&kind, &answer.encode_to_vec()).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        let availability = &value["availability"];
        assert_eq!(availability["known"], false);
        assert_eq!(availability["version"], "0");
        assert_eq!(availability["source"], "SOURCE_UNSPECIFIED");
        assert!(availability.get("available").is_none(), "{value}");
    }
}
