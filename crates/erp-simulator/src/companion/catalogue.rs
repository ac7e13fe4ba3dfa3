//! Items, variants and price lines with what the standard pages lack.

use std::sync::Arc;

use serde_json::json;

use super::{collection, nothing, rendered};
use crate::database::{Item, ItemKind, PriceLine, PriceSource, Tables, Variant};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{date, guid, instant, number};
use crate::odata::page::{Rendered, Source};
use crate::odata::schema::{Kind, Schema, ro};
use crate::refusal::Refusal;
use crate::sales::documents;
use crate::simulator::World;

macro_rules! page {
    ($entity:literal, $set:literal, $($property:literal: $kind:expr),* $(,)?) => {
        Schema {
            entity: $entity,
            set: $set,
            properties: &[$(ro($property, $kind)),*],
            navigations: &[],
            insert: false,
            modify: false,
            delete: false,
        }
    };
}

const ITEM_KINDS: &[&str] = &["Inventory", "Service", "Non_x002D_Inventory"];
const SOURCES: &[&str] = &[
    "All_x0020_Customers",
    "Customer_x0020_Price_x0020_Group",
    "Customer",
];

const ITEM: Schema = page!("item", "items",
    "systemId": Kind::Guid, "number": Kind::Text(20), "displayName": Kind::Text(100), "displayName2": Kind::Text(50),
    "type": Kind::Enum(ITEM_KINDS), "blocked": Kind::Boolean, "salesBlocked": Kind::Boolean, "itemCategoryCode": Kind::Text(20),
    "gtin": Kind::Text(14), "baseUnitOfMeasureCode": Kind::Text(10), "salesUnitOfMeasureCode": Kind::Text(10),
    "salesUnitQuantity": Kind::Decimal,
    "unitPrice": Kind::Decimal, "priceIncludesTax": Kind::Boolean, "taxGroupCode": Kind::Text(20), "netWeight": Kind::Decimal,
    "grossWeight": Kind::Decimal, "hasVariants": Kind::Boolean, "lastModifiedDateTime": Kind::Instant,
    "systemRowVersion": Kind::Integer, "boundary": Kind::Integer);

const VARIANT: Schema = page!("itemVariant", "itemVariants",
    "systemId": Kind::Guid, "itemId": Kind::Guid, "itemNumber": Kind::Text(20), "code": Kind::Text(10),
    "description": Kind::Text(100), "description2": Kind::Text(50), "blocked": Kind::Boolean, "salesBlocked": Kind::Boolean,
    "lastModifiedDateTime": Kind::Instant, "systemRowVersion": Kind::Integer, "boundary": Kind::Integer);

const PRICE: Schema = page!("priceLine", "priceLines",
    "systemId": Kind::Guid, "priceListCode": Kind::Text(20), "lineNumber": Kind::Integer, "sourceType": Kind::Enum(SOURCES),
    "sourceNumber": Kind::Text(20), "currencyCode": Kind::Text(10), "itemId": Kind::Guid, "itemNumber": Kind::Text(20),
    "variantCode": Kind::Text(10), "unitOfMeasureCode": Kind::Text(10), "minimumQuantity": Kind::Decimal,
    "unitPrice": Kind::Decimal, "lineDiscountPercent": Kind::Decimal, "startingDate": Kind::Date, "endingDate": Kind::Date,
    "allowInvoiceDiscount": Kind::Boolean, "allowLineDiscount": Kind::Boolean, "pricesIncludeTax": Kind::Boolean,
    "lastModifiedDateTime": Kind::Instant, "systemRowVersion": Kind::Integer, "boundary": Kind::Integer);

pub(super) fn items(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, _, boundary| {
        let source = Source {
            table: &tables.items,
            schema: &ITEM,
            id: "systemId",
            key: Some("number"),
            parent: None,
            keep: &|_| true,
            render: &|item: &Item| render_item(tables, boundary, item),
            within: None,
        };
        collection(call, &source, nothing)
    })
}

