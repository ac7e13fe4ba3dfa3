//! The contract ⇄ the rules: what a record of a topic is about, and what of it one channel may see.

use bytes::Bytes;
use millrace_contract::inventories::v1::{InventoryChanged, InventoryDeleted};
use millrace_contract::items::v1::{ItemChanged, ItemDeleted};
use millrace_contract::prices::v1::{PriceChanged, PriceDeleted};
use millrace_values::SystemId;
use prost::{DecodeError, Message};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::shelf::Mark;
use crate::domain::view::View;

/// Why a record cannot be processed. Nothing personal in it: it is shown to operators.
#[derive(Debug, Error)]
pub enum WireError {
    #[error("its content is no {kind}")]
    Protobuf { kind: String, source: DecodeError },
    #[error("{0} is missing in it")]
    Missing(&'static str),
    #[error("the item it belongs to has no valid system id")]
    Item,
    #[error("events of kind {0} are not known here; a newer binary may know them")]
    Unknown(String),
}

/// The kinds of records that hang together by their item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Item,
    Price,
    Inventory,
}

impl Subject {
    /// What an event of this kind is about, and whether it is a deletion.
    ///
    /// # Errors
    /// A kind of a newer contract.
    pub fn of(kind: &str) -> Result<(Self, bool), WireError> {
        match kind {
            ITEM_CHANGED => Ok((Self::Item, false)),
            ITEM_DELETED => Ok((Self::Item, true)),
            PRICE_CHANGED => Ok((Self::Price, false)),
            PRICE_DELETED => Ok((Self::Price, true)),
            INVENTORY_CHANGED => Ok((Self::Inventory, false)),
            INVENTORY_DELETED => Ok((Self::Inventory, true)),
            other => Err(WireError::Unknown(other.to_owned())),
        }
    }

    /// The kind that tells readers how it is now.
    #[must_use]
    pub fn changed(self) -> &'static str {
        match self {
            Self::Item => ITEM_CHANGED,
            Self::Price => PRICE_CHANGED,
            Self::Inventory => INVENTORY_CHANGED,
        }
    }

    /// The kind that tells readers it is gone.
    #[must_use]
    pub fn deleted(self) -> &'static str {
        match self {
            Self::Item => ITEM_DELETED,
            Self::Price => PRICE_DELETED,
            Self::Inventory => INVENTORY_DELETED,
        }
    }
}

const ITEM_CHANGED: &str = "millrace.items.v1.ItemChanged";
const ITEM_DELETED: &str = "millrace.items.v1.ItemDeleted";
const PRICE_CHANGED: &str = "millrace.prices.v1.PriceChanged";
const PRICE_DELETED: &str = "millrace.prices.v1.PriceDeleted";
const INVENTORY_CHANGED: &str = "millrace.inventories.v1.InventoryChanged";
const INVENTORY_DELETED: &str = "millrace.inventories.v1.InventoryDeleted";

/// Key of the item a record belongs to.
///
/// # Errors
/// The payload cannot be read or names no item.
pub fn item_key(
    subject: Subject,
    erp: &str,
    key: &str,
    payload: &Bytes,
) -> Result<String, WireError> {
    let system_id = match subject {
        Subject::Item => return Ok(key.to_owned()),
        Subject::Price => {
            let price = decoded::<PriceChanged>(PRICE_CHANGED, payload)?.price;
            let key = price.ok_or(WireError::Missing("price"))?.key;
            key.ok_or(WireError::Missing("price.key"))?.item_system_id
        }
        Subject::Inventory => {
            let inventory = decoded::<InventoryChanged>(INVENTORY_CHANGED, payload)?.inventory;
            inventory
                .ok_or(WireError::Missing("inventory"))?
                .item_system_id
        }
    };
    let id = SystemId::parse(&system_id).map_err(|_| WireError::Item)?;
    Ok(format!("item/{erp}/{id}"))
}

/// The payload as the channel may see it; `None`: not at all. What it may see whole keeps its bytes.
///
/// # Errors
/// The payload cannot be read.
pub fn visible(subject: Subject, view: &View, payload: &Bytes) -> Result<Option<Bytes>, WireError> {
    match subject {
        Subject::Item => {
            let item = decoded::<ItemChanged>(ITEM_CHANGED, payload)?
                .item
                .ok_or(WireError::Missing("item"))?;
            Ok(view
                .sees_item(item.blocked, item.sales_blocked)
                .then(|| payload.clone()))
        }
        Subject::Price => {
            let price = decoded::<PriceChanged>(PRICE_CHANGED, payload)?
                .price
                .ok_or(WireError::Missing("price"))?;
            let group = price.key.unwrap_or_default().price_group;
            Ok(view.sees_price_group(&group).then(|| payload.clone()))
        }
        Subject::Inventory => {
            let changed = decoded::<InventoryChanged>(INVENTORY_CHANGED, payload)?;
            let mut inventory = changed.inventory.ok_or(WireError::Missing("inventory"))?;
            inventory
                .locations
                .retain(|location| view.sees_location(&location.location_code));
            for location in &mut inventory.locations {
                location
                    .in_flight_by_channel
                    .retain(|part| view.sees_channel(Some(&part.channel)));
            }
            // Nowhere a figure: the stock is unknown here, which is what no record says.
            let known = !inventory.locations.is_empty();
            Ok(known.then(|| {
                InventoryChanged {
                    inventory: Some(inventory),
                }
                .encode_to_vec()
                .into()
            }))
        }
    }
}

