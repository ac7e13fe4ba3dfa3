//! `changes.v1.ChangeFeedService`: a shop reads its own feed, and no other's.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use millrace_contract::changes::v1 as contract;
use millrace_contract::changes::v1::change_feed_service_server::ChangeFeedService;
use millrace_contract::changes::v1::start::At;
use millrace_event_bus::topics;
use millrace_event_store::{Database, EventLog, StoreError};
use millrace_service_kit::auth::Caller;
use millrace_service_kit::rejection::{bad_request, not_found, precondition, unavailable};
use millrace_service_kit::{Clock, Shutdown};
use millrace_values::ChannelCode;
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tracing::error;

use crate::inbound::doorbells::wire;
use crate::inbound::kinds::{Catalogue, Chosen};
use crate::inbound::reader::Reader;
use crate::inbound::subscribe::Subscription;
use crate::inbound::token::{Place, Token};
use crate::read_model;

const SCOPE: &str = "feed:read";
const DEFAULT_PULL: u32 = 100;
const LARGEST_PULL: u32 = 1_000;
const LONGEST_WAIT: u32 = 30;
/// Payload bytes of one answer, well below what clients accept.
const PULL_BYTES: usize = 2 << 20;
/// Lags up to this are counted exactly.
const COUNTED: u64 = 1_000;

/// One channel's feed as readers see it.
#[derive(Clone)]
pub(crate) struct Feed {
    pub database: Database,
    pub log: Arc<dyn EventLog>,
}

/// One named consumer.
pub(crate) struct Standing {
    pub known: read_model::Acknowledged,
    /// `None`: it has to begin again.
    pub behind: Option<u64>,
}

#[derive(Clone)]
pub struct ChangeFeedApi {
    pub(crate) feeds: Arc<HashMap<ChannelCode, Feed>>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Ends waits and streams when the process stops.
    pub(crate) shutdown: Shutdown,
}

#[tonic::async_trait]
impl ChangeFeedService for ChangeFeedApi {
    async fn pull(
        &self,
        request: Request<contract::PullRequest>,
    ) -> Result<Response<contract::PullResponse>, Status> {
        let feed = self.feed(&request, &request.get_ref().channel)?;
        let request = request.into_inner();
        let limit = match request.max_changes {
            0 => DEFAULT_PULL,
            asked @ 1..=LARGEST_PULL => asked,
            _ => {
                return Err(bad_request(
                    "max_changes",
                    format!("at most {LARGEST_PULL}"),
                ));
            }
        };
        if request.wait_seconds > LONGEST_WAIT {
            return Err(bad_request(
                "wait_seconds",
                format!("at most {LONGEST_WAIT}"),
            ));
        }
        let chosen = self.chosen(&request.kinds)?;
        let place = feed.place(&request.consumer, request.start).await?;
        let mut reader = Reader::new(feed.log.clone(), chosen, place);
        let deadline = Instant::now() + Duration::from_secs(request.wait_seconds.into());
        let mut moved = feed.log.moved();
        loop {
            moved.borrow_and_update();
            let page = reader
                .page(limit as usize, PULL_BYTES)
                .await
                .map_err(away)?;
            if page.changes.is_empty() && page.more {
                continue;
            }
            if page.changes.is_empty() && Instant::now() < deadline {
                tokio::select! {
                    moved = moved.changed() => if moved.is_ok() { continue },
                    () = tokio::time::sleep_until(deadline) => {}
                    () = self.shutdown.cancelled() => {}
                }
            }
            return Ok(Response::new(contract::PullResponse {
                changes: page.changes,
                next_token: reader.token(),
                caught_up: !page.more,
            }));
        }
    }

    type SubscribeStream =
        Pin<Box<dyn Stream<Item = Result<contract::SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<contract::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let feed = self.feed(&request, &request.get_ref().channel)?;
        let request = request.into_inner();
        let chosen = self.chosen(&request.kinds)?;
        let moved = feed.log.moved();
        let place = feed.place(&request.consumer, request.start).await?;
        let head = feed.log.head().await.map_err(away)?;
        let reader = Reader::new(feed.log.clone(), chosen, place);
        let subscription = Subscription::new(reader, moved, head, self.shutdown.clone());
        Ok(Response::new(Box::pin(subscription.into_stream())))
    }

    async fn acknowledge(
        &self,
        request: Request<contract::AcknowledgeRequest>,
    ) -> Result<Response<contract::AcknowledgeResponse>, Status> {
        let feed = self.feed(&request, &request.get_ref().channel)?;
        let request = request.into_inner();
        let consumer = consumer(&request.consumer)?;
        let place = feed.place_of(&request.token, "token").await?;
        let now = self.clock.now();
        read_model::acknowledge(&feed.database, consumer, &request.token, now)
            .await
            .map_err(away)?;
        Ok(Response::new(contract::AcknowledgeResponse {
            behind: feed.behind(place).await.map_err(away)?,
        }))
    }

    async fn list_consumers(
        &self,
        request: Request<contract::ListConsumersRequest>,
    ) -> Result<Response<contract::ListConsumersResponse>, Status> {
        let feed = self.feed(&request, &request.get_ref().channel)?;
        let standings = feed.standings().await.map_err(away)?;
        let consumers = standings
            .into_iter()
            .map(|standing| contract::FeedConsumer {
                name: standing.known.name,
                token: standing.known.token,
                acknowledged_at: Some(wire(standing.known.at)),
                behind: standing.behind.unwrap_or_default(),
                resync_needed: standing.behind.is_none(),
            });
        Ok(Response::new(contract::ListConsumersResponse {
            consumers: consumers.collect(),
        }))
    }
}

