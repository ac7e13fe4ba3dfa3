//! A company as a document: what a pretend tenant is filled with, and how.

mod codes;
mod demo;
mod furniture;
mod locations;
mod reasons;
mod scale;

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::demo::demo;
pub(crate) use self::locations::Location;
pub(crate) use self::reasons::{translations, write as write_return_reason};
pub use self::scale::scale;
use crate::database::{
    Address, Customer, Item, ItemKind, PriceLine, PriceSource, Record, Transaction, Variant,
};
use crate::numbers::{wire, wire_option};
use crate::refusal::Refusal;
use crate::sales::stock::{self, Movement, Shelf};

/// A whole company. Everything but the items may be left out; codes that BC always has are added.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CompanyData {
    pub name: String,
    /// ISO code; EUR when empty.
    pub local_currency: String,
    /// Further currencies that are known.
    pub currencies: Vec<String>,
    pub locations: Vec<LocationData>,
    /// Code and name.
    pub item_categories: BTreeMap<String, String>,
    /// Code and name.
    pub price_groups: BTreeMap<String, String>,
    /// Besides those every company has.
    pub return_reasons: Vec<ReturnReasonData>,
    pub items: Vec<ItemData>,
    pub price_lists: Vec<PriceListData>,
    pub stock: Vec<StockData>,
    pub customers: Vec<CustomerData>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LocationData {
    pub code: String,
    pub name: String,
    pub address: Address,
    pub email: String,
    pub phone: String,
    /// Customers may reserve here and pick up.
    pub store: bool,
    /// Code of the location where the store puts aside what is reserved; empty = none.
    pub reservation_warehouse: String,
}

/// Why goods may come back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnReasonData {
    pub code: String,
    pub description: String,
    /// By BC's code of the language, such as DEU.
    pub translations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ItemData {
    pub number: String,
    pub name: String,
    pub name2: String,
    pub kind: ItemKind,
    pub category: String,
    pub gtin: String,
    /// Base unit; PCS.
    pub unit: String,
    #[serde(with = "wire")]
    pub unit_price: Decimal,
    pub price_includes_tax: bool,
    #[serde(with = "wire")]
    pub unit_cost: Decimal,
    /// NORMAL, REDUCED or NONE.
    pub tax_group: String,
    #[serde(with = "wire")]
    pub net_weight: Decimal,
    pub blocked: bool,
    pub sales_blocked: bool,
    /// Further units, and the one it is sold in; the base unit when empty.
    pub units: Vec<UnitData>,
    pub sales_unit: String,
    pub variants: Vec<VariantData>,
}

/// A unit that holds several base units.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnitData {
    pub code: String,
    #[serde(with = "wire")]
    pub quantity: Decimal,
}

