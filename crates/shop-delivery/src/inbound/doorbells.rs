//! `changes.v1.DoorbellService`: what an operator sees of a channel's doorbells, and does with them. What is decided is said in
//! the feed; the process that rings reads it there.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use millrace_contract::changes::v1 as contract;
use millrace_contract::changes::v1::doorbell_service_server::DoorbellService;
use millrace_contract::doorbells::v1::{
    ChannelOpened, DoorbellReplayAsked, DoorbellSwitchedOff, DoorbellSwitchedOn, OffReason,
};
use millrace_doorbell::Answer;
use millrace_event_store::{Append, AppendError, Expected, StoreError};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::rejection::{bad_request, broken, exhausted, not_found, precondition};
use millrace_service_kit::trace::TraceContext;
use millrace_service_kit::{Clock, Ids};
use millrace_values::ChannelCode;
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tracing::{error, info};

use crate::doorbells::{
    Doorbell, OfChannel, Said, opened, opening_stream, said, stream, test_message,
};
use crate::inbound::bell_status::status;
use crate::inbound::grpc::{Feed, away};
use crate::read_model;

const SCOPE: &str = "doorbell:admin";
const LONGEST_NOTE: usize = 200;
/// Replays that wait at once.
const REPLAYS: usize = 100;

#[derive(Clone)]
pub struct DoorbellApi {
    pub(crate) channels: Arc<HashMap<ChannelCode, Desk>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
}

/// One channel's feed and doorbells.
#[derive(Clone)]
pub(crate) struct Desk {
    pub channel: ChannelCode,
    pub feed: Feed,
    pub doorbells: Arc<OfChannel>,
}

/// Who acts, in which trace.
struct Act {
    actor: String,
    trace: TraceContext,
}

#[tonic::async_trait]
impl DoorbellService for DoorbellApi {
    async fn list_doorbells(
        &self,
        request: Request<contract::ListDoorbellsRequest>,
    ) -> Result<Response<contract::ListDoorbellsResponse>, Status> {
        let desk = self.desk(&request, &request.get_ref().channel)?;
        let opened = desk.opened().await?;
        let now = self.clock.now();
        let mut doorbells = Vec::new();
        for doorbell in desk.doorbells.bells.values() {
            let status = status(desk, doorbell, opened.is_some(), now).await;
            doorbells.push(status.map_err(away)?);
        }
        Ok(Response::new(contract::ListDoorbellsResponse {
            doorbells,
            opened_at: opened.map(|(_, at)| wire(at)),
            staging: desk.doorbells.staging,
        }))
    }

    async fn test_doorbell(
        &self,
        request: Request<contract::TestDoorbellRequest>,
    ) -> Result<Response<contract::TestDoorbellResponse>, Status> {
        let desk = self.desk(&request, &request.get_ref().channel)?;
        let doorbell = desk.doorbell(&request.get_ref().doorbell)?;
        desk.has_a_shop()?;
        let log = &*desk.feed.log;
        let head = log.head().await.map_err(away)?;
        let now = self.clock.now();
        let id = self.ids.uuid_at(now);
        let message = test_message(log, &desk.channel, doorbell, head, id, now);
        let began = Instant::now();
        let answer = doorbell.endpoint.ring(&message, now).await;
        let took = prost_types::Duration::try_from(began.elapsed()).ok();
        let failure = match answer {
            Answer::Taken => String::new(),
            Answer::Gone => "answered 410".to_owned(),
            Answer::Failed { reason, .. } => reason,
        };
        Ok(Response::new(contract::TestDoorbellResponse {
            taken: failure.is_empty(),
            failure,
            webhook_id: message.id,
            took,
        }))
    }

    async fn replay_doorbell(
        &self,
        request: Request<contract::ReplayDoorbellRequest>,
    ) -> Result<Response<contract::ReplayDoorbellResponse>, Status> {
        let desk = self.desk(&request, &request.get_ref().channel)?;
        let act = self.act(&request)?;
        let request = request.into_inner();
        let doorbell = desk.doorbell(&request.doorbell)?;
        let (first, last) = (request.first_position, request.last_position);
        let last = if last == 0 { first } else { last };
        let head = desk.feed.log.head().await.map_err(away)?;
        if first == 0 || first > head {
            return Err(bad_request("first_position", format!("1 to {head}")));
        }
        if last < first || last > head {
            return Err(bad_request("last_position", format!("{first} to {head}")));
        }
        desk.has_a_shop()?;
        if desk.opened().await?.is_none() {
            return Err(precondition(
                "NOT_OPEN",
                format!("channel {} is not open: nothing was rung yet", desk.channel),
            ));
        }
        let database = &desk.feed.database;
        let waiting = read_model::load_replays(database, &doorbell.name).await;
        if waiting.map_err(away)?.len() >= REPLAYS {
            let minute = std::time::Duration::from_secs(60);
            let why = format!("{REPLAYS} replays of {} wait already", doorbell.name);
            return Err(exhausted("REPLAYS", why, minute));
        }
        let asked = Said::Replay(DoorbellReplayAsked {
            doorbell: doorbell.name.clone(),
            first_position: first,
            last_position: last,
        });
        self.say_of(desk, doorbell, asked, &act).await?;
        Ok(Response::new(contract::ReplayDoorbellResponse {
            positions: last - first + 1,
        }))
    }

