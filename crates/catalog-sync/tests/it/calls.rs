//! What a shop asks over gRPC.

use std::sync::Arc;
use std::time::Duration;

use millrace_contract::catalog::v1::{
    CatalogItem, ExportItemsRequest, GetItemRequest, ListItemsRequest, ListPricesRequest,
    get_item_request::By,
};
use millrace_erp::{Flow, Observed};
use millrace_test_rig::until;
use tonic::Code;
use tonic_types::StatusExt;

use crate::harness::{BLIND, Client, PATIENCE, Running, SHOP, TOYS, database, start};
use crate::records::prices;
use crate::scripted_erp::{ScriptedErp, id, item};

#[tokio::test]
async fn an_item_is_found_by_number_and_by_id() {
    let (_, running) = shop_of(3).await;
    let mut client = running.client(Some(SHOP)).await;
    let by_number = got(&mut client, By::Number("ITEM-002".into()))
        .await
        .unwrap();
    let by_id = got(&mut client, By::SystemId(id(2).to_string()))
        .await
        .unwrap();
    assert_eq!(by_number, by_id);
    assert!(by_number.released);
    assert_eq!(by_number.version, 1);
    assert_eq!(by_number.item.unwrap().display_name, "Chair 2");
    running.stop().await;
}

/// Row 26.
#[tokio::test]
async fn a_blocked_item_is_listed_only_on_request_and_without_prices() {
    let (erp, running) = shop_of(3).await;
    let mut blocked = item(2);
    blocked.blocked = true;
    erp.tells(Flow::Items, Observed::Item(blocked));
    let mut client = running.client(Some(SHOP)).await;
    until(PATIENCE, "the block has arrived", async || {
        let item = got(&mut client.clone(), By::Number("ITEM-002".into()))
            .await
            .unwrap();
        (!item.released).then_some(())
    })
    .await;
    assert_eq!(
        numbers(&listed(&mut client, 10, false).await),
        ["ITEM-001", "ITEM-003"]
    );
    assert_eq!(
        numbers(&listed(&mut client, 10, true).await),
        ["ITEM-001", "ITEM-002", "ITEM-003"]
    );
    let prices = priced(&mut client, "").await;
    assert!(
        prices.iter().all(|(number, ..)| number != "ITEM-002"),
        "{prices:?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn pages_hold_every_item_once_in_the_order_of_numbers() {
    let (_, running) = shop_of(25).await;
    let mut client = running.client(Some(SHOP)).await;
    let all = listed(&mut client, 7, false).await;
    let wanted: Vec<String> = (1..=25).map(|number| format!("ITEM-{number:03}")).collect();
    assert_eq!(numbers(&all), wanted);
    let mut stream = client
        .export_items(ExportItemsRequest {
            channel: "furniture".into(),
            include_unreleased: false,
        })
        .await
        .unwrap()
        .into_inner();
    let mut exported = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        exported.push(message.item.unwrap());
    }
    assert_eq!(numbers(&exported), wanted);
    running.stop().await;
}

/// Row 12.
#[tokio::test]
async fn a_channel_sees_its_price_groups_and_everybodys_prices() {
    let (erp, running) = shop_of(3).await;
    erp.tells(
        Flow::Prices,
        Observed::Prices(prices(1, &[("", 100), ("DEALER", 80), ("STAFF", 50)])),
    );
    running.until_told("PriceChanged", 7).await;
    let mut client = running.client(Some(SHOP)).await;
    let prices = priced(&mut client, "").await;
    let wanted: Vec<(String, String)> = (1..=3)
        .flat_map(|number| {
            ["", "DEALER"].map(|group| (format!("ITEM-{number:03}"), group.to_owned()))
        })
        .collect();
    assert_eq!(prices, wanted);
    assert_eq!(priced(&mut client, "ITEM-002").await, wanted[2..4]);
    running.stop().await;
}

#[tokio::test]
async fn a_call_without_a_good_token_is_refused() {
    let (_, running) = shop_of(1).await;
    let by = || By::Number("ITEM-001".into());
    for (token, code) in [
        (None, Code::Unauthenticated),
        (Some("no-such-token-at-all"), Code::Unauthenticated),
        (Some(TOYS), Code::PermissionDenied),
        (Some(BLIND), Code::PermissionDenied),
    ] {
        let refused = got(&mut running.client(token).await, by())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), code, "{token:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn another_erps_item_is_not_there() {
    let (_, running) = shop_of(1).await;
    let mut client = running.client(Some(TOYS)).await;
    let request = GetItemRequest {
        channel: "toys".into(),
        by: Some(By::Number("ITEM-001".into())),
    };
    assert_eq!(
        client.get_item(request).await.unwrap_err().code(),
        Code::NotFound
    );
    running.stop().await;
}

