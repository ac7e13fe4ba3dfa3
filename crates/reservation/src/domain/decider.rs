//! A reservation's life: requested, posted, picked up; or given up, not found, not fetched. What has ended stays ended.

use jiff::civil::Date;
use millrace_event_store::Decider;
use millrace_values::{CustomerNumber, Quantity, Timestamp};

use super::event::{CancelReason, Event};
use super::reservation::{LineStatus, Phase, Reservation, State, Taken};
use super::transfer::{Observed, TransferState};

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Request(Requested),
    /// The ERP has it like this.
    Observe {
        observed: Observed,
        /// Last day on which goods are kept that are put aside now.
        collect_by: Date,
    },
    /// The ERP's business rules say no.
    RefusedByErp {
        code: String,
    },
    /// So much of each line is no longer in the store; of a line that is not here nothing is missing.
    Miss {
        missing: Vec<(u32, Quantity)>,
    },
    /// The store has looked, and the ERP has no part in it. A line that is not in `found` was found whole.
    Post {
        found: Vec<(u32, Quantity)>,
        document_number: String,
        collect_by: Date,
    },
    Remind,
    PickUp {
        /// Whom the store has before it, where it knows.
        customer: Option<CustomerNumber>,
    },
    Cancel {
        reason: CancelReason,
        note: String,
    },
    /// `today` in the store: what should have happened before it did not.
    Expire {
        today: Date,
    },
}

/// A shop asks. That enough is there is the shelves' rule, and decided beside this.
#[derive(Debug, Clone, PartialEq)]
pub struct Requested {
    pub reservation: Box<Reservation>,
    pub content_hash: Vec<u8>,
    pub at: Timestamp,
    /// Last day on which the store may look for the goods.
    pub answer_by: Date,
    /// Nothing has become of them yet; with the items they stand for.
    pub lines: Vec<LineStatus>,
    /// The contact is the one known from before, where there was a before.
    pub same_person: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    Unknown,
    OtherContent,
    /// Picked up, cancelled or expired.
    Ended,
    /// The store said other quantities before.
    PostedBefore,
    NotPosted,
    PickedUpBefore,
    WrongCustomer,
    UnknownLine(u32),
    /// More was found than was asked for, or less than nothing, or a piece of a piece.
    NotSoMany(u32),
}

impl Taken {
    /// Whether who asks under its number again asks for this one.
    ///
    /// # Errors
    /// The number stands for other content, or somebody else's.
    pub fn made_again(&self, content_hash: &[u8], same_person: bool) -> Result<(), Rejection> {
        if self.content_hash == content_hash && same_person {
            return Ok(());
        }
        Err(Rejection::OtherContent)
    }

    /// Whether a command would change it.
    ///
    /// # Errors
    /// It would be rejected.
    pub fn would(&self, command: Command) -> Result<bool, Rejection> {
        let state = State(Some(Box::new(self.clone())));
        StoreReservation::decide(&state, command).map(|events| !events.is_empty())
    }
}

pub struct StoreReservation;

