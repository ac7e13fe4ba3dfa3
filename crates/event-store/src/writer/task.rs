//! The task itself: gathers, writes, and judges what was refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::warn;

use millrace_service_kit::Clock;

use crate::log::{Append, AppendError, Appended, Held, StoreError};
use crate::writer::batch::Batch;
use crate::writer::judge::{Questions, Verdict, judge};
use crate::writer::known::Known;
use crate::writer::{Ask, Ledger, Request, Tail};

/// A batch ends when it has this many events or bytes; an append is never split.
const BATCH_EVENTS: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;
/// How long a batch is tried again by itself when the database goes away under it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one statement may take before its connection is given up: a peer that vanished says nothing.
const SILENCE: Duration = Duration::from_secs(30);

pub(super) struct Task<L> {
    pub(super) ledger: L,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) received: mpsc::Receiver<Request>,
    pub(super) moved: watch::Sender<u64>,
    pub(super) tail: Tail,
    pub(super) known: Known,
}

impl<L: Ledger> Task<L> {
    pub(super) async fn run(mut self) {
        while let Some(request) = self.received.recv().await {
            let mut next = Some(request);
            while let Some(request) = next.take() {
                match request {
                    Request::Append(ask) => next = self.gather(ask).await,
                    Request::TakeLease {
                        name,
                        holder,
                        ttl,
                        reply,
                    } => {
                        let taken = self.take_lease(&name, &holder, ttl).await;
                        let _ = reply.send(taken);
                    }
                    Request::ReleaseLease { lease, reply } => {
                        let released = within(self.ledger.release_lease(&lease)).await;
                        if released.is_err() {
                            self.ledger.reset().await;
                        }
                        let _ = reply.send(released);
                    }
                    Request::Close => return,
                }
            }
        }
    }