#[tokio::test]
async fn a_malformed_question_is_refused_naming_the_field() {
    let (_, running) = shop_of(3).await;
    let mut client = running.client(Some(SHOP)).await;
    for (by, field) in [
        (Some(By::Number("  ".into())), "number"),
        (Some(By::Number("x".repeat(101))), "number"),
        (Some(By::SystemId("1896-S".into())), "system_id"),
        (None, "by"),
    ] {
        let refused = client
            .get_item(GetItemRequest {
                channel: "furniture".into(),
                by,
            })
            .await
            .unwrap_err();
        assert_eq!(
            (refused.code(), violated(&refused)),
            (Code::InvalidArgument, field.to_owned())
        );
    }
    for (request, field) in [
        (
            ListItemsRequest {
                page_size: 1_001,
                ..list()
            },
            "page_size",
        ),
        (
            ListItemsRequest {
                page_token: "nonsense".into(),
                ..list()
            },
            "page_token",
        ),
        (
            ListItemsRequest {
                channel: "Furniture!".into(),
                ..list()
            },
            "channel",
        ),
    ] {
        let refused = client.list_items(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), violated(&refused)),
            (Code::InvalidArgument, field.to_owned())
        );
    }
    // A token of another question.
    let first = client
        .list_items(ListItemsRequest {
            page_size: 1,
            ..list()
        })
        .await
        .unwrap()
        .into_inner();
    let other = ListItemsRequest {
        page_token: first.next_page_token,
        include_unreleased: true,
        ..list()
    };
    assert_eq!(
        violated(&client.list_items(other).await.unwrap_err()),
        "page_token"
    );
    running.stop().await;
}

async fn shop_of(count: u32) -> (Arc<ScriptedErp>, Running) {
    let erp = Arc::new(ScriptedErp::new(Duration::from_secs(3_600)));
    for number in 1..=count {
        erp.has(Observed::Item(item(number)));
        erp.has(Observed::Prices(prices(
            number,
            &[("", 100), ("DEALER", 80)],
        )));
    }
    let running = start(erp.clone(), database().await).await;
    running.ready().await;
    let mut client = running.client(Some(SHOP)).await;
    until(PATIENCE, "the rows are there", async || {
        (priced(&mut client, "").await.len() == 2 * count as usize).then_some(())
    })
    .await;
    (erp, running)
}

async fn got(client: &mut Client, by: By) -> Result<CatalogItem, tonic::Status> {
    let request = GetItemRequest {
        channel: "furniture".into(),
        by: Some(by),
    };
    Ok(client.get_item(request).await?.into_inner().item.unwrap())
}

fn list() -> ListItemsRequest {
    ListItemsRequest {
        channel: "furniture".into(),
        ..ListItemsRequest::default()
    }
}

async fn listed(client: &mut Client, page_size: u32, include_unreleased: bool) -> Vec<CatalogItem> {
    let mut items = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListItemsRequest {
            page_size,
            page_token,
            include_unreleased,
            ..list()
        };
        let answer = client.list_items(request).await.unwrap().into_inner();
        assert!(answer.items.len() <= page_size as usize);
        items.extend(answer.items);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return items;
        }
    }
}

/// Item number and price group of every price, two at a time.
async fn priced(client: &mut Client, item_number: &str) -> Vec<(String, String)> {
    let mut prices = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListPricesRequest {
            channel: "furniture".into(),
            item_number: item_number.into(),
            page_size: 2,
            page_token,
        };
        let answer = client.list_prices(request).await.unwrap().into_inner();
        prices.extend(answer.prices.into_iter().map(|price| {
            let key = price.key.unwrap();
            (key.item_number, key.price_group)
        }));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return prices;
        }
    }
}

fn numbers(items: &[CatalogItem]) -> Vec<String> {
    items
        .iter()
        .map(|item| item.item.as_ref().unwrap().number.clone())
        .collect()
}

fn violated(status: &tonic::Status) -> String {
    status.get_details_bad_request().unwrap().field_violations[0]
        .field
        .clone()
}
