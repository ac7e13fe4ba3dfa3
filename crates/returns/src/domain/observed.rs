//! What the ERP says of a return. It tells the whole state each time: the differences are the events, so that what comes late or
//! again does nothing.

use millrace_values::{Quantity, Timestamp};

use super::credit::{Credit, LineCredit, total};
use super::event::{CancelReason, Event, LineDisposition, LineQuantity};
use super::line::{self, Disposition, LineStatus};
use super::refund::announced_next;
use super::state::{Document, Phase, Taken};

/// A return as the ERP has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub document: Document,
    /// Given up before anything came back.
    pub cancelled: bool,
    pub lines: Vec<LineSeen>,
    pub receipts: Vec<String>,
    pub credit_memos: Vec<String>,
    /// By all posted credit memos; `None`: there is none, or the ERP does not say.
    pub credited: Option<Credit>,
    pub at: Timestamp,
}

/// By all documents so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineSeen {
    pub line: u32,
    pub received: Quantity,
    pub restocked: Quantity,
    pub scrapped: Quantity,
    pub repair: Quantity,
    pub credited: Quantity,
}

const DISPOSITIONS: [Disposition; 3] = [
    Disposition::Restocked,
    Disposition::Scrapped,
    Disposition::Repair,
];

/// What of it is news.
pub(super) fn observed(taken: &Taken, seen: &Seen) -> Vec<Event> {
    match taken.phase {
        Phase::Cleared | Phase::Posted => {}
        // What is held was never handed over as it is; what has ended stays ended.
        Phase::Held | Phase::Refused | Phase::Cancelled(_) => return vec![],
    }
    let mut events = Vec::new();
    let mut lines = taken.lines.clone();
    if taken.phase == Phase::Cleared {
        events.push(Event::Posted {
            document: seen.document.clone(),
            at: seen.at,
            lines: lines.clone(),
        });
    }
    let is_double = taken.is_doubled_by(&seen.document);
    if seen.cancelled {
        if !is_double && !taken.has_received() {
            events.push(Event::Cancelled {
                reason: CancelReason::InErp,
                note: String::new(),
                lines: line::given_up(&lines),
            });
        }
        return events;
    }
    events.extend(received(taken, seen, &mut lines));
    events.extend(inspected(seen, &mut lines));
    events.extend(credited(taken, seen, &mut lines));
    events
}

fn received(taken: &Taken, seen: &Seen, lines: &mut [LineStatus]) -> Option<Event> {
    let moved = raise(lines, seen, |line| &mut line.received, |seen| seen.received);
    let receipts = new_ones(&seen.receipts, &taken.receipts);
    if moved.is_empty() && receipts.is_empty() {
        return None;
    }
    Some(Event::Received {
        received: moved,
        receipts,
        credits: Vec::new(),
        at: seen.at,
        lines: lines.to_vec(),
    })
}

fn inspected(seen: &Seen, lines: &mut [LineStatus]) -> Option<Event> {
    let mut dispositions = Vec::new();
    for line in lines.iter_mut() {
        let Some(seen) = seen.lines.iter().find(|seen| seen.line == line.number) else {
            continue;
        };
        for disposition in DISPOSITIONS {
            let now = match disposition {
                Disposition::Restocked => seen.restocked,
                Disposition::Scrapped => seen.scrapped,
                Disposition::Repair => seen.repair,
            };
            let more = now - line.of(disposition);
            if more.is_positive() {
                line.set(disposition, now);
                dispositions.push(LineDisposition {
                    line: line.number,
                    disposition,
                    quantity: more,
                });
            }
        }
    }
    (!dispositions.is_empty()).then(|| Event::Inspected {
        dispositions,
        at: seen.at,
        lines: lines.to_vec(),
    })
}

fn credited(taken: &Taken, seen: &Seen, lines: &mut [LineStatus]) -> Vec<Event> {
    let moved = raise(lines, seen, |line| &mut line.credited, |seen| seen.credited);
    let credit_memos = new_ones(&seen.credit_memos, &taken.credit_memos);
    if moved.is_empty() && credit_memos.is_empty() {
        return vec![];
    }
    let Some(now) = seen.credited.or_else(|| expected(taken, lines)) else {
        return vec![];
    };
    // A second document of the return credits all of its own amount.
    let is_double = taken.is_doubled_by(&seen.document);
    let before = taken
        .credited
        .filter(|before| !is_double && before.gross.currency() == now.gross.currency());
    let amount = before.map_or(now, |before| now.less(before));
    let credits_again = is_double && moved.is_empty();
    let credited = Event::Credited {
        credit_memos,
        credited: moved,
        amount,
        at: seen.at,
        lines: lines.to_vec(),
    };
    let refunds = announced_next(&taken.credits, lines, now, &taken.refunds);
    // What is credited a second time is to be taken back there, not paid.
    let is_due = !credits_again && !refunds.is_empty();
    let announced = is_due.then(|| Event::RefundAnnounced {
        refunds,
        lines: lines.to_vec(),
    });
    [credited].into_iter().chain(announced).collect()
}

/// What is credited where the ERP does not say: what it was asked for, as far as it went.
fn expected(taken: &Taken, lines: &[LineStatus]) -> Option<Credit> {
    let currency = taken.credits.first()?.amount.gross.currency();
    let shares = taken.credits.iter().zip(lines);
    let shares: Vec<LineCredit> = shares
        .map(|(credit, line)| LineCredit {
            amount: credit.amount.share(line.credited, line.wanted()),
            ..*credit
        })
        .collect();
    let all = lines.iter().all(LineStatus::is_finished);
    let freight = taken.freight.as_ref().filter(|_| all);
    Some(total(currency, &shares, freight))
}

/// Sets what has risen, and answers by how much.
fn raise(
    lines: &mut [LineStatus],
    seen: &Seen,
    own: impl Fn(&mut LineStatus) -> &mut Quantity,
    told: impl Fn(&LineSeen) -> Quantity,
) -> Vec<LineQuantity> {
    let mut raised = Vec::new();
    for line in lines {
        let number = line.number;
        // Lines that people added in the ERP are none of the shop's.
        let Some(seen) = seen.lines.iter().find(|seen| seen.line == number) else {
            continue;
        };
        let known = own(line);
        let more = told(seen) - *known;
        if more.is_positive() {
            *known = told(seen);
            raised.push(LineQuantity {
                line: number,
                quantity: more,
            });
        }
    }
    raised
}

fn new_ones(seen: &[String], known: &[String]) -> Vec<String> {
    let new = seen.iter().filter(|number| !known.contains(number));
    new.cloned().collect()
}
