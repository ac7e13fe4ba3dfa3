//! Goods that come back: handed over, received, judged, credited; and what people do is noticed.

use millrace_erp::document::{DocumentKind, NewFreight};
use millrace_erp::return_order::{
    NewReturn, NewReturnLine, Refund, ReturnKey, ReturnObserved, ReturnState,
};
use millrace_erp::{Erp, ErpError, Flow};
use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, LanguageTag, LocationCode, OrderNumber,
    Percentage, Quantity, ReturnNumber, ReturnReasonCode, Sku, Timestamp, UnitCode, UnitPrice,
    VariantCode,
};
use serde_json::{Value, json};

use crate::mirror::{Mirror, assert_equal};
use crate::orders::order;
use crate::world::{World, world};

pub fn key(number: &str) -> ReturnKey {
    ReturnKey {
        channel: ChannelCode::parse("furniture-de").unwrap(),
        number: ReturnNumber::parse(number).unwrap(),
    }
}

fn euro(text: &str) -> Amount {
    Amount::new(Currency::parse("EUR").unwrap(), text.parse().unwrap()).unwrap()
}

/// The two pieces of order 1042, and some of what the freight had cost.
pub fn goods(number: &str, customer: &CustomerNumber) -> NewReturn {
    let currency = Currency::parse("EUR").unwrap();
    let tax_percent = Percentage::new("19".parse().unwrap()).unwrap();
    NewReturn {
        key: key(number),
        revision: 1,
        order_number: OrderNumber::parse("1042").unwrap(),
        customer: customer.clone(),
        submitted_at: Timestamp::parse("2026-11-24T10:00:00Z").unwrap(),
        currency,
        prices_include_tax: false,
        refund: Refund::Money,
        gift: false,
        exchange_order: None,
        lines: vec![NewReturnLine {
            line_number: 1,
            order_line: 1,
            item: Sku::parse("SOLD-1").unwrap(),
            variant: None,
            unit: None,
            quantity: Quantity::from(2),
            location: Some(LocationCode::parse("MAIN").unwrap()),
            reason: ReturnReasonCode::parse("DAMAGED").unwrap(),
            condition: "scratched".into(),
            comment: "A leg was loose.".into(),
            photos: vec![
                "https://photos.example/1".into(),
                "https://photos.example/2".into(),
            ],
            unit_price: UnitPrice::new(currency, "100".parse().unwrap()).unwrap(),
            discount: Amount::zero(currency),
            tax_percent,
            net: euro("200"),
            gross: euro("238"),
        }],
        freight: Some(NewFreight {
            net: euro("10"),
            gross: euro("11.90"),
            tax_percent,
        }),
        net: euro("210"),
        tax: euro("39.90"),
        gross: euro("249.90"),
    }
}

/// The shop's order 1042 as shipped and invoiced; who bought it.
pub async fn sold(world: &World) -> CustomerNumber {
    let order = order(world, "1042").await;
    world.erp.place_order(&order).await.unwrap();
    let shop = json!({ "channel": "FURNITURE-DE", "orderNumber": "1042" });
    for act in ["ship", "invoice"] {
        world.simulator.office(act, shop.clone()).await.unwrap();
    }
    order.customer
}

pub async fn placed(world: &World, goods: &NewReturn) -> ReturnObserved {
    let placed = world.erp.place_return(goods).await.unwrap();
    assert!(!placed.existed);
    placed.observed
}

/// An act of people on a return, for a quantity of its first line or for everything.
pub async fn desk(world: &World, act: &str, number: &str, quantity: Option<u32>) -> Value {
    let mut body = json!({ "channel": "FURNITURE-DE", "returnNumber": number });
    if let Some(quantity) = quantity {
        body["lines"] = json!([{ "line": 1, "quantity": quantity }]);
    }
    world.simulator.office(act, body).await.unwrap()
}

pub fn states(mirror: &Mirror) -> Vec<ReturnState> {
    let states = mirror.returns.iter().map(|returned| returned.state);
    states.collect()
}

