//! Records of a standard tenant, read whole: an item with its variants, a customer with the codes it names by id.

use std::collections::{HashMap, HashSet};

use millrace_values::{SystemId, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::rows::{CodeRow, CreditMemoRow, CustomerRow, ItemRow, VariantRow};
use super::{StandardLevel, credit_memo, mapping, set, what};
use crate::business_central::collection::{guids, id_of, row};
use crate::business_central::companion::mapping::Misfit;
use crate::business_central::governor::Priority;
use crate::business_central::odata::{Query, Value};
use crate::master::PricesObserved;
use crate::{ErpError, Flow, Observed};

/// Codes of payment terms, payment methods and shipment methods by their ids.
type Codes = HashMap<Uuid, String>;

impl StandardLevel<'_> {
    /// Reads records again by what rows named them; those that are not there are gone.
    pub async fn observe_owners(
        &self,
        flow: Flow,
        owners: &[Value],
    ) -> Result<Vec<Observed>, ErpError> {
        if owners.is_empty() {
            return Ok(Vec::new());
        }
        let field = if flow == Flow::Stock { "number" } else { "id" };
        let reader = self.reader(Priority::Follow);
        let rows = reader
            .of_keys(&self.url(set(flow)), field, owners, &what(flow))
            .await?;
        let found: HashSet<Uuid> = rows.iter().filter_map(|raw| id_of("id", raw)).collect();
        let mut observations = self
            .observe(flow, &rows, self.now, Priority::Follow)
            .await?;
        for owner in owners {
            if let Value::Guid(id) = owner
                && !found.contains(id)
            {
                observations.extend(self.gone(flow, SystemId(*id)));
            }
        }
        Ok(observations)
    }

    fn gone(&self, flow: Flow, id: SystemId) -> Option<Observed> {
        match flow {
            Flow::Items => Some(Observed::ItemGone(id)),
            Flow::Customers => Some(Observed::CustomerGone(id)),
            Flow::Prices => Some(Observed::Prices(PricesObserved {
                item: id,
                number: None,
                lines: Vec::new(),
                modified_at: self.now,
            })),
            Flow::Stock | Flow::Documents | Flow::Transfers | Flow::Returns => None,
        }
    }

    pub async fn observe(
        &self,
        flow: Flow,
        raws: &[Box<RawValue>],
        as_of: Timestamp,
        priority: Priority,
    ) -> Result<Vec<Observed>, ErpError> {
        if raws.is_empty() {
            return Ok(Vec::new());
        }
        match flow {
            Flow::Items => {
                let mut variants = self.variants(raws, priority).await?;
                Ok(raws
                    .iter()
                    .map(|raw| {
                        observe("item", raw, |item: ItemRow| {
                            let own = variants.remove(&item.id).unwrap_or_else(|| Ok(Vec::new()));
                            mapping::item(&item, &own?).map(Observed::Item)
                        })
                    })
                    .collect())
            }
            Flow::Prices => {
                let currency = self.currency()?;
                let read = |item: ItemRow| mapping::prices(&item, currency).map(Observed::Prices);
                Ok(raws
                    .iter()
                    .map(|raw| observe("prices", raw, read))
                    .collect())
            }
            Flow::Stock => {
                let location = self.location()?;
                let read =
                    |item: ItemRow| mapping::stock(&item, location, as_of).map(Observed::Stock);
                Ok(raws.iter().map(|raw| observe("stock", raw, read)).collect())
            }
            Flow::Returns => Ok(raws.iter().filter_map(|raw| credit(raw)).collect()),
            Flow::Customers | Flow::Documents | Flow::Transfers => {
                let codes = self.codes(priority).await?;
                let read = |customer: CustomerRow| {
                    mapping::customer(customer, &codes).map(Observed::Customer)
                };
                Ok(raws
                    .iter()
                    .map(|raw| observe("customer", raw, read))
                    .collect())
            }
        }
    }

    async fn variants(
        &self,
        items: &[Box<RawValue>],
        priority: Priority,
    ) -> Result<HashMap<Uuid, Result<Vec<VariantRow>, Misfit>>, ErpError> {
        let ids = guids(items.iter().filter_map(|raw| id_of("id", raw)));
        let rows = self
            .reader(priority)
            .of_keys(&self.url("itemVariants"), "itemId", &ids, &Query::new())
            .await?;
        let mut by_item: HashMap<Uuid, Result<Vec<VariantRow>, Misfit>> = HashMap::new();
        for raw in rows {
            let Some(item) = id_of("itemId", &raw) else {
                continue;
            };
            let own = by_item.entry(item).or_insert_with(|| Ok(Vec::new()));
            match serde_json::from_str(raw.get()) {
                Ok(variant) => {
                    if let Ok(own) = own {
                        own.push(variant);
                    }
                }
                // All of an item's variants, or none: one that is left out would be taken for deleted.
                Err(_) => *own = Err("a variant of this item has another shape".into()),
            }
        }
        Ok(by_item)
    }

    /// The lists are short; they are read with every page of customers rather than kept and found stale.
    async fn codes(&self, priority: Priority) -> Result<Codes, ErpError> {
        let mut codes = Codes::new();
        for page in ["paymentTerms", "paymentMethods", "shipmentMethods"] {
            for raw in self
                .reader(priority)
                .all(Query::new().select("id,code").on(self.url(page)))
                .await?
            {
                if let Ok(row) = serde_json::from_str::<CodeRow>(raw.get()) {
                    codes.insert(row.id, row.code);
                }
            }
        }
        Ok(codes)
    }
}

/// A credit memo that is ours.
fn credit(raw: &RawValue) -> Option<Observed> {
    let memo: CreditMemoRow = match row("credit memo", "id", raw) {
        Ok(memo) => memo,
        Err(unreadable) => return Some(unreadable.into()),
    };
    let key = credit_memo::key(&memo)?;
    Some(credit_memo::observed(&memo, key).map_or_else(
        |reason| Observed::Unreadable {
            entity: "credit memo",
            system_id: id_of("id", raw).map(SystemId),
            reason,
        },
        Observed::Return,
    ))
}

fn observe<T: DeserializeOwned>(
    entity: &'static str,
    raw: &RawValue,
    read: impl FnOnce(T) -> Result<Observed, Misfit>,
) -> Observed {
    let record = match row(entity, "id", raw) {
        Ok(record) => record,
        Err(unreadable) => return unreadable.into(),
    };
    read(record).unwrap_or_else(|reason| Observed::Unreadable {
        entity,
        system_id: id_of("id", raw).map(SystemId),
        reason,
    })
}
