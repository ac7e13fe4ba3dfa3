//! Acts on items, variants, prices and stock.

use std::sync::Arc;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Numbered, item, or_zero, set};
use crate::company::{self, ItemData, VariantData};
use crate::database::{Figure, Item, PriceLine, PriceSource, Transaction, Variant};
use crate::numbers::wire_option;
use crate::refusal::Refusal;
use crate::sales::stock::{self as shelves, Shelf, primary_key};
use crate::sales::{returns, transfers};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ItemChange {
    number: String,
    name: Option<String>,
    name2: Option<String>,
    category: Option<String>,
    gtin: Option<String>,
    #[serde(default, with = "wire_option")]
    unit_price: Option<Decimal>,
    blocked: Option<bool>,
    sales_blocked: Option<bool>,
    sales_unit: Option<String>,
    #[serde(default, with = "wire_option")]
    net_weight: Option<Decimal>,
    /// Gen. Prod. Posting Group.
    product_group: Option<String>,
}

pub(super) fn create_item(tx: &mut Transaction<'_>, data: &ItemData) -> Result<Value, Refusal> {
    if data.number.is_empty() || tx.tables().items.by_key(&data.number).is_some() {
        return Err(Refusal::same_key("Item", &data.number));
    }
    let id = company::write_item(tx, data);
    Ok(json!({ "systemId": id }))
}

pub(super) fn change_item(tx: &mut Transaction<'_>, change: ItemChange) -> Result<Value, Refusal> {
    let mut changed = (*item(tx.tables(), &change.number)?).clone();
    set(&mut changed.name, change.name);
    set(&mut changed.name2, change.name2);
    set(&mut changed.category, change.category);
    set(&mut changed.gtin, change.gtin);
    set(&mut changed.unit_price, change.unit_price);
    set(&mut changed.blocked, change.blocked);
    set(&mut changed.sales_blocked, change.sales_blocked);
    set(&mut changed.sales_unit, change.sales_unit);
    set(&mut changed.net_weight, change.net_weight);
    set(&mut changed.product_group, change.product_group);
    Ok(write(tx, changed, "modified"))
}

/// A rename changes the number everywhere and keeps the id.
pub(super) fn rename_item(tx: &mut Transaction<'_>, rename: &Numbered) -> Result<Value, Refusal> {
    let found = item(tx.tables(), &rename.number)?;
    if rename.new_number.is_empty() || tx.tables().items.by_key(&rename.new_number).is_some() {
        return Err(Refusal::same_key("Item", &rename.new_number));
    }
    let renamed = Item {
        number: rename.new_number.clone(),
        ..(*found).clone()
    };
    Ok(write(tx, renamed, "renamed"))
}

fn write(tx: &mut Transaction<'_>, changed: Item, change: &str) -> Value {
    let item = tx.put(changed);
    tx.tell(
        "item",
        change,
        item.id,
        Uuid::nil(),
        primary_key(&[&item.number]),
    );
    json!({ "systemId": item.id, "rowVersion": item.stamp.version })
}

