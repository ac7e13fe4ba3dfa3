//! Goods reserved in stores: asked for, put aside, given back, counted; and what people do is noticed.

use millrace_erp::stock::{Figure, StockKey, StockObserved};
use millrace_erp::transfer::{
    CountRequest, FoundQuantity, NewTransfer, TransferKey, TransferLine, TransferObserved,
    TransferState,
};
use millrace_erp::{Erp, ErpError, Flow};
use millrace_erp_simulator::CompanyData;
use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_values::{
    ChannelCode, LocationCode, Quantity, ReservationNumber, Sku, UnitCode, VariantCode,
};
use serde_json::{Value, json};

use crate::mirror::{Mirror, assert_equal};
use crate::world::{World, standard_world, world};

fn location(code: &str) -> LocationCode {
    LocationCode::parse(code).unwrap()
}

pub fn key(number: &str) -> TransferKey {
    TransferKey {
        channel: ChannelCode::parse("furniture-de").unwrap(),
        number: ReservationNumber::parse(number).unwrap(),
    }
}

/// Three of the five white chairs in Hamburg.
pub fn chairs(number: &str) -> NewTransfer {
    NewTransfer {
        key: key(number),
        store: location("STORE-HH"),
        reservation_warehouse: location("RES-HH"),
        reference: "Erika M., Freitag".into(),
        lines: vec![TransferLine {
            line_number: 1,
            item: Sku::parse("1000").unwrap(),
            variant: Some(VariantCode::parse("WEISS").unwrap()),
            unit: None,
            quantity: Quantity::from(3),
        }],
    }
}

pub fn found(quantity: u32) -> [FoundQuantity; 1] {
    [FoundQuantity {
        line_number: 1,
        quantity: Quantity::from(quantity),
    }]
}

pub async fn requested(world: &World, number: &str) -> TransferObserved {
    let placed = world.erp.request_transfer(&chairs(number)).await.unwrap();
    assert!(!placed.existed);
    placed.transfer
}

fn count(number: &str) -> CountRequest {
    CountRequest {
        reservation: key(number),
        line_number: 1,
        location: location("STORE-HH"),
        item: Sku::parse("1000").unwrap(),
        variant: Some(VariantCode::parse("WEISS").unwrap()),
        reason: "not found".into(),
    }
}

async fn looked_up(world: &World) -> StockObserved {
    let key = StockKey {
        item: Sku::parse("1000").unwrap(),
        variant: VariantCode::parse_optional("WEISS").unwrap(),
    };
    world.erp.stock_now(&[key]).await.unwrap().remove(0)
}

/// On hand and reserved of the white chairs.
pub async fn pieces(world: &World, place: &str) -> (Quantity, Quantity) {
    let observed = looked_up(world).await;
    let at = |figure: &&Figure| figure.location == location(place);
    let figure = observed.figures.iter().find(at).unwrap();
    (figure.on_hand, figure.reserved)
}

pub fn quantities(on_hand: u32, reserved: u32) -> (Quantity, Quantity) {
    (Quantity::from(on_hand), Quantity::from(reserved))
}

pub fn office_key(number: &str) -> Value {
    json!({ "channel": "FURNITURE-DE", "reservationNumber": number })
}

pub fn states(mirror: &Mirror) -> Vec<TransferState> {
    mirror
        .transfers
        .iter()
        .map(|transfer| transfer.state)
        .collect()
}

