//! The companion's pages as they stand in its OpenAPI file; properties that nobody here needs are left out.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::business_central::odata::Exact;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Window<E> {
    pub state: String,
    pub boundary: i64,
    pub upper_bound: i64,
    pub has_more: bool,
    pub epoch: Uuid,
    #[serde(default = "Vec::new")]
    pub entries: Vec<E>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangeEntry {
    pub entity: String,
    pub change_type: String,
    pub system_id: Uuid,
    pub parent_system_id: Uuid,
    pub primary_key: String,
    pub changed_by: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemRow {
    pub system_id: Uuid,
    pub number: String,
    pub display_name: String,
    pub display_name2: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub blocked: bool,
    pub sales_blocked: bool,
    pub item_category_code: String,
    pub gtin: String,
    pub base_unit_of_measure_code: String,
    pub sales_unit_of_measure_code: String,
    pub unit_price: Exact,
    pub price_includes_tax: bool,
    pub tax_group_code: String,
    pub has_variants: bool,
    pub last_modified_date_time: String,
    pub boundary: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VariantRow {
    pub system_id: Uuid,
    pub item_id: Uuid,
    pub code: String,
    pub description: String,
    pub blocked: bool,
    pub sales_blocked: bool,
    pub last_modified_date_time: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PriceRow {
    pub item_id: Uuid,
    pub price_list_code: String,
    pub source_type: String,
    pub source_number: String,
    pub currency_code: String,
    pub variant_code: String,
    pub unit_of_measure_code: String,
    pub minimum_quantity: Exact,
    pub unit_price: Exact,
    pub line_discount_percent: Exact,
    pub starting_date: Date,
    pub ending_date: Date,
    pub prices_include_tax: bool,
    pub last_modified_date_time: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FigureRow {
    pub item_id: Uuid,
    pub item_number: String,
    pub variant_code: String,
    pub location_code: String,
    pub quantity_on_hand: Exact,
    pub quantity_on_sales_orders: Exact,
    pub quantity_reserved: Exact,
    pub safety_stock: Exact,
    pub unit_of_measure_code: String,
    pub as_of: String,
    pub boundary: i64,
    /// In a lookup only.
    pub result: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Lookup {
    pub figures: Vec<LookupKey>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LookupKey {
    pub item_number: String,
    pub variant_code: String,
    pub location_code: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LookedUp {
    pub figures: Vec<FigureRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerRow {
    pub system_id: Uuid,
    pub number: String,
    pub external_reference: String,
    pub display_name: String,
    pub display_name2: String,
    pub address_line1: String,
    pub address_line2: String,
    pub postal_code: String,
    pub city: String,
    pub state: String,
    pub country: String,
    pub email: String,
    pub phone_number: String,
    pub tax_registration_number: String,
    pub currency_code: String,
    pub language_code: String,
    pub price_group: String,
    pub blocked: String,
    pub payment_terms_code: String,
    pub payment_method_code: String,
    pub shipment_method_code: String,
    pub last_modified_date_time: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewCustomerRow {
    pub external_reference: String,
    pub shop_customer_number: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub display_name: String,
    pub display_name2: String,
    pub address_line1: String,
    pub address_line2: String,
    pub postal_code: String,
    pub city: String,
    pub state: String,
    pub country: String,
    pub email: String,
    pub phone_number: String,
    pub tax_registration_number: String,
    pub currency_code: String,
    pub language_code: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddressRow {
    pub name: String,
    pub contact: String,
    pub address_line1: String,
    pub address_line2: String,
    pub postal_code: String,
    pub city: String,
    pub state: String,
    pub country: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewOrderRow {
    pub channel_code: String,
    pub order_number: String,
    pub revision: u32,
    pub process_now: bool,
    pub customer_number: String,
    pub sell_to: AddressRow,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bill_to: Option<AddressRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ship_to: Option<AddressRow>,
    pub email: String,
    pub phone_number: String,
    pub currency_code: String,
    pub prices_include_tax: bool,
    pub payment_terms_code: String,
    pub payment_method_code: String,
    pub shipment_method_code: String,
    pub order_date: Date,
    pub ordered_at: String,
    pub requested_delivery_date: Date,
    pub freight_amount: Exact,
    pub freight_tax_percent: Exact,
    pub net_amount: Exact,
    pub tax_amount: Exact,
    pub gross_amount: Exact,
    pub lines: Vec<NewOrderLineRow>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewOrderLineRow {
    pub line_number: u32,
    pub line_type: &'static str,
    pub object_number: String,
    pub variant_code: String,
    pub location_code: String,
    pub unit_of_measure_code: String,
    pub quantity: Exact,
    pub unit_price: Exact,
    pub discount_amount: Exact,
    pub tax_percent: Exact,
    pub net_amount: Exact,
    pub gross_amount: Exact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BufferedOrderRow {
    pub system_id: Uuid,
    pub customer_number: String,
    pub currency_code: String,
    pub state: String,
    pub error_code: String,
    pub error_text: String,
    pub sales_order_id: Uuid,
    pub sales_order_number: String,
    pub sales_order_row_version: i64,
    pub booked_net_amount: Exact,
    pub booked_tax_amount: Exact,
    pub booked_gross_amount: Exact,
    pub processed_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusEntry {
    pub system_row_version: i64,
    pub channel_code: String,
    pub order_number: String,
    pub kind: String,
    pub document_id: Uuid,
    pub document_number: String,
    pub happened_at: String,
    pub shipping_agent_code: String,
    pub shipping_agent_name: String,
    pub tracking_number: String,
    #[serde(default)]
    pub lines: Vec<StatusLine>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusLine {
    pub line_number: u32,
    pub unit_of_measure_code: String,
    pub quantity: Exact,
}
