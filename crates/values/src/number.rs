//! Exact numbers. An amount is minor units with a currency; unit prices, quantities and percentages are decimals with at
//! most five places, which is what Business Central has. Never a float.

use std::fmt;
use std::ops::{Add, Neg, Sub};

use rust_decimal::RoundingStrategy;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::code::UnitCode;

pub use rust_decimal::Decimal;

/// Decimal places of quantities, unit prices and percentages.
pub const PLACES: u32 = 5;

/// Largest whole part a number may have: room to multiply and sum without overflow.
const LIMIT: i64 = 1_000_000_000_000;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NumberError {
    #[error("{0:?} is not a decimal number")]
    NotANumber(String),
    #[error("{value} has more than {places} decimal places")]
    TooPrecise { value: Decimal, places: u32 },
    #[error("{0} is too large")]
    TooLarge(Decimal),
    #[error("{0} is negative")]
    Negative(Decimal),
    #[error("{0} is not between 0 and 100")]
    NotAPercentage(Decimal),
    #[error("{0:?} is not an ISO 4217 currency")]
    UnknownCurrency(String),
    #[error("amounts in {0} and {1} cannot be added")]
    CurrenciesDiffer(Currency, Currency),
    #[error("units and nanos of {units} and {nanos} do not fit together")]
    Nanos { units: i64, nanos: i32 },
}

fn checked(value: Decimal, places: u32) -> Result<Decimal, NumberError> {
    let value = value.normalize();
    if value.scale() > places {
        return Err(NumberError::TooPrecise { value, places });
    }
    if value.abs() > Decimal::from(LIMIT) {
        return Err(NumberError::TooLarge(value));
    }
    Ok(value)
}

/// ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// # Errors
    /// Not a currency of ISO 4217.
    pub fn parse(code: &str) -> Result<Self, NumberError> {
        iso_currency::Currency::from_code(code)
            .map(Self)
            .ok_or_else(|| NumberError::UnknownCurrency(code.into()))
    }

    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimal places of an amount: 2 for EUR, 0 for JPY.
    #[must_use]
    pub fn minor_units(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// Money of a document: whole minor units of a currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount {
    currency: Currency,
    minor: i64,
}

impl Amount {
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self { currency, minor: 0 }
    }

    /// # Errors
    /// More places than the currency has, or too large.
    pub fn new(currency: Currency, value: Decimal) -> Result<Self, NumberError> {
        let places = currency.minor_units();
        let mut scaled = checked(value, places)?;
        scaled.rescale(places);
        let minor = i64::try_from(scaled.mantissa()).map_err(|_| NumberError::TooLarge(value))?;
        Ok(Self { currency, minor })
    }

    /// Rounds half away from zero to the currency's minor units, as Business Central does.
    ///
    /// # Errors
    /// Too large.
    pub fn rounded(currency: Currency, value: Decimal) -> Result<Self, NumberError> {
        Self::new(
            currency,
            value.round_dp_with_strategy(
                currency.minor_units(),
                RoundingStrategy::MidpointAwayFromZero,
            ),
        )
    }

    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    #[must_use]
    pub fn value(self) -> Decimal {
        Decimal::new(self.minor, self.currency.minor_units())
    }

    #[must_use]
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    #[must_use]
    pub fn is_negative(self) -> bool {
        self.minor < 0
    }

    /// # Errors
    /// The currencies differ, or the sum is too large.
    pub fn plus(self, other: Self) -> Result<Self, NumberError> {
        if self.currency != other.currency {
            return Err(NumberError::CurrenciesDiffer(self.currency, other.currency));
        }
        Self::new(self.currency, self.value() + other.value())
    }

    /// # Errors
    /// The currencies differ, or the difference is too large.
    pub fn minus(self, other: Self) -> Result<Self, NumberError> {
        self.plus(Self {
            currency: other.currency,
            minor: -other.minor,
        })
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.value(), self.currency)
    }
}

/// Price of one unit, up to five places.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnitPrice {
    currency: Currency,
    value: Decimal,
}

