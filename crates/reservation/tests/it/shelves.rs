//! What is there for reservations: each piece counts once, and what is missing is told.

use jiff::SignedDuration;
use millrace_contract::reservation::v1::{ReservationState, ReservationView};
use millrace_contract::reservations::v1::TransferState;
use millrace_service_kit::Clock;
use millrace_test_rig::until;

use crate::calls::{pick_up, post, view_of};
use crate::erp::{BOX, HAMBURG, placed, stocked, until_in_erp};
use crate::world::{CHAIR, Instance, Known, PATIENCE, STORE, World, reason, wish, wish_in};

async fn take(instance: &Instance, number: &str, count: i64) -> Result<(), String> {
    let wish = wish_in(HAMBURG, number, &[(BOX, count)]);
    let made = instance.shop.clone().create_reservation(wish).await;
    made.map(|_| ()).map_err(|refused| reason(&refused))
}

/// Until so many, and no more, can be taken; nothing is.
async fn until_left(instance: &Instance, left: i64) {
    let what = format!("{left} are left");
    let asks = std::cell::Cell::new(0);
    until(PATIENCE, &what, async || {
        asks.set(asks.get() + 1);
        let wish = wish_in(HAMBURG, &format!("ASK-{left}-{}", asks.get()), &[(BOX, 5)]);
        let refused = instance.shop.clone().create_reservation(wish).await;
        let said = refused.unwrap_err();
        let so_many = format!("has {left} left");
        said.message().contains(&so_many).then_some(())
    })
    .await;
}

/// DESIGN.md §8: a figure contains a request if and only if its row version is below the boundary.
#[tokio::test]
async fn what_the_erp_deducts_is_not_deducted_here_again() {
    let (world, instance) = stocked().await;
    let view = placed(&instance, "R-1", 3).await;
    let version: u64 = view.transfer.unwrap().row_version.parse().unwrap();
    until_left(&instance, 2).await;
    // An older figure still shows all five; the next one deducts the request.
    let known = |boundary| Known {
        boundary: Some(boundary),
        settled: None,
    };
    world.tell_of(BOX, &[(HAMBURG, 4)], known(version)).await;
    until_left(&instance, 1).await;
    world
        .tell_of(BOX, &[(HAMBURG, 2)], known(version + 1))
        .await;
    until_left(&instance, 2).await;
    assert_eq!(take(&instance, "R-2", 2).await, Ok(()));
    assert_eq!(
        take(&instance, "R-3", 1).await,
        Err("STOCK_TOO_LOW".to_owned())
    );
}

#[tokio::test]
async fn what_a_customer_has_in_his_hands_is_not_there_for_the_next() {
    let (world, instance) = stocked().await;
    let mut staff = instance.staff.clone();
    placed(&instance, "R-1", 3).await;
    let posted = staff.post_reservation(post("R-1", &[])).await.unwrap();
    let posted = posted.into_inner().reservation.unwrap();
    fetch(&instance, &posted.document_number, HAMBURG).await;
    until_left(&instance, 2).await;
    let back = until_in_erp(&instance, "R-1", TransferState::Returned).await;
    let back = back.transfer.unwrap();
    let returned: u64 = back.row_version.parse().unwrap();
    let at = back.changed_at.unwrap();
    let at = jiff::Timestamp::new(at.seconds, at.nanos).unwrap();
    // Back in the figure, and the till has not told that it sold them.
    let known = |settled| Known {
        boundary: Some(returned + 1),
        settled: Some(settled),
    };
    let before = at - SignedDuration::from_secs(1);
    world.tell_of(BOX, &[(HAMBURG, 6)], known(before)).await;
    until_left(&instance, 3).await;
    world.tell_of(BOX, &[(HAMBURG, 2)], known(at)).await;
    until_left(&instance, 2).await;
}

async fn fetch(instance: &Instance, document_number: &str, store: &str) {
    let mut pick_up = pick_up(document_number);
    pick_up.store = store.to_owned();
    until(PATIENCE, "it is fetched", async || {
        let mut staff = instance.staff.clone();
        staff.pick_up_reservation(pick_up.clone()).await.ok()
    })
    .await;
}

#[tokio::test]
async fn without_the_erp_what_was_fetched_is_gone_until_the_figures_know() {
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 2)]).await;
    let instance = world.instance().await;
    instance.knows(CHAIR).await;
    let mut shop = instance.shop.clone();
    shop.create_reservation(wish("R-1", &[(CHAIR, 2)]))
        .await
        .unwrap();
    let posted = instance
        .staff
        .clone()
        .post_reservation(post("R-1", &[]))
        .await;
    let posted = posted.unwrap().into_inner().reservation.unwrap();
    fetch(&instance, &posted.document_number, STORE).await;
    let again = shop.create_reservation(wish("R-2", &[(CHAIR, 1)])).await;
    assert_eq!(reason(&again.unwrap_err()), "STOCK_TOO_LOW");
    // He did not buy it after all.
    let known = Known {
        boundary: None,
        settled: Some(world.clock.now()),
    };
    world.tell_of(CHAIR, &[(STORE, 2)], known).await;
    until(PATIENCE, "it is there again", async || {
        let wish = wish("R-3", &[(CHAIR, 1)]);
        instance.shop.clone().create_reservation(wish).await.ok()
    })
    .await;
}

fn short(view: &ReservationView) -> i64 {
    let short = view.lines[0].short.as_ref();
    short.map_or(0, |short| short.units)
}

/// DESIGN.md §7: a till sold what is reserved.
#[tokio::test]
async fn what_is_missing_is_told_the_newest_first_and_told_when_it_is_over() {
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 5)]).await;
    let instance = world.instance().await;
    instance.knows(CHAIR).await;
    let mut shop = instance.shop.clone();
    for (number, count) in [("R-1", 2), ("R-2", 1), ("R-3", 2)] {
        shop.create_reservation(wish(number, &[(CHAIR, count)]))
            .await
            .unwrap();
    }
    // What was put aside lies safe.
    instance
        .staff
        .clone()
        .post_reservation(post("R-2", &[]))
        .await
        .unwrap();
    let until_short = async |what: &str, expected: [i64; 3]| {
        until(PATIENCE, what, async || {
            let mut seen = [0; 3];
            for (index, number) in ["R-1", "R-2", "R-3"].into_iter().enumerate() {
                seen[index] = short(&view_of(&instance, number).await);
            }
            (seen == expected).then_some(())
        })
        .await;
    };
    world.tell(CHAIR, &[(STORE, 2)]).await;
    until_short("three are missing", [1, 0, 2]).await;
    world.tell(CHAIR, &[(STORE, 4)]).await;
    until_short("one is missing", [0, 0, 1]).await;
    world.tell(CHAIR, &[(STORE, 5)]).await;
    until_short("nothing is missing", [0, 0, 0]).await;
    let view = view_of(&instance, "R-3").await;
    assert_eq!(view.state(), ReservationState::Requested);
}