/// Row 93 of FEATURES.md.
#[tokio::test]
async fn reasons_are_told_with_their_translations() {
    let world = world().await;
    let exotic = json!({ "code": "COLOUR", "description": "Other colour", "translations": { "FRA": "Autre", "XXX": "?" } });
    world
        .simulator
        .office("set-return-reason", exotic)
        .await
        .unwrap();
    let reasons = world.erp.return_reasons().await.unwrap();
    assert!(world.erp.capabilities().await.unwrap().return_reasons);
    let german = LanguageTag::parse("de-DE").unwrap();
    let in_german = reasons
        .iter()
        .filter(|reason| reason.translations.contains_key(&german));
    assert!(in_german.count() >= 5);
    let of = |code: &str| {
        let code = ReturnReasonCode::parse(code).unwrap();
        reasons.iter().find(|reason| reason.code == code).unwrap()
    };
    assert_eq!(of("DEFECT").description, "Does not work");
    assert_eq!(of("DEFECT").translations[&german], "Defekt");
    // A language that nobody knows is no reason to lack the reason.
    let known: Vec<&str> = of("COLOUR")
        .translations
        .keys()
        .map(LanguageTag::as_str)
        .collect();
    assert_eq!(known, ["fr-FR"]);
}

/// Row 92 of FEATURES.md.
#[tokio::test]
async fn a_return_is_received_judged_and_credited() {
    let world = world().await;
    let customer = sold(&world).await;
    assert!(world.erp.capabilities().await.unwrap().return_orders);
    let opened = placed(&world, &goods("T-1", &customer)).await;
    assert_eq!(opened.state, ReturnState::Open);
    assert!(opened.document_number.starts_with("S-RETORD"));
    assert_eq!(
        (&opened.receipt_numbers[..], opened.credited_gross),
        (&[][..], None)
    );
    assert_eq!(
        opened.lines[0].unit,
        UnitCode::parse_optional("PCS").unwrap()
    );

    desk(&world, "receive-return", "T-1", None).await;
    let judged = json!({ "channel": "FURNITURE-DE", "returnNumber": "T-1", "lines": [
        { "line": 1, "quantity": 1 }, { "line": 1, "quantity": 1, "disposition": "scrap" },
    ] });
    world
        .simulator
        .office("inspect-return", judged)
        .await
        .unwrap();
    let found = world.erp.find_return(&opened.key).await.unwrap().unwrap();
    assert_eq!(found.state, ReturnState::Received);
    let one = Quantity::from(1);
    let line = &found.lines[0];
    assert_eq!(
        (line.received, line.restocked, line.scrapped, line.repair),
        (Quantity::from(2), one, one, Quantity::ZERO)
    );
    assert_eq!(found.receipt_numbers.len(), 1);

    desk(&world, "credit-return", "T-1", None).await;
    let credited = world.erp.find_return(&opened.key).await.unwrap().unwrap();
    assert_eq!(credited.state, ReturnState::Credited);
    assert_eq!(credited.lines[0].credited, Quantity::from(2));
    assert_eq!(
        (
            credited.credited_net,
            credited.credited_tax,
            credited.credited_gross
        ),
        (Some(euro("210")), Some(euro("39.90")), Some(euro("249.90")))
    );
    assert!(credited.row_version > found.row_version);
    // Followed figures say the same as what is looked up: the one piece that may be sold again.
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    assert_equal(&mirror, &world.simulator);
}

#[tokio::test]
async fn what_the_erp_is_told_is_there_for_people_to_read() {
    let world = world().await;
    let customer = sold(&world).await;
    let mut wanted = goods("T-1", &customer);
    wanted.refund = Refund::Voucher;
    wanted.gift = true;
    wanted.exchange_order = OrderNumber::parse_optional("1043").unwrap();
    placed(&world, &wanted).await;
    let content = world.simulator.read(|tables| {
        let order = tables.returns.iter().next().unwrap();
        order.content.clone()
    });
    assert_eq!(
        (
            &content["refundType"],
            &content["isGift"],
            &content["exchangeOrderNumber"],
            &content["submittedAt"],
            &content["freightGrossAmount"],
        ),
        (
            &json!("Voucher"),
            &json!(true),
            &json!("1043"),
            &json!("2026-11-24T10:00:00.000Z"),
            &json!(11.9),
        )
    );
    let line = &content["lines"][0];
    assert_eq!(
        (&line["conditionText"], &line["commentText"]),
        (&json!("scratched"), &json!("A leg was loose."))
    );
    assert_eq!(
        line["photoAddresses"],
        "https://photos.example/1\nhttps://photos.example/2"
    );
}

