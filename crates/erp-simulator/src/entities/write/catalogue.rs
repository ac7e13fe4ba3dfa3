//! Items and variants.

use std::sync::Arc;

use uuid::Uuid;

use super::{Wanted, unknown};
use crate::database::{Figure, Item, ItemKind, PriceLine, Transaction, Variant};
use crate::refusal::Refusal;
use crate::sales::stock::primary_key;

pub(super) fn create_item(tx: &mut Transaction<'_>, wanted: &Wanted) -> Result<Uuid, Refusal> {
    let mut item = Item {
        id: tx.new_id(),
        number: wanted.text("number").unwrap_or_default().to_uppercase(),
        tax_group: "NORMAL".to_owned(),
        base_unit: "PCS".to_owned(),
        product_group: "RETAIL".to_owned(),
        inventory_group: "RESALE".to_owned(),
        ..Item::default()
    };
    if item.number.is_empty() {
        item.number = format!("IT{:05}", tx.next_number("items", 1));
    }
    if tx.tables().items.by_key(&item.number).is_some() {
        return Err(Refusal::same_key("Item", &item.number));
    }
    apply(tx, &mut item, wanted)?;
    Ok(write_item(tx, item, "created"))
}

pub(super) fn change_item(
    tx: &mut Transaction<'_>,
    id: Uuid,
    wanted: &Wanted,
) -> Result<(), Refusal> {
    let known = tx
        .get::<Item>(id)
        .ok_or_else(|| Refusal::not_found("item"))?;
    let mut item = (*known).clone();
    apply(tx, &mut item, wanted)?;
    let mut change = "modified";
    if let Some(number) = wanted.text("number").map(str::to_uppercase)
        && number != known.number
    {
        if number.is_empty() || tx.tables().items.by_key(&number).is_some() {
            return Err(Refusal::same_key("Item", &number));
        }
        item.number = number;
        change = "renamed";
    }
    write_item(tx, item, change);
    Ok(())
}

fn apply(tx: &Transaction<'_>, item: &mut Item, wanted: &Wanted) -> Result<(), Refusal> {
    let tables = tx.tables();
    wanted.set_text("displayName", &mut item.name);
    wanted.set_text("displayName2", &mut item.name2);
    wanted.set_text("gtin", &mut item.gtin);
    wanted.set_text("generalProductPostingGroupCode", &mut item.product_group);
    wanted.set_text("inventoryPostingGroupCode", &mut item.inventory_group);
    wanted.set_decimal("unitPrice", &mut item.unit_price);
    wanted.set_decimal("unitCost", &mut item.unit_cost);
    item.blocked = wanted.flag("blocked").unwrap_or(item.blocked);
    item.price_includes_tax = wanted
        .flag("priceIncludesTax")
        .unwrap_or(item.price_includes_tax);
    if let Some(kind) = wanted.text("type") {
        item.kind = match kind {
            "Service" => ItemKind::Service,
            "Non_x002D_Inventory" => ItemKind::NonInventory,
            _ => ItemKind::Inventory,
        };
    }
    for (set, id, code, field) in [
        (
            "itemCategories",
            "itemCategoryId",
            "itemCategoryCode",
            &mut item.category,
        ),
        (
            "taxGroups",
            "taxGroupId",
            "taxGroupCode",
            &mut item.tax_group,
        ),
        (
            "unitsOfMeasure",
            "baseUnitOfMeasureId",
            "baseUnitOfMeasureCode",
            &mut item.base_unit,
        ),
    ] {
        if let Some(code) = wanted.code(tables, set, id, code)? {
            *field = code;
        }
    }
    Ok(())
}

fn write_item(tx: &mut Transaction<'_>, item: Item, change: &str) -> Uuid {
    let item = tx.put(item);
    tx.tell(
        "item",
        change,
        item.id,
        Uuid::nil(),
        primary_key(&[&item.number]),
    );
    item.id
}

