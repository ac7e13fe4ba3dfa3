//! Writes of the companion level: each of them happens once, whatever becomes of the answer.

use std::time::Duration;

use millrace_erp::document::{DocumentKind, NewOrder, NewOrderLine};
use millrace_erp::party::{Address, NewCustomer, Parties};
use millrace_erp::stock::StockKey;
use millrace_erp::{Erp, ErpError, Flow};
use millrace_erp_simulator::Config;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_values::{
    Amount, ChannelCode, Currency, CustomerNumber, LocationCode, OrderNumber, Percentage, Quantity,
    Sku, Timestamp, UnitPrice,
};
use serde_json::json;

use crate::mirror::{Mirror, assert_equal};
use crate::world::{World, standard_world, world, world_with};

fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn amount(text: &str) -> Amount {
    Amount::new(euro(), text.parse().unwrap()).unwrap()
}

/// Two pieces of a fresh item at 100 each, with 19 % tax.
pub async fn order(world: &World, number: &str) -> NewOrder {
    let taken = world
        .simulator
        .read(|tables| tables.items.by_key("SOLD-1").is_some());
    if !taken {
        world
            .simulator
            .office(
                "create-item",
                json!({ "number": "SOLD-1", "name": "Sold", "unitPrice": 100 }),
            )
            .await
            .unwrap();
    }
    let customer = world.simulator.read(|tables| {
        let home = tables
            .customers
            .iter()
            .find(|customer| customer.address.country == "DE" && customer.currency.is_empty());
        home.expect("the demo company has customers at home")
            .number
            .clone()
    });
    NewOrder {
        channel: ChannelCode::parse("furniture-de").unwrap(),
        number: OrderNumber::parse(number).unwrap(),
        revision: 1,
        placed_at: Timestamp::parse("2026-11-22T10:00:00Z").unwrap(),
        customer: CustomerNumber::parse(&customer).unwrap(),
        parties: Parties {
            sell_to: Address {
                name: "Erika Mustermann".into(),
                line1: "Heidestraße 17".into(),
                postal_code: "51147".into(),
                city: "Köln".into(),
                country_code: "DE".into(),
                ..Address::default()
            },
            email: "erika@example.com".into(),
            ..Parties::default()
        },
        currency: euro(),
        prices_include_tax: false,
        payment_method_code: String::new(),
        payment_terms_code: String::new(),
        shipment_method_code: String::new(),
        requested_delivery: None,
        lines: vec![NewOrderLine {
            line_number: 1,
            item: Sku::parse("SOLD-1").unwrap(),
            variant: None,
            location: Some(LocationCode::parse("MAIN").unwrap()),
            quantity: Quantity::from(2),
            unit: None,
            unit_price: UnitPrice::new(euro(), "100".parse().unwrap()).unwrap(),
            discount: Amount::zero(euro()),
            tax_percent: Percentage::new("19".parse().unwrap()).unwrap(),
            net: amount("200"),
            gross: amount("238"),
        }],
        freight: None,
        net: amount("200"),
        tax: amount("38"),
        gross: amount("238"),
    }
}

async fn documents(world: &World, number: &str) -> usize {
    let body = json!({ "channel": "FURNITURE-DE", "orderNumber": number });
    let answer = world.simulator.office("documents", body).await.unwrap();
    answer["documents"].as_array().unwrap().len()
}

fn new_customer(number: &str) -> NewCustomer {
    NewCustomer {
        channel: ChannelCode::parse("furniture-de").unwrap(),
        shop_customer_number: number.into(),
        parties: Parties {
            sell_to: Address {
                name: "Max Mustermann".into(),
                country_code: "DE".into(),
                city: "Bonn".into(),
                ..Address::default()
            },
            email: "max@example.com".into(),
            ..Parties::default()
        },
        currency: Some(euro()),
        language: None,
    }
}

