//! What may happen to an order.

use millrace_event_store::Decider;
use millrace_values::{Amount, CustomerNumber, Quantity, SystemId, Timestamp};

use super::check::Verdict;
use super::event::{Document, DocumentKind, Event, LineQuantity};
use super::hold::HoldReason;
use super::line::{self, LineStatus, Movement};
use super::order::Order;
use super::rejection::Rejection;
use super::state::{self, Phase, State, Taken};

#[derive(Debug, Clone)]
pub enum Command {
    Submit(Submitted),
    /// What an order lacked may have come.
    CheckAgain {
        verdict: Verdict,
    },
    /// A person wants it tried again, also where the ERP said no.
    Retry {
        verdict: Verdict,
    },
    Mend {
        order: Box<Order>,
        note: String,
        verdict: Verdict,
        expected_version: Option<u64>,
    },
    Drop {
        note: String,
    },
    /// The ERP has it, by its own answer.
    Posted {
        document: Document,
        customer_system_id: Option<SystemId>,
        customer: CustomerNumber,
        booked_gross: Amount,
    },
    /// The ERP said no.
    Refused {
        reason: HoldReason,
    },
    /// Something happened to it in the ERP; also what happened before we knew that it is there.
    Observed {
        document: Document,
        lines: Vec<LineQuantity>,
        carrier: String,
        tracking_number: String,
    },
}

#[derive(Debug, Clone)]
pub struct Submitted {
    pub order: Box<Order>,
    pub content_hash: Vec<u8>,
    pub at: Timestamp,
    /// Where the order is there already: its personal data, opened, is the same as the one that comes now.
    pub same_person: bool,
    pub verdict: Verdict,
}

/// One shop order.
#[derive(Debug)]
pub struct ShopOrder;

impl Decider for ShopOrder {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
        let Some(taken) = state.0.as_deref() else {
            return match command {
                Command::Submit(submitted) => Ok(accept(submitted)),
                Command::CheckAgain { .. }
                | Command::Retry { .. }
                | Command::Mend { .. }
                | Command::Drop { .. }
                | Command::Posted { .. }
                | Command::Refused { .. }
                | Command::Observed { .. } => Err(Rejection::Unknown),
            };
        };
        match command {
            Command::Submit(submitted) => {
                let same = submitted.content_hash == taken.content_hash && submitted.same_person;
                if same {
                    Ok(vec![])
                } else {
                    Err(Rejection::OtherContent)
                }
            }
            Command::CheckAgain { verdict } => Ok(check_again(taken, verdict)),
            Command::Retry { verdict } => Ok(retry(taken, verdict)),
            Command::Mend {
                order,
                note,
                verdict,
                expected_version,
            } => mend(taken, order, note, verdict, expected_version),
            Command::Drop { note } => give_up(taken, note),
            Command::Posted {
                document,
                customer_system_id,
                customer,
                booked_gross,
            } => Ok(posted(
                taken,
                document,
                (customer_system_id, customer),
                booked_gross,
            )),
            Command::Refused { reason } => Ok(refused(taken, reason)),
            Command::Observed {
                document,
                lines,
                carrier,
                tracking_number,
            } => Ok(observed(taken, document, lines, carrier, tracking_number)),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }
}

fn accept(submitted: Submitted) -> Vec<Event> {
    let Submitted {
        order,
        content_hash,
        at,
        same_person: _,
        verdict,
    } = submitted;
    let accepted = Event::Accepted {
        order,
        content_hash,
        at,
        lines: verdict.lines.clone(),
    };
    vec![accepted, held_or_cleared(verdict)]
}

fn held_or_cleared(verdict: Verdict) -> Event {
    let Verdict { reasons, lines } = verdict;
    if reasons.is_empty() {
        Event::Cleared { lines }
    } else {
        Event::Held { reasons, lines }
    }
}

/// Only a held order is checked again: a cleared one may be on its way into the ERP this moment. What the ERP refused stays
/// refused until a person says otherwise.
fn check_again(taken: &Taken, verdict: Verdict) -> Vec<Event> {
    let refused = taken.reasons.iter().any(|reason| reason.kind.is_refusal());
    if taken.phase != Phase::Held
        || refused
        || (verdict.reasons == taken.reasons && !taken.reasons.is_empty())
    {
        return vec![];
    }
    vec![held_or_cleared(verdict)]
}

/// As checking again, but the ERP's refusal counts no more.
fn retry(taken: &Taken, verdict: Verdict) -> Vec<Event> {
    if taken.phase != Phase::Held || verdict.reasons == taken.reasons {
        return vec![];
    }
    vec![held_or_cleared(verdict)]
}

