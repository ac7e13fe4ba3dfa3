//! What a shop sees of its orders.

use millrace_contract::order::v1::{
    GetOrderRequest, ListOrdersRequest, OrderState, WatchOrdersRequest,
};
use millrace_contract::webshop_orders::v1::HoldKind;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::instance::SERVICE_DESK;
use crate::sale::{CHAIR, CHANNEL, line, money, new_customers_order, order, person};
use crate::world::{PATIENCE, World};

/// Rows 41, 43, 44, 46 and 48.
#[tokio::test]
async fn an_order_becomes_one_sales_order_with_the_totals_that_were_sold() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    let taken = instance.submit(order("1001", &customer, 2)).await.unwrap();
    assert!(!taken.repeated_submission);
    assert_eq!(taken.order.unwrap().state(), OrderState::Accepted);
    let posted = instance.until_state("1001", OrderState::Posted).await;
    let posted = match posted.customer_number.is_empty() {
        true => {
            instance
                .until("1001", "the customer is told", |view| {
                    !view.customer_number.is_empty()
                })
                .await
        }
        false => posted,
    };
    assert_eq!(posted.customer_number, customer);
    assert_eq!(posted.total_difference, None);
    assert_eq!(posted.documents[0].kind, "sales-order");
    let entry = world.buffered("1001");
    assert_eq!(
        entry.order_number, "1001",
        "the erp keeps the shop's number"
    );
    assert!(entry.released, "released without a person");
    assert_eq!(world.documents("1001").await, 1);
    instance.stop().await;
}

#[tokio::test]
async fn the_same_order_again_gets_the_same_answer_and_no_second_document() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    instance.submit(order("1002", &customer, 2)).await.unwrap();
    let first = instance
        .until("1002", "it is confirmed", |view| view.version >= 3)
        .await;
    let again = instance.submit(order("1002", &customer, 2)).await.unwrap();
    assert!(again.repeated_submission);
    assert_eq!(again.order.unwrap().order, first.order);
    assert_eq!(world.documents("1002").await, 1);
    instance.stop().await;
}

#[tokio::test]
async fn the_same_number_with_other_content_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    instance.submit(order("1003", &customer, 2)).await.unwrap();
    let refused = instance
        .submit(order("1003", &customer, 3))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let posted = instance.until_state("1003", OrderState::Posted).await;
    assert_eq!(posted.order.unwrap().totals.unwrap().gross, money(23_800));
    instance.stop().await;
}

