//! A reservation as the ERP has it: the port's transfers ⇄ the domain's, and the domain's ⇄ `reservations.v1.ErpTransfer`.

use millrace_contract::reservations::v1 as proto;
use millrace_erp::transfer as erp;
use millrace_values::{LocationCode, SystemId, Timestamp};

use super::event::Broken;
use crate::domain::{LineStatus, Observed, Reservation, Taken, Transfer, TransferState};

/// What the store is to look for.
#[must_use]
pub fn new_transfer(taken: &Taken, warehouse: LocationCode) -> erp::NewTransfer {
    let reservation = &taken.reservation;
    let items = reservation.lines.iter().zip(&taken.lines);
    let lines = items.map(|(line, status)| erp::TransferLine {
        line_number: line.number,
        item: line.item.clone(),
        variant: line.variant.clone(),
        unit: status.unit.clone(),
        quantity: line.quantity,
    });
    erp::NewTransfer {
        key: key(reservation),
        store: reservation.store.clone(),
        reservation_warehouse: warehouse,
        // Who it is for stays here: the store asks for the number, and finds the rest under it.
        reference: format!("{} {}", reservation.channel, reservation.number),
        lines: lines.collect(),
    }
}

#[must_use]
pub fn key(reservation: &Reservation) -> erp::TransferKey {
    erp::TransferKey {
        channel: reservation.channel.clone(),
        number: reservation.number.clone(),
    }
}

/// Asks a person to count what he did not find.
#[must_use]
pub fn count_request(reservation: &Reservation, line: &LineStatus) -> Option<erp::CountRequest> {
    let of = |asked: &&crate::domain::Line| asked.number == line.line;
    let item = reservation.lines.iter().find(of)?;
    Some(erp::CountRequest {
        reservation: key(reservation),
        line_number: line.line,
        location: reservation.store.clone(),
        item: item.item.clone(),
        variant: item.variant.clone(),
        reason: format!(
            "{} of {} found for reservation {}",
            line.found, line.requested, reservation.number
        ),
    })
}

#[must_use]
pub fn observed(seen: erp::TransferObserved) -> Observed {
    let found = seen.lines.iter().map(|line| (line.line_number, line.found));
    Observed {
        found: found.collect(),
        transfer: Transfer {
            system_id: seen.system_id,
            state: match seen.state {
                erp::TransferState::Open => TransferState::Open,
                erp::TransferState::Posted => TransferState::Posted,
                erp::TransferState::Cancelled => TransferState::Cancelled,
                erp::TransferState::Returned => TransferState::Returned,
            },
            document_number: seen.document_number,
            return_document_number: seen.return_document_number,
            row_version: seen.row_version,
            changed_at: seen.changed_at,
        },
    }
}

pub fn write_transfer(transfer: &Transfer) -> proto::ErpTransfer {
    let state = match transfer.state {
        TransferState::Open => proto::TransferState::Open,
        TransferState::Posted => proto::TransferState::Posted,
        TransferState::Cancelled => proto::TransferState::Cancelled,
        TransferState::Returned => proto::TransferState::Returned,
    };
    proto::ErpTransfer {
        system_id: transfer.system_id.to_string(),
        state: state.into(),
        document_number: transfer.document_number.clone().unwrap_or_default(),
        return_document_number: transfer.return_document_number.clone().unwrap_or_default(),
        row_version: transfer
            .row_version
            .map(|version| version.to_string())
            .unwrap_or_default(),
        changed_at: Some(transfer.changed_at.into()),
    }
}

/// # Errors
/// See [`Broken`].
pub fn read_transfer(message: Option<proto::ErpTransfer>) -> Result<Transfer, Broken> {
    let missing = |what: &str| Broken::Field(format!("{what} is missing"));
    let message = message.ok_or_else(|| missing("transfer"))?;
    let state = match message.state() {
        proto::TransferState::Open => TransferState::Open,
        proto::TransferState::Posted => TransferState::Posted,
        proto::TransferState::Cancelled => TransferState::Cancelled,
        proto::TransferState::Returned => TransferState::Returned,
        proto::TransferState::Unspecified => return Err(missing("transfer.state")),
    };
    let changed_at = message
        .changed_at
        .ok_or_else(|| missing("transfer.changed_at"))?;
    let row_version = match message.row_version.as_str() {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| Broken::Field(format!("{text} is no row version")))?,
        ),
    };
    let optional = |text: String| (!text.is_empty()).then_some(text);
    Ok(Transfer {
        system_id: SystemId::parse(&message.system_id)
            .map_err(|error| Broken::Field(error.to_string()))?,
        state,
        document_number: optional(message.document_number),
        return_document_number: optional(message.return_document_number),
        row_version,
        changed_at: Timestamp::try_from(changed_at)
            .map_err(|error| Broken::Field(error.to_string()))?,
    })
}
