//! Goods that come back on the companion level. A return order has a unique key in Business Central and its action takes
//! place once, so repeating one is always safe.

use serde_json::value::RawValue;
use tracing::warn;

use super::orders::ALREADY_THERE;
use super::return_rows::{ReturnEntry, ReturnReasonRow, ReturnRow};
use super::rows::Window;
use super::{CompanionLevel, STATUS_ENTRIES, mapping, nothing, return_mapping, usable};
use crate::business_central::collection::row;
use crate::business_central::cursor::{At, Place};
use crate::business_central::discovery::{RETURN_REASONS, RETURNS};
use crate::business_central::governor::Priority;
use crate::business_central::http::Call;
use crate::business_central::odata::{Query, Rows, Value};
use crate::return_order::{
    NewReturn, PlacedReturn, ReturnKey, ReturnObserved, ReturnReasonObserved,
};
use crate::{ErpError, Observed, Page};

/// State of a return order that nobody waits for.
const REFUSED: &str = "refused";

impl CompanionLevel<'_> {
    /// An older companion has none of this.
    fn has_returns(&self) -> Result<(), ErpError> {
        if self.companion.has(RETURNS) {
            return Ok(());
        }
        Err(ErpError::Unsupported(
            "take goods back with this version of the companion",
        ))
    }

    pub async fn return_reasons(&self) -> Result<Vec<ReturnReasonObserved>, ErpError> {
        if !self.companion.has(RETURN_REASONS) {
            return Err(ErpError::Unsupported(
                "tell return reasons with this version of the companion",
            ));
        }
        let url = Query::new()
            .expand("translations")
            .on(self.url("returnReasons"));
        let raws = self.reader(Priority::Order).all(url).await?;
        let read = |raw: &RawValue| {
            let row: ReturnReasonRow =
                serde_json::from_str(raw.get()).map_err(|_| "it has another shape".to_owned())?;
            return_mapping::reason(row)
        };
        // One that cannot be read is no reason to lack the others.
        let readable = raws.iter().filter_map(|raw| {
            read(raw)
                .inspect_err(|reason| warn!(reason, "a return reason of the erp cannot be read"))
                .ok()
        });
        Ok(readable.collect())
    }

    pub async fn place_return(&self, goods: &NewReturn) -> Result<PlacedReturn, ErpError> {
        self.has_returns()?;
        let url = Query::new().expand("lines").on(self.url("returnOrders"));
        let key = || goods.key.to_string();
        let row = return_mapping::new_return(goods);
        let answer = self.write(url, &row, key).await?;
        // What was stored cannot be told from what was not, unless the answer can be read.
        let row: ReturnRow = answer.json().map_err(|_| ErpError::Unknown)?;
        if row.state == REFUSED {
            return Err(ErpError::Refused {
                code: row.error_code,
                message: row.error_text,
            });
        }
        Ok(PlacedReturn {
            observed: observed(&row)?,
            existed: answer.status == ALREADY_THERE,
        })
    }

    pub async fn find_return(&self, key: &ReturnKey) -> Result<Option<ReturnObserved>, ErpError> {
        self.return_row(key)
            .await?
            .as_ref()
            .map(observed)
            .transpose()
    }

    pub async fn cancel_return(&self, key: &ReturnKey) -> Result<ReturnObserved, ErpError> {
        let unknown = || ErpError::Refused {
            code: "Internal_RecordNotFound".into(),
            message: format!("There is no return order {key}."),
        };
        let order = self.return_row(key).await?.ok_or_else(unknown)?;
        let mut url = self.url(&format!("returnOrders({})", order.system_id));
        if let Ok(mut path) = url.path_segments_mut() {
            path.push("Microsoft.NAV.cancel");
        }
        let call = Call::post(url, Priority::Order, "{}".into());
        self.http.send(&call).await?;
        // It was done; whoever cannot be told so repeats it without harm.
        let row = self.return_row(key).await.map_err(|_| ErpError::Unknown)?;
        observed(&row.ok_or(ErpError::Unknown)?)
    }

    async fn return_row(&self, key: &ReturnKey) -> Result<Option<ReturnRow>, ErpError> {
        self.has_returns()?;
        let url = Query::new()
            .equal(
                "channelCode",
                &Value::text(mapping::channel_out(&key.channel)),
            )
            .equal("returnNumber", &Value::text(key.number.as_str()))
            .expand("lines")
            .on(self.url("returnOrders"));
        let rows: Rows = self.http.get(url, Priority::Order).await?;
        let Some(raw) = rows.value.first() else {
            return Ok(None);
        };
        let row: ReturnRow = serde_json::from_str(raw.get())
            .map_err(|_| ErpError::Unreadable("the return order has another shape".into()))?;
        Ok(Some(row).filter(|row| row.state != REFUSED))
    }

    /// What became of returns, from a feed of its own.
    pub(super) async fn return_status(&self, place: &Place, after: i64) -> Result<Page, ErpError> {
        if self.has_returns().is_err() {
            return Ok(nothing(place.at(At::Queue { after })));
        }
        let expand = format!("entries($top={STATUS_ENTRIES};$expand=lines)");
        let url = self.window_url("returnStatusWindows", after, expand);
        let window: Window<Box<RawValue>> = self.http.get(url, Priority::Follow).await?;
        usable(&window, place)?;
        let observations = window.entries.iter().map(|raw| observe(raw)).collect();
        let next = place.at(At::Queue {
            after: window.upper_bound.max(after),
        });
        Ok(Page {
            observations,
            more: window.has_more,
            ..nothing(next)
        })
    }
}

fn observe(raw: &RawValue) -> Observed {
    let entry: ReturnEntry = match row("return", "returnId", raw) {
        Ok(entry) => entry,
        Err(unreadable) => return unreadable.into(),
    };
    let row = ReturnRow::from(entry);
    return_mapping::returned(&row).map_or_else(
        |reason| Observed::Unreadable {
            entity: "return",
            system_id: mapping::id(row.system_id).ok(),
            reason,
        },
        Observed::Return,
    )
}

fn observed(row: &ReturnRow) -> Result<ReturnObserved, ErpError> {
    return_mapping::returned(row)
        .map_err(|reason| ErpError::Unreadable(format!("return order: {reason}")))
}
