//! Reserved goods on the companion level. Each write has a unique key in Business Central and each action takes place once,
//! so repeating one is always safe.

use millrace_values::{LocationCode, Quantity};
use serde::Serialize;
use serde_json::value::RawValue;

use super::orders::ALREADY_THERE;
use super::rows::Window;
use super::transfer_rows::{
    CountRow, FoundRow, NewCountRow, NewTransferLineRow, NewTransferRow, PostParameters,
    StoreLocationRow, TransferEntry, TransferRow,
};
use super::{CompanionLevel, STATUS_ENTRIES, mapping, nothing, usable};
use crate::business_central::collection::row;
use crate::business_central::cursor::{At, Place};
use crate::business_central::discovery::TRANSFERS;
use crate::business_central::governor::Priority;
use crate::business_central::http::Call;
use crate::business_central::odata::{Exact, Query, Rows, Value};
use crate::business_central::problem::Failure;
use crate::transfer::{
    CountRequest, FoundQuantity, NewTransfer, PlacedCount, PlacedTransfer, StoreObserved,
    TransferKey, TransferObserved,
};
use crate::{ErpError, Observed, Page};

/// State of a request that holds nothing.
const REFUSED: &str = "refused";

impl CompanionLevel<'_> {
    /// An older companion has none of this.
    fn has_transfers(&self) -> Result<(), ErpError> {
        if self.companion.has(TRANSFERS) {
            return Ok(());
        }
        Err(ErpError::Unsupported(
            "reserve goods in stores with this version of the companion",
        ))
    }

    pub async fn stores(&self) -> Result<Vec<StoreObserved>, ErpError> {
        self.has_transfers()?;
        let raws = self
            .reader(Priority::Order)
            .all(self.url("storeLocations"))
            .await?;
        let mut stores = Vec::new();
        for raw in &raws {
            let row: StoreLocationRow = serde_json::from_str(raw.get())
                .map_err(|_| ErpError::Unreadable("a store has another shape".into()))?;
            if row.is_store {
                stores.push(store(row)?);
            }
        }
        Ok(stores)
    }

    pub async fn request_transfer(
        &self,
        transfer: &NewTransfer,
    ) -> Result<PlacedTransfer, ErpError> {
        self.has_transfers()?;
        let url = Query::new()
            .expand("lines")
            .on(self.url("transferRequests"));
        let key = || transfer.key.to_string();
        let answer = self.write(url, &new_transfer(transfer), key).await?;
        // What was stored cannot be told from what was not, unless the answer can be read.
        let row: TransferRow = answer.json().map_err(|_| ErpError::Unknown)?;
        if row.state == REFUSED {
            return Err(ErpError::Refused {
                code: row.error_code,
                message: row.error_text,
            });
        }
        Ok(PlacedTransfer {
            transfer: observed(&row)?,
            existed: answer.status == ALREADY_THERE,
        })
    }

    pub async fn post_transfer(
        &self,
        key: &TransferKey,
        found: &[FoundQuantity],
    ) -> Result<TransferObserved, ErpError> {
        let rows: Vec<FoundRow> = found
            .iter()
            .map(|found| FoundRow {
                line_number: found.line_number,
                quantity: Exact(found.quantity.value()),
            })
            .collect();
        let parameters = PostParameters {
            found_quantities: json(&rows)?,
        };
        self.act(key, "Microsoft.NAV.post", json(&parameters)?)
            .await
    }

    pub async fn cancel_transfer(&self, key: &TransferKey) -> Result<TransferObserved, ErpError> {
        self.act(key, "Microsoft.NAV.cancel", "{}".into()).await
    }

    pub async fn return_transfer(&self, key: &TransferKey) -> Result<TransferObserved, ErpError> {
        self.act(key, "Microsoft.NAV.returnToStore", "{}".into())
            .await
    }

    pub async fn find_transfer(
        &self,
        key: &TransferKey,
    ) -> Result<Option<TransferObserved>, ErpError> {
        self.find(key).await?.as_ref().map(observed).transpose()
    }

    /// Does what the action says to the request under `key`, and tells what became of it.
    async fn act(
        &self,
        key: &TransferKey,
        action: &str,
        body: String,
    ) -> Result<TransferObserved, ErpError> {
        let unknown = || ErpError::Refused {
            code: "Internal_RecordNotFound".into(),
            message: format!("There is no transfer request {key}."),
        };
        let request = self.find(key).await?.ok_or_else(unknown)?;
        let mut url = self.url(&format!("transferRequests({})", request.system_id));
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(action);
        }
        match self
            .http
            .send(&Call::post(url, Priority::Order, body))
            .await
        {
            Ok(_) => {}
            Err(Failure::Problem(problem)) if problem.is_contradiction() => {
                return Err(ErpError::Contradiction {
                    key: key.to_string(),
                });
            }
            Err(failure) => return Err(failure.into()),
        }
        // It was done; whoever cannot be told so repeats it without harm.
        let row = self.find(key).await.map_err(|_| ErpError::Unknown)?;
        observed(&row.ok_or(ErpError::Unknown)?)
    }

    async fn find(&self, key: &TransferKey) -> Result<Option<TransferRow>, ErpError> {
        self.has_transfers()?;
        let url = Query::new()
            .equal(
                "channelCode",
                &Value::text(mapping::channel_out(&key.channel)),
            )
            .equal("reservationNumber", &Value::text(key.number.as_str()))
            .expand("lines")
            .on(self.url("transferRequests"));
        let rows: Rows = self.http.get(url, Priority::Order).await?;
        let Some(raw) = rows.value.first() else {
            return Ok(None);
        };
        let row: TransferRow = serde_json::from_str(raw.get())
            .map_err(|_| ErpError::Unreadable("the transfer request has another shape".into()))?;
        Ok(Some(row).filter(|row| row.state != REFUSED))
    }

    pub async fn request_count(&self, request: &CountRequest) -> Result<PlacedCount, ErpError> {
        self.has_transfers()?;
        let key = || format!("{}/{}", request.reservation, request.line_number);
        let row = new_count(request);
        let answer = self.write(self.url("countRequests"), &row, key).await?;
        let row: CountRow = answer.json().map_err(|_| ErpError::Unknown)?;
        let unreadable = |reason: String| ErpError::Unreadable(format!("count request: {reason}"));
        let counted = match row.state.as_str() {
            REFUSED => {
                return Err(ErpError::Refused {
                    code: row.error_code,
                    message: row.error_text,
                });
            }
            "counted" => Some(
                Quantity::new(row.counted_quantity.0)
                    .map_err(|error| unreadable(error.to_string()))?,
            ),
            _ => None,
        };
        Ok(PlacedCount {
            system_id: mapping::id(row.system_id).map_err(unreadable)?,
            counted,
            existed: answer.status == ALREADY_THERE,
        })
    }

    /// What became of transfers, from a feed of its own.
    pub(super) async fn transfer_status(
        &self,
        place: &Place,
        after: i64,
    ) -> Result<Page, ErpError> {
        if self.has_transfers().is_err() {
            return Ok(nothing(place.at(At::Queue { after })));
        }
        let expand = format!("entries($top={STATUS_ENTRIES};$expand=lines)");
        let url = self.window_url("transferStatusWindows", after, expand);
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

fn json(body: &impl Serialize) -> Result<String, ErpError> {
    serde_json::to_string(body).map_err(|error| ErpError::Unreadable(error.to_string()))
}

fn observe(raw: &RawValue) -> Observed {
    let entry: TransferEntry = match row("transfer", "requestId", raw) {
        Ok(entry) => entry,
        Err(unreadable) => return unreadable.into(),
    };
    let row = TransferRow::from(entry);
    mapping::transfer(&row).map_or_else(
        |reason| Observed::Unreadable {
            entity: "transfer",
            system_id: mapping::id(row.system_id).ok(),
            reason,
        },
        Observed::Transfer,
    )
}

fn observed(row: &TransferRow) -> Result<TransferObserved, ErpError> {
    mapping::transfer(row)
        .map_err(|reason| ErpError::Unreadable(format!("transfer request: {reason}")))
}

fn store(row: StoreLocationRow) -> Result<StoreObserved, ErpError> {
    let unreadable = |error: millrace_values::CodeError| {
        ErpError::Unreadable(format!("store location: {error}"))
    };
    Ok(StoreObserved {
        location: LocationCode::parse(&row.code).map_err(unreadable)?,
        name: row.display_name,
        reservation_warehouse: LocationCode::parse_optional(&row.reservation_warehouse_code)
            .map_err(unreadable)?,
    })
}

fn new_transfer(transfer: &NewTransfer) -> NewTransferRow {
    let lines = transfer.lines.iter().map(|line| NewTransferLineRow {
        line_number: line.line_number,
        item_number: line.item.to_string(),
        variant_code: mapping::code_out(line.variant.as_ref()),
        unit_of_measure_code: mapping::code_out(line.unit.as_ref()),
        quantity: Exact(line.quantity.value()),
    });
    NewTransferRow {
        channel_code: mapping::channel_out(&transfer.key.channel),
        reservation_number: transfer.key.number.to_string(),
        from_location_code: transfer.store.to_string(),
        to_location_code: transfer.reservation_warehouse.to_string(),
        reference_text: transfer.reference.clone(),
        lines: lines.collect(),
    }
}

fn new_count(request: &CountRequest) -> NewCountRow {
    NewCountRow {
        channel_code: mapping::channel_out(&request.reservation.channel),
        reservation_number: request.reservation.number.to_string(),
        line_number: request.line_number,
        location_code: request.location.to_string(),
        item_number: request.item.to_string(),
        variant_code: mapping::code_out(request.variant.as_ref()),
        reason_text: request.reason.clone(),
    }
}
