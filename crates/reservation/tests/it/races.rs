//! FAULTS.md F24: the last pieces, wanted by everybody at once.

use std::sync::Arc;

use futures::future::join_all;
use millrace_contract::reservation::v1::CancelReservationRequest;
use tokio::sync::Barrier;
use tonic::{Code, Status};

use crate::world::{CHAIR, CHANNEL, Client, LAMP, OTHER, STORE, World, reason, wish};

const CALLERS: usize = 64;

/// How many got what they wanted; the others were told that there is no more.
fn won<T>(outcomes: impl IntoIterator<Item = Result<T, Status>>) -> usize {
    let mut won = 0;
    for outcome in outcomes {
        match outcome {
            Ok(_) => won += 1,
            Err(refused) => assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}"),
        }
    }
    won
}

async fn everybody(
    clients: Vec<(&'static str, Client)>,
    lines: &'static [(&'static str, i64)],
) -> usize {
    let start = Arc::new(Barrier::new(CALLERS));
    let calls = (0..CALLERS).map(|caller| {
        let (channel, mut client) = clients[caller % clients.len()].clone();
        let start = start.clone();
        tokio::spawn(async move {
            let mut wish = wish(&format!("R-{caller}"), lines);
            wish.reservation.as_mut().unwrap().channel = channel.to_owned();
            start.wait().await;
            client.create_reservation(wish).await
        })
    });
    won(join_all(calls).await.into_iter().map(Result::unwrap))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_pieces_go_to_as_many_as_there_are_however_many_channels_ask() {
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 17)]).await;
    let instance = world.instance().await;
    instance.knows(CHAIR).await;
    let clients = vec![
        (CHANNEL, instance.shop.clone()),
        (OTHER, instance.outlet.clone()),
    ];
    assert_eq!(everybody(clients, &[(CHAIR, 1)]).await, 17);
    assert_eq!(instance.held(CHAIR).await, 17);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_database_sell_no_piece_twice() {
    let postgres = millrace_test_rig::postgres().await;
    let url = postgres.create_database("reservation").await.unwrap();
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 17)]).await;
    let (one, other) = (world.instance_on(&url).await, world.instance_on(&url).await);
    one.knows(CHAIR).await;
    let clients = vec![(CHANNEL, one.shop.clone()), (CHANNEL, other.shop.clone())];
    assert_eq!(everybody(clients, &[(CHAIR, 1)]).await, 17);
    assert_eq!(one.held(CHAIR).await, 17);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reservations_that_cross_on_two_items_are_whole_or_not_at_all() {
    let postgres = millrace_test_rig::postgres().await;
    let url = postgres.create_database("reservation").await.unwrap();
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 20)]).await;
    world.tell(LAMP, &[(STORE, 13)]).await;
    let (one, other) = (world.instance_on(&url).await, world.instance_on(&url).await);
    one.knows(LAMP).await;
    one.knows(CHAIR).await;
    let start = Arc::new(Barrier::new(CALLERS));
    let calls = (0..CALLERS).map(|caller| {
        let mut client = [&one, &other][caller % 2].shop.clone();
        let start = start.clone();
        tokio::spawn(async move {
            let lines = if caller % 2 == 0 {
                [(CHAIR, 1), (LAMP, 1)]
            } else {
                [(LAMP, 1), (CHAIR, 1)]
            };
            start.wait().await;
            client
                .create_reservation(wish(&format!("R-{caller}"), &lines))
                .await
        })
    });
    assert_eq!(
        won(join_all(calls).await.into_iter().map(Result::unwrap)),
        13
    );
    assert_eq!((one.held(CHAIR).await, one.held(LAMP).await), (13, 13));
}

/// A customer who asks for everything at once gets as many reservations as one who asks for them one by one: five, as nobody said
/// otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_asks_at_once_has_no_more_open_than_allowed() {
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 100)]).await;
    let instance = world.instance().await;
    instance.knows(CHAIR).await;
    let start = Arc::new(Barrier::new(CALLERS));
    let calls = (0..CALLERS).map(|caller| {
        let mut client = instance.shop.clone();
        let start = start.clone();
        tokio::spawn(async move {
            let mut wish = wish(&format!("R-{caller}"), &[(CHAIR, 1)]);
            wish.reservation.as_mut().unwrap().customer_number = "C-1".to_owned();
            start.wait().await;
            client.create_reservation(wish).await
        })
    });
    assert_eq!(
        won(join_all(calls).await.into_iter().map(Result::unwrap)),
        5
    );
    let mut sixth = wish("R-sixth", &[(CHAIR, 1)]);
    sixth.reservation.as_mut().unwrap().customer_number = "C-1".to_owned();
    let refused = instance.shop.clone().create_reservation(sixth).await;
    assert_eq!(reason(&refused.unwrap_err()), "TOO_MANY_OPEN");
    assert_eq!(instance.held(CHAIR).await, 5);
}

