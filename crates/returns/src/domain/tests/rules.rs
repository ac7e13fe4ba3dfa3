//! Each rule by its name.

use millrace_values::{CustomerNumber, Quantity, Sku, UnitCode};

use super::chairs::*;
use crate::domain::check::check;
use crate::domain::{
    FreightRule, HoldKind, Known, RefundWay, Return, Rules, Shipped, Sold, TakenLine, Verdict,
};

fn kinds(verdict: &Verdict) -> Vec<HoldKind> {
    verdict.reasons.iter().map(|reason| reason.kind).collect()
}

fn asked(goods: &Return, known: &Known) -> Vec<HoldKind> {
    kinds(&check(goods, &rules(), known, at()))
}

/// The order, changed.
fn where_sold(change: impl FnOnce(&mut Sold)) -> Known {
    let mut sold = sold();
    change(&mut sold);
    Known {
        sold: Some(sold),
        ..known()
    }
}

fn without(kind: HoldKind) -> Rules {
    Rules {
        off: [kind].into(),
        ..rules()
    }
}

fn taken_before(count: u32, worth: crate::domain::Credit) -> Known {
    let mut known = known();
    known.returnable.take(1, pieces(count), worth);
    known
}

#[test]
fn what_keeps_every_rule_passes_with_what_it_is_worth() {
    let verdict = verdict(&chairs(1));
    assert_eq!(verdict.reasons, []);
    assert_eq!(verdict.credits[0].amount, credit("119.00", "19.00"));
    assert_eq!(verdict.credits[0].way, RefundWay::Money);
}

/// Row 95.
#[test]
fn an_order_nobody_knows_is_named_and_the_reason_with_it() {
    let mut goods = chairs(1);
    goods.lines[0].reason = reason("WHIM");
    let unknown = Known {
        sold: None,
        ..known()
    };
    assert_eq!(
        asked(&goods, &unknown),
        [HoldKind::OrderUnknown, HoldKind::ReasonUnknown]
    );
}

#[test]
fn somebody_elses_order_is_not_told_whose() {
    let mut goods = chairs(1);
    goods.customer = Some(CustomerNumber::parse("20000").unwrap());
    let verdict = verdict(&goods);
    assert_eq!(kinds(&verdict), [HoldKind::CustomerMismatch]);
    let told = format!("{:?}", verdict.reasons);
    assert!(!told.contains("10000") && !told.contains("c-1"), "{told}");
}

#[test]
fn of_somebody_elses_order_nothing_is_told_but_that_it_is() {
    let mut goods = chairs(9);
    goods.customer = Some(CustomerNumber::parse("20000").unwrap());
    goods.lines[0].reason = reason("WHIM");
    goods.lines.push(line(2, 7, 1));
    let verdict = verdict(&goods);
    assert_eq!(
        kinds(&verdict),
        [HoldKind::CustomerMismatch, HoldKind::ReasonUnknown]
    );
    for line in &verdict.lines {
        assert_eq!(
            (&line.item, &line.variant, &line.unit),
            (&None, &None, &None)
        );
    }
    let told = check(&goods, &without(HoldKind::CustomerMismatch), &known(), at());
    assert_eq!(told.lines[0].item, Some(chair()));
}

#[test]
fn of_two_numbers_one_must_be_the_orders_and_none_another_s() {
    let goods = |customer: Option<&str>, shop_customer: Option<&str>| Return {
        customer: customer.map(|number| CustomerNumber::parse(number).unwrap()),
        shop_customer: shop_customer.map(Into::into),
        ..chairs(1)
    };
    let (passes, held) = (vec![], vec![HoldKind::CustomerMismatch]);
    for (customer, shop_customer, outcome) in [
        (Some("10000"), None, &passes),
        (None, Some("c-1"), &passes),
        (Some("10000"), Some("c-1"), &passes),
        (Some("10000"), Some("c-2"), &held),
        (Some("20000"), Some("c-1"), &held),
        (None, None, &held),
    ] {
        let found = asked(&goods(customer, shop_customer), &known());
        assert_eq!(&found, outcome, "{customer:?} {shop_customer:?}");
    }
}

