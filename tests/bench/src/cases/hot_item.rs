//! One hot item in one store, 256 callers through `CreateReservation`, durable; against what a shop does with rows, and against
//! the disk. The service runs as a process of its own, on PostgreSQL and Kafka, and is told of the stock as by
//! stock-availability.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use millrace_contract::inventories::v1::{Inventory, InventoryChanged, LocationFigure};
use millrace_contract::reservation::v1::CreateReservationRequest;
use millrace_contract::reservation::v1::reservation_service_client::ReservationServiceClient;
use millrace_contract::reservations::v1::{Reservation, ReservationLine};
use millrace_contract::values::v1::{Decimal, Quantity};
use millrace_event_bus::{Bus, KafkaBus, KafkaSettings, Routes};
use millrace_event_store::{Append, Cause, Expected, NewEvent};
use millrace_service_kit::{Clock, Ids, Shutdown, SystemClock};
use millrace_test_rig::Postgres;
use prost::Message;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};
use uuid::Uuid;

use super::lookup::{authorized, connect};
use super::scratch::Scratch;
use super::shelf_rows::Way;
use crate::case::{Arm, Better, Card, Case, Floor, Length};
use crate::load::{self, Driven};
use crate::statistics::median;
use crate::system::{self, CHANNEL, Process};

const CALLERS: u64 = 256;
/// Several connections: one is one lock in the server.
const CONNECTIONS: usize = 4;
const STORE: &str = "STORE-HH";
/// More than all runs sell.
const PLENTY: i64 = 50_000_000;
/// Sold to the last piece at the end.
const FEW: i64 = 5_000;
/// Writes of the disk's own measure.
const SYNCS: usize = 300;

pub struct HotItemCase {
    card: Card,
    /// `None`: against the disk.
    way: Option<Way>,
    /// Against the disk: reservations per second, half of the most that were made before anything was measured. Whoever asks for more
    /// than that measures how long the queue is.
    half: f64,
    postgres: Postgres,
    channels: Vec<Channel>,
    /// Makes numbers of reservations different.
    next: Arc<AtomicU64>,
    folder: TempDir,
    stop: Shutdown,
    _stock: Scratch,
    _process: Process,
}

impl HotItemCase {
    pub async fn against(way: Way) -> Result<HotItemCase> {
        let (name, floor, goal, baseline) = match way {
            Way::ForUpdate => (
                "hot-item-vs-for-update",
                15.0,
                50.0,
                "32 clients, each SELECT … FOR UPDATE, UPDATE, INSERT, COMMIT",
            ),
            Way::ConditionalUpdate => (
                "hot-item-vs-conditional-update",
                8.0,
                25.0,
                "32 clients, each UPDATE … WHERE available >= 1, INSERT, COMMIT",
            ),
            Way::SkipLocked => (
                "hot-item-vs-skip-locked",
                5.0,
                15.0,
                "32 clients, each takes one unit's row with SKIP LOCKED, INSERT, COMMIT",
            ),
        };
        let card = Card {
            name,
            unit: "reservations/s",
            better: Better::Higher,
            floor: Floor::Ratio(floor),
            goal,
            length: Length::Short,
            baseline,
        };
        HotItemCase::new(card, Some(way)).await
    }

    pub async fn p99() -> Result<HotItemCase> {
        let card = Card {
            name: "hot-item-p99",
            unit: "ms",
            better: Better::Lower,
            floor: Floor::Ratio(20.0),
            goal: 10.0,
            length: Length::Short,
            baseline: "the disk's own sync: the median of 8 KiB written and synced, one after the other (256 callers at half of the most they can)",
        };
        HotItemCase::new(card, None).await
    }

