//! Moves what shelves hold. One task per process decides, in memory and one after the other, for everybody who asked since it
//! decided last, and writes all of it in one append: a thousand customers who want the same item cost one commit, not a thousand
//! one behind the other. What it knows of a shelf is what the log holds. The log judges by versions: where another process moved
//! a shelf meanwhile the append is refused as a whole, that shelf is read again, and it is decided again. Nobody is refused by what was
//! known before his turn began: what refuses him is read once more, or was just judged by the log.

mod clerk;

use std::sync::Arc;

use millrace_contract::shelves::v1::ShelfMoved;
use millrace_event_store::{EventLog, NewEvent, Recorded, StoreError};
use millrace_service_kit::{Clock, Ids};
use prost::Message;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use self::clerk::Clerk;
use crate::domain::Moving;
use crate::domain::shelf::{NotThere, Shelf};
use crate::read_model::Figures;
use crate::wire;

/// Callers that wait for a turn before others are kept waiting at the door.
const QUEUE: usize = 4_096;

/// Events of one reservation, with what they move.
pub struct Change {
    pub stream: String,
    /// Where the stream stands; 0: it does not exist.
    pub version: u64,
    pub events: Vec<NewEvent>,
    pub moves: Vec<Wanted>,
}

/// A move, and where it takes something, what was asked for in the shop's words.
pub struct Wanted {
    pub moving: Moving,
    pub asked: Option<String>,
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
    reply: oneshot::Sender<Result<(), ChangeError>>,
}

impl Asking {
    fn answer(self, answer: Result<(), ChangeError>) {
        // Nobody waits any more: what was written stands all the same.
        let _ = self.reply.send(answer);
    }
}

impl Shelves {
    /// Whom to ask, and the task that answers; it ends when nobody can ask any more.
    pub fn new(
        log: Arc<dyn EventLog>,
        figures: Figures,
        clock: Arc<dyn Clock>,
        ids: Ids,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (sender, asked) = mpsc::channel(QUEUE);
        let clerk = Clerk::new(log, figures, clock, ids);
        (Self(sender), clerk.run(asked))
    }

    /// Writes the change once all its shelves allow it: all of it, or nothing.
    ///
    /// # Errors
    /// See [`ChangeError`]. After [`ChangeError::Store`] it may have been written.
    pub async fn change(&self, change: Change) -> Result<(), ChangeError> {
        let (reply, answer) = oneshot::channel();
        let asking = Asking { change, reply };
        self.0.send(asking).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// A shelf as the log holds it.
#[derive(Debug, Clone, Default)]
struct Known {
    shelf: Shelf,
    version: u64,
}

fn read(recorded: &Recorded) -> Result<Known, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt {
        number: recorded.at.number,
        reason,
    };
    let message = ShelfMoved::decode(recorded.event.payload.as_ref())
        .map_err(|error| corrupt(error.to_string()))?;
    Ok(Known {
        shelf: wire::read_shelf(message).map_err(|error| corrupt(error.to_string()))?,
        version: recorded.version,
    })
}
