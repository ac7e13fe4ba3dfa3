//! A return as its events leave it.

use millrace_values::{LocationCode, SystemId, Timestamp};

use super::credit::{Credit, Freight, LineCredit, Refunds};
use super::event::{CancelReason, Event};
use super::goods::Return;
use super::hold::HoldReason;
use super::line::LineStatus;
use super::returnable::{TakenLine, Takes};

/// `None`: nobody submitted such a return.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State(pub Option<Box<Taken>>);

/// A return that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub goods: Return,
    pub content_hash: Vec<u8>,
    pub taken_at: Timestamp,
    /// How often a person gave it new content.
    pub mends: u32,
    /// How often it passed the rules.
    pub clearances: u32,
    pub phase: Phase,
    /// Why it is held; empty otherwise.
    pub reasons: Vec<HoldReason>,
    pub lines: Vec<LineStatus>,
    /// What the lines are worth; empty while it is held and the goods are not here.
    pub credits: Vec<LineCredit>,
    pub freight: Option<Freight>,
    /// Where the goods are expected; `None`: where they came from.
    pub location: Option<LocationCode>,
    pub document: Option<Document>,
    pub receipts: Vec<String>,
    pub credit_memos: Vec<String>,
    /// By all credit memos so far.
    pub credited: Option<Credit>,
    /// Announced so far.
    pub refunds: Refunds,
    /// For the customer; empty unless a person said no.
    pub refusal: String,
    /// Number of its events.
    pub version: u64,
}

/// In the ERP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub system_id: SystemId,
    pub number: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Waits: see the reasons. It has taken nothing of its order, unless the goods are here.
    Held,
    /// Passed the rules; the ERP gets it, at once or when the goods are here.
    Cleared,
    /// In the ERP.
    Posted,
    Refused,
    Cancelled(CancelReason),
}

impl Taken {
    /// Of what the ERP is given. The same for all repeats of one attempt; higher after every clearance, since what goes out may be
    /// another content then.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.mends.saturating_add(self.clearances)
    }

    #[must_use]
    pub fn has_received(&self) -> bool {
        self.lines.iter().any(|line| line.received.is_positive())
    }

    /// The ERP has no receipts, and has it as a draft that a person posts.
    #[must_use]
    pub fn is_draft(&self) -> bool {
        self.phase == Phase::Posted && self.has_received() && self.receipts.is_empty()
    }

    /// It is a document of the ERP already, and not this one.
    #[must_use]
    pub fn is_doubled_by(&self, document: &Document) -> bool {
        let known = self.document.as_ref();
        known.is_some_and(|known| known.system_id != document.system_id)
    }

    /// The ERP has a receipt or a credit memo of it: its part has begun there, and cannot begin anew.
    #[must_use]
    pub fn has_begun_there(&self) -> bool {
        !self.receipts.is_empty() || !self.credit_memos.is_empty()
    }

    /// Everything is credited that is taken back.
    #[must_use]
    pub fn is_credited(&self) -> bool {
        self.phase == Phase::Posted && self.lines.iter().all(LineStatus::is_finished)
    }

    /// What it has of its order.
    #[must_use]
    pub fn takes(&self) -> Takes {
        let mut takes = Takes::default();
        match self.phase {
            Phase::Cleared | Phase::Posted => {}
            // The ERP refused it, but the goods are here.
            Phase::Held if self.has_received() => {}
            Phase::Held | Phase::Refused | Phase::Cancelled(_) => return takes,
        }
        for (line, credit) in self.lines.iter().zip(&self.credits) {
            let taken = TakenLine {
                quantity: line.wanted(),
                worth: credit.worth,
                credited: line.credited,
            };
            takes.add(line.order_line, taken);
        }
        takes.freight = self.freight.is_some();
        takes
    }
}

/// Records; has no rules.
pub(super) fn evolve(state: State, event: &Event) -> State {
    if let Event::Submitted {
        goods,
        content_hash,
        at,
        lines,
    } = event
    {
        return State(Some(Box::new(Taken {
            goods: (**goods).clone(),
            content_hash: content_hash.clone(),
            taken_at: *at,
            mends: 0,
            clearances: 0,
            // Until the rules are told with the next event, nothing may be handed over.
            phase: Phase::Held,
            reasons: Vec::new(),
            lines: lines.clone(),
            credits: Vec::new(),
            freight: None,
            location: None,
            document: None,
            receipts: Vec::new(),
            credit_memos: Vec::new(),
            credited: None,
            refunds: Refunds::new(),
            refusal: String::new(),
            version: 1,
        })));
    }
    // A stream begins with its submission; without one there is no return to say anything of.
    let Some(mut taken) = state.0 else {
        return state;
    };
    taken.version += 1;
    taken.lines = event.lines().to_vec();
    match event {
        Event::Submitted { .. } => {}
        Event::Held { reasons, .. } => held(&mut taken, reasons.clone()),
        Event::ErpRefused { reason, .. } => held(&mut taken, vec![reason.clone()]),
        Event::Mended { goods, .. } => {
            taken.goods = (**goods).clone();
            taken.mends += 1;
        }
        Event::Cleared {
            credits,
            freight,
            location,
            ..
        } => {
            taken.phase = Phase::Cleared;
            taken.clearances += 1;
            taken.reasons.clear();
            taken.credits.clone_from(credits);
            taken.freight = *freight;
            taken.location.clone_from(location);
        }
        Event::Posted { document, .. } => {
            taken.phase = Phase::Posted;
            taken.document = Some(document.clone());
        }
        Event::Lost { .. } => {
            taken.phase = Phase::Cleared;
            taken.document = None;
        }
        Event::Received {
            receipts, credits, ..
        } => {
            taken.receipts.extend_from_slice(receipts);
            if !credits.is_empty() {
                taken.credits.clone_from(credits);
                // Not everything came back.
                taken.freight = None;
            }
        }
        Event::Inspected { .. } => {}
        Event::Credited {
            credit_memos,
            amount,
            ..
        } => {
            taken.credit_memos.extend_from_slice(credit_memos);
            taken.credited = Some(match taken.credited {
                Some(before) if before.gross.currency() == amount.gross.currency() => {
                    before.plus(*amount)
                }
                Some(_) | None => *amount,
            });
        }
        Event::RefundAnnounced { refunds, .. } => {
            for (way, amount) in refunds {
                let before = taken.refunds.get(way);
                let so_far = before.and_then(|before| before.plus(*amount).ok());
                taken.refunds.insert(*way, so_far.unwrap_or(*amount));
            }
        }
        Event::Refused { text, .. } => {
            taken.phase = Phase::Refused;
            taken.reasons.clear();
            taken.refusal.clone_from(text);
        }
        Event::Cancelled { reason, .. } => {
            taken.phase = Phase::Cancelled(*reason);
            taken.reasons.clear();
        }
    }
    State(Some(taken))
}

fn held(taken: &mut Taken, reasons: Vec<HoldReason>) {
    taken.phase = Phase::Held;
    taken.reasons = reasons;
    if !taken.has_received() {
        taken.credits.clear();
        taken.freight = None;
    }
}
