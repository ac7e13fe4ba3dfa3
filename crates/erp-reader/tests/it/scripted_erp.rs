//! An ERP whose every answer the test decides: for what a faithful one does too seldom (a resync in mid-read, a record that
//! cannot be read, a deletion nobody tells). The services that read by `erp-reader` test with it too.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use millrace_erp::document::{DocumentObserved, NewOrder, PlacedOrder};
use millrace_erp::master::{ItemKind, ItemObserved};
use millrace_erp::party::{CustomerCreated, NewCustomer};
use millrace_erp::return_order::{
    NewReturn, PlacedReturn, ReturnKey, ReturnObserved, ReturnReasonObserved,
};
use millrace_erp::stock::{StockKey, StockObserved};
use millrace_erp::transfer::{
    CountRequest, FoundQuantity, NewTransfer, PlacedCount, PlacedTransfer, StoreObserved,
    TransferKey, TransferObserved,
};
use millrace_erp::{Capabilities, Cursor, Erp, ErpError, Flow, Observed, Page};
use millrace_values::{ChannelCode, ErpCode, OrderNumber, Sku, SystemId, Timestamp, UnitCode};
use tokio::sync::watch;

/// Under this number stand prices of which nobody knows whose they are.
pub const NAMELESS: u32 = 999;
/// Records per page.
const PAGE: usize = 3;

#[derive(Debug)]
pub struct ScriptedErp {
    code: ErpCode,
    world: Mutex<World>,
    hints: watch::Sender<u64>,
    poll: Duration,
}

#[derive(Debug, Default)]
struct World {
    items: BTreeMap<SystemId, Observed>,
    prices: BTreeMap<SystemId, Observed>,
    /// Told after the full set, by the number in the cursor.
    told: Vec<(Flow, Observed)>,
    /// Answered instead of the next page.
    failures: Vec<ErpError>,
    asked: Vec<(Flow, Option<String>)>,
}

impl ScriptedErp {
    pub fn new(poll: Duration) -> Self {
        Self {
            code: ErpCode::parse("bc-main").unwrap(),
            world: Mutex::default(),
            hints: watch::Sender::new(0),
            poll,
        }
    }

    /// There, without anybody being told.
    pub fn has(&self, observed: Observed) {
        let mut world = self.world.lock().unwrap();
        match &observed {
            Observed::Item(item) => world.items.insert(item.system_id, observed),
            Observed::Prices(prices) => world.prices.insert(prices.item, observed),
            Observed::Unreadable {
                entity: "prices",
                system_id,
                ..
            } => {
                // One without a name stands at the end.
                let at = system_id.unwrap_or(id(NAMELESS));
                world.prices.insert(at, observed)
            }
            other => panic!("there are items and prices only, no {other:?}"),
        };
    }

    /// Gone, without anybody being told.
    pub fn loses(&self, item: SystemId) {
        let mut world = self.world.lock().unwrap();
        world.items.remove(&item);
        world.prices.remove(&item);
    }

    /// Shown at the next read, with a hint.
    pub fn tells(&self, flow: Flow, observed: Observed) {
        self.world.lock().unwrap().told.push((flow, observed));
        self.hints.send_modify(|count| *count += 1);
    }

    pub fn fails_once(&self, error: ErpError) {
        self.world.lock().unwrap().failures.push(error);
        self.hints.send_modify(|count| *count += 1);
    }

    /// Every read so far: its flow, and the cursor it went on from.
    pub fn asked(&self) -> Vec<(Flow, Option<String>)> {
        self.world.lock().unwrap().asked.clone()
    }
}

impl World {
    /// The full set page by page, then what was told.
    fn page(&self, flow: Flow, cursor: &str) -> Page {
        let full = match flow {
            Flow::Items => &self.items,
            _ => &self.prices,
        };
        if let Some(from) = cursor.strip_prefix("told ") {
            let from: usize = from.parse().unwrap();
            let told = self.told[from..]
                .iter()
                .filter(|(of, _)| *of == flow)
                .map(|(_, observed)| observed.clone());
            return Page {
                observations: told.collect(),
                next: Cursor(format!("told {}", self.told.len())),
                more: false,
                snapshot: false,
                snapshot_complete: false,
            };
        }
        let from: usize = cursor.parse().unwrap_or(0);
        let page: Vec<Observed> = full.values().skip(from).take(PAGE).cloned().collect();
        let done = from + page.len() >= full.len();
        let next = if done {
            format!("told {}", self.told.len())
        } else {
            (from + page.len()).to_string()
        };
        Page {
            observations: page,
            next: Cursor(next),
            more: true,
            snapshot: true,
            snapshot_complete: done,
        }
    }
}

#[async_trait]
impl Erp for ScriptedErp {
    fn code(&self) -> &ErpCode {
        &self.code
    }

