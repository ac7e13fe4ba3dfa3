//! The rules' words ⇄ the contract's. What was stored once is read with the same care as what comes from outside.

use millrace_contract::items::v1 as items;
use millrace_contract::price_keys::v1::PriceKeysChanged;
use millrace_contract::prices::v1 as prices;
use millrace_erp::master::ItemKind;
use millrace_values::wire::MeasuredError;
use millrace_values::{
    CodeError, ErpCode, NumberError, Percentage, PriceGroup, Quantity, Sku, SystemId, TimeError,
    UnitCode, UnitPrice, VariantCode,
};
use thiserror::Error;

use crate::domain::item::{Item, Variant};
use crate::domain::prices::{Key, Price, Tier};

pub const ITEM_CHANGED: &str = "millrace.items.v1.ItemChanged";
pub const ITEM_DELETED: &str = "millrace.items.v1.ItemDeleted";
pub const PRICE_CHANGED: &str = "millrace.prices.v1.PriceChanged";
pub const PRICE_DELETED: &str = "millrace.prices.v1.PriceDeleted";
/// Stays in this service's log.
pub const PRICE_KEYS_CHANGED: &str = "millrace.price_keys.v1.PriceKeysChanged";

/// Why a stored message cannot be read.
#[derive(Debug, Error)]
pub enum WireError {
    #[error("no protobuf message")]
    Protobuf(#[from] prost::DecodeError),
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Number(#[from] NumberError),
    #[error(transparent)]
    Measured(#[from] MeasuredError),
    #[error(transparent)]
    Time(#[from] TimeError),
    #[error("{0:?} is no date")]
    Date(String),
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// Stream and key of an item.
#[must_use]
pub fn item_stream(erp: &ErpCode, item: SystemId) -> String {
    format!("item/{erp}/{item}")
}

/// Stream and key of one price. Codes may hold anything printable, so what separates the parts is escaped.
#[must_use]
pub fn price_stream(erp: &ErpCode, item: SystemId, key: &Key) -> String {
    let variant = key.variant.as_ref().map_or("", VariantCode::as_str);
    let group = key.group.as_ref().map_or("", PriceGroup::as_str);
    let unit = key.unit.as_ref().map_or("", UnitCode::as_str);
    format!(
        "price/{erp}/{item}/{}/{}/{}",
        escaped(variant),
        escaped(group),
        escaped(unit)
    )
}

/// The stream that knows which prices an item has.
#[must_use]
pub fn price_keys_stream(erp: &ErpCode, item: SystemId) -> String {
    format!("price-keys/{erp}/{item}")
}

fn escaped(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}

impl From<&Item> for items::Item {
    fn from(item: &Item) -> Self {
        Self {
            system_id: item.system_id.to_string(),
            number: item.number.to_string(),
            display_name: item.display_name.clone(),
            display_name2: item.display_name2.clone(),
            kind: kind_to_wire(item.kind).into(),
            blocked: item.blocked,
            sales_blocked: item.sales_blocked,
            gtin: item.gtin.clone(),
            base_unit: item
                .base_unit
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            category_code: item.category_code.clone(),
            tax_group_code: item.tax_group_code.clone(),
            variants: item.variants.iter().map(items::Variant::from).collect(),
            modified_at: Some(item.modified_at.into()),
        }
    }
}

impl From<&Variant> for items::Variant {
    fn from(variant: &Variant) -> Self {
        Self {
            system_id: variant.system_id.to_string(),
            code: variant.code.to_string(),
            description: variant.description.clone(),
            blocked: variant.blocked,
            sales_blocked: variant.sales_blocked,
            dimension_values: variant.dimension_values.clone(),
        }
    }
}

impl TryFrom<items::Item> for Item {
    type Error = WireError;

    fn try_from(item: items::Item) -> Result<Self, WireError> {
        let kind = kind_from_wire(item.kind())?;
        let variants: Result<Vec<Variant>, WireError> =
            item.variants.into_iter().map(Variant::try_from).collect();
        Ok(Self {
            system_id: SystemId::parse(&item.system_id)?,
            number: Sku::parse(&item.number)?,
            display_name: item.display_name,
            display_name2: item.display_name2,
            kind,
            blocked: item.blocked,
            sales_blocked: item.sales_blocked,
            gtin: item.gtin,
            base_unit: UnitCode::parse_optional(&item.base_unit)?,
            category_code: item.category_code,
            tax_group_code: item.tax_group_code,
            variants: variants?,
            modified_at: item
                .modified_at
                .ok_or(WireError::Missing("modified_at"))?
                .try_into()?,
        })
    }
}

impl TryFrom<items::Variant> for Variant {
    type Error = WireError;

    fn try_from(variant: items::Variant) -> Result<Self, WireError> {
        Ok(Self {
            system_id: SystemId::parse(&variant.system_id)?,
            code: VariantCode::parse(&variant.code)?,
            description: variant.description,
            blocked: variant.blocked,
            sales_blocked: variant.sales_blocked,
            dimension_values: variant.dimension_values,
        })
    }
}

fn kind_to_wire(kind: ItemKind) -> items::ItemKind {
    match kind {
        ItemKind::Inventory => items::ItemKind::Inventory,
        ItemKind::Service => items::ItemKind::Service,
        ItemKind::NonInventory => items::ItemKind::NonInventory,
    }
}

fn kind_from_wire(kind: items::ItemKind) -> Result<ItemKind, WireError> {
    match kind {
        items::ItemKind::Inventory => Ok(ItemKind::Inventory),
        items::ItemKind::Service => Ok(ItemKind::Service),
        items::ItemKind::NonInventory => Ok(ItemKind::NonInventory),
        items::ItemKind::Unspecified => Err(WireError::Missing("kind")),
    }
}

/// A price's key on the wire. The number is the one the ERP wrote on the price lines.
#[must_use]
pub fn key_to_wire(item: SystemId, number: Option<&Sku>, key: &Key) -> prices::PriceKey {
    prices::PriceKey {
        item_system_id: item.to_string(),
        item_number: number.map(ToString::to_string).unwrap_or_default(),
        variant_code: key
            .variant
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        price_group: key
            .group
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        unit: key
            .unit
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

impl TryFrom<&prices::PriceKey> for Key {
    type Error = WireError;

    fn try_from(key: &prices::PriceKey) -> Result<Self, WireError> {
        Ok(Self {
            variant: VariantCode::parse_optional(&key.variant_code)?,
            group: PriceGroup::parse_optional(&key.price_group)?,
            unit: UnitCode::parse_optional(&key.unit)?,
        })
    }
}

#[must_use]
pub fn price_to_wire(item: SystemId, key: &Key, price: &Price) -> prices::Price {
    prices::Price {
        key: Some(key_to_wire(item, price.number.as_ref(), key)),
        tiers: price.tiers.iter().map(prices::PriceTier::from).collect(),
    }
}

/// # Errors
/// The message is not whole.
pub fn price_from_wire(price: prices::Price) -> Result<(Key, Price), WireError> {
    let key = price.key.ok_or(WireError::Missing("key"))?;
    let tiers: Result<Vec<Tier>, WireError> = price.tiers.into_iter().map(Tier::try_from).collect();
    let number = Sku::parse_optional(&key.item_number)?;
    Ok((
        Key::try_from(&key)?,
        Price {
            number,
            tiers: tiers?,
        },
    ))
}

impl From<&Tier> for prices::PriceTier {
    fn from(tier: &Tier) -> Self {
        Self {
            unit_price: Some(tier.price.into()),
            price_includes_tax: tier.includes_tax,
            minimum_quantity: Some(tier.minimum_quantity.into()),
            line_discount_percent: Some(tier.line_discount.into()),
            valid_from: tier
                .valid_from
                .map(|day| day.to_string())
                .unwrap_or_default(),
            valid_until: tier
                .valid_until
                .map(|day| day.to_string())
                .unwrap_or_default(),
            price_list_code: tier.price_list.clone(),
        }
    }
}

impl TryFrom<prices::PriceTier> for Tier {
    type Error = WireError;

    fn try_from(tier: prices::PriceTier) -> Result<Self, WireError> {
        Ok(Self {
            price: UnitPrice::try_from(tier.unit_price.ok_or(WireError::Missing("unit_price"))?)?,
            includes_tax: tier.price_includes_tax,
            minimum_quantity: Quantity::try_from(tier.minimum_quantity.unwrap_or_default())?,
            line_discount: Percentage::try_from(tier.line_discount_percent.unwrap_or_default())?,
            valid_from: day(tier.valid_from)?,
            valid_until: day(tier.valid_until)?,
            price_list: tier.price_list_code,
        })
    }
}

fn day(text: String) -> Result<Option<jiff::civil::Date>, WireError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| WireError::Date(text))
}

/// # Errors
/// A key that cannot be read.
pub fn keys_from_wire(message: &PriceKeysChanged) -> Result<Vec<Key>, WireError> {
    message.keys.iter().map(Key::try_from).collect()
}
