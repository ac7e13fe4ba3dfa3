//! The port: what Millrace asks of an ERP, in our words. Adapters declare what their ERP can do; services offer only that.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use millrace_values::{ChannelCode, ErpCode, OrderNumber, SystemId};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

use crate::document::{DocumentObserved, NewOrder, PlacedOrder};
use crate::master::{CustomerObserved, ItemObserved, PricesObserved};
use crate::party::{CustomerCreated, NewCustomer};
use crate::return_order::{
    NewReturn, PlacedReturn, ReturnKey, ReturnObserved, ReturnReasonObserved,
};
use crate::stock::{StockKey, StockObserved};
use crate::transfer::{
    CountRequest, FoundQuantity, NewTransfer, PlacedCount, PlacedTransfer, StoreObserved,
    TransferKey, TransferObserved,
};

/// What this ERP can do, found by asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// e.g. "business central, companion 1.0".
    pub description: String,
    /// Changes come gap-free and ordered with deletes; else by overlapping polls, eventually complete.
    pub change_queue: bool,
    /// Price lists with groups, quantity breaks and periods; else one price per item.
    pub price_lists: bool,
    /// Stock per variant and location; else one figure per item under the location named in the settings.
    pub stock_by_location: bool,
    /// Figures say what sales orders bind. Else they are on hand only: what people sold in the ERP and did not ship yet is
    /// unknown and not deducted, and `allocated` and `reserved` are zero because nobody says otherwise.
    pub stock_allocated: bool,
    /// Figures calculated for the asker.
    pub live_stock: bool,
    /// An order's unique key makes a repeat harmless; else [`ErpError::Unknown`] asks for a search first.
    pub order_buffer: bool,
    /// Shipments with carrier and tracking number, cancellations told apart from deletions.
    pub status_feed: bool,
    /// Goods reserved in a store: transfers to its reservation warehouse with a unique key, their feed, requests to count.
    pub transfer_requests: bool,
    /// Returns become return orders with a unique key, and receipt and inspection are told. Else a return becomes the draft of a
    /// credit memo, which a person posts; after [`ErpError::InDoubt`] the next attempt waits until the ERP has given up on the first,
    /// and searches then. A draft that people delete is not told: [`Erp::find_return`] no longer finds it.
    pub return_orders: bool,
    /// The reasons why goods may come back can be read; else they are settings.
    pub return_reasons: bool,
}

/// What is read together, in one order, with one cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Flow {
    /// Items with their variants.
    Items,
    Prices,
    Stock,
    Customers,
    /// What became of our orders.
    Documents,
    /// What became of our transfers.
    Transfers,
    /// What became of our returns.
    Returns,
}

/// Where a flow's reader stands: opaque, made and read by the adapter alone, kept by the reader beside what it did with the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub String);

/// One step of a flow.
#[derive(Debug, Clone)]
pub struct Page {
    /// Oldest first; repeats are possible, gaps are not.
    pub observations: Vec<Observed>,
    /// Where to go on; keep it only together with what was made of the observations.
    pub next: Cursor,
    /// More is waiting: read on at once.
    pub more: bool,
    /// Still in the first full read (or a full read after a resync).
    pub snapshot: bool,
    /// The full read ended with this page: records of this flow that it did not show, and that are not in [`Erp::system_ids`], are gone.
    pub snapshot_complete: bool,
}

/// A record as the ERP has it now. The reader compares it with what it knows; the differences are the events.
#[expect(
    clippy::large_enum_variant,
    reason = "observations are made once and moved once; a box each would cost more than the room"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    Item(ItemObserved),
    ItemGone(SystemId),
    /// All prices of one item.
    Prices(PricesObserved),
    /// Figures of one item.
    Stock(StockObserved),
    Customer(CustomerObserved),
    CustomerGone(SystemId),
    Document(DocumentObserved),
    Transfer(TransferObserved),
    Return(ReturnObserved),
    /// The ERP sent a record that cannot be read: to be parked and shown, never to stop the flow.
    Unreadable {
        entity: &'static str,
        system_id: Option<SystemId>,
        reason: String,
    },
}