    async fn switch_doorbell(
        &self,
        request: Request<contract::SwitchDoorbellRequest>,
    ) -> Result<Response<contract::SwitchDoorbellResponse>, Status> {
        let desk = self.desk(&request, &request.get_ref().channel)?;
        let act = self.act(&request)?;
        let request = request.into_inner();
        let doorbell = desk.doorbell(&request.doorbell)?;
        if request.pass_over && !request.on {
            return Err(bad_request("pass_over", "goes with on"));
        }
        let needed = request.pass_over || !request.on;
        let note = note(&request.note, needed)?;
        let what = match request.on {
            true => Said::On(DoorbellSwitchedOn {
                doorbell: doorbell.name.clone(),
                passed_over: request.pass_over,
                note,
            }),
            false => Said::Off(DoorbellSwitchedOff {
                doorbell: doorbell.name.clone(),
                reason: OffReason::Operator.into(),
                note,
            }),
        };
        self.say_of(desk, doorbell, what, &act).await?;
        let (channel, name) = (&desk.channel, &doorbell.name);
        let way = if request.on { "on" } else { "off" };
        info!(channel = %channel, doorbell = name, actor = act.actor, "doorbell {name} of channel {channel} was switched {way}");
        Ok(Response::new(contract::SwitchDoorbellResponse {}))
    }

    async fn open_channel(
        &self,
        request: Request<contract::OpenChannelRequest>,
    ) -> Result<Response<contract::OpenChannelResponse>, Status> {
        let desk = self.desk(&request, &request.get_ref().channel)?;
        let act = self.act(&request)?;
        desk.has_a_shop()?;
        if desk.opened().await?.is_none() {
            let channel = &desk.channel;
            let what = Said::Opened(ChannelOpened {
                channel: channel.to_string(),
            });
            // Somebody else may be opening it, too: one of the two does.
            let first = Expected::Version(0);
            self.say(desk, &opening_stream(channel), first, what, &act)
                .await?;
            info!(channel = %channel, actor = act.actor, "channel {channel} is open: its doorbells ring");
        }
        let (position, at) = desk.opened().await?.unwrap_or_default();
        Ok(Response::new(contract::OpenChannelResponse {
            opened_at: Some(wire(at)),
            position,
        }))
    }
}

impl DoorbellApi {
    /// The channel's doorbells, if the caller may see to them.
    fn desk<T>(&self, request: &Request<T>, code: &str) -> Result<&Desk, Status> {
        let caller = Caller::of(request)?;
        let parsed =
            ChannelCode::parse(code).map_err(|error| bad_request("channel", error.to_string()))?;
        caller.may(SCOPE, parsed.as_str())?;
        self.channels
            .get(&parsed)
            .ok_or_else(|| not_found("channel", code))
    }

    fn act<T>(&self, request: &Request<T>) -> Result<Act, Status> {
        Ok(Act {
            actor: Caller::of(request)?.name().to_owned(),
            trace: TraceContext::of_request(request, &self.ids),
        })
    }

    async fn say_of(
        &self,
        desk: &Desk,
        doorbell: &Doorbell,
        what: Said,
        act: &Act,
    ) -> Result<(), Status> {
        let stream = stream(&desk.channel, &doorbell.name);
        self.say(desk, &stream, Expected::Any, what, act).await
    }

    /// Durable once answered.
    async fn say(
        &self,
        desk: &Desk,
        stream: &str,
        expected: Expected,
        what: Said,
        act: &Act,
    ) -> Result<(), Status> {
        let now = self.clock.now();
        let (id, trace) = (self.ids.uuid_at(now), Some(act.trace));
        let event = said(&what, &desk.channel, stream, id, now, &act.actor, trace);
        let append = Append::to(stream, expected, vec![event]);
        match desk.feed.log.append(append).await {
            // Said already, by somebody else at this moment.
            Ok(_) | Err(AppendError::Conflict { .. }) => Ok(()),
            Err(AppendError::Store(error)) => Err(away(error)),
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                error!(
                    error = cause,
                    "what was said of a doorbell cannot be stored"
                );
                Err(broken("NOT_STORED", "this cannot be stored"))
            }
        }
    }
}

impl Desk {
    fn doorbell(&self, name: &str) -> Result<&Arc<Doorbell>, Status> {
        let found = self.doorbells.bells.get(name);
        found.ok_or_else(|| not_found("doorbell", name))
    }

    fn has_a_shop(&self) -> Result<(), Status> {
        if !self.doorbells.staging {
            return Ok(());
        }
        let channel = &self.channel;
        Err(precondition(
            "STAGING_CHANNEL",
            format!("channel {channel} is a staging channel: its doorbells never ring"),
        ))
    }

    async fn opened(&self) -> Result<Option<(u64, Timestamp)>, Status> {
        let opened: Result<_, StoreError> = opened(&self.feed.log, &self.channel).await;
        opened.map_err(away)
    }
}

fn note(text: &str, needed: bool) -> Result<String, Status> {
    let text = text.trim();
    if needed && text.is_empty() {
        return Err(bad_request("note", "say why"));
    }
    if text.chars().count() > LONGEST_NOTE || text.chars().any(char::is_control) {
        let why = format!("one line of at most {LONGEST_NOTE} characters");
        return Err(bad_request("note", why));
    }
    Ok(text.to_owned())
}

pub(super) fn wire(at: Timestamp) -> prost_types::Timestamp {
    millrace_values::Timestamp(at).into()
}
