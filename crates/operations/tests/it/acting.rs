//! What a person does about a parked record.

use tonic::Code;

use crate::world::{World, database, give_up, list, parked, retry, until, until_kept};

#[tokio::test]
async fn a_record_that_is_retried_is_handled_with_those_behind_it() {
    let world = World::new();
    let database = world.service("order-intake").await;
    world.orders(&["o1 poison", "o1 2"]).await;
    until_kept(&database, 2).await;
    let parked = parked([&database]);
    let id = list(&parked).await[0].id;
    world.taster.mend();
    assert_eq!(
        retry(&parked, "order-intake", &[id])
            .await
            .expect("retried"),
        1
    );
    until_kept(&database, 0).await;
    assert_eq!(world.taster.taken(), ["o1 poison", "o1 2"]);
    assert_eq!(
        retry(&parked, "order-intake", &[id])
            .await
            .expect("answered"),
        0,
        "it is not there any more"
    );
}

#[tokio::test]
async fn everything_is_retried_when_nothing_is_named() {
    let world = World::new();
    let database = world.service_with_parked("order-intake", 3).await;
    let parked = parked([&database]);
    world.taster.mend();
    assert_eq!(retry(&parked, "", &[]).await.expect("retried"), 3);
    until_kept(&database, 0).await;
}

#[tokio::test]
async fn a_record_that_is_dropped_lets_those_behind_it_follow_and_leaves_who_and_why() {
    let world = World::new();
    let database = world.service("order-intake").await;
    world.orders(&["o1 poison", "o1 2"]).await;
    until_kept(&database, 2).await;
    let parked = parked([&database]);
    let id = list(&parked).await[0].id;
    let dropped = give_up(&parked, "order-intake", &[id], " a test order ").await;
    assert_eq!(dropped.expect("dropped"), 1);
    until("the next follows", async || {
        world.taster.taken() == ["o1 2"]
    })
    .await;
    until("nothing is kept", async || list(&parked).await.is_empty()).await;
    let (note, payload): (String, Option<Vec<u8>>) =
        sqlx::query_as("SELECT note, payload FROM bus_held WHERE id = $1")
            .bind(id)
            .fetch_one(database.pool())
            .await
            .expect("it stays as evidence");
    assert_eq!((note.as_str(), payload), ("anna: a test order", None));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_name_and_changes_nothing() {
    let world = World::new();
    let orders = world.service_with_parked("order-intake", 1).await;
    let parked = parked([&orders, &database("catalog-sync").await]);
    let id = list(&parked).await[0].id;
    let refusals = [
        (
            retry(&parked, "", &[id]).await,
            Code::InvalidArgument,
            "service:",
        ),
        (
            retry(&parked, "nowhere", &[id]).await,
            Code::NotFound,
            "nowhere",
        ),
        (
            give_up(&parked, "", &[id], "why").await,
            Code::InvalidArgument,
            "service:",
        ),
        (
            give_up(&parked, "nowhere", &[id], "why").await,
            Code::NotFound,
            "nowhere",
        ),
        (
            give_up(&parked, "order-intake", &[], "why").await,
            Code::InvalidArgument,
            "ids:",
        ),
        (
            give_up(&parked, "order-intake", &[id], "  ").await,
            Code::InvalidArgument,
            "note:",
        ),
    ];
    for (answer, code, says) in refusals {
        let status = answer.expect_err("refused");
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(says), "{status}");
    }
    let other = give_up(&parked, "catalog-sync", &[id], "why").await;
    assert_eq!(other.expect("answered"), 0, "ids are those of one service");
    assert_eq!(list(&parked).await.len(), 1);
}
