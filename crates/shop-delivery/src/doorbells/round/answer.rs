//! One ring, and what follows from the shop's answer.

use std::time::Duration;

use jiff::SignedDuration;
use millrace_contract::doorbells::v1::{DoorbellSwitchedOff, OffReason};
use millrace_doorbell::Answer;
use millrace_event_store::{Append, AppendError, Expected, Recorded, StoreError};
use millrace_service_kit::Shutdown;
use millrace_service_kit::trace::{Kind, Work, span_of};
use tracing::{Instrument, error, info, warn};

use super::Round;
use crate::domain::patience::{Next, after_failure};
use crate::domain::rings::Ring;
use crate::doorbells::events::{Said, said, why_off};
use crate::doorbells::message::message;
use crate::doorbells::ringer::Broken;

/// A ring under way when the process is asked to stop gets so long to be answered.
const GRACE: Duration = Duration::from_secs(10);

/// What came of a ring.
pub(super) enum Rung {
    Taken,
    /// It is tried again, or off now.
    NotTaken,
    /// The process stops; nobody knows.
    Unknown,
}

impl Round<'_> {
    pub(super) async fn ring(
        &mut self,
        ring: &Ring,
        told: &Recorded,
        stop: &Shutdown,
    ) -> Result<Rung, Broken> {
        let ringer = self.ringer;
        let (log, doorbell) = (&ringer.feed.log, &*ringer.doorbell);
        let message = message(&**log, &ringer.channel, doorbell, ring, told);
        let traceparent = told.event.cause.traceparent.as_deref();
        let span = span_of(traceparent);
        let work = Work::follow("ring doorbell", traceparent)
            .of(Kind::Client)
            .with("channel", &ringer.channel)
            .with("doorbell", &doorbell.name);
        let ringing = doorbell.endpoint.ring(&message, ringer.clock.now());
        let answer = tokio::select! {
            answer = ringing.instrument(span.clone()) => answer,
            () = asked_long_ago(stop) => return Ok(Rung::Unknown),
        };
        if answer != Answer::Taken {
            work.failed(&"not taken");
        }
        drop(work);
        self.answered(answer).instrument(span).await
    }

    async fn answered(&mut self, answer: Answer) -> Result<Rung, Broken> {
        let ringer = self.ringer;
        let (channel, name) = (&ringer.channel, &ringer.doorbell.name);
        let now = ringer.clock.now();
        let (reason, wish) = match answer {
            Answer::Taken => {
                ringer
                    .figures
                    .change(channel, name, |reading| reading.rings += 1);
                if self.bell.trouble.take().is_some() {
                    info!(channel = %channel, doorbell = name, "doorbell {name} of channel {channel} rings again");
                }
                self.bell.last_success = Some(now);
                return Ok(Rung::Taken);
            }
            Answer::Gone => ("answered 410".to_owned(), None),
            Answer::Failed {
                ref reason,
                retry_after,
            } => (reason.clone(), retry_after),
        };
        ringer
            .figures
            .change(channel, name, |reading| reading.failures += 1);
        self.bell.last_failure = Some((reason.clone(), now));
        if answer == Answer::Gone {
            self.switch_off(OffReason::Gone, reason).await?;
            return Ok(Rung::NotTaken);
        }
        let wish = wish.map(|wish| SignedDuration::try_from(wish).unwrap_or(SignedDuration::MAX));
        let (before, jitter) = (self.bell.trouble, ringer.ids.fraction());
        match after_failure(before, wish, now, jitter, ringer.give_up_after) {
            Next::GiveUp => self.switch_off(OffReason::Failing, reason).await?,
            Next::TryAgain(trouble) => {
                if before.is_none() {
                    warn!(channel = %channel, doorbell = name, reason, "doorbell {name} of channel {channel} is not answered, trying again: {reason}");
                }
                self.bell.trouble = Some(trouble);
                self.keep().await?;
            }
        }
        Ok(Rung::NotTaken)
    }

    /// Says so in the feed, where it is heeded at once.
    async fn switch_off(&mut self, reason: OffReason, note: String) -> Result<(), Broken> {
        let ringer = self.ringer;
        let (channel, name) = (&ringer.channel, &ringer.doorbell.name);
        let off = DoorbellSwitchedOff {
            doorbell: name.clone(),
            reason: reason.into(),
            note,
        };
        let (why, now) = (why_off(&off), ringer.clock.now());
        let id = ringer.ids.uuid_at(now);
        let actor = "shop-delivery";
        let event = said(&Said::Off(off), channel, &self.stream, id, now, actor, None);
        let append = Append {
            lease: Some(self.lease.clone()),
            ..Append::to(&self.stream, Expected::Any, vec![event])
        };
        match ringer.feed.log.append(append).await {
            Ok(_) => {}
            Err(AppendError::StaleLease { .. }) => return Err(Broken::Lost),
            Err(AppendError::Store(error)) => return Err(error.into()),
            // One small event of our own making.
            Err(other) => {
                let reason = other.to_string();
                return Err(StoreError::Corrupt { number: 0, reason }.into());
            }
        }
        error!(channel = %channel, doorbell = name, reason = why, "doorbell {name} of channel {channel} is switched off: {why}");
        self.heed().await
    }
}

async fn asked_long_ago(stop: &Shutdown) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
