//! Reservations as the ERP has them: asked for, posted there or here, taken back.

use millrace_contract::reservation::v1::{ReservationState, ReservationView};
use millrace_contract::reservations::v1::{CancelReason, TransferState};
use millrace_erp::Erp;
use millrace_erp::transfer as erp;
use millrace_erp_simulator::faults::{Kind, Rule};
use millrace_test_rig::until;
use millrace_values::{ChannelCode, ReservationNumber};
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

use crate::calls::{cancel, get, pick_up, post, view_of};
use crate::world::{CHANNEL, Instance, PATIENCE, World, reason, wish_in};

/// Of the pretend company: five in Hamburg after [`stocked`].
pub const BOX: &str = "1700";
pub const HAMBURG: &str = "STORE-HH";

pub async fn stocked() -> (World, Instance) {
    let world = with_figures().await;
    let instance = world.instance().await;
    instance.knows(BOX).await;
    (world, instance)
}

pub async fn with_figures() -> World {
    let world = World::with_erp().await;
    let arrived = json!({ "item": BOX, "quantity": 5, "location": HAMBURG });
    world.office("move-stock", arrived).await;
    world.tell(BOX, &[(HAMBURG, 5)]).await;
    world
}

/// Reserved, and open in the ERP.
pub async fn placed(instance: &Instance, number: &str, count: i64) -> ReservationView {
    reserved(instance, number, count).await;
    until_in_erp(instance, number, TransferState::Open).await
}

pub async fn reserved(instance: &Instance, number: &str, count: i64) {
    let wish = wish_in(HAMBURG, number, &[(BOX, count)]);
    let made = instance.shop.clone().create_reservation(wish).await;
    assert!(
        made.unwrap()
            .into_inner()
            .reservation
            .unwrap()
            .in_millrace_alone
    );
}

pub async fn until_in_erp(
    instance: &Instance,
    number: &str,
    state: TransferState,
) -> ReservationView {
    let what = format!("{number} is {state:?} in the ERP");
    until(PATIENCE, &what, async || {
        let view = view_of(instance, number).await;
        let is_there = view.transfer.as_ref()?.state() == state;
        is_there.then_some(view)
    })
    .await
}

pub async fn until_state(
    instance: &Instance,
    number: &str,
    state: ReservationState,
) -> ReservationView {
    let what = format!("{number} is {state:?}");
    until(PATIENCE, &what, async || {
        let view = view_of(instance, number).await;
        (view.state() == state).then_some(view)
    })
    .await
}

pub async fn in_the_erp(world: &World, number: &str) -> Option<erp::TransferObserved> {
    let key = erp::TransferKey {
        channel: ChannelCode::parse(CHANNEL).unwrap(),
        number: ReservationNumber::parse(number).unwrap(),
    };
    world.erp().adapter.find_transfer(&key).await.unwrap()
}

fn there(number: &str) -> Value {
    json!({ "channel": CHANNEL.to_uppercase(), "reservationNumber": number })
}

/// What people are to count: reservation and line.
async fn to_count(world: &World) -> Vec<String> {
    let requests = world.office("count-requests", json!({})).await;
    let requests = requests["requests"].as_array().unwrap();
    let number = |request: &Value| request["reservationNumber"].as_str().unwrap().to_owned();
    let mut numbers: Vec<String> = requests.iter().map(number).collect();
    numbers.sort();
    numbers
}

/// Rows 85 and 89 of FEATURES.md.
#[tokio::test]
async fn a_reservation_is_asked_for_put_aside_and_fetched_in_the_erp() {
    let (world, instance) = stocked().await;
    let view = placed(&instance, "R-1", 3).await;
    assert!(!view.in_millrace_alone);
    let request = in_the_erp(&world, "R-1").await.unwrap();
    assert_eq!(request.lines[0].requested.to_string(), "3");

    let mut staff = instance.staff.clone();
    let posted = staff.post_reservation(post("R-1", &[])).await.unwrap();
    let posted = posted.into_inner().reservation.unwrap();
    let document = in_the_erp(&world, "R-1").await.unwrap().document_number;
    assert_eq!(Some(&posted.document_number), document.as_ref());
    let again = staff
        .post_reservation(post("R-1", &[(1, 3)]))
        .await
        .unwrap();
    assert_eq!(
        again.into_inner().reservation.unwrap().version,
        posted.version
    );
    let other = staff.post_reservation(post("R-1", &[(1, 1)])).await;
    assert_eq!(reason(&other.unwrap_err()), "ALREADY_POSTED");

    let fetched = until(PATIENCE, "the number is found", async || {
        let mut pick_up = pick_up(&posted.document_number);
        pick_up.store = HAMBURG.to_owned();
        instance
            .staff
            .clone()
            .pick_up_reservation(pick_up)
            .await
            .ok()
    });
    let fetched = fetched.await.into_inner().reservation.unwrap();
    assert_eq!(fetched.state(), ReservationState::PickedUp);
    until_in_erp(&instance, "R-1", TransferState::Returned).await;
    assert_eq!(to_count(&world).await, Vec::<String>::new());
}

