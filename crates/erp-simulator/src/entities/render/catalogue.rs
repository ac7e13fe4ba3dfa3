//! Items, variants, pictures, ledger entries.

use serde_json::{Value, json};

use super::{code_id, object};
use crate::companion::kind_name;
use crate::database::{Item, LedgerEntry, Picture, Tables, Variant};
use crate::numbers::{date, guid, instant, number};
use crate::odata::page::Rendered;
use crate::sales::stock;

pub fn item(tables: &Tables, item: &Item) -> Rendered {
    object(json!({
        "id": guid(item.id),
        "number": item.number,
        "displayName": item.name,
        "displayName2": item.name2,
        "type": kind_name(item.kind),
        "itemCategoryId": code_id(tables, "itemCategories", &item.category),
        "itemCategoryCode": item.category,
        "blocked": item.blocked,
        "gtin": item.gtin,
        "inventory": number(stock::inventory(tables, item.id)),
        "unitPrice": number(item.unit_price),
        "priceIncludesTax": item.price_includes_tax,
        "unitCost": number(item.unit_cost),
        "taxGroupId": code_id(tables, "taxGroups", &item.tax_group),
        "taxGroupCode": item.tax_group,
        "baseUnitOfMeasureId": code_id(tables, "unitsOfMeasure", &item.base_unit),
        "baseUnitOfMeasureCode": item.base_unit,
        "generalProductPostingGroupId": code_id(tables, "generalProductPostingGroups", &item.product_group),
        "generalProductPostingGroupCode": item.product_group,
        "inventoryPostingGroupId": code_id(tables, "inventoryPostingGroups", &item.inventory_group),
        "inventoryPostingGroupCode": item.inventory_group,
        "lastModifiedDateTime": instant(item.stamp.modified_at),
    }))
}

pub fn variant(tables: &Tables, variant: &Variant) -> Rendered {
    object(json!({
        "id": guid(variant.id),
        "itemId": guid(variant.item),
        "itemNumber": tables.items.get(variant.item).map_or("", |item| item.number.as_str()),
        "code": variant.code,
        "description": variant.description,
        "lastModifiedDateTime": instant(variant.stamp.modified_at),
    }))
}

/// `link` is the address of the picture's content.
pub fn picture(picture: &Picture, link: &str) -> Rendered {
    let mut record = object(json!({
        "id": guid(picture.id),
        "parentType": picture.parent_type,
        "width": picture.width,
        "height": picture.height,
        "contentType": picture.content_type,
    }));
    let content = format!("{link}/pictures({})/pictureContent", picture.id);
    record.insert(
        "pictureContent@odata.mediaEditLink".to_owned(),
        Value::from(content.clone()),
    );
    record.insert(
        "pictureContent@odata.mediaReadLink".to_owned(),
        Value::from(content),
    );
    record
}

pub fn ledger_entry(tables: &Tables, entry: &LedgerEntry) -> Rendered {
    let source_type = if entry.source_number.is_empty() {
        "_x0020_"
    } else {
        "Customer"
    };
    object(json!({
        "id": guid(entry.id),
        "entryNumber": entry.number,
        "itemNumber": tables.items.get(entry.item).map_or("", |item| item.number.as_str()),
        "postingDate": date(Some(entry.posting_date)),
        "entryType": entry.kind,
        "sourceNumber": entry.source_number,
        "sourceType": source_type,
        "documentNumber": entry.document_number,
        "documentType": entry.document_kind,
        "description": entry.description,
        "quantity": number(entry.quantity),
        "salesAmountActual": number(entry.sales_amount),
        "costAmountActual": number(entry.cost_amount),
        "lastModifiedDateTime": instant(entry.stamp.modified_at),
    }))
}
