//! The rules. All that is wrong is told at once; what passes is told with what it is worth.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use millrace_values::{LocationCode, Quantity, ReturnReasonCode, Sku, Timestamp};

use super::credit::{Credit, Freight, LineCredit, RefundWay};
use super::goods::{Line, Return};
use super::hold::{HoldKind, HoldReason};
use super::line::{self, LineStatus};
use super::returnable::Returnable;
use super::sold::{Sold, SoldLine};

/// How one channel takes goods back, by its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Rules that are not asked; only those that [`HoldKind::may_be_off`].
    pub off: BTreeSet<HoldKind>,
    /// Days after the shipment within which goods may come back.
    pub period: u16,
    pub freight: FreightRule,
    pub refund: RefundWay,
    pub gift_refund: RefundWay,
    /// Items that are vouchers, and how those are paid back.
    pub voucher_items: BTreeSet<Sku>,
    pub voucher_refund: RefundWay,
    /// Items a reason is for; a reason that is not in here is for everything.
    pub reason_items: BTreeMap<ReturnReasonCode, BTreeSet<Sku>>,
    /// Where goods are expected; `None`: where they came from.
    pub location: Option<LocationCode>,
}

/// Whether the original order's freight is paid back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreightRule {
    Never,
    WhenEverythingComesBack,
}

/// What is known of everything a return names, when it is checked.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub sold: Option<Sold>,
    pub reasons: BTreeSet<ReturnReasonCode>,
    /// Of the original order; what the return itself has taken is not in it.
    pub returnable: Returnable,
}

/// What the rules found.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Empty: the goods may come back.
    pub reasons: Vec<HoldReason>,
    pub lines: Vec<LineStatus>,
    /// What the lines are worth; empty where there are reasons.
    pub credits: Vec<LineCredit>,
    pub freight: Option<Freight>,
    /// Where the goods are expected; `None`: where they came from.
    pub location: Option<LocationCode>,
}

/// Asks every rule. `taken_at`: since then the return period counts no more, however long the return is held.
#[must_use]
pub fn check(goods: &Return, rules: &Rules, known: &Known, taken_at: Timestamp) -> Verdict {
    let order = &goods.order;
    let Some(sold) = &known.sold else {
        let message = format!("order {order} of channel {} is not known", goods.channel);
        let unknown = HoldReason::of_return(HoldKind::OrderUnknown, order.as_str(), message);
        return without_order(unknown, goods, rules, known);
    };
    let is_strangers = !sold.is_of(goods);
    if is_strangers && !rules.off.contains(&HoldKind::CustomerMismatch) {
        let message = format!("order {order} is not known to be of who sends the goods back");
        let mismatch = HoldReason::of_return(HoldKind::CustomerMismatch, "", message);
        return without_order(mismatch, goods, rules, known);
    }
    let mut reasons = Vec::new();
    let lines = line::untouched(goods, Some(sold));
    let mut returnable = known.returnable.clone();
    let mut credits = Vec::with_capacity(goods.lines.len());
    for line in &goods.lines {
        let Some(sold_line) = sold.line(line.order_line) else {
            let message = format!(
                "line {}: order {} has no line {}",
                line.number, goods.order, line.order_line
            );
            let subject = line.order_line.to_string();
            reasons.push(HoldReason::of_line(
                HoldKind::UnknownLine,
                line.number,
                subject,
                message,
            ));
            reasons.extend(reason_unknown(line, known));
            continue;
        };
        let taken = gone(sold_line, &returnable);
        reasons.extend(wrong_unit(line, sold_line));
        reasons.extend(not_there(line, sold_line, taken, rules));
        reasons.extend(period_over(line, sold_line, taken, rules, taken_at));
        reasons.extend(reason_unknown(line, known));
        reasons.extend(reason_not_allowed(line, sold_line, rules));
        let credit = worth(goods, line, sold_line, &returnable, rules);
        returnable.take(line.order_line, line.quantity, credit.worth);
        credits.push(credit);
    }
    reasons.retain(|reason| !rules.off.contains(&reason.kind));
    if !reasons.is_empty() {
        return Verdict {
            reasons,
            lines,
            credits: Vec::new(),
            freight: None,
            location: None,
        };
    }
    Verdict {
        reasons,
        lines,
        freight: freight(goods, sold, &returnable, rules),
        location: rules.location.clone(),
        credits,
    }
}

/// All that is wrong where the order is not known, or somebody else's, who sends the goods back learns nothing of it.
fn without_order(why: HoldReason, goods: &Return, rules: &Rules, known: &Known) -> Verdict {
    let unknown = goods
        .lines
        .iter()
        .filter_map(|line| reason_unknown(line, known));
    let reasons = [why].into_iter().chain(unknown);
    Verdict {
        reasons: reasons
            .filter(|reason| !rules.off.contains(&reason.kind))
            .collect(),
        lines: line::untouched(goods, None),
        credits: Vec::new(),
        freight: None,
        location: None,
    }
}

