//! Who decides about shelves, and is the only one here who writes them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use millrace_event_store::{
    Append, AppendError, Cause, EventLog, Expected, NewEvent, Recorded, StoreError, StreamAppend,
};
use millrace_service_kit::{Clock, Ids};
use millrace_values::Quantity;
use prost::Message;
use tokio::sync::mpsc;

use super::{Asking, Change, ChangeError, Known, Wanted, read};
use crate::domain::Moving;
use crate::domain::shelf::{NotThere, Shelf, ShelfKey};
use crate::read_model::{Figures, Shown};
use crate::wire;

const KIND: &str = "millrace.shelves.v1.ShelfMoved";
/// Decided and written in one go.
const TOGETHER: usize = 256;
/// Shelves kept in memory.
const MOST_KNOWN: usize = 100_000;
/// How often those who go together are decided anew because somebody else moved their shelves.
const TRIES: u32 = 16;
/// A database that says nothing for so long is away.
const SILENCE: Duration = Duration::from_secs(30);

/// What those who go together do to one shelf.
#[derive(Default)]
struct Moved {
    by: Quantity,
    shelf: Shelf,
    reservations: Vec<String>,
}

/// Who is accepted, who is refused and why, and what the accepted do to shelves.
type Decided = (
    Vec<Asking>,
    Vec<(Asking, ChangeError)>,
    HashMap<ShelfKey, Moved>,
);

pub(super) struct Clerk {
    log: Arc<dyn EventLog>,
    figures: Figures,
    clock: Arc<dyn Clock>,
    ids: Ids,
    known: HashMap<ShelfKey, Known>,
}