    async fn capabilities(&self) -> Result<Capabilities, ErpError> {
        Err(ErpError::Unsupported("say what it can do"))
    }

    async fn read(&self, flow: Flow, cursor: Option<&Cursor>) -> Result<Page, ErpError> {
        let mut world = self.world.lock().unwrap();
        world
            .asked
            .push((flow, cursor.map(|cursor| cursor.0.clone())));
        if flow == Flow::Items && !world.failures.is_empty() {
            return Err(world.failures.remove(0));
        }
        Ok(world.page(flow, cursor.map_or("0", |cursor| &cursor.0)))
    }

    async fn system_ids(&self, _: Flow) -> Result<Vec<SystemId>, ErpError> {
        Ok(self.world.lock().unwrap().items.keys().copied().collect())
    }

    fn hints(&self, _: Flow) -> watch::Receiver<u64> {
        self.hints.subscribe()
    }

    fn poll_interval(&self) -> Duration {
        self.poll
    }

    async fn stock_now(&self, _: &[StockKey]) -> Result<Vec<StockObserved>, ErpError> {
        Err(ErpError::Unsupported("count"))
    }

    async fn create_customer(&self, _: &NewCustomer) -> Result<CustomerCreated, ErpError> {
        Err(ErpError::Unsupported("create customers"))
    }

    async fn place_order(&self, _: &NewOrder) -> Result<PlacedOrder, ErpError> {
        Err(ErpError::Unsupported("take orders"))
    }

    async fn find_order(
        &self,
        _: &ChannelCode,
        _: &OrderNumber,
    ) -> Result<Option<PlacedOrder>, ErpError> {
        Err(ErpError::Unsupported("find orders"))
    }

    async fn documents_of(
        &self,
        _: &ChannelCode,
        _: &OrderNumber,
    ) -> Result<Vec<DocumentObserved>, ErpError> {
        Err(ErpError::Unsupported("tell an order's documents"))
    }

    async fn stores(&self) -> Result<Vec<StoreObserved>, ErpError> {
        Err(ErpError::Unsupported("tell stores"))
    }

    async fn request_transfer(&self, _: &NewTransfer) -> Result<PlacedTransfer, ErpError> {
        Err(ErpError::Unsupported("transfer goods"))
    }

    async fn post_transfer(
        &self,
        _: &TransferKey,
        _: &[FoundQuantity],
    ) -> Result<TransferObserved, ErpError> {
        Err(ErpError::Unsupported("transfer goods"))
    }

    async fn cancel_transfer(&self, _: &TransferKey) -> Result<TransferObserved, ErpError> {
        Err(ErpError::Unsupported("transfer goods"))
    }

    async fn return_transfer(&self, _: &TransferKey) -> Result<TransferObserved, ErpError> {
        Err(ErpError::Unsupported("transfer goods"))
    }

    async fn find_transfer(&self, _: &TransferKey) -> Result<Option<TransferObserved>, ErpError> {
        Err(ErpError::Unsupported("transfer goods"))
    }

    async fn request_count(&self, _: &CountRequest) -> Result<PlacedCount, ErpError> {
        Err(ErpError::Unsupported("ask for counts"))
    }

    async fn return_reasons(&self) -> Result<Vec<ReturnReasonObserved>, ErpError> {
        Err(ErpError::Unsupported("tell return reasons"))
    }

    async fn place_return(&self, _: &NewReturn) -> Result<PlacedReturn, ErpError> {
        Err(ErpError::Unsupported("take goods back"))
    }

    async fn find_return(&self, _: &ReturnKey) -> Result<Option<ReturnObserved>, ErpError> {
        Err(ErpError::Unsupported("take goods back"))
    }

    async fn cancel_return(&self, _: &ReturnKey) -> Result<ReturnObserved, ErpError> {
        Err(ErpError::Unsupported("take goods back"))
    }
}

pub fn id(number: u32) -> SystemId {
    SystemId::parse(&format!("00000000-0000-0000-0000-{number:012}")).unwrap()
}

pub fn item(number: u32) -> ItemObserved {
    ItemObserved {
        system_id: id(number),
        number: Sku::parse(&format!("ITEM-{number:03}")).unwrap(),
        display_name: format!("Chair {number}"),
        display_name2: String::new(),
        kind: ItemKind::Inventory,
        blocked: false,
        sales_blocked: false,
        gtin: String::new(),
        base_unit: Some(UnitCode::parse("PCS").unwrap()),
        category_code: "CHAIR".into(),
        tax_group_code: String::new(),
        variants: vec![],
        modified_at: Timestamp::parse("2026-02-01T10:00:00Z").unwrap(),
        modified_by: Some("ADELE".into()),
    }
}
