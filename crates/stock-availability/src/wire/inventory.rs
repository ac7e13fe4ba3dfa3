//! `InventoryChanged` and `InventoryDeleted`.

use millrace_contract::inventories::v1 as wire;
use millrace_contract::values::v1::Decimal;
use millrace_values::{ChannelCode, LocationCode, Quantity, Sku, SystemId, UnitCode, VariantCode};
use prost::Message;

use super::{WireError, moment, variant_text};
use crate::domain::{ChannelInFlight, Event, Inventory, LocationFigure};

pub const CHANGED: &str = "millrace.inventories.v1.InventoryChanged";
const DELETED: &str = "millrace.inventories.v1.InventoryDeleted";

/// Kind and payload of an event of one item and variant; a deletion carries the number it had last.
#[must_use]
pub fn event(
    item: SystemId,
    variant: Option<&VariantCode>,
    last: Option<&Sku>,
    event: &Event,
) -> (&'static str, Vec<u8>) {
    let variant_code = variant_text(variant).to_owned();
    match event {
        Event::Changed(inventory) => {
            let message = wire::InventoryChanged {
                inventory: Some(message(item, variant_code, inventory)),
            };
            (CHANGED, message.encode_to_vec())
        }
        Event::Deleted => {
            let item_number = last.map(ToString::to_string).unwrap_or_default();
            (
                DELETED,
                wire::InventoryDeleted {
                    item_system_id: item.to_string(),
                    item_number,
                    variant_code,
                }
                .encode_to_vec(),
            )
        }
    }
}

fn message(item: SystemId, variant_code: String, inventory: &Inventory) -> wire::Inventory {
    let location = |figure: &LocationFigure| wire::LocationFigure {
        location_code: figure.location.to_string(),
        on_hand: Some(figure.on_hand.into()),
        allocated: Some(figure.allocated.into()),
        reserved: Some(figure.reserved.into()),
        in_flight: Some(figure.in_flight.into()),
        safety_stock: Some(figure.safety_stock.into()),
        available: Some(figure.available().into()),
        as_of: Some(inventory.as_of.into()),
        in_flight_by_channel: figure.channels.iter().map(channel).collect(),
        reservations: Some(figure.reservations.into()),
    };
    wire::Inventory {
        item_system_id: item.to_string(),
        item_number: inventory
            .number
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        variant_code,
        unit: inventory
            .unit
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        locations: inventory.locations.iter().map(location).collect(),
        boundary: inventory
            .boundary
            .map(|boundary| boundary.to_string())
            .unwrap_or_default(),
        settled: inventory.settled.map(Into::into),
    }
}

fn channel(channel: &ChannelInFlight) -> wire::ChannelInFlight {
    wire::ChannelInFlight {
        channel: channel.channel.to_string(),
        after_as_of: Some(channel.after_as_of.into()),
        total: Some(channel.total.into()),
    }
}

/// What the log holds, as the decider's state: `None` where nothing is known. An event this version cannot read counts as
/// nothing, so the next figure is published anew.
#[must_use]
pub fn stored(kind: &str, payload: &[u8]) -> Option<Inventory> {
    match kind {
        CHANGED => read(payload).ok().map(|(_, _, inventory)| inventory),
        _ => None,
    }
}

/// Item, variant and figures of an `InventoryChanged`.
///
/// # Errors
/// What is wrong with it.
fn read(payload: &[u8]) -> Result<(SystemId, Option<VariantCode>, Inventory), WireError> {
    let message = wire::InventoryChanged::decode(payload)
        .map_err(|_| WireError::Undecodable { kind: CHANGED })?;
    let inventory = message
        .inventory
        .ok_or(WireError::Missing { field: "inventory" })?;
    let item = SystemId::parse(&inventory.item_system_id)
        .map_err(|error| WireError::wrong("item_system_id", error))?;
    let variant = VariantCode::parse_optional(&inventory.variant_code)
        .map_err(|error| WireError::wrong("variant_code", error))?;
    let first = inventory
        .locations
        .first()
        .ok_or(WireError::Missing { field: "locations" })?;
    let as_of = moment("as_of", first.as_of)?;
    let settled = inventory
        .settled
        .map(|settled| moment("settled", Some(settled)))
        .transpose()?;
    let locations = inventory
        .locations
        .into_iter()
        .map(figure)
        .collect::<Result<_, _>>()?;
    let number = Sku::parse_optional(&inventory.item_number)
        .map_err(|error| WireError::wrong("item_number", error))?;
    let unit = UnitCode::parse_optional(&inventory.unit)
        .map_err(|error| WireError::wrong("unit", error))?;
    Ok((
        item,
        variant,
        Inventory {
            number,
            unit,
            as_of,
            boundary: inventory.boundary.parse().ok(),
            settled,
            locations,
        },
    ))
}

fn figure(figure: wire::LocationFigure) -> Result<LocationFigure, WireError> {
    let channels = figure.in_flight_by_channel.into_iter().map(|channel| {
        Ok(ChannelInFlight {
            channel: ChannelCode::parse(&channel.channel)
                .map_err(|error| WireError::wrong("channel", error))?,
            after_as_of: decimal("after_as_of", channel.after_as_of)?,
            total: decimal("total", channel.total)?,
        })
    });
    Ok(LocationFigure {
        location: LocationCode::parse(&figure.location_code)
            .map_err(|error| WireError::wrong("location_code", error))?,
        on_hand: decimal("on_hand", figure.on_hand)?,
        allocated: decimal("allocated", figure.allocated)?,
        reserved: decimal("reserved", figure.reserved)?,
        in_flight: decimal("in_flight", figure.in_flight)?,
        safety_stock: decimal("safety_stock", figure.safety_stock)?,
        reservations: decimal("reservations", figure.reservations)?,
        channels: channels.collect::<Result<_, WireError>>()?,
    })
}

fn decimal(field: &'static str, value: Option<Decimal>) -> Result<Quantity, WireError> {
    Quantity::try_from(value.unwrap_or_default()).map_err(|error| WireError::wrong(field, error))
}