pub(super) fn delete_item(tx: &mut Transaction<'_>, id: Uuid) -> Result<(), Refusal> {
    let item = tx
        .get::<Item>(id)
        .ok_or_else(|| Refusal::not_found("item"))?;
    if tx.tables().ledger.children(id).next().is_some() {
        return Err(Refusal::business(format!(
            "You cannot delete item {} because it has ledger entries.",
            item.number
        )));
    }
    let prices: Vec<Arc<PriceLine>> = tx.tables().price_lines.children(id).cloned().collect();
    for line in prices {
        tx.delete::<PriceLine>(line.id);
        tx.tell(
            "priceLine",
            "deleted",
            line.id,
            id,
            crate::company::price_key(&line),
        );
    }
    let variants: Vec<Uuid> = tx
        .tables()
        .variants
        .children(id)
        .map(|variant| variant.id)
        .collect();
    for variant in variants {
        delete_variant(tx, variant)?;
    }
    let figures: Vec<Uuid> = tx
        .tables()
        .figures
        .children(id)
        .map(|figure| figure.id)
        .collect();
    for figure in figures {
        tx.delete::<Figure>(figure);
    }
    tx.delete::<Item>(id);
    tx.tell(
        "item",
        "deleted",
        id,
        Uuid::nil(),
        primary_key(&[&item.number]),
    );
    Ok(())
}

fn parent(tx: &Transaction<'_>, wanted: &Wanted) -> Result<Arc<Item>, Refusal> {
    if let Some(id) = wanted.id("itemId") {
        return tx.get::<Item>(id).ok_or_else(|| unknown(id, "items"));
    }
    let number = wanted.text("itemNumber").unwrap_or_default();
    tx.tables()
        .items
        .by_key(number)
        .cloned()
        .ok_or_else(|| unknown(number, "items"))
}

pub(super) fn create_variant(tx: &mut Transaction<'_>, wanted: &Wanted) -> Result<Uuid, Refusal> {
    let item = parent(tx, wanted)?;
    let code = wanted.text("code").unwrap_or_default().to_uppercase();
    if code.is_empty() {
        return Err(Refusal::business("The item variant must have a code."));
    }
    if tx
        .tables()
        .variants
        .by_key(&format!("{}/{code}", item.id))
        .is_some()
    {
        return Err(Refusal::same_key("Item Variant", &code));
    }
    let mut variant = Variant {
        id: tx.new_id(),
        item: item.id,
        code,
        ..Variant::default()
    };
    wanted.set_text("description", &mut variant.description);
    Ok(write_variant(tx, &item, variant, "created"))
}

pub(super) fn change_variant(
    tx: &mut Transaction<'_>,
    id: Uuid,
    wanted: &Wanted,
) -> Result<(), Refusal> {
    let mut variant = (*tx
        .get::<Variant>(id)
        .ok_or_else(|| Refusal::not_found("itemVariant"))?)
    .clone();
    let item = tx
        .get::<Item>(variant.item)
        .ok_or_else(|| Refusal::not_found("item"))?;
    let mut change = "modified";
    wanted.set_text("description", &mut variant.description);
    if let Some(code) = wanted.text("code").map(str::to_uppercase)
        && code != variant.code
    {
        if code.is_empty()
            || tx
                .tables()
                .variants
                .by_key(&format!("{}/{code}", item.id))
                .is_some()
        {
            return Err(Refusal::same_key("Item Variant", &code));
        }
        variant.code = code;
        change = "renamed";
    }
    write_variant(tx, &item, variant, change);
    Ok(())
}

fn write_variant(tx: &mut Transaction<'_>, item: &Item, variant: Variant, change: &str) -> Uuid {
    let variant = tx.put(variant);
    tx.tell(
        "itemVariant",
        change,
        variant.id,
        item.id,
        primary_key(&[&item.number, &variant.code]),
    );
    variant.id
}

pub(super) fn delete_variant(tx: &mut Transaction<'_>, id: Uuid) -> Result<(), Refusal> {
    let variant = tx
        .get::<Variant>(id)
        .ok_or_else(|| Refusal::not_found("itemVariant"))?;
    let used = tx
        .tables()
        .ledger
        .children(variant.item)
        .any(|entry| entry.variant == variant.code);
    if used {
        return Err(Refusal::business(format!(
            "You cannot delete variant {} because it has ledger entries.",
            variant.code
        )));
    }
    let number = tx
        .get::<Item>(variant.item)
        .map_or_else(String::new, |item| item.number.clone());
    tx.delete::<Variant>(id);
    tx.tell(
        "itemVariant",
        "deleted",
        id,
        variant.item,
        primary_key(&[&number, &variant.code]),
    );
    Ok(())
}
