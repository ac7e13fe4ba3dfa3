//! What is refused, by name, and changes nothing.

use millrace_contract::reservation::v1 as proto;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::world::{CHAIR, CHANNEL, LAMP, OTHER, STORE, World, pieces, reason, wish};

type Wish = proto::CreateReservationRequest;

fn changed(change: impl FnOnce(&mut Wish)) -> Wish {
    let mut wish = wish("R-1", &[(CHAIR, 1)]);
    change(&mut wish);
    wish
}

fn fields(refused: &Status) -> Vec<String> {
    let details = refused.get_error_details();
    let violations = details
        .bad_request()
        .map(|bad| bad.field_violations.clone());
    violations
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test]
async fn what_a_store_cannot_promise_is_refused_by_name_and_nothing_is_held() {
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 5)]).await;
    world.tell(LAMP, &[("MAIN", 5)]).await;
    let instance = world.instance().await;
    instance.knows(CHAIR).await;
    instance.knows(LAMP).await;
    let mut shop = instance.shop.clone();
    let cases: [(Wish, Code, &str); 8] = [
        (
            wish("R-1", &[(CHAIR, 6)]),
            Code::FailedPrecondition,
            "STOCK_TOO_LOW",
        ),
        (
            wish("R-1", &[(CHAIR, 5), (LAMP, 1)]),
            Code::FailedPrecondition,
            "STOCK_UNKNOWN",
        ),
        (
            wish("R-1", &[("NO-SUCH", 1)]),
            Code::FailedPrecondition,
            "UNKNOWN_ITEM",
        ),
        (
            wish("R-1", &[(CHAIR, 1); 11]),
            Code::FailedPrecondition,
            "TOO_MANY_LINES",
        ),
        (
            wish("R-1", &[(CHAIR, 1001)]),
            Code::FailedPrecondition,
            "QUANTITY_TOO_LARGE",
        ),
        (
            changed(|wish| wish.reservation.as_mut().unwrap().store = "NOWHERE".to_owned()),
            Code::NotFound,
            "",
        ),
        (
            changed(|wish| wish.reservation.as_mut().unwrap().store = "STORE-2".to_owned()),
            Code::NotFound,
            "",
        ),
        (
            changed(|wish| wish.reservation.as_mut().unwrap().channel = OTHER.to_owned()),
            Code::PermissionDenied,
            "WRONG_CHANNEL",
        ),
    ];
    for (wish, code, expected) in cases {
        let refused = shop.create_reservation(wish).await.unwrap_err();
        assert_eq!(
            (refused.code(), &*reason(&refused)),
            (code, expected),
            "{refused:?}"
        );
    }
    assert_eq!(instance.held(CHAIR).await, 0);
}

#[tokio::test]
async fn what_is_malformed_is_refused_field_by_field() {
    let world = World::new().await;
    let instance = world.instance().await;
    let mut shop = instance.shop.clone();
    let wish = changed(|wish| {
        wish.contact = None;
        let reservation = wish.reservation.as_mut().unwrap();
        reservation.placed_at = None;
        let line = reservation.lines[0].clone();
        let mut half = line.clone();
        half.quantity.as_mut().unwrap().nanos = 500_000_000;
        let mut none = line.clone();
        (none.line_number, none.quantity) = (0, Some(pieces(0)));
        reservation.lines.extend([half, none]);
    });
    let refused = shop.create_reservation(wish).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let expected = [
        "reservation.placed_at",
        "reservation.lines[1].line_number",
        "reservation.lines[1].quantity",
        "reservation.lines[2].line_number",
        "reservation.lines[2].quantity",
        "contact",
    ];
    assert_eq!(fields(&refused), expected);
}

#[tokio::test]
async fn a_number_stands_for_one_reservation() {
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 5)]).await;
    let instance = world.instance().await;
    instance.knows(CHAIR).await;
    let mut shop = instance.shop.clone();
    shop.create_reservation(wish("R-1", &[(CHAIR, 1)]))
        .await
        .unwrap();
    let other = shop
        .create_reservation(wish("R-1", &[(CHAIR, 2)]))
        .await
        .unwrap_err();
    assert_eq!(
        (other.code(), &*reason(&other)),
        (Code::AlreadyExists, "OTHER_CONTENT")
    );
    let somebody_else = changed(|wish| {
        wish.contact.as_mut().unwrap().email = "otto@example.com".to_owned();
    });
    let other = shop.create_reservation(somebody_else).await.unwrap_err();
    assert_eq!(
        (other.code(), &*reason(&other)),
        (Code::AlreadyExists, "OTHER_CONTENT")
    );
    assert_eq!(instance.held(CHAIR).await, 1);
}

#[tokio::test]
async fn who_may_not_does_not_and_nobody_sees_another_channels() {
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 5)]).await;
    let instance = world.instance().await;
    instance.knows(CHAIR).await;
    let (mut shop, mut outlet, mut staff) = (
        instance.shop.clone(),
        instance.outlet.clone(),
        instance.staff.clone(),
    );
    shop.create_reservation(wish("R-1", &[(CHAIR, 1)]))
        .await
        .unwrap();
    let get = |channel: &str, include_personal| proto::GetReservationRequest {
        channel: channel.to_owned(),
        reservation_number: "R-1".to_owned(),
        include_personal,
    };
    let foreign = outlet
        .get_reservation(get(CHANNEL, false))
        .await
        .unwrap_err();
    assert_eq!(reason(&foreign), "WRONG_CHANNEL");
    let elsewhere = outlet.get_reservation(get(OTHER, false)).await.unwrap_err();
    assert_eq!(elsewhere.code(), Code::NotFound);
    let post = proto::PostReservationRequest {
        channel: CHANNEL.to_owned(),
        reservation_number: "R-1".to_owned(),
        found: vec![],
    };
    let shop_posts = shop.post_reservation(post).await.unwrap_err();
    assert_eq!(reason(&shop_posts), "MISSING_SCOPE");
    let personal = staff.get_reservation(get(CHANNEL, true)).await.unwrap_err();
    assert_eq!(reason(&personal), "MISSING_SCOPE");
    let own = shop
        .get_reservation(get(CHANNEL, true))
        .await
        .unwrap()
        .into_inner();
    let contact = own.reservation.unwrap().contact.unwrap();
    assert_eq!(contact.email, "erika@example.com");
}
