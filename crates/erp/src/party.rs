//! People and companies. Personal data: never logged, never part of an error.

use std::fmt;

use millrace_values::{ChannelCode, Currency, CustomerNumber, LanguageTag, SystemId};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Address {
    pub name: String,
    pub name2: String,
    pub line1: String,
    pub line2: String,
    pub postal_code: String,
    pub city: String,
    pub state: String,
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
    pub contact_name: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Address(***)")
    }
}

/// Where an order's goods, invoice and messages go.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Parties {
    pub sell_to: Address,
    /// `None`: the same as `sell_to`.
    pub ship_to: Option<Address>,
    /// `None`: the same as `sell_to`.
    pub bill_to: Option<Address>,
    pub email: String,
    pub phone: String,
    pub vat_registration_number: String,
}

impl fmt::Debug for Parties {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Parties(***)")
    }
}

/// A customer a shop wants created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCustomer {
    pub channel: ChannelCode,
    /// Unique within the channel; the ERP keeps it.
    pub shop_customer_number: String,
    pub parties: Parties,
    pub currency: Option<Currency>,
    pub language: Option<LanguageTag>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerCreated {
    pub system_id: SystemId,
    pub number: CustomerNumber,
    /// It was there before.
    pub existed: bool,
}