#[tokio::test]
async fn stores_are_told_with_their_reservation_warehouses() {
    let world = world().await;
    let popup: CompanyData = serde_json::from_value(json!({
        "locations": [{ "code": "POPUP", "name": "Stand auf dem Markt", "store": true }],
    }))
    .unwrap();
    world.simulator.load(&popup).await.unwrap();
    let mut stores = world.erp.stores().await.unwrap();
    stores.sort_by(|left, right| left.location.cmp(&right.location));
    let told: Vec<(&str, &str, Option<&str>)> = stores
        .iter()
        .map(|store| {
            let warehouse = store.reservation_warehouse.as_ref();
            (
                store.location.as_str(),
                store.name.as_str(),
                warehouse.map(LocationCode::as_str),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("POPUP", "Stand auf dem Markt", None),
            ("STORE-B", "Filiale Berlin", Some("RES-B")),
            ("STORE-HH", "Filiale Hamburg", Some("RES-HH")),
            ("STORE-M", "Filiale München", Some("RES-M")),
        ]
    );
    assert!(world.erp.capabilities().await.unwrap().transfer_requests);
}

#[tokio::test]
async fn a_request_is_reserved_in_the_store_until_it_is_posted() {
    let world = world().await;
    let before = looked_up(&world).await;
    let transfer = requested(&world, "R-1").await;
    assert_eq!(transfer.state, TransferState::Open);
    assert_eq!(pieces(&world, "STORE-HH").await, quantities(5, 3));
    let after = looked_up(&world).await;
    let version = transfer.row_version.unwrap();
    assert!(before.boundary.unwrap() <= version);
    assert!(after.boundary.unwrap() > version);

    let posted = world
        .erp
        .post_transfer(&transfer.key, &found(2))
        .await
        .unwrap();
    assert_eq!(posted.state, TransferState::Posted);
    assert!(posted.document_number.is_some() && posted.return_document_number.is_none());
    assert_eq!(
        (posted.lines[0].requested, posted.lines[0].found),
        (Quantity::from(3), Quantity::from(2))
    );
    assert!(posted.row_version > transfer.row_version);
    assert_eq!(pieces(&world, "STORE-HH").await, quantities(3, 0));
    assert_eq!(pieces(&world, "RES-HH").await, quantities(2, 2));
    // What is followed says the same as what is looked up.
    let mut mirror = Mirror::default();
    mirror.catch_up_all(&*world.erp).await;
    assert_equal(&mirror, &world.simulator);
}

#[tokio::test]
async fn a_figure_that_is_followed_contains_a_request_when_its_boundary_says_so() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Stock).await;
    let transfer = requested(&world, "R-1").await;
    let cursor = mirror.cursor(Flow::Stock);
    let page = world.erp.read(Flow::Stock, cursor.as_ref()).await.unwrap();
    let millrace_erp::Observed::Stock(stock) = &page.observations[0] else {
        panic!("{page:?}");
    };
    assert!(stock.boundary.unwrap() > transfer.row_version.unwrap());
    let reserved: Quantity = stock.figures.iter().map(|figure| figure.reserved).sum();
    assert_eq!(reserved, Quantity::from(3));
}

#[tokio::test]
async fn nothing_found_cancels_the_whole_request() {
    let world = world().await;
    let transfer = requested(&world, "R-1").await;
    let cancelled = world.erp.post_transfer(&transfer.key, &[]).await.unwrap();
    assert_eq!(cancelled.state, TransferState::Cancelled);
    assert_eq!(cancelled.document_number, None);
    assert_eq!(pieces(&world, "STORE-HH").await, quantities(5, 0));
}

