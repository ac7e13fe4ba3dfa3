//! The rows of the pretend company, in BC's sense of the words.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::row::{Row, Stamp};

/// An id that sorts by `number`, for rows that are a log.
pub fn ordered_id(number: i64) -> Uuid {
    Uuid::from_u64_pair(
        u64::try_from(number).unwrap_or_default(),
        0x8000_0000_0000_0000,
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum ItemKind {
    #[default]
    Inventory,
    Service,
    NonInventory,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Item {
    pub id: Uuid,
    pub stamp: Stamp,
    pub number: String,
    pub name: String,
    pub name2: String,
    pub kind: ItemKind,
    pub category: String,
    pub blocked: bool,
    pub sales_blocked: bool,
    pub gtin: String,
    pub unit_price: Decimal,
    pub price_includes_tax: bool,
    pub unit_cost: Decimal,
    pub tax_group: String,
    pub base_unit: String,
    pub sales_unit: String,
    pub net_weight: Decimal,
    pub gross_weight: Decimal,
    pub product_group: String,
    pub inventory_group: String,
    /// Units besides the base unit, with how many base units each holds.
    pub units: BTreeMap<String, Decimal>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Variant {
    pub id: Uuid,
    pub stamp: Stamp,
    pub item: Uuid,
    pub code: String,
    pub description: String,
    pub description2: String,
    pub blocked: bool,
    pub sales_blocked: bool,
}

/// For whom a price is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PriceSource {
    #[default]
    All,
    Group(String),
    Customer(String),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PriceLine {
    pub id: Uuid,
    pub stamp: Stamp,
    pub list: String,
    pub line_number: i64,
    pub source: PriceSource,
    /// Empty = local currency.
    pub currency: String,
    pub item: Uuid,
    pub variant: String,
    pub unit: String,
    pub minimum: Decimal,
    pub price: Decimal,
    pub discount_percent: Decimal,
    pub starts: Option<Date>,
    pub ends: Option<Date>,
    pub allow_invoice_discount: bool,
    pub includes_tax: bool,
}

/// Stock of one item, variant and location: the running sums of the ledger and of open sales lines.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figure {
    pub id: Uuid,
    pub stamp: Stamp,
    pub item: Uuid,
    pub variant: String,
    pub location: String,
    pub on_hand: Decimal,
    pub on_orders: Decimal,
    /// All that is held back outside sales orders, `requested` with it.
    pub reserved: Decimal,
    /// What open transfer requests ask for.
    #[serde(default)]
    pub requested: Decimal,
    pub safety: Decimal,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub id: Uuid,
    pub stamp: Stamp,
    pub number: i64,
    pub item: Uuid,
    pub variant: String,
    pub location: String,
    pub posting_date: Date,
    /// As the API spells it, such as `Positive_x0020_Adjmt_x002E_`.
    pub kind: String,
    pub source_number: String,
    pub document_number: String,
    pub document_kind: String,
    pub description: String,
    pub quantity: Decimal,
    pub sales_amount: Decimal,
    pub cost_amount: Decimal,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Address {
    pub name: String,
    pub contact: String,
    pub address_line1: String,
    pub address_line2: String,
    pub postal_code: String,
    pub city: String,
    pub state: String,
    pub country: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Customer {
    pub id: Uuid,
    pub stamp: Stamp,
    pub number: String,
    pub external_reference: String,
    /// The request that created it, to recognise a repeat.
    pub created_with: Value,
    pub shop_number: String,
    pub person: bool,
    pub name2: String,
    pub address: Address,
    pub email: String,
    pub phone: String,
    pub website: String,
    pub tax_number: String,
    /// Empty = local currency.
    pub currency: String,
    pub language: String,
    pub price_group: String,
    pub discount_group: String,
    pub prices_include_tax: bool,
    pub tax_group: String,
    /// Empty, `Ship`, `Invoice` or `All`.
    pub blocked: String,
    pub credit_limit: Decimal,
    pub balance: Decimal,
    pub payment_terms: String,
    pub payment_method: String,
    pub shipment_method: String,
    pub salesperson: String,
    pub bill_to: String,
    /// What the API keeps and nothing computes with.
    #[serde(default)]
    pub extra: BTreeMap<String, Value>,
}

/// A row of a table nobody computes with: codes, contacts, locations. Fields are named as the API names them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub id: Uuid,
    pub stamp: Stamp,
    pub set: String,
    pub code: String,
    pub fields: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DocumentKind {
    Order,
    Shipment,
    Invoice,
    CreditMemo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LineKind {
    #[default]
    Item,
    Account,
    Resource,
    Comment,
}

/// A sales document with its lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Document {
    pub id: Uuid,
    pub stamp: Stamp,
    pub kind: DocumentKind,
    pub number: String,
    /// A credit memo or invoice that is not posted yet.
    pub draft: bool,
    pub external_number: String,
    /// The order a posted document came from, or the invoice a credit memo corrects.
    pub origin_id: Uuid,
    pub origin_number: String,
    pub buffer_id: Option<Uuid>,
    pub customer: Uuid,
    pub customer_number: String,
    pub bill_to: Uuid,
    pub bill_to_number: String,
    pub sell_to_address: Address,
    pub bill_to_address: Address,
    pub ship_to_address: Address,
    pub email: String,
    pub phone: String,
    pub order_date: Date,
    pub posting_date: Date,
    pub due_date: Date,
    pub requested_delivery: Option<Date>,
    /// Empty = local currency.
    pub currency: String,
    pub prices_include_tax: bool,
    pub payment_terms: String,
    pub payment_method: String,
    pub shipment_method: String,
    pub salesperson: String,
    pub reason: String,
    pub your_reference: String,
    pub invoice_discount: Decimal,
    pub partial_shipping: bool,
    pub released: bool,
    pub agent: String,
    pub tracking: String,
    /// What the API keeps and nothing computes with.
    #[serde(default)]
    pub extra: BTreeMap<String, Value>,
    pub lines: Vec<DocumentLine>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DocumentLine {
    pub id: Uuid,
    pub sequence: i64,
    /// The line's number in the shop; 0 = not from a shop.
    pub shop_line: i64,
    pub kind: LineKind,
    pub item: Option<Uuid>,
    pub object_number: String,
    pub variant: String,
    pub location: String,
    pub description: String,
    pub description2: String,
    pub unit: String,
    /// How many base units one unit is.
    pub unit_quantity: Decimal,
    pub quantity: Decimal,
    pub unit_price: Decimal,
    /// In the document's price mode.
    pub discount_amount: Decimal,
    pub discount_percent: Decimal,
    pub allow_invoice_discount: bool,
    pub tax_group: String,
    pub tax_percent: Decimal,
    /// Part of the invoice discount.
    pub invoice_discount: Decimal,
    /// After all discounts, without tax.
    pub net: Decimal,
    pub tax: Decimal,
    /// Tax booked minus tax computed.
    pub tax_difference: Decimal,
    pub shipment_date: Option<Date>,
    pub shipped: Decimal,
    pub invoiced: Decimal,
    pub ship_quantity: Decimal,
    pub invoice_quantity: Decimal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BufferState {
    Received,
    Failed,
    Created,
}

/// A shop order in the companion's buffer; stays when the sales order is gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BufferEntry {
    pub id: Uuid,
    pub stamp: Stamp,
    pub channel: String,
    pub order_number: String,
    pub revision: i64,
    /// The order as sent, defaults filled in.
    pub content: Value,
    pub state: BufferState,
    pub error_code: String,
    pub error_text: String,
    pub error_line: i64,
    pub attempts: i64,
    pub order_id: Uuid,
    pub sales_order: String,
    pub order_version: i64,
    pub released: bool,
    pub booked_net: Decimal,
    pub booked_tax: Decimal,
    pub tax_difference: Decimal,
    pub received_at: Timestamp,
    pub processed_at: Option<Timestamp>,
    pub progress: BTreeMap<i64, Progress>,
}

/// What became of one line of a shop order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub ordered: Decimal,
    pub shipped: Decimal,
    pub invoiced: Decimal,
    pub credited: Decimal,
    pub cancelled: Decimal,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueueEntry {
    pub id: Uuid,
    pub stamp: Stamp,
    pub entity: String,
    pub change: String,
    pub system_id: Uuid,
    pub parent: Uuid,
    pub key: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusEntry {
    pub id: Uuid,
    pub stamp: Stamp,
    pub buffer: Uuid,
    pub channel: String,
    pub order_number: String,
    pub sales_order: String,
    pub kind: String,
    pub document_id: Uuid,
    pub document_number: String,
    pub agent: String,
    pub tracking: String,
    pub reason: String,
    pub lines: Vec<StatusLine>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusLine {
    pub line_number: i64,
    pub object_number: String,
    pub variant: String,
    pub location: String,
    pub unit: String,
    pub quantity: Decimal,
    pub progress: Progress,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subscription {
    pub id: Uuid,
    pub stamp: Stamp,
    pub notification_url: String,
    pub resource: String,
    pub client_state: String,
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Picture {
    /// The id of the record it shows.
    pub id: Uuid,
    pub stamp: Stamp,
    pub parent_type: String,
    pub content_type: String,
    pub width: i64,
    pub height: i64,
    /// Base64.
    pub content: String,
}

macro_rules! row {
    ($row:ident $(, $name:ident = |$this:ident| $body:expr => $answer:ty)* $(,)?) => {
        impl Row for $row {
            fn id(&self) -> Uuid { self.id }
            fn stamp(&self) -> &Stamp { &self.stamp }
            fn stamp_mut(&mut self) -> &mut Stamp { &mut self.stamp }
            $(fn $name(&self) -> $answer { let $this = self; $body })*
        }
    };
}

pub(super) use row;

row!(Item, key = |item| Some(item.number.clone()) => Option<String>);
row!(Variant,
    key = |variant| Some(format!("{}/{}", variant.item, variant.code)) => Option<String>,
    parent = |variant| Some(variant.item) => Option<Uuid>);
row!(PriceLine, parent = |line| Some(line.item) => Option<Uuid>);
row!(Figure,
    key = |figure| Some(format!("{}/{}/{}", figure.item, figure.variant, figure.location)) => Option<String>,
    parent = |figure| Some(figure.item) => Option<Uuid>);
row!(LedgerEntry, parent = |entry| Some(entry.item) => Option<Uuid>);
row!(Customer,
    key = |customer| Some(customer.number.clone()) => Option<String>,
    alias = |customer| Some(customer.external_reference.clone()).filter(|reference| !reference.is_empty()) => Option<String>);
row!(Record, key = |record| Some(format!("{}/{}", record.set, record.code)) => Option<String>);
row!(Document,
    key = |document| Some(format!("{:?}/{}", document.kind, document.number)) => Option<String>,
    parent = |document| Some(document.origin_id).filter(|id| !id.is_nil()) => Option<Uuid>,
    parts = |document| document.lines.iter().map(|line| line.id).collect() => Vec<Uuid>);
row!(BufferEntry, key = |entry| Some(buffer_key(&entry.channel, &entry.order_number)) => Option<String>);
row!(QueueEntry);
row!(StatusEntry, parent = |entry| Some(entry.buffer) => Option<Uuid>);
row!(Subscription, key = |subscription| Some(format!("{} {}", subscription.notification_url, subscription.resource)) => Option<String>);
row!(Picture);

/// The buffer's unique key.
pub fn buffer_key(channel: &str, order_number: &str) -> String {
    format!("{channel}\u{1}{order_number}")
}
