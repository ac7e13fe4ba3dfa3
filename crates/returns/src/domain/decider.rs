//! What may happen to a return.

use millrace_event_store::Decider;
use millrace_values::{Quantity, Timestamp, UnitCode};

use super::check::Verdict;
use super::credit::LineCredit;
use super::event::{CancelReason, Event, LineDisposition, LineQuantity};
use super::goods::Return;
use super::hold::{HoldKind, HoldReason};
use super::line::{self, Disposition, LineStatus};
use super::observed::{self, Seen};
use super::rejection::Rejection;
use super::state::{self, Phase, State, Taken};

#[derive(Debug, Clone)]
pub enum Command {
    Submit(Submitted),
    /// What a return lacked may have come.
    CheckAgain {
        verdict: Verdict,
    },
    /// A person wants it tried again, also where the ERP said no.
    Retry {
        verdict: Verdict,
    },
    Mend {
        goods: Box<Return>,
        note: String,
        verdict: Verdict,
        expected_version: Option<u64>,
    },
    /// A person says no.
    Refuse {
        text: String,
    },
    Cancel {
        note: String,
        given_up: GivenUp,
    },
    /// The goods are here, as a person says: the ERP has no receipts. A line that is not told of came back whole.
    Receive {
        lines: Vec<Received>,
        at: Timestamp,
    },
    /// The ERP has it like this.
    Observed(Seen),
    /// The ERP was asked for it, and does not have it.
    Gone,
    /// The ERP said no.
    ErpRefused {
        reason: HoldReason,
    },
}

#[derive(Debug, Clone)]
pub struct Submitted {
    pub goods: Box<Return>,
    pub content_hash: Vec<u8>,
    pub at: Timestamp,
    /// Where the return is there already: its comments and photos, opened, are the same as those that come now.
    pub same_remarks: bool,
    pub verdict: Verdict,
}

/// What the ERP has to do with a return that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// It does not have the return, and nobody hands it over at this moment.
    NotInErp,
    /// It gave up its return order.
    InErp,
    /// Nobody asked it.
    HereAlone,
}

/// What came back of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub line: u32,
    pub quantity: Quantity,
    /// `None`: that of the line, which it must be anyway.
    pub unit: Option<UnitCode>,
    pub disposition: Option<Disposition>,
}

/// One return of a shop.
#[derive(Debug)]
pub struct ShopReturn;

impl Decider for ShopReturn {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
        let Some(taken) = state.0.as_deref() else {
            return match command {
                Command::Submit(submitted) => Ok(submit(submitted)),
                Command::CheckAgain { .. }
                | Command::Retry { .. }
                | Command::Mend { .. }
                | Command::Refuse { .. }
                | Command::Cancel { .. }
                | Command::Receive { .. }
                | Command::Observed(_)
                | Command::Gone
                | Command::ErpRefused { .. } => Err(Rejection::Unknown),
            };
        };
        match command {
            Command::Submit(again) => {
                if again.content_hash == taken.content_hash && again.same_remarks {
                    return Ok(vec![]);
                }
                Err(Rejection::OtherContent)
            }
            Command::CheckAgain { verdict } => Ok(check_again(taken, verdict)),
            Command::Retry { verdict } => Ok(retry(taken, verdict)),
            Command::Mend {
                goods,
                note,
                verdict,
                expected_version,
            } => mend(taken, goods, note, verdict, expected_version),
            Command::Refuse { text } => refuse(taken, text),
            Command::Cancel { note, given_up } => cancel(taken, note, given_up),
            Command::Receive { lines, at } => receive(taken, &lines, at),
            Command::Observed(seen) => Ok(observed::observed(taken, &seen)),
            Command::Gone => Ok(gone(taken)),
            Command::ErpRefused { reason } => Ok(erp_refused(taken, reason)),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        state::evolve(state, event)
    }
}

fn submit(submitted: Submitted) -> Vec<Event> {
    let Submitted {
        goods,
        content_hash,
        at,
        same_remarks: _,
        verdict,
    } = submitted;
    let lines = verdict.lines.clone();
    let taken = Event::Submitted {
        goods,
        content_hash,
        at,
        lines,
    };
    vec![taken, held_or_cleared(verdict)]
}

