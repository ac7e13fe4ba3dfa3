//! Takes what stock-availability tells into the rows.

use async_trait::async_trait;
use millrace_contract::inventories::v1::InventoryChanged;
use millrace_event_bus::{HandleError, Handler, Outcome};
use millrace_event_store::{Recorded, Tx};
use millrace_values::{ErpCode, Sku, SystemId, VariantCode};
use prost::Message;

use crate::domain::shelf::thing;
use crate::read_model::{asked, forget, put};

/// Name of the consumer; stored for ever.
pub const GROUP: &str = "reservation.figures";
pub const TOPICS: [&str; 1] = ["inventories"];

pub struct InventoryRows;

#[async_trait]
impl Handler for InventoryRows {
    async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let event = &recorded.event;
        if event.deleted {
            forget(tx, &event.key).await?;
            return Ok(Outcome::Done);
        }
        if event.kind != "millrace.inventories.v1.InventoryChanged" {
            return Ok(Outcome::Done);
        }
        let Ok(message) = InventoryChanged::decode(event.payload.as_ref()) else {
            return Ok(Outcome::parked("InventoryChanged cannot be decoded"));
        };
        let inventory = message.inventory.unwrap_or_default();
        if inventory.item_number.is_empty() {
            // Nobody can ask for it by a number yet.
            forget(tx, &event.key).await?;
            return Ok(Outcome::Done);
        }
        let erp = ErpCode::parse(event.erp.as_deref().unwrap_or_default());
        let item = Sku::parse(&inventory.item_number);
        let variant = VariantCode::parse_optional(&inventory.variant_code);
        let id = SystemId::parse(&inventory.item_system_id);
        let (Ok(erp), Ok(item), Ok(variant), Ok(id)) = (erp, item, variant, id) else {
            return Ok(Outcome::parked(
                "erp, item_number, variant_code or item_system_id is none",
            ));
        };
        let asked = asked(&erp, &item, variant.as_ref());
        let thing = thing(&erp, id, variant.as_ref());
        put(tx, &event.key, &asked, &thing, &inventory).await?;
        Ok(Outcome::Done)
    }
}