impl Decider for StoreReservation {
    type State = State;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(state: &State, command: Command) -> Result<Vec<Event>, Rejection> {
        let Some(taken) = &state.0 else {
            let Command::Request(requested) = command else {
                return Err(Rejection::Unknown);
            };
            let Requested {
                reservation,
                content_hash,
                at,
                answer_by,
                lines,
                same_person: _,
            } = requested;
            return Ok(vec![Event::Requested {
                reservation,
                content_hash,
                at,
                answer_by,
                lines,
            }]);
        };
        match command {
            Command::Request(again) => taken
                .made_again(&again.content_hash, again.same_person)
                .map(|()| vec![]),
            Command::Observe {
                observed,
                collect_by,
            } => observe(taken, &observed, collect_by),
            Command::RefusedByErp { code } => Ok(refused_by_erp(taken, code)),
            Command::Miss { missing } => Ok(miss(taken, &missing)),
            Command::Post {
                found,
                document_number,
                collect_by,
            } => post(taken, &found, document_number, collect_by),
            Command::Remind => Ok(remind(taken)),
            Command::PickUp { customer } => pick_up(taken, customer.as_ref()),
            Command::Cancel { reason, note } => cancel(taken, reason, note),
            Command::Expire { today } => Ok(expire(taken, today)),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        if let Event::Requested {
            reservation,
            content_hash,
            at,
            answer_by,
            lines,
        } = event
        {
            return State(Some(Box::new(Taken {
                reservation: (**reservation).clone(),
                content_hash: content_hash.clone(),
                requested_at: *at,
                answer_by: *answer_by,
                phase: Phase::Requested,
                lines: lines.clone(),
                document_number: None,
                collect_by: None,
                reminded: false,
                transfer: None,
                told: None,
                version: 1,
            })));
        }
        let Some(mut taken) = state.0 else {
            return state;
        };
        taken.version += 1;
        taken.lines = event.lines().to_vec();
        match event {
            Event::Requested { .. } | Event::Short { .. } => {}
            Event::Placed { transfer, .. } => {
                taken.told = transfer.row_version;
                taken.transfer = Some(transfer.clone());
            }
            Event::Posted {
                document_number,
                collect_by,
                transfer,
                ..
            } => {
                taken.phase = Phase::Posted;
                taken.document_number = Some(document_number.clone());
                taken.collect_by = Some(*collect_by);
                if let Some(transfer) = transfer {
                    taken.told = taken.told.or(transfer.row_version);
                    taken.transfer = Some(transfer.clone());
                }
            }
            Event::Reminded { .. } => taken.reminded = true,
            Event::PickedUp { .. } => taken.phase = Phase::PickedUp,
            Event::Cancelled { reason, .. } => taken.phase = Phase::Cancelled(*reason),
            Event::Expired { .. } => taken.phase = Phase::Expired,
            Event::Settled { transfer, .. } => taken.transfer = Some(transfer.clone()),
        }
        State(Some(taken))
    }
}

/// What the ERP says, whoever did it there. What has ended here stays ended; that the ERP's part ended too is told once.
fn observe(taken: &Taken, observed: &Observed, collect_by: Date) -> Result<Vec<Event>, Rejection> {
    let transfer = &observed.transfer;
    let was_settled = taken.is_settled();
    let mut events = Vec::new();
    let mut after = taken.clone();
    let mut add = |after: &mut Taken, event: Event| {
        if let State(Some(folded)) =
            StoreReservation::evolve(State(Some(Box::new(after.clone()))), &event)
        {
            *after = *folded;
        }
        events.push(event);
    };
    let was_posted = matches!(
        transfer.state,
        TransferState::Posted | TransferState::Returned
    );
    match (after.phase, transfer.state) {
        // A second one: the ERP had forgotten the first.
        (Phase::Requested, TransferState::Open) if !after.is_known_as(transfer) => {
            let lines = after.lines.clone();
            let transfer = transfer.clone();
            add(&mut after, Event::Placed { transfer, lines });
        }
        (Phase::Requested, TransferState::Cancelled) => {
            let event = Event::Cancelled {
                reason: CancelReason::NotFound,
                note: String::new(),
                lines: given_back(&after),
            };
            add(&mut after, event);
        }
        (Phase::Requested, _) if was_posted => {
            let found = every_line(&after.lines, &observed.found);
            let event = Event::Posted {
                // The number of the posting is all that the customer has to name.
                document_number: transfer
                    .document_number
                    .clone()
                    .unwrap_or_else(|| after.reservation.number.to_string()),
                collect_by,
                transfer: Some(transfer.clone()),
                lines: looked_for(&after.lines, &found)?,
            };
            add(&mut after, event);
        }
        _ => {}
    }
    // Whoever moves what was put aside back to the store does it for the customer who came: what was not fetched is taken back
    // by us, and has ended before.
    if after.phase == Phase::Posted && transfer.state == TransferState::Returned {
        let lines = fetched(&after.lines);
        add(&mut after, Event::PickedUp { lines });
    }
    if after.phase.is_the_end() && transfer.state.is_the_end() && !was_settled {
        let (transfer, lines) = (transfer.clone(), after.lines.clone());
        add(&mut after, Event::Settled { transfer, lines });
    }
    Ok(events)
}

/// What the ERP does not name was not found.
fn every_line(lines: &[LineStatus], found: &[(u32, Quantity)]) -> Vec<(u32, Quantity)> {
    let of = |line: u32| found.iter().find(|(number, _)| *number == line);
    let all = lines.iter().map(|line| {
        let quantity = of(line.line).map_or(Quantity::ZERO, |(_, quantity)| *quantity);
        (line.line, quantity)
    });
    all.collect()
}

fn refused_by_erp(taken: &Taken, code: String) -> Vec<Event> {
    // What the ERP took it cannot refuse any more.
    if taken.phase != Phase::Requested || taken.transfer.is_some() {
        return vec![];
    }
    vec![Event::Cancelled {
        reason: CancelReason::RefusedByErp,
        note: code,
        lines: given_back(taken),
    }]
}

fn miss(taken: &Taken, missing: &[(u32, Quantity)]) -> Vec<Event> {
    if taken.phase != Phase::Requested {
        return vec![];
    }
    let of = |line: u32| missing.iter().find(|(number, _)| *number == line);
    let lines: Vec<LineStatus> = taken
        .lines
        .iter()
        .map(|line| LineStatus {
            short: of(line.line).map_or(Quantity::ZERO, |(_, quantity)| *quantity),
            ..line.clone()
        })
        .collect();
    if lines == taken.lines {
        return vec![];
    }
    vec![Event::Short { lines }]
}

fn post(
    taken: &Taken,
    found: &[(u32, Quantity)],
    document_number: String,
    collect_by: Date,
) -> Result<Vec<Event>, Rejection> {
    let lines = looked_for(&taken.lines, found)?;
    match taken.phase {
        Phase::Requested => {}
        // The same quantities again: what the store said is known.
        Phase::Posted | Phase::Cancelled(CancelReason::NotFound) => {
            let same = lines
                .iter()
                .zip(&taken.lines)
                .all(|(said, known)| said.found == known.found);
            return if same {
                Ok(vec![])
            } else {
                Err(Rejection::PostedBefore)
            };
        }
        Phase::PickedUp | Phase::Cancelled(_) | Phase::Expired => return Err(Rejection::Ended),
    }
    if lines.iter().all(|line| line.found.is_zero()) {
        return Ok(vec![Event::Cancelled {
            reason: CancelReason::NotFound,
            note: String::new(),
            lines,
        }]);
    }
    Ok(vec![Event::Posted {
        document_number,
        collect_by,
        transfer: None,
        lines,
    }])
}

/// The lines after somebody looked: what was not found is cancelled.
fn looked_for(
    lines: &[LineStatus],
    found: &[(u32, Quantity)],
) -> Result<Vec<LineStatus>, Rejection> {
    if let Some((stranger, _)) = found
        .iter()
        .find(|(number, _)| lines.iter().all(|line| line.line != *number))
    {
        return Err(Rejection::UnknownLine(*stranger));
    }
    let after = lines.iter().map(|line| {
        let said = found.iter().find(|(number, _)| *number == line.line);
        let found = said.map_or(line.requested, |(_, quantity)| *quantity);
        let fits =
            (Quantity::default()..=line.requested).contains(&found) && found.value().is_integer();
        if !fits {
            return Err(Rejection::NotSoMany(line.line));
        }
        Ok(LineStatus {
            found,
            cancelled: line.requested - found,
            short: Quantity::ZERO,
            ..line.clone()
        })
    });
    after.collect()
}

fn remind(taken: &Taken) -> Vec<Event> {
    match (taken.phase, taken.collect_by) {
        (Phase::Posted, Some(collect_by)) if !taken.reminded => vec![Event::Reminded {
            collect_by,
            lines: taken.lines.clone(),
        }],
        _ => vec![],
    }
}

fn pick_up(taken: &Taken, customer: Option<&CustomerNumber>) -> Result<Vec<Event>, Rejection> {
    if customer.is_some_and(|customer| taken.reservation.customer.as_ref() != Some(customer)) {
        return Err(Rejection::WrongCustomer);
    }
    match taken.phase {
        Phase::Posted => {}
        Phase::PickedUp => return Err(Rejection::PickedUpBefore),
        Phase::Requested => return Err(Rejection::NotPosted),
        Phase::Cancelled(_) | Phase::Expired => return Err(Rejection::Ended),
    }
    let lines = fetched(&taken.lines);
    Ok(vec![Event::PickedUp { lines }])
}

fn fetched(lines: &[LineStatus]) -> Vec<LineStatus> {
    let fetched = lines.iter().map(|line| LineStatus {
        picked_up: line.found,
        ..line.clone()
    });
    fetched.collect()
}

fn cancel(taken: &Taken, reason: CancelReason, note: String) -> Result<Vec<Event>, Rejection> {
    match taken.phase {
        Phase::Requested | Phase::Posted => {}
        Phase::Cancelled(_) => return Ok(vec![]),
        Phase::PickedUp | Phase::Expired => return Err(Rejection::Ended),
    }
    Ok(vec![Event::Cancelled {
        reason,
        note,
        lines: given_back(taken),
    }])
}

/// Nobody looked in time, or nobody came.
fn expire(taken: &Taken, today: Date) -> Vec<Event> {
    let lines = given_back(taken);
    match taken.phase {
        Phase::Requested if today > taken.answer_by => vec![Event::Cancelled {
            reason: CancelReason::Unanswered,
            note: String::new(),
            lines,
        }],
        Phase::Posted if taken.collect_by.is_some_and(|last| today > last) => {
            vec![Event::Expired { lines }]
        }
        _ => vec![],
    }
}

/// What was put aside goes back; what nobody had looked for is cancelled.
fn given_back(taken: &Taken) -> Vec<LineStatus> {
    let back = taken.lines.iter().map(|line| LineStatus {
        cancelled: line.requested - line.found,
        returned: line.found,
        short: Quantity::ZERO,
        ..line.clone()
    });
    back.collect()
}
