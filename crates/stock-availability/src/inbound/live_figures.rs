//! Joins figures that were asked of the ERP right now with what is in flight.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use millrace_erp::Erp;
use millrace_erp::stock::{StockKey, StockObserved};
use millrace_event_store::{Database, StoreError};
use millrace_values::SystemId;

use super::grpc::InFlightSource;
use crate::domain::{Inventory, Join, join};
use crate::read_model::figures::Known;
use crate::read_model::in_flight;

pub(crate) struct LiveFigures {
    pub database: Database,
    pub margin: Duration,
}

#[async_trait]
impl InFlightSource for LiveFigures {
    async fn join(
        &self,
        erp: &dyn Erp,
        observed: Vec<StockObserved>,
    ) -> Result<HashMap<StockKey, Inventory>, StoreError> {
        let items: BTreeSet<SystemId> = observed.iter().map(|observed| observed.item).collect();
        let items: Vec<SystemId> = items.into_iter().collect();
        let mut connection = self.database.pool().acquire().await?;
        let lines = in_flight::of_items(&mut connection, erp.code(), &items).await?;
        // Asked once and kept by the adapter; without an answer there would be no figures here.
        let sales_orders = erp
            .capabilities()
            .await
            .is_ok_and(|capabilities| capabilities.stock_allocated);
        let mut joined = HashMap::new();
        for observed in observed {
            let known = Known::new(observed, 0, sales_orders);
            for variant in known.variants() {
                let in_flight = lines
                    .iter()
                    .filter(|line| line.item.id == Some(known.item) && line.variant == variant);
                let now = join(&Join {
                    number: Some(known.number.clone()),
                    unit: known.unit.clone(),
                    figures: known.of_variant(variant.as_ref(), known.contains(self.margin, None)),
                    in_flight: in_flight.cloned().collect(),
                });
                if let Some(now) = now {
                    joined.insert(
                        StockKey {
                            item: known.number.clone(),
                            variant,
                        },
                        now,
                    );
                }
            }
        }
        Ok(joined)
    }
}
