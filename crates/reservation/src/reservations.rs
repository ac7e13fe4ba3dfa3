//! Reservations in the log: one stream each, loaded whole. What changes one goes through [`Shelves`], because it may move what
//! shelves hold, in the same append.

use std::sync::Arc;

use millrace_event_store::{Cause, Decider, EventLog, NewEvent, Recorded, StoreError};
use millrace_service_kit::{Clock, Ids};
use millrace_values::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use crate::domain::shelf::{Move, NotThere};
use crate::domain::{Command, Event, Moving, Rejection, Requested, State, StoreReservation, Taken};
use crate::shelves::{Change, ChangeError, Shelves, Wanted};
use crate::wire;

const PAGE: usize = 200;
/// How often a command is decided anew because somebody else was quicker.
const TRIES: usize = 8;

/// A reservation as it was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub stream: String,
    pub taken: Taken,
    story: Story,
}

/// What the events of one reservation belong to.
#[derive(Debug, Clone)]
struct Story {
    correlation_id: Uuid,
    traceparent: Option<String>,
    last: Uuid,
}

/// Who acts.
#[derive(Debug, Clone)]
pub struct Actor {
    pub name: String,
    pub traceparent: Option<String>,
}

impl Actor {
    /// The service itself.
    #[must_use]
    pub fn service() -> Self {
        Self {
            name: "reservation".to_owned(),
            traceparent: None,
        }
    }
}

#[derive(Debug, Error)]
pub enum ReservationError {
    #[error("rejected: {0:?}")]
    Rejected(Rejection),
    /// The shelf of this line does not hold so much.
    #[error("line {line} is not there: {why:?}")]
    NotThere { line: u32, why: NotThere },
    #[error("the reservation kept changing")]
    Conflict,
    #[error("the reservation cannot be stored as it is: {0}")]
    Unfit(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Loaded {
    /// From all events of its stream, the first one included. `None`: there are none.
    ///
    /// # Errors
    /// An event cannot be read.
    pub fn fold(stream: &str, events: &[&Recorded]) -> Result<Option<Self>, StoreError> {
        let mut state = State::default();
        for recorded in events {
            state = StoreReservation::evolve(state, &read(recorded)?);
        }
        let (Some(taken), Some(first), Some(last)) = (state.0, events.first(), events.last())
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            stream: stream.to_owned(),
            taken: *taken,
            story: Story {
                correlation_id: first.event.cause.correlation_id,
                traceparent: first.event.cause.traceparent.clone(),
                last: last.event.id,
            },
        }))
    }
}

fn read(recorded: &Recorded) -> Result<Event, StoreError> {
    wire::read(recorded).map_err(|broken| StoreError::Corrupt {
        number: recorded.at.number,
        reason: broken.to_string(),
    })
}

#[derive(Clone)]
pub struct Reservations {
    log: Arc<dyn EventLog>,
    shelves: Shelves,
    clock: Arc<dyn Clock>,
    ids: Ids,
}

