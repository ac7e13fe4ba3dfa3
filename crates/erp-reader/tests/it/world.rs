//! A scripted ERP, a sink that writes down what it is told, a clock that stands still, and readers between them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use millrace_erp::{Flow, Observed, Page};
use millrace_erp_reader::{Reader, Sink, SinkError};
use millrace_event_store::{
    Database, DatabaseSettings, EventLog, LeaseEpoch, load_cursor, save_cursor,
};
use millrace_service_kit::health::Health;
use millrace_service_kit::{Ids, ManualClock, Shutdown, Timestamp};
use millrace_test_rig::until;
use millrace_values::SystemId;
use tokio::task::JoinHandle;

use crate::scripted_erp::{ScriptedErp, item};

pub const PATIENCE: Duration = Duration::from_secs(20);
pub const ITEMS: &str = "items/bc-main";
/// Nothing in these tests may wait for the poll.
const NEVER: Duration = Duration::from_secs(3_600);

pub struct World {
    pub erp: Arc<ScriptedErp>,
    pub clock: ManualClock,
    pub database: Database,
    pub log: Arc<dyn EventLog>,
}

impl World {
    /// With items 1 to `count`, of which a page shows three.
    pub async fn new(count: u32) -> Self {
        let erp = Arc::new(ScriptedErp::new(NEVER));
        for number in 1..=count {
            erp.has(Observed::Item(item(number)));
        }
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let settings = DatabaseSettings {
            connections: 1,
            ..DatabaseSettings::new("sqlite::memory:", "reader")
        };
        let database = Database::open(&settings, Arc::new(clock.clone()), Ids::random())
            .await
            .unwrap();
        database.migrate(&[]).await.unwrap();
        let log = database.log().await.unwrap();
        Self {
            erp,
            clock,
            database,
            log,
        }
    }

    pub fn reads_items(&self, sink: &Arc<Notebook>) -> Reading {
        self.reads(Flow::Items, ITEMS, Some(NEVER), sink)
    }

    pub fn reads_prices(&self, sink: &Arc<Notebook>) -> Reading {
        self.reads(Flow::Prices, "prices/bc-main", None, sink)
    }

    fn reads(
        &self,
        flow: Flow,
        name: &str,
        compare_every: Option<Duration>,
        sink: &Arc<Notebook>,
    ) -> Reading {
        let health = Health::default();
        let reader = Reader {
            flow,
            name: name.to_owned(),
            holder: "this process".to_owned(),
            erp: self.erp.clone(),
            database: self.database.clone(),
            log: self.log.clone(),
            clock: Arc::new(self.clock.clone()),
            ids: Ids::random(),
            component: health.component(name),
            takeover_after: Duration::from_millis(400),
            compare_every,
        };
        let shutdown = Shutdown::new();
        let task = tokio::spawn({
            let (sink, shutdown) = (sink.clone(), shutdown.clone());
            async move { reader.follow(sink, shutdown).await.unwrap() }
        });
        Reading {
            health,
            shutdown,
            task,
        }
    }

    pub async fn cursor(&self) -> Option<String> {
        load_cursor(&self.database, ITEMS).await.unwrap()
    }

    pub async fn set_cursor(&self, cursor: &str) {
        let mut tx = self.database.begin().await.unwrap();
        save_cursor(&mut tx, ITEMS, cursor).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn until_cursor(&self, cursor: &str) {
        until(PATIENCE, "the cursor is written", async || {
            (self.cursor().await.as_deref() == Some(cursor)).then_some(())
        })
        .await;
    }

    /// How often items were asked for from `cursor`.
    pub fn asked_from(&self, cursor: Option<&str>) -> usize {
        let asked = self.erp.asked();
        let same = asked
            .iter()
            .filter(|(flow, from)| *flow == Flow::Items && from.as_deref() == cursor);
        same.count()
    }

    pub async fn until_asked_from(&self, cursor: Option<&str>, times: usize) {
        until(PATIENCE, &format!("{cursor:?} was asked for"), async || {
            (self.asked_from(cursor) >= times).then_some(())
        })
        .await;
    }

    /// News for somebody else: an empty page for the items, and a cursor further on.
    pub fn tells_others(&self) {
        let gone = Observed::CustomerGone(crate::scripted_erp::id(99));
        self.erp.tells(Flow::Customers, gone);
    }

    pub fn tells(&self, number: u32) {
        self.erp.tells(Flow::Items, Observed::Item(item(number)));
    }
}

/// A reader at work.
pub struct Reading {
    health: Health,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Reading {
    pub async fn ready(&self) {
        until(PATIENCE, "the reader is ready", async || {
            self.health.report().ready.then_some(())
        })
        .await;
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("it stops when asked")
            .unwrap();
    }

    /// Ends it where it stands.
    pub async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The effect is written; the process dies before it hears of it.
    Dies,
    /// The effect is written; the answer is lost.
    Fails,
}

/// Writes down in words what it is told: `begin`, `1 2 3`, `end`, `compare 5`.
#[derive(Default)]
pub struct Notebook {
    notes: Mutex<Vec<String>>,
    mishap: Mutex<Option<(String, Mishap)>>,
    goes_after: Option<String>,
}

impl Notebook {
    pub fn after(other: &str) -> Self {
        Self {
            goes_after: Some(other.to_owned()),
            ..Self::default()
        }
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }

    pub async fn until_noted(&self, note: &str, times: usize) {
        until(PATIENCE, &format!("{note:?} is noted"), async || {
            let count = self.notes().iter().filter(|noted| *noted == note).count();
            (count >= times).then_some(())
        })
        .await;
    }

    /// The next time it notes this.
    pub fn once(&self, note: &str, mishap: Mishap) {
        *self.mishap.lock().unwrap() = Some((note.to_owned(), mishap));
    }

    async fn note(&self, note: String) -> Result<(), SinkError> {
        self.notes.lock().unwrap().push(note.clone());
        let mishap = self.mishap.lock().unwrap().take_if(|(at, _)| *at == note);
        match mishap {
            None => Ok(()),
            Some((_, Mishap::Dies)) => std::future::pending().await,
            Some((_, Mishap::Fails)) => Err(SinkError::Failed("the answer is lost".into())),
        }
    }
}

#[async_trait]
impl Sink for Notebook {
    fn goes_after(&self) -> Option<String> {
        self.goes_after.clone()
    }

    async fn begin_full_read(&self, _: &LeaseEpoch) -> Result<(), SinkError> {
        self.note("begin".to_owned()).await
    }

    async fn take(&self, page: &Page, _: &LeaseEpoch) -> Result<(), SinkError> {
        let numbers: Vec<String> = page
            .observations
            .iter()
            .map(|observed| match observed {
                Observed::Item(item) => item.number.as_str().replace("ITEM-00", ""),
                other => panic!("only items were told, not {other:?}"),
            })
            .collect();
        self.note(numbers.join(" ")).await
    }

    async fn end_full_read(&self, _: &LeaseEpoch) -> Result<(), SinkError> {
        self.note("end".to_owned()).await
    }

    async fn compare(&self, there: HashSet<SystemId>, _: &LeaseEpoch) -> Result<(), SinkError> {
        self.note(format!("compare {}", there.len())).await
    }
}
