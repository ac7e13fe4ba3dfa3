//! A shop order as the companion's page takes it.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Address, LineKind};
use crate::numbers::{wire, wire_option};

/// An order as the companion's page takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewOrder {
    pub channel_code: String,
    pub order_number: String,
    #[serde(default = "first_revision", skip_serializing)]
    pub revision: i64,
    #[serde(default, skip_serializing)]
    pub process_now: bool,
    pub customer_number: String,
    #[serde(default)]
    pub bill_to_customer_number: String,
    #[serde(default)]
    pub sell_to: Address,
    #[serde(default)]
    pub bill_to: Address,
    #[serde(default)]
    pub ship_to: Address,
    #[serde(default)]
    pub email: String,
    #[serde(default)]
    pub phone_number: String,
    #[serde(default)]
    pub currency_code: String,
    #[serde(default)]
    pub prices_include_tax: bool,
    #[serde(default)]
    pub payment_terms_code: String,
    #[serde(default)]
    pub payment_method_code: String,
    #[serde(default)]
    pub payment_reference: String,
    #[serde(default)]
    pub shipment_method_code: String,
    #[serde(default)]
    pub shipping_agent_code: String,
    #[serde(default)]
    pub location_code: String,
    #[serde(default)]
    pub salesperson_code: String,
    #[serde(default)]
    pub your_reference: String,
    #[serde(default)]
    pub comment: String,
    pub order_date: Date,
    #[serde(default = "no_instant")]
    pub ordered_at: String,
    #[serde(default = "no_date")]
    pub requested_delivery_date: Date,
    #[serde(default, with = "wire")]
    pub freight_amount: Decimal,
    #[serde(default, with = "wire")]
    pub freight_tax_percent: Decimal,
    #[serde(with = "wire")]
    pub net_amount: Decimal,
    #[serde(with = "wire")]
    pub tax_amount: Decimal,
    #[serde(with = "wire")]
    pub gross_amount: Decimal,
    pub lines: Vec<NewLine>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewLine {
    pub line_number: i64,
    #[serde(default)]
    pub line_type: LineKind,
    #[serde(default)]
    pub item_id: Uuid,
    #[serde(default)]
    pub object_number: String,
    #[serde(default)]
    pub variant_code: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub location_code: String,
    #[serde(default)]
    pub unit_of_measure_code: String,
    #[serde(with = "wire")]
    pub quantity: Decimal,
    #[serde(with = "wire")]
    pub unit_price: Decimal,
    #[serde(default, with = "wire")]
    pub discount_amount: Decimal,
    #[serde(default)]
    pub discount_reason_code: String,
    #[serde(default, with = "wire_option", skip_serializing_if = "Option::is_none")]
    pub tax_percent: Option<Decimal>,
    #[serde(default, with = "wire_option", skip_serializing_if = "Option::is_none")]
    pub tax_amount: Option<Decimal>,
    #[serde(default, with = "wire_option", skip_serializing_if = "Option::is_none")]
    pub net_amount: Option<Decimal>,
    #[serde(default, with = "wire_option", skip_serializing_if = "Option::is_none")]
    pub gross_amount: Option<Decimal>,
}

fn first_revision() -> i64 {
    1
}

fn no_instant() -> String {
    "0001-01-01T00:00:00Z".to_owned()
}

fn no_date() -> Date {
    Date::constant(1, 1, 1)
}