/// Rows 41, 43 and 46.
#[tokio::test]
async fn an_order_becomes_one_sales_order_with_the_totals_that_were_sold() {
    let world = world().await;
    let order = order(&world, "1001").await;
    let placed = world.erp.place_order(&order).await.unwrap();
    assert!(!placed.existed);
    assert_eq!(
        (placed.net, placed.tax, placed.gross),
        (order.net, order.tax, order.gross)
    );
    let again = world.erp.place_order(&order).await.unwrap();
    assert!(again.existed);
    assert_eq!(again.document, placed.document);
    assert_eq!(documents(&world, "1001").await, 1);
    let found = world
        .erp
        .find_order(&order.channel, &order.number)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.document.number, placed.document.number);
    let other = OrderNumber::parse("9999").unwrap();
    assert_eq!(
        world.erp.find_order(&order.channel, &other).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn other_content_under_the_same_number_is_a_contradiction() {
    let world = world().await;
    let first = order(&world, "1002").await;
    world.erp.place_order(&first).await.unwrap();
    let mut other = first.clone();
    other.lines[0].quantity = Quantity::from(3);
    let error = world.erp.place_order(&other).await.unwrap_err();
    assert!(matches!(error, ErpError::Contradiction { .. }), "{error}");
}

#[tokio::test]
async fn an_order_the_erp_refuses_is_taken_when_it_was_mended() {
    let world = world().await;
    let good = order(&world, "1003").await;
    let mut bad = good.clone();
    bad.lines[0].item = Sku::parse("NO-SUCH-ITEM").unwrap();
    let error = world.erp.place_order(&bad).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Refused { code, .. } if code == "ITEM"),
        "{error}"
    );
    let mended = NewOrder {
        revision: 2,
        ..good
    };
    let placed = world.erp.place_order(&mended).await.unwrap();
    assert_eq!(placed.gross, mended.gross);
    assert_eq!(documents(&world, "1003").await, 1);
}

/// Row 113. F2, F3: the answer is lost after or before the commit, the gateway gives up, the work is done later.
#[tokio::test]
async fn whatever_becomes_of_the_answer_there_is_one_document() {
    let world = world().await;
    let faults = [
        Rule::new(Kind::LostAnswer)
            .on("POST", "orderBuffer")
            .when(When::After),
        Rule::new(Kind::LostAnswer)
            .on("POST", "orderBuffer")
            .when(When::Before),
        Rule::new(Kind::GatewayTimeout)
            .on("POST", "orderBuffer")
            .when(When::After),
        Rule::new(Kind::GatewayTimeout)
            .on("POST", "orderBuffer")
            .when(When::Before),
        Rule::new(Kind::LostAnswer)
            .on("POST", "orderBuffer")
            .when(When::Later)
            .delay(Duration::from_millis(100)),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let number = format!("20{number}");
        let order = order(&world, &number).await;
        world.simulator.fault(fault);
        let error = world.erp.place_order(&order).await.unwrap_err();
        assert!(matches!(error, ErpError::Unknown), "{error}");
        world.erp.place_order(&order).await.unwrap();
        world.erp.place_order(&order).await.unwrap();
        assert_eq!(documents(&world, &number).await, 1);
    }
    assert_eq!(world.simulator.fired("lostAnswer"), 3);
}

#[tokio::test]
async fn an_erp_that_answers_nothing_for_a_while_still_books_once() {
    let world = world_with(Config::default(), |settings| {
        settings.limits.write_timeout = Duration::from_millis(300);
    })
    .await;
    let order = order(&world, "3001").await;
    world.simulator.fault(
        Rule::new(Kind::SlowAnswer)
            .on("POST", "orderBuffer")
            .delay(Duration::from_millis(900)),
    );
    let error = world.erp.place_order(&order).await.unwrap_err();
    assert!(matches!(error, ErpError::Unknown), "{error}");
    world.erp.place_order(&order).await.unwrap();
    assert_eq!(documents(&world, "3001").await, 1);
}

#[tokio::test]
async fn an_order_is_not_lost_to_throttling_or_an_expired_token() {
    let world = world().await;
    let order = order(&world, "3002").await;
    world
        .simulator
        .fault(Rule::new(Kind::Throttle).on("POST", "orderBuffer").times(2));
    world
        .simulator
        .fault(Rule::new(Kind::TokenExpired).on("POST", "orderBuffer"));
    world.erp.place_order(&order).await.unwrap();
    assert_eq!(documents(&world, "3002").await, 1);
}

#[tokio::test]
async fn an_outage_leaves_no_doubt_that_nothing_happened() {
    let world = world().await;
    let order = order(&world, "3003").await;
    world
        .simulator
        .fault(Rule::new(Kind::Unavailable).on("POST", "orderBuffer"));
    let error = world.erp.place_order(&order).await.unwrap_err();
    assert!(matches!(error, ErpError::Away { .. }), "{error}");
    assert_eq!(documents(&world, "3003").await, 0);
}

