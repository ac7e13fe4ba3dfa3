//! Lines, reasons and amounts, as they stand in events and answers.

use millrace_contract::returns::v1 as proto;
use millrace_contract::values::v1::{Money, Quantity};
use millrace_contract::webshop_orders::v1 as orders;
use millrace_values::{Amount, Measured, Percentage, Sku, VariantCode};

use super::event::Broken;
use super::goods::{optional, quantity};
use crate::domain::{
    Credit, Disposition, Freight, HoldKind, HoldReason, LineCredit, LineDisposition, LineQuantity,
    LineState, LineStatus, RefundWay, Refunds,
};

pub(super) fn write_reason(reason: &HoldReason) -> proto::HoldReason {
    proto::HoldReason {
        kind: write_kind(reason.kind).into(),
        line_number: reason.line,
        message: reason.message.clone(),
        subject: reason.subject.clone(),
        heals_by_itself: reason.kind.heals_by_itself(),
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
        HoldKind::OrderUnknown => proto::HoldKind::OrderUnknown,
        HoldKind::CustomerMismatch => proto::HoldKind::CustomerMismatch,
        HoldKind::NotDelivered => proto::HoldKind::NotDelivered,
        HoldKind::UnknownLine => proto::HoldKind::UnknownLine,
        HoldKind::TooMany => proto::HoldKind::TooMany,
        HoldKind::PeriodOver => proto::HoldKind::PeriodOver,
        HoldKind::ReasonUnknown => proto::HoldKind::ReasonUnknown,
        HoldKind::ReasonNotAllowed => proto::HoldKind::ReasonNotAllowed,
        HoldKind::WrongUnit => proto::HoldKind::WrongUnit,
        HoldKind::ErpRefused => proto::HoldKind::ErpRefused,
    }
}

fn read_kind(kind: proto::HoldKind) -> Option<HoldKind> {
    Some(match kind {
        proto::HoldKind::Unspecified => return None,
        proto::HoldKind::OrderUnknown => HoldKind::OrderUnknown,
        proto::HoldKind::CustomerMismatch => HoldKind::CustomerMismatch,
        proto::HoldKind::NotDelivered => HoldKind::NotDelivered,
        proto::HoldKind::UnknownLine => HoldKind::UnknownLine,
        proto::HoldKind::TooMany => HoldKind::TooMany,
        proto::HoldKind::PeriodOver => HoldKind::PeriodOver,
        proto::HoldKind::ReasonUnknown => HoldKind::ReasonUnknown,
        proto::HoldKind::ReasonNotAllowed => HoldKind::ReasonNotAllowed,
        proto::HoldKind::WrongUnit => HoldKind::WrongUnit,
        proto::HoldKind::ErpRefused => HoldKind::ErpRefused,
    })
}

pub(super) fn write_lines(lines: &[LineStatus]) -> Vec<proto::LineStatus> {
    let told = |line: &LineStatus| {
        let measured = |value| Some(quantity(value, line.unit.as_ref()));
        proto::LineStatus {
            line_number: line.number,
            order_line: line.order_line,
            item_number: optional(line.item.as_ref()),
            variant_code: optional(line.variant.as_ref()),
            requested: measured(line.requested),
            received: measured(line.received),
            restocked: measured(line.restocked),
            scrapped: measured(line.scrapped),
            repair: measured(line.repair),
            credited: measured(line.credited),
            cancelled: measured(line.cancelled),
            state: write_state(line.state()).into(),
        }
    };
    lines.iter().map(told).collect()
}

fn write_state(state: LineState) -> proto::LineState {
    match state {
        LineState::Requested => proto::LineState::Requested,
        LineState::PartlyReceived => proto::LineState::PartlyReceived,
        LineState::Received => proto::LineState::Received,
        LineState::Inspected => proto::LineState::Inspected,
        LineState::Credited => proto::LineState::Credited,
        LineState::Cancelled => proto::LineState::Cancelled,
    }
}

pub(super) fn read_lines(lines: Vec<proto::LineStatus>) -> Result<Vec<LineStatus>, Broken> {
    let read = |line: proto::LineStatus| {
        let requested = line
            .requested
            .ok_or_else(|| Broken::of("line status has no quantity"))?;
        let requested = Measured::try_from(requested).map_err(Broken::of)?;
        Ok(LineStatus {
            number: line.line_number,
            order_line: line.order_line,
            item: Sku::parse_optional(&line.item_number).map_err(Broken::of)?,
            variant: VariantCode::parse_optional(&line.variant_code).map_err(Broken::of)?,
            unit: requested.unit,
            requested: requested.quantity,
            received: plain(line.received)?,
            restocked: plain(line.restocked)?,
            scrapped: plain(line.scrapped)?,
            repair: plain(line.repair)?,
            credited: plain(line.credited)?,
            cancelled: plain(line.cancelled)?,
        })
    };
    lines.into_iter().map(read).collect()
}

fn plain(quantity: Option<Quantity>) -> Result<millrace_values::Quantity, Broken> {
    Measured::try_from(quantity.unwrap_or_default())
        .map(|measured| measured.quantity)
        .map_err(Broken::of)
}

fn unit_of(lines: &[LineStatus], number: u32) -> Option<&millrace_values::UnitCode> {
    let line = lines.iter().find(|line| line.number == number);
    line.and_then(|line| line.unit.as_ref())
}

pub(super) fn write_quantities(
    moved: &[LineQuantity],
    lines: &[LineStatus],
) -> Vec<proto::LineQuantity> {
    let told = |moved: &LineQuantity| proto::LineQuantity {
        line_number: moved.line,
        quantity: Some(quantity(moved.quantity, unit_of(lines, moved.line))),
    };
    moved.iter().map(told).collect()
}

