//! Number series of Sales & Receivables Setup; without one its documents cannot be made.

use crate::database::Transaction;
use crate::refusal::Refusal;

/// A series as the setup names it.
pub struct Series {
    pub name: &'static str,
    pub caption: &'static str,
    prefix: &'static str,
    first: i64,
}

pub const ORDERS: &Series = &SERIES[0];
pub const SHIPMENTS: &Series = &SERIES[1];
pub const INVOICES: &Series = &SERIES[2];
pub const CREDIT_MEMOS: &Series = &SERIES[3];
pub const CUSTOMERS: &Series = &SERIES[4];

pub const SERIES: [Series; 5] = [
    Series {
        name: "orders",
        caption: "Order Nos.",
        prefix: "S-ORD",
        first: 101_001,
    },
    Series {
        name: "shipments",
        caption: "Posted Shipment Nos.",
        prefix: "S-SHPT",
        first: 102_001,
    },
    Series {
        name: "invoices",
        caption: "Posted Invoice Nos.",
        prefix: "PS-INV",
        first: 103_001,
    },
    Series {
        name: "creditmemos",
        caption: "Posted Credit Memo Nos.",
        prefix: "PS-CR",
        first: 104_001,
    },
    Series {
        name: "customers",
        caption: "Customer Nos.",
        prefix: "customers",
        first: 10,
    },
];

impl Series {
    /// The next number, without what stands before it.
    pub fn next(&self, tx: &mut Transaction<'_>) -> Result<i64, Refusal> {
        if tx.marks().without_series.contains(self.name) {
            return Err(Refusal::business(format!(
                "{} must have a value in Sales & Receivables Setup: Primary Key=. It cannot be zero or empty.",
                self.caption
            )));
        }
        Ok(tx.next_number(self.prefix, self.first))
    }

    /// The next number of a document.
    pub fn next_document(&self, tx: &mut Transaction<'_>) -> Result<String, Refusal> {
        Ok(format!("{}{}", self.prefix, self.next(tx)?))
    }
}