/// Rows 86, 87 and 88 of FEATURES.md.
#[tokio::test]
async fn what_a_person_puts_aside_in_the_erp_is_told_with_its_number_and_the_rest_is_counted() {
    let (world, instance) = stocked().await;
    placed(&instance, "R-1", 3).await;
    let open = world
        .office("transfer-requests", json!({ "location": HAMBURG }))
        .await;
    assert_eq!(open["requests"][0]["reservationNumber"], "R-1");

    let mut found = there("R-1");
    found["lines"] = json!([{ "line": 1, "quantity": 2 }]);
    world.office("post-transfer", found).await;
    let view = until_state(&instance, "R-1", ReservationState::Posted).await;
    let document = in_the_erp(&world, "R-1").await.unwrap().document_number;
    assert_eq!(Some(view.document_number), document);
    let line = &view.lines[0];
    let units = |quantity: &Option<millrace_contract::values::v1::Quantity>| {
        quantity.as_ref().map_or(0, |quantity| quantity.units)
    };
    assert_eq!((units(&line.found), units(&line.cancelled)), (2, 1));
    until(PATIENCE, "the rest is to be counted", async || {
        (to_count(&world).await == ["R-1"]).then_some(())
    })
    .await;

    world.office("return-transfer", there("R-1")).await;
    let view = until_state(&instance, "R-1", ReservationState::PickedUp).await;
    assert_eq!(view.transfer.unwrap().state(), TransferState::Returned);
}

/// Row 91 of FEATURES.md.
#[tokio::test]
async fn what_is_not_found_is_cancelled_and_counted_whoever_says_so() {
    let (world, instance) = stocked().await;
    for number in ["R-1", "R-2"] {
        placed(&instance, number, 2).await;
    }
    world.office("cancel-transfer", there("R-1")).await;
    let mut staff = instance.staff.clone();
    let answer = staff
        .post_reservation(post("R-2", &[(1, 0)]))
        .await
        .unwrap();
    let view = answer.into_inner().reservation.unwrap();
    assert_eq!(view.state(), ReservationState::Cancelled);
    until_state(&instance, "R-1", ReservationState::Cancelled).await;
    for number in ["R-1", "R-2"] {
        assert_eq!(
            cancelled_because(&instance, number).await,
            CancelReason::NotFound
        );
    }
    until(PATIENCE, "both are to be counted", async || {
        (to_count(&world).await == ["R-1", "R-2"]).then_some(())
    })
    .await;
    assert_eq!(instance.held_in(HAMBURG, BOX).await, 0);
}

async fn cancelled_because(instance: &Instance, number: &str) -> CancelReason {
    use millrace_contract::reservations::v1::ReservationCancelled;
    let stream = format!("reservation/{CHANNEL}/{number}");
    let events = instance.log.read_stream(&stream, 0, 100).await.unwrap();
    let cancelled = events
        .iter()
        .find(|recorded| recorded.event.kind.ends_with("ReservationCancelled"))
        .unwrap();
    let cancelled = ReservationCancelled::decode(cancelled.event.payload.as_ref());
    cancelled.unwrap().reason()
}

#[tokio::test]
async fn what_is_given_up_here_is_given_up_there() {
    let (world, instance) = stocked().await;
    placed(&instance, "R-1", 2).await;
    placed(&instance, "R-2", 2).await;
    let mut staff = instance.staff.clone();
    staff.post_reservation(post("R-2", &[])).await.unwrap();
    for number in ["R-1", "R-2"] {
        let mut shop = instance.shop.clone();
        shop.cancel_reservation(cancel(number)).await.unwrap();
    }
    until_in_erp(&instance, "R-1", TransferState::Cancelled).await;
    until_in_erp(&instance, "R-2", TransferState::Returned).await;
    assert_eq!(to_count(&world).await, Vec::<String>::new());
    assert_eq!(instance.held_in(HAMBURG, BOX).await, 0);
}

