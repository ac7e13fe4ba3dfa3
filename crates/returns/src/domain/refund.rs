//! What the customer gets back, and in which way: announced with every credit memo, so that all announcements together are what
//! the ERP credited.

use millrace_values::Amount;

use super::credit::{Credit, LineCredit, RefundWay, Refunds, less, main_way};
use super::line::LineStatus;

/// What is to be announced when `credited` is what all credit memos so far come to, and `lines` stand as they do after the last;
/// `announced` before.
#[must_use]
pub fn announced_next(
    credits: &[LineCredit],
    lines: &[LineStatus],
    credited: Credit,
    announced: &Refunds,
) -> Refunds {
    let mut next = Refunds::new();
    // What was announced in one way cannot be taken back when more of it turns out to be another's.
    let mut left = announced
        .values()
        .fold(credited.gross, |left, before| less(left, *before));
    for (way, so_far) in by_way(credits, lines, credited) {
        let before = announced.get(&way);
        let missing = before.map_or(so_far, |before| less(so_far, *before));
        let more = if missing.value() > left.value() {
            left
        } else {
            missing
        };
        if !more.is_zero() {
            left = less(left, more);
            next.insert(way, more);
        }
    }
    if next.is_empty() && announced.is_empty() {
        // That there is nothing is told, too.
        next.insert(RefundWay::Nothing, Amount::zero(credited.gross.currency()));
    }
    next
}

/// Each line's share as far as it is credited; what is left of the ERP's amounts (freight, or what people decided there) goes the
/// main way.
fn by_way(credits: &[LineCredit], lines: &[LineStatus], credited: Credit) -> Refunds {
    let mut left = credited.gross;
    let mut refunds = Refunds::new();
    let main = main_way(credits).unwrap_or(RefundWay::Money);
    for (credit, line) in credits.iter().zip(lines) {
        let share = credit.amount.share(line.credited, line.wanted()).gross;
        if credit.way == main || share.is_zero() || share.value() > left.value() {
            continue;
        }
        left = less(left, share);
        add(&mut refunds, credit.way, share);
    }
    if !left.is_zero() {
        add(&mut refunds, main, left);
    }
    refunds
}

fn add(refunds: &mut Refunds, way: RefundWay, amount: Amount) {
    let before = refunds.get(&way);
    let sum = before.and_then(|before| before.plus(amount).ok());
    refunds.insert(way, sum.unwrap_or(amount));
}
