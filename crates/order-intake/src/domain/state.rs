//! An order as its events leave it.

use millrace_values::{Amount, CustomerNumber, SystemId, Timestamp};

use super::event::{Document, DocumentKind, Event, LineQuantity};
use super::hold::HoldReason;
use super::line::{LineState, LineStatus};
use super::order::Order;

/// Nothing before the first event. Boxed: most of its life a state is moved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State(pub Option<Box<Taken>>);

#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub order: Order,
    pub content_hash: Vec<u8>,
    pub accepted_at: Timestamp,
    /// How often a person gave it new content.
    pub mends: u32,
    /// How often it passed the checks.
    pub clearances: u32,
    pub phase: Phase,
    /// Why it is held; empty otherwise.
    pub reasons: Vec<HoldReason>,
    pub lines: Vec<LineStatus>,
    /// In the order they came.
    pub documents: Vec<Document>,
    /// What the ERP said was cancelled, in the order it came.
    pub cancellations: Vec<(Document, Vec<LineQuantity>)>,
    /// The sales order when it was last found to be shorter: what was cancelled before is counted.
    pub shortened: Option<Document>,
    pub parcels: Vec<Parcel>,
    pub customer: Option<(Option<SystemId>, CustomerNumber)>,
    pub total_difference: Option<Amount>,
    /// Number of events so far.
    pub version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// All checks passed, to be posted.
    Cleared,
    /// Waits: see the reasons.
    Held,
    /// In the ERP.
    Posted,
    /// Given up here.
    Dropped,
}

/// Goods on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub shipment_number: String,
    pub carrier: String,
    pub tracking_number: String,
    pub lines: Vec<LineQuantity>,
}

impl Taken {
    /// Of what the ERP is given. The same for all repeats of one attempt; higher after every clearance, since what goes out
    /// may be another content then: a person mended it, or a setting, the customer's number, an item's unit changed.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.mends.saturating_add(self.clearances)
    }

    /// In the ERP, but nobody has told for which customer and at which total: its status came before the answer.
    #[must_use]
    pub fn is_unconfirmed(&self) -> bool {
        self.phase == Phase::Posted && self.customer.is_none()
    }

    #[must_use]
    pub fn has(&self, document: &Document) -> bool {
        self.documents.iter().any(|known| known.is(document))
    }

    /// What is missing in the sales order that was seen last counts this cancellation as well.
    #[must_use]
    pub fn counts(&self, cancellation: &Document) -> bool {
        let shortened = self.shortened.as_ref();
        shortened.is_some_and(|order| cancellation.is_known_to(order))
    }

    /// What was cancelled after `order`, the sales order, stood as it says.
    #[must_use]
    pub fn cancelled_after(&self, order: &Document) -> Vec<LineQuantity> {
        let later = self
            .cancellations
            .iter()
            .filter(|(document, _)| order.is_known_to(document));
        later.flat_map(|(_, cancelled)| cancelled.clone()).collect()
    }

    /// Nothing more to come but credits.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.phase == Phase::Posted && self.lines.iter().all(LineStatus::is_finished)
    }

    /// Every line was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self.phase {
            Phase::Dropped => true,
            Phase::Posted => self
                .lines
                .iter()
                .all(|line| line.state() == LineState::Cancelled),
            Phase::Cleared | Phase::Held => false,
        }
    }
}

/// Records; has no rules.
pub(super) fn evolve(state: State, event: &Event) -> State {
    let Some(mut taken) = state.0 else {
        return match event {
            Event::Accepted {
                order,
                content_hash,
                at,
                lines,
            } => State(Some(Box::new(Taken {
                order: (**order).clone(),
                content_hash: content_hash.clone(),
                accepted_at: *at,
                mends: 0,
                clearances: 0,
                // Until the checks are told with the next event, nothing may be posted.
                phase: Phase::Held,
                reasons: Vec::new(),
                lines: lines.clone(),
                documents: Vec::new(),
                cancellations: Vec::new(),
                shortened: None,
                parcels: Vec::new(),
                customer: None,
                total_difference: None,
                version: 1,
            }))),
            // A stream begins with its acceptance; without one there is no order to say anything of.
            Event::Held { .. }
            | Event::Cleared { .. }
            | Event::Mended { .. }
            | Event::Posted { .. }
            | Event::Refused { .. }
            | Event::Shipped { .. }
            | Event::Invoiced { .. }
            | Event::Credited { .. }
            | Event::Cancelled { .. } => State(None),
        };
    };
    taken.version += 1;
    taken.lines = event.lines().to_vec();
    match event {
        Event::Accepted { .. } => {}
        Event::Held { reasons, .. } => {
            taken.phase = Phase::Held;
            taken.reasons.clone_from(reasons);
        }
        Event::Refused { reason, .. } => {
            taken.phase = Phase::Held;
            taken.reasons = vec![reason.clone()];
        }
        Event::Cleared { .. } => {
            taken.phase = Phase::Cleared;
            taken.clearances += 1;
            taken.reasons.clear();
        }
        Event::Mended { order, .. } => {
            taken.order = (**order).clone();
            taken.mends += 1;
        }
        Event::Posted {
            document,
            customer,
            total_difference,
            ..
        } => {
            taken.phase = Phase::Posted;
            taken.reasons.clear();
            record(&mut taken, document);
            if customer.is_some() {
                taken.customer.clone_from(customer);
                taken.total_difference = *total_difference;
            }
        }
        Event::Shipped {
            document,
            shipped,
            carrier,
            tracking_number,
            ..
        } => {
            record(&mut taken, document);
            taken.parcels.push(Parcel {
                shipment_number: document.number.clone(),
                carrier: carrier.clone(),
                tracking_number: tracking_number.clone(),
                lines: shipped.clone(),
            });
        }
        Event::Invoiced { document, .. } | Event::Credited { document, .. } => {
            record(&mut taken, document)
        }
        Event::Cancelled {
            document: Some(document),
            cancelled,
            ..
        } => {
            record(&mut taken, document);
            cancel(&mut taken, document, cancelled);
        }
        Event::Cancelled { document: None, .. } => {
            taken.phase = Phase::Dropped;
            taken.reasons.clear();
        }
    }
    State(Some(taken))
}

fn cancel(taken: &mut Taken, document: &Document, cancelled: &[LineQuantity]) {
    match document.kind {
        DocumentKind::Cancellation => taken
            .cancellations
            .push((document.clone(), cancelled.to_vec())),
        DocumentKind::SalesOrder => {
            let is_older = |known: &Document| document.is_known_to(known);
            if !taken.shortened.as_ref().is_some_and(is_older) {
                taken.shortened = Some(document.clone());
            }
        }
        // No such document cancels anything.
        DocumentKind::Shipment | DocumentKind::Invoice | DocumentKind::CreditMemo => {}
    }
}

fn record(taken: &mut Taken, document: &Document) {
    match taken.documents.iter_mut().find(|known| known.is(document)) {
        // Told again with more: the row version decides what a stock figure contains.
        Some(known) => known.row_version = document.row_version.or(known.row_version),
        None => taken.documents.push(document.clone()),
    }
}
