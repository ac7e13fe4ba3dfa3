//! Events to append, and callers that append them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use hdrhistogram::Histogram;
use jiff::Timestamp;
use millrace_event_store::{Append, Cause, EventLog, Expected, NewEvent};
use millrace_service_kit::{Clock, Ids, SystemClock};
use uuid::Uuid;

pub const WARM_UP: Duration = Duration::from_secs(1);
pub const MEASURED: Duration = Duration::from_secs(4);

/// Streams per caller: an append meets streams of some length, not only new ones.
const STREAMS: u64 = 50;

pub const KIND: &str = "millrace.items.v1.ItemChanged";

/// What one caller appends, one after the other: the same in both arms.
pub struct Caller {
    number: u64,
    sent: u64,
    ids: Ids,
    cause: Cause,
    payload: Bytes,
}

impl Caller {
    pub fn new(number: u64) -> Caller {
        let ids = Ids::random();
        let cause = Cause {
            correlation_id: ids.uuid_at(SystemClock.now()),
            causation_id: None,
            traceparent: None,
            actor: "bench".to_owned(),
        };
        // 200 bytes that do not compress.
        let payload: Vec<u8> = (0..13)
            .flat_map(|_| Uuid::into_bytes(ids.uuid_at(SystemClock.now())))
            .take(200)
            .collect();
        Caller {
            number,
            sent: 0,
            ids,
            cause,
            payload: payload.into(),
        }
    }

    /// The next event: its stream, the version it will have, the event.
    pub fn next(&mut self) -> (String, u64, NewEvent) {
        let now: Timestamp = SystemClock.now();
        let stream = format!("item/bench/{:05}-{:03}", self.number, self.sent % STREAMS);
        let version = self.sent / STREAMS + 1;
        self.sent += 1;
        let event = NewEvent {
            id: self.ids.uuid_at(now),
            kind: KIND.to_owned(),
            key: stream.clone(),
            erp: Some("bench".to_owned()),
            channel: None,
            occurred_at: now,
            cause: self.cause.clone(),
            payload: self.payload.clone(),
            deleted: false,
        };
        (stream, version, event)
    }
}

/// What a drive came to.
pub struct Driven {
    pub per_second: f64,
    pub p50_micros: f64,
    pub p99_micros: f64,
    /// How many calls were answered, warm-up included.
    pub acknowledged: u64,
}

/// When a caller calls.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// As soon as it was answered.
    Closed,
    /// At fixed times, this far apart, whatever becomes of the calls: a call that has to wait for its caller is late.
    Open(Duration),
}

/// Runs `callers` loops of `call` at once, after a warm-up for the measured time; the first error ends it.
pub async fn drive<F, C>(callers: u64, caller: impl FnMut(u64) -> C) -> Result<Driven>
where
    C: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    run(callers, Pace::Closed, caller).await
}

/// As [`drive`], but with `per_second` calls of all callers together, evenly spread, each measured from when it was to begin
/// if its caller was not free then.
pub async fn drive_at<F, C>(
    per_second: f64,
    callers: u64,
    caller: impl FnMut(u64) -> C,
) -> Result<Driven>
where
    C: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let apart = Duration::from_secs_f64(callers as f64 / per_second);
    run(callers, Pace::Open(apart), caller).await
}

async fn run<F, C>(callers: u64, pace: Pace, mut caller: impl FnMut(u64) -> C) -> Result<Driven>
where
    C: FnMut() -> F + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let counting = Arc::new(AtomicBool::new(false));
    let over = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|number| {
            let mut call = caller(number);
            let (counting, over, acknowledged) = (
                Arc::clone(&counting),
                Arc::clone(&over),
                Arc::clone(&acknowledged),
            );
            tokio::spawn(async move {
                let mut micros = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
                let mut next = match pace {
                    Pace::Closed => start,
                    Pace::Open(apart) => start + apart.mul_f64(number as f64 / callers as f64),
                };
                while !over.load(Ordering::Relaxed) {
                    let began = match pace {
                        Pace::Closed => Instant::now(),
                        Pace::Open(apart) => {
                            let due = next;
                            next += apart;
                            let in_time = Instant::now() < due;
                            tokio::time::sleep_until(due.into()).await;
                            // A timer is late by up to a millisecond, which is nobody's fault.
                            if in_time { Instant::now() } else { due }
                        }
                    };
                    call().await?;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    if counting.load(Ordering::Relaxed) {
                        micros.saturating_record(
                            u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
                        );
                    }
                }
                anyhow::Ok(micros)
            })
        })
        .collect();
    tokio::time::sleep(WARM_UP).await;
    let before = acknowledged.load(Ordering::Relaxed);
    let began = Instant::now();
    counting.store(true, Ordering::Relaxed);
    tokio::time::sleep(MEASURED).await;
    let counted = acknowledged.load(Ordering::Relaxed) - before;
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let mut all = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    for task in tasks {
        all.add(task.await??)?;
    }
    if counted == 0 {
        bail!("nothing was answered in {took:?}");
    }
    Ok(Driven {
        per_second: counted as f64 / took.as_secs_f64(),
        p50_micros: all.value_at_quantile(0.5) as f64,
        p99_micros: all.value_at_quantile(0.99) as f64,
        acknowledged: acknowledged.load(Ordering::Relaxed),
    })
}

/// `callers` append to the log, one event per call, each expecting the version that it left.
pub async fn append(log: &Arc<dyn EventLog>, callers: u64) -> Result<Driven> {
    drive(callers, |number| {
        let log = Arc::clone(log);
        let mut caller = Caller::new(number);
        move || {
            let (stream, version, event) = caller.next();
            let log = Arc::clone(&log);
            async move {
                log.append(Append::to(
                    stream,
                    Expected::Version(version - 1),
                    vec![event],
                ))
                .await?;
                Ok(())
            }
        }
    })
    .await
}
