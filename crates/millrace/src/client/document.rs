//! Requests that a person wrote as JSON: read, or refused with the place that is wrong, as over HTTP.

use std::path::Path;

use anyhow::Result;
use millrace_json_door::Wrong;
use prost::Message;

use super::print;
use crate::exit::WrongSettings;

/// Reads `file` as a message of the named type.
pub fn read<M: Message + Default>(file: &Path, kind: &str) -> Result<M> {
    let wrong = |why: String| WrongSettings(format!("{}: {why}", file.display()));
    let text = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let bytes = millrace_json_door::read(&print::descriptor(kind)?, &text)
        .map_err(|Wrong { place, why }| wrong(format!("{place}: {why}")))?;
    Ok(M::decode(bytes.as_slice())?)
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
                "order.lines[1].quantity: is not an object, a millrace.values.v1.Quantity",
            ),
            (
                r#""two""#,
                "order.lines[1].quantity: is not an object, a millrace.values.v1.Quantity",
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
            (
                "[]",
                "message: is not an object, a millrace.order.v1.SubmitOrderRequest",
            ),
            (
                r#"{"order": {"lines": [{"quantty": 1}]}}"#,
                "order.lines[0].quantty: millrace.webshop_orders.v1.OrderLine has no such field",
            ),
            (
                r#"{"order": {"lines": [7]}}"#,
                "order.lines[0]: is not an object, a millrace.webshop_orders.v1.OrderLine",
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
