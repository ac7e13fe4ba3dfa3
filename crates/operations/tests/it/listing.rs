//! What is kept aside, page by page.

use std::collections::BTreeSet;

use millrace_contract::operations::v1 as wire;
use millrace_contract::operations::v1::parked_service_server::ParkedService;
use millrace_erp::{Flow, Observed};
use millrace_operations::{Parked, unreadable};
use millrace_values::{ErpCode, SystemId};
use tonic::Code;
use uuid::Uuid;

use crate::world::{World, asked, database, list, parked};

fn page(service: &str, page_size: u32, page_token: &str) -> wire::ListParkedRequest {
    wire::ListParkedRequest {
        service: service.to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    }
}

async fn refused(parked: &Parked, request: wire::ListParkedRequest) -> (Code, String) {
    let status = parked
        .list_parked(asked(request))
        .await
        .expect_err("refused");
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn a_record_says_whose_it_is_why_it_is_kept_and_what_waits_behind_it() {
    let world = World::new();
    let database = world.service("order-intake").await;
    world.orders(&["o1 poison", "o1 2", "o2 1"]).await;
    crate::world::until_kept(&database, 2).await;
    let records = list(&parked([&database])).await;
    let first = &records[0];
    assert_eq!(
        (
            first.service.as_str(),
            first.group.as_str(),
            first.source.as_str()
        ),
        ("order-intake", "order-intake", "bus")
    );
    assert_eq!(
        (first.topic.as_str(), first.key.as_str()),
        ("webshop-orders", "o1")
    );
    assert_eq!(first.r#type, "millrace.webshop_orders.v1.OrderAccepted");
    assert_eq!(first.state(), wire::ParkedState::Parked);
    assert_eq!(first.reason, "it is poisoned");
    assert_eq!((first.waiting_behind, first.attempts), (1, 1));
    assert!(first.parked_at.is_some() && first.last_attempt_at.is_some());
    assert_eq!(records[1].state(), wire::ParkedState::Waiting);
}

#[tokio::test]
async fn pages_show_every_entry_of_every_service_once() {
    let world = World::new();
    let orders = world.service_with_parked("order-intake", 5).await;
    let (catalog, stock) = (database("catalog-sync").await, database("stock").await);
    let erp = ErpCode::parse("bc-main").expect("a code");
    for database in [&orders, &catalog] {
        let unreadable: Vec<Observed> = (1..=3).map(unreadable).collect();
        unreadable::note(database, &erp, Flow::Items, &unreadable)
            .await
            .expect("noted");
    }
    let parked = parked([&stock, &orders, &catalog]);
    for size in 1..=12 {
        let (mut seen, mut pages, mut token) = (Vec::new(), 0, String::new());
        loop {
            let request = asked(page("", size, &token));
            let answer = parked
                .list_parked(request)
                .await
                .expect("listed")
                .into_inner();
            assert!(answer.records.len() <= size as usize);
            pages += 1;
            seen.extend(
                answer
                    .records
                    .into_iter()
                    .map(|record| (record.service, record.id)),
            );
            token = answer.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let different: BTreeSet<&(String, i64)> = seen.iter().collect();
        assert_eq!((seen.len(), different.len()), (11, 11), "pages of {size}");
        assert_eq!(pages, 11_u32.div_ceil(size), "pages of {size}");
    }
}

#[tokio::test]
async fn one_service_is_shown_alone() {
    let world = World::new();
    let orders = world.service_with_parked("order-intake", 2).await;
    let other = world.service("stock-availability").await;
    crate::world::until_kept(&other, 2).await;
    let parked = parked([&orders, &other]);
    assert_eq!(list(&parked).await.len(), 4);
    let answer = parked.list_parked(asked(page("order-intake", 0, ""))).await;
    let records = answer.expect("listed").into_inner().records;
    assert_eq!(records.len(), 2);
    assert!(
        records
            .iter()
            .all(|record| record.service == "order-intake")
    );
}

#[tokio::test]
async fn a_page_that_cannot_be_meant_is_refused_by_name() {
    let parked = parked([&database("order-intake").await]);
    let (code, message) = refused(&parked, page("", 1_001, "")).await;
    assert_eq!(
        (code, message.as_str()),
        (Code::InvalidArgument, "page_size: at most 1000")
    );
    for token in ["nonsense", "order-intake:x", ":"] {
        let (code, message) = refused(&parked, page("", 0, token)).await;
        assert_eq!(code, Code::InvalidArgument);
        assert!(message.starts_with("page_token:"), "{message}");
    }
    let (code, message) = refused(&parked, page("order-outtake", 0, "")).await;
    assert_eq!(
        (code, message.as_str()),
        (Code::NotFound, "service order-outtake is not known")
    );
}

fn unreadable(number: u128) -> Observed {
    Observed::Unreadable {
        entity: "item",
        system_id: Some(SystemId(Uuid::from_u128(number))),
        reason: "it has no number".to_owned(),
    }
}