impl Clerk {
    pub(super) fn new(
        log: Arc<dyn EventLog>,
        figures: Figures,
        clock: Arc<dyn Clock>,
        ids: Ids,
    ) -> Self {
        Self {
            log,
            figures,
            clock,
            ids,
            known: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self, mut asked: mpsc::Receiver<Asking>) {
        let mut waiting = VecDeque::new();
        let mut came = Vec::with_capacity(TOGETHER);
        loop {
            if waiting.is_empty() && asked.recv_many(&mut came, TOGETHER).await == 0 {
                return;
            }
            // Who came meanwhile goes along.
            while came.len() + waiting.len() < TOGETHER {
                let Ok(another) = asked.try_recv() else { break };
                came.push(another);
            }
            waiting.extend(came.drain(..));
            let together = first_of_each_stream(&mut waiting);
            self.settle(together).await;
        }
    }

    /// Until everybody in `together` is answered.
    async fn settle(&mut self, together: Vec<Asking>) {
        let mut together = together;
        let mut fresh = HashSet::new();
        for _ in 0..TRIES {
            if together.is_empty() {
                return;
            }
            let figures = match self.look(&together, &mut fresh).await {
                Ok(figures) => figures,
                Err(error) => return refuse(together, error),
            };
            let (accepted, refused, moved) = self.decide(together, &figures);
            if accepted.is_empty() {
                together = self.refused(refused, &fresh);
                continue;
            }
            let written = self.log.append(self.append_of(&accepted, &moved)).await;
            let mut again = match written {
                Ok(_) => {
                    for (key, moved) in moved {
                        // The log has just judged what was known of it.
                        fresh.insert(key.clone());
                        let known = self.known.entry(key).or_default();
                        known.shelf = moved.shelf;
                        known.version += 1;
                    }
                    for asking in accepted {
                        asking.answer(Ok(()));
                    }
                    Vec::new()
                }
                Err(error) => {
                    for key in moved.keys() {
                        self.known.remove(key);
                    }
                    match error {
                        AppendError::Store(error) => {
                            let refused = refused.into_iter().map(|(asking, _)| asking);
                            return refuse(accepted.into_iter().chain(refused).collect(), error);
                        }
                        AppendError::Conflict { stream, .. } => {
                            let own = |asking: &Asking| asking.change.stream == stream;
                            if accepted.iter().any(own) {
                                self.without_moved(accepted).await
                            } else {
                                accepted
                            }
                        }
                        unfit => {
                            self.one_by_one(accepted, &unfit).await;
                            Vec::new()
                        }
                    }
                }
            };
            again.extend(self.refused(refused, &fresh));
            together = again;
        }
        for asking in together {
            asking.answer(Err(ChangeError::Conflict));
        }
    }

    /// Answers who gets nothing by shelves that were read in this turn. Others may have moved the others since: those are forgotten,
    /// and who was refused by them is decided anew.
    fn refused(
        &mut self,
        refused: Vec<(Asking, ChangeError)>,
        fresh: &HashSet<ShelfKey>,
    ) -> Vec<Asking> {
        let mut again = Vec::new();
        for (asking, why) in refused {
            let shelves = asking
                .change
                .moves
                .iter()
                .map(|wanted| &wanted.moving.shelf);
            let stale: Vec<&ShelfKey> = shelves.filter(|shelf| !fresh.contains(shelf)).collect();
            let too_low = matches!(
                &why,
                ChangeError::NotThere {
                    why: NotThere::TooLow { .. },
                    ..
                }
            );
            if too_low && !stale.is_empty() {
                for shelf in stale {
                    self.known.remove(shelf);
                }
                again.push(asking);
            } else {
                asking.answer(Err(why));
            }
        }
        again
    }

    /// Answers all whose own streams do not stand where they were thought to, so that many repeats cost one look; the others.
    async fn without_moved(&self, together: Vec<Asking>) -> Vec<Asking> {
        let streams = together.iter().map(|asking| asking.change.stream.clone());
        let last = match self.log.read_last(&streams.collect::<Vec<_>>()).await {
            Ok(last) => last,
            Err(error) => {
                refuse(together, error);
                return Vec::new();
            }
        };
        let stand: HashMap<&str, u64> = last
            .iter()
            .map(|recorded| (&*recorded.stream, recorded.version))
            .collect();
        let mut others = Vec::with_capacity(together.len());
        for asking in together {
            let stands = stand
                .get(&*asking.change.stream)
                .copied()
                .unwrap_or_default();
            if stands == asking.change.version {
                others.push(asking);
            } else {
                asking.answer(Err(ChangeError::Conflict));
            }
        }
        others
    }

    /// One of them holds what the log does not take.
    async fn one_by_one(&mut self, together: Vec<Asking>, unfit: &AppendError) {
        if together.len() == 1 {
            for asking in together {
                asking.answer(Err(ChangeError::Unfit(unfit.to_string())));
            }
            return;
        }
        for asking in together {
            Box::pin(self.settle(vec![asking])).await;
        }
    }

    /// Reads the shelves that are not known and whether new reservations are new, and answers what is there.
    async fn look(
        &mut self,
        together: &[Asking],
        fresh: &mut HashSet<ShelfKey>,
    ) -> Result<HashMap<String, Shown>, StoreError> {
        let silent =
            || std::io::Error::new(std::io::ErrorKind::TimedOut, "the database did not answer");
        let looked = tokio::time::timeout(SILENCE, self.look_at(together, fresh)).await;
        looked.unwrap_or_else(|_| Err(StoreError::Database(sqlx::Error::Io(silent()))))
    }

    async fn look_at(
        &mut self,
        together: &[Asking],
        fresh: &mut HashSet<ShelfKey>,
    ) -> Result<HashMap<String, Shown>, StoreError> {
        if self.known.len() > MOST_KNOWN {
            self.known.clear();
        }
        let shelves = together.iter().flat_map(|asking| &asking.change.moves);
        let unknown: BTreeMap<String, ShelfKey> = shelves
            .map(|wanted| &wanted.moving.shelf)
            .filter(|shelf| !self.known.contains_key(*shelf))
            .map(|shelf| (shelf.stream(), shelf.clone()))
            .collect();
        if !unknown.is_empty() {
            let streams: Vec<String> = unknown.keys().cloned().collect();
            let last = self.log.read_last(&streams).await?;
            let mut last: HashMap<&str, &Recorded> = last
                .iter()
                .map(|recorded| (&*recorded.stream, recorded))
                .collect();
            for (stream, key) in unknown {
                fresh.insert(key.clone());
                match last.remove(&*stream).map(read) {
                    None => drop(self.known.insert(key, Known::default())),
                    Some(Ok(known)) => drop(self.known.insert(key, known)),
                    // Whoever needs it is told; the others are not kept waiting.
                    Some(Err(error)) => tracing::error!(
                        stream,
                        error = &error as &dyn std::error::Error,
                        "a shelf cannot be read"
                    ),
                }
            }
        }
        let asked: HashSet<&String> = together
            .iter()
            .flat_map(|asking| &asking.change.moves)
            .filter_map(|wanted| wanted.asked.as_ref())
            .collect();
        let asked: Vec<String> = asked.into_iter().cloned().collect();
        self.figures.of(&asked).await
    }

    /// Who gets what he wants, who does not and why, and what the former do to their shelves together.
    fn decide(&self, together: Vec<Asking>, figures: &HashMap<String, Shown>) -> Decided {
        let mut moved: HashMap<ShelfKey, Moved> = HashMap::new();
        let mut accepted = Vec::with_capacity(together.len());
        let mut refused = Vec::new();
        for asking in together {
            match self.after(&asking.change, figures, &moved) {
                Ok(after) => {
                    for (key, by, shelf) in after {
                        let moved = moved.entry(key).or_default();
                        moved.by = moved.by + by;
                        moved.shelf = shelf;
                        moved.reservations.push(asking.change.stream.clone());
                    }
                    accepted.push(asking);
                }
                Err(why) => refused.push((asking, why)),
            }
        }
        (accepted, refused, moved)
    }

    /// The shelves of a change after it, and after those that go before it.
    fn after(
        &self,
        change: &Change,
        figures: &HashMap<String, Shown>,
        before: &HashMap<ShelfKey, Moved>,
    ) -> Result<Vec<(ShelfKey, Quantity, Shelf)>, ChangeError> {
        let mut after: Vec<(ShelfKey, Quantity, Shelf)> = Vec::new();
        for Wanted { moving, asked } in &change.moves {
            let Moving { line, shelf, moved } = moving;
            let known = self.known.get(shelf).ok_or_else(|| {
                ChangeError::Unfit(format!("what is held at {shelf} cannot be read"))
            })?;
            let figure = asked
                .as_ref()
                .and_then(|asked| figures.get(asked))
                .filter(|shown| shown.item == shelf.item)
                .and_then(|shown| shown.figure(&shelf.location));
            let own = after.iter().position(|(other, ..)| other == shelf);
            let now = match own {
                Some(at) => after[at].2.clone(),
                None => before
                    .get(shelf)
                    .map_or_else(|| known.shelf.clone(), |moved| moved.shelf.clone()),
            };
            let then = now
                .after(moved, figure.as_ref())
                .map_err(|why| ChangeError::NotThere { line: *line, why })?;
            match own {
                Some(at) => {
                    after[at].1 = after[at].1 + moved.quantity();
                    after[at].2 = then;
                }
                None => after.push((shelf.clone(), moved.quantity(), then)),
            }
        }
        Ok(after)
    }

    fn append_of(&self, accepted: &[Asking], moved: &HashMap<ShelfKey, Moved>) -> Append {
        let first = accepted
            .first()
            .and_then(|asking| asking.change.events.last());
        let reservations = accepted.iter().map(|asking| StreamAppend {
            stream: asking.change.stream.clone(),
            expected: Expected::Version(asking.change.version),
            events: asking.change.events.clone(),
        });
        let shelves = moved.iter().map(|(key, moved)| StreamAppend {
            stream: key.stream(),
            expected: Expected::Version(self.known.get(key).map_or(0, |known| known.version)),
            events: vec![self.event(key, moved, first)],
        });
        Append {
            streams: reservations.chain(shelves).collect(),
            ..Append::default()
        }
    }

    /// The story is that of the first who moved it; the others are in the payload.
    fn event(&self, key: &ShelfKey, moved: &Moved, first: Option<&NewEvent>) -> NewEvent {
        let now = self.clock.now();
        let id = self.ids.uuid_at(now);
        let nobody = || Cause {
            correlation_id: id,
            causation_id: None,
            traceparent: None,
            actor: "reservation".to_owned(),
        };
        let cause = first.map_or_else(nobody, |event| Cause {
            causation_id: Some(event.id),
            ..event.cause.clone()
        });
        NewEvent {
            id,
            kind: KIND.to_owned(),
            key: key.stream(),
            erp: Some(key.erp.to_string()),
            channel: None,
            occurred_at: now,
            cause,
            payload: wire::shelf_moved(&moved.reservations, moved.by, &moved.shelf)
                .encode_to_vec()
                .into(),
            deleted: false,
        }
    }
}

/// Takes the first asking of each stream; who asks for the same again waits for what became of it.
fn first_of_each_stream(waiting: &mut VecDeque<Asking>) -> Vec<Asking> {
    let mut streams = HashSet::new();
    let mut together = Vec::with_capacity(waiting.len());
    let mut later = VecDeque::new();
    for asking in waiting.drain(..) {
        if streams.insert(asking.change.stream.clone()) {
            together.push(asking);
        } else {
            later.push_back(asking);
        }
    }
    *waiting = later;
    together
}

/// The database did not do its part: for all of them alike.
fn refuse(together: Vec<Asking>, error: StoreError) {
    let error = Arc::new(error);
    for asking in together {
        asking.answer(Err(StoreError::Away(error.clone()).into()));
    }
}
