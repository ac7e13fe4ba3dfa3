//! What keeps an order from being posted.

use millrace_values::{ChannelCode, Currency, LocationCode, Sku, VariantCode};

use super::sales::{chairs, channel, customer, item, known, unit};
use crate::domain::{HoldKind, HoldReason, Known, KnownItem, Order, check};

fn reasons(order: &Order, known: &Known) -> Vec<HoldReason> {
    check::check(order, &channel(), known).reasons
}

fn kinds(order: &Order, known: &Known) -> Vec<(HoldKind, u32)> {
    reasons(order, known)
        .into_iter()
        .map(|reason| (reason.kind, reason.line))
        .collect()
}

#[test]
fn an_order_that_is_right_passes() {
    assert_eq!(kinds(&chairs(), &known()), []);
}

#[test]
fn an_unknown_item_is_named_with_its_line() {
    let told = reasons(
        &chairs(),
        &Known {
            items: Default::default(),
            ..known()
        },
    );
    assert_eq!(
        told,
        [HoldReason::of_line(
            HoldKind::UnknownItem,
            1,
            "1896-S",
            "line 1: item 1896-S is not known"
        )]
    );
    assert!(told[0].kind.heals_by_itself());
}

#[test]
fn all_reasons_are_told_at_once() {
    let mut order = chairs();
    order.lines[0].item = Sku::parse("NOPE").unwrap();
    order.payment_method = "shells".into();
    order.totals.gross = super::sales::amount("1");
    let told = kinds(&order, &known());
    assert_eq!(
        told,
        [
            (HoldKind::PaymentMethodUnmapped, 0),
            (HoldKind::UnknownItem, 1),
            (HoldKind::OrderTotal, 0)
        ]
    );
}

/// Row 52.
#[test]
fn a_blocked_item_holds_the_order() {
    let mut blocked = known();
    blocked
        .items
        .insert(Sku::parse("1896-S").unwrap(), item(true));
    assert_eq!(kinds(&chairs(), &blocked), [(HoldKind::ItemBlocked, 1)]);
}

#[test]
fn variants_are_known_unknown_or_blocked() {
    let with = |code| {
        let mut order = chairs();
        order.lines[0].variant = Some(VariantCode::parse(code).unwrap());
        kinds(&order, &known())
    };
    assert_eq!(with("OAK"), []);
    assert_eq!(with("PINE"), [(HoldKind::UnknownVariant, 1)]);
    assert_eq!(with("TEAK"), [(HoldKind::ItemBlocked, 1)]);
}

#[test]
fn a_line_without_a_unit_is_in_the_items_base_unit() {
    let verdict = check::check(&chairs(), &channel(), &known());
    assert_eq!(chairs().lines[0].unit, None);
    assert_eq!(verdict.lines[0].unit, Some(unit("PCS")));
}

#[test]
fn a_line_without_a_unit_of_an_item_without_a_base_unit_holds_the_order() {
    let mut known = known();
    let unmeasured = KnownItem {
        base_unit: None,
        ..item(false)
    };
    known
        .items
        .insert(chairs().lines[0].item.clone(), unmeasured);
    assert_eq!(kinds(&chairs(), &known), [(HoldKind::UnknownUnit, 1)]);
}

#[test]
fn a_unit_the_item_is_not_sold_in_holds_the_order() {
    let with = |code| {
        let mut order = chairs();
        order.lines[0].unit = Some(unit(code));
        kinds(&order, &known())
    };
    assert_eq!(with("PCS"), []);
    assert_eq!(with("PALLET"), [(HoldKind::UnknownUnit, 1)]);
}

#[test]
fn an_unknown_customer_holds_the_order() {
    assert_eq!(
        kinds(
            &chairs(),
            &Known {
                customer: None,
                ..known()
            }
        ),
        [(HoldKind::UnknownCustomer, 0)]
    );
}

/// Row 52.
#[test]
fn a_blocked_customer_holds_the_order() {
    let mut blocked = customer();
    blocked.blocked = true;
    assert_eq!(
        kinds(
            &chairs(),
            &Known {
                customer: Some(blocked),
                ..known()
            }
        ),
        [(HoldKind::CustomerBlocked, 0)]
    );
}

#[test]
fn a_customer_of_another_channel_is_somebody_elses() {
    let mut other = customer();
    other.channel = Some(ChannelCode::parse("toys-fr").unwrap());
    let told = reasons(
        &chairs(),
        &Known {
            customer: Some(other),
            ..known()
        },
    );
    assert_eq!(told[0].message, "customer 10000 is somebody else's");
}

#[test]
fn a_customer_whom_the_shop_knows_by_another_number_is_somebody_elses() {
    let mut order = chairs();
    order.buyer.shop_customer = Some("c-2".into());
    let mut other = customer();
    other.channel = Some(order.channel.clone());
    other.shop_customer = Some("c-1".into());
    assert_eq!(
        kinds(
            &order,
            &Known {
                customer: Some(other),
                ..known()
            }
        ),
        [(HoldKind::UnknownCustomer, 0)]
    );
}

#[test]
fn a_new_customer_is_no_reason_to_wait() {
    let mut order = chairs();
    order.buyer.customer = None;
    order.buyer.shop_customer = Some("c-9".into());
    assert_eq!(
        kinds(
            &order,
            &Known {
                customer: None,
                ..known()
            }
        ),
        []
    );
}

/// Row 54.
#[test]
fn payment_and_shipment_methods_need_a_code_of_the_erp() {
    let mut order = chairs();
    order.payment_method = "shells".into();
    order.shipment_method = "pigeon".into();
    assert_eq!(
        kinds(&order, &known()),
        [
            (HoldKind::PaymentMethodUnmapped, 0),
            (HoldKind::ShipmentMethodUnmapped, 0)
        ]
    );
    order.payment_method = String::new();
    order.shipment_method = String::new();
    assert_eq!(
        kinds(&order, &known()),
        [],
        "an absent method is the customer's own"
    );
}

#[test]
fn another_currency_than_the_channels_holds_the_order() {
    let mut franks = channel();
    franks.currency = Currency::parse("CHF").unwrap();
    let told = check::check(&chairs(), &franks, &known()).reasons;
    assert_eq!(told[0].kind, HoldKind::Currency);
}

#[test]
fn prices_on_the_other_side_of_the_tax_hold_the_order() {
    let mut gross = channel();
    gross.prices_include_tax = true;
    let told = check::check(&chairs(), &gross, &known()).reasons;
    assert_eq!(
        (told[0].kind, told[0].subject.as_str()),
        (HoldKind::Tax, "prices_include_tax")
    );
}

#[test]
fn a_location_the_channel_does_not_sell_from_holds_the_order() {
    let mut order = chairs();
    order.lines[0].location = Some(LocationCode::parse("WEST").unwrap());
    assert_eq!(kinds(&order, &known()), [(HoldKind::UnknownLocation, 1)]);
}

#[test]
fn lines_tell_their_item_and_where_their_goods_come_from() {
    let lines = check::check(&chairs(), &channel(), &known()).lines;
    assert_eq!(lines[0].item, Some(super::sales::id(7)));
    assert_eq!(
        lines[0].location.as_ref().map(LocationCode::as_str),
        Some("MAIN")
    );
    assert_eq!(lines[0].ordered, 2.into());
}
