//! Carries out commands: load, decide, append; once more when somebody else was quicker.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use jiff::Timestamp;
use thiserror::Error;

use millrace_service_kit::{Clock, Ids};

use crate::decider::Decider;
use crate::event::{Cause, NewEvent, Recorded};
use crate::log::{
    Append, AppendError, Appended, EventLog, Expected, LeaseEpoch, StoreError, StreamAppend,
};

/// How often a command is decided anew before the caller is told to come back.
const ATTEMPTS: usize = 8;
/// Streams loaded at once.
const PAGE: usize = 500;

/// How the events of a decider stand in the log. Implemented beside the wire mapping, so that the domain stays pure.
pub trait Stored: Decider {
    /// How a stream is loaded.
    const LOADS: Loads;

    fn encode(event: &Self::Event) -> Draft;

    /// # Errors
    /// Why the stored event is none of this decider's.
    fn decode(recorded: &Recorded) -> Result<Self::Event, String>;
}

/// How a stream becomes a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loads {
    /// Facts: every event of the stream, folded.
    Fold,
    /// States, and facts that carry their balance: the last event alone.
    Last,
}

/// What an author says of an event; the rest of the envelope is filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    pub kind: String,
    /// `None`: the stream.
    pub key: Option<String>,
    pub erp: Option<String>,
    pub channel: Option<String>,
    /// `None`: now.
    pub occurred_at: Option<Timestamp>,
    pub payload: Bytes,
    pub deleted: bool,
}

impl Draft {
    #[must_use]
    pub fn new(kind: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            kind: kind.into(),
            payload: payload.into(),
            ..Self::default()
        }
    }
}

/// A stream as it was loaded, or as it stands after a command.
#[derive(Debug, Clone)]
pub struct Loaded<S> {
    pub state: S,
    /// 0: the stream does not exist.
    pub version: u64,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct Executed<S, E> {
    /// After the events.
    pub state: S,
    pub version: u64,
    /// What was decided; empty when there was nothing to do.
    pub events: Vec<E>,
    /// `None` when there was nothing to do.
    pub appended: Option<Appended>,
}

#[derive(Debug, Error)]
pub enum ExecuteError<R: Debug> {
    /// The business says no.
    #[error("rejected: {0:?}")]
    Rejected(R),
    /// The stream kept changing under the command.
    #[error("changed meanwhile, try again")]
    Conflict,
    /// The lease is gone, or the events cannot be stored as they are.
    #[error(transparent)]
    Refused(AppendError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A command's result.
pub type Outcome<D> = Result<
    Executed<<D as Decider>::State, <D as Decider>::Event>,
    ExecuteError<<D as Decider>::Rejection>,
>;

/// Around a command: why, under which lease, under which idempotency key.
#[derive(Debug, Clone)]
pub struct Context {
    pub cause: Cause,
    pub lease: Option<LeaseEpoch>,
    pub idempotency_key: Option<String>,
}

impl From<Cause> for Context {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            lease: None,
            idempotency_key: None,
        }
    }
}

/// The streams of one decider.
pub struct Streams<D> {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    ids: Ids,
    decider: PhantomData<fn() -> D>,
}

impl<D> Clone for Streams<D> {
    fn clone(&self) -> Self {
        Self {
            log: self.log.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            decider: PhantomData,
        }
    }
}

impl<D> Streams<D>
where
    D: Stored,
    D::State: Send,
    D::Command: Clone + Send,
    D::Event: Send + Sync,
    D::Rejection: Debug + Send,
{
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        Self {
            log,
            clock,
            ids,
            decider: PhantomData,
        }
    }