fn mend(
    taken: &Taken,
    order: Box<Order>,
    note: String,
    verdict: Verdict,
    expected_version: Option<u64>,
) -> Result<Vec<Event>, Rejection> {
    if let Some(expected) = expected_version
        && expected != taken.version
    {
        return Err(Rejection::ChangedMeanwhile {
            expected,
            actual: taken.version,
        });
    }
    match taken.phase {
        Phase::Held => {
            let mended = Event::Mended {
                order,
                note,
                lines: verdict.lines.clone(),
            };
            Ok(vec![mended, held_or_cleared(verdict)])
        }
        Phase::Cleared => Err(Rejection::NotHeld),
        Phase::Posted => Err(Rejection::InErp),
        Phase::Dropped => Err(Rejection::GivenUp),
    }
}

fn give_up(taken: &Taken, note: String) -> Result<Vec<Event>, Rejection> {
    match taken.phase {
        Phase::Held => {
            let cancelled: Vec<_> = taken
                .lines
                .iter()
                .map(rest)
                .filter(|rest| rest.quantity.is_positive())
                .collect();
            let lines = line::after(&taken.lines, Movement::Cancel, &cancelled);
            Ok(vec![Event::Cancelled {
                document: None,
                cancelled,
                note,
                lines,
            }])
        }
        Phase::Dropped => Ok(vec![]),
        Phase::Cleared => Err(Rejection::NotHeld),
        Phase::Posted => Err(Rejection::InErp),
    }
}

fn rest(line: &LineStatus) -> LineQuantity {
    LineQuantity {
        line: line.number,
        quantity: line.open(),
    }
}

fn posted(
    taken: &Taken,
    document: Document,
    customer: (Option<SystemId>, CustomerNumber),
    booked_gross: Amount,
) -> Vec<Event> {
    if taken.phase == Phase::Posted && !taken.is_unconfirmed() {
        return vec![];
    }
    vec![Event::Posted {
        document,
        customer: Some(customer),
        total_difference: difference(booked_gross, taken.order.totals.gross),
        lines: in_the_erp(taken),
    }]
}

/// `None`: the ERP booked what was sold. What it booked in another currency differs as a whole.
fn difference(booked: Amount, sold: Amount) -> Option<Amount> {
    let difference = booked.minus(sold).unwrap_or(booked);
    let is_other_currency = booked.currency() != sold.currency();
    (is_other_currency || !difference.is_zero()).then_some(difference)
}

/// The ERP has it whatever we thought: what a person gave up here meanwhile is open again.
fn in_the_erp(taken: &Taken) -> Vec<LineStatus> {
    let mut lines = taken.lines.clone();
    if taken.phase == Phase::Dropped {
        for line in &mut lines {
            line.cancelled = Quantity::ZERO;
        }
    }
    lines
}

fn refused(taken: &Taken, reason: HoldReason) -> Vec<Event> {
    match taken.phase {
        Phase::Cleared => vec![Event::Refused {
            reason,
            lines: taken.lines.clone(),
        }],
        // Held by the same answer, given up, or proved to be in the ERP meanwhile.
        Phase::Held | Phase::Posted | Phase::Dropped => vec![],
    }
}

fn observed(
    taken: &Taken,
    document: Document,
    moved: Vec<LineQuantity>,
    carrier: String,
    tracking_number: String,
) -> Vec<Event> {
    // A sales order is told again whenever people change it; every other document is told once.
    if document.kind != DocumentKind::SalesOrder && taken.has(&document) {
        return vec![];
    }
    if document.kind == DocumentKind::Cancellation && taken.counts(&document) {
        return vec![];
    }
    let mut events = Vec::new();
    let mut lines = taken.lines.clone();
    if taken.phase != Phase::Posted {
        // Any document of the ERP proves that the order is there.
        lines = in_the_erp(taken);
        events.push(Event::Posted {
            document: document.clone(),
            customer: None,
            total_difference: None,
            lines: lines.clone(),
        });
    }
    let after = |movement| line::after(&lines, movement, &moved);
    match document.kind {
        DocumentKind::SalesOrder => {
            let cancelled = line::missing(&lines, &moved, &taken.cancelled_after(&document));
            if !cancelled.is_empty() {
                events.push(Event::Cancelled {
                    document: Some(document),
                    lines: line::after(&lines, Movement::Cancel, &cancelled),
                    cancelled,
                    note: "reduced in the ERP".to_owned(),
                });
            }
        }
        DocumentKind::Shipment => {
            let lines = after(Movement::Ship);
            events.push(Event::Shipped {
                document,
                shipped: moved,
                carrier,
                tracking_number,
                lines,
            });
        }
        DocumentKind::Invoice => {
            let lines = after(Movement::Invoice);
            events.push(Event::Invoiced {
                document,
                invoiced: moved,
                lines,
            });
        }
        DocumentKind::CreditMemo => {
            let lines = after(Movement::Credit);
            events.push(Event::Credited {
                document,
                credited: moved,
                lines,
            });
        }
        DocumentKind::Cancellation => {
            let lines = after(Movement::Cancel);
            let note = "cancelled in the ERP".to_owned();
            events.push(Event::Cancelled {
                document: Some(document),
                cancelled: moved,
                note,
                lines,
            });
        }
    }
    events
}
