//! Looks at documents that wait for something, several at once, on every pod. Woken by the log and by news of what they wait for; a
//! slow look at the rows is the safety net.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millrace_event_store::{Database, EventLog, StoreError, projected_up_to};
use millrace_service_kit::health::Component;
use millrace_service_kit::metrics::Gauge;
use millrace_service_kit::retry::Backoff;
use millrace_service_kit::{Ids, Shutdown};
use thiserror::Error;
use tokio::sync::Notify;
use tracing::{error, info, warn};

use crate::gate::Gate;
use crate::looks::Looks;
use crate::work::{Claim, Work};

/// A look at the rows without having been woken.
const SAFETY: Duration = Duration::from_millis(500);
/// One document is tried at least so often while the ERP is away, to find it back.
const LONGEST_SHUT: Duration = Duration::from_secs(15);
/// Who wakes us commits a moment later.
const COMMITTING: Duration = Duration::from_millis(20);
/// How long rows may lag behind the log before we look at them all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// One look at a document: check it again, hand it over, or ask what became of it. May be repeated at any point.
#[async_trait]
pub trait Attempt: Send + Sync {
    /// # Errors
    /// The database is away, or the document keeps changing.
    async fn look(&self, stream: &str) -> Result<Look, LookError>;
}

/// What a look came to.
#[derive(Debug)]
pub enum Look {
    /// Nothing is left to do for now. `asked`: the ERP answered.
    Done { asked: bool },
    /// To be repeated.
    Later {
        /// Shown to people; never personal.
        why: String,
        at_least: Duration,
        /// The ERP is: the others wait, too.
        away: bool,
    },
    /// To be repeated, but by nobody before `wait` is over, whatever news comes: the ERP may still act on what was asked of it.
    NotBefore {
        /// Shown to people; never personal.
        why: String,
        wait: Duration,
    },
}

#[derive(Debug, Error)]
pub enum LookError {
    /// With this document alone; the look is repeated. Never personal.
    #[error("{0}")]
    Document(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How fast, and how patiently.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Looks at once, per process.
    pub at_once: usize,
    /// Pause before the second attempt; doubles with every further one.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// How long a document claimed by a process that died waits for another one.
    pub claim: Duration,
    /// How often held documents are looked at again, some at a time, whether or not something they lack was seen to arrive.
    pub recheck_every: Duration,
}

/// What documents are called in what is said of them.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// "an order"
    pub one: &'static str,
    /// "orders"
    pub many: &'static str,
}

pub struct Poster {
    pub words: Words,
    pub attempt: Arc<dyn Attempt>,
    pub work: Work,
    pub database: Database,
    /// The projection that keeps the rows.
    pub projection: &'static str,
    pub log: Arc<dyn EventLog>,
    pub wake: Arc<Notify>,
    pub settings: Settings,
    pub ids: Ids,
    pub component: Component,
    /// Documents that wait for a look.
    pub waiting: Gauge,
}

/// What one look says about the other side.
enum Told {
    Answered,
    Nothing,
    Away { why: String, at_least: Duration },
    DatabaseAway(StoreError),
}

