//! A reservation from the shop's wish to the till, and the ways it may end otherwise.

use jiff::SignedDuration;

use millrace_contract::reservation::v1::ReservationState;
use tonic::Code;

use crate::calls::{cancel, get, pick_up, post, state_of, view_of, work};
use crate::world::{CHAIR, Instance, LAMP, PATIENCE, STORE, World, reason, wish};

async fn stocked(world: &World) -> Instance {
    world.tell(CHAIR, &[(STORE, 5), ("MAIN", 500)]).await;
    world.tell(LAMP, &[(STORE, 2)]).await;
    let instance = world.instance().await;
    instance.knows(CHAIR).await;
    instance.knows(LAMP).await;
    instance
}

/// Rows 84, 88, 89 of FEATURES.md.
#[tokio::test]
async fn goods_are_held_found_and_fetched() {
    let world = World::new().await;
    let instance = stocked(&world).await;
    let (mut shop, mut staff) = (instance.shop.clone(), instance.staff.clone());

    let wish = wish("R-1", &[(CHAIR, 3), (LAMP, 1)]);
    let made = shop
        .create_reservation(wish.clone())
        .await
        .unwrap()
        .into_inner();
    let view = made.reservation.unwrap();
    assert!(!made.repeated && view.in_millrace_alone);
    assert_eq!(view.state(), ReservationState::Requested);
    assert_eq!(
        (instance.held(CHAIR).await, instance.held(LAMP).await),
        (3, 1)
    );
    let again = shop.create_reservation(wish).await.unwrap().into_inner();
    assert!(again.repeated);
    assert_eq!(instance.held(CHAIR).await, 3);

    let listed = millrace_test_rig::until(PATIENCE, "the store sees the work", async || {
        let page = staff.clone().list_reservations(work()).await.unwrap();
        page.into_inner().reservations.pop()
    })
    .await;
    assert_eq!(listed.reservation.unwrap().reservation_number, "R-1");

    let posted = staff
        .post_reservation(post("R-1", &[(1, 2)]))
        .await
        .unwrap();
    let posted = posted.into_inner().reservation.unwrap();
    assert_eq!(posted.state(), ReservationState::Posted);
    // Two open days after a Friday: Saturday and Monday.
    assert_eq!(posted.collect_by, "2026-11-30");
    assert_eq!(
        (instance.held(CHAIR).await, instance.held(LAMP).await),
        (2, 1)
    );

    let fetched = millrace_test_rig::until(PATIENCE, "the number is found", async || {
        staff
            .clone()
            .pick_up_reservation(pick_up(&posted.document_number))
            .await
            .ok()
    })
    .await;
    let fetched = fetched.into_inner().reservation.unwrap();
    assert_eq!(fetched.state(), ReservationState::PickedUp);
    assert_eq!(
        (instance.held(CHAIR).await, instance.held(LAMP).await),
        (0, 0)
    );
    let again = staff
        .pick_up_reservation(pick_up(&posted.document_number))
        .await;
    assert_eq!(reason(&again.unwrap_err()), "ALREADY_PICKED_UP");
    let version = view_of(&instance, "R-1").await.version;
    assert_eq!(version, fetched.version);
}

/// Row 91 of FEATURES.md.
#[tokio::test]
async fn nothing_found_cancels_and_frees_what_was_held() {
    let world = World::new().await;
    let instance = stocked(&world).await;
    let (mut shop, mut staff) = (instance.shop.clone(), instance.staff.clone());
    shop.create_reservation(wish("R-1", &[(CHAIR, 5)]))
        .await
        .unwrap();
    let answer = staff
        .post_reservation(post("R-1", &[(1, 0)]))
        .await
        .unwrap();
    let view = answer.into_inner().reservation.unwrap();
    assert_eq!(view.state(), ReservationState::Cancelled);
    assert_eq!(instance.held(CHAIR).await, 0);
    shop.create_reservation(wish("R-2", &[(CHAIR, 5)]))
        .await
        .unwrap();
}

