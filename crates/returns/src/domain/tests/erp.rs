//! What the ERP tells of a return becomes the differences, once.

use millrace_event_store::{Decider, given};
use millrace_values::Amount;
use proptest::prelude::*;

use super::chairs::*;
use crate::domain::check::check;
use crate::domain::line::given_up;
use crate::domain::{
    CancelReason, Command, Credit, Disposition, Event, FreightRule, Known, LineDisposition,
    LineQuantity, LineSeen, LineState, LineStatus, RefundWay, Refunds, Return, Rules, Seen,
    ShopReturn, State, Submitted,
};

fn line_seen(received: u32, restocked: u32, scrapped: u32, credited: u32) -> LineSeen {
    LineSeen {
        line: 1,
        received: pieces(received),
        restocked: pieces(restocked),
        scrapped: pieces(scrapped),
        repair: pieces(0),
        credited: pieces(credited),
    }
}

/// All that happened: both came, one was thrown away, both are credited.
fn everything() -> Seen {
    Seen {
        lines: vec![line_seen(2, 1, 1, 2)],
        receipts: vec!["RR-1".into()],
        credit_memos: vec!["CM-1".into()],
        credited: Some(credit("238.00", "38.00")),
        ..seen()
    }
}

fn status(received: u32, restocked: u32, scrapped: u32, credited: u32) -> Vec<LineStatus> {
    let lines = lines().into_iter().map(|line| LineStatus {
        received: pieces(received),
        restocked: pieces(restocked),
        scrapped: pieces(scrapped),
        credited: pieces(credited),
        ..line
    });
    lines.collect()
}

fn money(text: &str) -> Refunds {
    [(RefundWay::Money, amount(text))].into()
}

#[test]
fn the_erps_answer_makes_it_posted_once() {
    given::<ShopReturn>([taken(), cleared()])
        .when(Command::Observed(seen()))
        .then([posted()]);
    given::<ShopReturn>([taken(), cleared(), posted()])
        .when(Command::Observed(seen()))
        .then_nothing();
}

#[test]
fn receipt_inspection_credit_and_refund_are_told_each_by_itself() {
    let quantity = |quantity| LineQuantity {
        line: 1,
        quantity: pieces(quantity),
    };
    let judged = |disposition| LineDisposition {
        line: 1,
        disposition,
        quantity: pieces(1),
    };
    given::<ShopReturn>([taken(), cleared(), posted()])
        .when(Command::Observed(everything()))
        .then([
            Event::Received {
                received: vec![quantity(2)],
                receipts: vec!["RR-1".into()],
                credits: vec![],
                at: at(),
                lines: status(2, 0, 0, 0),
            },
            Event::Inspected {
                dispositions: vec![
                    judged(Disposition::Restocked),
                    judged(Disposition::Scrapped),
                ],
                at: at(),
                lines: status(2, 1, 1, 0),
            },
            Event::Credited {
                credit_memos: vec!["CM-1".into()],
                credited: vec![quantity(2)],
                amount: credit("238.00", "38.00"),
                at: at(),
                lines: status(2, 1, 1, 2),
            },
            Event::RefundAnnounced {
                refunds: money("238.00"),
                lines: status(2, 1, 1, 2),
            },
        ]);
}

fn all_told(events: Vec<Event>, seen: &[Seen]) -> State {
    let mut state = ShopReturn::replay(&events);
    for seen in seen {
        let command = Command::Observed(seen.clone());
        let events = ShopReturn::decide(&state, command.clone()).unwrap();
        state = events.iter().fold(state, ShopReturn::evolve);
        assert_eq!(
            ShopReturn::decide(&state, command),
            Ok(vec![]),
            "told again it is no news"
        );
    }
    state
}

