//! The one encoding of numbers and times: units and nanos, as `google.type.Money` has it.

use millrace_contract::values::v1 as wire;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::code::{CodeError, UnitCode};
use crate::number::{Amount, Currency, Measured, NumberError, Percentage, Quantity, UnitPrice};
use crate::time::{TimeError, Timestamp};

const NANOS: i64 = 1_000_000_000;

fn to_parts(value: Decimal) -> (i64, i32) {
    let whole = value.trunc();
    let nanos = ((value - whole) * Decimal::from(NANOS)).trunc();
    (
        whole.to_i64().unwrap_or_default(),
        nanos.to_i32().unwrap_or_default(),
    )
}

fn from_parts(units: i64, nanos: i32) -> Result<Decimal, NumberError> {
    let fits = i64::from(nanos.unsigned_abs()) < NANOS
        && (units == 0 || nanos == 0 || (units < 0) == (nanos < 0));
    if !fits {
        return Err(NumberError::Nanos { units, nanos });
    }
    Ok(Decimal::from(units) + Decimal::new(i64::from(nanos), 9))
}

impl From<Quantity> for wire::Decimal {
    fn from(quantity: Quantity) -> Self {
        let (units, nanos) = to_parts(quantity.value());
        Self { units, nanos }
    }
}

impl From<Percentage> for wire::Decimal {
    fn from(percentage: Percentage) -> Self {
        let (units, nanos) = to_parts(percentage.value());
        Self { units, nanos }
    }
}

impl TryFrom<wire::Decimal> for Quantity {
    type Error = NumberError;
    fn try_from(decimal: wire::Decimal) -> Result<Self, NumberError> {
        Self::new(from_parts(decimal.units, decimal.nanos)?)
    }
}

impl TryFrom<wire::Decimal> for Percentage {
    type Error = NumberError;
    fn try_from(decimal: wire::Decimal) -> Result<Self, NumberError> {
        Self::new(from_parts(decimal.units, decimal.nanos)?)
    }
}

impl From<Measured> for wire::Quantity {
    fn from(measured: Measured) -> Self {
        let (units, nanos) = to_parts(measured.quantity.value());
        Self {
            units,
            nanos,
            unit: measured
                .unit
                .map(|unit| unit.to_string())
                .unwrap_or_default(),
        }
    }
}

/// Why a quantity with its unit cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasuredError {
    #[error(transparent)]
    Number(#[from] NumberError),
    #[error(transparent)]
    Unit(#[from] CodeError),
}

impl TryFrom<wire::Quantity> for Measured {
    type Error = MeasuredError;
    fn try_from(quantity: wire::Quantity) -> Result<Self, MeasuredError> {
        Ok(Self {
            quantity: Quantity::new(from_parts(quantity.units, quantity.nanos)?)?,
            unit: UnitCode::parse_optional(&quantity.unit)?,
        })
    }
}

impl From<Amount> for wire::Money {
    fn from(amount: Amount) -> Self {
        let (units, nanos) = to_parts(amount.value());
        Self {
            currency_code: amount.currency().code().into(),
            units,
            nanos,
        }
    }
}

impl TryFrom<wire::Money> for Amount {
    type Error = NumberError;
    fn try_from(money: wire::Money) -> Result<Self, NumberError> {
        Self::new(
            Currency::parse(&money.currency_code)?,
            from_parts(money.units, money.nanos)?,
        )
    }
}

impl From<UnitPrice> for wire::Money {
    fn from(price: UnitPrice) -> Self {
        let (units, nanos) = to_parts(price.value());
        Self {
            currency_code: price.currency().code().into(),
            units,
            nanos,
        }
    }
}

impl TryFrom<wire::Money> for UnitPrice {
    type Error = NumberError;
    fn try_from(money: wire::Money) -> Result<Self, NumberError> {
        Self::new(
            Currency::parse(&money.currency_code)?,
            from_parts(money.units, money.nanos)?,
        )
    }
}

impl From<Timestamp> for prost_types::Timestamp {
    fn from(time: Timestamp) -> Self {
        Self {
            seconds: time.0.as_second(),
            nanos: time.0.subsec_nanosecond(),
        }
    }
}

impl TryFrom<prost_types::Timestamp> for Timestamp {
    type Error = TimeError;
    fn try_from(time: prost_types::Timestamp) -> Result<Self, TimeError> {
        jiff::Timestamp::new(time.seconds, time.nanos)
            .map(Self)
            .map_err(|_| TimeError::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantity_survives_the_wire(mantissa in -900_000_000_000_i64..900_000_000_000, places in 0_u32..=5) {
            let quantity = Quantity::new(Decimal::new(mantissa, places)).unwrap();
            prop_assert_eq!(Quantity::try_from(wire::Decimal::from(quantity)), Ok(quantity));
        }

        #[test]
        fn no_units_and_nanos_make_it_panic(units: i64, nanos: i32) {
            let _ = Quantity::try_from(wire::Decimal { units, nanos });
        }
    }

    #[test]
    fn units_and_nanos_of_different_sign_are_refused() {
        assert_eq!(
            Quantity::try_from(wire::Decimal {
                units: 1,
                nanos: -500_000_000
            }),
            Err(NumberError::Nanos {
                units: 1,
                nanos: -500_000_000
            })
        );
    }

    #[test]
    fn minus_a_half_keeps_its_sign() {
        let half = Quantity::new(Decimal::new(-5, 1)).unwrap();
        assert_eq!(
            wire::Decimal::from(half),
            wire::Decimal {
                units: 0,
                nanos: -500_000_000
            }
        );
    }
}