#[tokio::test]
async fn parts_that_are_credited_add_up_to_what_was_sold() {
    let world = world().await;
    let mut wanted = order(&world, "1042").await;
    let currency = wanted.currency;
    let third = UnitPrice::new(currency, "3.33333".parse().unwrap()).unwrap();
    wanted.lines[0].quantity = Quantity::from(3);
    wanted.lines[0].unit_price = third;
    (wanted.net, wanted.tax, wanted.gross) = (euro("10"), euro("1.90"), euro("11.90"));
    (wanted.lines[0].net, wanted.lines[0].gross) = (wanted.net, wanted.gross);
    world.erp.place_order(&wanted).await.unwrap();
    let mut back = goods("T-1", &wanted.customer);
    back.freight = None;
    (back.net, back.tax, back.gross) = (wanted.net, wanted.tax, wanted.gross);
    let line = &mut back.lines[0];
    line.quantity = Quantity::from(3);
    line.unit_price = third;
    (line.net, line.gross) = (wanted.net, wanted.gross);
    placed(&world, &back).await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    for _ in 0..3 {
        desk(&world, "receive-return", "T-1", Some(1)).await;
        desk(&world, "credit-return", "T-1", Some(1)).await;
    }
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    let credited: Vec<String> = mirror
        .returns
        .iter()
        .filter(|returned| returned.state == ReturnState::Credited)
        .filter_map(|returned| returned.credited_gross)
        .map(|gross| gross.value().to_string())
        .collect();
    assert_eq!(credited, ["3.97", "7.93", "11.90"]);
    let last = mirror.returns.last().unwrap();
    assert_eq!(last.credited_net, Some(euro("10")));
    assert_eq!(
        (last.receipt_numbers.len(), last.credit_memo_numbers.len()),
        (3, 3)
    );
}

#[tokio::test]
async fn the_same_return_again_is_the_same_and_another_is_a_contradiction() {
    let world = world().await;
    let customer = sold(&world).await;
    let wanted = goods("T-1", &customer);
    let opened = placed(&world, &wanted).await;
    let again = world.erp.place_return(&wanted).await.unwrap();
    assert!(again.existed);
    assert_eq!(again.observed, opened);
    let mut other = wanted.clone();
    other.lines[0].reason = ReturnReasonCode::parse("WRONG").unwrap();
    other.revision = 2;
    let error = world.erp.place_return(&other).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Contradiction { key } if key == "furniture-de/T-1"),
        "{error}"
    );
    desk(&world, "receive-return", "T-1", None).await;
    let later = world.erp.place_return(&wanted).await.unwrap();
    assert_eq!(later.observed.state, ReturnState::Received);
}

#[tokio::test]
async fn refusals_come_with_the_code_of_the_erp_and_can_be_mended() {
    let world = world().await;
    let customer = sold(&world).await;
    let header = |change: fn(&mut NewReturn)| {
        let mut wanted = goods("T-1", &customer);
        change(&mut wanted);
        wanted
    };
    let nobody = |text: &str| CustomerNumber::parse(text).unwrap();
    let other = world.simulator.read(|tables| {
        let mut customers = tables.customers.iter();
        let other = customers.find(|other| other.number != customer.as_str());
        other.unwrap().number.clone()
    });
    let cases = [
        (
            header(|wanted| wanted.order_number = OrderNumber::parse("1").unwrap()),
            "ORDER",
        ),
        (
            header(|wanted| wanted.key.channel = ChannelCode::parse("outlet").unwrap()),
            "ORDER",
        ),
        (goods("T-1", &nobody("NOPE")), "CUSTOMER"),
        (goods("T-1", &nobody(&other)), "OTHERCUSTOMER"),
        (header(|wanted| wanted.lines[0].order_line = 9), "ORDERLINE"),
        (
            header(|wanted| wanted.lines[0].item = Sku::parse("1000").unwrap()),
            "ITEM",
        ),
        (
            header(|wanted| {
                wanted.lines[0].variant = VariantCode::parse_optional("NOPE").unwrap();
            }),
            "VARIANT",
        ),
        (
            header(|wanted| wanted.lines[0].quantity = Quantity::from(3)),
            "QUANTITY",
        ),
        (
            header(|wanted| wanted.lines[0].reason = ReturnReasonCode::parse("NOPE").unwrap()),
            "REASON",
        ),
        (header(|wanted| wanted.gross = euro("249.91")), "TOTALS"),
    ];
    for (nth, (mut wanted, expected)) in (1..).zip(cases) {
        wanted.revision = nth;
        let error = world.erp.place_return(&wanted).await.unwrap_err();
        assert!(
            matches!(&error, ErpError::Refused { code, .. } if code == expected),
            "{expected}: {error}"
        );
        assert_eq!(world.erp.find_return(&wanted.key).await.unwrap(), None);
    }
    let error = world.erp.cancel_return(&key("T-1")).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Refused { code, .. } if code == "Internal_RecordNotFound"),
        "{error}"
    );
    // What was refused is mended with a higher revision.
    let mut mended = goods("T-1", &customer);
    let error = world.erp.place_return(&mended).await.unwrap_err();
    assert!(matches!(error, ErpError::Contradiction { .. }), "{error}");
    mended.revision = 99;
    assert_eq!(placed(&world, &mended).await.state, ReturnState::Open);
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    assert_eq!(
        states(&mirror),
        [ReturnState::Open],
        "a refusal tells nothing"
    );
}

