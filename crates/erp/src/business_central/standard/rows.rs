//! Microsoft's API v2.0, as far as it is read here.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::business_central::odata::Exact;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemRow {
    pub id: Uuid,
    pub number: String,
    pub display_name: String,
    #[serde(default)]
    pub display_name2: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub item_category_code: String,
    pub blocked: bool,
    pub gtin: String,
    pub inventory: Exact,
    pub unit_price: Exact,
    pub price_includes_tax: bool,
    pub tax_group_code: String,
    pub base_unit_of_measure_code: String,
    pub last_modified_date_time: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VariantRow {
    pub id: Uuid,
    pub code: String,
    pub description: String,
    pub last_modified_date_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerRow {
    pub id: Uuid,
    pub number: String,
    pub display_name: String,
    pub address_line1: String,
    pub address_line2: String,
    pub city: String,
    pub state: String,
    pub country: String,
    pub postal_code: String,
    pub phone_number: String,
    pub email: String,
    pub tax_registration_number: String,
    pub currency_code: String,
    pub payment_terms_id: Uuid,
    pub shipment_method_id: Uuid,
    pub payment_method_id: Uuid,
    pub blocked: String,
    pub last_modified_date_time: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CodeRow {
    pub id: Uuid,
    pub code: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReasonRow {
    pub reason_code: String,
    pub reason_description: String,
}

/// What a line of a credit memo names by id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemUnitRow {
    pub id: Uuid,
    pub number: String,
    pub base_unit_of_measure_code: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewCreditMemoRow {
    pub external_document_number: String,
    pub credit_memo_date: Date,
    pub customer_number: String,
    pub currency_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_return_reason_id: Option<Uuid>,
    pub sales_credit_memo_lines: Vec<NewCreditMemoLineRow>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewCreditMemoLineRow {
    pub line_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_object_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_variant_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_of_measure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Exact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount_amount: Option<Exact>,
}

impl NewCreditMemoLineRow {
    pub fn text(text: String) -> Self {
        Self {
            line_type: "Comment",
            description: Some(text),
            ..Self::default()
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreditMemoRow {
    pub id: Uuid,
    pub number: String,
    pub external_document_number: String,
    pub currency_code: String,
    pub prices_include_tax: bool,
    pub total_amount_excluding_tax: Exact,
    pub total_tax_amount: Exact,
    pub total_amount_including_tax: Exact,
    pub status: String,
    pub last_modified_date_time: String,
    #[serde(default)]
    pub sales_credit_memo_lines: Vec<CreditMemoLineRow>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreditMemoLineRow {
    pub sequence: i64,
    pub line_type: String,
    pub description: String,
    pub unit_of_measure_code: String,
    pub quantity: Exact,
}
