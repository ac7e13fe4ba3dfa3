//! Reasons and lines, as they stand in events and answers.

use millrace_contract::values::v1::Quantity;
use millrace_contract::webshop_orders::v1 as proto;
use millrace_values::{LocationCode, Measured, VariantCode};

use super::event::{Broken, optional_id};
use super::order::quantity;
use crate::domain::{HoldKind, HoldReason, LineQuantity, LineState, LineStatus};

pub(super) fn write_reason(reason: &HoldReason) -> proto::HoldReason {
    proto::HoldReason {
        kind: write_kind(reason.kind).into(),
        line_number: reason.line,
        message: reason.message.clone(),
        subject: reason.subject.clone(),
        heals_by_itself: reason.heals_by_itself(),
    }
}

pub(super) fn read_reason(reason: proto::HoldReason) -> Result<HoldReason, Broken> {
    let kind = read_kind(reason.kind())
        .ok_or_else(|| Broken::of("kind of the hold reason is not known"))?;
    Ok(HoldReason {
        kind,
        line: reason.line_number,
        message: reason.message,
        subject: reason.subject,
    })
}

fn write_kind(kind: HoldKind) -> proto::HoldKind {
    match kind {
        HoldKind::UnknownItem => proto::HoldKind::UnknownItem,
        HoldKind::UnknownVariant => proto::HoldKind::UnknownVariant,
        HoldKind::ItemBlocked => proto::HoldKind::ItemBlocked,
        HoldKind::UnknownUnit => proto::HoldKind::UnknownUnit,
        HoldKind::LineTotal => proto::HoldKind::LineTotal,
        HoldKind::OrderTotal => proto::HoldKind::OrderTotal,
        HoldKind::Currency => proto::HoldKind::Currency,
        HoldKind::UnknownCustomer => proto::HoldKind::UnknownCustomer,
        HoldKind::CustomerBlocked => proto::HoldKind::CustomerBlocked,
        HoldKind::PaymentMethodUnmapped => proto::HoldKind::PaymentMethodUnmapped,
        HoldKind::ShipmentMethodUnmapped => proto::HoldKind::ShipmentMethodUnmapped,
        HoldKind::UnknownLocation => proto::HoldKind::UnknownLocation,
        HoldKind::ErpRefused => proto::HoldKind::ErpRefused,
        HoldKind::Tax => proto::HoldKind::Tax,
        HoldKind::CustomerRefused => proto::HoldKind::CustomerRefused,
    }
}

pub(super) fn read_kind(kind: proto::HoldKind) -> Option<HoldKind> {
    Some(match kind {
        proto::HoldKind::Unspecified => return None,
        proto::HoldKind::UnknownItem => HoldKind::UnknownItem,
        proto::HoldKind::UnknownVariant => HoldKind::UnknownVariant,
        proto::HoldKind::ItemBlocked => HoldKind::ItemBlocked,
        proto::HoldKind::UnknownUnit => HoldKind::UnknownUnit,
        proto::HoldKind::LineTotal => HoldKind::LineTotal,
        proto::HoldKind::OrderTotal => HoldKind::OrderTotal,
        proto::HoldKind::Currency => HoldKind::Currency,
        proto::HoldKind::UnknownCustomer => HoldKind::UnknownCustomer,
        proto::HoldKind::CustomerBlocked => HoldKind::CustomerBlocked,
        proto::HoldKind::PaymentMethodUnmapped => HoldKind::PaymentMethodUnmapped,
        proto::HoldKind::ShipmentMethodUnmapped => HoldKind::ShipmentMethodUnmapped,
        proto::HoldKind::UnknownLocation => HoldKind::UnknownLocation,
        proto::HoldKind::ErpRefused => HoldKind::ErpRefused,
        proto::HoldKind::Tax => HoldKind::Tax,
        proto::HoldKind::CustomerRefused => HoldKind::CustomerRefused,
    })
}

pub(super) fn write_lines(lines: &[LineStatus]) -> Vec<proto::LineStatus> {
    let told = |line: &LineStatus| {
        let measured = |value| Some(quantity(value, line.unit.as_ref()));
        proto::LineStatus {
            line_number: line.number,
            ordered: measured(line.ordered),
            shipped: measured(line.shipped),
            invoiced: measured(line.invoiced),
            credited: measured(line.credited),
            cancelled: measured(line.cancelled),
            state: write_state(line.state()).into(),
            item_system_id: line.item.map(|id| id.to_string()).unwrap_or_default(),
            variant_code: line
                .variant
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            location_code: line
                .location
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        }
    };
    lines.iter().map(told).collect()
}

fn write_state(state: LineState) -> proto::LineState {
    match state {
        LineState::Created => proto::LineState::Created,
        LineState::PartlyDelivered => proto::LineState::PartlyDelivered,
        LineState::Delivered => proto::LineState::Delivered,
        LineState::Invoiced => proto::LineState::Invoiced,
        LineState::Credited => proto::LineState::Credited,
        LineState::Cancelled => proto::LineState::Cancelled,
    }
}

pub(super) fn read_lines(lines: Vec<proto::LineStatus>) -> Result<Vec<LineStatus>, Broken> {
    let read = |line: proto::LineStatus| {
        let ordered = line
            .ordered
            .ok_or_else(|| Broken::of("line status has no quantity"))?;
        let ordered = Measured::try_from(ordered).map_err(Broken::of)?;
        let rest = |quantity: Option<Quantity>| {
            Measured::try_from(quantity.unwrap_or_default())
                .map(|measured| measured.quantity)
                .map_err(Broken::of)
        };
        Ok(LineStatus {
            number: line.line_number,
            unit: ordered.unit,
            ordered: ordered.quantity,
            shipped: rest(line.shipped)?,
            invoiced: rest(line.invoiced)?,
            credited: rest(line.credited)?,
            cancelled: rest(line.cancelled)?,
            item: optional_id(&line.item_system_id)?,
            variant: VariantCode::parse_optional(&line.variant_code).map_err(Broken::of)?,
            location: LocationCode::parse_optional(&line.location_code).map_err(Broken::of)?,
        })
    };
    lines.into_iter().map(read).collect()
}

pub(super) fn write_quantities(
    moved: &[LineQuantity],
    lines: &[LineStatus],
) -> Vec<proto::LineQuantity> {
    let told = |moved: &LineQuantity| {
        let unit = lines
            .iter()
            .find(|line| line.number == moved.line)
            .and_then(|line| line.unit.as_ref());
        proto::LineQuantity {
            line_number: moved.line,
            quantity: Some(quantity(moved.quantity, unit)),
        }
    };
    moved.iter().map(told).collect()
}

pub(super) fn read_quantities(
    moved: Vec<proto::LineQuantity>,
) -> Result<Vec<LineQuantity>, Broken> {
    let read = |moved: proto::LineQuantity| {
        let measured =
            Measured::try_from(moved.quantity.unwrap_or_default()).map_err(Broken::of)?;
        Ok(LineQuantity {
            line: moved.line_number,
            quantity: measured.quantity,
        })
    };
    moved.into_iter().map(read).collect()
}