#[tokio::test]
async fn a_return_is_given_up_once_and_not_after_a_receipt() {
    let world = world().await;
    let customer = sold(&world).await;
    let opened = placed(&world, &goods("T-1", &customer)).await;
    let cancelled = world.erp.cancel_return(&opened.key).await.unwrap();
    let again = world.erp.cancel_return(&opened.key).await.unwrap();
    assert_eq!(cancelled.state, ReturnState::Cancelled);
    assert_eq!(again, cancelled);
    let other = placed(&world, &goods("T-2", &customer)).await;
    desk(&world, "receive-return", "T-2", Some(1)).await;
    let error = world.erp.cancel_return(&other.key).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Refused { code, .. } if code == "Application_DialogException"),
        "{error}"
    );
}

#[tokio::test]
async fn the_feed_tells_what_people_did() {
    let world = world().await;
    let customer = sold(&world).await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    let opened = placed(&world, &goods("T-1", &customer)).await;
    desk(&world, "receive-return", "T-1", Some(1)).await;
    desk(&world, "inspect-return", "T-1", None).await;
    placed(&world, &goods("T-2", &customer)).await;
    desk(&world, "cancel-return", "T-2", None).await;
    desk(&world, "credit-return", "T-1", None).await;
    mirror.catch_up(&*world.erp, Flow::Returns).await;
    assert_eq!(mirror.unreadable, Vec::<String>::new());
    assert_eq!(
        states(&mirror),
        [
            ReturnState::Open,
            ReturnState::Received,
            ReturnState::Received,
            ReturnState::Open,
            ReturnState::Cancelled,
            ReturnState::Credited,
        ]
    );
    // The feed does not say what the goods were bought with.
    let followed = |observed: ReturnObserved| ReturnObserved {
        order_number: None,
        ..observed
    };
    assert_eq!(mirror.returns[0], followed(opened.clone()));
    assert_eq!(mirror.returns[2].lines[0].restocked, Quantity::from(1));
    let now = world.erp.find_return(&opened.key).await.unwrap();
    assert_eq!(mirror.returns.last(), now.map(followed).as_ref());
    // A reader that begins later is told the same from the start.
    let mut later = Mirror::default();
    later.catch_up(&*world.erp, Flow::Returns).await;
    assert_eq!(later.returns, mirror.returns);
}

#[tokio::test]
async fn a_credit_is_one_document_in_both_feeds() {
    let world = world().await;
    let customer = sold(&world).await;
    let opened = placed(&world, &goods("T-1", &customer)).await;
    desk(&world, "receive-return", "T-1", None).await;
    desk(&world, "credit-return", "T-1", None).await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Documents).await;
    let credits: Vec<_> = mirror
        .documents
        .iter()
        .filter(|document| document.document.kind == DocumentKind::CreditMemo)
        .collect();
    assert_eq!(credits.len(), 1);
    assert_eq!(credits[0].order_number.as_str(), "1042");
    assert_eq!(credits[0].lines[0].quantity, Quantity::from(2));
    let returned = world.erp.find_return(&opened.key).await.unwrap().unwrap();
    assert_eq!(
        returned.credit_memo_numbers,
        [credits[0].document.number.clone()]
    );
}
