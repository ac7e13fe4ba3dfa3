//! Returns in the log: one stream each, loaded whole, appended to at the version they were loaded at; and with it, in the same
//! append, what returns have taken of the order, at the version that was decided on.

use std::sync::Arc;

use jiff::Timestamp;
use millrace_event_store::{
    Append, AppendError, Cause, Decider, EventLog, Expected, LeaseEpoch, NewEvent, StoreError,
    StreamAppend,
};
use millrace_service_kit::{Clock, Ids};
use thiserror::Error;
use uuid::Uuid;

use crate::domain::{
    Command, Event, Rejection, Returnable, ShopReturn, State, Submitted, Taken, Takes,
};
use crate::wire;

const PAGE: usize = 200;

/// A return as it was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub stream: String,
    pub taken: Taken,
    story: Story,
}

/// What the events of one return belong to and follow from.
#[derive(Debug, Clone)]
struct Story {
    correlation_id: Uuid,
    traceparent: Option<String>,
    last: Option<Uuid>,
}

/// What returns have taken of an order, as the log has it.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub returnable: Returnable,
    version: u64,
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
            name: "returns".to_owned(),
            traceparent: None,
            lease: None,
        }
    }
}

#[derive(Debug, Error)]
pub enum ReturnError {
    #[error(transparent)]
    Rejected(Rejection),
    /// Somebody else was quicker, with this return or another of its order: load again, decide again.
    #[error("the return, or another of its order, changed meanwhile")]
    Conflict,
    /// Another process has taken over.
    #[error("the lease is no longer held")]
    Superseded,
    #[error("the return cannot be stored as it is: {0}")]
    Unfit(#[source] AppendError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AppendError> for ReturnError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { .. } => Self::Conflict,
            AppendError::StaleLease { .. } => Self::Superseded,
            AppendError::Store(error) => Self::Store(error),
            other @ (AppendError::Malformed { .. }
            | AppendError::TooLarge { .. }
            | AppendError::Reused { .. }) => Self::Unfit(other),
        }
    }
}

#[derive(Clone)]
pub struct Returns {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl Returns {
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self { log, clock, ids }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// `None`: nobody submitted such a return.
    ///
    /// # Errors
    /// The database is away, or an event cannot be read.
    pub async fn load(&self, stream: &str) -> Result<Option<Loaded>, StoreError> {
        let mut state = State::default();
        let mut story: Option<Story> = None;
        let mut version = 0;
        loop {
            let page = self.log.read_stream(stream, version, PAGE).await?;
            for recorded in &page {
                let event = wire::read(recorded).map_err(|broken| StoreError::Corrupt {
                    number: recorded.at.number,
                    reason: broken.to_string(),
                })?;
                state = ShopReturn::evolve(state, &event);
                version = recorded.version;
                let cause = &recorded.event.cause;
                let story = story.get_or_insert_with(|| Story {
                    correlation_id: cause.correlation_id,
                    traceparent: cause.traceparent.clone(),
                    last: None,
                });
                story.last = Some(recorded.event.id);
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
            story,
        }))
    }

    /// What returns have taken of the order whose stream of it this is.
    ///
    /// # Errors
    /// The database is away, or the event cannot be read.
    pub async fn standing(&self, stream: &str) -> Result<Standing, StoreError> {
        let last = self.log.read_last(&[stream.to_owned()]).await?;
        let Some(last) = last.first() else {
            return Ok(Standing::default());
        };
        let returnable = wire::read_returnable(last).map_err(|broken| StoreError::Corrupt {
            number: last.at.number,
            reason: broken.to_string(),
        })?;
        Ok(Standing {
            returnable,
            version: last.version,
        })
    }

