//! Stock figures, in bulk and looked up live.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::catalogue::item_number;
use super::{collection, nothing, rendered};
use crate::database::{Figure, Item, Stamp, Tables};
use crate::http::Call;
use crate::http::answer::Answer;
use crate::numbers::{guid, instant, number};
use crate::odata::page::{Rendered, Source};
use crate::odata::schema::{Kind, Schema, ro};
use crate::refusal::Refusal;
use crate::sales::stock::Shelf;
use crate::simulator::World;

/// Most keys of one lookup.
const MOST_KEYS: usize = 100;

const FIGURE: Schema = Schema {
    entity: "stockFigure",
    set: "stockFigures",
    properties: &[
        ro("itemId", Kind::Guid),
        ro("itemNumber", Kind::Text(20)),
        ro("variantCode", Kind::Text(10)),
        ro("locationCode", Kind::Text(10)),
        ro("quantityOnHand", Kind::Decimal),
        ro("quantityOnSalesOrders", Kind::Decimal),
        ro("quantityReserved", Kind::Decimal),
        ro("safetyStock", Kind::Decimal),
        ro("unitOfMeasureCode", Kind::Text(10)),
        ro("asOf", Kind::Instant),
        ro("systemRowVersion", Kind::Integer),
        ro("boundary", Kind::Integer),
    ],
    navigations: &[],
    insert: false,
    modify: false,
    delete: false,
};

pub(super) fn figures(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let now = world.now();
    world.read_bounded(|tables, _, boundary| {
        let source = Source {
            table: &tables.figures,
            schema: &FIGURE,
            id: "",
            key: None,
            parent: Some("itemId"),
            keep: &|_| true,
            render: &|figure: &Figure| render(tables, figure, now, boundary),
            within: None,
        };
        collection(call, &source, nothing)
    })
}

fn render(tables: &Tables, figure: &Figure, now: Timestamp, boundary: i64) -> Rendered {
    rendered(json!({
        "itemId": guid(figure.item),
        "itemNumber": item_number(tables, figure.item),
        "variantCode": figure.variant,
        "locationCode": figure.location,
        "quantityOnHand": number(figure.on_hand),
        "quantityOnSalesOrders": number(figure.on_orders),
        "quantityReserved": number(figure.reserved),
        "safetyStock": number(figure.safety),
        "unitOfMeasureCode": tables.items.get(figure.item).map_or("", |item| item.base_unit.as_str()),
        "asOf": instant(now),
        "systemRowVersion": figure.stamp.version,
        "boundary": boundary,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Lookup {
    figures: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Key {
    #[serde(default)]
    item_number: String,
    #[serde(default)]
    item_id: Uuid,
    #[serde(default)]
    variant_code: String,
    #[serde(default)]
    location_code: String,
}

pub(super) fn look_up(world: &Arc<World>, call: &Call) -> Result<Answer, Refusal> {
    let lookup: Lookup = serde_json::from_slice(&call.body).map_err(|error| {
        Refusal::new(
            400,
            "BadRequest_InvalidRequest",
            format!("not a lookup: {error}"),
        )
    })?;
    if lookup.figures.is_empty() || lookup.figures.len() > MOST_KEYS {
        let message = format!(
            "a lookup has 1 to {MOST_KEYS} keys and not {}",
            lookup.figures.len()
        );
        return Err(Refusal::new(400, "BadRequest_InvalidRequest", message));
    }
    let now = world.now();
    let figures = world.read_bounded(|tables, _, boundary| {
        lookup
            .figures
            .iter()
            .map(|key| answer_key(tables, key, now, boundary))
            .collect::<Vec<Value>>()
    });
    let mut body = json!({
        "@odata.context": format!("{}/$metadata#stockLookups/$entity", call.base),
        "systemId": guid(world.ids.uuid_at(now)),
    });
    if call.query.expansion("figures").is_some() {
        body["figures"] = Value::from(figures);
    }
    Ok(Answer::json(201, &body))
}

fn answer_key(tables: &Tables, key: &Key, now: Timestamp, boundary: i64) -> Value {
    let item = if key.item_id.is_nil() {
        tables.items.by_key(&key.item_number)
    } else {
        tables.items.get(key.item_id)
    };
    let result = result_of(tables, key, item.map(|item| &**item));
    let shelf = Shelf {
        item: item.map_or(key.item_id, |item| item.id),
        variant: key.variant_code.clone(),
        location: key.location_code.clone(),
    };
    let none = Figure {
        item: shelf.item,
        variant: shelf.variant.clone(),
        location: shelf.location.clone(),
        stamp: Stamp::default(),
        ..Figure::default()
    };
    let found = if result == "found" {
        tables.figures.get(shelf.figure_id())
    } else {
        None
    };
    let mut record = render(tables, found.map_or(&none, |figure| figure), now, boundary);
    if item.is_none() {
        record.insert(
            "itemNumber".to_owned(),
            Value::from(key.item_number.clone()),
        );
    }
    record.insert("result".to_owned(), Value::from(result));
    Value::Object(record)
}

fn result_of(tables: &Tables, key: &Key, item: Option<&Item>) -> &'static str {
    let Some(item) = item else {
        return "unknownItem";
    };
    let variant = &key.variant_code;
    if !variant.is_empty()
        && tables
            .variants
            .by_key(&format!("{}/{variant}", item.id))
            .is_none()
    {
        return "unknownVariant";
    }
    let location = &key.location_code;
    if !location.is_empty()
        && tables
            .records
            .by_key(&format!("locations/{location}"))
            .is_none()
    {
        return "unknownLocation";
    }
    "found"
}
