//! Figures asked of the ERP for this answer. Callers who ask at the same time share a request; one who has waited long
//! enough gets the index's figure, saying so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::future::join_all;
use millrace_contract::stock::v1::Source;
use millrace_erp::stock::{StockKey, StockObserved};
use millrace_erp::{Erp, ErpError};
use millrace_event_store::StoreError;
use millrace_service_kit::Shutdown;
use millrace_service_kit::metrics::Counter;
use millrace_values::{ErpCode, Sku, VariantCode};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::metadata::MetadataMap;
use tracing::{info, warn};

use super::answer::{Answer, Locations, Sheet};
use super::desk::{Desk, Window};
use super::question::{Asked, Question};
use super::reply::{Reply, Scribe};
use crate::counts::Counts;
use crate::domain::Inventory;
use crate::index::{Reading, SumOnly};
use crate::wire::parts;

/// Keys in one request to the ERP.
const BATCH: usize = 100;
/// Questions waiting; beyond, the index answers.
const WAITING: usize = 10_000;

/// Joins what the ERP says with what is in flight.
#[async_trait]
pub trait InFlightSource: Send + Sync {
    /// One inventory per (item number, variant) the ERP had a figure for.
    async fn join(
        &self,
        erp: &dyn Erp,
        observed: Vec<StockObserved>,
    ) -> Result<HashMap<StockKey, Inventory>, StoreError>;
}

/// `None`: the ERP does not know it.
type Figure = Option<Arc<Inventory>>;

struct Ask {
    key: StockKey,
    answer: oneshot::Sender<Figure>,
}

/// Where live questions go in.
pub struct Live {
    doors: HashMap<ErpCode, mpsc::Sender<Ask>>,
    within: Duration,
}

/// Asks one ERP; to be run as a task.
pub struct Asker {
    erp: Arc<dyn Erp>,
    in_flight: Arc<dyn InFlightSource>,
    asks: mpsc::Receiver<Ask>,
    within: Duration,
    asked: Counter,
    failed: Counter,
}

#[derive(Debug, Error)]
enum LiveError {
    #[error(transparent)]
    Erp(#[from] ErpError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the erp did not answer within {0:?}")]
    Slow(Duration),
}

impl Live {
    #[must_use]
    pub(crate) fn new(
        erps: &[Arc<dyn Erp>],
        in_flight: &Arc<dyn InFlightSource>,
        within: Duration,
        counts: &Counts,
    ) -> (Self, Vec<Asker>) {
        let mut doors = HashMap::new();
        let mut askers = Vec::new();
        for erp in erps {
            let (door, asks) = mpsc::channel(WAITING);
            doors.insert(erp.code().clone(), door);
            askers.push(Asker {
                erp: erp.clone(),
                in_flight: in_flight.clone(),
                asks,
                within,
                asked: counts.live.clone(),
                failed: counts.live_failed.clone(),
            });
        }
        (Self { doors, within }, askers)
    }

    /// `None`: no answer in time.
    async fn figure(&self, erp: &ErpCode, key: StockKey, until: Instant) -> Option<Figure> {
        let (answer, answered) = oneshot::channel();
        self.doors.get(erp)?.try_send(Ask { key, answer }).ok()?;
        timeout_at(until, answered).await.ok()?.ok()
    }
}

impl Asker {
    /// Asks for as long as there are questions, until shutdown.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut failing = false;
        loop {
            let first = tokio::select! {
                () = shutdown.cancelled() => return,
                ask = self.asks.recv() => match ask {
                    Some(ask) => ask,
                    None => return,
                },
            };
            let mut waiting: HashMap<StockKey, Vec<oneshot::Sender<Figure>>> = HashMap::new();
            waiting.entry(first.key).or_default().push(first.answer);
            // No linger: whoever asked while the last request was under way is in this one.
            while waiting.len() < BATCH {
                let Ok(ask) = self.asks.try_recv() else { break };
                waiting.entry(ask.key).or_default().push(ask.answer);
            }
            waiting.retain(|_, answers| answers.iter().any(|answer| !answer.is_closed()));
            if waiting.is_empty() {
                continue;
            }
            self.asked.inc();
            match self.ask(waiting.keys().cloned().collect()).await {
                Ok(figures) => {
                    if std::mem::take(&mut failing) {
                        info!(erp = %self.erp.code(), "live figures are answered again");
                    }
                    for (key, answers) in waiting {
                        let figure = figures.get(&key).cloned().map(Arc::new);
                        answers
                            .into_iter()
                            .for_each(|answer| drop(answer.send(figure.clone())));
                    }
                }
                Err(error) => {
                    self.failed.inc();
                    // Dropping the senders makes the callers fall back at once.
                    if !std::mem::replace(&mut failing, true) {
                        let cause = &error as &dyn std::error::Error;
                        warn!(erp = %self.erp.code(), error = cause, "live figures cannot be had, the index answers");
                    }
                }
            }
        }
    }