    /// The stream's state now.
    ///
    /// # Errors
    /// The database is away, or an event cannot be read.
    pub async fn load(&self, stream: &str) -> Result<Loaded<D::State>, StoreError> {
        if D::LOADS == Loads::Last {
            let last = self.log.read_last(&[stream.to_owned()]).await?;
            return last.first().map_or_else(|| Ok(none::<D>()), from_last::<D>);
        }
        let mut loaded = none::<D>();
        loop {
            let page = self.log.read_stream(stream, loaded.version, PAGE).await?;
            for recorded in &page {
                loaded = Loaded {
                    state: D::evolve(loaded.state, &decoded::<D>(recorded)?),
                    version: recorded.version,
                };
            }
            if page.len() < PAGE {
                return Ok(loaded);
            }
        }
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub async fn execute(
        &self,
        stream: &str,
        command: D::Command,
        context: impl Into<Context>,
    ) -> Outcome<D> {
        let context = context.into();
        for _ in 0..ATTEMPTS {
            let loaded = self.load(stream).await?;
            if let Some(outcome) = self
                .attempt(stream, loaded, command.clone(), &context)
                .await
            {
                return outcome;
            }
        }
        Err(ExecuteError::Conflict)
    }

    /// Carries out many commands, each for itself: loaded together, written in as few transactions as possible. For synchronising,
    /// where one page of observations touches many streams. Results in the order of the commands; commands for the same stream see
    /// each other in that order.
    ///
    /// # Errors
    /// The database is away while loading. What single commands came to is in the list.
    pub async fn execute_many(
        &self,
        commands: Vec<(String, D::Command)>,
        context: impl Into<Context>,
    ) -> Result<Vec<Outcome<D>>, StoreError> {
        let context = Context {
            idempotency_key: None,
            ..context.into()
        };
        let mut outcomes: Vec<Option<Outcome<D>>> = commands.iter().map(|_| None).collect();
        let mut left: Vec<usize> = (0..commands.len()).collect();
        while !left.is_empty() {
            let (now, later) = first_of_each(&commands, left);
            left = later;
            for page in now.chunks(PAGE) {
                let streams: Vec<String> = page
                    .iter()
                    .map(|index| commands[*index].0.clone())
                    .collect();
                let mut loaded = self.load_many(&streams).await?;
                let attempts = page.iter().map(|index| {
                    let (stream, command) = &commands[*index];
                    let loaded = loaded.remove(stream).unwrap_or_else(none::<D>);
                    let context = &context;
                    async move {
                        match self.attempt(stream, loaded, command.clone(), context).await {
                            Some(outcome) => outcome,
                            None => self.execute(stream, command.clone(), context.clone()).await,
                        }
                    }
                });
                for (index, outcome) in page.iter().zip(join_all(attempts).await) {
                    outcomes[*index] = Some(outcome);
                }
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    async fn load_many(
        &self,
        streams: &[String],
    ) -> Result<std::collections::HashMap<String, Loaded<D::State>>, StoreError> {
        let mut loaded = std::collections::HashMap::with_capacity(streams.len());
        if D::LOADS == Loads::Last {
            for recorded in self.log.read_last(streams).await? {
                loaded.insert(recorded.stream.to_string(), from_last::<D>(&recorded)?);
            }
            return Ok(loaded);
        }
        for stream in streams {
            loaded.insert(stream.clone(), self.load(stream).await?);
        }
        Ok(loaded)
    }

    /// `None`: the stream changed meanwhile.
    async fn attempt(
        &self,
        stream: &str,
        loaded: Loaded<D::State>,
        command: D::Command,
        context: &Context,
    ) -> Option<Outcome<D>> {
        let events = match D::decide(&loaded.state, command) {
            Ok(events) => events,
            Err(rejection) => return Some(Err(ExecuteError::Rejected(rejection))),
        };
        if events.is_empty() {
            return Some(Ok(Executed {
                state: loaded.state,
                version: loaded.version,
                events,
                appended: None,
            }));
        }
        let drafted = events
            .iter()
            .map(|event| self.envelope(stream, D::encode(event), &context.cause))
            .collect();
        let append = Append {
            streams: vec![StreamAppend {
                stream: stream.to_owned(),
                expected: Expected::Version(loaded.version),
                events: drafted,
            }],
            idempotency_key: context.idempotency_key.clone(),
            lease: context.lease.clone(),
        };
        match self.log.append(append).await {
            Ok(appended) => {
                let version = appended.versions.first().copied().unwrap_or(loaded.version);
                let state = events.iter().fold(loaded.state, D::evolve);
                Some(Ok(Executed {
                    state,
                    version,
                    events,
                    appended: Some(appended),
                }))
            }
            Err(AppendError::Conflict { .. }) => None,
            Err(AppendError::Store(error)) => Some(Err(error.into())),
            Err(error) => Some(Err(ExecuteError::Refused(error))),
        }
    }

    fn envelope(&self, stream: &str, draft: Draft, cause: &Cause) -> NewEvent {
        let now = self.clock.now();
        NewEvent {
            id: self.ids.uuid_at(now),
            kind: draft.kind,
            key: draft.key.unwrap_or_else(|| stream.to_owned()),
            erp: draft.erp,
            channel: draft.channel,
            occurred_at: draft.occurred_at.unwrap_or(now),
            cause: cause.clone(),
            payload: draft.payload,
            deleted: draft.deleted,
        }
    }
}

fn none<D: Decider>() -> Loaded<D::State> {
    Loaded {
        state: D::State::default(),
        version: 0,
    }
}

fn from_last<D: Stored>(recorded: &Recorded) -> Result<Loaded<D::State>, StoreError> {
    let state = D::evolve(D::State::default(), &decoded::<D>(recorded)?);
    Ok(Loaded {
        state,
        version: recorded.version,
    })
}

fn decoded<D: Stored>(recorded: &Recorded) -> Result<D::Event, StoreError> {
    D::decode(recorded).map_err(|reason| StoreError::Corrupt {
        number: recorded.at.number,
        reason,
    })
}

/// Parts commands into the first of each stream and the rest.
fn first_of_each<C>(commands: &[(String, C)], left: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut seen = std::collections::HashSet::new();
    left.into_iter()
        .partition(|index| seen.insert(commands[*index].0.as_str()))
}
