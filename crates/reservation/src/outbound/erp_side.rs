//! One reservation in the ERP: asked for, posted, taken back, counted. Each step may be repeated without harm, so whoever does
//! not know how it ended does it again.

use std::sync::Arc;

use millrace_erp::transfer::{self as erp, FoundQuantity, TransferObserved};
use millrace_erp::{Erp, ErpError};
use millrace_event_store::StoreError;
use millrace_values::{ErpCode, Quantity, Timestamp};
use thiserror::Error;
use tracing::{error, info, warn};

use super::Warehouses;
use crate::config::Stores;
use crate::domain::{Command, Observed, Phase, Reservation, Taken, Transfer, TransferState};
use crate::reservations::{Actor, ReservationError, Reservations};
use crate::wire;

/// A store that puts nothing aside.
const NO_WAREHOUSE: &str = "NO_RESERVATION_WAREHOUSE";
/// The number stands for something else there.
const OTHER_CONTENT: &str = "OTHER_CONTENT";

/// Cheap to clone.
#[derive(Clone)]
pub struct ErpSide {
    pub erp: Arc<dyn Erp>,
    pub reservations: Reservations,
    pub stores: Arc<Stores>,
    pub warehouses: Warehouses,
}

#[derive(Debug, Error)]
pub enum CarryError {
    #[error(transparent)]
    Erp(#[from] ErpError),
    #[error(transparent)]
    Reservation(#[from] ReservationError),
    /// It has a transfer request, and the ERP says now that it has none.
    #[error("the erp has no part in reservations at the moment")]
    NoPart,
}

impl From<StoreError> for CarryError {
    fn from(error: StoreError) -> Self {
        Self::Reservation(error.into())
    }
}

impl ErpSide {
    /// Whether reservations of this company become transfer requests.
    ///
    /// # Errors
    /// The ERP was never asked, and is away.
    pub async fn has_part_in(&self, erp: &ErpCode) -> Result<bool, ErpError> {
        Ok(self.erp.code() == erp && self.erp.capabilities().await?.transfer_requests)
    }

    /// Does whatever is left to do for one reservation.
    ///
    /// # Errors
    /// See [`CarryError`]; the same again goes on where it ended.
    pub async fn settle(&self, stream: &str) -> Result<(), CarryError> {
        let Some(loaded) = self.reservations.load(stream).await? else {
            return Ok(());
        };
        let mut taken = loaded.taken;
        if !self.has_part_in(&taken.reservation.erp).await? {
            let is_there = taken.transfer.is_some() && !taken.is_settled();
            return if is_there {
                Err(CarryError::NoPart)
            } else {
                Ok(())
            };
        }
        if taken.is_to_be_taken_back() {
            taken = self.take_back(taken).await?;
        } else if !taken.phase.is_the_end() {
            taken = self.placed(taken).await?;
        }
        self.ask_to_count(&taken).await
    }

    /// Takes note of what became of it in the ERP, where it was asked for there.
    ///
    /// # Errors
    /// See [`CarryError`].
    pub async fn catch_up(&self, taken: &Taken) -> Result<(), CarryError> {
        if taken.transfer.is_none() {
            return Ok(());
        }
        if !self.has_part_in(&taken.reservation.erp).await? {
            return Err(CarryError::NoPart);
        }
        let key = wire::key(&taken.reservation);
        if let Some(seen) = self.erp.find_transfer(&key).await? {
            self.observe(&taken.reservation, seen).await?;
        }
        Ok(())
    }

    /// Puts aside, in the ERP, what a person found; asks for it first where the ERP does not know of it. What is not in
    /// `found` was found whole.
    ///
    /// # Errors
    /// See [`CarryError`]; the same again goes on where it ended.
    pub async fn post(&self, taken: Taken, found: &[(u32, Quantity)]) -> Result<Taken, CarryError> {
        let taken = self.placed(taken).await?;
        if taken.phase != Phase::Requested {
            return Ok(taken);
        }
        let of = |line: u32| found.iter().find(|(number, _)| *number == line);
        let found: Vec<FoundQuantity> = taken
            .lines
            .iter()
            .map(|line| FoundQuantity {
                line_number: line.line,
                quantity: of(line.line).map_or(line.requested, |(_, quantity)| *quantity),
            })
            .collect();
        let key = wire::key(&taken.reservation);
        let seen = self.erp.post_transfer(&key, &found).await?;
        self.observe(&taken.reservation, seen).await
    }

    /// Takes note of what the ERP says.
    ///
    /// # Errors
    /// The database's, or it does not fit the reservation.
    pub async fn observe(
        &self,
        reservation: &Reservation,
        seen: TransferObserved,
    ) -> Result<Taken, CarryError> {
        let store = self.stores.of_reservation(reservation);
        // Who is told late has as long as who is told at once.
        let told_at = seen.changed_at.0.max(self.reservations.now());
        let collect_by = store.collect_by(&reservation.channel, told_at);
        let command = Command::Observe {
            observed: wire::observed(seen),
            collect_by,
        };
        self.carry_out(reservation, command).await
    }

    /// The reservation as the ERP has it; asked for there where the ERP has nothing of it, be it that it was restored.
    async fn placed(&self, taken: Taken) -> Result<Taken, CarryError> {
        if taken.transfer.is_some() {
            let key = wire::key(&taken.reservation);
            if let Some(seen) = self.erp.find_transfer(&key).await? {
                return self.observe(&taken.reservation, seen).await;
            }
            let number = &taken.reservation.number;
            warn!(reservation.number = %number, "the erp has lost the transfer request of reservation {number}");
        }
        match taken.phase {
            Phase::Requested => self.place(taken).await,
            Phase::Posted | Phase::PickedUp | Phase::Cancelled(_) | Phase::Expired => Ok(taken),
        }
    }

    async fn place(&self, taken: Taken) -> Result<Taken, CarryError> {
        let reservation = &taken.reservation;
        let Some(warehouse) = self.warehouses.of(&reservation.store).await? else {
            return self.refused(reservation, NO_WAREHOUSE).await;
        };
        let transfer = wire::new_transfer(&taken, warehouse);
        match self.erp.request_transfer(&transfer).await {
            Ok(placed) => self.observe(reservation, placed.transfer).await,
            Err(ErpError::Refused { code, .. }) => self.refused(reservation, &code).await,
            Err(ErpError::Contradiction { .. }) => {
                let number = &reservation.number;
                error!(
                    reservation.number = %number,
                    "the erp has another transfer request under the number of reservation {number}: was a database restored, or is another system here?"
                );
                self.refused(reservation, OTHER_CONTENT).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn carry_out(
        &self,
        reservation: &Reservation,
        command: Command,
    ) -> Result<Taken, CarryError> {
        let (stream, actor) = (reservation.stream(), Actor::service());
        Ok(self
            .reservations
            .carry_out(&stream, command, &actor)
            .await?)
    }

    async fn refused(&self, reservation: &Reservation, code: &str) -> Result<Taken, CarryError> {
        let number = &reservation.number;
        info!(reservation.number = %number, code, "the erp refuses reservation {number}, it is cancelled");
        let command = Command::RefusedByErp {
            code: code.to_owned(),
        };
        self.carry_out(reservation, command).await
    }

    /// What has ended here ends there too: nobody looks for it any more, or what was put aside goes back to the store.
    async fn take_back(&self, taken: Taken) -> Result<Taken, CarryError> {
        let key = wire::key(&taken.reservation);
        let Some(seen) = self.erp.find_transfer(&key).await? else {
            return self.gone(taken).await;
        };
        let seen = match seen.state {
            erp::TransferState::Open => match self.erp.cancel_transfer(&key).await {
                // Somebody put it aside at this moment.
                Err(ErpError::Refused { .. }) => self.erp.return_transfer(&key).await?,
                cancelled => cancelled?,
            },
            erp::TransferState::Posted => self.erp.return_transfer(&key).await?,
            erp::TransferState::Cancelled | erp::TransferState::Returned => seen,
        };
        self.observe(&taken.reservation, seen).await
    }

    /// The ERP never had it, or was restored to before it had: then its part is over as well.
    async fn gone(&self, taken: Taken) -> Result<Taken, CarryError> {
        let Some(known) = &taken.transfer else {
            return Ok(taken);
        };
        let number = &taken.reservation.number;
        warn!(reservation.number = %number, "the erp has lost the transfer request of reservation {number}, which has ended");
        let state = match known.state {
            TransferState::Open | TransferState::Cancelled => TransferState::Cancelled,
            TransferState::Posted | TransferState::Returned => TransferState::Returned,
        };
        let observed = Observed {
            transfer: Transfer {
                state,
                row_version: None,
                changed_at: Timestamp(self.reservations.now()),
                ..known.clone()
            },
            found: Vec::new(),
        };
        let collect_by = self
            .stores
            .of_reservation(&taken.reservation)
            .hours
            .day(self.reservations.now());
        let command = Command::Observe {
            observed,
            collect_by,
        };
        self.carry_out(&taken.reservation, command).await
    }

    /// So that the store's figure becomes right where goods were not found.
    async fn ask_to_count(&self, taken: &Taken) -> Result<(), CarryError> {
        for line in taken.not_found() {
            let Some(request) = wire::count_request(&taken.reservation, line) else {
                continue;
            };
            match self.erp.request_count(&request).await {
                Ok(_) => {}
                Err(ErpError::Refused { code, .. }) => {
                    let (number, line) = (&taken.reservation.number, line.line);
                    warn!(
                        reservation.number = %number,
                        line,
                        code,
                        "the erp does not have line {line} of reservation {number} counted"
                    );
                }
                Err(ErpError::Contradiction { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
