//! Who may ask what, and what is refused.

use millrace_contract::customer::v1::get_customer_request::By;
use millrace_contract::customer::v1::{
    GetCustomerRequest, ListCustomersRequest, RegisterCustomerRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{BLIND, Client, SERVICE, SHOP, TOYS, got, personal, running, simulator};

fn violated(status: &Status) -> String {
    let details = status.get_error_details();
    let request = details
        .bad_request()
        .expect("a bad request says which field");
    request.field_violations[0].field.clone()
}

async fn listed(client: &mut Client, page_size: u32) -> Vec<String> {
    let mut numbers = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListCustomersRequest {
            channel: "furniture".into(),
            page_size,
            page_token,
        };
        let page = client.list_customers(request).await.unwrap().into_inner();
        assert!(
            page.customers
                .iter()
                .all(|customer| customer.personal.is_none())
        );
        numbers.extend(page.customers.into_iter().map(|customer| customer.number));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return numbers;
        }
    }
}

#[tokio::test]
async fn pages_hold_every_customer_once_in_the_order_of_numbers() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let mut wanted: Vec<String> = simulator.read(|tables| {
        tables
            .customers
            .iter()
            .map(|customer| customer.number.clone())
            .collect()
    });
    wanted.sort();
    running
        .until_customer(By::Number(wanted.last().unwrap().clone()), |_| true)
        .await;
    let mut client = running.client(Some(SHOP)).await;
    assert_eq!(listed(&mut client, 7).await, wanted);
    assert_eq!(listed(&mut client, 0).await, wanted);
    running.stop().await;
}

#[tokio::test]
async fn a_call_without_a_good_token_is_refused() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    for (token, code) in [
        (None, Code::Unauthenticated),
        (Some("no-such-token-at-all"), Code::Unauthenticated),
        (Some(TOYS), Code::PermissionDenied),
        (Some(BLIND), Code::PermissionDenied),
    ] {
        let mut client = running.client(token).await;
        assert_eq!(
            got(&mut client, By::Number("10000".into()))
                .await
                .unwrap_err()
                .code(),
            code
        );
        let list = ListCustomersRequest {
            channel: "furniture".into(),
            ..Default::default()
        };
        assert_eq!(client.list_customers(list).await.unwrap_err().code(), code);
        let register = RegisterCustomerRequest {
            channel: "furniture".into(),
            shop_customer_number: "1".into(),
            personal: Some(personal("Erika")),
            ..Default::default()
        };
        assert_eq!(
            client.register_customer(register).await.unwrap_err().code(),
            code
        );
    }
    running.stop().await;
}

#[tokio::test]
async fn another_channels_customer_is_not_there() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let mut client = running.client(Some(SERVICE)).await;
    let register = RegisterCustomerRequest {
        channel: "toys".into(),
        shop_customer_number: "T-1".into(),
        personal: Some(personal("Toni Toy")),
        ..Default::default()
    };
    let created = client
        .register_customer(register)
        .await
        .unwrap()
        .into_inner();
    let request = GetCustomerRequest {
        channel: "toys".into(),
        by: Some(By::Number(created.number.clone())),
    };
    millrace_test_rig::until(
        crate::harness::PATIENCE,
        "toys has its customer",
        async || client.clone().get_customer(request.clone()).await.ok(),
    )
    .await;
    let mut shop = running.client(Some(SHOP)).await;
    assert_eq!(
        got(&mut shop, By::Number(created.number.clone()))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    assert!(!listed(&mut shop, 100).await.contains(&created.number));
    running.stop().await;
}

#[tokio::test]
async fn malformed_requests_name_the_field_and_change_nothing() {
    let simulator = simulator().await;
    let running = running(&simulator).await;
    let mut client = running.client(Some(SERVICE)).await;
    for (by, field) in [
        (Some(By::Number("  ".into())), "number"),
        (Some(By::Number("a\0b".into())), "number"),
        (Some(By::SystemId("10000".into())), "system_id"),
        (
            Some(By::ShopCustomerNumber("x".repeat(51))),
            "shop_customer_number",
        ),
        (None, "by"),
    ] {
        let request = GetCustomerRequest {
            channel: "furniture".into(),
            by,
        };
        let refused = client.get_customer(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), violated(&refused)),
            (Code::InvalidArgument, field.to_owned())
        );
    }
    let list = |page_size, page_token: &str| ListCustomersRequest {
        channel: "furniture".into(),
        page_size,
        page_token: page_token.into(),
    };
    for (request, field) in [
        (list(1001, ""), "page_size"),
        (list(1, "a\0b"), "page_token"),
    ] {
        let refused = client.list_customers(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), violated(&refused)),
            (Code::InvalidArgument, field.to_owned())
        );
    }
    let good = RegisterCustomerRequest {
        channel: "furniture".into(),
        shop_customer_number: "S-9".into(),
        personal: Some(personal("Erika")),
        ..Default::default()
    };
    let with = |change: &dyn Fn(&mut RegisterCustomerRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let before = simulator.read(|tables| tables.customers.len());
    for (request, field) in [
        (
            with(&|request| request.shop_customer_number.clear()),
            "shop_customer_number",
        ),
        (with(&|request| request.personal = None), "personal"),
        (
            with(&|request| request.personal.as_mut().unwrap().sell_to = None),
            "personal.sell_to",
        ),
        (
            with(&|request| request.personal = Some(personal(" "))),
            "personal.sell_to.name",
        ),
        (
            with(&|request| request.personal = Some(personal(&"x".repeat(101)))),
            "personal.sell_to.name",
        ),
        (
            with(&|request| request.personal.as_mut().unwrap().email = "x".repeat(81)),
            "personal.email",
        ),
        (
            with(&|request| {
                request
                    .personal
                    .as_mut()
                    .unwrap()
                    .sell_to
                    .as_mut()
                    .unwrap()
                    .country_code = "Germany".into()
            }),
            "personal.sell_to.country_code",
        ),
        (
            with(&|request| request.currency_code = "XXY".into()),
            "currency_code",
        ),
        (
            with(&|request| request.language = "german!".into()),
            "language",
        ),
        (
            with(&|request| request.channel = "Furniture!".into()),
            "channel",
        ),
    ] {
        let refused = client.register_customer(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), violated(&refused)),
            (Code::InvalidArgument, field.to_owned())
        );
        assert!(
            !refused.message().contains("xxxx"),
            "what offends is personal and not repeated"
        );
    }
    let unknown = with(&|request| request.channel = "nobody".into());
    assert_eq!(
        client.register_customer(unknown).await.unwrap_err().code(),
        Code::NotFound
    );
    let huge = with(&|request| request.personal = Some(personal(&"x".repeat(100_000))));
    assert_eq!(
        client.register_customer(huge).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(simulator.read(|tables| tables.customers.len()), before);
    assert!(running.told("CustomerWished").await.is_empty());
    running.stop().await;
}
