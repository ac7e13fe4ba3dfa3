//! Requests that a person wrote as JSON: read, or refused with the place that is wrong.

use std::path::Path;

use anyhow::Result;
use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor};
use serde::de::DeserializeSeed;
use serde_json::Value;

use super::print;
use crate::exit::WrongSettings;

/// Reads `file` as a message of the named type.
pub fn read<M: Message + Default>(file: &Path, kind: &str) -> Result<M> {
    let wrong = |why: String| WrongSettings(format!("{}: {why}", file.display()));
    let text =
        std::fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let descriptor = print::descriptor(kind)?;
    let value: Value =
        serde_json::from_str(&text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    let message = parsed(&descriptor, &value).map_err(|error| {
        wrong(match first_wrong(&descriptor, &value) {
            Some(Wrong { place, why }) => format!("{place}: {why}"),
            None => format!("is no {kind}: {error}"),
        })
    })?;
    Ok(message.transcode_to()?)
}

fn parsed(
    descriptor: &MessageDescriptor,
    value: &Value,
) -> Result<DynamicMessage, serde_json::Error> {
    descriptor.clone().deserialize(value)
}

/// A field that cannot be read.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    /// e.g. `order.lines[0].quantity`.
    place: String,
    why: String,
}

/// The first field that cannot be read: the parser says what is wrong, but not where.
fn first_wrong(message: &MessageDescriptor, value: &Value) -> Option<Wrong> {
    for (name, value) in value.as_object()? {
        let alone = Value::Object([(name.clone(), value.clone())].into_iter().collect());
        let Err(error) = parsed(message, &alone) else {
            continue;
        };
        let field = message
            .get_field_by_json_name(name)
            .or_else(|| message.get_field_by_name(name));
        let Some(field) = field else {
            let why = format!("{} has no such field", message.full_name());
            let place = name.clone();
            return Some(Wrong { place, why });
        };
        let inner = match field.kind() {
            Kind::Message(inner) if !field.is_map() => Some(inner),
            _ => None,
        };
        let deeper = inner.as_ref().and_then(|inner| match value {
            Value::Array(elements) if field.is_list() => elements
                .iter()
                .enumerate()
                .find_map(|(index, element)| wrong_element(inner, index, element)),
            value => first_wrong(inner, value).map(|wrong| wrong.under(".")),
        });
        let wrong = deeper.unwrap_or_else(|| Wrong {
            place: String::new(),
            why: match inner {
                Some(inner) => format!("is no {}: {error}", inner.full_name()),
                None => error.to_string(),
            },
        });
        return Some(wrong.under(name));
    }
    None
}

fn wrong_element(message: &MessageDescriptor, index: usize, element: &Value) -> Option<Wrong> {
    let error = parsed(message, element).err()?;
    let wrong = first_wrong(message, element).map(|wrong| wrong.under("."));
    let wrong = wrong.unwrap_or_else(|| Wrong {
        place: String::new(),
        why: format!("is no {}: {error}", message.full_name()),
    });
    Some(wrong.under(&format!("[{index}]")))
}

impl Wrong {
    fn under(self, place: &str) -> Self {
        Self {
            place: format!("{place}{}", self.place),
            why: self.why,
        }
    }
}

#[cfg(test)]
mod tests {
    use millrace_contract::order::v1::SubmitOrderRequest;

    use super::*;
    use crate::exit;

    const KIND: &str = "millrace.order.v1.SubmitOrderRequest";

    fn line_of(text: &str) -> (String, u8) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("order.json");
        std::fs::write(&file, text).expect("written");
        let error = read::<SubmitOrderRequest>(&file, KIND).expect_err("refused");
        (exit::line(&error), exit::code(&error))
    }

    fn order_with_quantity(quantity: &str) -> String {
        format!(
            r#"{{"order": {{"channel": "furniture", "orderNumber": "W-1",
                "lines": [{{"line_number": 1, "quantity": {{"units": 1}}}}, {{"line_number": 2, "quantity": {quantity}}}]}}}}"#
        )
    }

    #[test]
    fn an_order_is_read_with_the_names_of_the_protos_or_of_json() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("order.json");
        std::fs::write(
            &file,
            order_with_quantity(r#"{"units": "3", "nanos": 500000000}"#),
        )
        .expect("written");
        let request: SubmitOrderRequest = read(&file, KIND).expect("readable");
        let order = request.order.expect("an order");
        assert_eq!(order.order_number, "W-1");
        let quantity = order.lines[1].quantity.as_ref().expect("a quantity");
        assert_eq!((quantity.units, quantity.nanos), (3, 500_000_000));
    }

    #[test]
    fn a_quantity_that_is_no_number_is_named_with_its_place_in_one_line() {
        for (quantity, place) in [
            (r#"{"units": "two"}"#, "order.lines[1].quantity.units: "),
            (r#"{"units": "1.5"}"#, "order.lines[1].quantity.units: "),
            (
                r#"{"units": 1, "nanos": "half"}"#,
                "order.lines[1].quantity.nanos: ",
            ),
            (r#"{"units": {}}"#, "order.lines[1].quantity.units: "),
            (
                "2",
                "order.lines[1].quantity: is no millrace.values.v1.Quantity",
            ),
            (
                r#""two""#,
                "order.lines[1].quantity: is no millrace.values.v1.Quantity",
            ),
        ] {
            let (line, code) = line_of(&order_with_quantity(quantity));
            assert!(line.contains(place), "{line}");
            assert!(line.contains("order.json: "), "{line}");
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(code, exit::SETTINGS);
        }
    }

    #[test]
    fn what_is_no_order_at_all_is_said() {
        for (text, says) in [
            ("", "is no JSON"),
            ("{", "is no JSON"),
            ("{} {}", "is no JSON: trailing characters"),
            ("[]", "is no millrace.order.v1.SubmitOrderRequest"),
            (
                r#"{"order": {"lines": [{"quantty": 1}]}}"#,
                "order.lines[0].quantty: millrace.webshop_orders.v1.OrderLine has no such field",
            ),
            (
                r#"{"order": {"lines": [7]}}"#,
                "order.lines[0]: is no millrace.webshop_orders.v1.OrderLine",
            ),
        ] {
            let (line, code) = line_of(text);
            assert!(line.contains(says), "{says:?} is not in {line:?}");
            assert_eq!(code, exit::SETTINGS);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read::<SubmitOrderRequest>(Path::new("/nowhere/order.json"), KIND)
            .expect_err("refused");
        assert!(exit::line(&error).starts_with("/nowhere/order.json: cannot be read"));
        assert_eq!(exit::code(&error), exit::SETTINGS);
    }
}
