//! Moves what shelves hold. One task per process decides, in memory and one after the other, and hands each decision to the log
//! at once: it knows the version every shelf will have when the log has written what was decided before, so a thousand customers
//! who want the same item go into the log side by side and not one behind the other's commit. The log judges: where another
//! process moved a shelf meanwhile, the decision is refused, everything known of those shelves is forgotten, and it is decided
//! again.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use millrace_contract::shelves::v1::ShelfMoved;
use millrace_event_store::{
    Append, AppendError, Cause, EventLog, Expected, NewEvent, Recorded, StoreError, StreamAppend,
};
use millrace_service_kit::{Clock, Ids};
use millrace_values::Quantity;
use prost::Message;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::domain::shelf::{self, Move, NotThere, ShelfKey};
use crate::read_model::{Figures, Shown};

const KIND: &str = "millrace.shelves.v1.ShelfMoved";
/// Callers that wait for a turn before others are kept waiting at the door.
const QUEUE: usize = 4_096;
/// Decided in one go: as many figures are asked for at once.
const AT_ONCE: usize = 512;
/// Shelves kept in memory.
const MOST_KNOWN: usize = 100_000;
/// How often a change is decided anew because somebody else moved its shelves.
const TRIES: u32 = 16;

/// Events of one reservation, with what they move.
pub struct Change {
    pub stream: String,
    /// Where the stream stands.
    pub version: u64,
    pub events: Vec<NewEvent>,
    /// Line, and what it moves.
    pub moves: Vec<(u32, Move)>,
    /// What is taken, as a shop asks for it, move by move; empty when things are only given back.
    pub asked: Vec<String>,
}