pub(super) fn read_quantities(
    moved: Vec<proto::LineQuantity>,
) -> Result<Vec<LineQuantity>, Broken> {
    let read = |moved: proto::LineQuantity| {
        Ok(LineQuantity {
            line: moved.line_number,
            quantity: plain(moved.quantity)?,
        })
    };
    moved.into_iter().map(read).collect()
}

pub(super) fn write_dispositions(
    moved: &[LineDisposition],
    lines: &[LineStatus],
) -> Vec<proto::LineDisposition> {
    let told = |moved: &LineDisposition| proto::LineDisposition {
        line_number: moved.line,
        disposition: match moved.disposition {
            Disposition::Restocked => proto::Disposition::Restocked,
            Disposition::Scrapped => proto::Disposition::Scrapped,
            Disposition::Repair => proto::Disposition::Repair,
        }
        .into(),
        quantity: Some(quantity(moved.quantity, unit_of(lines, moved.line))),
    };
    moved.iter().map(told).collect()
}

/// `None`: nobody decided.
#[must_use]
pub fn read_disposition(disposition: proto::Disposition) -> Option<Disposition> {
    match disposition {
        proto::Disposition::Unspecified => None,
        proto::Disposition::Restocked => Some(Disposition::Restocked),
        proto::Disposition::Scrapped => Some(Disposition::Scrapped),
        proto::Disposition::Repair => Some(Disposition::Repair),
    }
}

pub(super) fn read_dispositions(
    moved: Vec<proto::LineDisposition>,
) -> Result<Vec<LineDisposition>, Broken> {
    let read = |moved: proto::LineDisposition| {
        let disposition = read_disposition(moved.disposition())
            .ok_or_else(|| Broken::of("disposition is not known"))?;
        Ok(LineDisposition {
            line: moved.line_number,
            disposition,
            quantity: plain(moved.quantity)?,
        })
    };
    moved.into_iter().map(read).collect()
}

pub(super) fn write_credit(credit: Credit) -> proto::Credit {
    proto::Credit {
        net: Some(credit.net().into()),
        tax: Some(credit.tax.into()),
        gross: Some(credit.gross.into()),
    }
}

pub(super) fn read_credit(credit: Option<proto::Credit>) -> Result<Credit, Broken> {
    let credit = credit.ok_or_else(|| Broken::of("amount is missing"))?;
    Ok(Credit {
        gross: read_amount(credit.gross)?,
        tax: read_amount(credit.tax)?,
    })
}

pub(super) fn read_amount(money: Option<Money>) -> Result<Amount, Broken> {
    let money = money.ok_or_else(|| Broken::of("amount is missing"))?;
    Amount::try_from(money).map_err(Broken::of)
}

pub(super) fn write_credits(credits: &[LineCredit]) -> Vec<proto::LineCredit> {
    let told = |credit: &LineCredit| proto::LineCredit {
        line_number: credit.line,
        way: write_way(credit.way).into(),
        amount: Some(write_credit(credit.amount)),
        worth: Some(write_credit(credit.worth)),
    };
    credits.iter().map(told).collect()
}

pub(super) fn read_credits(credits: Vec<proto::LineCredit>) -> Result<Vec<LineCredit>, Broken> {
    let read = |credit: proto::LineCredit| {
        Ok(LineCredit {
            line: credit.line_number,
            way: read_way(credit.way())?,
            amount: read_credit(credit.amount)?,
            worth: read_credit(credit.worth)?,
        })
    };
    credits.into_iter().map(read).collect()
}

fn write_way(way: RefundWay) -> proto::RefundWay {
    match way {
        RefundWay::Money => proto::RefundWay::Money,
        RefundWay::Voucher => proto::RefundWay::Voucher,
        RefundWay::Nothing => proto::RefundWay::Nothing,
    }
}

fn read_way(way: proto::RefundWay) -> Result<RefundWay, Broken> {
    match way {
        proto::RefundWay::Unspecified => Err(Broken::of("way of the refund is not known")),
        proto::RefundWay::Money => Ok(RefundWay::Money),
        proto::RefundWay::Voucher => Ok(RefundWay::Voucher),
        proto::RefundWay::Nothing => Ok(RefundWay::Nothing),
    }
}

pub(super) fn write_refunds(refunds: &Refunds) -> Vec<proto::Refund> {
    let told = |(way, amount): (&RefundWay, &Amount)| proto::Refund {
        way: write_way(*way).into(),
        amount: Some((*amount).into()),
    };
    refunds.iter().map(told).collect()
}

pub(super) fn read_refunds(refunds: Vec<proto::Refund>) -> Result<Refunds, Broken> {
    let read = |refund: proto::Refund| Ok((read_way(refund.way())?, read_amount(refund.amount)?));
    refunds.into_iter().map(read).collect()
}

pub(super) fn write_freight(freight: &Freight) -> orders::Freight {
    orders::Freight {
        net: Some(freight.amount.net().into()),
        gross: Some(freight.amount.gross.into()),
        tax_percent: Some(freight.tax_percent.into()),
    }
}

pub(super) fn read_freight(freight: orders::Freight) -> Result<Freight, Broken> {
    let percent = freight.tax_percent.unwrap_or_default();
    Ok(Freight {
        amount: price(freight.net, freight.gross)?,
        tax_percent: Percentage::try_from(percent).map_err(Broken::of)?,
    })
}

/// Of two sides of one amount.
pub(super) fn price(net: Option<Money>, gross: Option<Money>) -> Result<Credit, Broken> {
    let (net, gross) = (read_amount(net)?, read_amount(gross)?);
    let tax = gross.minus(net).map_err(Broken::of)?;
    if net.is_negative() || tax.is_negative() {
        return Err(Broken::of("an amount is less than nothing"));
    }
    Ok(Credit { gross, tax })
}
