//! Orders in the log: one stream each, loaded whole, appended to at the version they were loaded at.
//!
//! Beside the store's own `Streams` for two reasons: a new order is appended without reading first, and every event carries
//! the channel and ERP of its order, which an event alone does not know.

use std::sync::Arc;

use jiff::Timestamp;
use millrace_event_store::{
    Append, AppendError, Cause, Decider, EventLog, Expected, LeaseEpoch, NewEvent, StoreError,
};
use millrace_service_kit::{Clock, Ids};
use millrace_values::{ChannelCode, ErpCode};
use thiserror::Error;
use uuid::Uuid;

use crate::domain::{Command, Event, Order, Rejection, ShopOrder, State, Submitted, Taken};
use crate::wire;

const PAGE: usize = 200;

/// An order as it was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub stream: String,
    pub taken: Taken,
    /// When it passed the checks the last time.
    pub cleared_at: Option<millrace_values::Timestamp>,
    /// What its events belong to and follow from.
    story: Story,
}

impl Loaded {
    /// The trace the order came with.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.story.traceparent.as_deref()
    }
}

#[derive(Debug, Clone)]
struct Story {
    correlation_id: Uuid,
    traceparent: Option<String>,
    last: Uuid,
}

/// What all events of one append have in common.
struct Envelope<'a> {
    stream: &'a str,
    channel: &'a ChannelCode,
    erp: &'a ErpCode,
    story: &'a Story,
    actor: &'a Actor,
}

/// Who acts, and under which lease.
#[derive(Debug, Clone)]
pub struct Actor {
    pub name: String,
    pub traceparent: Option<String>,
    pub lease: Option<LeaseEpoch>,
}

impl Actor {
    /// The service itself.
    #[must_use]
    pub fn service() -> Self {
        Self {
            name: "order-intake".to_owned(),
            traceparent: None,
            lease: None,
        }
    }
}

#[derive(Debug, Error)]
pub enum OrderError {
    #[error(transparent)]
    Rejected(Rejection),
    /// Somebody else was quicker: load again.
    #[error("the order changed meanwhile")]
    Conflict,
    /// Another process has taken over.
    #[error("the lease is no longer held")]
    Superseded,
    #[error("the order cannot be stored as it is: {0}")]
    Unfit(#[source] AppendError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AppendError> for OrderError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { .. } => Self::Conflict,
            AppendError::StaleLease { .. } => Self::Superseded,
            AppendError::Store(error) => Self::Store(error),
            other => Self::Unfit(other),
        }
    }
}

#[derive(Clone)]
pub struct Orders {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl Orders {
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self { log, clock, ids }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// `None`: nobody took such an order.
    ///
    /// # Errors
    /// The database is away, or an event cannot be read.
    pub async fn load(&self, stream: &str) -> Result<Option<Loaded>, StoreError> {
        let mut state = State::default();
        let mut story: Option<Story> = None;
        let mut cleared_at = None;
        let mut version = 0;
        loop {
            let page = self.log.read_stream(stream, version, PAGE).await?;
            for recorded in &page {
                let event = wire::read(recorded).map_err(|broken| StoreError::Corrupt {
                    number: recorded.at.number,
                    reason: broken.to_string(),
                })?;
                state = ShopOrder::evolve(state, &event);
                version = recorded.version;
                if matches!(event, Event::Cleared { .. }) {
                    cleared_at = Some(millrace_values::Timestamp(recorded.event.occurred_at));
                }
                let cause = &recorded.event.cause;
                let story = story.get_or_insert_with(|| Story {
                    correlation_id: cause.correlation_id,
                    traceparent: cause.traceparent.clone(),
                    last: recorded.event.id,
                });
                story.last = recorded.event.id;
            }
            if page.len() < PAGE {
                break;
            }
        }
        let (Some(taken), Some(story)) = (state.0, story) else {
            return Ok(None);
        };
        Ok(Some(Loaded {
            stream: stream.to_owned(),
            taken: *taken,
            cleared_at,
            story,
        }))
    }

