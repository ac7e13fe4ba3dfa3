//! The ringing itself, step by step: heed what was said, then the one thing that is next.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use millrace_contract::doorbells::v1::{DoorbellSwitchedOff, OffReason};
use millrace_doorbell::Answer;
use millrace_event_store::{
    Append, AppendError, Expected, LeaseEpoch, Recorded, StoreError, still_held,
};
use millrace_service_kit::Shutdown;
use millrace_service_kit::trace::span_of;
use tokio::time::Instant;
use tracing::{Instrument, error, info, warn};

use crate::domain::patience::{Next, after_failure};
use crate::domain::rings::Ring;
use crate::doorbells::events::{Said, said, stream, why_off};
use crate::doorbells::follow::{at, first_after, gather, opened, pending};
use crate::doorbells::message::message;
use crate::doorbells::ringer::{Broken, Ringer};
use crate::read_model::{
    Bell, Off, Replay, Window, forget_replay, load_bell, load_replays, save_bell, save_replay,
};

/// Rings of one window, at most: what is held in memory.
const MOST: usize = 500;
/// Passed over and not written down: looked through again after a crash.
const UNWRITTEN: u64 = 1_000;
/// While it waits for a moment, the clock is looked at so often, and what was said is heeded.
const LOOK: Duration = Duration::from_secs(1);
/// What is pending is counted at most so often.
const COUNT: Duration = Duration::from_secs(5);
/// A ring under way when the process is asked to stop gets so long to be answered.
const GRACE: Duration = Duration::from_secs(10);

pub(super) struct Round<'a> {
    ringer: &'a Ringer,
    lease: &'a LeaseEpoch,
    stream: String,
    bell: Bell,
    replays: Vec<Replay>,
    /// Of the window; `None`: not gathered yet.
    rings: Option<VecDeque<Ring>>,
    /// Up to here nothing was found that is still to ring.
    looked: u64,
    /// When the first change behind that rings.
    due: Option<Timestamp>,
    counted: Option<Instant>,
}

/// What to do after a step.
enum Step {
    GoOn,
    /// Until somebody says something.
    Wait,
    WaitUntil(Timestamp),
    Stop,
}

/// What came of a ring.
enum Rung {
    Taken,
    /// It is tried again, or off now.
    NotTaken,
    /// The process stops; nobody knows.
    Unknown,
}

impl<'a> Round<'a> {
    /// Where it stopped the last time. A doorbell that is seen for the first time begins with what is still to come.
    pub async fn begin(ringer: &'a Ringer, lease: &'a LeaseEpoch) -> Result<Self, Broken> {
        let (name, feed) = (&ringer.doorbell.name, &ringer.feed);
        let known = load_bell(&feed.database, name).await?;
        let is_new = known.is_none();
        let mut round = Self {
            ringer,
            lease,
            stream: stream(&ringer.channel, name),
            bell: known.unwrap_or_default(),
            replays: load_replays(&feed.database, name).await?,
            rings: None,
            looked: 0,
            due: None,
            counted: None,
        };
        if is_new {
            if opened(&feed.log, &ringer.channel).await?.is_some() {
                round.bell.place = Some(feed.log.head().await?);
            }
            round.keep().await?;
        }
        Ok(round)
    }