impl ChangeFeedApi {
    /// The channel's feed, if the caller may read it.
    fn feed<T>(&self, request: &Request<T>, code: &str) -> Result<&Feed, Status> {
        let caller = Caller::of(request)?;
        let parsed =
            ChannelCode::parse(code).map_err(|error| bad_request("channel", error.to_string()))?;
        caller.may(SCOPE, parsed.as_str())?;
        self.feeds
            .get(&parsed)
            .ok_or_else(|| not_found("channel", code))
    }

    fn chosen(&self, kinds: &[String]) -> Result<Chosen, Status> {
        self.catalogue
            .choose(kinds)
            .map_err(|error| bad_request("kinds", error.to_string()))
    }
}

impl Feed {
    /// Where a reader begins.
    async fn place(&self, name: &str, start: Option<contract::Start>) -> Result<Place, Status> {
        let name = consumer(name)?;
        match start.and_then(|start| start.at) {
            Some(At::AfterToken(token)) => self.place_of(&token, "start.after_token").await,
            Some(At::Beginning(_)) => Ok(Place::Live { position: 0 }),
            Some(At::Snapshot(_)) => self.snapshot().await,
            Some(At::Acknowledged(_)) | None => {
                match read_model::acknowledged(&self.database, name)
                    .await
                    .map_err(away)?
                {
                    Some(token) => self.place_of(&token, "start.acknowledged").await,
                    None => self.snapshot().await,
                }
            }
        }
    }

    async fn snapshot(&self) -> Result<Place, Status> {
        Ok(Place::Snapshot {
            up_to: self.log.head().await.map_err(away)?,
            after: 0,
        })
    }

    /// The place a token names, if it is one of this feed as it is now.
    async fn place_of(&self, token: &str, field: &str) -> Result<Place, Status> {
        let token = Token::read(token).map_err(|error| bad_request(field, error.to_string()))?;
        if token.log != self.log.name() || token.shard != 0 {
            return Err(bad_request(field, "this token belongs to another feed"));
        }
        let head = self.log.head().await.map_err(away)?;
        if token.epoch != self.log.epoch() || token.place.read_up_to() > head {
            return Err(precondition(
                "RESYNC_NEEDED",
                "the feed was rebuilt since this token was given; begin with the snapshot",
            ));
        }
        Ok(token.place)
    }

    /// How far its named consumers have come.
    pub(crate) async fn standings(&self) -> Result<Vec<Standing>, StoreError> {
        let head = self.log.head().await?;
        let mut standings = Vec::new();
        for known in read_model::consumers(&self.database).await? {
            let behind = match self.place_in(&known.token, head) {
                Some(place) => Some(self.behind(place).await?),
                None => None,
            };
            standings.push(Standing { known, behind });
        }
        Ok(standings)
    }

    /// `None`: the token is of another incarnation of this feed.
    fn place_in(&self, token: &str, head: u64) -> Option<Place> {
        let token = Token::read(token).ok()?;
        let ours = token.log == self.log.name() && token.epoch == self.log.epoch();
        (ours && token.place.read_up_to() <= head).then_some(token.place)
    }

    /// Changes a reader at `place` has not seen yet.
    async fn behind(&self, place: Place) -> Result<u64, StoreError> {
        let position = match place {
            Place::Live { position } => position,
            Place::Snapshot { after, .. } => after,
        };
        let most = self.log.head().await?.saturating_sub(position);
        if most == 0 || most > COUNTED {
            return Ok(most);
        }
        // The log also holds what concerns nobody but itself.
        let events = self.log.read_feed(position, COUNTED as usize).await?;
        let told = events
            .iter()
            .filter(|event| topics::of_kind(&event.event.kind).is_some());
        Ok(told.count() as u64)
    }
}

/// 1 to 64 of a-z, 0-9, "-".
fn consumer(name: &str) -> Result<&str, Status> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err(bad_request("consumer", "1 to 64 of a-z, 0-9 and -"));
    }
    Ok(name)
}

pub(crate) fn away(error: StoreError) -> Status {
    error!(
        error = &error as &dyn std::error::Error,
        "a feed cannot be read"
    );
    unavailable("database", "the feed cannot be read now, try again")
}
