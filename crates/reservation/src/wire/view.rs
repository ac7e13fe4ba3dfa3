//! A reservation as callers see it.

use millrace_contract::reservation::v1::{ReservationState, ReservationView};

use super::event::write_lines;
use super::reservation::write_reservation;
use super::transfer::write_transfer;
use crate::domain::{Phase, Taken};

/// Without the contact.
#[must_use]
pub fn view(taken: &Taken) -> ReservationView {
    let mut reservation = write_reservation(&taken.reservation);
    reservation.contact = None;
    ReservationView {
        reservation: Some(reservation),
        state: state_of(taken.phase).into(),
        lines: write_lines(&taken.lines),
        document_number: taken.document_number.clone().unwrap_or_default(),
        collect_by: taken
            .collect_by
            .map(|day| day.to_string())
            .unwrap_or_default(),
        requested_at: Some(taken.requested_at.into()),
        version: taken.version,
        contact: None,
        in_millrace_alone: taken.transfer.is_none(),
        transfer: taken.transfer.as_ref().map(write_transfer),
        answer_by: taken.answer_by.to_string(),
    }
}

fn state_of(phase: Phase) -> ReservationState {
    match phase {
        Phase::Requested => ReservationState::Requested,
        Phase::Posted => ReservationState::Posted,
        Phase::PickedUp => ReservationState::PickedUp,
        Phase::Cancelled(_) => ReservationState::Cancelled,
        Phase::Expired => ReservationState::Expired,
    }
}