#[tokio::test]
async fn a_cancellation_after_posting_is_refused() {
    let world = world().await;
    let transfer = requested(&world, "R-1").await;
    world
        .erp
        .post_transfer(&transfer.key, &found(3))
        .await
        .unwrap();
    let error = world.erp.cancel_transfer(&transfer.key).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Refused { code, .. } if code == "Application_DialogException"),
        "{error}"
    );
    let other = requested(&world, "R-2").await;
    let cancelled = world.erp.cancel_transfer(&other.key).await.unwrap();
    let again = world.erp.cancel_transfer(&other.key).await.unwrap();
    assert_eq!(cancelled.state, TransferState::Cancelled);
    assert_eq!(again, cancelled);
    let error = world
        .erp
        .post_transfer(&other.key, &found(1))
        .await
        .unwrap_err();
    assert!(matches!(error, ErpError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn goods_go_back_to_the_store_once() {
    let world = world().await;
    let transfer = requested(&world, "R-1").await;
    let error = world.erp.return_transfer(&transfer.key).await.unwrap_err();
    assert!(matches!(error, ErpError::Refused { .. }), "{error}");
    let posted = world
        .erp
        .post_transfer(&transfer.key, &found(2))
        .await
        .unwrap();
    let returned = world.erp.return_transfer(&transfer.key).await.unwrap();
    let again = world.erp.return_transfer(&transfer.key).await.unwrap();
    assert_eq!(again, returned);
    assert_eq!(returned.state, TransferState::Returned);
    assert_eq!(returned.document_number, posted.document_number);
    assert_ne!(returned.return_document_number, posted.document_number);
    assert_eq!(pieces(&world, "STORE-HH").await, quantities(5, 0));
    assert_eq!(pieces(&world, "RES-HH").await, quantities(0, 0));
    let late = world.erp.post_transfer(&transfer.key, &found(2)).await;
    assert_eq!(late.unwrap(), returned);
}

#[tokio::test]
async fn the_same_request_again_is_the_same_transfer_and_another_is_a_contradiction() {
    let world = world().await;
    let transfer = requested(&world, "R-1").await;
    let again = world.erp.request_transfer(&chairs("R-1")).await.unwrap();
    assert!(again.existed);
    assert_eq!(again.transfer, transfer);
    let mut other = chairs("R-1");
    other.lines[0].quantity = Quantity::from(2);
    let error = world.erp.request_transfer(&other).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Contradiction { key } if key == "furniture-de/R-1"),
        "{error}"
    );
    world
        .erp
        .post_transfer(&transfer.key, &found(2))
        .await
        .unwrap();
    let error = world
        .erp
        .post_transfer(&transfer.key, &found(1))
        .await
        .unwrap_err();
    assert!(matches!(error, ErpError::Contradiction { .. }), "{error}");
}

#[tokio::test]
async fn refusals_come_with_the_code_of_the_erp() {
    let world = world().await;
    let data: CompanyData = serde_json::from_value(json!({
        "locations": [{ "code": "POPUP", "name": "Stand auf dem Markt", "store": true }],
        "items": [{ "number": "OLD", "name": "Alt", "blocked": true }],
    }))
    .unwrap();
    world.simulator.load(&data).await.unwrap();
    let from = |store: &str| NewTransfer {
        store: location(store),
        ..chairs("R-1")
    };
    let line = |change: fn(&mut TransferLine)| {
        let mut wanted = chairs("R-1");
        change(&mut wanted.lines[0]);
        wanted
    };
    let cases = [
        (from("NOPE"), "LOCATION"),
        (from("MAIN"), "NOTASTORE"),
        (from("POPUP"), "NOWAREHOUSE"),
        (from("STORE-B"), "WAREHOUSE"),
        (line(|line| line.item = Sku::parse("NOPE").unwrap()), "ITEM"),
        (
            line(|line| {
                line.item = Sku::parse("OLD").unwrap();
                line.variant = None;
            }),
            "ITEMBLOCKED",
        ),
        (
            line(|line| line.variant = Some(VariantCode::parse("NOPE").unwrap())),
            "VARIANT",
        ),
        (
            line(|line| line.unit = Some(UnitCode::parse("CRATE").unwrap())),
            "UNIT",
        ),
        (line(|line| line.quantity = Quantity::ZERO), "QUANTITY"),
    ];
    for (wanted, expected) in cases {
        let error = world.erp.request_transfer(&wanted).await.unwrap_err();
        assert!(
            matches!(&error, ErpError::Refused { code, .. } if code == expected),
            "{expected}: {error}"
        );
        assert_eq!(world.erp.find_transfer(&wanted.key).await.unwrap(), None);
    }
    let error = world.erp.cancel_transfer(&key("R-1")).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Refused { code, .. } if code == "Internal_RecordNotFound"),
        "{error}"
    );
    // What was refused stands in nobody's way.
    let placed = world.erp.request_transfer(&chairs("R-1")).await.unwrap();
    assert_eq!(placed.transfer.state, TransferState::Open);
    assert!(!placed.existed);
}