#[test]
fn what_comes_late_does_nothing() {
    let state = all_told(vec![taken(), cleared(), posted()], &[everything()]);
    for late in [
        seen(),
        Seen {
            lines: vec![line_seen(1, 0, 0, 0)],
            receipts: vec!["RR-1".into()],
            ..seen()
        },
        Seen {
            cancelled: true,
            ..seen()
        },
    ] {
        assert_eq!(
            ShopReturn::decide(&state, Command::Observed(late)),
            Ok(vec![])
        );
    }
    let taken = state.0.unwrap();
    assert!(taken.is_credited());
    assert_eq!(taken.takes().lines[&1].credited, pieces(2));
    assert_eq!(taken.lines[0].state(), LineState::Credited);
}

#[test]
fn what_people_give_up_in_the_erp_is_cancelled_and_stays_so() {
    let cancelled = Event::Cancelled {
        reason: CancelReason::InErp,
        note: String::new(),
        lines: given_up(&lines()),
    };
    let given_up = Seen {
        cancelled: true,
        ..seen()
    };
    given::<ShopReturn>([taken(), cleared(), posted()])
        .when(Command::Observed(given_up))
        .then([cancelled.clone()]);
    given::<ShopReturn>([taken(), cleared(), posted(), cancelled])
        .when(Command::Observed(everything()))
        .then_nothing();
}

#[test]
fn what_is_held_was_never_handed_over_as_it_is() {
    given::<ShopReturn>([taken(), held()])
        .when(Command::Observed(everything()))
        .then_nothing();
}

#[test]
fn where_the_erp_names_no_amounts_those_it_was_asked_for_are_told() {
    let silent = Seen {
        credited: None,
        lines: vec![line_seen(1, 0, 0, 1)],
        ..everything()
    };
    let state = all_told(vec![taken(), cleared(), posted()], &[silent]);
    let taken = state.0.unwrap();
    assert_eq!(taken.credited, Some(credit("119.00", "19.00")));
    assert_eq!(taken.refunds, money("119.00"));
}

#[test]
fn what_people_credited_otherwise_is_what_the_customer_gets() {
    let less = Seen {
        credited: Some(credit("200.00", "31.93")),
        ..everything()
    };
    let state = all_told(vec![taken(), cleared(), posted()], &[less]);
    assert_eq!(state.0.unwrap().refunds, money("200.00"));
}