    /// Takes a new return in one append. `standing`: what its verdict was made of. `None`: there is a return of this number.
    ///
    /// # Errors
    /// [`ReturnError::Conflict`] when another return of the order was quicker.
    pub async fn submit(
        &self,
        submitted: Submitted,
        standing: Standing,
        actor: &Actor,
    ) -> Result<Option<Taken>, ReturnError> {
        let stream = submitted.goods.stream();
        let state = State::default();
        let events = ShopReturn::decide(&state, Command::Submit(submitted))
            .map_err(ReturnError::Rejected)?;
        let story = Story {
            correlation_id: self.id(),
            traceparent: actor.traceparent.clone(),
            last: None,
        };
        let loaded = Written {
            stream: &stream,
            version: 0,
            before: Takes::default(),
            story: &story,
        };
        let after = events.iter().fold(state, ShopReturn::evolve);
        let Some(after) = after.0 else {
            return Ok(None);
        };
        let append = self.append_of(&loaded, &events, &after, standing, actor);
        match self.log.append(append).await {
            Ok(_) => Ok(Some(*after)),
            Err(AppendError::Conflict {
                stream: conflicting,
                ..
            }) if conflicting == stream => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Carries out one command on the return as it was loaded; the return after it. `standing`: what a verdict in the command was
    /// made of; `None` where there is none in it.
    ///
    /// # Errors
    /// [`ReturnError::Conflict`] when it, or what is taken of its order, changed since.
    pub async fn carry_out(
        &self,
        loaded: Loaded,
        standing: Option<Standing>,
        command: Command,
        actor: &Actor,
    ) -> Result<Taken, ReturnError> {
        let Loaded {
            stream,
            taken,
            story,
        } = loaded;
        let written = Written {
            stream: &stream,
            version: taken.version,
            before: taken.takes(),
            story: &story,
        };
        let state = State(Some(Box::new(taken)));
        let events = ShopReturn::decide(&state, command).map_err(ReturnError::Rejected)?;
        let after = events.iter().fold(state, ShopReturn::evolve);
        let after = after.0.expect("a return that was loaded stays one");
        if events.is_empty() {
            return Ok(*after);
        }
        let moves = written.before != after.takes();
        let standing = match standing {
            Some(standing) => standing,
            None if moves => self.standing(&after.goods.returnable()).await?,
            None => Standing::default(),
        };
        let append = self.append_of(&written, &events, &after, standing, actor);
        self.log.append(append).await?;
        Ok(*after)
    }

    fn append_of(
        &self,
        written: &Written<'_>,
        events: &[Event],
        after: &Taken,
        standing: Standing,
        actor: &Actor,
    ) -> Append {
        let own = self.wrapped(written, events, after, actor);
        let last = own.last().map(|event| event.cause.clone());
        let mut streams = vec![StreamAppend {
            stream: written.stream.to_owned(),
            expected: Expected::Version(written.version),
            events: own,
        }];
        let takes = after.takes();
        if let Some(cause) = last
            && written.before != takes
        {
            let stream = after.goods.returnable();
            let moved = standing
                .returnable
                .moved(written.stream, &written.before, &takes);
            let payload = wire::write_returnable(&moved, written.stream);
            let event = NewEvent {
                id: self.id(),
                kind: wire::RETURNABLE_MOVED.to_owned(),
                key: stream.clone(),
                erp: Some(after.goods.erp.to_string()),
                channel: Some(after.goods.channel.to_string()),
                occurred_at: self.clock.now(),
                cause,
                payload: payload.into(),
                deleted: false,
            };
            streams.push(StreamAppend {
                stream,
                expected: Expected::Version(standing.version),
                events: vec![event],
            });
        }
        Append {
            streams,
            lease: actor.lease.clone(),
            ..Append::default()
        }
    }

    fn id(&self) -> Uuid {
        self.ids.uuid_at(self.clock.now())
    }

    /// Each event follows from the one before it.
    fn wrapped(
        &self,
        written: &Written<'_>,
        events: &[Event],
        after: &Taken,
        actor: &Actor,
    ) -> Vec<NewEvent> {
        let story = written.story;
        let mut causation_id = story.last;
        let mut wrapped = Vec::with_capacity(events.len());
        for event in events {
            let (kind, payload) = wire::write(event);
            let id = self.id();
            let own = actor.traceparent.clone();
            wrapped.push(NewEvent {
                id,
                kind,
                key: written.stream.to_owned(),
                erp: Some(after.goods.erp.to_string()),
                channel: Some(after.goods.channel.to_string()),
                occurred_at: wire::occurred_at(event).unwrap_or_else(|| self.clock.now()),
                cause: Cause {
                    correlation_id: story.correlation_id,
                    causation_id,
                    traceparent: own.or_else(|| story.traceparent.clone()),
                    actor: actor.name.clone(),
                },
                payload,
                deleted: false,
            });
            causation_id = Some(id);
        }
        wrapped
    }
}

/// A return's stream as it stood before what is written now.
struct Written<'a> {
    stream: &'a str,
    version: u64,
    before: Takes,
    story: &'a Story,
}