/// What the log keeps of a withdrawal: enough to say of what.
#[must_use]
pub fn deletion(subject: Subject, last: &Bytes) -> Bytes {
    let bytes = match subject {
        Subject::Item => {
            let item = ItemChanged::decode(last.clone())
                .unwrap_or_default()
                .item
                .unwrap_or_default();
            ItemDeleted {
                number: item.number,
            }
            .encode_to_vec()
        }
        Subject::Price => {
            let price = PriceChanged::decode(last.clone())
                .unwrap_or_default()
                .price
                .unwrap_or_default();
            PriceDeleted { key: price.key }.encode_to_vec()
        }
        Subject::Inventory => {
            let inventory = InventoryChanged::decode(last.clone())
                .unwrap_or_default()
                .inventory
                .unwrap_or_default();
            InventoryDeleted {
                item_system_id: inventory.item_system_id,
                item_number: inventory.item_number,
                variant_code: inventory.variant_code,
            }
            .encode_to_vec()
        }
    };
    bytes.into()
}

/// Stands for a content.
#[must_use]
pub fn mark(payload: &Bytes) -> Mark {
    xxh3_64(payload)
}

fn decoded<M: Message + Default>(kind: &str, payload: &Bytes) -> Result<M, WireError> {
    M::decode(payload.clone()).map_err(|source| WireError::Protobuf {
        kind: kind.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use millrace_contract::inventories::v1::{ChannelInFlight, Inventory, LocationFigure};
    use millrace_contract::values::v1::Decimal;
    use millrace_values::Channel;

    use super::*;

    #[test]
    fn stock_is_seen_where_the_channel_may_sell_it_and_without_other_channels_orders() {
        let payload = inventory(&[("EAST", &["furniture", "toys"]), ("WEST", &["furniture"])]);
        let seen = visible(Subject::Inventory, &view(), &payload)
            .unwrap()
            .unwrap();
        assert_eq!(seen, inventory(&[("EAST", &["furniture"])]));
    }

    #[test]
    fn stock_elsewhere_is_unknown_here() {
        assert_eq!(
            visible(Subject::Inventory, &view(), &inventory(&[("WEST", &[])])).unwrap(),
            None
        );
    }

    #[test]
    fn what_is_seen_whole_keeps_its_bytes() {
        let payload: Bytes = ItemChanged {
            item: Some(Default::default()),
            changed_paths: vec!["number".into()],
        }
        .encode_to_vec()
        .into();
        assert_eq!(
            visible(Subject::Item, &view(), &payload).unwrap(),
            Some(payload)
        );
    }

    #[test]
    fn nonsense_is_named_not_believed() {
        let nonsense = Bytes::from_static(b"\xff\xff\xff");
        for subject in [Subject::Item, Subject::Price, Subject::Inventory] {
            assert!(matches!(
                visible(subject, &view(), &nonsense),
                Err(WireError::Protobuf { .. })
            ));
        }
        assert!(matches!(
            item_key(Subject::Price, "bc-main", "k", &Bytes::new()),
            Err(WireError::Missing("price"))
        ));
        assert!(matches!(
            Subject::of("millrace.items.v1.ItemMerged"),
            Err(WireError::Unknown(_))
        ));
    }

    fn inventory(locations: &[(&str, &[&str])]) -> Bytes {
        let part = |channel: &&str| ChannelInFlight {
            channel: (*channel).to_owned(),
            after_as_of: None,
            total: Some(Decimal { units: 1, nanos: 0 }),
        };
        let figure = |(code, channels): &(&str, &[&str])| LocationFigure {
            location_code: (*code).to_owned(),
            in_flight_by_channel: channels.iter().map(part).collect(),
            ..LocationFigure::default()
        };
        let inventory = Inventory {
            locations: locations.iter().map(figure).collect(),
            ..Inventory::default()
        };
        InventoryChanged {
            inventory: Some(inventory),
        }
        .encode_to_vec()
        .into()
    }

    fn view() -> View {
        let channel: Channel = toml::from_str(
            "code = 'furniture'\nerp = 'bc-main'\nlanguages = ['en']\nlocation_group = ['EAST']\ncurrency = 'EUR'\nprices_include_tax = false",
        )
        .unwrap();
        View::of(&channel)
    }
}
