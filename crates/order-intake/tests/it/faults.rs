//! The ERP lies, the network loses, processes die: there is one document, and nothing is lost.

use std::time::Duration;

use millrace_contract::order::v1::{GetOrderRequest, OrderState};
use millrace_contract::webshop_orders::v1::HoldKind;
use millrace_erp::Erp;
use millrace_erp::document::{NewOrder, NewOrderLine};
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, OrderNumber, Percentage, Quantity, Sku,
    Timestamp, UnitPrice,
};

use crate::instance::{OPERATOR, config};
use crate::sale::{CHAIR, CHANNEL, new_customers_order, order};
use crate::world::{PATIENCE, World, migrated};

/// F2 and F3. Row 113.
#[tokio::test]
async fn whatever_becomes_of_the_answer_there_is_one_document() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    let lost = |when| {
        Rule::new(Kind::LostAnswer)
            .on("POST", "orderBuffer")
            .when(when)
    };
    let timed_out = |when| {
        Rule::new(Kind::GatewayTimeout)
            .on("POST", "orderBuffer")
            .when(when)
    };
    let faults = [
        lost(When::After),
        lost(When::Before),
        lost(When::Later).delay(Duration::from_millis(200)),
        timed_out(When::After),
        timed_out(When::Before),
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        let number = format!("60{index:02}");
        world.simulator.fault(fault);
        instance.submit(order(&number, &customer, 1)).await.unwrap();
        let view = instance.until_state(&number, OrderState::Posted).await;
        assert_eq!(view.total_difference, None);
        assert_eq!(world.documents(&number).await, 1, "{number}");
    }
    assert_eq!(world.simulator.fired("lostAnswer"), 3);
    assert_eq!(world.simulator.fired("gatewayTimeout"), 2);
    instance.stop().await;
}

/// The twenty seconds of silence, in short: the ERP works longer than we wait.
#[tokio::test]
async fn an_erp_that_answers_nothing_for_a_while_still_has_one_document() {
    let world = World::new().await;
    let instance = world.instance().await;
    let silence = Rule::new(Kind::SlowAnswer)
        .on("POST", "orderBuffer")
        .times(3)
        .delay(Duration::from_millis(900));
    world.simulator.fault(silence);
    instance
        .submit(order("6101", &world.customer(), 1))
        .await
        .unwrap();
    instance.until_state("6101", OrderState::Posted).await;
    assert_eq!(world.documents("6101").await, 1);
    assert!(world.simulator.fired("slowAnswer") > 0);
    instance.stop().await;
}

/// F5 and F6.
#[tokio::test]
async fn a_storm_of_429_and_expired_tokens_delays_orders_and_loses_none() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    world
        .simulator
        .fault(Rule::new(Kind::Throttle).on("POST", "orderBuffer").times(6));
    world.simulator.fault(
        Rule::new(Kind::TokenExpired)
            .on("POST", "orderBuffer")
            .times(2),
    );
    for number in 6201..6206 {
        instance
            .submit(order(&number.to_string(), &customer, 1))
            .await
            .unwrap();
    }
    for number in 6201..6206 {
        instance
            .until_state(&number.to_string(), OrderState::Posted)
            .await;
        assert_eq!(world.documents(&number.to_string()).await, 1);
    }
    assert_eq!(world.simulator.fired("throttle"), 6);
    instance.stop().await;
}

