//! Between the domain and what travels: the events of `inventories`, `webshop-orders` and `reservations`, and
//! quantities as whole parts.

mod inventory;
mod orders;
mod reservations;

use millrace_values::{Decimal, NumberError, Quantity, SystemId, Timestamp, VariantCode};
use prost_types::Timestamp as Moment;
use thiserror::Error;

pub use inventory::{CHANGED, event, stored};
pub use orders::{OrderNews, order_news};
pub use reservations::reservation_news;

/// Why a message cannot be used; to be shown to operators.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    #[error("{kind} cannot be decoded")]
    Undecodable { kind: &'static str },
    #[error("{field} is missing")]
    Missing { field: &'static str },
    #[error("{field}: {why}")]
    Wrong { field: &'static str, why: String },
}

impl WireError {
    fn wrong(field: &'static str, why: impl ToString) -> Self {
        Self::Wrong {
            field,
            why: why.to_string(),
        }
    }
}

/// A quantity in hundred-thousandths, which hold every quantity exactly.
#[must_use]
pub fn parts(quantity: Quantity) -> i64 {
    let mut value = quantity.value();
    value.rescale(5);
    i64::try_from(value.mantissa()).unwrap_or(if value.is_sign_negative() {
        i64::MIN
    } else {
        i64::MAX
    })
}

/// # Errors
/// Larger than a quantity may be.
pub fn quantity(parts: i64) -> Result<Quantity, NumberError> {
    Quantity::new(Decimal::new(parts, 5))
}

fn moment(field: &'static str, moment: Option<Moment>) -> Result<Timestamp, WireError> {
    let moment = moment.ok_or(WireError::Missing { field })?;
    Timestamp::try_from(moment).map_err(|error| WireError::wrong(field, error))
}

/// Stream and key of one item and variant in the log of inventories.
#[must_use]
pub fn stream(erp: &str, item: SystemId, variant: &str) -> String {
    if variant.is_empty() {
        return format!("inventory/{erp}/{item}");
    }
    format!("inventory/{erp}/{item}/{variant}")
}

/// The other way round: company, item, variant.
#[must_use]
pub fn of_stream(stream: &str) -> Option<(&str, SystemId, &str)> {
    let rest = stream.strip_prefix("inventory/")?;
    let (erp, rest) = rest.split_once('/')?;
    let (item, variant) = rest.split_once('/').unwrap_or((rest, ""));
    Some((erp, SystemId::parse(item).ok()?, variant))
}

/// The empty text stands for no variant.
#[must_use]
pub fn variant_text(variant: Option<&VariantCode>) -> &str {
    variant.map_or("", VariantCode::as_str)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_exact(number in -100_000_000_000_000_000..=100_000_000_000_000_000_i64) {
            prop_assert_eq!(parts(quantity(number).unwrap()), number);
        }
    }

    #[test]
    fn a_stream_is_named_and_read_back() {
        let item = SystemId::parse("5d115c9c-44e3-ea11-bb43-000d3a2feca1").unwrap();
        for variant in ["", "RED", "RED/L"] {
            assert_eq!(
                of_stream(&stream("bc-main", item, variant)),
                Some(("bc-main", item, variant))
            );
        }
        assert_eq!(
            of_stream("item/bc-main/5d115c9c-44e3-ea11-bb43-000d3a2feca1"),
            None
        );
    }
}