#[test]
fn that_there_is_no_refund_is_told_once() {
    let rules = Rules {
        refund: RefundWay::Nothing,
        ..rules()
    };
    let state = cleared_by(&rules, chairs(2));
    let takes = state.0.as_ref().unwrap().takes();
    assert_eq!(takes.lines[&1].worth, credit("238.00", "38.00"));
    let nothing = Seen {
        credited: Some(credit("0.00", "0.00")),
        ..everything()
    };
    let events = ShopReturn::decide(&state, Command::Observed(nothing)).unwrap();
    let Some(Event::RefundAnnounced { refunds, .. }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(*refunds, [(RefundWay::Nothing, amount("0.00"))].into());
}

fn cleared_by(rules: &Rules, goods: Return) -> State {
    let mut known: Known = known();
    let mut voucher = sold_line(2, 3, credit("30.00", "0.00"));
    voucher.item = millrace_values::Sku::parse("VOUCHER").unwrap();
    known.sold.as_mut().unwrap().lines.push(voucher);
    let verdict = check(&goods, rules, &known, at());
    assert_eq!(verdict.reasons, []);
    let submit = Command::Submit(Submitted {
        verdict,
        ..submitted(goods)
    });
    let events = ShopReturn::decide(&State::default(), submit).unwrap();
    ShopReturn::replay(&events)
}

#[test]
fn goods_and_vouchers_are_paid_back_each_in_its_way_and_freight_with_the_goods() {
    let rules = Rules {
        voucher_items: [millrace_values::Sku::parse("VOUCHER").unwrap()].into(),
        voucher_refund: RefundWay::Voucher,
        freight: FreightRule::WhenEverythingComesBack,
        ..rules()
    };
    let goods = Return {
        lines: vec![line(1, 1, 4), line(2, 2, 3)],
        ..chairs(4)
    };
    let mut state = cleared_by(&rules, goods);
    let second = LineSeen {
        line: 2,
        ..line_seen(3, 3, 0, 3)
    };
    let all = Seen {
        lines: vec![line_seen(4, 4, 0, 4), second],
        credited: Some(credit("511.95", "76.95")),
        ..everything()
    };
    for event in ShopReturn::decide(&state, Command::Observed(all)).unwrap() {
        state = ShopReturn::evolve(state, &event);
    }
    let refunds = state.0.unwrap().refunds;
    assert_eq!(refunds[&RefundWay::Money], amount("481.95"));
    assert_eq!(refunds[&RefundWay::Voucher], amount("30.00"));
}

proptest! {
    #[test]
    fn all_announcements_in_all_ways_together_are_what_the_erp_credited(
        steps in prop::collection::vec((0..3_u32, 0..3_u32, 0..20_000_i64), 1..12),
        voucher_refund in prop::sample::select(vec![RefundWay::Money, RefundWay::Voucher, RefundWay::Nothing]),
    ) {
        let rules = Rules {
            voucher_items: [millrace_values::Sku::parse("VOUCHER").unwrap()].into(),
            voucher_refund,
            ..rules()
        };
        let goods = Return {
            lines: vec![line(1, 1, 4), line(2, 2, 3)],
            ..chairs(4)
        };
        let mut state = cleared_by(&rules, goods);
        let (mut chairs, mut vouchers, mut cents) = (0, 0, 0);
        for (index, (more, others, worth)) in steps.into_iter().enumerate() {
            chairs = (chairs + more).min(4);
            vouchers = (vouchers + others).min(3);
            cents += worth;
            let gross = Amount::new(euro(), millrace_values::Decimal::new(cents, 2)).unwrap();
            let second = LineSeen { line: 2, ..line_seen(3, 0, 0, vouchers) };
            let told = Seen {
                lines: vec![line_seen(4, 0, 0, chairs), second],
                credit_memos: vec![format!("CM-{index}")],
                credited: Some(Credit { gross, tax: amount("0.00") }),
                ..seen()
            };
            let events = ShopReturn::decide(&state, Command::Observed(told)).unwrap();
            state = events.iter().fold(state, ShopReturn::evolve);
            let refunds = &state.0.as_ref().unwrap().refunds;
            let announced = refunds.values().fold(amount("0.00"), |sum, amount| sum.plus(*amount).unwrap());
            prop_assert_eq!(announced, gross);
        }
    }

    #[test]
    fn all_announcements_together_are_what_the_erp_credited(
        steps in prop::collection::vec((0..3_u32, 0..3_u32, 0..20_000_i64), 1..12),
    ) {
        let mut state = ShopReturn::replay(&[taken(), cleared(), posted()]);
        let (mut received, mut credited, mut cents) = (0, 0, 0);
        for (index, (more, judged, worth)) in steps.into_iter().enumerate() {
            received = (received + more).min(2);
            credited = (credited + judged).min(received);
            cents += worth;
            let memo = format!("CM-{index}");
            let gross = Amount::new(euro(), millrace_values::Decimal::new(cents, 2)).unwrap();
            let told = Seen {
                lines: vec![line_seen(received, 0, 0, credited)],
                credit_memos: vec![memo],
                credited: Some(Credit { gross, tax: amount("0.00") }),
                ..seen()
            };
            let events = ShopReturn::decide(&state, Command::Observed(told)).unwrap();
            state = events.iter().fold(state, ShopReturn::evolve);
            let taken = state.0.as_ref().unwrap();
            prop_assert_eq!(taken.credited.map(|credit| credit.gross), Some(gross));
            let announced = taken.refunds.values().fold(amount("0.00"), |sum, amount| sum.plus(*amount).unwrap());
            prop_assert_eq!(announced, gross);
        }
    }
}
