//! Tells what happened to shop orders: the companion's status feed, written in the posting's own transaction.

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::{
    BufferEntry, Document, DocumentLine, Progress, StatusEntry, StatusLine, Transaction,
};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Created,
    Released,
    Reopened,
    Changed,
    Shipped,
    Invoiced,
    Credited,
    Cancelled,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Released => "released",
            Self::Reopened => "reopened",
            Self::Changed => "changed",
            Self::Shipped => "shipped",
            Self::Invoiced => "invoiced",
            Self::Credited => "credited",
            Self::Cancelled => "cancelled",
        }
    }

    fn count(self, progress: &mut Progress, quantity: Decimal) {
        match self {
            Self::Shipped => progress.shipped += quantity,
            Self::Invoiced => progress.invoiced += quantity,
            Self::Credited => progress.credited += quantity,
            Self::Cancelled => progress.cancelled += quantity,
            Self::Created | Self::Released | Self::Reopened | Self::Changed => {}
        }
    }
}

/// One thing to tell about.
#[derive(Debug)]
pub struct Told<'a> {
    pub buffer: Option<Uuid>,
    pub kind: Kind,
    pub document_id: Uuid,
    pub document_number: &'a str,
    pub agent: &'a str,
    pub tracking: &'a str,
    pub reason: &'a str,
    /// Lines with the quantity of this entry.
    pub lines: Vec<(DocumentLine, Decimal)>,
}

impl<'a> Told<'a> {
    /// About the order itself, with its lines as they stand.
    pub fn about(order: &'a Document, kind: Kind) -> Self {
        Self {
            buffer: order.buffer_id,
            kind,
            document_id: order.id,
            document_number: &order.number,
            agent: "",
            tracking: "",
            reason: "",
            lines: order
                .lines
                .iter()
                .map(|line| (line.clone(), line.quantity))
                .collect(),
        }
    }
}

/// Appends to the feed; an order that did not come through the buffer is nobody's business.
pub fn tell(tx: &mut Transaction<'_>, told: Told<'_>) {
    let Some(entry) = told.buffer.and_then(|id| tx.get::<BufferEntry>(id)) else {
        return;
    };
    let mut entry = (*entry).clone();
    let mut lines = Vec::new();
    for (line, quantity) in &told.lines {
        if line.shop_line == 0 && told.kind != Kind::Changed {
            continue;
        }
        let mut progress = Progress::default();
        if let Some(known) = entry.progress.get_mut(&line.shop_line) {
            told.kind.count(known, *quantity);
            progress = known.clone();
        }
        lines.push(StatusLine {
            line_number: line.shop_line,
            object_number: line.object_number.clone(),
            variant: line.variant.clone(),
            location: line.location.clone(),
            unit: line.unit.clone(),
            quantity: *quantity,
            progress,
        });
    }
    let (buffer, key) = (
        entry.id,
        super::stock::primary_key(&[&entry.channel, &entry.order_number]),
    );
    tx.append(|id| StatusEntry {
        id,
        stamp: crate::database::Stamp::default(),
        buffer,
        channel: entry.channel.clone(),
        order_number: entry.order_number.clone(),
        sales_order: entry.sales_order.clone(),
        kind: told.kind.name().to_owned(),
        document_id: told.document_id,
        document_number: told.document_number.to_owned(),
        agent: told.agent.to_owned(),
        tracking: told.tracking.to_owned(),
        reason: told.reason.to_owned(),
        lines,
    });
    tx.put(entry);
    tx.tell("orderStatus", "modified", buffer, Uuid::nil(), key);
}
