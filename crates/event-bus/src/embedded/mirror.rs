//! The latest of every key, then what comes: for who keeps a whole topic in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::Stream;
use millrace_event_store::StoreError;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::bus::{BusError, Delivery, Mirrored};
use crate::embedded::Attached;
use crate::embedded::subscription::EmbeddedSubscription;
use crate::subscription::{Mark, Partition, Positions, Subscription, Taken};
use crate::topics::Topic;

/// How long a newcomer waits for the first log that carries its topics, before it says that it has caught up with nothing:
/// services of one process start together, in any order.
const GRACE: Duration = Duration::from_secs(2);
const PAGE: usize = 1_000;
const AFTER_ERROR: Duration = Duration::from_millis(250);

struct Newcomer {
    subscription: EmbeddedSubscription,
    ready: VecDeque<Mirrored>,
    /// Where each log stood when it was first met.
    goal: Option<Vec<(Arc<str>, u64)>>,
    caught_up: bool,
    started: Instant,
}

struct FromTheBeginning;

#[async_trait]
impl Positions for FromTheBeginning {
    async fn load(&self, _partition: &Partition) -> Result<Option<Mark>, StoreError> {
        Ok(None)
    }
}

pub(super) fn mirror(
    attached: watch::Receiver<Vec<Attached>>,
    topics: Vec<&'static Topic>,
) -> impl Stream<Item = Result<Mirrored, BusError>> + Send + 'static {
    let newcomer = Newcomer {
        subscription: EmbeddedSubscription::new(attached, topics, Arc::new(FromTheBeginning)),
        ready: VecDeque::new(),
        goal: None,
        caught_up: false,
        started: Instant::now(),
    };
    futures::stream::unfold(newcomer, |mut newcomer| async move {
        let next = newcomer.next().await;
        if next.is_err() {
            // Who goes on reading after an error does not turn in circles.
            tokio::time::sleep(AFTER_ERROR).await;
        }
        Some((next, newcomer))
    })
}

impl Newcomer {
    async fn next(&mut self) -> Result<Mirrored, BusError> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(ready);
            }
            if !self.caught_up && self.has_caught_up().await? {
                self.caught_up = true;
                return Ok(Mirrored::CaughtUp);
            }
            let patience = if self.caught_up {
                Duration::from_secs(60)
            } else {
                Duration::from_millis(50)
            };
            let batch = self.subscription.next(PAGE, patience).await?;
            self.ready.extend(
                batch
                    .records
                    .into_iter()
                    .map(|taken| Mirrored::Record(delivery(taken))),
            );
        }
    }

    async fn has_caught_up(&mut self) -> Result<bool, BusError> {
        let mut heads = Vec::new();
        for (log, reached) in self.subscription.reached() {
            heads.push((Arc::<str>::from(log.name()), log.head().await?, reached));
        }
        if heads.is_empty() {
            return Ok(self.started.elapsed() >= GRACE);
        }
        let goal = self.goal.get_or_insert_with(|| {
            heads
                .iter()
                .map(|(log, head, _)| (log.clone(), *head))
                .collect()
        });
        Ok(heads
            .iter()
            .all(|(log, _, reached)| goal.iter().all(|(of, head)| of != log || reached >= head)))
    }
}

fn delivery(taken: Taken) -> Delivery {
    Delivery {
        topic: taken.partition.topic.to_owned(),
        partition: taken.partition.number,
        offset: taken.offset,
        event: taken.event.map_err(|unread| unread.why),
    }
}