/// What another process gave back is there for everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_refused_the_last_piece_gets_it_once_another_process_has_it_back() {
    let postgres = millrace_test_rig::postgres().await;
    let url = postgres.create_database("reservation").await.unwrap();
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 1)]).await;
    let (one, other) = (world.instance_on(&url).await, world.instance_on(&url).await);
    one.knows(CHAIR).await;
    let (mut first, mut second) = (one.shop.clone(), other.shop.clone());
    first
        .create_reservation(wish("R-1", &[(CHAIR, 1)]))
        .await
        .unwrap();
    let refused = second.create_reservation(wish("R-2", &[(CHAIR, 1)])).await;
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
    let cancel = |number: &str| CancelReservationRequest {
        channel: CHANNEL.to_owned(),
        reservation_number: number.to_owned(),
        note: String::new(),
    };
    first.cancel_reservation(cancel("R-1")).await.unwrap();
    second
        .create_reservation(wish("R-2", &[(CHAIR, 1)]))
        .await
        .unwrap();
    second.cancel_reservation(cancel("R-2")).await.unwrap();
    first
        .create_reservation(wish("R-3", &[(CHAIR, 1)]))
        .await
        .unwrap();
}

/// One caller on his process: reserves a few pieces some times, and gives some of them up. What he holds in the end.
async fn comes_and_goes(mut client: Client, caller: usize) -> i64 {
    let mut holds = 0;
    for round in 0..6 {
        let count = 1 + i64::try_from((caller + round) % 4).unwrap();
        let number = format!("R-{caller}-{round}");
        match client
            .create_reservation(wish(&number, &[(CHAIR, count)]))
            .await
        {
            Ok(_) => holds += count,
            Err(refused) => {
                assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
                continue;
            }
        }
        if (caller + round).is_multiple_of(3) {
            let cancel = CancelReservationRequest {
                channel: CHANNEL.to_owned(),
                reservation_number: number,
                note: String::new(),
            };
            client.cancel_reservation(cancel).await.unwrap();
            holds -= count;
        }
    }
    holds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_shelf_holds_is_what_its_reservations_hold_however_processes_cross() {
    let postgres = millrace_test_rig::postgres().await;
    let url = postgres.create_database("reservation").await.unwrap();
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 50)]).await;
    let (one, other) = (world.instance_on(&url).await, world.instance_on(&url).await);
    one.knows(CHAIR).await;
    let callers = (0..CALLERS / 2).map(|caller| {
        let client = [&one, &other][caller % 2].shop.clone();
        tokio::spawn(comes_and_goes(client, caller))
    });
    let hold = join_all(callers).await.into_iter().map(Result::unwrap);
    let sum: i64 = hold.sum();
    assert_eq!(one.held(CHAIR).await, sum);
    assert!(sum <= 50, "{sum} of 50 pieces are held");
}

/// A shop that repeats what it did does not keep others waiting, and moves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_of_one_call_reserve_once_and_all_are_answered_alike() {
    let world = World::new().await;
    world.tell(CHAIR, &[(STORE, 100)]).await;
    let instance = world.instance().await;
    instance.knows(CHAIR).await;
    let calls = (0..CALLERS).map(|caller| {
        let mut client = instance.shop.clone();
        tokio::spawn(async move {
            let number = format!("R-{}", caller % 2);
            client
                .create_reservation(wish(&number, &[(CHAIR, 3)]))
                .await
        })
    });
    let answers = join_all(calls)
        .await
        .into_iter()
        .map(|call| call.unwrap().unwrap());
    let first = answers.filter(|answer| !answer.get_ref().repeated).count();
    assert_eq!((first, instance.held(CHAIR).await), (2, 6));
}
