//! What both services need: who may do what in which channel, and returns to look at.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::returns::v1::{Remarks, ReturnView};
use millrace_erp::Erp;
use millrace_erp_poster::{Claim, Work};
use millrace_event_store::{SealError, Sealer};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::metrics::Counter;
use millrace_service_kit::trace::TraceContext;
use millrace_service_kit::{Ids, rejection};
use millrace_values::{Channel, ChannelCode, Channels, ReturnNumber};
use tonic::{Request, Status};
use tracing::warn;

use super::{TRIES, refusal};
use crate::domain::{Command, Return, Sealed, Taken, stream};
use crate::judge::Judge;
use crate::read_model::Listing;
use crate::returns::{Actor, Loaded, ReturnError};
use crate::wire;

const LONGEST_TEXT: usize = 250;

/// Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub judge: Judge,
    pub erp: Arc<dyn Erp>,
    pub listing: Listing,
    pub work: Work,
    pub sealer: Arc<Sealer>,
    pub channels: Arc<Channels>,
    pub ids: Ids,
    pub taken: Counter,
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

    pub fn actor<T>(&self, caller: &Caller, request: &Request<T>) -> Actor {
        let trace = TraceContext::of_request(request, &self.ids);
        Actor {
            name: caller.name().to_owned(),
            traceparent: Some(trace.to_string()),
            lease: None,
        }
    }

    pub async fn load(&self, channel: &Channel, number: &ReturnNumber) -> Result<Loaded, Status> {
        let loaded = self
            .judge
            .returns
            .load(&stream(&channel.code, number))
            .await
            .map_err(|error| refusal::away(&error))?;
        loaded.ok_or_else(|| rejection::not_found("return", number.as_str()))
    }

    /// Carries out a command that needs no verdict, on the return as it stands.
    pub async fn carry_out(
        &self,
        channel: &Channel,
        number: &ReturnNumber,
        command: &Command,
        actor: &Actor,
    ) -> Result<Taken, Status> {
        for _ in 0..TRIES {
            let loaded = self.load(channel, number).await?;
            let returns = &self.judge.returns;
            match returns
                .carry_out(loaded, None, command.clone(), actor)
                .await
            {
                Err(ReturnError::Conflict) => {}
                outcome => return outcome.map_err(|error| refusal::failed(error, number.as_str())),
            }
        }
        Err(refusal::changed())
    }

    /// So that nobody hands it over meanwhile; `None`: somebody is just at it.
    pub async fn claim(&self, loaded: &Loaded) -> Result<Option<Claim>, Status> {
        let channel = loaded.taken.goods.channel.as_str();
        let claim = self.work.take_one(channel, &loaded.stream).await;
        claim.map_err(|error| refusal::away(&error))
    }

    /// Whoever looks next finds it as it is then. A claim that cannot be given back expires.
    pub async fn let_go(&self, claim: &Claim) {
        let put_off = self.work.put_off(claim, Duration::ZERO, &claim.trouble);
        if let Err(error) = put_off.await {
            let cause = &error as &dyn std::error::Error;
            warn!(error = cause, "a claim could not be given back");
        }
    }

    pub async fn seal(&self, goods: &Return, remarks: &Remarks) -> Result<Sealed, Status> {
        wire::seal(&self.sealer, goods, remarks)
            .await
            .map_err(refusal::not_sealed)
    }

    /// Comments and photos in the clear; `None` where there are none or the person was erased.
    pub async fn remarks(&self, taken: &Taken) -> Result<Option<Remarks>, Status> {
        let Some(sealed) = &taken.goods.remarks else {
            return Ok(None);
        };
        match wire::open(&self.sealer, sealed, &taken.goods.stream()).await {
            Ok(remarks) => Ok(Some(remarks)),
            Err(SealError::Erased) => Ok(None),
            Err(error) => Err(refusal::not_sealed(error)),
        }
    }
}

pub fn number_of(field: &str, number: &str) -> Result<ReturnNumber, Status> {
    ReturnNumber::parse(number).map_err(|error| rejection::bad_request(field, error.to_string()))
}

/// What somebody says, in his words; may be empty.
pub fn text_of(field: &str, text: &str) -> Result<String, Status> {
    let text = text.trim();
    if text.chars().count() > LONGEST_TEXT || text.chars().any(char::is_control) {
        let why =
            format!("is longer than {LONGEST_TEXT} characters, or holds one that is not allowed");
        return Err(rejection::bad_request(field, why));
    }
    Ok(text.to_owned())
}

/// As [`text_of`], and must be said.
pub fn needed_text_of(field: &str, text: &str) -> Result<String, Status> {
    let text = text_of(field, text)?;
    if text.is_empty() {
        return Err(rejection::bad_request(field, "is missing; say why"));
    }
    Ok(text)
}

pub fn shown(taken: &Taken) -> Option<ReturnView> {
    Some(wire::view(taken))
}