impl UnitPrice {
    /// # Errors
    /// Negative, more than five places, or too large.
    pub fn new(currency: Currency, value: Decimal) -> Result<Self, NumberError> {
        let value = checked(value, PLACES)?;
        if value.is_sign_negative() && !value.is_zero() {
            return Err(NumberError::Negative(value));
        }
        Ok(Self { currency, value })
    }

    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    #[must_use]
    pub fn value(self) -> Decimal {
        self.value
    }
}

impl fmt::Debug for UnitPrice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.value, self.currency)
    }
}

/// How many; may be negative (a correction, stock below zero). The unit travels beside it where it matters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Quantity(Decimal);

impl Quantity {
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// # Errors
    /// More than five places, or too large.
    pub fn new(value: Decimal) -> Result<Self, NumberError> {
        checked(value, PLACES).map(Self)
    }

    /// # Errors
    /// No decimal number, more than five places, or too large.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        Self::new(
            text.trim()
                .parse()
                .map_err(|_| NumberError::NotANumber(text.into()))?,
        )
    }

    #[must_use]
    pub fn value(self) -> Decimal {
        self.0
    }

    #[must_use]
    pub fn is_positive(self) -> bool {
        self.0 > Decimal::ZERO
    }

    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Zero where it is below zero.
    #[must_use]
    pub fn at_least_zero(self) -> Self {
        self.max(Self::ZERO)
    }
}

impl From<u32> for Quantity {
    fn from(value: u32) -> Self {
        Self(Decimal::from(value))
    }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self((self.0 + other.0).normalize())
    }
}

impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self((self.0 - other.0).normalize())
    }
}

impl Neg for Quantity {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        quantities.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How many, and of what; an absent unit is the item's base unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    pub quantity: Quantity,
    pub unit: Option<UnitCode>,
}

/// 0 to 100, up to five places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentage(Decimal);

impl Percentage {
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// # Errors
    /// Below 0, above 100, or more than five places.
    pub fn new(value: Decimal) -> Result<Self, NumberError> {
        let value = checked(value, PLACES)?;
        if value < Decimal::ZERO || value > Decimal::ONE_HUNDRED {
            return Err(NumberError::NotAPercentage(value));
        }
        Ok(Self(value))
    }

    #[must_use]
    pub fn value(self) -> Decimal {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro() -> Currency {
        Currency::parse("EUR").unwrap()
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn an_amount_has_no_more_places_than_its_currency() {
        assert_eq!(
            Amount::new(euro(), decimal("12.50")).unwrap().to_string(),
            "12.50 EUR"
        );
        assert_eq!(
            Amount::new(euro(), decimal("12.505")),
            Err(NumberError::TooPrecise {
                value: decimal("12.505"),
                places: 2
            })
        );
        assert!(Amount::new(Currency::parse("JPY").unwrap(), decimal("1.5")).is_err());
    }

    #[test]
    fn rounding_goes_half_away_from_zero() {
        assert_eq!(
            Amount::rounded(euro(), decimal("0.125")).unwrap().value(),
            decimal("0.13")
        );
        assert_eq!(
            Amount::rounded(euro(), decimal("-0.125")).unwrap().value(),
            decimal("-0.13")
        );
    }

    #[test]
    fn amounts_of_different_currencies_are_not_added() {
        let dollar = Currency::parse("USD").unwrap();
        assert_eq!(
            Amount::zero(euro()).plus(Amount::zero(dollar)),
            Err(NumberError::CurrenciesDiffer(euro(), dollar))
        );
    }

    #[test]
    fn a_quantity_has_at_most_five_places() {
        assert_eq!(Quantity::parse("1.23450").unwrap().to_string(), "1.2345");
        assert!(Quantity::parse("1.234567").is_err());
        assert_eq!(
            Quantity::parse("abc"),
            Err(NumberError::NotANumber("abc".into()))
        );
    }

    #[test]
    fn a_percentage_stays_between_zero_and_a_hundred() {
        assert!(Percentage::new(decimal("19")).is_ok());
        assert!(Percentage::new(decimal("100.5")).is_err());
    }
}
