//! Figures for somebody who waits. The companion looks up one figure per item, variant and location, so the locations
//! are fetched once in a while.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use millrace_values::{Sku, SystemId, UnitCode};

use super::rows::{FigureRow, LookedUp, Lookup, LookupKey};
use super::{CompanionLevel, Shelf, shelf};
use crate::ErpError;
use crate::business_central::governor::Priority;
use crate::business_central::http::Call;
use crate::business_central::odata::{KEYS, Query};
use crate::stock::{StockKey, StockObserved};

impl CompanionLevel<'_> {
    /// `locations` as Business Central writes them, the blank one included where it is sold from.
    pub async fn stock_now(
        &self,
        keys: &[StockKey],
        locations: &[String],
    ) -> Result<Vec<StockObserved>, ErpError> {
        let asked: Vec<LookupKey> = keys
            .iter()
            .flat_map(|key| {
                locations.iter().map(|location| LookupKey {
                    item_number: key.item.to_string(),
                    variant_code: key
                        .variant
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    location_code: location.clone(),
                })
            })
            .collect();
        let parts: Vec<Vec<LookupKey>> = asked.chunks(KEYS).map(<[LookupKey]>::to_vec).collect();
        let answers: Vec<Vec<FigureRow>> =
            stream::iter(parts.into_iter().map(|keys| self.look_up(keys)))
                .buffered(4)
                .try_collect()
                .await?;
        let mut by_item: HashMap<uuid::Uuid, Vec<FigureRow>> = HashMap::new();
        for figure in answers
            .into_iter()
            .flatten()
            .filter(|figure| figure.result.as_deref() == Some("found"))
        {
            by_item.entry(figure.item_id).or_default().push(figure);
        }
        by_item
            .into_iter()
            .map(|(item, figures)| self.answer(SystemId(item), &figures))
            .collect()
    }

    async fn look_up(&self, keys: Vec<LookupKey>) -> Result<Vec<FigureRow>, ErpError> {
        let body = serde_json::to_string(&Lookup { figures: keys })
            .map_err(|error| ErpError::Unreadable(error.to_string()))?;
        let url = Query::new().expand("figures").on(self.url("stockLookups"));
        let answer: LookedUp = self
            .http
            .send(&Call::post(url, Priority::Live, body))
            .await?
            .json()?;
        Ok(answer.figures)
    }

    fn answer(&self, item: SystemId, figures: &[FigureRow]) -> Result<StockObserved, ErpError> {
        let unreadable = |reason: String| ErpError::Unreadable(format!("figure: {reason}"));
        let first = figures
            .first()
            .ok_or_else(|| unreadable("there is none".into()))?;
        let shelf = Shelf {
            item,
            number: Sku::parse(&first.item_number)
                .map_err(|error| unreadable(error.to_string()))?,
            unit: UnitCode::parse_optional(&first.unit_of_measure_code)
                .map_err(|error| unreadable(error.to_string()))?,
            looked_at: millrace_values::Timestamp(self.now),
            boundary: None,
        };
        shelf::stock(shelf, figures, self.blank_location).map_err(unreadable)
    }

    /// Codes of all locations.
    pub async fn locations(&self) -> Result<Vec<String>, ErpError> {
        #[derive(serde::Deserialize)]
        struct Location {
            code: String,
        }
        let company = format!("companies({})", self.company);
        let url =
            Query::new()
                .select("code")
                .on(self.http.url(&["api", "v2.0", &company, "locations"]));
        let rows = self.reader(Priority::Live).all(url).await?;
        rows.iter()
            .map(|raw| serde_json::from_str(raw.get()).map(|location: Location| location.code))
            .collect::<Result<_, _>>()
            .map_err(|_| ErpError::Unreadable("a location has another shape".into()))
    }
}