    /// Takes a new order in one append. `None`: there is an order of this number already.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn submit(
        &self,
        submitted: Submitted,
        actor: &Actor,
    ) -> Result<Option<Taken>, OrderError> {
        let order = &submitted.order;
        let (stream, channel, erp) = (order.stream(), order.channel.clone(), order.erp.clone());
        let events = ShopOrder::decide(&State::default(), Command::Submit(submitted))
            .map_err(OrderError::Rejected)?;
        let story = Story {
            correlation_id: self.id(),
            traceparent: actor.traceparent.clone(),
            last: Uuid::nil(),
        };
        let envelope = Envelope {
            stream: &stream,
            channel: &channel,
            erp: &erp,
            story: &story,
            actor,
        };
        let append = Append {
            lease: actor.lease.clone(),
            ..Append::to(
                &*stream,
                Expected::Version(0),
                self.wrapped(&events, &envelope, None),
            )
        };
        match self.log.append(append).await {
            Ok(_) => {}
            Err(AppendError::Conflict { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let state = ShopOrder::replay(&events);
        Ok(state.0.map(|taken| *taken))
    }

    /// Carries out one command on the order as it was loaded; the order after it.
    ///
    /// # Errors
    /// [`OrderError::Conflict`] when it changed since it was loaded.
    pub async fn carry_out(
        &self,
        loaded: Loaded,
        command: Command,
        actor: &Actor,
    ) -> Result<Taken, OrderError> {
        let Loaded {
            stream,
            taken,
            cleared_at: _,
            story,
        } = loaded;
        let version = taken.version;
        let (channel, erp) = (taken.order.channel.clone(), taken.order.erp.clone());
        let state = State(Some(Box::new(taken)));
        let events = ShopOrder::decide(&state, command).map_err(OrderError::Rejected)?;
        if !events.is_empty() {
            let envelope = Envelope {
                stream: &stream,
                channel: &channel,
                erp: &erp,
                story: &story,
                actor,
            };
            let drafts = self.wrapped(&events, &envelope, Some(story.last));
            let append = Append {
                lease: actor.lease.clone(),
                ..Append::to(&*stream, Expected::Version(version), drafts)
            };
            self.log.append(append).await?;
        }
        let after = events.iter().fold(state, ShopOrder::evolve);
        Ok(*after.0.expect("an order that was loaded stays one"))
    }

    fn id(&self) -> Uuid {
        self.ids.uuid_at(self.clock.now())
    }

    /// Each event follows from the one before it.
    fn wrapped(
        &self,
        events: &[Event],
        envelope: &Envelope<'_>,
        mut causation_id: Option<Uuid>,
    ) -> Vec<NewEvent> {
        let Envelope {
            stream,
            channel,
            erp,
            story,
            actor,
        } = *envelope;
        let mut drafts = Vec::with_capacity(events.len());
        for event in events {
            let (kind, payload) = wire::write(event);
            let id = self.id();
            drafts.push(NewEvent {
                id,
                kind,
                key: stream.to_owned(),
                erp: Some(erp.to_string()),
                channel: Some(channel.to_string()),
                occurred_at: wire::occurred_at(event).unwrap_or_else(|| self.clock.now()),
                cause: Cause {
                    correlation_id: story.correlation_id,
                    causation_id,
                    traceparent: actor
                        .traceparent
                        .clone()
                        .or_else(|| story.traceparent.clone()),
                    actor: actor.name.clone(),
                },
                payload,
                deleted: false,
            });
            causation_id = Some(id);
        }
        drafts
    }
}

/// The content of an order under another order's number is another order: what a person mends keeps its place.
#[must_use]
pub fn same_place(order: &Order, other: &Order) -> bool {
    order.channel == other.channel && order.number == other.number
}
