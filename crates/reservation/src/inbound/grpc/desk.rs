//! What the calls need: who may do what in which channel, stores, and reservations to look at.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::personal::v1::Personal;
use millrace_event_store::{Database, EventLog, SealError, Sealer, projected_up_to};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::trace::TraceContext;
use millrace_service_kit::{Ids, rejection};
use millrace_values::{
    Channel, ChannelCode, Channels, ErpCode, LocationCode, Quantity, ReservationNumber,
};
use tonic::{Request, Status};

use super::refusal;
use super::underway::Underway;
use crate::config::Stores;
use crate::domain::{Command, LineStatus, Reservation, Store, Taken, stream};
use crate::outbound::ErpSide;
use crate::read_model::{Figures, Listing, NAME, asked};
use crate::reservations::{Actor, Loaded, Reservations};
use crate::wire;

const LONGEST_NOTE: usize = 250;
/// How long rows may lag behind the log until a number is taken to be unknown.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub reservations: Reservations,
    pub figures: Figures,
    pub listing: Listing,
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    pub stores: Arc<Stores>,
    pub sealer: Arc<Sealer>,
    /// `None`: there is no ERP.
    pub erp: Option<ErpSide>,
    pub channels: Arc<Channels>,
    pub ids: Ids,
    pub underway: Underway,
    pub made: Counter,
    pub refused: Counter,
}

impl Desk {
    /// The channel named in a request, if the caller may use one of `scopes` there.
    pub fn channel(
        &self,
        caller: &Caller,
        scopes: &[&str],
        field: &str,
        name: &str,
    ) -> Result<&Channel, Status> {
        let code = ChannelCode::parse(name)
            .map_err(|error| rejection::bad_request(field, error.to_string()))?;
        let mut refused = None;
        for scope in scopes {
            match caller.may(scope, code.as_str()) {
                Ok(()) => {
                    return self
                        .channels
                        .find(&code)
                        .ok_or_else(|| rejection::not_found("channel", code.as_str()));
                }
                Err(status) => refused = refused.or(Some(status)),
            }
        }
        Err(refused.unwrap_or_else(|| rejection::denied("MISSING_SCOPE", "no scope allows it")))
    }

    pub fn store(&self, channel: &Channel, location: &LocationCode) -> Result<&Store, Status> {
        self.stores
            .of(&channel.code, location)
            .ok_or_else(|| rejection::not_found("store", location.as_str()))
    }

    pub fn actor<T>(&self, caller: &Caller, request: &Request<T>) -> Actor {
        let trace = TraceContext::of_request(request, &self.ids);
        Actor {
            name: caller.name().to_owned(),
            traceparent: Some(trace.to_string()),
        }
    }

    pub async fn load(&self, channel: &Channel, number: &str) -> Result<Loaded, Status> {
        let number = number_of("reservation_number", number)?;
        let loaded = self
            .reservations
            .load(&stream(&channel.code, &number))
            .await;
        loaded
            .map_err(|error| refusal::away(&error))?
            .ok_or_else(|| rejection::not_found("reservation", number.as_str()))
    }

    /// The items that lines stand for, looked up `anew` or as they were known last.
    pub async fn lines(
        &self,
        reservation: &Reservation,
        anew: bool,
    ) -> Result<Vec<LineStatus>, Status> {
        let keys: Vec<String> = reservation
            .lines
            .iter()
            .map(|line| asked(&reservation.erp, &line.item, line.variant.as_ref()))
            .collect();
        let things = self.figures.things(&keys, anew).await;
        let things = things.map_err(|error| refusal::away(&error))?;
        let lines = reservation.lines.iter().zip(&keys).map(|(line, key)| {
            let thing = things.get(key).ok_or_else(|| {
                rejection::precondition(
                    "UNKNOWN_ITEM",
                    format!("line {}: nobody knows item {}", line.number, line.item),
                )
            })?;
            Ok(LineStatus {
                line: line.number,
                requested: line.quantity,
                unit: thing.unit.clone(),
                found: Quantity::ZERO,
                cancelled: Quantity::ZERO,
                picked_up: Quantity::ZERO,
                returned: Quantity::ZERO,
                short: Quantity::ZERO,
                item: thing.item,
                variant: line.variant.clone(),
            })
        });
        lines.collect()
    }

    pub async fn contact(&self, taken: &Taken) -> Result<Option<Personal>, Status> {
        let Some(sealed) = &taken.reservation.contact else {
            return Ok(None);
        };
        match wire::open(&self.sealer, sealed, &taken.reservation.stream()).await {
            Ok(contact) => Ok(Some(contact)),
            Err(SealError::Erased) => Ok(None),
            Err(error) => Err(refusal::not_sealed(error)),
        }
    }

    /// The reservation whose goods were put aside under this number, also if that was a moment ago.
    pub async fn with_document(
        &self,
        channel: &Channel,
        store: &LocationCode,
        document: &str,
    ) -> Result<String, Status> {
        let find = || self.listing.with_document(&channel.code, store, document);
        let away = |error| refusal::away(&error);
        if let Some(stream) = find().await.map_err(away)? {
            return Ok(stream);
        }
        let head = self.log.head().await.map_err(away)?;
        projected_up_to(&self.database, NAME, head, CATCHING_UP)
            .await
            .map_err(away)?;
        let found = find().await.map_err(away)?;
        found.ok_or_else(|| rejection::not_found("reservation", document))
    }

    /// The ERP's side of it, if the ERP has a part in reservations of this company.
    pub async fn erp_side(&self, erp: &ErpCode) -> Result<Option<&ErpSide>, Status> {
        let Some(side) = &self.erp else {
            return Ok(None);
        };
        match side.has_part_in(erp).await {
            Ok(has_part) => Ok(has_part.then_some(side)),
            Err(error) => Err(refusal::erp(&error)),
        }
    }

    /// Carries out a command on one reservation.
    pub async fn carry_out(
        &self,
        channel: &Channel,
        number: &str,
        command: Command,
        actor: &Actor,
    ) -> Result<Taken, Status> {
        let number = number_of("reservation_number", number)?;
        self.reservations
            .carry_out(&stream(&channel.code, &number), command, actor)
            .await
            .map_err(|error| refusal::failed(error, number.as_str()))
    }
}

pub fn number_of(field: &str, number: &str) -> Result<ReservationNumber, Status> {
    ReservationNumber::parse(number)
        .map_err(|error| rejection::bad_request(field, error.to_string()))
}

pub fn location_of(store: &str) -> Result<LocationCode, Status> {
    LocationCode::parse(store).map_err(|error| rejection::bad_request("store", error.to_string()))
}

pub fn note_of(note: &str) -> Result<String, Status> {
    let note = note.trim();
    if note.chars().count() > LONGEST_NOTE || note.chars().any(char::is_control) {
        let why =
            format!("is longer than {LONGEST_NOTE} characters, or holds one that is not allowed");
        return Err(rejection::bad_request("note", why));
    }
    Ok(note.to_owned())
}
