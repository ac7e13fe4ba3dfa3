//! What other services say: events for their logs.

use bytes::Bytes;
use millrace_contract::inventories::v1::{
    ChannelInFlight, Inventory, InventoryChanged, LocationFigure,
};
use millrace_contract::items::v1::{Item, ItemChanged};
use millrace_contract::personal::v1::SealedPersonal;
use millrace_contract::prices::v1::{Price, PriceChanged, PriceKey, PriceTier};
use millrace_contract::values::v1::{Decimal, Money};
use millrace_contract::webshop_orders::v1::{Order, OrderAccepted};
use millrace_event_store::{Cause, NewEvent};
use millrace_service_kit::{Clock, Ids, SystemClock};
use prost::Message;

pub const ITEM_CHANGED: &str = "millrace.items.v1.ItemChanged";
pub const ITEM_DELETED: &str = "millrace.items.v1.ItemDeleted";
pub const PRICE_CHANGED: &str = "millrace.prices.v1.PriceChanged";
pub const PRICE_DELETED: &str = "millrace.prices.v1.PriceDeleted";
pub const STOCK_CHANGED: &str = "millrace.inventories.v1.InventoryChanged";
pub const ORDER_ACCEPTED: &str = "millrace.webshop_orders.v1.OrderAccepted";

pub fn id(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

pub fn item_key(number: u32) -> String {
    format!("item/bc-main/{}", id(number))
}

pub fn price_key(number: u32, group: &str) -> String {
    format!("price/bc-main/{}//{group}/", id(number))
}

pub fn stock_key(number: u32) -> String {
    format!("inventory/bc-main/{}/", id(number))
}

pub fn item(number: u32, name: &str) -> NewEvent {
    item_that_is(number, name, false)
}

pub fn blocked(number: u32, name: &str) -> NewEvent {
    item_that_is(number, name, true)
}

fn item_that_is(number: u32, name: &str, blocked: bool) -> NewEvent {
    let item = Item {
        system_id: id(number),
        number: format!("ITEM-{number:03}"),
        display_name: name.into(),
        blocked,
        ..Item::default()
    };
    let changed = ItemChanged {
        item: Some(item),
        changed_paths: vec!["display_name".into()],
    };
    event(ITEM_CHANGED, &item_key(number), changed.encode_to_vec())
}

pub fn no_item(number: u32) -> NewEvent {
    gone(ITEM_DELETED, &item_key(number))
}

pub fn price(number: u32, group: &str, amount: i64) -> NewEvent {
    let key = PriceKey {
        item_system_id: id(number),
        item_number: format!("ITEM-{number:03}"),
        price_group: group.into(),
        ..PriceKey::default()
    };
    let money = Money {
        currency_code: "EUR".into(),
        units: amount,
        nanos: 0,
    };
    let tiers = vec![PriceTier {
        unit_price: Some(money),
        ..PriceTier::default()
    }];
    let changed = PriceChanged {
        price: Some(Price {
            key: Some(key),
            tiers,
        }),
    };
    event(
        PRICE_CHANGED,
        &price_key(number, group),
        changed.encode_to_vec(),
    )
}

pub fn no_price(number: u32, group: &str) -> NewEvent {
    gone(PRICE_DELETED, &price_key(number, group))
}

/// `[("EAST", 5)]`: on hand per location; another channel's order is in flight everywhere.
pub fn stock(number: u32, figures: &[(&str, i64)]) -> NewEvent {
    event(
        STOCK_CHANGED,
        &stock_key(number),
        stock_payload(number, figures, &["furniture", "toys"]).to_vec(),
    )
}

pub fn stock_payload(number: u32, figures: &[(&str, i64)], channels: &[&str]) -> Bytes {
    let whole = |units| Some(Decimal { units, nanos: 0 });
    let part = |channel: &&str| ChannelInFlight {
        channel: (*channel).to_owned(),
        after_as_of: None,
        total: whole(1),
    };
    let figure = |(location, on_hand): &(&str, i64)| LocationFigure {
        location_code: (*location).to_owned(),
        on_hand: whole(*on_hand),
        in_flight_by_channel: channels.iter().map(part).collect(),
        ..LocationFigure::default()
    };
    let inventory = Inventory {
        item_system_id: id(number),
        item_number: format!("ITEM-{number:03}"),
        locations: figures.iter().map(figure).collect(),
        ..Inventory::default()
    };
    InventoryChanged {
        inventory: Some(inventory),
    }
    .encode_to_vec()
    .into()
}

pub fn order(channel: &str, number: &str) -> NewEvent {
    let personal = SealedPersonal {
        person_id: "p".into(),
        nonce: vec![1; 12].into(),
        ciphertext: vec![2; 40].into(),
        ..SealedPersonal::default()
    };
    let order = Order {
        channel: channel.into(),
        order_number: number.into(),
        personal: Some(personal),
        ..Order::default()
    };
    let accepted = OrderAccepted {
        order: Some(order),
        ..OrderAccepted::default()
    };
    let key = format!("order/{channel}/{number}");
    NewEvent {
        channel: Some(channel.into()),
        ..event(ORDER_ACCEPTED, &key, accepted.encode_to_vec())
    }
}

/// The same, of another company.
pub fn of_erp(erp: &str, event: NewEvent) -> NewEvent {
    NewEvent {
        erp: Some(erp.into()),
        key: event.key.replace("bc-main", erp),
        ..event
    }
}

pub fn event(kind: &str, key: &str, payload: Vec<u8>) -> NewEvent {
    let now = SystemClock.now();
    let ids = Ids::random();
    NewEvent {
        id: ids.uuid_at(now),
        kind: kind.into(),
        key: key.into(),
        erp: Some("bc-main".into()),
        channel: None,
        occurred_at: now,
        cause: Cause {
            correlation_id: ids.uuid_at(now),
            causation_id: None,
            traceparent: None,
            actor: "test".into(),
        },
        payload: payload.into(),
        deleted: false,
    }
}

fn gone(kind: &str, key: &str) -> NewEvent {
    NewEvent {
        deleted: true,
        ..event(kind, key, vec![])
    }
}
