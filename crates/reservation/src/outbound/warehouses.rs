//! Where each store puts aside what is reserved: by the settings, else by the ERP, which is asked now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_erp::{Erp, ErpError};
use millrace_event_store::StoreError;
use millrace_service_kit::health::chain;
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Ids, Shutdown};
use millrace_values::LocationCode;
use tracing::warn;

use crate::config::Stores;

/// A store that is new in the ERP may wait so long until customers can reserve there.
const ASK_EVERY: Duration = Duration::from_secs(300);

/// Cheap to clone.
#[derive(Clone)]
pub struct Warehouses {
    erp: Arc<dyn Erp>,
    stores: Arc<Stores>,
    /// As the ERP said last; `None`: it was not asked yet, or has no part in reservations.
    told: Arc<Mutex<Option<HashMap<LocationCode, LocationCode>>>>,
}

impl Warehouses {
    #[must_use]
    pub fn new(erp: Arc<dyn Erp>, stores: Arc<Stores>) -> Self {
        Self {
            erp,
            stores,
            told: Arc::default(),
        }
    }

    /// Whether nothing can be put aside in this store, as far as is known now.
    #[must_use]
    pub fn is_missing(&self, store: &LocationCode) -> bool {
        if self.of_settings(store).is_some() {
            return false;
        }
        let told = self.told.lock().expect("no holder of this lock panics");
        told.as_ref().is_some_and(|told| !told.contains_key(store))
    }

    /// The warehouse of a store; who has none is asked for anew.
    ///
    /// # Errors
    /// The ERP's.
    pub async fn of(&self, store: &LocationCode) -> Result<Option<LocationCode>, ErpError> {
        if let Some(warehouse) = self.of_settings(store).or_else(|| self.known(store)) {
            return Ok(Some(warehouse));
        }
        self.ask().await?;
        Ok(self.known(store))
    }

    /// Asks now and then, until shutdown.
    ///
    /// # Errors
    /// None; a broken world is asked again.
    pub async fn keep(self, ids: Ids, shutdown: Shutdown) -> Result<(), StoreError> {
        let mut backoff = Backoff::neighbour(ids);
        while !shutdown.is_cancelled() {
            let pause = match self.ask().await {
                Ok(()) => {
                    backoff.succeeded();
                    ASK_EVERY
                }
                Err(error) => {
                    if backoff.tries() == 0 {
                        let why = chain(&error);
                        warn!("the erp does not tell its stores, trying again: {why}");
                    }
                    backoff.next_delay()
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(())
    }

    async fn ask(&self) -> Result<(), ErpError> {
        if !self.erp.capabilities().await?.transfer_requests {
            return Ok(());
        }
        let stores = self.erp.stores().await?.into_iter();
        let told = stores.filter_map(|store| Some((store.location, store.reservation_warehouse?)));
        let told = told.collect();
        *self.told.lock().expect("no holder of this lock panics") = Some(told);
        Ok(())
    }

    fn of_settings(&self, store: &LocationCode) -> Option<LocationCode> {
        self.stores.at(store)?.reservation_warehouse.clone()
    }

    fn known(&self, store: &LocationCode) -> Option<LocationCode> {
        let told = self.told.lock().expect("no holder of this lock panics");
        told.as_ref()?.get(store).cloned()
    }
}
