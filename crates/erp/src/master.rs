//! Master data as the ERP shows it.

use millrace_values::{
    CustomerNumber, LanguageTag, Percentage, PriceGroup, Quantity, Sku, SystemId, Timestamp,
    UnitCode, UnitPrice, VariantCode,
};

use crate::party::Address;

#[derive(Debug, Clone, PartialEq)]
pub struct ItemObserved {
    pub system_id: SystemId,
    pub number: Sku,
    pub display_name: String,
    pub display_name2: String,
    pub kind: ItemKind,
    pub blocked: bool,
    pub sales_blocked: bool,
    pub gtin: String,
    pub base_unit: Option<UnitCode>,
    pub category_code: String,
    pub tax_group_code: String,
    /// In the ERP's order.
    pub variants: Vec<VariantObserved>,
    pub modified_at: Timestamp,
    /// Who changed it in the ERP, where it says so.
    pub modified_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    Inventory,
    Service,
    NonInventory,
}

#[derive(Debug, Clone, PartialEq)]
pub struct VariantObserved {
    pub system_id: SystemId,
    pub code: VariantCode,
    pub description: String,
    pub blocked: bool,
    pub sales_blocked: bool,
}

/// Every price of one item: a price that is absent is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct PricesObserved {
    pub item: SystemId,
    /// As it stands on the price lines; `None` when the item has no price left.
    pub number: Option<Sku>,
    pub lines: Vec<PriceLine>,
    pub modified_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PriceLine {
    pub variant: Option<VariantCode>,
    /// `None`: everybody's price.
    pub group: Option<PriceGroup>,
    /// `None`: the base unit.
    pub unit: Option<UnitCode>,
    pub price: UnitPrice,
    pub includes_tax: bool,
    pub minimum_quantity: Quantity,
    pub line_discount: Percentage,
    /// First and last day, YYYY-MM-DD.
    pub valid_from: Option<jiff::civil::Date>,
    pub valid_until: Option<jiff::civil::Date>,
    /// Empty for the price on the item card.
    pub price_list: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CustomerObserved {
    pub system_id: SystemId,
    pub number: CustomerNumber,
    /// Channel and number a shop gave when it created the customer.
    pub shop: Option<(millrace_values::ChannelCode, String)>,
    pub block: CustomerBlock,
    pub price_group: Option<PriceGroup>,
    /// ISO 4217; empty: the ledger currency.
    pub currency_code: String,
    pub language: Option<LanguageTag>,
    pub payment_terms_code: String,
    pub payment_method_code: String,
    pub shipment_method_code: String,
    pub address: Address,
    pub email: String,
    pub phone: String,
    pub vat_registration_number: String,
    pub modified_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomerBlock {
    None,
    Ship,
    Invoice,
    All,
}
