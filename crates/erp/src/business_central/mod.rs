//! Microsoft Dynamics 365 Business Central, online or its simulator, on either of two levels: a standard tenant with
//! Microsoft's API v2.0, or one with our companion extension. What differs between them is told by [`crate::Capabilities`].
//!
//! [`BusinessCentral::connect`] only checks settings; the ERP is asked at the first call, and asked again what it is
//! after it refused us. Nothing here keeps state that matters: a reader's place is in its cursor.

mod collection;
mod companion;
mod cursor;
mod discovery;
mod examination;
mod flights;
mod governor;
mod http;
mod language;
mod odata;
mod problem;
mod settings;
mod standard;
mod token;
pub mod webhooks;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use millrace_service_kit::metrics::Metrics;
use millrace_service_kit::{Clock, Ids};
use millrace_values::{ChannelCode, ErpCode, OrderNumber, SystemId, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

use self::companion::CompanionLevel;
use self::cursor::Place;
use self::discovery::Tenant;
use self::governor::Governor;
use self::http::Http;
use self::standard::StandardLevel;
use self::standard::doubts::Doubts;
use self::standard::recent::Recent;
use self::webhooks::Hints;
use crate::document::{DocumentObserved, NewOrder, PlacedOrder};
use crate::party::{CustomerCreated, NewCustomer};
use crate::return_order::{
    NewReturn, PlacedReturn, ReturnKey, ReturnObserved, ReturnReasonObserved,
};
use crate::stock::{StockKey, StockObserved};
use crate::transfer::{
    CountRequest, FoundQuantity, NewTransfer, PlacedCount, PlacedTransfer, StoreObserved,
    TransferKey, TransferObserved,
};
use crate::{Capabilities, Cursor, Erp, ErpError, Flow, Page};

pub use self::governor::Usage;
pub use self::settings::{Level, Limits, Reading, Settings, SettingsError, Webhooks};

/// The list of locations, and what the companion says of itself, are asked for again after this long.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What the standard level cannot do.
const TRANSFERS: &str = "transfer reserved goods on the standard level";

/// One company of one Business Central environment.
pub struct BusinessCentral {
    settings: Settings,
    http: Arc<Http>,
    governor: Governor,
    clock: Arc<dyn Clock>,
    ids: Ids,
    hints: Hints,
    shared: companion::Shared,
    client_state: String,
    recent: Recent,
    doubts: Doubts,
    tenant: tokio::sync::Mutex<Option<(Arc<Tenant>, Instant)>>,
    /// What the last discovery found; decides how often a reader looks.
    has_companion: AtomicBool,
    /// It was found since the process began.
    had_companion: AtomicBool,
    locations: Mutex<Option<(Arc<Vec<String>>, Instant)>>,
}

impl fmt::Debug for BusinessCentral {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BusinessCentral({})", self.settings.code)
    }
}

impl BusinessCentral {
    /// Asks nothing of the ERP yet.
    ///
    /// # Errors
    /// A setting that cannot be used.
    pub fn connect(
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Ids,
    ) -> Result<Self, SettingsError> {
        settings::check(&settings)?;
        let limits = &settings.limits;
        let governor = Governor::new(limits.at_once, limits.requests, limits.window);
        let http = Arc::new(Http::new(&settings, governor.clone(), ids.clone())?);
        Ok(Self {
            has_companion: AtomicBool::new(settings.level != Level::Standard),
            client_state: webhooks::client_state(
                settings.code.as_str(),
                &settings.client_id,
                settings.client_secret.expose(),
            ),
            had_companion: AtomicBool::new(false),
            settings,
            http,
            governor,
            clock,
            ids,
            hints: Hints::default(),
            shared: companion::Shared::default(),
            recent: Recent::default(),
            doubts: Doubts::default(),
            tenant: tokio::sync::Mutex::default(),
            locations: Mutex::default(),
        })
    }

