//! Stock: ledger entries are the truth, figures are their running sums.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::company::Location;
use crate::database::{
    Document, DocumentLine, Figure, Item, ItemKind, LedgerEntry, LineKind, Tables, Transaction,
};

/// Where a piece lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shelf {
    pub item: Uuid,
    pub variant: String,
    pub location: String,
}

impl Shelf {
    pub fn of(figure: &Figure) -> Self {
        Self {
            item: figure.item,
            variant: figure.variant.clone(),
            location: figure.location.clone(),
        }
    }

    pub fn figure_id(&self) -> Uuid {
        Uuid::new_v5(
            &self.item,
            format!("{}/{}", self.variant, self.location).as_bytes(),
        )
    }
}

/// What a ledger entry says besides shelf and quantity.
#[derive(Debug, Clone)]
pub struct Movement<'a> {
    pub kind: &'a str,
    pub document_kind: &'a str,
    pub document_number: &'a str,
    pub source_number: &'a str,
    pub description: &'a str,
    pub sales_amount: Decimal,
}

/// Posts one ledger entry; `quantity` in base units, negative for what leaves.
pub fn post(tx: &mut Transaction<'_>, shelf: &Shelf, quantity: Decimal, movement: &Movement<'_>) {
    let number = tx.next_number("ledger", 1);
    let posting_date = today(tx);
    let cost = tx
        .get::<Item>(shelf.item)
        .map_or(Decimal::ZERO, |item| item.unit_cost);
    tx.append(|id| LedgerEntry {
        id,
        stamp: crate::database::Stamp::default(),
        number,
        item: shelf.item,
        variant: shelf.variant.clone(),
        location: shelf.location.clone(),
        posting_date,
        kind: movement.kind.to_owned(),
        source_number: movement.source_number.to_owned(),
        document_number: movement.document_number.to_owned(),
        document_kind: movement.document_kind.to_owned(),
        description: movement.description.to_owned(),
        quantity,
        sales_amount: movement.sales_amount,
        cost_amount: crate::numbers::cents(cost * quantity),
    });
    adjust(tx, shelf, |figure| figure.on_hand += quantity);
}

/// Posts an adjustment with a journal number of its own, which is answered.
pub fn correct(tx: &mut Transaction<'_>, shelf: &Shelf, quantity: Decimal) -> String {
    let document = format!("J{:05}", tx.next_number("journal", 1));
    let kind = if quantity < Decimal::ZERO {
        "Negative_x0020_Adjmt_x002E_"
    } else {
        "Positive_x0020_Adjmt_x002E_"
    };
    let movement = Movement {
        kind,
        document_kind: "_x0020_",
        document_number: &document,
        source_number: "",
        description: "",
        sales_amount: Decimal::ZERO,
    };
    post(tx, shelf, quantity, &movement);
    document
}

/// Changes a figure and tells the change queue.
pub fn adjust(tx: &mut Transaction<'_>, shelf: &Shelf, change: impl FnOnce(&mut Figure)) {
    let id = shelf.figure_id();
    let mut figure = tx.get::<Figure>(id).map_or_else(
        || Figure {
            id,
            item: shelf.item,
            variant: shelf.variant.clone(),
            location: shelf.location.clone(),
            ..Figure::default()
        },
        |figure| (*figure).clone(),
    );
    change(&mut figure);
    if Location::keeps_reservations(tx.tables(), &shelf.location) {
        // Whatever lies there is somebody's: none of it is free.
        figure.reserved = (figure.on_hand - figure.on_orders).max(Decimal::ZERO);
    }
    tx.put(figure);
    let key = stock_key(tx.tables(), shelf);
    tx.tell("stock", "modified", shelf.item, shelf.item, key);
}

fn stock_key(tables: &Tables, shelf: &Shelf) -> String {
    let number = tables
        .items
        .get(shelf.item)
        .map_or("", |item| item.number.as_str());
    primary_key(&[number, &shelf.variant, &shelf.location])
}

/// Parts joined by commas; a part with a comma or quote in double quotes.
pub fn primary_key(parts: &[&str]) -> String {
    let quoted: Vec<String> = parts
        .iter()
        .map(|part| {
            if part.contains([',', '"']) {
                format!("\"{}\"", part.replace('"', "\"\""))
            } else {
                (*part).to_owned()
            }
        })
        .collect();
    quoted.join(",")
}

/// Moves the figures from what `before` had open to what `after` has open.
pub fn follow_order(tx: &mut Transaction<'_>, before: Option<&Document>, after: Option<&Document>) {
    let mut open: BTreeMap<Shelf, Decimal> = BTreeMap::new();
    for (document, sign) in [(before, -Decimal::ONE), (after, Decimal::ONE)] {
        for line in document.into_iter().flat_map(|document| &document.lines) {
            if let Some(shelf) = shelf_of(tx.tables(), line) {
                *open.entry(shelf).or_default() +=
                    sign * (line.quantity - line.shipped) * line.unit_quantity;
            }
        }
    }
    for (shelf, change) in open {
        if !change.is_zero() {
            adjust(tx, &shelf, |figure| figure.on_orders += change);
        }
    }
}

/// Only inventory items lie on shelves.
pub fn shelf_of(tables: &Tables, line: &DocumentLine) -> Option<Shelf> {
    let item = tables.items.get(line.item?)?;
    (line.kind == LineKind::Item && item.kind == ItemKind::Inventory).then(|| Shelf {
        item: item.id,
        variant: line.variant.clone(),
        location: line.location.clone(),
    })
}

/// BC's work date.
pub fn today(tx: &Transaction<'_>) -> jiff::civil::Date {
    tx.now().to_zoned(TimeZone::UTC).date()
}

/// Stock of an item over all locations and variants, as `items.inventory` shows it.
pub fn inventory(tables: &Tables, item: Uuid) -> Decimal {
    tables
        .figures
        .children(item)
        .map(|figure| figure.on_hand)
        .sum()
}