/// What returns have of a line, and what was credited by hand, without any return.
fn gone(sold: &SoldLine, returnable: &Returnable) -> Quantity {
    let by_hand = sold.credited - returnable.credited(sold.number);
    returnable.taken(sold.number) + by_hand.at_least_zero()
}

fn wrong_unit(line: &Line, sold: &SoldLine) -> Option<HoldReason> {
    let unit = line.unit.as_ref()?;
    if sold.unit.as_ref() == Some(unit) {
        return None;
    }
    let message = format!(
        "line {}: line {} of the order was not sold in {unit}",
        line.number, line.order_line
    );
    Some(HoldReason::of_line(
        HoldKind::WrongUnit,
        line.number,
        unit.as_str(),
        message,
    ))
}

/// Nothing was delivered, or not so much. Where delivery is not asked for, what was sold counts as delivered.
fn not_there(line: &Line, sold: &SoldLine, taken: Quantity, rules: &Rules) -> Option<HoldReason> {
    let (number, order_line) = (line.number, line.order_line);
    let counts_delivery = !rules.off.contains(&HoldKind::NotDelivered);
    if counts_delivery && !sold.shipped.is_positive() {
        let message = format!("line {number}: line {order_line} of the order was not shipped");
        return Some(HoldReason::of_line(
            HoldKind::NotDelivered,
            number,
            order_line.to_string(),
            message,
        ));
    }
    let delivered = if counts_delivery {
        sold.shipped
    } else {
        sold.wanted()
    };
    let left = (delivered - taken).at_least_zero();
    if line.quantity <= left {
        return None;
    }
    let message = format!(
        "line {number}: {} of line {order_line} of the order are more than the {left} that may still come back",
        line.quantity
    );
    Some(HoldReason::of_line(
        HoldKind::TooMany,
        number,
        left.to_string(),
        message,
    ))
}

fn period_over(
    line: &Line,
    sold: &SoldLine,
    taken: Quantity,
    rules: &Rules,
    taken_at: Timestamp,
) -> Option<HoldReason> {
    let period = SignedDuration::from_hours(i64::from(rules.period) * 24);
    let since = taken_at.0.saturating_sub(period).ok().map(Timestamp)?;
    let left = sold.left_since(since, taken);
    // What was never shipped at all is another rule's.
    let shipped = sold.shipped - taken;
    if line.quantity <= left || !shipped.is_positive() || line.quantity > shipped {
        return None;
    }
    let message = format!(
        "line {}: line {} of the order was shipped more than {} days ago",
        line.number, line.order_line, rules.period
    );
    let subject = rules.period.to_string();
    Some(HoldReason::of_line(
        HoldKind::PeriodOver,
        line.number,
        subject,
        message,
    ))
}

fn reason_unknown(line: &Line, known: &Known) -> Option<HoldReason> {
    let code = &line.reason;
    if known.reasons.contains(code) {
        return None;
    }
    let message = format!("line {}: the ERP has no return reason {code}", line.number);
    Some(HoldReason::of_line(
        HoldKind::ReasonUnknown,
        line.number,
        code.as_str(),
        message,
    ))
}

fn reason_not_allowed(line: &Line, sold: &SoldLine, rules: &Rules) -> Option<HoldReason> {
    let items = rules.reason_items.get(&line.reason)?;
    if items.contains(&sold.item) {
        return None;
    }
    let code = &line.reason;
    let message = format!(
        "line {}: reason {code} is not for item {}",
        line.number, sold.item
    );
    Some(HoldReason::of_line(
        HoldKind::ReasonNotAllowed,
        line.number,
        code.as_str(),
        message,
    ))
}

fn worth(
    goods: &Return,
    line: &Line,
    sold: &SoldLine,
    returnable: &Returnable,
    rules: &Rules,
) -> LineCredit {
    let way = if rules.voucher_items.contains(&sold.item) {
        rules.voucher_refund
    } else {
        way_of_goods(goods, rules)
    };
    let zero = Credit::zero(sold.price.gross.currency());
    let taken = returnable.taken(line.order_line);
    let before = returnable.worth(line.order_line, zero);
    let worth = sold
        .price
        .of_next(sold.ordered, taken, before, line.quantity);
    LineCredit {
        line: line.number,
        way,
        amount: match way {
            RefundWay::Nothing => zero,
            RefundWay::Money | RefundWay::Voucher => worth,
        },
        worth,
    }
}

fn way_of_goods(goods: &Return, rules: &Rules) -> RefundWay {
    if goods.gift {
        rules.gift_refund
    } else {
        rules.refund
    }
}

/// Once, with the return after which nothing of the order is left with the customer.
fn freight(goods: &Return, sold: &Sold, returnable: &Returnable, rules: &Rules) -> Option<Freight> {
    match rules.freight {
        FreightRule::Never => return None,
        FreightRule::WhenEverythingComesBack => {}
    }
    let everything = sold
        .lines
        .iter()
        .all(|line| returnable.taken(line.number) >= line.wanted());
    let is_paid = way_of_goods(goods, rules) != RefundWay::Nothing;
    let is_first = returnable.freight_by.is_none();
    sold.freight.filter(|_| everything && is_paid && is_first)
}