    /// What is left of the ERP's budget, and who waits.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.governor.usage()
    }

    /// Shows [`BusinessCentral::usage`] in `/metrics` from now on; called once for a process.
    pub fn show(&self, metrics: &Metrics) {
        self.governor.show(metrics);
    }

    async fn tenant(&self) -> Result<Arc<Tenant>, ErpError> {
        let mut known = self.tenant.lock().await;
        if let Some((tenant, asked)) = &*known
            && asked.elapsed() < REMEMBERED
        {
            return Ok(tenant.clone());
        }
        let previous = known.as_ref().map(|(tenant, _)| tenant.clone());
        let (company, level) = (&self.settings.company, self.settings.level);
        let had_companion = self.had_companion.load(Ordering::Relaxed);
        match discovery::discover(&self.http, company, level, had_companion).await {
            Ok(tenant) => {
                let has_companion = tenant.companion.is_some();
                self.has_companion.store(has_companion, Ordering::Relaxed);
                self.had_companion
                    .fetch_or(has_companion, Ordering::Relaxed);
                let described = discovery::capabilities(&tenant).description;
                if previous.is_none() {
                    info!(erp = %self.settings.code, company = %tenant.company, "erp {} is {described}", self.settings.code);
                }
                let tenant = Arc::new(tenant);
                *known = Some((tenant.clone(), Instant::now()));
                Ok(tenant)
            }
            // What was known an hour ago still serves while the ERP cannot be asked.
            Err(ErpError::Away { .. }) if previous.is_some() => {
                Ok(previous.ok_or(ErpError::Unknown)?)
            }
            Err(error) => Err(error),
        }
    }

    async fn forget_tenant(&self) {
        *self.tenant.lock().await = None;
    }

    fn companion<'a>(&'a self, tenant: &'a Tenant, page_size: u32) -> Option<CompanionLevel<'a>> {
        Some(CompanionLevel {
            http: &self.http,
            shared: &self.shared,
            hints_given: self.hints.given(),
            company: tenant.company,
            companion: tenant.companion.as_ref()?,
            page_size,
            blank_location: self.settings.default_location.as_ref(),
            now: self.clock.now(),
        })
    }

    fn standard<'a>(&'a self, tenant: &Tenant) -> StandardLevel<'a> {
        StandardLevel {
            http: &self.http,
            company: tenant.company,
            environment: &self.settings.environment,
            page_size: self.settings.reading.page_size,
            overlap: self.settings.reading.overlap,
            full_read_every: self.settings.reading.full_read_every,
            local_currency: self.settings.local_currency,
            location: self.settings.default_location.as_ref(),
            freight_account: self.settings.freight_account.as_deref(),
            recent: &self.recent,
            doubts: &self.doubts,
            operation_limit: self.settings.limits.operation_limit,
            newcomer: u64::from_le_bytes(self.ids.bytes()),
            now: Timestamp(self.clock.now()),
        }
    }

    /// Full reads of stock hold many rows per item.
    fn page_size(&self, flow: Flow) -> u32 {
        let size = self.settings.reading.page_size;
        match flow {
            Flow::Stock => (size / 2).max(1),
            Flow::Items
            | Flow::Prices
            | Flow::Customers
            | Flow::Documents
            | Flow::Transfers
            | Flow::Returns => size,
        }
    }

    /// The companion, or word that `what` needs it.
    fn companion_for<'a>(
        &'a self,
        tenant: &'a Tenant,
        what: &'static str,
    ) -> Result<CompanionLevel<'a>, ErpError> {
        self.companion(tenant, self.settings.reading.page_size)
            .ok_or(ErpError::Unsupported(what))
    }

    async fn locations(&self, level: &CompanionLevel<'_>) -> Result<Arc<Vec<String>>, ErpError> {
        let known = self
            .locations
            .lock()
            .expect("no holder of this lock panics")
            .clone();
        if let Some((locations, asked)) = known
            && asked.elapsed() < REMEMBERED
        {
            return Ok(locations);
        }
        let mut codes = level.locations().await?;
        if self.settings.default_location.is_some() {
            codes.push(String::new());
        }
        let codes = Arc::new(codes);
        *self
            .locations
            .lock()
            .expect("no holder of this lock panics") = Some((codes.clone(), Instant::now()));
        Ok(codes)
    }
}

#[async_trait]
impl Erp for BusinessCentral {
    fn code(&self) -> &ErpCode {
        &self.settings.code
    }

    async fn capabilities(&self) -> Result<Capabilities, ErpError> {
        Ok(discovery::capabilities(&*self.tenant().await?))
    }

    async fn read(&self, flow: Flow, cursor: Option<&Cursor>) -> Result<Page, ErpError> {
        let tenant = self.tenant().await?;
        let place = cursor.map(Place::read).transpose()?;
        if place
            .as_ref()
            .is_some_and(|place| place.company != tenant.company)
        {
            return Err(cursor::resync("the cursor belongs to another company"));
        }
        let page = match self.companion(&tenant, self.page_size(flow)) {
            Some(level) => level.read(flow, place).await,
            None => self.standard(&tenant).read(flow, place).await,
        };
        if let Err(ErpError::ResyncNeeded { .. } | ErpError::Denied(_)) = &page {
            self.forget_tenant().await;
        }
        page
    }