/// Row 118 of FEATURES.md.
#[tokio::test]
async fn who_does_not_come_is_reminded_once_and_then_loses_the_goods() {
    let world = World::new().await;
    let instance = stocked(&world).await;
    let (mut shop, mut staff) = (instance.shop.clone(), instance.staff.clone());
    shop.create_reservation(wish("R-1", &[(CHAIR, 2)]))
        .await
        .unwrap();
    staff.post_reservation(post("R-1", &[])).await.unwrap();

    // Saturday, the open day before the last one.
    world.clock.advance(SignedDuration::from_hours(24));
    let version = async || {
        let answer = instance
            .shop
            .clone()
            .get_reservation(get("R-1"))
            .await
            .unwrap();
        answer.into_inner().reservation.unwrap().version
    };
    millrace_test_rig::until(PATIENCE, "the customer is reminded", async || {
        (version().await == 3).then_some(())
    })
    .await;
    // Monday is the last day; it is over on Tuesday.
    world.clock.advance(SignedDuration::from_hours(48));
    assert_eq!(state_of(&instance, "R-1").await, ReservationState::Posted);
    world.clock.advance(SignedDuration::from_hours(24));
    millrace_test_rig::until(PATIENCE, "the goods go back", async || {
        (state_of(&instance, "R-1").await == ReservationState::Expired).then_some(())
    })
    .await;
    assert_eq!(version().await, 4);
    assert_eq!(instance.held(CHAIR).await, 0);
    let late = staff.pick_up_reservation(pick_up("R-1")).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition, "{late:?}");
}

#[tokio::test]
async fn what_nobody_in_the_store_looks_for_in_time_is_given_up() {
    let world = World::new().await;
    let instance = stocked(&world).await;
    let mut shop = instance.shop.clone();
    let made = shop
        .create_reservation(wish("R-1", &[(CHAIR, 2)]))
        .await
        .unwrap();
    // Two open days after a Friday: Saturday and Monday.
    let view = made.into_inner().reservation.unwrap();
    assert_eq!(view.answer_by, "2026-11-30");
    world.clock.advance(SignedDuration::from_hours(96));
    millrace_test_rig::until(PATIENCE, "it is given up", async || {
        (state_of(&instance, "R-1").await == ReservationState::Cancelled).then_some(())
    })
    .await;
    assert_eq!(instance.held(CHAIR).await, 0);
}

#[tokio::test]
async fn a_customer_may_give_it_up_before_and_after_it_was_found() {
    let world = World::new().await;
    let instance = stocked(&world).await;
    let (mut shop, mut staff) = (instance.shop.clone(), instance.staff.clone());
    shop.create_reservation(wish("R-1", &[(CHAIR, 2)]))
        .await
        .unwrap();
    shop.create_reservation(wish("R-2", &[(CHAIR, 2)]))
        .await
        .unwrap();
    staff.post_reservation(post("R-2", &[])).await.unwrap();
    for number in ["R-1", "R-2", "R-1"] {
        let answer = shop.cancel_reservation(cancel(number)).await.unwrap();
        let view = answer.into_inner().reservation.unwrap();
        assert_eq!(view.state(), ReservationState::Cancelled);
    }
    assert_eq!(instance.held(CHAIR).await, 0);
    let late = staff.post_reservation(post("R-1", &[])).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition, "{late:?}");
}

#[tokio::test]
async fn what_is_held_outlives_the_process() {
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 5)]).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}",
        folder.path().join("reservation.db").display()
    );
    let first = world.instance_on(&url).await;
    first.knows(CHAIR).await;
    first
        .shop
        .clone()
        .create_reservation(wish("R-1", &[(CHAIR, 4)]))
        .await
        .unwrap();
    world.shutdown.cancel();
    first.ended().await;

    let again = World::new().await;
    let second = again.instance_on(&url).await;
    let refused = second
        .shop
        .clone()
        .create_reservation(wish("R-2", &[(CHAIR, 2)]))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
    second
        .shop
        .clone()
        .create_reservation(wish("R-3", &[(CHAIR, 1)]))
        .await
        .unwrap();
}
