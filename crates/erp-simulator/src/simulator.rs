//! Starting, stopping and reaching into a simulator.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use millrace_service_kit::{Clock, Ids, Shutdown, SystemClock};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::company::{self, CompanyData};
use crate::config::Config;
use crate::database::{
    Context, Database, Ended, JournalError, Marks, Tables, Transaction, Written,
};
use crate::faults::{Faults, Hold, Rule};
use crate::http::limits::Limits;
use crate::http::token::Tokens;
use crate::refusal::Refusal;
use crate::webhooks::Webhooks;
use crate::{http, office, webhooks};

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("could not read the company's data")]
    Journal(#[from] JournalError),
    #[error("the company cannot be loaded")]
    Company(#[source] Refusal),
    #[error("could not use the listener")]
    Listener(#[source] std::io::Error),
}

/// Everything the parts of a running simulator share.
#[derive(Debug)]
pub(crate) struct World {
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    pub faults: Faults,
    pub limits: Limits,
    pub tokens: Tokens,
    pub webhooks: Webhooks,
    pub shutdown: Shutdown,
    pub tasks: TaskTracker,
    database: Mutex<Database>,
    backup: Mutex<Option<(Tables, Marks)>>,
    /// A held transaction ended; blocked writers may try again.
    ended: Notify,
}

/// A running pretend Business Central.
#[derive(Debug)]
pub struct Simulator {
    world: Arc<World>,
    address: SocketAddr,
}

impl Simulator {
    /// Starts on `listener` with the machine's clock.
    pub async fn start(config: Config, listener: TcpListener) -> Result<Self, StartError> {
        Self::start_with(config, listener, Arc::new(SystemClock), Ids::random()).await
    }

    /// The same with a clock and ids of the caller. It answers when this returns.
    pub async fn start_with(
        config: Config,
        listener: TcpListener,
        clock: Arc<dyn Clock>,
        ids: Ids,
    ) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(StartError::Listener)?;
        let opening = (config.clone(), clock.clone(), ids.clone());
        let database =
            tokio::task::spawn_blocking(move || open(&opening.0, &*opening.1, &opening.2))
                .await
                .map_err(|error| StartError::Listener(std::io::Error::other(error)))??;
        let world = Arc::new(World {
            limits: Limits::new(&config),
            tokens: Tokens::default(),
            faults: Faults::default(),
            webhooks: Webhooks::default(),
            shutdown: Shutdown::new(),
            tasks: TaskTracker::new(),
            database: Mutex::new(database),
            backup: Mutex::new(None),
            ended: Notify::new(),
            config,
            clock,
            ids,
        });
        world.tasks.spawn(http::serve(world.clone(), listener));
        world.tasks.spawn(webhooks::run(world.clone()));
        Ok(Self { world, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:7048`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where clients get their tokens.
    pub fn token_url(&self) -> String {
        format!("{}/demo/oauth2/v2.0/token", self.url())
    }

    /// What stands before `/api/v2.0` and `/api/millrace/commerce/v1.0`.
    pub fn base_url(&self) -> String {
        format!("{}/v2.0/demo/production", self.url())
    }

    pub fn company_id(&self) -> Uuid {
        self.world.read(|_, marks| marks.company)
    }

    /// Adds a company's data to what is there, as one transaction.
    pub async fn load(&self, data: &CompanyData) -> Result<(), Refusal> {
        self.world
            .write("import", None, |tx| company::load(tx, data))
            .await
    }

    /// An act of a person in the ERP, as at `/_office/{act}`.
    pub async fn office(&self, act: &str, body: Value) -> Result<Value, Refusal> {
        office::act(&self.world, act, body).await
    }

    /// Switches a fault on; answers its number.
    pub fn fault(&self, rule: Rule) -> u64 {
        self.world.faults.add(rule)
    }

    pub fn clear_faults(&self) {
        self.world.faults.clear();
    }

    /// How often faults of this kind fired since the start.
    pub fn fired(&self, kind: &str) -> u64 {
        self.world.faults.fired(kind)
    }

    /// Requests answered so far, for tests that count what a client asks.
    pub fn requests(&self) -> u64 {
        self.world.limits.served()
    }

    /// Looks at the committed rows.
    pub fn read<T>(&self, read: impl FnOnce(&Tables) -> T) -> T {
        self.world.read(|tables, _| read(tables))
    }

    /// Stops answering, finishes what is in hand, and returns.
    pub async fn stop(self) {
        self.world.shutdown.cancel();
        self.world.tasks.close();
        self.world.tasks.wait().await;
    }

    /// Runs until `shutdown`, then stops.
    pub async fn run(self, shutdown: Shutdown) {
        shutdown.cancelled().await;
        self.stop().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.world.shutdown.cancel();
    }
}

fn open(config: &Config, clock: &dyn Clock, ids: &Ids) -> Result<Database, StartError> {
    if let Some(folder) = &config.data
        && let Some(database) = Database::open(folder)?
    {
        return Ok(database);
    }
    let now = millis(clock.now());
    let currency = if config.company.local_currency.is_empty() {
        "EUR"
    } else {
        &config.company.local_currency
    };
    let mut database = Database::new(Marks {
        version: 10_000,
        environment: ids.uuid_at(now),
        epoch: ids.uuid_at(now),
        company: ids.uuid_at(now),
        company_name: if config.company.name.is_empty() {
            "Millrace".to_owned()
        } else {
            config.company.name.clone()
        },
        local_currency: currency.to_owned(),
        oldest_cursor: 0,
        series: std::collections::BTreeMap::new(),
        without_series: std::collections::BTreeSet::new(),
    });
    let context = Context {
        now,
        actor: "setup",
        ids,
    };
    database
        .transact(|tx| company::load(tx, &config.company), &context, false)
        .map_err(StartError::Company)?;
    if let Some(folder) = &config.data {
        database.keep_in(folder)?;
    }
    Ok(database)
}

/// BC's stamps have milliseconds.
pub(crate) fn millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

impl World {
    pub fn now(&self) -> Timestamp {
        millis(self.clock.now())
    }

    /// Committed rows.
    pub fn read<T>(&self, read: impl FnOnce(&Tables, &Marks) -> T) -> T {
        let database = self.database();
        read(database.tables(), database.marks())
    }

    /// Committed rows and the boundary they were read at.
    pub fn read_bounded<T>(&self, read: impl FnOnce(&Tables, &Marks, i64) -> T) -> T {
        let database = self.database();
        read(database.tables(), database.marks(), database.boundary())
    }

    /// What Microsoft's own pages show: uncommitted rows too.
    pub fn read_dirty<T>(&self, read: impl FnOnce(&Tables) -> T) -> T {
        let mut database = self.database();
        if database.has_pending() {
            self.faults.count("dirtyRead");
        }
        database.read_uncommitted(read)
    }

    pub fn with_database<T>(&self, change: impl FnOnce(&mut Database) -> T) -> T {
        change(&mut self.database())
    }

    pub fn keep_backup(&self, backup: (Tables, Marks)) {
        *self.backup.lock().expect("no holder of this lock panics") = Some(backup);
    }

    pub fn backup(&self) -> Option<(Tables, Marks)> {
        self.backup
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    /// A transaction that neither waits nor fails; blocked rows stay as they are.
    pub fn write_now(&self, actor: &str, mut work: impl FnMut(&mut Transaction<'_>)) {
        let context = Context {
            now: self.now(),
            actor,
            ids: &self.ids,
        };
        let done: Result<_, std::convert::Infallible> = self.database().transact(
            |tx| {
                work(tx);
                Ok(())
            },
            &context,
            false,
        );
        match done {
            Ok((_, written)) => self.webhooks.note(self, &written),
            Err(never) => match never {},
        }
    }

    fn database(&self) -> std::sync::MutexGuard<'_, Database> {
        // A panic inside a transaction would leave half of it; nobody may go on with that.
        self.database.lock().expect("no transaction panics")
    }

    /// Runs one transaction. With `hold` it stays open for a while and is then committed or rolled back, and the answer
    /// comes after that; it waits for rows that another open transaction holds.
    pub async fn write<T>(
        self: &Arc<Self>,
        actor: &str,
        hold: Option<Hold>,
        mut work: impl FnMut(&mut Transaction<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        loop {
            let mut freed = std::pin::pin!(self.ended.notified());
            freed.as_mut().enable();
            let (outcome, written) = {
                let context = Context {
                    now: self.now(),
                    actor,
                    ids: &self.ids,
                };
                self.database()
                    .transact(&mut work, &context, hold.is_some())?
            };
            match outcome {
                Ended::Committed(answer) => {
                    self.webhooks.note(self, &written);
                    return Ok(answer);
                }
                Ended::Held { id, answer } => {
                    let hold = hold.unwrap_or_default();
                    let world = self.clone();
                    let finish = self
                        .tasks
                        .spawn(async move { world.finish_later(id, hold).await });
                    if hold.answer_at_once {
                        return Ok(answer);
                    }
                    // The task is joined only for its time; it cannot fail.
                    finish.await.unwrap_or_default();
                    if hold.roll_back {
                        return Err(Refusal::new(
                            500,
                            "Internal_ServerError",
                            "The transaction was rolled back.",
                        ));
                    }
                    return Ok(answer);
                }
                Ended::Blocked => {
                    let waited = tokio::time::timeout(self.config.operation_limit, freed).await;
                    waited.map_err(|_| {
                        Refusal::new(
                            408,
                            "Application_LockTimeout",
                            "The table is locked by another user.",
                        )
                    })?;
                }
            }
        }
    }

    async fn finish_later(&self, id: u64, hold: Hold) {
        self.pause(hold.delay).await;
        self.end(id, !hold.roll_back);
    }

    /// Ends a held transaction and lets those go on who waited for it.
    fn end(&self, id: u64, commit: bool) {
        let written: Written = self.database().finish(id, commit).unwrap_or_default();
        self.webhooks.note(self, &written);
        self.ended.notify_waiters();
    }

    /// Waits, but not beyond the shutdown.
    pub async fn pause(&self, delay: Duration) {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    /// Does `work` after `delay`, unless the simulator is stopped before.
    pub fn spawn_later(
        self: &Arc<Self>,
        delay: Duration,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let world = self.clone();
        self.tasks.spawn(async move {
            world.pause(delay).await;
            if !world.shutdown.is_cancelled() {
                work.await;
            }
        });
    }
}
