//! An order as it is shown.

use super::document::write_document;
use super::order::write_order;
use super::status::{write_lines, write_quantities, write_reason};
use crate::domain::{Phase, Taken};
use millrace_contract::order::v1 as proto;

/// Without personal data, sealed or not.
#[must_use]
pub fn view(taken: &Taken) -> proto::OrderView {
    let mut order = write_order(&taken.order);
    order.personal = None;
    let parcels = taken.parcels.iter().map(|parcel| proto::Parcel {
        shipment_number: parcel.shipment_number.clone(),
        carrier: parcel.carrier.clone(),
        tracking_number: parcel.tracking_number.clone(),
        lines: write_quantities(&parcel.lines, &taken.lines),
    });
    let buyers = || taken.order.buyer.customer.as_ref().map(ToString::to_string);
    let customer = taken
        .customer
        .as_ref()
        .map(|(_, number)| number.to_string())
        .or_else(buyers);
    proto::OrderView {
        order: Some(order),
        state: state_of(taken).into(),
        hold_reasons: taken.reasons.iter().map(write_reason).collect(),
        lines: write_lines(&taken.lines),
        documents: taken.documents.iter().map(write_document).collect(),
        parcels: parcels.collect(),
        customer_number: customer.unwrap_or_default(),
        accepted_at: Some(taken.accepted_at.into()),
        version: taken.version,
        personal: None,
        total_difference: taken.total_difference.map(Into::into),
        waits_because: String::new(),
        returns: Vec::new(),
    }
}

/// The order's state, in one word.
#[must_use]
pub fn state_of(taken: &Taken) -> proto::OrderState {
    if taken.is_cancelled() {
        return proto::OrderState::Cancelled;
    }
    if taken.is_completed() {
        return proto::OrderState::Completed;
    }
    match taken.phase {
        Phase::Cleared => proto::OrderState::Accepted,
        Phase::Held => proto::OrderState::Held,
        Phase::Posted => proto::OrderState::Posted,
        Phase::Dropped => proto::OrderState::Cancelled,
    }
}
