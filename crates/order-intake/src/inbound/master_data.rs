//! Reads topics `items` and `customers`: what the checks need to know.

use std::sync::Arc;

use async_trait::async_trait;
use millrace_contract::customers::v1::CustomerChanged;
use millrace_contract::items::v1::ItemChanged;
use millrace_event_bus::{HandleError, Handler, Outcome};
use millrace_event_store::{Recorded, Tx};
use millrace_service_kit::Clock;
use prost::Message;
use tokio::sync::Notify;

use crate::read_model::{forget, keep_customer, keep_item};

pub const GROUP: &str = "order-intake.master-data";
pub const TOPICS: [&str; 2] = ["items", "customers"];

pub struct MasterData {
    pub clock: Arc<dyn Clock>,
    /// Orders may have work now.
    pub wake: Arc<Notify>,
}

#[async_trait]
impl Handler for MasterData {
    async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let event = &recorded.event;
        if event.deleted {
            forget(tx, &event.key).await?;
            return Ok(Outcome::Done);
        }
        let erp = event.erp.as_deref().unwrap_or_default();
        let now = self.clock.now().as_microsecond();
        let waited_for = match event.kind.as_str() {
            "millrace.items.v1.ItemChanged" => {
                let Ok(ItemChanged {
                    item: Some(item), ..
                }) = ItemChanged::decode(event.payload.clone())
                else {
                    return Ok(Outcome::parked("the item cannot be decoded"));
                };
                keep_item(tx, &event.key, erp, &item, now).await?
            }
            "millrace.customers.v1.CustomerChanged" => {
                let Ok(CustomerChanged {
                    customer: Some(customer),
                    ..
                }) = CustomerChanged::decode(event.payload.clone())
                else {
                    return Ok(Outcome::parked("the customer cannot be decoded"));
                };
                keep_customer(tx, &event.key, erp, &customer, now).await?
            }
            other => {
                return Ok(Outcome::parked(format!(
                    "events of type {other} are not known here"
                )));
            }
        };
        if waited_for {
            self.wake.notify_one();
        }
        Ok(Outcome::Done)
    }
}
