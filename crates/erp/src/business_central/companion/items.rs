//! Items and what belongs to them, each row read once, made into the observations of a flow.

use std::collections::HashMap;

use millrace_values::{Sku, SystemId, UnitCode};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::mapping::Misfit;
use super::rows::{FigureRow, ItemRow, PriceRow, VariantRow};
use super::shelf::Shelf;
use super::touched::Touched;
use super::{CompanionLevel, mapping, shelf};
use crate::business_central::collection::{Unreadable, id_of};
use crate::master::PricesObserved;
use crate::stock::StockObserved;
use crate::{Flow, Observed};

/// The page of what belongs to the items of a flow.
pub(super) fn page_of(flow: Flow) -> &'static str {
    match flow {
        Flow::Items => "itemVariants",
        Flow::Prices => "priceLines",
        Flow::Stock | Flow::Customers | Flow::Documents | Flow::Transfers | Flow::Returns => {
            "stockFigures"
        }
    }
}

/// What belongs to the items, by item.
pub(super) enum Belongings {
    Variants(Own<VariantRow>),
    Prices(Own<PriceRow>),
    Figures(Own<FigureRow>),
}

impl Belongings {
    pub fn read<'a>(flow: Flow, raws: impl Iterator<Item = &'a RawValue>) -> Self {
        match flow {
            Flow::Items => Self::Variants(Own::read(raws, |row: &VariantRow| row.item_id)),
            Flow::Prices => Self::Prices(Own::read(raws, |row: &PriceRow| row.item_id)),
            Flow::Stock | Flow::Customers | Flow::Documents | Flow::Transfers | Flow::Returns => {
                Self::Figures(Own::read(raws, |row: &FigureRow| row.item_id))
            }
        }
    }
}

/// All of an item's rows, or none: one that is left out would be taken for deleted.
pub(super) struct Own<T>(HashMap<Uuid, Result<Vec<T>, Misfit>>);

impl<T: DeserializeOwned> Own<T> {
    fn read<'a>(raws: impl Iterator<Item = &'a RawValue>, item: impl Fn(&T) -> Uuid) -> Self {
        let mut by_item: HashMap<Uuid, Result<Vec<T>, Misfit>> = HashMap::new();
        for raw in raws {
            match serde_json::from_str::<T>(raw.get()) {
                Ok(row) => {
                    let own = by_item.entry(item(&row)).or_insert_with(|| Ok(Vec::new()));
                    if let Ok(own) = own {
                        own.push(row);
                    }
                }
                Err(error) => {
                    if let Some(item) = id_of("itemId", raw) {
                        let reason = format!(
                            "a record of this item has another shape, at column {}",
                            error.column()
                        );
                        by_item.insert(item, Err(reason));
                    }
                }
            }
        }
        Self(by_item)
    }

    fn take(&mut self, item: Uuid) -> Result<Vec<T>, Misfit> {
        self.0.remove(&item).unwrap_or_else(|| Ok(Vec::new()))
    }
}

impl CompanionLevel<'_> {
    pub(super) fn observe(
        &self,
        flow: Flow,
        items: Vec<Result<ItemRow, Unreadable>>,
        mut belongings: Belongings,
        touched: &Touched<'_>,
    ) -> Vec<Observed> {
        let gone: Vec<Uuid> = touched.missing_from(&items).collect();
        let mut observations: Vec<Observed> = items
            .into_iter()
            .map(|item| match item {
                Ok(item) => self.observe_item(item, &mut belongings, touched),
                Err(unreadable) => unreadable.into(),
            })
            .collect();
        observations.extend(
            gone.into_iter()
                .filter_map(|id| self.gone(flow, id, touched)),
        );
        observations
    }

    fn observe_item(
        &self,
        item: ItemRow,
        belongings: &mut Belongings,
        touched: &Touched<'_>,
    ) -> Observed {
        let id = item.system_id;
        let (entity, observed) = match belongings {
            Belongings::Variants(own) => {
                let by = touched.by(id);
                let observed = own
                    .take(id)
                    .and_then(|variants| mapping::item(item, variants, by));
                ("item", observed.map(Observed::Item))
            }
            Belongings::Prices(own) => {
                let observed = own
                    .take(id)
                    .and_then(|lines| mapping::prices(&item, lines, self.companion.local_currency));
                ("prices", observed.map(Observed::Prices))
            }
            Belongings::Figures(own) => {
                let observed = own.take(id).and_then(|figures| {
                    shelf::stock(self.shelf(&item, touched)?, &figures, self.blank_location)
                });
                ("stock", observed.map(Observed::Stock))
            }
        };
        observed.unwrap_or_else(|reason| Observed::Unreadable {
            entity,
            system_id: Some(SystemId(id)),
            reason,
        })
    }

    fn shelf(&self, item: &ItemRow, touched: &Touched<'_>) -> Result<Shelf, Misfit> {
        Ok(Shelf {
            item: mapping::id(item.system_id)?,
            number: Sku::parse(&item.number).map_err(|error| error.to_string())?,
            unit: UnitCode::parse_optional(&item.base_unit_of_measure_code)
                .map_err(|error| error.to_string())?,
            looked_at: millrace_values::Timestamp(self.now),
            // Item and figures are read side by side here: only what was committed before both is surely contained.
            boundary: u64::try_from(touched.boundary.unwrap_or(item.boundary)).ok(),
        })
    }

    fn gone(&self, flow: Flow, id: Uuid, touched: &Touched<'_>) -> Option<Observed> {
        let item = SystemId(id);
        let at = millrace_values::Timestamp(self.now);
        match flow {
            Flow::Items => Some(Observed::ItemGone(item)),
            Flow::Prices => Some(Observed::Prices(PricesObserved {
                item,
                number: None,
                lines: Vec::new(),
                modified_at: at,
            })),
            Flow::Stock => Some(Observed::Stock(StockObserved {
                item,
                number: Sku::parse(&touched.number(id)?).ok()?,
                unit: None,
                figures: Vec::new(),
                as_of: at,
                boundary: touched
                    .boundary
                    .and_then(|boundary| u64::try_from(boundary).ok()),
            })),
            Flow::Customers | Flow::Documents | Flow::Transfers | Flow::Returns => None,
        }
    }
}
