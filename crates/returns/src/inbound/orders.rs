//! Reads topic `webshop-orders`: what was sold, to whom, and what became of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use millrace_erp_poster::arrived;
use millrace_event_bus::{HandleError, Handler, Outcome};
use millrace_event_store::{Recorded, StoreError, Tx};
use tokio::sync::Notify;

use crate::read_model::keep_order;

/// Name of the consumer; stored for ever.
pub const GROUP: &str = "returns.orders";
pub const TOPICS: [&str; 1] = ["webshop-orders"];

pub struct Orders {
    /// Returns may have work now.
    pub wake: Arc<Notify>,
    /// Told of in the transaction under way.
    pub told: Mutex<BTreeSet<String>>,
}

impl Orders {
    fn take_told(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Handler for Orders {
    async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
        let event = &recorded.event;
        let kept = keep_order(tx, &event.key, &event.kind, event.payload.clone()).await?;
        if let Err(broken) = kept {
            return Ok(Outcome::parked(broken.to_string()));
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(event.key.clone());
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
