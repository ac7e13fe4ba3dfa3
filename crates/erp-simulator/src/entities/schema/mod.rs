//! The documented entities: property names, types, lengths, and what may be written.
//!
//! Taken from Microsoft's published resource pages and API source; a test compares them with the collected facts.

mod catalogue;
mod codes;
mod invoices;
mod orders;
mod partners;

pub use self::catalogue::{
    ITEM, ITEM_CATEGORY, ITEM_LEDGER_ENTRY, ITEM_VARIANT, LOCATION, PICTURE,
};
pub use self::codes::{
    COUNTRY_REGION, CURRENCY, CUSTOMER_RETURN_REASON, PAYMENT_METHOD, PAYMENT_TERM,
    SHIPMENT_METHOD, TAX_GROUP, UNIT_OF_MEASURE,
};
pub use self::invoices::{
    SALES_CREDIT_MEMO, SALES_CREDIT_MEMO_LINE, SALES_INVOICE, SALES_INVOICE_LINE,
};
pub use self::orders::{SALES_ORDER, SALES_ORDER_LINE, SALES_SHIPMENT, SALES_SHIPMENT_LINE};
pub use self::partners::{CONTACT, CUSTOMER, SALESPERSON_PURCHASER};
use crate::odata::schema::Schema;

/// All of them.
pub const ALL: &[&Schema] = &[
    &ITEM,
    &ITEM_VARIANT,
    &ITEM_CATEGORY,
    &PICTURE,
    &ITEM_LEDGER_ENTRY,
    &LOCATION,
    &UNIT_OF_MEASURE,
    &CURRENCY,
    &COUNTRY_REGION,
    &PAYMENT_TERM,
    &PAYMENT_METHOD,
    &SHIPMENT_METHOD,
    &TAX_GROUP,
    &CUSTOMER_RETURN_REASON,
    &CUSTOMER,
    &CONTACT,
    &SALESPERSON_PURCHASER,
    &SALES_ORDER,
    &SALES_ORDER_LINE,
    &SALES_SHIPMENT,
    &SALES_SHIPMENT_LINE,
    &SALES_INVOICE,
    &SALES_INVOICE_LINE,
    &SALES_CREDIT_MEMO,
    &SALES_CREDIT_MEMO_LINE,
];

/// The entity of a set.
pub fn of(set: &str) -> Option<&'static Schema> {
    ALL.iter().find(|schema| schema.set == set).copied()
}

const ITEM_TYPE: &[&str] = &["Inventory", "Service", "Non_x002D_Inventory"];
const CONTACT_TYPE: &[&str] = &["Company", "Person"];
const CUSTOMER_BLOCKED: &[&str] = &["_x0020_", "Ship", "Invoice", "All"];
const PICTURE_PARENT: &[&str] = &[
    "_x0020_",
    "Customer",
    "Item",
    "Vendor",
    "Employee",
    "Contact",
    "Item_x0020_Variant",
];
const ADDRESS_FORMAT: &[&str] = &[
    "Post_x0020_Code_x002B_City",
    "City_x002B_Post_x0020_Code",
    "City_x002B_County_x002B_Post_x0020_Code",
    "Blank_x0020_Line_x002B_Post_x0020_Code_x002B_City",
    "Custom",
];
const TAX_TYPE: &[&str] = &["Sales_x0020_Tax", "VAT"];
const BUSINESS_RELATION: &[&str] = &[
    "_x0020_",
    "Customer",
    "Vendor",
    "Bank_x0020_Account",
    "Employee",
    "None",
    "Other",
    "Multiple",
];
const ORDER_STATUS: &[&str] = &["Draft", "In_x0020_Review", "Open"];
const INVOICE_STATUS: &[&str] = &[
    "_x0020_",
    "Draft",
    "In_x0020_Review",
    "Open",
    "Paid",
    "Canceled",
    "Corrective",
];
const CREDIT_STATUS: &[&str] = &[
    "_x0020_",
    "Draft",
    "In_x0020_Review",
    "Open",
    "Canceled",
    "Corrective",
    "Paid",
];
const LINE_TYPE: &[&str] = &[
    "Comment",
    "Account",
    "Item",
    "Resource",
    "Fixed_x0020_Asset",
    "Charge",
    "Allocation_x0020_Account",
];
const SHIPMENT_LINE_TYPE: &[&str] = &[
    "_x0020_",
    "G_x002F_L_x0020_Account",
    "Item",
    "Resource",
    "Fixed_x0020_Asset",
    "Charge_x0020__x0028_Item_x0029_",
];
const ENTRY_TYPE: &[&str] = &[
    "Purchase",
    "Sale",
    "Positive_x0020_Adjmt_x002E_",
    "Negative_x0020_Adjmt_x002E_",
    "Transfer",
    "Consumption",
    "Output",
    "_x0020_",
];
const SOURCE_TYPE: &[&str] = &["_x0020_", "Customer", "Vendor", "Item"];
const DOCUMENT_TYPE: &[&str] = &[
    "_x0020_",
    "Sales_x0020_Shipment",
    "Sales_x0020_Invoice",
    "Sales_x0020_Return_x0020_Receipt",
    "Sales_x0020_Credit_x0020_Memo",
    "Purchase_x0020_Receipt",
    "Transfer_x0020_Shipment",
    "Transfer_x0020_Receipt",
];