fn held_or_cleared(verdict: Verdict) -> Event {
    let Verdict {
        reasons,
        lines,
        credits,
        freight,
        location,
    } = verdict;
    if !reasons.is_empty() {
        return Event::Held { reasons, lines };
    }
    Event::Cleared {
        credits,
        freight,
        location,
        lines,
    }
}

/// Only a held return is checked again: a cleared one may be on its way into the ERP this moment. What the ERP refused stays
/// refused until a person says otherwise.
fn check_again(taken: &Taken, verdict: Verdict) -> Vec<Event> {
    let refused = taken
        .reasons
        .iter()
        .any(|reason| reason.kind == HoldKind::ErpRefused);
    if refused {
        return vec![];
    }
    retry(taken, verdict)
}

/// As checking again, but the ERP's refusal counts no more. Of goods that are here the rules are not asked again: the return keeps
/// what it has of its order, and goes out anew as it is.
fn retry(taken: &Taken, verdict: Verdict) -> Vec<Event> {
    if taken.phase != Phase::Held {
        return vec![];
    }
    if taken.has_received() {
        return vec![Event::Cleared {
            credits: taken.credits.clone(),
            freight: taken.freight,
            location: taken.location.clone(),
            lines: taken.lines.clone(),
        }];
    }
    let is_news = verdict.reasons != taken.reasons || verdict.reasons.is_empty();
    if !is_news {
        return vec![];
    }
    vec![held_or_cleared(verdict)]
}

fn mend(
    taken: &Taken,
    goods: Box<Return>,
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
        Phase::Held if taken.has_received() => Err(Rejection::GoodsReceived),
        Phase::Held => {
            let lines = verdict.lines.clone();
            let mended = Event::Mended { goods, note, lines };
            Ok(vec![mended, held_or_cleared(verdict)])
        }
        Phase::Cleared | Phase::Posted => Err(Rejection::NotHeld),
        Phase::Refused | Phase::Cancelled(_) => Err(Rejection::Ended),
    }
}

fn refuse(taken: &Taken, text: String) -> Result<Vec<Event>, Rejection> {
    match taken.phase {
        Phase::Held if taken.has_received() => Err(Rejection::GoodsReceived),
        Phase::Held => Ok(vec![Event::Refused {
            text,
            lines: line::given_up(&taken.lines),
        }]),
        Phase::Refused => Ok(vec![]),
        Phase::Cleared | Phase::Posted => Err(Rejection::NotHeld),
        Phase::Cancelled(_) => Err(Rejection::Ended),
    }
}

fn cancel(taken: &Taken, note: String, given_up: GivenUp) -> Result<Vec<Event>, Rejection> {
    match taken.phase {
        Phase::Cancelled(_) => return Ok(vec![]),
        Phase::Refused => return Err(Rejection::Ended),
        Phase::Cleared | Phase::Posted if taken.is_credited() => return Err(Rejection::Ended),
        Phase::Held | Phase::Cleared | Phase::Posted if taken.has_received() => {
            return Err(Rejection::GoodsReceived);
        }
        Phase::Held => {}
        Phase::Cleared if given_up == GivenUp::NotInErp => {}
        Phase::Cleared | Phase::Posted if given_up == GivenUp::InErp => {}
        Phase::Cleared | Phase::Posted => return Err(Rejection::OnItsWay),
    }
    Ok(vec![Event::Cancelled {
        reason: CancelReason::ByShop,
        note,
        lines: line::given_up(&taken.lines),
    }])
}

/// It is handed over anew, unless something of it was done there: that cannot be done again from here.
fn gone(taken: &Taken) -> Vec<Event> {
    match taken.phase {
        Phase::Posted if !taken.has_begun_there() => vec![Event::Lost {
            lines: taken.lines.clone(),
        }],
        Phase::Held | Phase::Cleared | Phase::Posted | Phase::Refused | Phase::Cancelled(_) => {
            vec![]
        }
    }
}

/// The ERP refused it: what it has of its order is given back, unless the goods are here, and a retry asks the rules anew.
fn erp_refused(taken: &Taken, reason: HoldReason) -> Vec<Event> {
    match taken.phase {
        Phase::Cleared => vec![Event::ErpRefused {
            reason,
            lines: taken.lines.clone(),
        }],
        // Held by the same answer, ended, or proved to be in the ERP meanwhile.
        Phase::Held | Phase::Posted | Phase::Refused | Phase::Cancelled(_) => vec![],
    }
}