pub(super) fn delete_item(tx: &mut Transaction<'_>, gone: &Numbered) -> Result<Value, Refusal> {
    let item = item(tx.tables(), &gone.number)?;
    let figures: Vec<Arc<Figure>> = tx.tables().figures.children(item.id).cloned().collect();
    if figures.iter().any(|figure| {
        [figure.on_hand, figure.on_orders, figure.requested]
            .iter()
            .any(|open| !open.is_zero())
    }) || returns::are_awaited(tx.tables(), item.id)
    {
        return Err(Refusal::business(format!(
            "You cannot delete item {} because it has open entries.",
            item.number
        )));
    }
    for line in tx
        .tables()
        .price_lines
        .children(item.id)
        .cloned()
        .collect::<Vec<_>>()
    {
        remove_price(tx, &line);
    }
    for variant in tx
        .tables()
        .variants
        .children(item.id)
        .cloned()
        .collect::<Vec<_>>()
    {
        remove_variant(tx, &item, &variant);
    }
    for figure in figures {
        tx.delete::<Figure>(figure.id);
    }
    tx.delete::<Item>(item.id);
    tx.tell(
        "item",
        "deleted",
        item.id,
        Uuid::nil(),
        primary_key(&[&item.number]),
    );
    Ok(json!({ "systemId": item.id }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VariantChange {
    item: String,
    code: String,
    #[serde(default)]
    new_code: String,
    description: Option<String>,
    description2: Option<String>,
    blocked: Option<bool>,
    sales_blocked: Option<bool>,
}

pub(super) fn variant(
    tx: &Transaction<'_>,
    item: &Item,
    code: &str,
) -> Result<Arc<Variant>, Refusal> {
    let key = format!("{}/{code}", item.id);
    let found = tx.tables().variants.by_key(&key).cloned();
    found.ok_or_else(|| Refusal::no_such_record("Item Variant", &format!("{} {code}", item.number)))
}

pub(super) fn create_variant(
    tx: &mut Transaction<'_>,
    wanted: &VariantChange,
) -> Result<Value, Refusal> {
    let item = item(tx.tables(), &wanted.item)?;
    if variant(tx, &item, &wanted.code).is_ok() {
        return Err(Refusal::same_key("Item Variant", &wanted.code));
    }
    let data = VariantData {
        code: wanted.code.clone(),
        description: wanted.description.clone().unwrap_or_default(),
        description2: wanted.description2.clone().unwrap_or_default(),
        blocked: wanted.blocked.unwrap_or_default(),
        sales_blocked: wanted.sales_blocked.unwrap_or_default(),
    };
    let id = company::write_variant(tx, &item, &data);
    Ok(json!({ "systemId": id }))
}

pub(super) fn change_variant(
    tx: &mut Transaction<'_>,
    change: VariantChange,
) -> Result<Value, Refusal> {
    let item = item(tx.tables(), &change.item)?;
    let mut changed = (*variant(tx, &item, &change.code)?).clone();
    set(&mut changed.description, change.description);
    set(&mut changed.description2, change.description2);
    set(&mut changed.blocked, change.blocked);
    set(&mut changed.sales_blocked, change.sales_blocked);
    Ok(write_variant(tx, &item, changed, "modified"))
}

pub(super) fn rename_variant(
    tx: &mut Transaction<'_>,
    rename: &VariantChange,
) -> Result<Value, Refusal> {
    let item = item(tx.tables(), &rename.item)?;
    let found = variant(tx, &item, &rename.code)?;
    if rename.new_code.is_empty() || variant(tx, &item, &rename.new_code).is_ok() {
        return Err(Refusal::same_key("Item Variant", &rename.new_code));
    }
    let changed = Variant {
        code: rename.new_code.clone(),
        ..(*found).clone()
    };
    // Rows that name the code follow it.
    for line in tx
        .tables()
        .price_lines
        .children(item.id)
        .cloned()
        .collect::<Vec<_>>()
    {
        if line.variant == found.code {
            let line = PriceLine {
                variant: rename.new_code.clone(),
                ..(*line).clone()
            };
            company::write_price(tx, line, "modified");
        }
    }
    for figure in tx
        .tables()
        .figures
        .children(item.id)
        .cloned()
        .collect::<Vec<_>>()
    {
        if figure.variant == found.code {
            tx.delete::<Figure>(figure.id);
            let shelf = Shelf {
                item: item.id,
                variant: rename.new_code.clone(),
                location: figure.location.clone(),
            };
            shelves::adjust(tx, &shelf, |moved| {
                moved.on_hand = figure.on_hand;
                moved.on_orders = figure.on_orders;
                moved.reserved = figure.reserved;
                moved.requested = figure.requested;
                moved.safety = figure.safety;
            });
        }
    }
    transfers::follow_variant(tx, &item, &found.code, &rename.new_code);
    returns::follow_variant(tx, &item, &found.code, &rename.new_code);
    Ok(write_variant(tx, &item, changed, "renamed"))
}

fn write_variant(tx: &mut Transaction<'_>, item: &Item, changed: Variant, change: &str) -> Value {
    let variant = tx.put(changed);
    tx.tell(
        "itemVariant",
        change,
        variant.id,
        item.id,
        primary_key(&[&item.number, &variant.code]),
    );
    json!({ "systemId": variant.id })
}

pub(super) fn delete_variant(
    tx: &mut Transaction<'_>,
    gone: &VariantChange,
) -> Result<Value, Refusal> {
    let item = item(tx.tables(), &gone.item)?;
    let variant = variant(tx, &item, &gone.code)?;
    let used = tx
        .tables()
        .figures
        .children(item.id)
        .filter(|figure| figure.variant == variant.code)
        .any(|figure| !figure.on_hand.is_zero() || !figure.requested.is_zero());
    if used || returns::are_awaited(tx.tables(), item.id) {
        return Err(Refusal::business(format!(
            "You cannot delete variant {} because it has open entries.",
            variant.code
        )));
    }
    remove_variant(tx, &item, &variant);
    Ok(json!({ "systemId": variant.id }))
}

fn remove_variant(tx: &mut Transaction<'_>, item: &Item, variant: &Variant) {
    tx.delete::<Variant>(variant.id);
    tx.tell(
        "itemVariant",
        "deleted",
        variant.id,
        item.id,
        primary_key(&[&item.number, &variant.code]),
    );
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PriceChange {
    item: String,
    #[serde(default)]
    variant: String,
    #[serde(default)]
    price_group: String,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    currency: String,
    #[serde(default)]
    unit: String,
    #[serde(default, with = "wire_option")]
    minimum: Option<Decimal>,
    #[serde(default, with = "wire_option")]
    unit_price: Option<Decimal>,
    #[serde(default, with = "wire_option")]
    discount_percent: Option<Decimal>,
    starts: Option<Date>,
    ends: Option<Date>,
    includes_tax: Option<bool>,
}

impl PriceChange {
    fn source(&self) -> PriceSource {
        if !self.customer.is_empty() {
            PriceSource::Customer(self.customer.clone())
        } else if self.price_group.is_empty() {
            PriceSource::All
        } else {
            PriceSource::Group(self.price_group.clone())
        }
    }

    fn currency(&self, tx: &Transaction<'_>) -> String {
        if self.currency == tx.marks().local_currency {
            String::new()
        } else {
            self.currency.clone()
        }
    }

    fn find(&self, tx: &Transaction<'_>, item: &Item) -> Option<Arc<PriceLine>> {
        let (source, currency) = (self.source(), self.currency(tx));
        let same = |line: &&Arc<PriceLine>| {
            line.source == source
                && line.currency == currency
                && line.variant == self.variant
                && line.unit == self.unit
                && line.minimum == or_zero(self.minimum)
        };
        tx.tables()
            .price_lines
            .children(item.id)
            .find(same)
            .cloned()
    }
}

/// Changes the line with the same source, variant, unit, currency and quantity, or adds one.
pub(super) fn set_price(tx: &mut Transaction<'_>, wanted: &PriceChange) -> Result<Value, Refusal> {
    let item = item(tx.tables(), &wanted.item)?;
    let found = wanted.find(tx, &item);
    let change = if found.is_some() {
        "modified"
    } else {
        "created"
    };
    let mut line = match found {
        Some(line) => (*line).clone(),
        None => PriceLine {
            id: tx.new_id(),
            list: "S00009".to_owned(),
            line_number: tx.next_number("priceLines", 1) * 10_000,
            source: wanted.source(),
            currency: wanted.currency(tx),
            item: item.id,
            variant: wanted.variant.clone(),
            unit: wanted.unit.clone(),
            minimum: or_zero(wanted.minimum),
            allow_invoice_discount: true,
            ..PriceLine::default()
        },
    };
    set(&mut line.price, wanted.unit_price);
    set(&mut line.discount_percent, wanted.discount_percent);
    set(&mut line.includes_tax, wanted.includes_tax);
    line.starts = wanted.starts.or(line.starts);
    line.ends = wanted.ends.or(line.ends);
    let id = line.id;
    company::write_price(tx, line, change);
    Ok(json!({ "systemId": id }))
}

pub(super) fn delete_price(
    tx: &mut Transaction<'_>,
    wanted: &PriceChange,
) -> Result<Value, Refusal> {
    let item = item(tx.tables(), &wanted.item)?;
    let line = wanted
        .find(tx, &item)
        .ok_or_else(|| Refusal::no_such_record("Price List Line", &wanted.item))?;
    remove_price(tx, &line);
    Ok(json!({ "systemId": line.id }))
}

fn remove_price(tx: &mut Transaction<'_>, line: &PriceLine) {
    tx.delete::<PriceLine>(line.id);
    tx.tell(
        "priceLine",
        "deleted",
        line.id,
        line.item,
        company::price_key(line),
    );
}
