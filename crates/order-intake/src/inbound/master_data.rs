//! Reads topics `items` and `customers`: what the checks need to know.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use millrace_contract::customers::v1::CustomerChanged;
use millrace_contract::items::v1::ItemChanged;
use millrace_erp_poster::arrived;
use millrace_event_bus::{HandleError, Handler, Outcome};
use millrace_event_store::{Recorded, StoreError, Tx};
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
    /// Told of in the transaction under way.
    pub told: Mutex<BTreeSet<String>>,
}

impl MasterData {
    fn tell(&self, subjects: impl IntoIterator<Item = String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.extend(subjects);
    }

    fn take_told(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
        match event.kind.as_str() {
            "millrace.items.v1.ItemChanged" => {
                let Ok(ItemChanged {
                    item: Some(item), ..
                }) = ItemChanged::decode(event.payload.clone())
                else {
                    return Ok(Outcome::parked("the item cannot be decoded"));
                };
                self.tell([keep_item(tx, &event.key, erp, &item, now).await?]);
            }
            "millrace.customers.v1.CustomerChanged" => {
                let Ok(CustomerChanged {
                    customer: Some(customer),
                    ..
                }) = CustomerChanged::decode(event.payload.clone())
                else {
                    return Ok(Outcome::parked("the customer cannot be decoded"));
                };
                self.tell(keep_customer(tx, &event.key, erp, &customer, now).await?);
            }
            other => {
                return Ok(Outcome::parked(format!(
                    "events of type {other} are not known here"
                )));
            }
        }
        Ok(Outcome::Done)
    }

    async fn foresee(&self, _: &mut Tx, _: &[&Recorded]) -> Result<(), StoreError> {
        self.take_told();
        Ok(())
    }

    async fn conclude(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let told = self.take_told();
        if told.is_empty() {
            return Ok(());
        }
        arrived(tx, &told).await?;
        self.wake.notify_one();
        Ok(())
    }
}