impl Poster {
    /// Until shutdown; then finishes the looks it has begun.
    ///
    /// # Errors
    /// The log was closed.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), StoreError> {
        let poster = Arc::new(self);
        let Words { many, .. } = poster.words;
        let config = &poster.settings;
        let longest = config.longest_pause.min(LONGEST_SHUT);
        let mut gate = Gate::new(config.first_pause, longest, poster.ids.clone());
        let mut database = Backoff::neighbour(poster.ids.clone());
        let mut looks: Looks<Told> = Looks::new();
        // Looks that come quickly after one another.
        let mut soon = 0_u32;
        let mut moved = poster.log.moved();
        let mut renewal = tokio::time::interval(config.claim / 3);
        let mut recheck = tokio::time::interval(config.recheck_every);
        let mut rechecked = None;
        poster.component.ready();
        while !shutdown.is_cancelled() {
            let head = *moved.borrow_and_update();
            let pause = match poster.begin(&mut looks, &gate, head).await {
                Ok(()) => {
                    if database.tries() > 0 {
                        info!("{many} are looked at again");
                        poster.component.ready();
                    }
                    database.succeeded();
                    soon = u32::saturating_sub(soon, 1);
                    let pause = if soon > 0 { COMMITTING } else { SAFETY };
                    gate.waits().unwrap_or(pause)
                }
                Err(error) => {
                    poster.database_away(&error);
                    database.next_delay()
                }
            };
            let failing = database.tries() > 0;
            tokio::select! {
                () = shutdown.cancelled() => {}
                changed = moved.changed(), if !failing => if changed.is_err() { return Err(StoreError::Closed) },
                () = poster.wake.notified(), if !failing => soon = 3,
                Some(told) = looks.next() => poster.finished(told, &mut gate).await,
                _ = renewal.tick() => poster.renew(&looks).await,
                _ = recheck.tick() => poster.recheck(&mut rechecked).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
        while !looks.is_empty() {
            tokio::select! {
                Some(told) = looks.next() => poster.finished(told, &mut gate).await,
                _ = renewal.tick() => poster.renew(&looks).await,
            }
        }
        Ok(())
    }

    /// Takes as much as there is room for.
    async fn begin(
        self: &Arc<Self>,
        looks: &mut Looks<Told>,
        gate: &Gate,
        head: u64,
    ) -> Result<(), StoreError> {
        self.work.ask_for_arrived().await?;
        let room = gate.room(self.settings.at_once).saturating_sub(looks.len());
        if room == 0 {
            return Ok(());
        }
        projected_up_to(&self.database, self.projection, head, PATIENCE).await?;
        for claim in self.work.take(room).await? {
            let poster = self.clone();
            looks.begin(
                claim.stream.clone(),
                async move { poster.look(claim).await },
            );
        }
        Ok(())
    }

    async fn look(&self, claim: Claim) -> Told {
        let (told, settled) = match self.attempt.look(&claim.stream).await {
            Ok(Look::Done { asked }) => {
                let told = if asked { Told::Answered } else { Told::Nothing };
                (told, self.work.settle(&claim).await)
            }
            Ok(Look::Later {
                why,
                at_least,
                away,
            }) => {
                let settled = self
                    .work
                    .put_off(&claim, self.pause(claim.attempts).max(at_least), &why)
                    .await;
                if !away {
                    self.say(&claim, &why);
                }
                let told = if away {
                    Told::Away { why, at_least }
                } else {
                    Told::Nothing
                };
                (told, settled)
            }
            Ok(Look::NotBefore { why, wait }) => {
                self.say(&claim, &why);
                (Told::Nothing, self.work.close(&claim, wait, &why).await)
            }
            Err(LookError::Store(error @ StoreError::Corrupt { .. })) => {
                let why = error.to_string();
                let settled = self
                    .work
                    .put_off(&claim, self.settings.longest_pause, &why)
                    .await;
                if claim.trouble != why {
                    error!(
                        stream = claim.stream,
                        error = &error as &dyn std::error::Error,
                        "{} cannot be read",
                        self.words.one
                    );
                }
                (Told::Nothing, settled)
            }
            Err(LookError::Store(error)) => (Told::DatabaseAway(error), Ok(())),
            Err(LookError::Document(why)) => {
                self.say(&claim, &why);
                (
                    Told::Nothing,
                    self.work
                        .put_off(&claim, self.pause(claim.attempts), &why)
                        .await,
                )
            }
        };
        // The claim of a look whose end could not be written down expires by itself.
        match settled {
            Ok(()) => told,
            Err(error) => Told::DatabaseAway(error),
        }
    }

    /// Doubles with every attempt, with jitter.
    fn pause(&self, attempts: u32) -> Duration {
        let whole = self
            .settings
            .first_pause
            .saturating_mul(2_u32.saturating_pow(attempts));
        whole
            .min(self.settings.longest_pause)
            .mul_f64(0.5 + self.ids.fraction() / 2.0)
    }

    async fn finished(&self, told: Result<Told, tokio::task::JoinError>, gate: &mut Gate) {
        match told {
            Ok(told) => self.told(told, gate).await,
            Err(error) => error!(
                error = &error as &dyn std::error::Error,
                "a look at {} ended unexpectedly; its claim expires", self.words.one
            ),
        }
    }

    async fn told(&self, told: Told, gate: &mut Gate) {
        match told {
            Told::Answered => {
                let was_outage = gate.is_outage();
                gate.answered();
                self.component.ready();
                if was_outage {
                    info!("the erp takes {} again", self.words.many);
                    if let Err(error) = self.work.all_due().await {
                        self.database_away(&error);
                    }
                }
            }
            Told::Nothing => {}
            Told::Away { why, at_least } => {
                gate.away(at_least);
                let many = self.words.many;
                if self
                    .component
                    .trouble(format!("{many} cannot be posted: {why}"))
                {
                    error!(why, "{many} cannot be posted, trying again: {why}");
                }
            }
            Told::DatabaseAway(error) => self.database_away(&error),
        }
    }

    fn database_away(&self, error: &StoreError) {
        let many = self.words.many;
        if self
            .component
            .trouble(format!("{many} cannot be looked at: the database is away"))
        {
            let cause = error as &dyn std::error::Error;
            error!(error = cause, "{many} cannot be looked at, trying again");
        }
    }

    async fn renew(&self, looks: &Looks<Told>) {
        if let Ok(waiting) = self.work.waiting().await {
            self.waiting.set(waiting);
        }
        if looks.is_empty() {
            return;
        }
        if let Err(error) = self.work.renew(looks.streams()).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "claims could not be renewed"
            );
        }
    }

    /// All held documents first, since settings may have changed with the start; then some at a time. `after`: up to where.
    async fn recheck(&self, after: &mut Option<String>) {
        let asked = match after.as_deref() {
            None => self.work.ask_all_held().await.map(|()| String::new()),
            Some(after) => self.work.ask_some_held(after).await,
        };
        match asked {
            Ok(next) => *after = Some(next),
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "held {} could not be asked for", self.words.many
            ),
        }
    }

    /// Why a document waits, once for each reason.
    fn say(&self, claim: &Claim, why: &str) {
        if claim.trouble != why {
            let one = self.words.one;
            warn!(stream = claim.stream, why, "{one} waits: {why}");
        }
    }
}
