//! The companion's pages about reserved goods as they stand in its OpenAPI file; properties that nobody here needs are left out.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::business_central::odata::Exact;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreLocationRow {
    pub code: String,
    pub display_name: String,
    pub is_store: bool,
    pub reservation_warehouse_code: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewTransferRow {
    pub channel_code: String,
    pub reservation_number: String,
    pub from_location_code: String,
    pub to_location_code: String,
    pub reference_text: String,
    pub lines: Vec<NewTransferLineRow>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewTransferLineRow {
    pub line_number: u32,
    pub item_number: String,
    pub variant_code: String,
    pub unit_of_measure_code: String,
    pub quantity: Exact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferLineRow {
    pub line_number: u32,
    pub unit_of_measure_code: String,
    pub quantity: Exact,
    pub found_quantity: Exact,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferRow {
    pub system_id: Uuid,
    pub channel_code: String,
    pub reservation_number: String,
    pub state: String,
    pub error_code: String,
    pub error_text: String,
    pub transfer_document_number: String,
    pub return_document_number: String,
    pub changed_at: String,
    pub system_row_version: i64,
    #[serde(default)]
    pub lines: Vec<TransferLineRow>,
}

/// The request as one change left it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferEntry {
    pub request_id: Uuid,
    pub request_row_version: i64,
    pub channel_code: String,
    pub reservation_number: String,
    pub state: String,
    pub transfer_document_number: String,
    pub return_document_number: String,
    pub happened_at: String,
    #[serde(default)]
    pub lines: Vec<TransferLineRow>,
}

impl From<TransferEntry> for TransferRow {
    fn from(entry: TransferEntry) -> Self {
        Self {
            system_id: entry.request_id,
            channel_code: entry.channel_code,
            reservation_number: entry.reservation_number,
            state: entry.state,
            error_code: String::new(),
            error_text: String::new(),
            transfer_document_number: entry.transfer_document_number,
            return_document_number: entry.return_document_number,
            changed_at: entry.happened_at,
            system_row_version: entry.request_row_version,
            lines: entry.lines,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PostParameters {
    /// [`FoundRow`]s as JSON: an action of Business Central takes simple parameters only.
    pub found_quantities: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundRow {
    pub line_number: u32,
    pub quantity: Exact,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewCountRow {
    pub channel_code: String,
    pub reservation_number: String,
    pub line_number: u32,
    pub location_code: String,
    pub item_number: String,
    pub variant_code: String,
    pub reason_text: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CountRow {
    pub system_id: Uuid,
    pub state: String,
    pub error_code: String,
    pub error_text: String,
    pub counted_quantity: Exact,
}