#[derive(Debug, Clone, Error)]
pub enum ErpError {
    /// The ERP's business rules say no. Never retried blindly.
    #[error("the erp refuses: {code}")]
    Refused {
        /// The ERP's code, e.g. `Application_DialogException`.
        code: String,
        /// For the operator who mends it; may quote names and addresses, so not for logs and not part of what is displayed.
        message: String,
    },
    /// The same key stands for other content.
    #[error("the erp holds other content under {key}")]
    Contradiction { key: String },
    /// Did not happen; may be tried again, not before `retry_after` where given.
    #[error("the erp is away: {reason}")]
    Away {
        reason: String,
        retry_after: Option<Duration>,
    },
    /// It may have happened: search before repeating, unless the ERP declares an order buffer.
    #[error("the erp did not answer; whether it acted is unknown")]
    Unknown,
    /// This attempt may have happened, or an earlier one may still, and a repeat could double it: not to be tried again, by anybody,
    /// before `wait` is over. By then the ERP has given up on it.
    #[error("the erp may still act on an earlier attempt")]
    InDoubt { wait: Duration },
    /// The cursor is older than what the ERP remembers, or belongs to another incarnation: read from the start.
    #[error("resync needed: {reason}")]
    ResyncNeeded { reason: String },
    /// This ERP cannot do it; see [`Capabilities`].
    #[error("the erp cannot {0}")]
    Unsupported(&'static str),
    /// Wrong credentials, missing permission, unknown company: a person must mend it.
    #[error("the erp does not let us in: {0}")]
    Denied(String),
    /// An answer that breaks the documented contract.
    #[error("the erp's answer cannot be read: {0}")]
    Unreadable(String),
}

impl ErpError {
    /// Whether the world is broken (try again later) rather than the request wrong.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Away { .. }
            | Self::Unknown
            | Self::InDoubt { .. }
            | Self::Denied(_)
            | Self::Unreadable(_) => true,
            Self::Refused { .. }
            | Self::Contradiction { .. }
            | Self::ResyncNeeded { .. }
            | Self::Unsupported(_) => false,
        }
    }
}

/// An ERP and one of its companies. Held as `Arc<dyn Erp>`.
#[async_trait]
pub trait Erp: Send + Sync + fmt::Debug {
    /// Its code in the settings.
    fn code(&self) -> &ErpCode;

    /// Asked of the ERP once and kept; asked again after a reconnect.
    async fn capabilities(&self) -> Result<Capabilities, ErpError>;

    /// The next step of `flow`. Without a cursor: the full set first, then what changed since before it began, so that nothing
    /// falls between. An empty page with `more == false` means: nothing new. A flow that this ERP does not have (see
    /// [`Capabilities`]) is empty.
    async fn read(&self, flow: Flow, cursor: Option<&Cursor>) -> Result<Page, ErpError>;

    /// Every record the flow has now, for the comparison that finds missed deletions. Supported for items and customers.
    async fn system_ids(&self, flow: Flow) -> Result<Vec<SystemId>, ErpError>;

    /// Changes whenever the ERP hinted (a webhook) that a flow has news. Only a hint to read.
    fn hints(&self, flow: Flow) -> watch::Receiver<u64>;

    /// How long a reader waits between reads when nothing hints: a second or two with a change queue, longer without.
    fn poll_interval(&self) -> Duration;

    /// Figures calculated now, for up to 100 keys: one entry per item, with the figures of the variants asked for and no others.
    /// Keys the ERP does not know are absent from the answer.
    async fn stock_now(&self, keys: &[StockKey]) -> Result<Vec<StockObserved>, ErpError>;