impl Default for ItemData {
    fn default() -> Self {
        Self {
            number: String::new(),
            name: String::new(),
            name2: String::new(),
            kind: ItemKind::Inventory,
            category: String::new(),
            gtin: String::new(),
            unit: "PCS".to_owned(),
            unit_price: Decimal::ZERO,
            price_includes_tax: false,
            unit_cost: Decimal::ZERO,
            tax_group: "NORMAL".to_owned(),
            net_weight: Decimal::ZERO,
            blocked: false,
            sales_blocked: false,
            units: Vec::new(),
            sales_unit: String::new(),
            variants: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct VariantData {
    pub code: String,
    pub description: String,
    pub description2: String,
    pub blocked: bool,
    pub sales_blocked: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceListData {
    pub code: String,
    /// Empty = all customers, unless `customer` is given.
    pub price_group: String,
    pub customer: String,
    /// Empty = local currency.
    pub currency: String,
    pub includes_tax: bool,
    pub starts: Option<Date>,
    pub ends: Option<Date>,
    pub lines: Vec<PriceData>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceData {
    pub item: String,
    pub variant: String,
    pub unit: String,
    #[serde(with = "wire")]
    pub minimum: Decimal,
    #[serde(with = "wire")]
    pub price: Decimal,
    #[serde(with = "wire")]
    pub discount_percent: Decimal,
    pub starts: Option<Date>,
    pub ends: Option<Date>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct StockData {
    pub item: String,
    pub variant: String,
    pub location: String,
    #[serde(with = "wire")]
    pub quantity: Decimal,
    #[serde(with = "wire_option", skip_serializing_if = "Option::is_none")]
    pub safety: Option<Decimal>,
    #[serde(with = "wire_option", skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Decimal>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomerData {
    pub number: String,
    pub address: Address,
    pub email: String,
    pub phone: String,
    pub person: bool,
    pub language: String,
    pub currency: String,
    pub price_group: String,
    /// VAT business posting group; from the country when empty.
    pub tax_group: String,
    pub tax_number: String,
    pub prices_include_tax: bool,
    pub salesperson: String,
    pub blocked: String,
}

/// Writes the company. Numbers that nobody knows are refused.
pub fn load(tx: &mut Transaction<'_>, data: &CompanyData) -> Result<(), Refusal> {
    codes::write(tx, data);
    reasons::write_all(tx, &data.return_reasons);
    locations::write(tx, &data.locations);
    for item in &data.items {
        write_item(tx, item);
    }
    for list in &data.price_lists {
        write_price_list(tx, list)?;
    }
    for customer in &data.customers {
        write_customer(tx, customer);
        write_contact(tx, customer);
    }
    for stock in &data.stock {
        write_stock(tx, stock)?;
    }
    Ok(())
}

pub(crate) fn write_item(tx: &mut Transaction<'_>, data: &ItemData) -> Uuid {
    let item = Item {
        id: tx.new_id(),
        number: data.number.clone(),
        name: data.name.clone(),
        name2: data.name2.clone(),
        kind: data.kind,
        category: data.category.clone(),
        blocked: data.blocked,
        sales_blocked: data.sales_blocked,
        gtin: data.gtin.clone(),
        unit_price: data.unit_price,
        price_includes_tax: data.price_includes_tax,
        unit_cost: data.unit_cost,
        tax_group: data.tax_group.clone(),
        base_unit: data.unit.clone(),
        sales_unit: data.sales_unit.clone(),
        units: data
            .units
            .iter()
            .map(|unit| (unit.code.clone(), unit.quantity))
            .collect(),
        net_weight: data.net_weight,
        gross_weight: data.net_weight,
        product_group: "RETAIL".to_owned(),
        inventory_group: if data.kind == ItemKind::Inventory {
            "RESALE".to_owned()
        } else {
            String::new()
        },
        ..Item::default()
    };
    let item = tx.put(item);
    tx.tell(
        "item",
        "created",
        item.id,
        Uuid::nil(),
        stock::primary_key(&[&item.number]),
    );
    for variant in &data.variants {
        write_variant(tx, &item, variant);
    }
    item.id
}

pub(crate) fn write_variant(tx: &mut Transaction<'_>, item: &Item, data: &VariantData) -> Uuid {
    let variant = tx.put(Variant {
        id: tx.new_id(),
        item: item.id,
        code: data.code.clone(),
        description: data.description.clone(),
        description2: data.description2.clone(),
        blocked: data.blocked,
        sales_blocked: data.sales_blocked,
        ..Variant::default()
    });
    tx.tell(
        "itemVariant",
        "created",
        variant.id,
        item.id,
        stock::primary_key(&[&item.number, &variant.code]),
    );
    variant.id
}

fn write_price_list(tx: &mut Transaction<'_>, list: &PriceListData) -> Result<(), Refusal> {
    let source = if !list.customer.is_empty() {
        PriceSource::Customer(list.customer.clone())
    } else if list.price_group.is_empty() {
        PriceSource::All
    } else {
        PriceSource::Group(list.price_group.clone())
    };
    let currency = if list.currency == tx.marks().local_currency {
        ""
    } else {
        &list.currency
    };
    for (place, line) in list.lines.iter().enumerate() {
        let item = known_item(tx, &line.item)?;
        let price = PriceLine {
            id: tx.new_id(),
            list: list.code.clone(),
            line_number: (i64::try_from(place).unwrap_or_default() + 1) * 10_000,
            source: source.clone(),
            currency: currency.to_owned(),
            item: item.id,
            variant: line.variant.clone(),
            unit: line.unit.clone(),
            minimum: line.minimum,
            price: line.price,
            discount_percent: line.discount_percent,
            starts: line.starts.or(list.starts),
            ends: line.ends.or(list.ends),
            allow_invoice_discount: true,
            includes_tax: list.includes_tax,
            ..PriceLine::default()
        };
        write_price(tx, price, "created");
    }
    Ok(())
}

/// Writes a price line and tells about it.
pub(crate) fn write_price(tx: &mut Transaction<'_>, line: PriceLine, change: &str) {
    let line = tx.put(line);
    let key = price_key(&line);
    tx.tell("priceLine", change, line.id, line.item, key);
}

pub(crate) fn price_key(line: &PriceLine) -> String {
    stock::primary_key(&[&line.list, &line.line_number.to_string()])
}

pub(crate) fn write_customer(tx: &mut Transaction<'_>, data: &CustomerData) {
    let tax_group = if data.tax_group.is_empty() {
        codes::tax_group_of(&data.address.country).to_owned()
    } else {
        data.tax_group.clone()
    };
    let customer = tx.put(Customer {
        id: tx.new_id(),
        number: data.number.clone(),
        person: data.person,
        address: data.address.clone(),
        email: data.email.clone(),
        phone: data.phone.clone(),
        tax_number: data.tax_number.clone(),
        currency: if data.currency == tx.marks().local_currency {
            String::new()
        } else {
            data.currency.clone()
        },
        language: data.language.clone(),
        price_group: data.price_group.clone(),
        prices_include_tax: data.prices_include_tax,
        tax_group,
        blocked: data.blocked.clone(),
        payment_terms: "14D".to_owned(),
        payment_method: "BANK".to_owned(),
        shipment_method: "DAP".to_owned(),
        salesperson: data.salesperson.clone(),
        ..Customer::default()
    });
    tx.tell(
        "customer",
        "created",
        customer.id,
        Uuid::nil(),
        stock::primary_key(&[&customer.number]),
    );
}

/// BC makes a contact for every customer.
fn write_contact(tx: &mut Transaction<'_>, data: &CustomerData) {
    let address = &data.address;
    let fields = serde_json::json!({
        "type": if data.person { "Person" } else { "Company" },
        "displayName": address.name,
        "contactBusinessRelation": "Customer",
        "addressLine1": address.address_line1, "addressLine2": address.address_line2, "city": address.city,
        "state": address.state, "country": address.country, "postalCode": address.postal_code,
        "phoneNumber": data.phone, "email": data.email, "searchName": address.name.to_uppercase(),
    });
    codes::contact(tx, &format!("CT{}", data.number), fields);
}

fn write_stock(tx: &mut Transaction<'_>, data: &StockData) -> Result<(), Refusal> {
    let item = known_item(tx, &data.item)?;
    let shelf = Shelf {
        item: item.id,
        variant: data.variant.clone(),
        location: data.location.clone(),
    };
    if data.quantity.is_zero() || data.safety.is_some() || data.reserved.is_some() {
        stock::adjust(tx, &shelf, |figure| {
            figure.safety = data.safety.unwrap_or(figure.safety);
            figure.reserved = data
                .reserved
                .map_or(figure.reserved, |planned| planned + figure.requested);
        });
    }
    if !data.quantity.is_zero() {
        let movement = Movement {
            kind: "Positive_x0020_Adjmt_x002E_",
            document_kind: "_x0020_",
            document_number: "START",
            source_number: "",
            description: &item.name,
            sales_amount: Decimal::ZERO,
        };
        stock::post(tx, &shelf, data.quantity, &movement);
    }
    Ok(())
}

fn known_item(tx: &Transaction<'_>, number: &str) -> Result<std::sync::Arc<Item>, Refusal> {
    tx.tables()
        .items
        .by_key(number)
        .cloned()
        .ok_or_else(|| Refusal::no_such_record("Item", number))
}

pub(crate) use self::codes::tax_group_of;

/// A row of a code table, for those who look one up.
pub(crate) fn code<'a>(
    tx: &'a Transaction<'_>,
    set: &str,
    code: &str,
) -> Option<&'a std::sync::Arc<Record>> {
    tx.tables().records.by_key(&format!("{set}/{code}"))
}