#[test]
fn a_guests_order_is_known_by_the_shops_number_alone() {
    let guests = where_sold(|sold| sold.customer = None);
    let mut goods = chairs(1);
    goods.customer = None;
    goods.shop_customer = Some("c-1".into());
    assert_eq!(asked(&goods, &guests), []);
    goods.shop_customer = None;
    goods.customer = Some(CustomerNumber::parse("10000").unwrap());
    assert_eq!(
        asked(&goods, &guests),
        [HoldKind::CustomerMismatch],
        "nothing in common"
    );
}

#[test]
fn a_gift_comes_back_from_whoever_knows_the_order_and_is_paid_with_a_voucher() {
    let goods = Return {
        gift: true,
        customer: None,
        ..chairs(1)
    };
    let verdict = verdict(&goods);
    assert_eq!(verdict.reasons, []);
    assert_eq!(verdict.credits[0].way, RefundWay::Voucher);
}

#[test]
fn what_was_not_shipped_cannot_come_back() {
    let waiting = where_sold(|sold| {
        sold.lines[0].shipped = Quantity::ZERO;
        sold.lines[0].shipments.clear();
    });
    assert_eq!(asked(&chairs(1), &waiting), [HoldKind::NotDelivered]);
    let verdict = check(&chairs(4), &without(HoldKind::NotDelivered), &waiting, at());
    assert_eq!(kinds(&verdict), [], "what was sold counts as delivered");
}

#[test]
fn no_more_comes_back_than_was_delivered_less_what_came_before() {
    assert_eq!(asked(&chairs(4), &known()), []);
    assert_eq!(asked(&chairs(5), &known()), [HoldKind::TooMany]);
    let before = taken_before(3, credit("357.00", "57.00"));
    assert_eq!(asked(&chairs(1), &before), []);
    assert_eq!(asked(&chairs(2), &before), [HoldKind::TooMany]);
}

#[test]
fn what_was_credited_by_hand_does_not_come_back_once_more() {
    let credited = |count| where_sold(|sold| sold.lines[0].credited = pieces(count));
    assert_eq!(asked(&chairs(3), &credited(1)), []);
    let verdict = check(&chairs(4), &rules(), &credited(1), at());
    assert_eq!(kinds(&verdict), [HoldKind::TooMany]);
    assert_eq!(verdict.reasons[0].subject, "3");
    let mut known = credited(3);
    let by_returns = TakenLine {
        quantity: pieces(2),
        worth: credit("238.00", "38.00"),
        credited: pieces(2),
    };
    known.returnable.lines.insert(1, by_returns);
    assert_eq!(asked(&chairs(1), &known), []);
    assert_eq!(asked(&chairs(2), &known), [HoldKind::TooMany]);
}

#[test]
fn two_lines_of_one_return_share_what_was_delivered() {
    let goods = |one, other| Return {
        lines: vec![line(1, 1, one), line(2, 1, other)],
        ..chairs(1)
    };
    let both = verdict(&goods(1, 3));
    assert_eq!(both.reasons, []);
    let worth = both.credits.iter().map(|credit| credit.amount.gross);
    assert_eq!(
        worth.collect::<Vec<_>>(),
        [amount("119.00"), amount("357.00")]
    );
    assert_eq!(asked(&goods(2, 3), &known()), [HoldKind::TooMany]);
    let for_nothing = Rules {
        refund: RefundWay::Nothing,
        ..rules()
    };
    let both = check(&goods(1, 3), &for_nothing, &known(), at());
    let worth = both.credits.iter().map(|credit| credit.worth.gross);
    assert_eq!(
        worth.collect::<Vec<_>>(),
        [amount("119.00"), amount("357.00")]
    );
}

#[test]
fn pieces_beyond_what_was_sold_are_worth_nothing_where_nobody_counts_them() {
    let verdict = check(&chairs(5), &without(HoldKind::TooMany), &known(), at());
    assert_eq!(verdict.credits[0].amount, credit("476.00", "76.00"));
}

#[test]
fn the_period_counts_from_the_shipment_and_the_oldest_pieces_came_back_first() {
    let shipped = |days: &[(i64, u32)]| {
        where_sold(|sold| {
            let shipments = days.iter().map(|(days, count)| Shipped {
                at: days_ago(*days),
                quantity: pieces(*count),
            });
            sold.lines[0].shipments = shipments.collect();
        })
    };
    assert_eq!(asked(&chairs(1), &shipped(&[(30, 4)])), []);
    assert_eq!(
        asked(&chairs(1), &shipped(&[(31, 4)])),
        [HoldKind::PeriodOver]
    );
    let partly = shipped(&[(31, 2), (5, 2)]);
    assert_eq!(asked(&chairs(2), &partly), []);
    assert_eq!(asked(&chairs(3), &partly), [HoldKind::PeriodOver]);
    let mut two_before = partly;
    two_before
        .returnable
        .take(1, pieces(2), credit("238.00", "38.00"));
    assert_eq!(asked(&chairs(2), &two_before), []);
}

