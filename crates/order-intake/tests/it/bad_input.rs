//! What is malformed is refused by name, and nothing of it is stored.

use millrace_contract::order::v1::{
    DropOrderRequest, GetOrderRequest, ListOrdersRequest, MendOrderRequest, SubmitOrderRequest,
};
use millrace_contract::personal::v1::Personal;
use millrace_contract::webshop_orders::v1::Order;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::instance::{Instance, OPERATOR, OTHER_SHOP, READER};
use crate::sale::{CHAIR, CHANNEL, content, line, money, new_customers_order, order, person};
use crate::world::World;

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request();
    let violations = details
        .map(|details| details.field_violations)
        .unwrap_or_default();
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

async fn refused(instance: &Instance, change: impl FnOnce(&mut Order)) -> Vec<String> {
    let mut request = order("5001", "10000", 2);
    change(request.order.as_mut().unwrap());
    let status = instance.submit(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    fields(&status)
}

async fn nothing_is_stored(instance: &Instance) {
    let request = ListOrdersRequest {
        channel: CHANNEL.into(),
        page_size: 0,
        page_token: String::new(),
        state: 0,
    };
    let listed = instance
        .orders
        .clone()
        .list_orders(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.orders, []);
    let request = GetOrderRequest {
        channel: CHANNEL.into(),
        order_number: "5001".into(),
        include_personal: false,
    };
    assert_eq!(
        instance
            .orders
            .clone()
            .get_order(request)
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn each_malformed_field_is_named() {
    let world = World::new().await;
    let instance = world.instance().await;
    let instance = &instance;
    let quantity = |units: i64, nanos: i32| {
        move |order: &mut Order| {
            let quantity = order.lines[0].quantity.as_mut().unwrap();
            (quantity.units, quantity.nanos) = (units, nanos);
        }
    };
    assert_eq!(
        refused(instance, |order| order.order_number = String::new()).await,
        ["order.order_number"]
    );
    assert_eq!(
        refused(instance, |order| order.order_number = "a\0b".into()).await,
        ["order.order_number"]
    );
    assert_eq!(
        refused(instance, |order| order.order_number = "9".repeat(36)).await,
        ["order.order_number"]
    );
    assert_eq!(
        refused(instance, |order| order.placed_at = None).await,
        ["order.placed_at"]
    );
    assert_eq!(
        refused(instance, |order| order.currency_code = "EURO".into()).await,
        ["order.currency_code"]
    );
    assert_eq!(
        refused(instance, |order| order.buyer = None).await,
        ["order.buyer"]
    );
    assert_eq!(
        refused(instance, |order| order.lines.clear()).await,
        ["order.lines"]
    );
    assert_eq!(
        refused(instance, quantity(-1, 0)).await,
        ["order.lines[0].quantity"]
    );
    assert_eq!(
        refused(instance, quantity(0, 0)).await,
        ["order.lines[0].quantity"]
    );
    assert_eq!(
        refused(instance, quantity(1, -5)).await,
        ["order.lines[0].quantity"]
    );
    assert_eq!(
        refused(instance, quantity(0, 1)).await,
        ["order.lines[0].quantity"],
        "more than five places"
    );
    assert_eq!(
        refused(instance, quantity(i64::MAX, 0)).await,
        ["order.lines[0].quantity"]
    );
    assert_eq!(
        refused(instance, |order| order.lines[0].net = money(-1)).await,
        ["order.lines[0].net"]
    );
    assert_eq!(
        refused(instance, |order| order.lines[0].unit_price = money(-100)).await,
        ["order.lines[0].unit_price"]
    );
    assert_eq!(
        refused(instance, |order| order.totals = None).await,
        ["order.totals"]
    );
    assert_eq!(
        refused(instance, |order| order.requested_delivery_date =
            "tomorrow".into())
        .await,
        ["order.requested_delivery_date"]
    );
    let dollars =
        |order: &mut Order| order.lines[0].gross.as_mut().unwrap().currency_code = "USD".into();
    assert_eq!(
        refused(instance, dollars).await,
        ["order.lines[0].gross.currency_code"]
    );
    let twice = |order: &mut Order| order.lines = vec![line(1, CHAIR, 1), line(1, CHAIR, 1)];
    assert_eq!(
        refused(instance, twice).await,
        ["order.lines[1].line_number"]
    );
    let many =
        |order: &mut Order| order.lines = (1..=1001).map(|number| line(number, CHAIR, 1)).collect();
    assert_eq!(refused(instance, many).await, ["order.lines"]);
    let several = |order: &mut Order| {
        order.order_number = String::new();
        order.lines[0].item_number = String::new();
    };
    assert_eq!(
        refused(instance, several).await,
        ["order.order_number", "order.lines[0].item_number"]
    );
    nothing_is_stored(instance).await;
}

#[tokio::test]
async fn a_new_customer_without_name_or_with_broken_data_is_refused_without_repeating_it() {
    let world = World::new().await;
    let instance = world.instance().await;
    let nobody = SubmitOrderRequest {
        personal: None,
        ..new_customers_order("5001", "c-1")
    };
    assert_eq!(
        fields(&instance.submit(nobody).await.unwrap_err()),
        ["personal"]
    );
    let mut broken = person("Erika Mustermann");
    broken.email = "secret-address".into();
    broken.sell_to.as_mut().unwrap().country_code = "Germany".into();
    let broken = SubmitOrderRequest {
        personal: Some(broken),
        ..new_customers_order("5001", "c-1")
    };
    let status = instance.submit(broken).await.unwrap_err();
    assert_eq!(
        fields(&status),
        [
            "personal.sell_to.country_code",
            "personal.sell_to.country_code",
            "personal.email"
        ]
    );
    assert!(!status.message().contains("secret-address"));
    let nowhere = |change: fn(&mut Personal)| {
        let mut personal = person("Erika Mustermann");
        personal.bill_to = personal.sell_to.clone();
        change(&mut personal);
        SubmitOrderRequest {
            personal: Some(personal),
            ..new_customers_order("5001", "c-1")
        }
    };
    let homeless = nowhere(|personal| personal.sell_to.as_mut().unwrap().country_code.clear());
    assert_eq!(
        fields(&instance.submit(homeless).await.unwrap_err()),
        ["personal.sell_to.country_code"]
    );
    let unbilled = nowhere(|personal| personal.bill_to.as_mut().unwrap().country_code.clear());
    assert_eq!(
        fields(&instance.submit(unbilled).await.unwrap_err()),
        ["personal.bill_to.country_code"]
    );
    nothing_is_stored(&instance).await;
}

#[tokio::test]
async fn wrong_channels_scopes_and_tokens_are_refused() {
    let world = World::new().await;
    let instance = world.instance().await;
    let shop = async |secret| instance.as_caller(secret).await;
    let request = || order("5001", "10000", 1);
    let other = shop(OTHER_SHOP)
        .await
        .submit_order(request())
        .await
        .unwrap_err();
    assert_eq!(other.code(), Code::PermissionDenied);
    let reader = shop(READER)
        .await
        .submit_order(request())
        .await
        .unwrap_err();
    assert_eq!(reader.code(), Code::PermissionDenied);
    let nobody = shop("no-token-anybody-knows")
        .await
        .submit_order(request())
        .await
        .unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let mut unknown = request();
    unknown.order.as_mut().unwrap().channel = "no-such-channel".into();
    let operator = shop(OPERATOR)
        .await
        .submit_order(unknown.clone())
        .await
        .unwrap_err();
    assert_eq!(operator.code(), Code::NotFound);
    unknown.order.as_mut().unwrap().channel = "No Channel!".into();
    assert_eq!(
        fields(&instance.submit(unknown).await.unwrap_err()),
        ["order.channel"]
    );
    let read = GetOrderRequest {
        channel: CHANNEL.into(),
        order_number: "5001".into(),
        include_personal: false,
    };
    assert_eq!(
        shop(OTHER_SHOP)
            .await
            .get_order(read)
            .await
            .unwrap_err()
            .code(),
        Code::PermissionDenied
    );
    nothing_is_stored(&instance).await;
}

#[tokio::test]
async fn operators_calls_are_checked_as_well() {
    let world = World::new().await;
    let instance = world.instance().await;
    let mut admin = instance.admin.clone();
    let drop = DropOrderRequest {
        channel: CHANNEL.into(),
        order_number: "5009".into(),
        note: String::new(),
    };
    assert_eq!(
        fields(&admin.drop_order(drop.clone()).await.unwrap_err()),
        ["note"]
    );
    let drop = DropOrderRequest {
        note: "why".into(),
        ..drop
    };
    assert_eq!(
        admin.drop_order(drop).await.unwrap_err().code(),
        Code::NotFound
    );
    let mend = MendOrderRequest {
        channel: CHANNEL.into(),
        order_number: "5009".into(),
        order: Some(content("5009", "10000", 1)),
        note: "why".into(),
        ..MendOrderRequest::default()
    };
    assert_eq!(
        admin.mend_order(mend).await.unwrap_err().code(),
        Code::NotFound
    );
    let list = ListOrdersRequest {
        channel: CHANNEL.into(),
        page_size: 1001,
        page_token: String::new(),
        state: 0,
    };
    assert_eq!(
        fields(&instance.orders.clone().list_orders(list).await.unwrap_err()),
        ["page_size"]
    );
    let list = ListOrdersRequest {
        channel: CHANNEL.into(),
        page_size: 0,
        page_token: "nonsense".into(),
        state: 0,
    };
    assert_eq!(
        fields(&instance.orders.clone().list_orders(list).await.unwrap_err()),
        ["page_token"]
    );
}