    async fn system_ids(&self, flow: Flow) -> Result<Vec<SystemId>, ErpError> {
        let tenant = self.tenant().await?;
        match self.companion(&tenant, self.page_size(flow)) {
            Some(level) => level.system_ids(flow).await,
            None => self.standard(&tenant).system_ids(flow).await,
        }
    }

    fn hints(&self, flow: Flow) -> watch::Receiver<u64> {
        self.hints.of(flow)
    }

    fn poll_interval(&self) -> Duration {
        if self.has_companion.load(Ordering::Relaxed) {
            return self.settings.reading.queue_interval;
        }
        self.settings.reading.poll_interval
    }

    async fn stock_now(&self, keys: &[StockKey]) -> Result<Vec<StockObserved>, ErpError> {
        let tenant = self.tenant().await?;
        let level = self.companion_for(
            &tenant,
            "calculate stock for the asker on the standard level",
        )?;
        let locations = self.locations(&level).await?;
        level.stock_now(keys, &locations).await
    }

    async fn create_customer(&self, customer: &NewCustomer) -> Result<CustomerCreated, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, "create customers on the standard level")?
            .create_customer(customer)
            .await
    }

    async fn place_order(&self, order: &NewOrder) -> Result<PlacedOrder, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, "post orders on the standard level")?
            .place_order(order)
            .await
    }

    async fn find_order(
        &self,
        channel: &ChannelCode,
        number: &OrderNumber,
    ) -> Result<Option<PlacedOrder>, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, "find orders on the standard level")?
            .find_order(channel, number)
            .await
    }

    async fn documents_of(
        &self,
        channel: &ChannelCode,
        number: &OrderNumber,
    ) -> Result<Vec<DocumentObserved>, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, "tell an order's documents on the standard level")?
            .documents_of(channel, number)
            .await
    }

    async fn stores(&self) -> Result<Vec<StoreObserved>, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, "tell stores on the standard level")?
            .stores()
            .await
    }

    async fn request_transfer(&self, transfer: &NewTransfer) -> Result<PlacedTransfer, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, TRANSFERS)?
            .request_transfer(transfer)
            .await
    }

    async fn post_transfer(
        &self,
        key: &TransferKey,
        found: &[FoundQuantity],
    ) -> Result<TransferObserved, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, TRANSFERS)?
            .post_transfer(key, found)
            .await
    }

    async fn cancel_transfer(&self, key: &TransferKey) -> Result<TransferObserved, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, TRANSFERS)?
            .cancel_transfer(key)
            .await
    }

    async fn return_transfer(&self, key: &TransferKey) -> Result<TransferObserved, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, TRANSFERS)?
            .return_transfer(key)
            .await
    }

    async fn find_transfer(&self, key: &TransferKey) -> Result<Option<TransferObserved>, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, TRANSFERS)?
            .find_transfer(key)
            .await
    }

    async fn request_count(&self, request: &CountRequest) -> Result<PlacedCount, ErpError> {
        let tenant = self.tenant().await?;
        self.companion_for(&tenant, "ask for counts on the standard level")?
            .request_count(request)
            .await
    }

    async fn return_reasons(&self) -> Result<Vec<ReturnReasonObserved>, ErpError> {
        let tenant = self.tenant().await?;
        match self.companion(&tenant, self.settings.reading.page_size) {
            Some(level) => level.return_reasons().await,
            None if tenant.return_reasons => self.standard(&tenant).return_reasons().await,
            None => Err(ErpError::Unsupported("tell return reasons")),
        }
    }

    async fn place_return(&self, goods: &NewReturn) -> Result<PlacedReturn, ErpError> {
        let tenant = self.tenant().await?;
        match self.companion(&tenant, self.settings.reading.page_size) {
            Some(level) => level.place_return(goods).await,
            None => self.standard(&tenant).place_return(goods).await,
        }
    }

    async fn find_return(&self, key: &ReturnKey) -> Result<Option<ReturnObserved>, ErpError> {
        let tenant = self.tenant().await?;
        match self.companion(&tenant, self.settings.reading.page_size) {
            Some(level) => level.find_return(key).await,
            None => self.standard(&tenant).find_return(key).await,
        }
    }

    async fn cancel_return(&self, key: &ReturnKey) -> Result<ReturnObserved, ErpError> {
        let tenant = self.tenant().await?;
        match self.companion(&tenant, self.settings.reading.page_size) {
            Some(level) => level.cancel_return(key).await,
            None => self.standard(&tenant).cancel_return(key).await,
        }
    }
}