#[tokio::test]
async fn the_feed_tells_what_people_in_the_store_did() {
    let world = world().await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*world.erp, Flow::Transfers).await;
    let transfer = requested(&world, "R-1").await;
    let mut body = office_key("R-1");
    body["lines"] = json!([{ "line": 1, "quantity": 2 }]);
    world.simulator.office("post-transfer", body).await.unwrap();
    requested(&world, "R-2").await;
    world
        .simulator
        .office("cancel-transfer", office_key("R-2"))
        .await
        .unwrap();
    mirror.catch_up(&*world.erp, Flow::Transfers).await;
    assert_eq!(mirror.unreadable, Vec::<String>::new());
    assert_eq!(
        states(&mirror),
        [
            TransferState::Open,
            TransferState::Posted,
            TransferState::Open,
            TransferState::Cancelled
        ]
    );
    assert_eq!(mirror.transfers[0], transfer);
    let posted = world.erp.find_transfer(&transfer.key).await.unwrap();
    assert_eq!(Some(&mirror.transfers[1]), posted.as_ref());
    assert_eq!(mirror.transfers[1].lines[0].found, Quantity::from(2));
    // A reader that begins later is told the same from the start.
    let mut later = Mirror::default();
    later.catch_up(&*world.erp, Flow::Transfers).await;
    assert_eq!(later.transfers, mirror.transfers);
}

#[tokio::test]
async fn whoever_counts_corrects_the_figure() {
    let world = world().await;
    let wanted = count("R-1");
    world
        .simulator
        .fault(Rule::new(Kind::GatewayTimeout).on("POST", "countRequests"));
    let error = world.erp.request_count(&wanted).await.unwrap_err();
    assert!(matches!(error, ErpError::Unknown), "{error}");
    let placed = world.erp.request_count(&wanted).await.unwrap();
    assert!(placed.existed);
    assert_eq!(placed.counted, None);
    let mut body = office_key("R-1");
    body["line"] = json!(1);
    body["quantity"] = json!(4);
    world.simulator.office("answer-count", body).await.unwrap();
    assert_eq!(pieces(&world, "STORE-HH").await, quantities(4, 0));
    let again = world.erp.request_count(&wanted).await.unwrap();
    assert_eq!(
        (again.system_id, again.counted),
        (placed.system_id, Some(Quantity::from(4)))
    );
    let other = CountRequest {
        reason: "another".into(),
        ..wanted.clone()
    };
    let error = world.erp.request_count(&other).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Contradiction { key } if key == "furniture-de/R-1/1"),
        "{error}"
    );
    let nowhere = CountRequest {
        line_number: 2,
        location: location("NOPE"),
        ..wanted
    };
    let error = world.erp.request_count(&nowhere).await.unwrap_err();
    assert!(
        matches!(&error, ErpError::Refused { code, .. } if code == "LOCATION"),
        "{error}"
    );
}

#[tokio::test]
async fn a_till_may_sell_what_is_reserved_and_the_figure_shows_it() {
    let world = world().await;
    requested(&world, "R-1").await;
    let sale = json!({ "item": "1000", "variant": "WEISS", "location": "STORE-HH", "quantity": 4 });
    world.simulator.office("sell-at-till", sale).await.unwrap();
    assert_eq!(pieces(&world, "STORE-HH").await, quantities(1, 3));
}

#[tokio::test]
async fn the_standard_level_says_that_it_reserves_nothing() {
    let world = standard_world().await;
    assert!(!world.erp.capabilities().await.unwrap().transfer_requests);
    let key = key("R-1");
    let errors = [
        world.erp.stores().await.unwrap_err(),
        world
            .erp
            .request_transfer(&chairs("R-1"))
            .await
            .unwrap_err(),
        world.erp.post_transfer(&key, &found(1)).await.unwrap_err(),
        world.erp.cancel_transfer(&key).await.unwrap_err(),
        world.erp.return_transfer(&key).await.unwrap_err(),
        world.erp.find_transfer(&key).await.unwrap_err(),
        world.erp.request_count(&count("R-1")).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, ErpError::Unsupported(_)), "{error}");
    }
    let page = world.erp.read(Flow::Transfers, None).await.unwrap();
    assert!(page.observations.is_empty() && !page.more);
}
