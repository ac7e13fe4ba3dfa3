//! Records of the ERP that cannot be read.

use millrace_contract::operations::v1 as wire;
use millrace_erp::{Flow, Observed};
use millrace_event_store::Database;
use millrace_operations::unreadable;
use millrace_values::{ErpCode, SystemId};
use tonic::Code;
use uuid::Uuid;

use crate::world::{Lines, World, database, give_up, list, parked, retry};

fn erp() -> ErpCode {
    ErpCode::parse("bc-main").expect("a code")
}

fn id(number: u128) -> SystemId {
    SystemId(Uuid::from_u128(number))
}

fn broken(number: u128, reason: &str) -> Observed {
    Observed::Unreadable {
        entity: "item",
        system_id: Some(id(number)),
        reason: reason.to_owned(),
    }
}

async fn seen(database: &Database, flow: Flow, observations: &[Observed]) {
    unreadable::note(database, &erp(), flow, observations)
        .await
        .expect("noted");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_listed_and_told_once_however_often_it_is_read() {
    let (lines, _listening) = Lines::listen();
    let database = database("catalog-sync").await;
    for _ in 0..3 {
        seen(&database, Flow::Items, &[broken(7, "it has no number")]).await;
    }
    let records = list(&parked([&database])).await;
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((record.source.as_str(), record.id), ("erp", -1));
    assert_eq!(
        (record.service.as_str(), record.group.as_str()),
        ("catalog-sync", "bc-main")
    );
    assert_eq!(
        (record.topic.as_str(), record.r#type.as_str(), &record.key),
        ("items", "item", &id(7).to_string())
    );
    assert_eq!(record.state(), wire::ParkedState::Parked);
    assert_eq!(
        (record.reason.as_str(), record.attempts),
        ("it has no number", 3)
    );
    assert_eq!(lines.with("cannot be read"), 1);

    seen(&database, Flow::Items, &[broken(7, "its unit is unknown")]).await;
    assert_eq!(
        list(&parked([&database])).await[0].reason,
        "its unit is unknown"
    );
    assert_eq!(lines.with("cannot be read"), 2, "another reason is news");
}

#[tokio::test]
async fn it_is_forgotten_when_it_can_be_read_again_or_is_gone() {
    let (lines, _listening) = Lines::listen();
    let database = database("catalog-sync").await;
    seen(
        &database,
        Flow::Items,
        &[broken(7, "why"), broken(8, "why")],
    )
    .await;
    seen(&database, Flow::Prices, &[broken(7, "why")]).await;
    seen(&database, Flow::Items, &[Observed::ItemGone(id(7))]).await;
    let left: Vec<(String, String)> = list(&parked([&database]))
        .await
        .into_iter()
        .map(|record| (record.topic, record.key))
        .collect();
    let items = ("items".to_owned(), id(8).to_string());
    assert_eq!(left, [items, ("prices".to_owned(), id(7).to_string())]);
    assert_eq!(lines.with("can be read again"), 1);
}

#[tokio::test]
async fn the_last_word_of_a_page_counts() {
    let database = database("catalog-sync").await;
    seen(
        &database,
        Flow::Items,
        &[Observed::ItemGone(id(7)), broken(7, "why")],
    )
    .await;
    seen(
        &database,
        Flow::Items,
        &[Observed::ItemGone(id(7)), broken(7, "why")],
    )
    .await;
    assert_eq!(list(&parked([&database])).await.len(), 1);
}

#[tokio::test]
async fn one_without_an_id_is_kept_as_well() {
    let database = database("customer-sync").await;
    let nameless = Observed::Unreadable {
        entity: "customer",
        system_id: None,
        reason: "it has no id".to_owned(),
    };
    seen(&database, Flow::Customers, &[nameless]).await;
    let records = list(&parked([&database])).await;
    assert_eq!((records.len(), records[0].key.as_str()), (1, ""));
}

#[tokio::test]
async fn it_cannot_be_read_alone_and_dropping_it_touches_no_record_of_a_topic() {
    let world = World::new();
    let database = world.service_with_parked("order-intake", 1).await;
    seen(&database, Flow::Documents, &[broken(7, "why")]).await;
    let parked = parked([&database]);
    let ids: Vec<i64> = list(&parked).await.iter().map(|record| record.id).collect();
    assert_eq!(ids, [1, -1]);
    let status = retry(&parked, "order-intake", &ids)
        .await
        .expect_err("refused");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("mend it there"), "{status}");
    assert_eq!(
        retry(&parked, "order-intake", &[-99])
            .await
            .expect("answered"),
        0,
        "there is no such entry"
    );
    let dropped = give_up(&parked, "order-intake", &[-1], "known, never used").await;
    assert_eq!(dropped.expect("dropped"), 1);
    let left: Vec<i64> = list(&parked).await.iter().map(|record| record.id).collect();
    assert_eq!(left, [1]);
}

#[tokio::test]
async fn everything_is_retried_without_minding_records_of_the_erp() {
    let world = World::new();
    let database = world.service_with_parked("order-intake", 1).await;
    seen(&database, Flow::Documents, &[broken(7, "why")]).await;
    let parked = parked([&database]);
    assert_eq!(retry(&parked, "", &[]).await.expect("retried"), 1);
}
