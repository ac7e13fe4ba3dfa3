//! Microsoft's API v2.0, as far as it is read here.

use serde::Deserialize;
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