    async fn new(card: Card, way: Option<Way>) -> Result<HotItemCase> {
        let postgres = millrace_test_rig::postgres().await;
        let kafka = millrace_test_rig::kafka().await;
        let base = millrace_test_rig::workspace().join("target/bench");
        std::fs::create_dir_all(&base)?;
        let folder = tempfile::Builder::new()
            .prefix("hot-item-")
            .tempdir_in(base)?;
        let prefix = format!("{}.", millrace_test_rig::unique("bench"));
        let stop = Shutdown::new();
        let stock = Scratch::postgres_named(&postgres, "stock-availability").await?;
        tell(&stock).await?;
        let mut kafka_settings = KafkaSettings::new(kafka.bootstrap(), prefix.clone());
        kafka_settings.replication = Some(1);
        let bus = KafkaBus::new(kafka_settings, millrace_test_rig::unique("bench"))?;
        bus.create_topics().await?;
        let (log, ended) = (stock.log.clone(), stop.clone());
        tokio::spawn(async move { bus.relay(log, Routes::Internal, ended).await });
        let database = postgres.create_database("bench").await?;
        let (process, address) =
            start(folder.path(), &database, &kafka.bootstrap(), &prefix).await?;
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            channels.push(connect(address).await?);
        }
        let mut case = HotItemCase {
            card,
            way,
            half: 0.0,
            postgres,
            channels,
            next: Arc::default(),
            folder,
            stop,
            _stock: stock,
            _process: process,
        };
        case.wait_for_figures().await?;
        if way.is_none() {
            case.half = case.drive().await?.per_second / 2.0;
        }
        Ok(case)
    }

    async fn wait_for_figures(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        for item in [HOT, LAST] {
            while let Err(refused) = self.reserve(0, item).await {
                ensure!(
                    refused.code() == Code::FailedPrecondition && Instant::now() < deadline,
                    "the stock of {item} does not arrive: {refused}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    async fn reserve(&self, caller: u64, item: &'static str) -> Result<(), Status> {
        let at = usize::try_from(caller).unwrap_or_default() % CONNECTIONS;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        reserve(self.channels[at].clone(), caller, number, item).await
    }

    /// As fast as 256 callers can, each waiting for its answer.
    async fn drive(&self) -> Result<Driven> {
        load::drive(CALLERS, |caller| self.caller(caller)).await
    }

    fn caller(&self, caller: u64) -> impl FnMut() -> BoxFuture<'static, Result<()>> + Send + use<> {
        let channel =
            self.channels[usize::try_from(caller).unwrap_or_default() % CONNECTIONS].clone();
        let next = self.next.clone();
        move || {
            let (channel, number) = (channel.clone(), next.fetch_add(1, Ordering::Relaxed));
            async move { Ok(reserve(channel, caller, number, HOT).await?) }.boxed()
        }
    }
}

const HOT: &str = "HOT";
const LAST: &str = "LAST";

#[async_trait]
impl Case for HotItemCase {
    fn card(&self) -> Card {
        self.card.clone()
    }

    async fn run(&mut self, arm: Arm) -> Result<f64> {
        match (arm, self.way) {
            (Arm::Subject, Some(_)) => Ok(self.drive().await?.per_second),
            (Arm::Subject, None) => {
                let driven =
                    load::drive_at(self.half, CALLERS, |caller| self.caller(caller)).await?;
                Ok(driven.p99_micros / 1000.0)
            }
            (Arm::Baseline, Some(way)) => Ok(way.run(&self.postgres).await?.per_second),
            (Arm::Baseline, None) => sync_p50(self.folder.path()),
        }
    }

    /// The last pieces of another item are wanted by everybody at once: exactly as many go as there are.
    async fn check(&mut self) -> Result<()> {
        let sold = AtomicU64::new(1);
        let this = &*self;
        let callers = (0..CALLERS).map(|caller| {
            let sold = &sold;
            async move {
                loop {
                    match this.reserve(caller, LAST).await {
                        Ok(()) => drop(sold.fetch_add(1, Ordering::Relaxed)),
                        Err(refused) if refused.code() == Code::FailedPrecondition => return Ok(()),
                        Err(failure) => bail!(failure),
                    }
                }
            }
        });
        futures::future::try_join_all(callers).await?;
        let sold = sold.into_inner();
        ensure!(
            i64::try_from(sold)? == FEW,
            "{sold} of {FEW} pieces were sold"
        );
        Ok(())
    }
}

impl Drop for HotItemCase {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn reserve(
    channel: Channel,
    caller: u64,
    number: u64,
    item: &'static str,
) -> Result<(), Status> {
    let request = CreateReservationRequest {
        reservation: Some(Reservation {
            channel: CHANNEL.to_owned(),
            reservation_number: format!("R-{number}"),
            store: STORE.to_owned(),
            placed_at: Some(prost_types::Timestamp::default()),
            customer_number: format!("C-{caller}"),
            lines: vec![ReservationLine {
                line_number: 1,
                item_number: item.to_owned(),
                variant_code: String::new(),
                quantity: Some(Quantity {
                    units: 1,
                    nanos: 0,
                    unit: String::new(),
                }),
            }],
            ..Reservation::default()
        }),
        contact: None,
    };
    ReservationServiceClient::new(channel)
        .create_reservation(authorized(request))
        .await?;
    Ok(())
}

/// Tables first, then the service.
async fn start(
    folder: &Path,
    database: &str,
    bootstrap: &str,
    prefix: &str,
) -> Result<(Process, std::net::SocketAddr)> {
    let (grpc, monitoring, hooks) = (system::free()?, system::free()?, system::free()?);
    let file = folder.join("millrace.toml");
    // A customer of the bench has no measure.
    let store = format!("location = \"{STORE}\"\n");
    let without_limit = format!("{store}open_per_customer = 0\n");
    std::fs::write(&file, system::SETTINGS.replace(&store, &without_limit))?;
    let command = |words: &[&str]| -> Result<Command> {
        let mut command = Command::new(system::binary()?);
        command.arg("--config").arg(&file).args(words);
        command.envs([
            (
                "MILLRACE_DATA_DIR",
                folder.join("data").display().to_string(),
            ),
            ("MILLRACE_DATABASE__URL", database.to_owned()),
            ("MILLRACE_BUS__KIND", "kafka".to_owned()),
            ("MILLRACE_BUS__KAFKA__BOOTSTRAP", bootstrap.to_owned()),
            ("MILLRACE_BUS__KAFKA__PREFIX", prefix.to_owned()),
            ("MILLRACE_BUS__KAFKA__REPLICATION", "1".to_owned()),
            (
                "MILLRACE_PERSONAL__KEY",
                "bWlsbHJhY2UtYmVuY2gtMzItYnl0ZXMtbG9uZy1rZXk=".to_owned(),
            ),
            ("MILLRACE_TELEMETRY__FILTER", "warn".to_owned()),
            ("MILLRACE_GRPC__LISTEN", grpc.to_string()),
            ("MILLRACE_HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("MILLRACE_MONITORING__LISTEN", monitoring.to_string()),
            ("MILLRACE_HOOKS__LISTEN", hooks.to_string()),
        ]);
        command.envs(system::without_quota());
        Ok(command)
    };
    let migrated = command(&["migrate", "reservation"])?.output()?;
    ensure!(
        migrated.status.success(),
        "the tables could not be made: {}",
        String::from_utf8_lossy(&migrated.stderr)
    );
    let run = command(&["run", "reservation"])?;
    let mut process = Process::start(run, folder.join("reservation.log"))?;
    system::wait_until_ready(&mut process, monitoring).await?;
    Ok((process, grpc))
}

/// The store's figures, as stock-availability tells them.
async fn tell(stock: &Scratch) -> Result<()> {
    let ids = Ids::random();
    for (item, available) in [(HOT, PLENTY), (LAST, FEW)] {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, item.as_bytes());
        let message = InventoryChanged {
            inventory: Some(Inventory {
                item_system_id: id.to_string(),
                item_number: item.to_owned(),
                unit: "PCS".to_owned(),
                locations: vec![LocationFigure {
                    location_code: STORE.to_owned(),
                    available: Some(Decimal {
                        units: available,
                        nanos: 0,
                    }),
                    ..LocationFigure::default()
                }],
                ..Inventory::default()
            }),
        };
        let stream = format!("inventory/bc-main/{id}/");
        let now = SystemClock.now();
        let event = NewEvent {
            id: ids.uuid_at(now),
            kind: "millrace.inventories.v1.InventoryChanged".to_owned(),
            key: stream.clone(),
            erp: Some("bc-main".to_owned()),
            channel: None,
            occurred_at: now,
            cause: Cause {
                correlation_id: ids.uuid_at(now),
                causation_id: None,
                traceparent: None,
                actor: "bench".to_owned(),
            },
            payload: message.encode_to_vec().into(),
            deleted: false,
        };
        let append = Append::to(stream, Expected::Version(0), vec![event]);
        stock.log.append(append).await?;
    }
    Ok(())
}

/// Milliseconds of one small write and its sync.
fn sync_p50(folder: &Path) -> Result<f64> {
    let path = folder.join("sync");
    let mut file = std::fs::File::create(&path)?;
    let page = [7_u8; 8192];
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    std::fs::remove_file(path)?;
    median(&took).context("nothing was measured")
}