    /// Until it is asked to stop.
    pub async fn go_on(&mut self, stop: &Shutdown) -> Result<(), Broken> {
        let mut moved = self.ringer.feed.log.moved();
        moved.mark_changed();
        while !stop.is_cancelled() {
            if moved.has_changed().map_err(|_| StoreError::Closed)? {
                moved.borrow_and_update();
                self.heed().await?;
            }
            self.count().await?;
            match self.step(stop).await? {
                Step::GoOn => {}
                Step::Stop => return Ok(()),
                Step::Wait => {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        changed = moved.changed() => {
                            changed.map_err(|_| StoreError::Closed)?;
                            moved.mark_changed();
                        }
                    }
                }
                Step::WaitUntil(moment) => {
                    let left = moment.duration_since(self.ringer.clock.now());
                    let left = Duration::try_from(left).unwrap_or_default().min(LOOK);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(left) => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads what was said about this doorbell since, in its order.
    async fn heed(&mut self) -> Result<(), Broken> {
        let log = &self.ringer.feed.log;
        let heard = log.read_stream(&self.stream, self.bell.heeded, 100).await?;
        let opened = match self.bell.place {
            None => opened(log, &self.ringer.channel).await?,
            Some(_) => None,
        };
        if heard.is_empty() && opened.is_none() {
            return Ok(());
        }
        if let Some((position, _)) = opened {
            self.bell.place = Some(position);
        }
        let before = self.replays.clone();
        for recorded in &heard {
            self.heed_one(recorded);
        }
        self.keep_with_replays(&before).await?;
        let off = self.bell.off.is_some();
        self.ringer.show(|here| {
            if let Some(here) = here {
                here.off = off;
            }
        });
        Ok(())
    }

    fn heed_one(&mut self, recorded: &Recorded) {
        self.bell.heeded = recorded.version;
        match Said::read(recorded) {
            Some(Said::Off(off)) => {
                self.bell.off = Some(Off {
                    reason: why_off(&off),
                    since: recorded.recorded_at,
                });
            }
            Some(Said::On(on)) => {
                self.bell.off = None;
                self.bell.trouble = None;
                if on.passed_over && self.bell.place.is_some() {
                    self.bell.place = Some(recorded.at.number);
                    self.bell.window = None;
                    self.replays.clear();
                    self.forget_what_was_found();
                }
            }
            Some(Said::Replay(replay)) => self.replays.push(Replay {
                asked: recorded.version,
                next: replay.first_position,
                last: replay.last_position,
            }),
            // Said elsewhere, or by a newer binary.
            Some(Said::Opened(_)) | None => {}
        }
    }

    async fn step(&mut self, stop: &Shutdown) -> Result<Step, Broken> {
        let now = self.ringer.clock.now();
        let Some(place) = self.bell.place.filter(|_| self.bell.off.is_none()) else {
            return Ok(Step::Wait);
        };
        if let Some(trouble) = self.bell.trouble.filter(|trouble| trouble.next_try > now) {
            return Ok(Step::WaitUntil(trouble.next_try));
        }
        if let Some(&replay) = self.replays.first() {
            return self.replay(replay, stop).await;
        }
        match self.bell.window {
            Some(window) => self.ring_next(place, window, stop).await,
            None => self.look(place, now).await,
        }
    }

    /// The next change of a stretch that is rung again.
    async fn replay(&mut self, replay: Replay, stop: &Shutdown) -> Result<Step, Broken> {
        let (log, chosen) = (&self.ringer.feed.log, &self.ringer.doorbell.chosen);
        let after = replay.next.saturating_sub(1);
        let (found, _) = first_after(log, chosen, after, replay.last).await?;
        let before = self.replays.clone();
        let Some(found) = found else {
            self.replays.remove(0);
            self.keep_with_replays(&before).await?;
            return Ok(Step::GoOn);
        };
        let position = found.at.number;
        let ring = Ring {
            first: position,
            first_id: found.event.id,
            last: position,
            count: 1,
        };
        match self.ring(&ring, &found, stop).await? {
            Rung::Unknown => return Ok(Step::Stop),
            Rung::NotTaken => return Ok(Step::GoOn),
            Rung::Taken if position >= replay.last => drop(self.replays.remove(0)),
            Rung::Taken => self.replays[0].next = position + 1,
        }
        self.keep_with_replays(&before).await?;
        Ok(Step::GoOn)
    }

    /// The next ring of the window.
    async fn ring_next(
        &mut self,
        place: u64,
        window: Window,
        stop: &Shutdown,
    ) -> Result<Step, Broken> {
        let ringer = self.ringer;
        let log = &ringer.feed.log;
        if self.rings.is_none() {
            let (rings, _) = gather(log, &ringer.doorbell, place, window.up_to, MOST).await?;
            let left = rings.into_iter().filter(|ring| ring.first > window.rung);
            self.rings = Some(left.collect());
        }
        let rings = self.rings.get_or_insert_default();
        if let Some(ring) = rings.front().copied() {
            let told = at(log, ring.last).await?;
            let told = told.ok_or_else(|| StoreError::Corrupt {
                number: ring.last,
                reason: "it was there before".to_owned(),
            })?;
            match self.ring(&ring, &told, stop).await? {
                Rung::Unknown => return Ok(Step::Stop),
                Rung::NotTaken => return Ok(Step::GoOn),
                Rung::Taken => {}
            }
            let rings = self.rings.get_or_insert_default();
            rings.pop_front();
            if !rings.is_empty() {
                self.bell.window = Some(Window {
                    rung: ring.first,
                    ..window
                });
                self.keep().await?;
                return Ok(Step::GoOn);
            }
        }
        self.bell.place = Some(window.up_to);
        self.bell.window = None;
        self.forget_what_was_found();
        self.keep().await?;
        Ok(Step::GoOn)
    }

    /// Whether something is to ring, and now.
    async fn look(&mut self, place: u64, now: Timestamp) -> Result<Step, Broken> {
        let (log, doorbell) = (&self.ringer.feed.log, &self.ringer.doorbell);
        let from = self.looked.max(place);
        let head = log.head().await?;
        let due = match self.due {
            Some(due) => due,
            None => {
                let (found, looked) = first_after(log, &doorbell.chosen, from, head).await?;
                let Some(found) = found else {
                    self.looked = looked;
                    if looked > place + UNWRITTEN {
                        self.bell.place = Some(looked);
                        self.keep().await?;
                    }
                    return Ok(Step::Wait);
                };
                self.looked = found.at.number - 1;
                let waits = found.recorded_at.checked_add(doorbell.within);
                let due = doorbell.rhythm.from(waits.unwrap_or(Timestamp::MAX));
                self.due = Some(due);
                due
            }
        };
        if due > now {
            return Ok(Step::WaitUntil(due));
        }
        let from = self.looked.max(place);
        let (rings, up_to) = gather(log, doorbell, from, head, MOST).await?;
        self.bell.place = Some(from);
        self.bell.window = Some(Window { up_to, rung: from });
        self.rings = Some(rings.into());
        self.keep().await?;
        Ok(Step::GoOn)
    }

    async fn ring(
        &mut self,
        ring: &Ring,
        told: &Recorded,
        stop: &Shutdown,
    ) -> Result<Rung, Broken> {
        let ringer = self.ringer;
        let (log, doorbell) = (&ringer.feed.log, &*ringer.doorbell);
        let message = message(&**log, &ringer.channel, doorbell, ring, told);
        let span = span_of(told.event.cause.traceparent.as_deref());
        let ringing = doorbell.endpoint.ring(&message, ringer.clock.now());
        let answer = tokio::select! {
            answer = ringing.instrument(span.clone()) => answer,
            () = asked_long_ago(stop) => return Ok(Rung::Unknown),
        };
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

    fn forget_what_was_found(&mut self) {
        self.rings = None;
        self.due = None;
        self.looked = 0;
    }

    async fn keep(&self) -> Result<(), Broken> {
        let replays = self.replays.clone();
        self.keep_with_replays(&replays).await
    }

    /// Writes down how far it has come, unless another process goes on by now. Lost with a machine, it is rung again.
    async fn keep_with_replays(&self, before: &[Replay]) -> Result<(), Broken> {
        let name = &self.ringer.doorbell.name;
        let mut tx = self.ringer.feed.database.begin_derived().await?;
        if !still_held(&mut tx, self.lease).await? {
            tx.rollback().await?;
            return Err(Broken::Lost);
        }
        save_bell(&mut tx, name, &self.bell).await?;
        for replay in before {
            if self.replays.iter().all(|kept| kept.asked != replay.asked) {
                forget_replay(&mut tx, name, replay.asked).await?;
            }
        }
        for replay in self
            .replays
            .iter()
            .filter(|replay| !before.contains(replay))
        {
            save_replay(&mut tx, name, replay).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn count(&mut self) -> Result<(), Broken> {
        if self
            .counted
            .is_some_and(|counted| counted.elapsed() < COUNT)
        {
            return Ok(());
        }
        self.counted = Some(Instant::now());
        let (log, doorbell) = (&self.ringer.feed.log, &self.ringer.doorbell);
        let count = match self.bell.rung_up_to() {
            Some(rung) => {
                pending(log, &doorbell.chosen, rung.max(self.looked))
                    .await?
                    .0
            }
            None => 0,
        };
        self.ringer.show(|here| {
            if let Some(here) = here {
                here.pending = count;
            }
        });
        Ok(())
    }
}

async fn asked_long_ago(stop: &Shutdown) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
