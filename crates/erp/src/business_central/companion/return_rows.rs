//! The companion's pages about goods that come back as they stand in its OpenAPI file; properties that nobody here needs are
//! left out.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::business_central::odata::Exact;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReturnReasonRow {
    pub code: String,
    pub description: String,
    #[serde(default)]
    pub translations: Vec<TranslationRow>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TranslationRow {
    pub language_code: String,
    pub description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewReturnRow {
    pub channel_code: String,
    pub return_number: String,
    pub revision: u32,
    pub order_number: String,
    pub customer_number: String,
    pub submitted_at: String,
    pub currency_code: String,
    pub prices_include_tax: bool,
    pub refund_type: &'static str,
    pub is_gift: bool,
    pub exchange_order_number: String,
    pub freight_net_amount: Exact,
    pub freight_gross_amount: Exact,
    pub freight_tax_percent: Exact,
    pub net_amount: Exact,
    pub tax_amount: Exact,
    pub gross_amount: Exact,
    pub lines: Vec<NewReturnLineRow>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewReturnLineRow {
    pub line_number: u32,
    pub order_line_number: u32,
    pub item_number: String,
    pub variant_code: String,
    pub unit_of_measure_code: String,
    pub quantity: Exact,
    pub location_code: String,
    pub return_reason_code: String,
    pub condition_text: String,
    pub comment_text: String,
    pub photo_addresses: String,
    pub unit_price: Exact,
    pub discount_amount: Exact,
    pub tax_percent: Exact,
    pub net_amount: Exact,
    pub gross_amount: Exact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReturnRow {
    pub system_id: Uuid,
    pub channel_code: String,
    pub return_number: String,
    #[serde(default)]
    pub order_number: String,
    pub currency_code: String,
    pub state: String,
    pub error_code: String,
    pub error_text: String,
    pub return_order_number: String,
    pub receipt_numbers: String,
    pub credit_memo_numbers: String,
    pub credited_net_amount: Exact,
    pub credited_tax_amount: Exact,
    pub credited_gross_amount: Exact,
    pub changed_at: String,
    pub system_row_version: i64,
    #[serde(default)]
    pub lines: Vec<ReturnLineRow>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReturnLineRow {
    pub line_number: u32,
    pub unit_of_measure_code: String,
    pub quantity: Exact,
    pub received_quantity: Exact,
    pub restocked_quantity: Exact,
    pub scrapped_quantity: Exact,
    pub repair_quantity: Exact,
    pub credited_quantity: Exact,
}

/// The return order as one change left it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReturnEntry {
    pub return_id: Uuid,
    pub return_row_version: i64,
    pub channel_code: String,
    pub return_number: String,
    pub currency_code: String,
    pub state: String,
    pub return_order_number: String,
    pub receipt_numbers: String,
    pub credit_memo_numbers: String,
    pub credited_net_amount: Exact,
    pub credited_tax_amount: Exact,
    pub credited_gross_amount: Exact,
    pub happened_at: String,
    #[serde(default)]
    pub lines: Vec<ReturnLineRow>,
}

impl From<ReturnEntry> for ReturnRow {
    fn from(entry: ReturnEntry) -> Self {
        Self {
            system_id: entry.return_id,
            channel_code: entry.channel_code,
            return_number: entry.return_number,
            order_number: String::new(),
            currency_code: entry.currency_code,
            state: entry.state,
            error_code: String::new(),
            error_text: String::new(),
            return_order_number: entry.return_order_number,
            receipt_numbers: entry.receipt_numbers,
            credit_memo_numbers: entry.credit_memo_numbers,
            credited_net_amount: entry.credited_net_amount,
            credited_tax_amount: entry.credited_tax_amount,
            credited_gross_amount: entry.credited_gross_amount,
            changed_at: entry.happened_at,
            system_row_version: entry.return_row_version,
            lines: entry.lines,
        }
    }
}