/// F10's kind: what can be served is served.
#[tokio::test]
async fn orders_are_taken_while_the_erp_is_away_and_posted_when_it_is_back() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    world.simulator.fault(Rule::new(Kind::Unavailable).times(0));
    for number in 6301..6304 {
        let taken = instance
            .submit(order(&number.to_string(), &customer, 1))
            .await
            .unwrap();
        assert_eq!(taken.order.unwrap().state(), OrderState::Accepted);
    }
    millrace_test_rig::until(PATIENCE, "the trouble is shown", async || {
        let report = serde_json::to_string(&instance.health.report()).unwrap();
        report.contains("orders cannot be posted").then_some(())
    })
    .await;
    assert!(instance.health.report().ready, "orders are still taken");
    let mut operator = instance.as_caller(OPERATOR).await;
    millrace_test_rig::until(PATIENCE, "an operator sees why it waits", async || {
        let seen = operator
            .get_order(asked("6301"))
            .await
            .unwrap()
            .into_inner();
        (!seen.order.unwrap().waits_because.is_empty()).then_some(())
    })
    .await;
    assert_eq!(instance.get("6301").await.waits_because, "", "no shop does");
    world.simulator.clear_faults();
    for number in 6301..6304 {
        instance
            .until_state(&number.to_string(), OrderState::Posted)
            .await;
        assert_eq!(world.documents(&number.to_string()).await, 1);
    }
    let seen = operator
        .get_order(asked("6301"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(seen.order.unwrap().waits_because, "");
    assert_eq!(instance.count("order_intake_posted"), 3);
    instance.stop().await;
}

fn asked(number: &str) -> GetOrderRequest {
    GetOrderRequest {
        channel: CHANNEL.into(),
        order_number: number.into(),
        include_personal: false,
    }
}

#[tokio::test]
async fn a_new_customer_whose_creation_went_unanswered_is_one_customer() {
    let world = World::new().await;
    let instance = world.instance().await;
    let before = world.simulator.read(|tables| tables.customers.len());
    world
        .simulator
        .fault(Rule::new(Kind::LostAnswer).on("POST", "customers").times(2));
    instance
        .submit(new_customers_order("6401", "c-640"))
        .await
        .unwrap();
    instance.until_state("6401", OrderState::Posted).await;
    assert_eq!(
        world.simulator.read(|tables| tables.customers.len()),
        before + 1
    );
    assert_eq!(world.documents("6401").await, 1);
    instance.stop().await;
}

#[tokio::test]
async fn a_number_under_which_the_erp_has_another_order_is_held() {
    let world = World::new().await;
    let instance = world.instance().await;
    world
        .erp
        .place_order(&somebody_elses_order("6501", &world.customer()))
        .await
        .unwrap();
    instance
        .submit(order("6501", &world.customer(), 2))
        .await
        .unwrap();
    let held = instance.until_state("6501", OrderState::Held).await;
    assert_eq!(held.hold_reasons[0].kind(), HoldKind::ErpRefused);
    assert_eq!(world.documents("6501").await, 1);
    instance.stop().await;
}

/// F1's kind: a process that is gone leaves its claims behind; they expire.
#[tokio::test]
async fn orders_of_a_process_that_died_are_posted_by_the_next_one() {
    let world = World::new().await;
    let database = migrated("sqlite::memory:").await;
    let mut short = config();
    short.claim = Duration::from_millis(600);
    let first = world
        .instance_with(database.clone(), short.clone(), |_| {})
        .await;
    world.simulator.fault(
        Rule::new(Kind::SlowAnswer)
            .on("POST", "orderBuffer")
            .times(0)
            .delay(Duration::from_secs(60)),
    );
    let customer = world.customer();
    for number in 6601..6604 {
        first
            .submit(order(&number.to_string(), &customer, 1))
            .await
            .unwrap();
    }
    millrace_test_rig::until(PATIENCE, "an attempt is under way", async || {
        (world.simulator.fired("slowAnswer") > 0).then_some(())
    })
    .await;
    first.kill();
    world.simulator.clear_faults();
    let second = world.instance_with(database, short, |_| {}).await;
    for number in 6601..6604 {
        second
            .until_state(&number.to_string(), OrderState::Posted)
            .await;
        assert_eq!(world.documents(&number.to_string()).await, 1);
    }
    second.stop().await;
}

/// F7.
#[tokio::test]
async fn two_instances_on_one_database_make_one_document_per_order() {
    let world = World::new().await;
    let url = millrace_test_rig::postgres()
        .await
        .create_database("order_intake")
        .await
        .unwrap();
    let one = world.instance_on(migrated(&url).await, |_| {}).await;
    let two = world.instance_on(migrated(&url).await, |_| {}).await;
    let customer = world.customer();
    let numbers: Vec<String> = (6701..6725).map(|number| number.to_string()).collect();
    for number in &numbers {
        // The shop is impatient: it sends each order to both at once.
        let (here, there) = tokio::join!(
            one.submit(order(number, &customer, 1)),
            two.submit(order(number, &customer, 1))
        );
        let repeated = [
            here.unwrap().repeated_submission,
            there.unwrap().repeated_submission,
        ];
        assert_eq!(repeated.iter().filter(|repeated| **repeated).count(), 1);
    }
    for number in &numbers {
        two.until(number, "it is confirmed", |view| !view.documents.is_empty())
            .await;
        assert_eq!(world.documents(number).await, 1);
    }
    let posted = one.count("order_intake_posted") + two.count("order_intake_posted");
    assert_eq!(posted, 24, "each order was posted by one of them");
    one.stop().await;
    two.stop().await;
}

fn somebody_elses_order(number: &str, customer: &str) -> NewOrder {
    let euro = Currency::parse("EUR").unwrap();
    let amount = |text: &str| Amount::new(euro, text.parse().unwrap()).unwrap();
    NewOrder {
        channel: ChannelCode::parse(CHANNEL).unwrap(),
        number: OrderNumber::parse(number).unwrap(),
        revision: 1,
        placed_at: Timestamp::parse("2026-11-22T10:00:00Z").unwrap(),
        customer: CustomerNumber::parse(customer).unwrap(),
        parties: millrace_erp::party::Parties::default(),
        currency: euro,
        prices_include_tax: false,
        payment_method_code: String::new(),
        payment_terms_code: String::new(),
        shipment_method_code: String::new(),
        requested_delivery: None,
        lines: vec![NewOrderLine {
            line_number: 7,
            item: Sku::parse(CHAIR).unwrap(),
            variant: None,
            location: None,
            quantity: Quantity::from(1),
            unit: None,
            unit_price: UnitPrice::new(euro, "100".parse().unwrap()).unwrap(),
            discount: Amount::zero(euro),
            tax_percent: Percentage::new("19".parse().unwrap()).unwrap(),
            net: amount("100"),
            gross: amount("119"),
        }],
        freight: None,
        net: amount("100"),
        tax: amount("19"),
        gross: amount("119"),
    }
}
