//! The ERP, with customers and stock that cannot be read until they are mended: for the services that read by `erp-reader`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use millrace_erp::document::{DocumentObserved, NewOrder, PlacedOrder};
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
use millrace_values::{ChannelCode, ErpCode, OrderNumber, SystemId};
use tokio::sync::watch;

#[derive(Debug)]
pub struct Spoiled {
    erp: Arc<dyn Erp>,
    mended: AtomicBool,
    /// Whether what cannot be read does not even say whose it is.
    pub nameless: AtomicBool,
}

impl Spoiled {
    pub fn new(erp: Arc<dyn Erp>) -> Arc<Self> {
        Arc::new(Self {
            erp,
            mended: AtomicBool::new(false),
            nameless: AtomicBool::new(false),
        })
    }

    /// Whether what is read from now on can be.
    pub fn mend(&self, mended: bool) {
        self.mended.store(mended, Ordering::Relaxed);
    }
}

fn spoil(observed: &mut Observed, nameless: bool) {
    let (entity, system_id) = match observed {
        Observed::Customer(seen) => ("customer", seen.system_id),
        Observed::Stock(seen) => ("stock", seen.item),
        _ => return,
    };
    *observed = Observed::Unreadable {
        entity,
        system_id: (!nameless).then_some(system_id),
        reason: "it is spoiled".into(),
    };
}

#[async_trait]
impl Erp for Spoiled {
    fn code(&self) -> &ErpCode {
        self.erp.code()
    }

    async fn capabilities(&self) -> Result<Capabilities, ErpError> {
        self.erp.capabilities().await
    }

    async fn read(&self, flow: Flow, cursor: Option<&Cursor>) -> Result<Page, ErpError> {
        let mut page = self.erp.read(flow, cursor).await?;
        if !self.mended.load(Ordering::Relaxed) {
            let nameless = self.nameless.load(Ordering::Relaxed);
            let spoil = |observed| spoil(observed, nameless);
            page.observations.iter_mut().for_each(spoil);
        }
        Ok(page)
    }

    async fn system_ids(&self, flow: Flow) -> Result<Vec<SystemId>, ErpError> {
        self.erp.system_ids(flow).await
    }

    fn hints(&self, flow: Flow) -> watch::Receiver<u64> {
        self.erp.hints(flow)
    }

    fn poll_interval(&self) -> Duration {
        self.erp.poll_interval()
    }

    async fn stock_now(&self, keys: &[StockKey]) -> Result<Vec<StockObserved>, ErpError> {
        self.erp.stock_now(keys).await
    }

    async fn create_customer(&self, customer: &NewCustomer) -> Result<CustomerCreated, ErpError> {
        self.erp.create_customer(customer).await
    }

    async fn place_order(&self, order: &NewOrder) -> Result<PlacedOrder, ErpError> {
        self.erp.place_order(order).await
    }

    async fn find_order(
        &self,
        channel: &ChannelCode,
        number: &OrderNumber,
    ) -> Result<Option<PlacedOrder>, ErpError> {
        self.erp.find_order(channel, number).await
    }

    async fn documents_of(
        &self,
        channel: &ChannelCode,
        number: &OrderNumber,
    ) -> Result<Vec<DocumentObserved>, ErpError> {
        self.erp.documents_of(channel, number).await
    }

    async fn stores(&self) -> Result<Vec<StoreObserved>, ErpError> {
        self.erp.stores().await
    }

    async fn request_transfer(&self, transfer: &NewTransfer) -> Result<PlacedTransfer, ErpError> {
        self.erp.request_transfer(transfer).await
    }

    async fn post_transfer(
        &self,
        key: &TransferKey,
        found: &[FoundQuantity],
    ) -> Result<TransferObserved, ErpError> {
        self.erp.post_transfer(key, found).await
    }

    async fn cancel_transfer(&self, key: &TransferKey) -> Result<TransferObserved, ErpError> {
        self.erp.cancel_transfer(key).await
    }

    async fn return_transfer(&self, key: &TransferKey) -> Result<TransferObserved, ErpError> {
        self.erp.return_transfer(key).await
    }

    async fn find_transfer(&self, key: &TransferKey) -> Result<Option<TransferObserved>, ErpError> {
        self.erp.find_transfer(key).await
    }

    async fn request_count(&self, request: &CountRequest) -> Result<PlacedCount, ErpError> {
        self.erp.request_count(request).await
    }

    async fn return_reasons(&self) -> Result<Vec<ReturnReasonObserved>, ErpError> {
        self.erp.return_reasons().await
    }

    async fn place_return(&self, goods: &NewReturn) -> Result<PlacedReturn, ErpError> {
        self.erp.place_return(goods).await
    }

    async fn find_return(&self, key: &ReturnKey) -> Result<Option<ReturnObserved>, ErpError> {
        self.erp.find_return(key).await
    }

    async fn cancel_return(&self, key: &ReturnKey) -> Result<ReturnObserved, ErpError> {
        self.erp.cancel_return(key).await
    }
}