#[derive(Debug, Error)]
pub enum ChangeError {
    /// Nothing was written.
    #[error("line {line} is not there")]
    NotThere { line: u32, why: NotThere },
    /// The stream does not stand at that version.
    #[error("the reservation changed meanwhile")]
    Conflict,
    #[error("{0}")]
    Unfit(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whom to ask. Cheap to clone; when all are dropped the task ends.
#[derive(Clone)]
pub struct Shelves(mpsc::Sender<Asking>);

struct Asking {
    change: Change,
    tries: u32,
    reply: oneshot::Sender<Result<(), ChangeError>>,
}

impl Shelves {
    #[must_use]
    pub fn start(
        log: Arc<dyn EventLog>,
        figures: Figures,
        clock: Arc<dyn Clock>,
        ids: Ids,
    ) -> Self {
        let (sender, asked) = mpsc::channel(QUEUE);
        let task = Task {
            log,
            figures,
            clock,
            ids,
            asked,
            known: HashMap::new(),
            again: Vec::new(),
            writing: HashSet::new(),
            under_way: FuturesUnordered::new(),
        };
        tokio::spawn(task.run());
        Self(sender)
    }

    /// Writes the change once all its shelves allow it: all of it, or nothing.
    ///
    /// # Errors
    /// See [`ChangeError`]. After [`ChangeError::Store`] it may have been written.
    pub async fn change(&self, change: Change) -> Result<(), ChangeError> {
        let (reply, answer) = oneshot::channel();
        let asking = Asking {
            change,
            tries: 0,
            reply,
        };
        self.0.send(asking).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// A shelf as it will stand when everything that was handed to the log is written.
#[derive(Debug, Clone, Copy, Default)]
struct Shelf {
    held: Quantity,
    version: u64,
}

type Written = (Asking, Result<(), AppendError>);

struct Task {
    log: Arc<dyn EventLog>,
    figures: Figures,
    clock: Arc<dyn Clock>,
    ids: Ids,
    asked: mpsc::Receiver<Asking>,
    known: HashMap<ShelfKey, Shelf>,
    /// To be decided again.
    again: Vec<Asking>,
    /// Streams that are being written: who asks again for the same waits for the first answer.
    writing: HashSet<String>,
    under_way: FuturesUnordered<Pin<Box<dyn Future<Output = Written> + Send>>>,
}

impl Task {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(AT_ONCE);
        loop {
            if !self.again.is_empty() {
                // What was decided on the same mistake comes back first; then everything is known anew.
                while let Some(written) = self.under_way.next().await {
                    self.written(written);
                }
                batch.append(&mut self.again);
            } else {
                tokio::select! {
                    biased;
                    Some(written) = self.under_way.next() => {
                        self.written(written);
                        continue;
                    }
                    count = self.asked.recv_many(&mut batch, AT_ONCE) => if count == 0 { break },
                }
            }
            self.decide(std::mem::take(&mut batch)).await;
        }
        while let Some((asking, written)) = self.under_way.next().await {
            answer(asking, written);
        }
    }

    async fn decide(&mut self, batch: Vec<Asking>) {
        let figures = match self.look(&batch).await {
            Ok(figures) => figures,
            Err(error) => {
                let error = Arc::new(error);
                for asking in batch {
                    let away = StoreError::Away(error.clone());
                    let _ = asking.reply.send(Err(away.into()));
                }
                return;
            }
        };
        for asking in batch {
            let Change { stream, moves, .. } = &asking.change;
            let is_known = |moved: &Move| self.known.contains_key(&moved.shelf);
            // Forgotten a moment ago, or written at this moment.
            if self.writing.contains(stream) || !moves.iter().all(|(_, moved)| is_known(moved)) {
                self.again.push(asking);
                continue;
            }
            match self.after(&asking.change, &figures) {
                Ok(after) => self.hand_on(asking, after),
                Err(refused) => {
                    // Nobody waits any more: nothing was written anyway.
                    let _ = asking.reply.send(Err(refused));
                }
            }
        }
    }

    /// Figures and shelves of a batch.
    async fn look(&mut self, batch: &[Asking]) -> Result<HashMap<String, Shown>, StoreError> {
        if self.known.len() > MOST_KNOWN && self.under_way.is_empty() {
            self.known.clear();
        }
        let moves = || batch.iter().flat_map(|asking| &asking.change.moves);
        let unknown: HashSet<&ShelfKey> = moves()
            .map(|(_, moved)| &moved.shelf)
            .filter(|shelf| !self.known.contains_key(*shelf))
            .collect();
        if !unknown.is_empty() {
            let streams: Vec<String> = unknown.iter().map(|shelf| shelf.stream()).collect();
            let last = self.log.read_last(&streams).await?;
            let mut found: HashMap<String, Shelf> = HashMap::with_capacity(last.len());
            for recorded in &last {
                found.insert(recorded.stream.to_string(), read(recorded)?);
            }
            let learned: Vec<(ShelfKey, Shelf)> = unknown
                .into_iter()
                .zip(streams)
                .map(|(key, stream)| (key.clone(), found.remove(&stream).unwrap_or_default()))
                .collect();
            self.known.extend(learned);
        }
        let asked: HashSet<&String> = batch
            .iter()
            .flat_map(|asking| &asking.change.asked)
            .collect();
        let asked: Vec<String> = asked.into_iter().cloned().collect();
        self.figures.of(&asked).await
    }

    /// What the shelves of a change hold after it.
    fn after(
        &self,
        change: &Change,
        figures: &HashMap<String, Shown>,
    ) -> Result<Vec<(ShelfKey, Quantity, Quantity)>, ChangeError> {
        let mut after: Vec<(ShelfKey, Quantity, Quantity)> = Vec::new();
        for (index, (line, Move { shelf, quantity })) in change.moves.iter().enumerate() {
            let there = change
                .asked
                .get(index)
                .and_then(|asked| figures.get(asked))
                .filter(|shown| shown.item == shelf.item)
                .and_then(|shown| shown.available(&shelf.location));
            let before = after.iter().position(|(other, ..)| other == shelf);
            let held = match before {
                Some(at) => after[at].2,
                None => self
                    .known
                    .get(shelf)
                    .map_or(Quantity::ZERO, |known| known.held),
            };
            let now = shelf::after(held, *quantity, there)
                .map_err(|why| ChangeError::NotThere { line: *line, why })?;
            match before {
                Some(at) => {
                    after[at].1 = after[at].1 + *quantity;
                    after[at].2 = now;
                }
                None => after.push((shelf.clone(), *quantity, now)),
            }
        }
        Ok(after)
    }

    /// To the log, in the order of decisions: the first poll queues it there.
    fn hand_on(&mut self, asking: Asking, after: Vec<(ShelfKey, Quantity, Quantity)>) {
        let change = &asking.change;
        let mut append = Append::to(
            change.stream.clone(),
            Expected::Version(change.version),
            change.events.clone(),
        );
        for (key, moved, held) in after {
            let shelf = self.known.entry(key.clone()).or_default();
            append.streams.push(StreamAppend {
                stream: key.stream(),
                expected: Expected::Version(shelf.version),
                events: vec![moved_event(
                    change,
                    &key,
                    moved,
                    held,
                    &self.ids,
                    &*self.clock,
                )],
            });
            *shelf = Shelf {
                held,
                version: shelf.version + 1,
            };
        }
        self.writing.insert(change.stream.clone());
        let log = self.log.clone();
        let mut writing: Pin<Box<dyn Future<Output = Written> + Send>> = Box::pin(async move {
            let written = log.append(append).await.map(drop);
            (asking, written)
        });
        match (&mut writing).now_or_never() {
            Some(written) => self.written(written),
            None => self.under_way.push(writing),
        }
    }

    fn written(&mut self, (mut asking, written): Written) {
        self.writing.remove(&asking.change.stream);
        let Err(error) = written else {
            let _ = asking.reply.send(Ok(()));
            return;
        };
        // What the shelves were thought to hold after it is not so.
        for (_, moved) in &asking.change.moves {
            self.known.remove(&moved.shelf);
        }
        let own = matches!(&error, AppendError::Conflict { stream, .. } if *stream == asking.change.stream);
        if matches!(error, AppendError::Conflict { .. }) && !own && asking.tries < TRIES {
            asking.tries += 1;
            self.again.push(asking);
            return;
        }
        answer(asking, Err(error));
    }
}

fn answer(asking: Asking, written: Result<(), AppendError>) {
    let answer = written.map_err(|error| match error {
        AppendError::Conflict { .. } => ChangeError::Conflict,
        AppendError::Store(error) => ChangeError::Store(error),
        other => ChangeError::Unfit(other.to_string()),
    });
    // Nobody waits any more: what was written stands all the same.
    let _ = asking.reply.send(answer);
}

fn read(recorded: &Recorded) -> Result<Shelf, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt {
        number: recorded.at.number,
        reason,
    };
    let message = ShelfMoved::decode(recorded.event.payload.as_ref())
        .map_err(|error| corrupt(error.to_string()))?;
    let held = Quantity::try_from(message.held.unwrap_or_default())
        .map_err(|error| corrupt(error.to_string()))?;
    Ok(Shelf {
        held,
        version: recorded.version,
    })
}

fn moved_event(
    change: &Change,
    key: &ShelfKey,
    moved: Quantity,
    held: Quantity,
    ids: &Ids,
    clock: &dyn Clock,
) -> NewEvent {
    let cause = change.events.last();
    let now = clock.now();
    let id = ids.uuid_at(now);
    NewEvent {
        id,
        kind: KIND.to_owned(),
        key: key.stream(),
        erp: Some(key.erp.to_string()),
        channel: None,
        occurred_at: now,
        cause: Cause {
            causation_id: cause.map(|event| event.id),
            ..cause.map_or_else(
                || Cause {
                    correlation_id: id,
                    causation_id: None,
                    traceparent: None,
                    actor: "reservation".to_owned(),
                },
                |event| event.cause.clone(),
            )
        },
        payload: ShelfMoved {
            reservation: change.stream.clone(),
            moved: Some(moved.into()),
            held: Some(held.into()),
        }
        .encode_to_vec()
        .into(),
        deleted: false,
    }
}