    /// Creates the customer, once per (channel, shop customer number); the same again gives the same answer.
    async fn create_customer(&self, customer: &NewCustomer) -> Result<CustomerCreated, ErpError>;

    /// Hands an order over, once per (channel, order number) where the ERP declares an order buffer.
    async fn place_order(&self, order: &NewOrder) -> Result<PlacedOrder, ErpError>;

    /// The document an order became, if it is there: among orders, and where posting removes orders, shipments and invoices.
    async fn find_order(
        &self,
        channel: &ChannelCode,
        number: &OrderNumber,
    ) -> Result<Option<PlacedOrder>, ErpError>;

    /// Everything that became of one order, as [`Flow::Documents`] would have told it: what was posted, oldest first, and last the
    /// sales order as it stands, with every line; of one that is gone, what was shipped. What was cancelled is what is missing there,
    /// and not told by itself. For who has lost his place in the flow. Empty: the ERP has no such order.
    async fn documents_of(
        &self,
        channel: &ChannelCode,
        number: &OrderNumber,
    ) -> Result<Vec<DocumentObserved>, ErpError>;

    /// Every store, with the warehouse where it puts aside what is reserved.
    async fn stores(&self) -> Result<Vec<StoreObserved>, ErpError>;

    /// Asks a store to put goods aside, once per key; the same again gives the transfer as it is now. Other content under the key
    /// of a transfer that was not refused: [`ErpError::Contradiction`]. Whether the goods are there is not checked.
    async fn request_transfer(&self, transfer: &NewTransfer) -> Result<PlacedTransfer, ErpError>;

    /// Moves what was found to the reservation warehouse and cancels the rest; nothing found cancels everything. The same
    /// again does nothing, also when the goods were returned since; other quantities: [`ErpError::Contradiction`].
    async fn post_transfer(
        &self,
        key: &TransferKey,
        found: &[FoundQuantity],
    ) -> Result<TransferObserved, ErpError>;

    /// Gives back what nobody has put aside yet. Refused after posting; the same again does nothing.
    async fn cancel_transfer(&self, key: &TransferKey) -> Result<TransferObserved, ErpError>;

    /// Moves everything that was posted back to the store. Refused before posting; the same again does nothing.
    async fn return_transfer(&self, key: &TransferKey) -> Result<TransferObserved, ErpError>;

    /// The transfer as it is now, if it is there and was not refused.
    async fn find_transfer(&self, key: &TransferKey) -> Result<Option<TransferObserved>, ErpError>;

    /// Asks a person to count, once per reservation and line; the same again gives the request as it is now.
    async fn request_count(&self, request: &CountRequest) -> Result<PlacedCount, ErpError>;

    /// Every reason why goods may come back.
    async fn return_reasons(&self) -> Result<Vec<ReturnReasonObserved>, ErpError>;

    /// Hands a return over: as a return order, once per key, where the ERP has them; else as a draft of a credit memo. The same
    /// again gives it as it is now. Other content under the key: [`ErpError::Contradiction`], unless the ERP refused what is
    /// there and the revision is higher. Whether the goods were delivered is not checked.
    async fn place_return(&self, goods: &NewReturn) -> Result<PlacedReturn, ErpError>;

    /// The return as it is now, if it is there and was not refused.
    async fn find_return(&self, key: &ReturnKey) -> Result<Option<ReturnObserved>, ErpError>;

    /// Gives up a return of which nothing was received. Refused after a receipt, and when there is none
    /// (`Internal_RecordNotFound`); the same again does nothing.
    async fn cancel_return(&self, key: &ReturnKey) -> Result<ReturnObserved, ErpError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_displayed_without_the_personal_data_it_may_quote() {
        let error = ErpError::Refused {
            code: "Application_FieldValidationException".into(),
            message: "The field Name contains a value. Value: Erika Mustermann".into(),
        };
        assert_eq!(
            error.to_string(),
            "the erp refuses: Application_FieldValidationException"
        );
    }
}
