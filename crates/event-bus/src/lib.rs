//! How events travel between processes: Kafka, and `embedded` inside one process; the relay, the consumer loop with
//! positions, parked and unresolved records in the consumer's own database; one contract suite. No business words but
//! the table of topics.
//!
//! # For service authors
//!
//! Nobody publishes. A service appends to its own log; [`Bus::relay`] carries what was committed to the topics that
//! [`topics`] names (an event's package decides: `millrace.webshop_orders.v1.…` → `webshop-orders`; events of packages
//! that are not in the table stay private). A service that reads other services' topics writes one [`Handler`]:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use async_trait::async_trait;
//! # use millrace_event_bus::{Bus, BusError, Consumer, HandleError, Handler, Outcome, Routes, consume, resolve};
//! # use millrace_event_store::{Database, Recorded, Tx};
//! # use millrace_service_kit::Shutdown;
//! struct KeepPrices;
//!
//! #[async_trait]
//! impl Handler for KeepPrices {
//!     async fn handle(&self, tx: &mut Tx, recorded: &Recorded) -> Result<Outcome, HandleError> {
//!         if recorded.event.deleted {
//!             sqlx::query("DELETE FROM prices WHERE key = $1").bind(&recorded.event.key).execute(&mut **tx).await?;
//!             return Ok(Outcome::Done);
//!         }
//!         let Some(price) = decode(&recorded.event.payload) else {
//!             return Ok(Outcome::parked("the price cannot be decoded"));   // no personal data in reasons
//!         };
//!         let known: Option<(i64,)> =
//!             sqlx::query_as("SELECT 1 FROM items WHERE key = $1").bind(&price.item).fetch_optional(&mut **tx).await?;
//!         if known.is_none() {
//!             return Ok(Outcome::waits_for("items", &price.item));          // heals when that item is handled
//!         }
//!         sqlx::query("…").execute(&mut **tx).await?;                       // `?`: the world is broken, retried
//!         Ok(Outcome::Done)
//!     }
//! }
//! # struct Price { item: String }
//! # fn decode(_: &[u8]) -> Option<Price> { None }
//!
//! # async fn run(bus: Arc<dyn Bus>, database: Database, shutdown: Shutdown) -> Result<(), BusError> {
//! let prices = Consumer::new("shop-delivery.prices", &["items", "prices"], database.clone(), Arc::new(KeepPrices));
//! tokio::try_join!(
//!     consume(bus.clone(), prices, shutdown.clone()),                  // until shutdown; retries a broken world by itself
//!     bus.relay(database.log().await?, Routes::Internal, shutdown.clone()),   // publishes this service's own log
//! )?;
//! # Ok(()) }
//! ```
//!
//! The database needs this crate's tables: pass [`migrations`] to `Database::migrate` beside your own.
//!
//! What the loop promises a handler:
//! * The rows it writes through `tx` and the consumer's position commit together: a crash repeats nothing and skips nothing.
//!   Many records share one transaction; when one of them fails, the loop goes on one by one.
//! * Records of one key come in order. Repeats (a relay that published twice) are dropped before they reach it.
//! * What it wrote for a record it then parks or leaves unresolved is rolled back.
//! * [`Outcome::Append`] writes to the consumer's own log before the position moves: give events ids derived from
//!   [`Recorded`]'s (`Uuid::new_v5`), the log drops the repeats.
//! * A [`Outcome::Parked`] or [`Outcome::Unresolved`] record is kept in the consumer's database. On a state topic a newer
//!   record of the key supersedes it; on a fact topic later records of the key wait behind it, counted and bounded.
//!   Other keys go on. An unresolved one heals when the record it waits for is handled by the same consumer, when
//!   somebody calls [`resolve`] with the same name in the transaction that brings the missing thing, or at the slow
//!   re-check. [`list_parked`], [`retry_parked`] and [`drop_parked`] serve `operations.v1.ParkedService`.
//! * A lost position or a rebuilt log ("resync needed") makes a state topic start again from its beginning: all that is
//!   still true is delivered again. A fact topic stalls visibly ([`list_stalled`]) until somebody says [`restart_stalled`].
//!
//! Two adapters keep the same promises, held to one contract suite: [`EmbeddedBus`] inside one process (nothing is copied:
//! readers read the logs' own feeds) and [`KafkaBus`] between processes. A service takes an `Arc<dyn Bus>`; the binary chooses:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use millrace_event_bus::{Bus, BusError, EmbeddedBus, KafkaBus, KafkaSettings};
//! # async fn choose(kafka: Option<KafkaSettings>, holder: String) -> Result<Arc<dyn Bus>, BusError> {
//! let Some(settings) = kafka else { return Ok(Arc::new(EmbeddedBus::new())) };
//! let bus = KafkaBus::new(settings, holder)?; // `holder`: this process, unique among all on the cluster
//! bus.create_topics().await?;                  // `millrace migrate`; relays and readers make what is missing, too
//! # Ok(Arc::new(bus)) }
//! ```
//!
//! [`Bus::board`] and [`Bus::relays`] are what metrics read; [`count_parked`] and [`list_stalled`] say what waits for whom.
//!
//! Who needs a whole topic in memory takes [`Bus::mirror`] instead: latest of every key, `CaughtUp`, then live.

mod board;
mod bus;
mod cloud_event;
mod consumer;
mod embedded;
mod handler;
mod kafka;
mod past;
mod subscription;
pub mod topics;

pub use board::Board;
pub use bus::{Bus, BusError, Delivery, Mirrored, Routes, Unreadable};
pub use cloud_event::to_json;
pub use consumer::{
    Consumer, From, KeptCount, Meter, ParkedRecord, ParkedState, Reading, Stalled, Standing,
    consume, count_parked, drop_parked, list_parked, list_stalled, migrations, resolve,
    restart_stalled, retry_all_parked, retry_parked, standings,
};
pub use embedded::EmbeddedBus;
pub use handler::{HandleError, Handler, Outcome};
pub use kafka::{
    Ends, KafkaBus, KafkaSettings, Published, RelayReading, TopicSettings, TopicTrouble, Trouble,
};
pub use subscription::{
    Batch, Change, Mark, Partition, Positions, Reached, Seen, Subscription, Taken, Unread,
};