/// FAULTS.md F25: the customer gives it up while nobody can tell the store, and the store puts it aside.
#[tokio::test]
async fn what_was_put_aside_after_it_was_given_up_goes_back() {
    let (world, instance) = stocked().await;
    placed(&instance, "R-1", 2).await;
    let (erp, rule) = (world.erp(), |kind| Rule::new(kind).times(0));
    for path in ["transferRequests", "transferStatusWindows"] {
        erp.simulator.fault(rule(Kind::Unavailable).on("GET", path));
    }
    let mut shop = instance.shop.clone();
    shop.cancel_reservation(cancel("R-1")).await.unwrap();
    world.office("post-transfer", there("R-1")).await;
    erp.simulator.clear_faults();
    until_in_erp(&instance, "R-1", TransferState::Returned).await;
    let view = view_of(&instance, "R-1").await;
    assert_eq!(view.state(), ReservationState::Cancelled);
    assert_eq!(
        cancelled_because(&instance, "R-1").await,
        CancelReason::ByShop
    );
}

/// FAULTS.md F9.
#[tokio::test]
async fn an_erp_that_was_restored_is_asked_again_and_what_has_ended_is_left_behind() {
    let (world, instance) = stocked().await;
    placed(&instance, "R-0", 1).await;
    world.office("backup", json!({})).await;
    let first = placed(&instance, "R-1", 1).await;
    placed(&instance, "R-2", 1).await;
    let posted = instance
        .staff
        .clone()
        .post_reservation(post("R-2", &[]))
        .await;
    let posted = posted.unwrap().into_inner().reservation.unwrap();
    world.office("restore", json!({})).await;
    let mut staff = instance.staff.clone();
    let mut pick_up = pick_up(&posted.document_number);
    pick_up.store = HAMBURG.to_owned();
    staff.pick_up_reservation(pick_up).await.unwrap();

    let known = first.transfer.unwrap().system_id;
    until(PATIENCE, "the first is there again", async || {
        let seen = in_the_erp(&world, "R-1").await?;
        let view = view_of(&instance, "R-1").await;
        let transfer = view.transfer?;
        (transfer.system_id != known && transfer.system_id == seen.system_id.to_string())
            .then_some(())
    })
    .await;
    until_in_erp(&instance, "R-2", TransferState::Returned).await;
    let view = view_of(&instance, "R-0").await;
    assert_eq!(view.state(), ReservationState::Requested);
}

#[tokio::test]
async fn what_the_erp_refuses_is_cancelled_with_its_code() {
    let (world, instance) = stocked().await;
    let lost = json!({ "number": "LOST-1", "name": "Gone", "unitPrice": 1 });
    world.office("create-item", lost).await;
    world.tell("LOST-1", &[(HAMBURG, 5)]).await;
    instance.knows("LOST-1").await;
    world
        .office("delete-item", json!({ "number": "LOST-1" }))
        .await;
    let wish = wish_in(HAMBURG, "R-1", &[("LOST-1", 1)]);
    instance
        .shop
        .clone()
        .create_reservation(wish)
        .await
        .unwrap();
    until_state(&instance, "R-1", ReservationState::Cancelled).await;
    assert_eq!(
        cancelled_because(&instance, "R-1").await,
        CancelReason::ErpRefused
    );
    let late = instance
        .staff
        .clone()
        .post_reservation(post("R-1", &[]))
        .await;
    assert_eq!(reason(&late.unwrap_err()), "RESERVATION_ENDED");
}

#[tokio::test]
async fn a_store_that_can_put_nothing_aside_is_refused_by_name() {
    let (world, instance) = stocked().await;
    world.tell(BOX, &[(HAMBURG, 5), ("MAIN", 500)]).await;
    let refused = until(PATIENCE, "the stores of the ERP are known", async || {
        let wish = wish_in("MAIN", "R-1", &[(BOX, 1_000)]);
        let refused = instance.shop.clone().create_reservation(wish).await;
        let refused = refused.unwrap_err();
        (reason(&refused) == "NO_RESERVATION_WAREHOUSE").then_some(refused)
    })
    .await;
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let unknown = instance.shop.clone().get_reservation(get("R-1")).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}
