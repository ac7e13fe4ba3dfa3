//! The ringing itself, step by step: heed what was said, then the one thing that is next.

mod answer;
mod keep;

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use millrace_event_store::{LeaseEpoch, Recorded, StoreError};
use millrace_service_kit::Shutdown;
use tokio::time::Instant;

use crate::domain::rings::Ring;
use crate::doorbells::events::{Said, stream, why_off};
use crate::doorbells::follow::{at, first_after, gather, opened};
use crate::doorbells::ringer::{Broken, Ringer};
use crate::read_model::{Bell, Off, Replay, Window, load_bell, load_replays};
use answer::Rung;

/// Rings of one window, at most: what is held in memory.
const MOST: usize = 500;
/// Passed over and not written down: looked through again after a crash.
const UNWRITTEN: u64 = 1_000;
/// While it waits for a moment, the clock is looked at so often.
const LOOK: Duration = Duration::from_secs(1);
/// While the feed moves, what was said is looked for so often.
const HEED: Duration = Duration::from_millis(200);

/// Words heard at once.
const SAID: usize = 100;

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
    /// Changes not rung yet, when they were counted last.
    pending: u64,
    counted: Option<Instant>,
    /// The feed has moved since it was last looked for what was said.
    unheeded: bool,
    heeded: Option<Instant>,
    /// Something was written down, so the database is well.
    pub(super) kept: bool,
}

/// What to do after a step.
enum Step {
    GoOn,
    /// Until somebody says something.
    Wait,
    WaitUntil(Timestamp),
    Stop,
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
            pending: 0,
            counted: None,
            unheeded: false,
            heeded: None,
            kept: false,
        };
        // Rings that were made otherwise say nothing about which of today's are done: all of the stretch rings again.
        let is_other = |window: &Window| window.together != ringer.doorbell.together;
        if round.bell.window.as_ref().is_some_and(is_other) {
            round.bell.window = None;
        }
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
                self.unheeded = true;
            }
            // A busy feed says little about doorbells.
            if self.unheeded && self.heeded.is_none_or(|heeded| heeded.elapsed() >= HEED) {
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
                        () = tokio::time::sleep(HEED), if self.unheeded => {}
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
        self.heeded = Some(Instant::now());
        let log = &self.ringer.feed.log;
        let heard = log
            .read_stream(&self.stream, self.bell.heeded, SAID)
            .await?;
        self.unheeded = heard.len() == SAID;
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
        self.keep_with_replays(&before).await
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
                // Said before the channel was opened, it passes nothing over.
                if on.passed_over
                    && let Some(place) = self.bell.place
                {
                    self.bell.place = Some(place.max(recorded.at.number));
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
            let all = usize::MAX;
            let (rings, _) = gather(log, &ringer.doorbell, place, window.up_to, all).await?;
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
        self.bell.window = Some(Window {
            up_to,
            rung: from,
            together: doorbell.together,
        });
        self.rings = Some(rings.into());
        self.keep().await?;
        Ok(Step::GoOn)
    }

    fn forget_what_was_found(&mut self) {
        self.rings = None;
        self.due = None;
        self.looked = 0;
    }
}
