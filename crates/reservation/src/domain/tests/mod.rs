//! A reservation's life, rule by rule.

mod days;
mod erp;
mod life;
mod whatever;

use jiff::civil::{Date, date};
use millrace_values::{
    ChannelCode, CustomerNumber, ErpCode, LocationCode, Quantity, ReservationNumber, Sku, SystemId,
    Timestamp,
};
use uuid::Uuid;

use super::*;

const ANSWER: Date = date(2026, 11, 28);
const LAST: Date = date(2026, 11, 30);

fn pieces(count: u32) -> Quantity {
    Quantity::from(count)
}

fn line(number: u32, requested: u32) -> LineStatus {
    LineStatus {
        line: number,
        requested: pieces(requested),
        unit: None,
        found: pieces(0),
        cancelled: pieces(0),
        picked_up: pieces(0),
        returned: pieces(0),
        short: pieces(0),
        item: SystemId(Uuid::from_u128(u128::from(number))),
        variant: None,
    }
}

fn reservation() -> Reservation {
    Reservation {
        channel: ChannelCode::parse("furniture").unwrap(),
        number: ReservationNumber::parse("R-1").unwrap(),
        store: LocationCode::parse("STORE-1").unwrap(),
        placed_at: Timestamp(jiff::Timestamp::UNIX_EPOCH),
        customer: Some(CustomerNumber::parse("C-1").unwrap()),
        contact: None,
        lines: vec![Line {
            number: 1,
            item: Sku::parse("1896-S").unwrap(),
            variant: None,
            quantity: pieces(3),
        }],
        erp: ErpCode::parse("bc-main").unwrap(),
    }
}

fn asked() -> Requested {
    Requested {
        reservation: Box::new(reservation()),
        content_hash: vec![7],
        at: Timestamp(jiff::Timestamp::UNIX_EPOCH),
        answer_by: ANSWER,
        lines: vec![line(1, 3), line(2, 1)],
        same_person: true,
    }
}

fn requested() -> Event {
    let Requested {
        reservation,
        content_hash,
        at,
        answer_by,
        lines,
        ..
    } = asked();
    Event::Requested {
        reservation,
        content_hash,
        at,
        answer_by,
        lines,
    }
}

fn post(found: &[(u32, u32)]) -> Command {
    Command::Post {
        found: found
            .iter()
            .map(|(line, count)| (*line, pieces(*count)))
            .collect(),
        document_number: "R-1".to_owned(),
        collect_by: LAST,
    }
}

/// Two of three, and the other line not at all.
fn posted() -> Event {
    let mut lines = vec![line(1, 3), line(2, 1)];
    (lines[0].found, lines[0].cancelled) = (pieces(2), pieces(1));
    lines[1].cancelled = pieces(1);
    Event::Posted {
        document_number: "R-1".to_owned(),
        collect_by: LAST,
        transfer: None,
        lines,
    }
}

fn picked_up() -> Event {
    let mut lines = posted().lines().to_vec();
    lines[0].picked_up = pieces(2);
    Event::PickedUp { lines }
}

fn cancel() -> Command {
    Command::Cancel {
        reason: CancelReason::ByShop,
        note: String::new(),
    }
}

fn pick_up() -> Command {
    Command::PickUp { customer: None }
}

fn expire(today: Date) -> Command {
    Command::Expire { today }
}

fn transfer(state: TransferState) -> Transfer {
    Transfer {
        system_id: SystemId(Uuid::from_u128(99)),
        state,
        document_number: (state != TransferState::Open).then(|| "T-1".to_owned()),
        return_document_number: None,
        row_version: Some(7),
        changed_at: Timestamp(jiff::Timestamp::UNIX_EPOCH),
    }
}

/// Two of three were found, and the other line not at all.
fn observe(state: TransferState) -> Command {
    Command::Observe {
        observed: Observed {
            transfer: transfer(state),
            found: vec![(1, pieces(2))],
        },
        collect_by: LAST,
    }
}

fn placed() -> Event {
    Event::Placed {
        transfer: transfer(TransferState::Open),
        lines: vec![line(1, 3), line(2, 1)],
    }
}

fn posted_there() -> Event {
    Event::Posted {
        document_number: "T-1".to_owned(),
        collect_by: LAST,
        transfer: Some(transfer(TransferState::Posted)),
        lines: posted().lines().to_vec(),
    }
}

fn settled(state: TransferState, after: &Event) -> Event {
    Event::Settled {
        transfer: transfer(state),
        lines: after.lines().to_vec(),
    }
}

fn cancelled(reason: CancelReason) -> Event {
    let mut lines = vec![line(1, 3), line(2, 1)];
    (lines[0].cancelled, lines[1].cancelled) = (pieces(3), pieces(1));
    Event::Cancelled {
        reason,
        note: String::new(),
        lines,
    }
}