impl Reservations {
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, shelves: Shelves, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self {
            log,
            shelves,
            clock,
            ids,
        }
    }

    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// `None`: nobody made such a reservation.
    ///
    /// # Errors
    /// The database is away, or an event cannot be read.
    pub async fn load(&self, stream: &str) -> Result<Option<Loaded>, StoreError> {
        let mut all = Vec::new();
        loop {
            let page = self.log.read_stream(stream, all.len() as u64, PAGE).await?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                break;
            }
        }
        Loaded::fold(stream, &all.iter().collect::<Vec<_>>())
    }

    /// Makes a new one, all lines or none. `None`: there is one of this number.
    ///
    /// # Errors
    /// See [`ReservationError`].
    pub async fn request(
        &self,
        requested: Requested,
        actor: &Actor,
    ) -> Result<Option<Taken>, ReservationError> {
        let reservation = &requested.reservation;
        let stream = reservation.stream();
        let lines = reservation.lines.iter().zip(&requested.lines);
        let moves = lines.map(|(line, status)| Wanted {
            moving: Moving {
                line: line.number,
                shelf: reservation.shelf(status),
                moved: Move::Take(status.requested),
            },
            asked: Some(crate::read_model::asked(
                &reservation.erp,
                &line.item,
                line.variant.as_ref(),
            )),
        });
        let moves = moves.collect();
        let story = Story {
            correlation_id: self.id(),
            traceparent: actor.traceparent.clone(),
            last: Uuid::nil(),
        };
        let state = State::default();
        let events = StoreReservation::decide(&state, Command::Request(requested))
            .map_err(ReservationError::Rejected)?;
        let after = events.iter().fold(state, StoreReservation::evolve);
        let Some(taken) = after.0 else {
            return Err(ReservationError::Conflict);
        };
        let change = Change {
            events: self.wrapped(&stream, &taken, &events, &story, None, actor),
            stream,
            version: 0,
            moves,
        };
        match self.shelves.change(change).await {
            Ok(()) => Ok(Some(*taken)),
            Err(ChangeError::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Carries out a command on the reservation as it stands; the reservation after it.
    ///
    /// # Errors
    /// See [`ReservationError`].
    pub async fn carry_out(
        &self,
        stream: &str,
        command: Command,
        actor: &Actor,
    ) -> Result<Taken, ReservationError> {
        for _ in 0..TRIES {
            let Some(loaded) = self.load(stream).await? else {
                return Err(ReservationError::Rejected(Rejection::Unknown));
            };
            let Loaded { taken, story, .. } = loaded;
            let version = taken.version;
            let state = State(Some(Box::new(taken.clone())));
            let events = StoreReservation::decide(&state, command.clone())
                .map_err(ReservationError::Rejected)?;
            if events.is_empty() {
                return Ok(taken);
            }
            let now = Timestamp(self.clock.now());
            let mut after = taken.clone();
            let mut moves = Vec::new();
            for event in &events {
                moves.extend(after.moves(event, now));
                let folded = StoreReservation::evolve(State(Some(Box::new(after))), event);
                after = *folded.0.ok_or(ReservationError::Conflict)?;
            }
            let change = Change {
                stream: stream.to_owned(),
                version,
                events: self.wrapped(stream, &taken, &events, &story, Some(story.last), actor),
                moves: moves
                    .into_iter()
                    .map(|moving| Wanted {
                        moving,
                        asked: None,
                    })
                    .collect(),
            };
            match self.shelves.change(change).await {
                Ok(()) => return Ok(after),
                Err(ChangeError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ReservationError::Conflict)
    }

    fn id(&self) -> Uuid {
        self.ids.uuid_at(self.clock.now())
    }

    /// Each event follows from the one before it.
    fn wrapped(
        &self,
        stream: &str,
        taken: &Taken,
        events: &[Event],
        story: &Story,
        mut causation_id: Option<Uuid>,
        actor: &Actor,
    ) -> Vec<NewEvent> {
        let mut wrapped = Vec::with_capacity(events.len());
        for event in events {
            let (kind, payload) = wire::write(event);
            let id = self.id();
            let occurred_at = match event {
                Event::Requested {
                    at: Timestamp(at), ..
                } => *at,
                Event::Placed { transfer, .. } | Event::Settled { transfer, .. } => {
                    transfer.changed_at.0
                }
                Event::Posted { .. }
                | Event::Short { .. }
                | Event::Reminded { .. }
                | Event::PickedUp { .. }
                | Event::Cancelled { .. }
                | Event::Expired { .. } => self.clock.now(),
            };
            wrapped.push(NewEvent {
                id,
                kind,
                key: stream.to_owned(),
                erp: Some(taken.reservation.erp.to_string()),
                channel: Some(taken.reservation.channel.to_string()),
                occurred_at,
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
        wrapped
    }
}

impl From<ChangeError> for ReservationError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotThere { line, why } => Self::NotThere { line, why },
            ChangeError::Conflict => Self::Conflict,
            ChangeError::Unfit(why) => Self::Unfit(why),
            ChangeError::Store(error) => Self::Store(error),
        }
    }
}

/// One reservation that cannot be read says nothing of the others.
#[must_use]
pub fn is_its_own(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. })
}