fn receive(taken: &Taken, came: &[Received], at: Timestamp) -> Result<Vec<Event>, Rejection> {
    let lines = came_back(&taken.lines, came)?;
    match taken.phase {
        Phase::Held if !taken.has_received() => return Err(Rejection::Held),
        Phase::Refused | Phase::Cancelled(_) => return Err(Rejection::Ended),
        Phase::Held | Phase::Cleared | Phase::Posted => {}
    }
    if taken.has_received() {
        return received_before(taken, lines, came, at);
    }
    if lines.iter().all(|line| line.received.is_zero()) {
        return Err(Rejection::NothingReceived);
    }
    let received = lines.iter().map(|line| LineQuantity {
        line: line.number,
        quantity: line.received,
    });
    let mut events = vec![Event::Received {
        received: received
            .filter(|moved| moved.quantity.is_positive())
            .collect(),
        receipts: Vec::new(),
        credits: worth_of(taken, &lines),
        at,
        lines: lines.clone(),
    }];
    events.extend(judged(lines, came, at));
    Ok(events)
}

/// The same again does nothing, but what somebody has decided since is told.
fn received_before(
    taken: &Taken,
    lines: Vec<LineStatus>,
    came: &[Received],
    at: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    let both = || taken.lines.iter().zip(&lines);
    if both().any(|(known, said)| known.received != said.received) {
        return Err(Rejection::ReceivedBefore);
    }
    let judged = judged(lines, came, at);
    let overjudged = |line: &LineStatus| line.inspected() > line.received;
    match judged {
        Some(event) if event.lines().iter().any(overjudged) => Err(Rejection::ReceivedBefore),
        judged => Ok(judged.into_iter().collect()),
    }
}

/// The lines once somebody has counted: what did not come is not waited for.
fn came_back(lines: &[LineStatus], came: &[Received]) -> Result<Vec<LineStatus>, Rejection> {
    let is_ours = |came: &&Received| lines.iter().any(|line| line.number == came.line);
    if let Some(stranger) = came.iter().find(|came| !is_ours(came)) {
        return Err(Rejection::UnknownLine(stranger.line));
    }
    let counted = lines.iter().map(|line| {
        let said = came.iter().find(|came| came.line == line.number);
        let unit = said.and_then(|said| said.unit.as_ref());
        if unit.is_some() && unit != line.unit.as_ref() {
            return Err(Rejection::OtherUnit(line.number));
        }
        let received = said.map_or(line.requested, |said| said.quantity);
        if received < Quantity::ZERO || received > line.requested {
            return Err(Rejection::NotSoMany(line.number));
        }
        Ok(LineStatus {
            received,
            cancelled: line.requested - received,
            ..line.clone()
        })
    });
    counted.collect()
}

/// What the lines are worth where not all came back; empty where all did.
fn worth_of(taken: &Taken, lines: &[LineStatus]) -> Vec<LineCredit> {
    if lines.iter().all(|line| line.cancelled.is_zero()) {
        return Vec::new();
    }
    let worth = taken.credits.iter().zip(lines);
    let worth = worth.map(|(credit, line)| LineCredit {
        amount: credit.amount.share(line.received, line.requested),
        worth: credit.worth.share(line.received, line.requested),
        ..*credit
    });
    worth.collect()
}

fn judged(mut lines: Vec<LineStatus>, came: &[Received], at: Timestamp) -> Option<Event> {
    let mut dispositions = Vec::new();
    for line in &mut lines {
        let said = came.iter().find(|came| came.line == line.number);
        let Some(disposition) = said.and_then(|said| said.disposition) else {
            continue;
        };
        let quantity = line.received;
        if quantity > line.of(disposition) {
            line.set(disposition, quantity);
            dispositions.push(LineDisposition {
                line: line.number,
                disposition,
                quantity,
            });
        }
    }
    (!dispositions.is_empty()).then_some(Event::Inspected {
        dispositions,
        at,
        lines,
    })
}
