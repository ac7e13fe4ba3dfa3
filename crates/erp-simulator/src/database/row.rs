//! What every row has, and the list of all tables.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::returns::{ReturnOrder, ReturnStatus};
use super::rows::{
    BufferEntry, Customer, Document, Figure, Item, LedgerEntry, Picture, PriceLine, QueueEntry,
    Record, StatusEntry, Subscription, Variant,
};
use super::table::Table;
use super::transfers::{CountRequest, TransferRequest, TransferStatus};

/// BC's system fields, set by the transaction that writes the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub version: i64,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    pub modified_by: String,
}

impl Default for Stamp {
    fn default() -> Self {
        Self {
            version: 0,
            created_at: Timestamp::UNIX_EPOCH,
            modified_at: Timestamp::UNIX_EPOCH,
            modified_by: String::new(),
        }
    }
}

/// A row of one table.
pub trait Row: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    fn id(&self) -> Uuid;
    fn stamp(&self) -> &Stamp;
    fn stamp_mut(&mut self) -> &mut Stamp;
    /// Unique in its table.
    fn key(&self) -> Option<String> {
        None
    }
    /// Unique in its table too.
    fn alias(&self) -> Option<String> {
        None
    }
    fn parent(&self) -> Option<Uuid> {
        None
    }
    /// Ids of what the row contains.
    fn parts(&self) -> Vec<Uuid> {
        Vec::new()
    }
}

/// A row that has a table.
pub trait Stored: Row {
    fn table(tables: &Tables) -> &Table<Self>;
    fn wrap(row: Arc<Self>) -> AnyRow;
}

macro_rules! tables {
    ($($field:ident: $row:ident),* $(,)?) => {
        /// A row of any table.
        #[derive(Debug, Clone)]
        pub enum AnyRow { $($row(Arc<$row>)),* }

        /// All tables.
        #[derive(Debug, Clone, Default)]
        pub struct Tables { $(pub $field: Table<$row>),* }

        impl Tables {
            /// Takes `before` away and puts `after` in its place.
            pub(super) fn replace(&mut self, before: Option<&AnyRow>, after: Option<&AnyRow>) {
                match before { $(Some(AnyRow::$row(row)) => self.$field.remove(row),)* None => {} }
                match after { $(Some(AnyRow::$row(row)) => self.$field.insert(row.clone()),)* None => {} }
            }

            pub(super) fn load(&mut self, table: &str, row: serde_json::Value) -> Result<(), serde_json::Error> {
                $(if table == stringify!($field) {
                    let row: $row = serde_json::from_value(row)?;
                    if let Some(old) = self.$field.get(row.id()).cloned() { self.$field.remove(&old); }
                    self.$field.insert(Arc::new(row));
                    return Ok(());
                })*
                Err(serde::de::Error::custom(format!("unknown table {table}")))
            }

            pub(super) fn unload(&mut self, table: &str, id: Uuid) {
                $(if table == stringify!($field) {
                    if let Some(old) = self.$field.get(id).cloned() { self.$field.remove(&old); }
                })*
            }

            pub(super) fn each(&self, mut visit: impl FnMut(AnyRow) -> std::io::Result<()>) -> std::io::Result<()> {
                $(for row in self.$field.iter() { visit(AnyRow::$row(row.clone()))?; })*
                Ok(())
            }
        }

        impl AnyRow {
            pub fn table(&self) -> &'static str {
                match self { $(Self::$row(_) => stringify!($field)),* }
            }
            pub fn id(&self) -> Uuid {
                match self { $(Self::$row(row) => row.id()),* }
            }
            pub fn stamp(&self) -> &Stamp {
                match self { $(Self::$row(row) => row.stamp()),* }
            }
            pub(super) fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self { $(Self::$row(row) => serde_json::to_value(&**row)),* }
            }
            fn keys(&self) -> [Option<String>; 2] {
                match self { $(Self::$row(row) => [row.key(), row.alias()]),* }
            }
        }

        $(impl Stored for $row {
            fn table(tables: &Tables) -> &Table<Self> { &tables.$field }
            fn wrap(row: Arc<Self>) -> AnyRow { AnyRow::$row(row) }
        })*
    };
}

tables! {
    items: Item,
    variants: Variant,
    price_lines: PriceLine,
    figures: Figure,
    ledger: LedgerEntry,
    customers: Customer,
    records: Record,
    documents: Document,
    buffer: BufferEntry,
    queue: QueueEntry,
    statuses: StatusEntry,
    subscriptions: Subscription,
    pictures: Picture,
    transfers: TransferRequest,
    transfer_statuses: TransferStatus,
    counts: CountRequest,
    returns: ReturnOrder,
    return_statuses: ReturnStatus,
}

impl AnyRow {
    /// What a transaction that writes this row holds until it ends.
    pub(super) fn locks(&self, locks: &mut HashSet<String>) {
        let table = self.table();
        locks.insert(format!("{table}/{}", self.id()));
        for (place, key) in self.keys().into_iter().enumerate() {
            if let Some(key) = key {
                locks.insert(format!("{table}/{place}/{key}"));
            }
        }
    }
}