#[tokio::test]
async fn a_customer_is_created_once() {
    let world = world().await;
    world
        .simulator
        .fault(Rule::new(Kind::LostAnswer).on("POST", "customers"));
    let before = world.simulator.read(|tables| tables.customers.len());
    let customer = new_customer("4711");
    assert!(matches!(
        world.erp.create_customer(&customer).await.unwrap_err(),
        ErpError::Unknown
    ));
    let created = world.erp.create_customer(&customer).await.unwrap();
    let again = world.erp.create_customer(&customer).await.unwrap();
    assert!(again.existed);
    assert_eq!(
        (again.system_id, &again.number),
        (created.system_id, &created.number)
    );
    assert_eq!(
        world.simulator.read(|tables| tables.customers.len()),
        before + 1
    );
    let mut other = customer.clone();
    other.parties.sell_to.name = "Somebody Else".into();
    assert!(matches!(
        world.erp.create_customer(&other).await.unwrap_err(),
        ErpError::Contradiction { .. }
    ));
    let page = world.erp.read(Flow::Customers, None).await.unwrap();
    assert!(page.snapshot);
}

/// Rows 58 and 59. What became of the order: released, shipped with tracking, invoiced, credited, line by line.
#[tokio::test]
async fn documents_of_an_order_are_told_with_their_lines_and_tracking() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Documents).await;
    let order = order(&world, "5001").await;
    let placed = world.erp.place_order(&order).await.unwrap();
    let key = json!({ "channel": "FURNITURE-DE", "orderNumber": "5001" });
    let with = |more: serde_json::Value| {
        let mut body = key.clone();
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let ship = with(
        json!({ "lines": [{ "line": 1, "quantity": 1 }], "agent": "DHL", "tracking": "JJD0001" }),
    );
    world.simulator.office("ship", ship).await.unwrap();
    world
        .simulator
        .office(
            "ship",
            with(json!({ "agent": "DHL", "tracking": "JJD0002" })),
        )
        .await
        .unwrap();
    world
        .simulator
        .office("invoice", key.clone())
        .await
        .unwrap();
    mirror.catch_up(&*world.erp, Flow::Documents).await;
    let kinds: Vec<DocumentKind> = mirror
        .documents
        .iter()
        .map(|document| document.document.kind)
        .collect();
    assert!(kinds.starts_with(&[DocumentKind::SalesOrder]), "{kinds:?}");
    let shipments: Vec<_> = mirror
        .documents
        .iter()
        .filter(|document| document.document.kind == DocumentKind::Shipment)
        .collect();
    assert_eq!(shipments.len(), 2);
    assert_eq!(shipments[0].tracking_number, "JJD0001");
    assert_eq!(shipments[0].lines[0].quantity, Quantity::from(1));
    assert_eq!(shipments[1].tracking_number, "JJD0002");
    assert!(
        shipments
            .iter()
            .all(|shipment| !shipment.carrier.is_empty() && shipment.channel == order.channel)
    );
    let invoice = mirror.documents.last().unwrap();
    assert_eq!(invoice.document.kind, DocumentKind::Invoice);
    assert_eq!(invoice.lines[0].quantity, Quantity::from(2));
    assert_eq!(mirror.documents[0].document.number, placed.document.number);
}

/// Row 114. A figure contains an order if and only if the order's row version is below the figure's boundary.
#[tokio::test]
async fn a_figure_says_whether_it_contains_an_order() {
    let world = world().await;
    let order = order(&world, "6001").await;
    let key = StockKey {
        item: order.lines[0].item.clone(),
        variant: None,
    };
    let before = world
        .erp
        .stock_now(std::slice::from_ref(&key))
        .await
        .unwrap();
    let placed = world.erp.place_order(&order).await.unwrap();
    let after = world.erp.stock_now(&[key]).await.unwrap();
    let version = placed.document.row_version.unwrap();
    assert!(before[0].boundary.unwrap() <= version);
    assert!(after[0].boundary.unwrap() > version);
    let allocated: Quantity = after[0].figures.iter().map(|figure| figure.allocated).sum();
    assert_eq!(allocated, Quantity::from(2));
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    assert_equal(&mirror, &world.simulator);
}

/// Row 78.
#[tokio::test]
async fn a_live_lookup_leaves_out_what_the_erp_does_not_know() {
    let world = world().await;
    let key = |number: &str| StockKey {
        item: Sku::parse(number).unwrap(),
        variant: None,
    };
    let known = world
        .simulator
        .read(|tables| tables.items.iter().next().unwrap().number.clone());
    let found = world
        .erp
        .stock_now(&[key("NO-SUCH-ITEM"), key(&known)])
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].number.as_str(), known);
}

#[tokio::test]
async fn the_standard_level_says_that_it_writes_nothing() {
    let world = standard_world().await;
    let error = world
        .erp
        .create_customer(&new_customer("1"))
        .await
        .unwrap_err();
    assert!(matches!(error, ErpError::Unsupported(_)), "{error}");
    let capabilities = world.erp.capabilities().await.unwrap();
    assert!(!capabilities.order_buffer && !capabilities.change_queue);
}