#[test]
fn a_line_or_unit_that_the_order_does_not_have_is_named() {
    let mut goods = chairs(1);
    goods.lines[0].order_line = 9;
    assert_eq!(asked(&goods, &known()), [HoldKind::UnknownLine]);
    let mut goods = chairs(1);
    goods.lines[0].unit = Some(UnitCode::parse("BOX").unwrap());
    assert_eq!(asked(&goods, &known()), [HoldKind::WrongUnit]);
    goods.lines[0].unit = Some(UnitCode::parse("PCS").unwrap());
    assert_eq!(asked(&goods, &known()), []);
}

/// Row 93.
#[test]
fn a_reason_must_be_one_of_the_erps_and_fit_the_item() {
    let mut goods = chairs(1);
    goods.lines[0].reason = reason("WHIM");
    assert_eq!(asked(&goods, &known()), [HoldKind::ReasonUnknown]);
    let mut rules = rules();
    let tables = [Sku::parse("TABLE").unwrap()];
    rules.reason_items = [(reason("DEFECT"), tables.into())].into();
    let verdict = check(&chairs(1), &rules, &known(), at());
    assert_eq!(kinds(&verdict), [HoldKind::ReasonNotAllowed]);
    rules.reason_items = [(reason("DEFECT"), [chair()].into())].into();
    assert_eq!(kinds(&check(&chairs(1), &rules, &known(), at())), []);
}

/// Row 94.
#[test]
fn each_rule_that_may_be_off_is_not_asked_when_it_is() {
    let mut goods = chairs(1);
    goods.lines[0].reason = reason("WHIM");
    goods.customer = None;
    let old = where_sold(|sold| sold.lines[0].shipments[0].at = days_ago(99));
    let strangers = [HoldKind::CustomerMismatch, HoldKind::ReasonUnknown];
    let his = [HoldKind::PeriodOver, HoldKind::ReasonUnknown];
    assert_eq!(asked(&goods, &old), strangers);
    let found = |goods: &Return, kind| kinds(&check(goods, &without(kind), &old, at()));
    assert_eq!(found(&goods, HoldKind::CustomerMismatch), his);
    goods.customer = chairs(1).customer;
    assert_eq!(asked(&goods, &old), his);
    assert_eq!(
        found(&goods, HoldKind::PeriodOver),
        [HoldKind::ReasonUnknown]
    );
    assert_eq!(
        found(&goods, HoldKind::ReasonUnknown),
        [HoldKind::PeriodOver]
    );
}

#[test]
fn vouchers_are_paid_back_as_the_settings_say() {
    for (way, worth) in [
        (RefundWay::Nothing, credit("0.00", "0.00")),
        (RefundWay::Voucher, credit("119.00", "19.00")),
        (RefundWay::Money, credit("119.00", "19.00")),
    ] {
        let rules = Rules {
            voucher_items: [chair()].into(),
            voucher_refund: way,
            ..rules()
        };
        let verdict = check(&chairs(1), &rules, &known(), at());
        assert_eq!(verdict.credits[0].way, way);
        assert_eq!(verdict.credits[0].amount, worth);
    }
}

#[test]
fn freight_is_paid_back_once_and_only_when_everything_comes_back() {
    let rules = Rules {
        freight: FreightRule::WhenEverythingComesBack,
        ..rules()
    };
    let freight = |count, known: &Known| check(&chairs(count), &rules, known, at()).freight;
    assert_eq!(freight(3, &known()), None);
    assert_eq!(freight(4, &known()), sold().freight);
    let mut rest = taken_before(3, credit("357.00", "57.00"));
    assert_eq!(freight(1, &rest), sold().freight);
    rest.returnable.freight_by = Some("return/furniture/R-0".into());
    assert_eq!(freight(1, &rest), None, "another return has it");
    assert_eq!(verdict(&chairs(4)).freight, None, "never, by the settings");
}
