//! Reservations while the ERP is away or loses its answers. `make test` draws one storm, `make soak` many; the seed is printed.

use std::time::Duration;

use futures::{StreamExt, stream};
use millrace_contract::reservation::v1::ReservationState;
use millrace_contract::reservations::v1::TransferState;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use millrace_service_kit::Ids;
use serde_json::json;
use tonic::Code;

use crate::calls::{cancel, pick_up, post, view_of};
use crate::erp::{
    BOX, HAMBURG, in_the_erp, reserved, stocked, until_in_erp, until_state, with_figures,
};
use crate::world::{Instance, World, wish_in};

const RESERVATIONS: usize = 50;
const STORM: Duration = Duration::from_secs(120);

#[tokio::test]
async fn while_the_erp_is_away_reservations_are_made_and_reach_it_afterwards() {
    let (world, instance) = stocked().await;
    let simulator = &world.erp().simulator;
    let away = Rule::new(Kind::Unavailable).times(0);
    simulator.fault(away.on("POST", "transferRequests"));
    reserved(&instance, "R-1", 2).await;
    let unposted = instance
        .staff
        .clone()
        .post_reservation(post("R-1", &[]))
        .await;
    assert_eq!(unposted.unwrap_err().code(), Code::Unavailable);
    let view = view_of(&instance, "R-1").await;
    assert!(view.in_millrace_alone && view.state() == ReservationState::Requested);
    simulator.clear_faults();
    until_in_erp(&instance, "R-1", TransferState::Open).await;
}

/// F2 and F3.
#[tokio::test]
async fn whatever_becomes_of_the_answer_there_is_one_request_and_it_ends_once() {
    let (world, instance) = stocked().await;
    let simulator = &world.erp().simulator;
    let lost = |path: &str| {
        let rule = Rule::new(Kind::LostAnswer).on("POST", path);
        simulator.fault(rule.when(When::After));
    };
    for round in 0..3 {
        let number = format!("R-{round}");
        lost("transferRequests");
        reserved(&instance, &number, 2).await;
        until_in_erp(&instance, &number, TransferState::Open).await;
        lost("NAV.post");
        let posted = millrace_test_rig::until(STORM, "it is put aside", async || {
            let mut staff = instance.staff.clone();
            staff.post_reservation(post(&number, &[])).await.ok()
        });
        let posted = posted.await.into_inner().reservation.unwrap();
        lost("returnToStore");
        if round == 0 {
            let mut shop = instance.shop.clone();
            shop.cancel_reservation(cancel(&number)).await.unwrap();
        } else {
            fetch(&instance, &posted.document_number).await;
        }
        until_in_erp(&instance, &number, TransferState::Returned).await;
    }
    assert_eq!(simulator.fired("lostAnswer"), 9);
    assert_eq!(transfers(&world), 6, "two entries each, there and back");
}

async fn fetch(instance: &Instance, document_number: &str) {
    let mut pick_up = pick_up(document_number);
    pick_up.store = HAMBURG.to_owned();
    millrace_test_rig::until(STORM, "it is fetched", async || {
        let mut staff = instance.staff.clone();
        staff.pick_up_reservation(pick_up.clone()).await.ok()
    })
    .await;
}

/// Postings that moved goods, there and back.
fn transfers(world: &World) -> usize {
    world.erp().simulator.read(|tables| {
        let moves = tables
            .ledger
            .iter()
            .filter(|entry| entry.kind == "Transfer");
        moves.count() / 2
    })
}

/// F1, F2, F3, F7, F25 together, on two processes of which one dies in the middle. Row 113.
#[tokio::test(flavor = "multi_thread")]
async fn reservations_in_a_storm_end_alike_here_and_there() {
    let mut made = 0;
    let mut fired = 0;
    for seed in millrace_test_rig::seeds("reservations in a storm", 1, 20) {
        fired += storm(seed).await;
        made += RESERVATIONS;
    }
    assert!(fired > 0, "a storm without a fault shows nothing");
    let outcome = format!("{made} reservations, {fired} faults fired, all ended alike");
    millrace_test_rig::soak_result("reservations-in-a-storm", &outcome).unwrap();
}