#[tokio::test]
async fn the_same_number_for_another_person_is_refused() {
    let world = World::new().await;
    let instance = world.instance().await;
    instance
        .submit(new_customers_order("1004", "c-1"))
        .await
        .unwrap();
    assert!(
        instance
            .submit(new_customers_order("1004", "c-1"))
            .await
            .unwrap()
            .repeated_submission
    );
    let mut other = new_customers_order("1004", "c-1");
    other.personal = Some(person("Somebody Else"));
    assert_eq!(
        instance.submit(other).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    instance.stop().await;
}

/// Rows 42 and 56.
#[tokio::test]
async fn a_new_customer_is_created_before_the_order() {
    let world = World::new().await;
    let instance = world.instance().await;
    let before = world.simulator.read(|tables| tables.customers.len());
    instance
        .submit(new_customers_order("1005", "c-77"))
        .await
        .unwrap();
    let posted = instance
        .until("1005", "the customer is told", |view| {
            !view.customer_number.is_empty()
        })
        .await;
    assert_eq!(
        world.simulator.read(|tables| tables.customers.len()),
        before + 1
    );
    let created = world.simulator.read(|tables| {
        let mut customers = tables.customers.iter();
        customers
            .find(|customer| customer.number == posted.customer_number)
            .cloned()
    });
    assert_eq!(created.unwrap().address.name, "Erika Mustermann");
    let sell_to = &world.buffered("1005").content["sellTo"];
    assert_eq!(sell_to["addressLine2"], "Packstation 145");
    instance.stop().await;
}

#[tokio::test]
async fn a_new_customers_number_that_stands_for_somebody_else_holds_the_order() {
    let world = World::new().await;
    let instance = world.instance().await;
    instance
        .submit(new_customers_order("1006", "c-78"))
        .await
        .unwrap();
    instance.until_state("1006", OrderState::Posted).await;
    let mut other = new_customers_order("1007", "c-78");
    other.personal = Some(person("Somebody Else"));
    instance.submit(other).await.unwrap();
    let held = instance.until_state("1007", OrderState::Held).await;
    assert_eq!(held.hold_reasons[0].kind(), HoldKind::CustomerRefused);
    assert_eq!(world.documents("1007").await, 0);
    instance.stop().await;
}

#[tokio::test]
async fn an_order_with_an_unknown_item_is_held_with_all_reasons_and_heals_when_the_item_comes() {
    let world = World::new().await;
    let instance = world.instance().await;
    let mut order = order("1008", &world.customer(), 2);
    let content = order.order.as_mut().unwrap();
    content.lines = vec![line(1, CHAIR, 1), line(2, "LATE-1", 1)];
    let answer = instance.submit(order).await.unwrap().order.unwrap();
    assert_eq!(answer.state(), OrderState::Held);
    assert_eq!(answer.hold_reasons.len(), 1);
    assert_eq!(
        (
            answer.hold_reasons[0].line_number,
            answer.hold_reasons[0].subject.as_str()
        ),
        (2, "LATE-1")
    );
    assert!(answer.hold_reasons[0].heals_by_itself);
    world.create_item("LATE-1").await;
    world.tell_item("LATE-1", false).await;
    instance.until_state("1008", OrderState::Posted).await;
    assert_eq!(world.documents("1008").await, 1);
    instance.stop().await;
}

#[tokio::test]
async fn personal_data_is_told_only_to_who_may_see_it() {
    let world = World::new().await;
    let instance = world.instance().await;
    instance
        .submit(new_customers_order("1009", "c-79"))
        .await
        .unwrap();
    let request = || GetOrderRequest {
        channel: CHANNEL.into(),
        order_number: "1009".into(),
        include_personal: true,
    };
    let refused = instance
        .orders
        .clone()
        .get_order(request())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut desk = instance.as_caller(SERVICE_DESK).await;
    let told = desk
        .get_order(request())
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap();
    assert_eq!(told.personal, Some(person("Erika Mustermann")));
    assert_eq!(told.order.unwrap().personal, None);
    instance.stop().await;
}

#[tokio::test]
async fn a_watch_tells_each_change_as_it_happens() {
    let world = World::new().await;
    let instance = world.instance().await;
    let request = WatchOrdersRequest {
        channel: CHANNEL.into(),
        order_numbers: vec![],
    };
    let mut watch = instance
        .orders
        .clone()
        .watch_orders(request)
        .await
        .unwrap()
        .into_inner();
    instance
        .submit(order("1010", &world.customer(), 1))
        .await
        .unwrap();
    let mut version = 0;
    tokio::time::timeout(PATIENCE, async {
        while let Some(told) = watch.next().await {
            let told = told.unwrap().order.unwrap();
            assert!(told.version > version, "never twice, never back");
            version = told.version;
            if told.state() == OrderState::Posted {
                return;
            }
        }
        panic!("the watch ended");
    })
    .await
    .unwrap();
    drop(watch);
    instance.stop().await;
}

/// Row 49.
#[tokio::test]
async fn orders_are_listed_newest_first_in_pages() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    for number in ["2001", "2002", "2003"] {
        instance.submit(order(number, &customer, 1)).await.unwrap();
        instance.until_state(number, OrderState::Posted).await;
    }
    let list = async |token: String, size: u32| {
        let request = ListOrdersRequest {
            channel: CHANNEL.into(),
            page_size: size,
            page_token: token,
            state: 0,
        };
        let page = instance
            .orders
            .clone()
            .list_orders(request)
            .await
            .unwrap()
            .into_inner();
        let numbers = page
            .orders
            .into_iter()
            .map(|view| view.order.unwrap().order_number)
            .collect::<Vec<_>>();
        (numbers, page.next_page_token)
    };
    millrace_test_rig::until(PATIENCE, "three orders are listed", async || {
        (list(String::new(), 0).await.0.len() == 3).then_some(())
    })
    .await;
    let (first, token) = list(String::new(), 2).await;
    assert_eq!(first, ["2003", "2002"]);
    let (second, token) = list(token, 2).await;
    assert_eq!(second, ["2001"]);
    assert_eq!(token, "");
    instance.stop().await;
}

#[tokio::test]
async fn of_two_contents_under_one_number_at_once_one_is_taken() {
    let world = World::new().await;
    let instance = world.instance().await;
    let customer = world.customer();
    for number in 2101..2111 {
        let number = number.to_string();
        let (one, two) = tokio::join!(
            instance.submit(order(&number, &customer, 1)),
            instance.submit(order(&number, &customer, 2)),
        );
        let refused = [one, two]
            .into_iter()
            .filter_map(Result::err)
            .map(|status| status.code());
        assert_eq!(refused.collect::<Vec<_>>(), [Code::AlreadyExists]);
    }
    instance.stop().await;
}

#[tokio::test]
async fn the_largest_order_goes_through_whole() {
    let world = World::new().await;
    let instance = world.instance().await;
    let mut large = order("2201", &world.customer(), 1000);
    large.order.as_mut().unwrap().lines = (1..=1000).map(|number| line(number, CHAIR, 1)).collect();
    let taken = instance.submit(large).await.unwrap().order.unwrap();
    assert_eq!(taken.hold_reasons, []);
    let posted = instance.until_state("2201", OrderState::Posted).await;
    assert_eq!(posted.lines.len(), 1000);
    assert_eq!(posted.total_difference, None);
    instance.stop().await;
}
