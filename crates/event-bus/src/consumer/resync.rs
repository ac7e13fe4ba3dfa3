//! Partitions that come and go, and those about which what we knew no longer holds.

use millrace_event_store::{Position, StoreError};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use crate::bus::BusError;
use crate::consumer::plan::BEGINNING;
use crate::consumer::positions::claim;
use crate::consumer::worker::{Own, UNSURE, Worker};
use crate::past::Past;
use crate::subscription::{Change, Mark, Partition, Positions, Seen, Subscription};
use crate::topics::{self, Kind};

impl Worker {
    pub(super) async fn change(
        &mut self,
        change: Change,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        match change {
            Change::Assigned {
                partition,
                mark,
                end,
            } => {
                debug!(
                    topic = partition.topic,
                    partition = partition.number,
                    "assigned"
                );
                let stored = mark.is_some();
                let mark = mark.unwrap_or_else(|| Mark::beginning(end));
                if mark.stalled.is_some() {
                    subscription.pause(&partition, true).await?;
                }
                self.own.insert(
                    partition,
                    Own {
                        mark,
                        stored,
                        failing: None,
                        past: Past::default(),
                    },
                );
                self.may_hold = true;
            }
            Change::Revoked(partition) => {
                debug!(
                    topic = partition.topic,
                    partition = partition.number,
                    "revoked"
                );
                self.own.remove(&partition);
            }
            Change::Lost {
                partition,
                reason,
                now,
            } => {
                self.resync(&partition, &reason, None, now, subscription)
                    .await?
            }
        }
        Ok(())
    }

    /// Another process has moved this partition: where does it stand now?
    pub(super) async fn fenced(
        &mut self,
        partition: &Partition,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        self.meter.fenced();
        warn!(
            topic = partition.topic,
            partition = partition.number,
            "another process has taken {} {}",
            partition.topic,
            partition.number
        );
        self.reload(partition, subscription).await
    }

    /// A database server that died may have lost the last transactions, position and effect together: what we remember is ahead then.
    pub(super) async fn look_for_gone_back(
        &mut self,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        let Ok(stored) = self.positions.all().await else {
            // Whoever next needs the database says so; until it answers nobody knows what it has lost.
            self.unsure_until = Instant::now() + UNSURE;
            return Ok(());
        };
        let gone_back: Vec<Partition> = self
            .own
            .iter()
            .filter(|(partition, own)| {
                let known = stored.get(*partition);
                own.stored && known.is_some_and(|next| *next != own.mark.next)
            })
            .map(|(partition, _)| partition.clone())
            .collect();
        for partition in gone_back {
            warn!(
                topic = partition.topic,
                partition = partition.number,
                "{} {} stands elsewhere in the database: it is read again from there",
                partition.topic,
                partition.number
            );
            self.reload(&partition, subscription).await?;
        }
        Ok(())
    }

    pub(super) async fn reload(
        &mut self,
        partition: &Partition,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        let Some(mark) = self.positions.load(partition).await? else {
            return Ok(());
        };
        subscription
            .pause(partition, mark.stalled.is_some())
            .await?;
        subscription
            .seek(partition, (mark.next >= 0).then_some(mark.next))
            .await?;
        self.own.insert(
            partition.clone(),
            Own {
                mark,
                stored: true,
                failing: None,
                past: Past::default(),
            },
        );
        Ok(())
    }

    /// What we knew of this partition no longer holds: a state topic begins again, a fact topic waits for a person.
    pub(super) async fn resync(
        &mut self,
        partition: &Partition,
        reason: &str,
        offset: Option<i64>,
        at: Option<Position>,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        let Some(own) = self.own.get(partition) else {
            return Ok(());
        };
        // The same life of the log: what was taken of it is still known as taken, wherever it stands now.
        let seen = match &at {
            Some(at) => Some(Seen {
                number: 0,
                ..Seen::at(at)
            }),
            None => own.mark.seen.clone(),
        };
        let facts = topics::named(partition.topic)
            .is_some_and(|topic| matches!(topic.kind, Kind::Facts { .. }));
        let old_until = own.mark.old_until;
        let mark = if facts {
            Mark {
                old_until,
                next: offset.unwrap_or(BEGINNING),
                passed: None,
                seen,
                since: offset.unwrap_or(BEGINNING),
                stalled: Some(reason.to_owned()),
            }
        } else {
            Mark {
                old_until,
                next: BEGINNING,
                passed: None,
                seen,
                since: offset.unwrap_or(BEGINNING),
                stalled: None,
            }
        };
        let old = own.stored.then(|| own.mark.clone());
        self.meter.resync();
        if facts {
            error!(
                topic = partition.topic,
                partition = partition.number,
                reason,
                "{} waits for a person: resync needed",
                partition.topic
            );
        } else {
            warn!(
                topic = partition.topic,
                partition = partition.number,
                reason,
                "{} is read again from its beginning",
                partition.topic
            );
        }
        let mut tx = self.bench.database.begin().await?;
        let moved = claim(
            &mut tx,
            &self.bench.consumer,
            partition,
            old.as_ref(),
            &mark,
        )
        .await
        .map_err(StoreError::Database)?;
        if !moved {
            drop(tx);
            return self.fenced(partition, subscription).await;
        }
        tx.commit().await?;
        let stalled = mark.stalled.is_some();
        self.own.insert(
            partition.clone(),
            Own {
                mark,
                stored: true,
                failing: None,
                past: Past::default(),
            },
        );
        subscription.pause(partition, stalled).await?;
        if !stalled {
            subscription.seek(partition, None).await?;
        }
        Ok(())
    }
}