    async fn ask(&self, keys: Vec<StockKey>) -> Result<HashMap<StockKey, Inventory>, LiveError> {
        let observed = timeout(self.within, self.erp.stock_now(&keys))
            .await
            .map_err(|_| LiveError::Slow(self.within))??;
        Ok(self.in_flight.join(&*self.erp, observed).await?)
    }
}

/// How long the caller waits, less what the way back takes; `None`: it did not say.
pub fn patience(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok()?;
    let whole = match unit {
        "H" => Duration::from_secs(count.saturating_mul(3600)),
        "M" => Duration::from_secs(count.saturating_mul(60)),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    };
    Some(whole.mul_f64(0.8))
}

pub async fn answer(
    desk: Arc<Desk>,
    asked: Asked,
    window: Arc<Window>,
    patience: Option<Duration>,
) -> Reply {
    let Some(live) = desk.live() else {
        return desk.from_index(asked, window, Source::IndexFallback);
    };
    let within = patience.map_or(live.within, |patience| patience.min(live.within));
    let until = Instant::now() + within;
    let questions: Vec<_> = asked.questions().collect();
    let figures = questions.iter().map(|question| async {
        match key(*question) {
            Some(key) => live.figure(&window.channel.erp, key, until).await,
            None => Some(None),
        }
    });
    let figures = join_all(figures).await;
    let mut bytes = BytesMut::new();
    let mut sheet = Sheet::on(&mut bytes);
    let index = desk.index();
    let mut fallback = Scribe::new(&desk, &window, Source::IndexFallback, asked.by_location);
    for (question, figure) in questions.into_iter().zip(figures) {
        match figure {
            Some(figure) => {
                let version = index
                    .look(&window.view, question.0, question.1, &mut SumOnly)
                    .version;
                put(
                    &window,
                    question,
                    figure.as_deref(),
                    version,
                    asked.by_location,
                    &mut sheet,
                );
            }
            None => fallback.answer(&mut index.lookup(), question, &mut sheet),
        }
    }
    drop(sheet);
    Reply::Ready(bytes.freeze())
}

fn key((number, variant): Question<'_>) -> Option<StockKey> {
    let item = Sku::parse(str::from_utf8(number).ok()?).ok()?;
    let variant = VariantCode::parse_optional(str::from_utf8(variant).ok()?).ok()?;
    Some(StockKey { item, variant })
}

fn put(
    window: &Window,
    question: Question<'_>,
    inventory: Option<&Inventory>,
    version: u64,
    by_location: bool,
    sheet: &mut Sheet<'_, BytesMut>,
) {
    let mut reading = Reading {
        version,
        ..Reading::default()
    };
    let mut locations = Vec::new();
    let mut unit = "";
    if let Some(inventory) = inventory {
        unit = inventory.unit.as_ref().map_or("", |unit| unit.as_str());
        reading.as_of = inventory.as_of.0.as_millisecond();
        let (mut sum, mut own) = (0_i64, 0_i64);
        for figure in inventory
            .locations
            .iter()
            .filter(|figure| window.channel.location_group.contains(&figure.location))
        {
            let available = parts(figure.available());
            sum = sum.saturating_add(available);
            let mine = figure
                .channels
                .iter()
                .find(|channel| channel.channel == window.channel.code);
            own += mine.map_or(0, |channel| parts(channel.after_as_of));
            locations.push((figure.location.as_str(), available));
        }
        reading.known = !locations.is_empty();
        reading.available = sum.max(0);
        reading.allocation = sum.saturating_add(own).max(0);
    }
    let answer = Answer {
        number: question.0,
        variant: question.1,
        reading,
        allocation: window.view.deducts(),
        unit,
        source: Source::Live,
        stale: false,
        locations: if by_location {
            Locations::Named(&locations)
        } else {
            Locations::None
        },
    };
    answer.put(sheet);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_deadline_is_read_and_shortened() {
        let read = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            patience(&metadata)
        };
        assert_eq!(read("100m"), Some(Duration::from_millis(80)));
        assert_eq!(read("2S"), Some(Duration::from_millis(1600)));
        assert_eq!(read("soon"), None);
    }
}