    /// Writes `first` and everything queued behind it. Returns the request that ended the batch.
    async fn gather(&mut self, first: Ask) -> Option<Request> {
        // Those who were just answered get the chance to ask again; it costs nothing when nobody is about to.
        tokio::task::yield_now().await;
        let (mut events, mut bytes) = (first.events, first.bytes);
        let mut asks = vec![first];
        let mut ended_by = None;
        while events < BATCH_EVENTS && bytes < BATCH_BYTES {
            match self.received.try_recv() {
                Ok(Request::Append(ask)) => {
                    events += ask.events;
                    bytes += ask.bytes;
                    asks.push(ask);
                }
                Ok(other) => {
                    ended_by = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        self.commit(asks).await;
        ended_by
    }

    async fn commit(&mut self, asks: Vec<Ask>) {
        let now = self.clock.now().as_microsecond();
        let (sure, doubtful) = match self.vouch(&asks).await {
            Ok(parted) => parted,
            Err(error) => return self.broken(asks, now, error).await,
        };
        let mut left = asks.into_iter().map(Some).collect::<Vec<_>>();
        let mut refused = doubtful;
        if !sure.is_empty() {
            let picked: Vec<&Append> = sure
                .iter()
                .filter_map(|(index, _)| left[*index].as_ref())
                .map(|ask| &ask.append)
                .collect();
            let firsts = sure.iter().map(|(_, firsts)| firsts.as_slice());
            let batch = Batch::of(
                picked.into_iter().zip(firsts),
                now,
                self.known.fence_for_leases(),
            );
            let written = within(self.ledger.write(&batch)).await;
            match written {
                Ok(Some(base)) => {
                    let results = batch.results(base);
                    let last = base + batch.rows.len() as u64;
                    for row in &batch.rows {
                        self.known.stands_at(row.stream, row.version);
                    }
                    self.tail.committed(base, &batch);
                    drop(batch);
                    self.told(last);
                    for ((index, _), appended) in sure.iter().zip(results) {
                        if let Some(ask) = left[*index].take() {
                            let _ = ask.reply.send(Ok(appended));
                        }
                    }
                }
                Ok(None) => {
                    drop(batch);
                    refused.extend(sure.iter().map(|(index, _)| *index));
                    refused.sort_unstable();
                }
                Err(error) => {
                    drop(batch);
                    return self
                        .broken(left.into_iter().flatten().collect(), now, error)
                        .await;
                }
            }
        }
        let asks: Vec<Ask> = refused
            .into_iter()
            .filter_map(|index| left[index].take())
            .collect();
        if asks.is_empty() {
            return;
        }
        match self.judged(&asks, now).await {
            Ok(verdicts) => answer(asks, verdicts),
            Err(error) => self.broken(asks, now, error).await,
        }
    }

    /// Parts what may be written at once, with the first version of each of its streams, from what must be judged under the lock.
    async fn vouch(
        &mut self,
        asks: &[Ask],
    ) -> Result<(Vec<(usize, Vec<u64>)>, Vec<usize>), StoreError> {
        let unknown = self
            .known
            .unknown(asks.iter().flat_map(|ask| &ask.append.streams));
        if !unknown.is_empty() {
            let found = within(self.ledger.heads(&unknown)).await?;
            self.known.learn(&unknown, found);
        }
        let mut sure = Vec::with_capacity(asks.len());
        let mut doubtful = Vec::new();
        let mut ahead = self.known.ahead();
        for (index, ask) in asks.iter().enumerate() {
            match ahead.vouch(&ask.append) {
                Some(firsts) => sure.push((index, firsts)),
                None => doubtful.push(index),
            }
        }
        Ok((sure, doubtful))
    }

    /// Judges one by one with the head row held, and writes what is accepted.
    async fn judged(
        &mut self,
        asks: &[Ask],
        now: i64,
    ) -> Result<Vec<Result<Appended, AppendError>>, StoreError> {
        let appends: Vec<&Append> = asks.iter().map(|ask| &ask.append).collect();
        let facts = within(self.ledger.lock(&Questions::about(&appends))).await?;
        let base = facts.position;
        self.known.see_leases(facts.fence, &facts.leases);
        for (stream, version) in &facts.heads {
            self.known.stands_at(stream, *version);
        }
        let verdicts = judge(&appends, facts);
        let accepted =
            appends
                .iter()
                .zip(&verdicts)
                .filter_map(|(append, verdict)| match verdict {
                    Verdict::Write { firsts, .. } => Some((*append, firsts.as_slice())),
                    Verdict::Answer(_) => None,
                });
        let batch = Batch::of(accepted, now, None);
        if batch.is_empty() {
            within(self.ledger.finish(None)).await?;
        } else {
            within(self.ledger.finish(Some(&batch))).await?;
            for row in &batch.rows {
                self.known.stands_at(row.stream, row.version);
            }
            self.tail.committed(base, &batch);
            self.told(base + batch.rows.len() as u64);
        }
        let results = verdicts.into_iter().map(|verdict| match verdict {
            Verdict::Write { appended, .. } => Ok(appended),
            Verdict::Answer(answer) => answer,
        });
        Ok(results.collect())
    }

    /// The outcome is unknown: looks again under the lock, where event ids tell what had happened, until patience ends.
    async fn broken(&mut self, asks: Vec<Ask>, now: i64, error: StoreError) {
        warn!(
            error = &error as &dyn std::error::Error,
            appends = asks.len(),
            "a batch could not be written, trying again"
        );
        if asks.len() > 1 && blames_content(&error) {
            return self.apart(asks, now).await;
        }
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(20);
        let error = loop {
            self.ledger.reset().await;
            match self.judged(&asks, now).await {
                Ok(verdicts) => return answer(asks, verdicts),
                Err(again) if blames_content(&again) && asks.len() > 1 => {
                    return self.apart(asks, now).await;
                }
                Err(again) if waited >= PATIENCE || blames_content(&again) => break again,
                Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(Duration::from_secs(1));
        };
        self.ledger.reset().await;
        refuse(asks, error);
    }

    /// One of these cannot be stored; the others shall not suffer for it.
    async fn apart(&mut self, asks: Vec<Ask>, now: i64) {
        for ask in asks {
            self.ledger.reset().await;
            let asks = vec![ask];
            match self.judged(&asks, now).await {
                Ok(verdicts) => answer(asks, verdicts),
                Err(error) => refuse(asks, error),
            }
        }
        self.ledger.reset().await;
    }

    async fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Option<Held>, StoreError> {
        match within(self.ledger.take_lease(name, holder, ttl)).await {
            Ok(Some((held, true))) => {
                // The fence was raised: what was known about leases is judged anew.
                self.known.forget_leases();
                self.told(held.marker);
                Ok(Some(held))
            }
            Ok(Some((held, false))) => Ok(Some(held)),
            Ok(None) => Ok(None),
            Err(error) => {
                self.ledger.reset().await;
                Err(error)
            }
        }
    }

    fn told(&self, head: u64) {
        self.moved.send_if_modified(|known| {
            let higher = head > *known;
            *known = head.max(*known);
            higher
        });
    }
}

async fn within<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let silent =
        || std::io::Error::new(std::io::ErrorKind::TimedOut, "the database did not answer");
    tokio::time::timeout(SILENCE, call)
        .await
        .unwrap_or_else(|_| Err(StoreError::Database(sqlx::Error::Io(silent()))))
}

/// The database answered, and what it did not like is in the rows: SQLSTATE classes data, integrity and limits.
fn blames_content(error: &StoreError) -> bool {
    let StoreError::Database(sqlx::Error::Database(error)) = error else {
        return false;
    };
    error.code().is_some_and(|code| {
        code.len() == 5
            && ["22", "23", "54"]
                .iter()
                .any(|class| code.starts_with(class))
    })
}

fn refuse(asks: Vec<Ask>, error: StoreError) {
    warn!(
        error = &error as &dyn std::error::Error,
        appends = asks.len(),
        "appends were given up"
    );
    let error = Arc::new(error);
    for ask in asks {
        let _ = ask
            .reply
            .send(Err(AppendError::Store(StoreError::Away(error.clone()))));
    }
}

fn answer(asks: Vec<Ask>, verdicts: Vec<Result<Appended, AppendError>>) {
    for (ask, verdict) in asks.into_iter().zip(verdicts) {
        // Nobody waits any more: the append stands all the same.
        let _ = ask.reply.send(verdict);
    }
}
