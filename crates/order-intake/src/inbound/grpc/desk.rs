//! What both services need: who may do what in which channel, and orders to look at.

use std::sync::Arc;

use millrace_contract::order::v1::OrderView;
use millrace_contract::personal::v1::Personal;
use millrace_erp_poster::Work;
use millrace_event_store::{EventLog, SealError, Sealer};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::trace::TraceContext;
use millrace_service_kit::{Ids, Shutdown, rejection};
use millrace_values::{Channel, ChannelCode, Channels, OrderNumber};
use tonic::{Request, Status};

use super::refusal;
use crate::domain::{Order, Sealed, Taken, stream};
use crate::orders::{Actor, Loaded, Orders};
use crate::read_model::{Knowledge, Listing};
use crate::wire;

/// Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub orders: Orders,
    pub log: Arc<dyn EventLog>,
    pub knowledge: Knowledge,
    pub listing: Listing,
    pub work: Work,
    pub sealer: Arc<Sealer>,
    pub channels: Arc<Channels>,
    pub ids: Ids,
    pub stopping: Shutdown,
    pub accepted: Counter,
    pub held: Counter,
}

impl Desk {
    /// The channel named in a request, if the caller may use `scope` there.
    pub fn channel(
        &self,
        caller: &Caller,
        scope: &str,
        field: &str,
        name: &str,
    ) -> Result<&Channel, Status> {
        let code = ChannelCode::parse(name)
            .map_err(|error| rejection::bad_request(field, error.to_string()))?;
        caller.may(scope, code.as_str())?;
        self.channels
            .find(&code)
            .ok_or_else(|| rejection::not_found("channel", code.as_str()))
    }

    pub fn number(field: &str, number: &str) -> Result<OrderNumber, Status> {
        OrderNumber::parse(number).map_err(|error| rejection::bad_request(field, error.to_string()))
    }

    /// Why somebody does something, in their words.
    pub fn note(note: &str) -> Result<String, Status> {
        let note = note.trim();
        if note.is_empty() {
            return Err(rejection::bad_request("note", "is missing; say why"));
        }
        if note.chars().count() > 250 || note.chars().any(char::is_control) {
            return Err(rejection::bad_request(
                "note",
                "is longer than 250 characters, or holds one that is not allowed",
            ));
        }
        Ok(note.to_owned())
    }

    pub fn actor<T>(&self, caller: &Caller, request: &Request<T>) -> Actor {
        let trace = TraceContext::of_request(request, &self.ids);
        Actor {
            name: caller.name().to_owned(),
            traceparent: Some(trace.to_string()),
            lease: None,
        }
    }

    pub async fn load(&self, channel: &Channel, number: &OrderNumber) -> Result<Loaded, Status> {
        let loaded = self
            .orders
            .load(&stream(&channel.code, number))
            .await
            .map_err(|error| refusal::away(&error))?;
        loaded.ok_or_else(|| rejection::not_found("order", number.as_str()))
    }

    pub async fn seal(&self, order: &Order, personal: &Personal) -> Result<Sealed, Status> {
        wire::seal(&self.sealer, order, personal)
            .await
            .map_err(refusal::not_sealed)
    }

    /// The buyer's data in the clear; `None` where there is none or the person was erased.
    pub async fn personal(&self, taken: &Taken) -> Result<Option<Personal>, Status> {
        let Some(sealed) = &taken.order.personal else {
            return Ok(None);
        };
        match wire::open(&self.sealer, sealed, &taken.order.stream()).await {
            Ok(personal) => Ok(Some(personal)),
            Err(SealError::Erased) => Ok(None),
            Err(error) => Err(refusal::not_sealed(error)),
        }
    }
}

pub fn shown(taken: &Taken) -> Option<OrderView> {
    Some(wire::view(taken))
}