/// Answers how many faults fired.
async fn storm(seed: u64) -> u64 {
    let chance = Ids::seeded(seed);
    let postgres = millrace_test_rig::postgres().await;
    let url = postgres.create_database("reservation").await.unwrap();
    let world = with_figures().await;
    let dying = world.instance_on(&url).await;
    let instance = world.instance_on(&url).await;
    let arrived = json!({ "item": BOX, "quantity": 1_000, "location": HAMBURG });
    world.office("move-stock", arrived).await;
    world.tell(BOX, &[(HAMBURG, 1_005)]).await;
    instance.held_up_to(HAMBURG, BOX, 1_005).await;
    for _ in 0..RESERVATIONS / 2 {
        world.erp().simulator.fault(fault(&chance));
    }
    let fates: Vec<(String, usize)> = (0..RESERVATIONS)
        .map(|index| (format!("S{seed}-{index}"), pick(&chance, 4)))
        .collect();
    let dies_at = pick(&chance, RESERVATIONS);
    stream::iter(fates.iter().enumerate())
        .for_each_concurrent(8, |(index, (number, fate))| {
            if index == dies_at {
                dying.dies();
            }
            live(&instance, number, *fate)
        })
        .await;
    for (number, fate) in &fates {
        let (here, there) = match fate {
            0 => (ReservationState::Cancelled, TransferState::Cancelled),
            1 => (ReservationState::Cancelled, TransferState::Returned),
            2 => (ReservationState::PickedUp, TransferState::Returned),
            _ => (ReservationState::Posted, TransferState::Posted),
        };
        let view = until_state(&instance, number, here).await;
        let what = format!("{number} has ended there, seed {seed}");
        millrace_test_rig::until(STORM, &what, async || {
            // What was given up before the ERP heard of it need never have been there.
            match in_the_erp(&world, number).await {
                None => (*fate == 0).then_some(()),
                Some(seen) => (format!("{:?}", seen.state) == format!("{there:?}")).then_some(()),
            }
        })
        .await;
        if view.state() == ReservationState::Posted {
            let document = in_the_erp(&world, number).await.unwrap().document_number;
            assert_eq!(Some(view.document_number), document, "seed {seed}");
        }
    }
    let count = |which: &[usize]| {
        fates
            .iter()
            .filter(|(_, fate)| which.contains(fate))
            .count()
    };
    let postings = 2 * count(&[1, 2]) + count(&[3]);
    assert_eq!(transfers(&world), postings, "seed {seed}");
    let held = i64::try_from(count(&[3])).unwrap();
    assert_eq!(instance.held_in(HAMBURG, BOX).await, held, "seed {seed}");
    let kinds = [
        "lostAnswer",
        "gatewayTimeout",
        "slowAnswer",
        "throttle",
        "unavailable",
        "lateCommit",
    ];
    let simulator = &world.erp().simulator;
    kinds.iter().map(|kind| simulator.fired(kind)).sum()
}

/// Everything is said until it is answered, and now and then twice.
async fn live(instance: &Instance, number: &str, fate: usize) {
    let wish = wish_in(HAMBURG, number, &[(BOX, 1)]);
    for repeated in [false, true] {
        let made = instance.shop.clone().create_reservation(wish.clone()).await;
        assert_eq!(made.unwrap().into_inner().repeated, repeated);
    }
    let mut document_number = String::new();
    if fate > 0 {
        let posted = millrace_test_rig::until(STORM, "it is put aside", async || {
            let mut staff = instance.staff.clone();
            staff.post_reservation(post(number, &[])).await.ok()
        });
        document_number = posted
            .await
            .into_inner()
            .reservation
            .unwrap()
            .document_number;
    }
    if fate == 2 {
        fetch(instance, &document_number).await;
    }
    if fate < 2 {
        let mut shop = instance.shop.clone();
        shop.cancel_reservation(cancel(number)).await.unwrap();
    }
}

fn fault(chance: &Ids) -> Rule {
    let when = [When::Before, When::After, When::Later][pick(chance, 3)];
    let delay = Duration::from_millis(pick(chance, 900) as u64);
    let rule = match pick(chance, 6) {
        0 => Rule::new(Kind::LostAnswer).when(when).delay(delay),
        1 => Rule::new(Kind::GatewayTimeout).when(when).delay(delay),
        2 => Rule::new(Kind::SlowAnswer).delay(delay),
        3 => Rule::new(Kind::Throttle),
        4 => Rule::new(Kind::Unavailable),
        _ => Rule::new(Kind::LateCommit).delay(delay),
    };
    let paths = [
        "transferRequests",
        "NAV.post",
        "NAV.cancel",
        "returnToStore",
    ];
    let mut rule = rule.on("POST", paths[pick(chance, paths.len())]);
    rule.skip = pick(chance, RESERVATIONS / 3) as u64;
    rule
}

/// Below `limit`, by chance.
fn pick(chance: &Ids, limit: usize) -> usize {
    (chance.fraction() * limit as f64) as usize
}
