//! One task per log commits batches: callers hand in an append and wait; the task takes everything already queued, without
//! lingering, and writes it in one transaction. While one batch is being made durable, the next one gathers by itself.
//!
//! The task is optimistic: it numbers versions by what it knows and lets the database's unique keys judge. Only what was refused,
//! or what it cannot vouch for (a version that looks wrong, a lease it has not seen), is judged one by one with the head row held.

mod batch;
mod judge;
mod known;
mod tail;
mod task;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use millrace_service_kit::Clock;

use crate::event::Recorded;
use crate::log::{Append, AppendError, Appended, Held, LeaseEpoch, StoreError};
use crate::row::Identity;
pub(crate) use batch::{Batch, Row};
pub(crate) use judge::{Facts, Questions};
use known::Known;
pub(crate) use tail::Tail;
use task::Task;

/// One append may be this large: it is one transaction, and everybody else waits for it.
const APPEND_EVENTS: usize = 10_000;
const APPEND_BYTES: usize = 16 << 20;

/// One database's side of the writer. Every call leaves the connection ready for the next, or broken until [`Ledger::reset`].
#[async_trait]
pub(crate) trait Ledger: Send + 'static {
    /// Writes the batch in one transaction and one round trip. `None`: a unique key or the fence refused it; nothing was written.
    /// Else the position before its first row.
    async fn write(&mut self, batch: &Batch<'_>) -> Result<Option<u64>, StoreError>;

    /// Committed versions of those streams that exist.
    async fn heads(&mut self, streams: &[&str]) -> Result<Vec<(String, u64)>, StoreError>;

    /// Takes the head row, then looks, in statements of their own: nobody moves any of it until [`Ledger::finish`].
    async fn lock(&mut self, questions: &Questions<'_>) -> Result<Facts, StoreError>;

    /// Writes the batch and gives the head row back; without one only the latter.
    async fn finish(&mut self, batch: Option<&Batch<'_>>) -> Result<(), StoreError>;

    /// Takes or renews a lease, see [`crate::EventLog::take_lease`]. The flag says that the head moved to the marker.
    async fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<(Held, bool)>, StoreError>;

    async fn release_lease(&mut self, lease: &LeaseEpoch) -> Result<(), StoreError>;

    /// Forgets a connection in doubt; whatever it had begun is over, one way or the other, before anything later is judged.
    async fn reset(&mut self);
}

/// The writer as the log's callers hold it.
pub(crate) struct Writer {
    requests: mpsc::Sender<Request>,
    moved: watch::Sender<u64>,
    tail: Tail,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

enum Request {
    Append(Ask),
    TakeLease {
        name: String,
        holder: String,
        ttl: Duration,
        reply: oneshot::Sender<Result<Option<Held>, StoreError>>,
    },
    ReleaseLease {
        lease: LeaseEpoch,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    Close,
}

/// An append on its way, and who waits for it.
struct Ask {
    append: Append,
    events: usize,
    bytes: usize,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

impl Writer {
    pub(crate) fn start(
        ledger: impl Ledger,
        clock: Arc<dyn Clock>,
        identity: Identity,
        head: u64,
    ) -> Self {
        let (requests, received) = mpsc::channel(8_192);
        let moved = watch::Sender::new(head);
        let tail = Tail::new(identity);
        let task = Task {
            ledger,
            clock,
            received,
            moved: moved.clone(),
            tail: tail.clone(),
            known: Known::default(),
        };
        let task = tokio::spawn(task.run());
        Self {
            requests,
            moved,
            tail,
            task: std::sync::Mutex::new(Some(task)),
        }
    }

    pub(crate) fn moved(&self) -> &watch::Sender<u64> {
        &self.moved
    }

    /// As [`crate::EventLog::read_feed`], where this process wrote all of it just now.
    pub(crate) fn just_written(&self, after: u64, limit: usize) -> Option<Vec<Recorded>> {
        let head = *self.moved.borrow();
        self.tail.read(after, limit, head)
    }

    pub(crate) async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (events, bytes) = size(&append);
        if events > APPEND_EVENTS || bytes > APPEND_BYTES {
            return Err(AppendError::TooLarge { bytes, events });
        }
        check(&append)?;
        let (reply, answer) = oneshot::channel();
        let ask = Request::Append(Ask {
            append,
            events,
            bytes,
            reply,
        });
        self.requests
            .send(ask)
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(crate) async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Held>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::TakeLease {
            name: name.to_owned(),
            holder: holder.to_owned(),
            ttl,
            reply,
        };
        self.requests
            .send(request)
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(crate) async fn release_lease(&self, lease: &LeaseEpoch) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::ReleaseLease {
            lease: lease.clone(),
            reply,
        };
        self.requests
            .send(request)
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Finishes what was taken before.
    pub(crate) async fn close(&self) {
        let task = self
            .task
            .lock()
            .expect("no holder of this lock panics")
            .take();
        // Refused only when the task has ended already.
        let _ = self.requests.send(Request::Close).await;
        if let Some(task) = task {
            // A panic was reported by the runtime; there is nothing left to finish.
            let _ = task.await;
        }
    }
}

/// Refuses what one of the databases could not keep; so both refuse it, and no batch breaks on it.
fn check(append: &Append) -> Result<(), AppendError> {
    let fits = |what: &str, text: &str, most: usize| {
        if text.len() > most || text.contains('\0') {
            return Err(AppendError::Malformed {
                reason: format!("its {what} is longer than {most} bytes or contains a zero byte"),
            });
        }
        Ok(())
    };
    let fits_where = |what: &str, text: &Option<String>, most: usize| {
        text.as_deref()
            .map_or(Ok(()), |text| fits(what, text, most))
    };
    fits_where("idempotency key", &append.idempotency_key, 1_000)?;
    for stream in &append.streams {
        fits("stream", &stream.stream, 1_000)?;
        for event in &stream.events {
            fits("kind", &event.kind, 1_000)?;
            fits("key", &event.key, 1_000)?;
            fits("actor", &event.cause.actor, 1_000)?;
            fits_where("erp", &event.erp, 1_000)?;
            fits_where("channel", &event.channel, 1_000)?;
            fits_where("traceparent", &event.cause.traceparent, 1_000)?;
        }
    }
    let mut ids: Vec<_> = append
        .streams
        .iter()
        .flat_map(|stream| &stream.events)
        .map(|event| event.id)
        .collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(AppendError::Reused { id: pair[0] }),
        None => Ok(()),
    }
}

fn size(append: &Append) -> (usize, usize) {
    let mut events = 0;
    let mut bytes = 0;
    for stream in &append.streams {
        events += stream.events.len();
        for event in &stream.events {
            bytes += event.payload.len()
                + event.key.len()
                + event.kind.len()
                + stream.stream.len()
                + 128;
        }
    }
    (events, bytes)
}