fn render_item(tables: &Tables, boundary: i64, item: &Item) -> Rendered {
    rendered(json!({
        "systemId": guid(item.id),
        "number": item.number,
        "displayName": item.name,
        "displayName2": item.name2,
        "type": kind_name(item.kind),
        "blocked": item.blocked,
        "salesBlocked": item.sales_blocked,
        "itemCategoryCode": item.category,
        "gtin": item.gtin,
        "baseUnitOfMeasureCode": item.base_unit,
        "salesUnitOfMeasureCode": documents::sales_unit(item),
        "salesUnitQuantity": number(documents::unit_quantity(item, documents::sales_unit(item)).unwrap_or(rust_decimal::Decimal::ONE)),
        "unitPrice": number(item.unit_price),
        "priceIncludesTax": item.price_includes_tax,
        "taxGroupCode": item.tax_group,
        "netWeight": number(item.net_weight),
        "grossWeight": number(item.gross_weight),
        "hasVariants": tables.variants.children(item.id).next().is_some(),
        "lastModifiedDateTime": instant(item.stamp.modified_at),
        "systemRowVersion": item.stamp.version,
        "boundary": boundary,
    }))
}

/// As the API spells the enumeration's members.
pub(crate) fn kind_name(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Inventory => "Inventory",
        ItemKind::Service => "Service",
        ItemKind::NonInventory => "Non_x002D_Inventory",
    }
}

pub(super) fn variants(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, _, boundary| {
        let render = |variant: &Variant| {
            rendered(json!({
                "systemId": guid(variant.id),
                "itemId": guid(variant.item),
                "itemNumber": item_number(tables, variant.item),
                "code": variant.code,
                "description": variant.description,
                "description2": variant.description2,
                "blocked": variant.blocked,
                "salesBlocked": variant.sales_blocked,
                "lastModifiedDateTime": instant(variant.stamp.modified_at),
                "systemRowVersion": variant.stamp.version,
                "boundary": boundary,
            }))
        };
        let source = Source {
            table: &tables.variants,
            schema: &VARIANT,
            id: "systemId",
            key: None,
            parent: Some("itemId"),
            keep: &|_| true,
            render: &render,
            within: None,
        };
        collection(call, &source, nothing)
    })
}

pub(super) fn prices(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    world.read_bounded(|tables, marks, boundary| {
        let render = |line: &PriceLine| {
            let (source_type, source_number) = match &line.source {
                PriceSource::All => (SOURCES[0], ""),
                PriceSource::Group(group) => (SOURCES[1], group.as_str()),
                PriceSource::Customer(number) => (SOURCES[2], number.as_str()),
            };
            rendered(json!({
                "systemId": guid(line.id),
                "priceListCode": line.list,
                "lineNumber": line.line_number,
                "sourceType": source_type,
                "sourceNumber": source_number,
                "currencyCode": if line.currency.is_empty() { &marks.local_currency } else { &line.currency },
                "itemId": guid(line.item),
                "itemNumber": item_number(tables, line.item),
                "variantCode": line.variant,
                "unitOfMeasureCode": line.unit,
                "minimumQuantity": number(line.minimum),
                "unitPrice": number(line.price),
                "lineDiscountPercent": number(line.discount_percent),
                "startingDate": date(line.starts),
                "endingDate": date(line.ends),
                "allowInvoiceDiscount": line.allow_invoice_discount,
                "allowLineDiscount": true,
                "pricesIncludeTax": line.includes_tax,
                "lastModifiedDateTime": instant(line.stamp.modified_at),
                "systemRowVersion": line.stamp.version,
                "boundary": boundary,
            }))
        };
        let source = Source {
            table: &tables.price_lines,
            schema: &PRICE,
            id: "systemId", key: None,
            parent: Some("itemId"),
            keep: &|_| true,
            render: &render,
            within: None,
        };
        collection(call, &source, nothing)
    })
}

pub(super) fn item_number(tables: &Tables, id: uuid::Uuid) -> &str {
    tables.items.get(id).map_or("", |item| item.number.as_str())
}
