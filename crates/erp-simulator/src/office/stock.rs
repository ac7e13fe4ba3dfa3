//! Acts on stock.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalogue::variant;
use super::{item, set};
use crate::company::{self, Location};
use crate::database::{Figure, Transaction};
use crate::numbers::{number, wire, wire_option};
use crate::refusal::Refusal;
use crate::sales::stock::{self as shelves, Movement, Shelf};
use crate::simulator::World;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StockMove {
    item: String,
    #[serde(with = "wire")]
    quantity: Decimal,
    location: String,
    #[serde(default)]
    variant: String,
}

impl StockMove {
    fn shelf(&self, tx: &Transaction<'_>) -> Result<Shelf, Refusal> {
        shelf(tx, &self.item, &self.variant, &self.location)
    }
}

fn shelf(tx: &Transaction<'_>, number: &str, code: &str, location: &str) -> Result<Shelf, Refusal> {
    let item = item(tx.tables(), number)?;
    if !code.is_empty() {
        variant(tx, &item, code)?;
    }
    if !location.is_empty() && company::code(tx, "locations", location).is_none() {
        return Err(Refusal::no_such_record("Location", location));
    }
    Ok(Shelf {
        item: item.id,
        variant: code.to_owned(),
        location: location.to_owned(),
    })
}

pub(super) fn adjust(tx: &mut Transaction<'_>, wanted: &StockMove) -> Result<Value, Refusal> {
    let shelf = wanted.shelf(tx)?;
    shelves::correct(tx, &shelf, wanted.quantity);
    Ok(figure(tx, &shelf))
}

/// A cash sale: a person takes pieces out of a store.
pub(super) fn sell_at_till(tx: &mut Transaction<'_>, wanted: &StockMove) -> Result<Value, Refusal> {
    let shelf = wanted.shelf(tx)?;
    if !Location::find(tx.tables(), &wanted.location).is_some_and(|location| location.is_store) {
        let location = &wanted.location;
        return Err(Refusal::business(format!(
            "The location {location} is no store."
        )));
    }
    if wanted.quantity <= Decimal::ZERO {
        return Err(Refusal::business("The quantity must be above 0."));
    }
    let document = format!("TILL{:05}", tx.next_number("till", 1));
    let movement = Movement {
        kind: "Sale",
        document_kind: "_x0020_",
        document_number: &document,
        source_number: "",
        description: "",
        sales_amount: Decimal::ZERO,
    };
    shelves::post(tx, &shelf, -wanted.quantity, &movement);
    Ok(figure(tx, &shelf))
}

pub(super) fn count(tx: &mut Transaction<'_>, wanted: &StockMove) -> Result<Value, Refusal> {
    let shelf = wanted.shelf(tx)?;
    let on_hand = tx
        .get::<Figure>(shelf.figure_id())
        .map_or(Decimal::ZERO, |figure| figure.on_hand);
    if wanted.quantity != on_hand {
        shelves::correct(tx, &shelf, wanted.quantity - on_hand);
    }
    Ok(figure(tx, &shelf))
}

fn figure(tx: &Transaction<'_>, shelf: &Shelf) -> Value {
    let on_hand = tx
        .get::<Figure>(shelf.figure_id())
        .map_or(Decimal::ZERO, |figure| figure.on_hand);
    json!({ "quantityOnHand": number(on_hand) })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StockPlan {
    item: String,
    location: String,
    #[serde(default)]
    variant: String,
    #[serde(default, with = "wire_option")]
    reserved: Option<Decimal>,
    #[serde(default, with = "wire_option")]
    safety: Option<Decimal>,
}

pub(super) fn plan(tx: &mut Transaction<'_>, plan: &StockPlan) -> Result<Value, Refusal> {
    let shelf = shelf(tx, &plan.item, &plan.variant, &plan.location)?;
    shelves::adjust(tx, &shelf, |figure| {
        let requested = figure.requested;
        let reserved = plan.reserved.map(|planned| planned + requested);
        set(&mut figure.reserved, reserved);
        set(&mut figure.safety, plan.safety);
    });
    Ok(figure(tx, &shelf))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StockQuestion {
    item: String,
    variant: Option<String>,
    location: Option<String>,
}

pub(super) fn look(world: &Arc<World>, question: StockQuestion) -> Result<Value, Refusal> {
    world.read(|tables, _| {
        let item = item(tables, &question.item)?;
        let wanted = |figure: &&Arc<Figure>| {
            question
                .variant
                .as_ref()
                .is_none_or(|variant| *variant == figure.variant)
                && question
                    .location
                    .as_ref()
                    .is_none_or(|location| *location == figure.location)
        };
        let figures: Vec<Value> = tables
            .figures
            .children(item.id)
            .filter(wanted)
            .map(|figure| show(figure))
            .collect();
        Ok(json!({ "figures": figures }))
    })
}

fn show(figure: &Figure) -> Value {
    json!({
        "variantCode": figure.variant,
        "locationCode": figure.location,
        "quantityOnHand": number(figure.on_hand),
        "quantityOnSalesOrders": number(figure.on_orders),
        "quantityReserved": number(figure.reserved),
        "safetyStock": number(figure.safety),
    })
}
