//! What customers send back becomes one return order each and is credited as sold, whatever dies in between.

use millrace_contract::order::v1::OrderState;
use millrace_contract::returns::v1::{
    GetReturnRequest, Return, ReturnLine, ReturnState, ReturnView, SubmitReturnRequest,
};
use millrace_contract::values::v1::Money;
use millrace_contract::webshop_orders::v1::LineState;
use millrace_test_rig::{soak_result, until};
use serde_json::json;

use crate::orders_survive_everything::{is_passing, submit, submit_lines};
use crate::shop::Shop;
use crate::world::{CHANNEL, PATIENCE, Plan, SERVICES, World};

const CAPITALS: &str = "FURNITURE";
/// What the order of [`submit`] costs.
const SOLD: i64 = 2 * 10_690 + 65_290;

/// The first line's pieces one by one, and the second line.
const PARTS: [(u32, &str); 3] = [(1, "A"), (1, "B"), (2, "C")];

async fn office(world: &World, act: &str, field: &str, number: &str) {
    let body = json!({ "channel": CAPITALS, field: number });
    world.simulator.office(act, body).await.unwrap();
}

/// Sold, delivered and invoiced.
async fn sold(world: &World, shop: &mut Shop, number: &str) {
    submit(shop, number).await;
    is_handed_over(world, shop, number).await;
}

/// So many pieces of one item.
pub async fn sold_pieces(world: &World, shop: &mut Shop, number: &str, pieces: i64) {
    submit_lines(shop, number, &[("1004", pieces, 10_690)]).await;
    is_handed_over(world, shop, number).await;
}

async fn is_handed_over(world: &World, shop: &mut Shop, number: &str) {
    shop.reaches(number, OrderState::Posted).await;
    office(world, "ship", "orderNumber", number).await;
    office(world, "invoice", "orderNumber", number).await;
    until(PATIENCE, "every line is invoiced", async || {
        let view = shop.view(number).await.ok()?;
        let mut lines = view.lines.iter();
        lines
            .all(|line| line.state() == LineState::Invoiced)
            .then_some(())
    })
    .await;
}

/// A shop repeats until it is answered.
pub async fn send_back(shop: &mut Shop, number: &str, order: &str, line: u32) {
    let goods = Return {
        channel: CHANNEL.into(),
        return_number: number.into(),
        order_number: order.into(),
        submitted_at: Some(prost_types::Timestamp {
            seconds: 1_795_000_100,
            nanos: 0,
        }),
        shop_customer_number: "S-1".into(),
        lines: vec![ReturnLine {
            line_number: 1,
            order_line: line,
            quantity: Some(millrace_contract::values::v1::Quantity {
                units: 1,
                nanos: 0,
                unit: String::new(),
            }),
            reason_code: "DEFECT".into(),
            condition: String::new(),
        }],
        ..Return::default()
    };
    let request = SubmitReturnRequest {
        shop_return: Some(goods),
        remarks: None,
    };
    until(PATIENCE, "the return is acknowledged", async || match shop
        .returns
        .submit_return(request.clone())
        .await
    {
        Ok(_) => Some(()),
        Err(status) if is_passing(&status) => None,
        Err(status) => panic!("return {number} was refused: {status}"),
    })
    .await;
}

pub async fn reaches(shop: &mut Shop, number: &str, state: ReturnState) -> ReturnView {
    let what = format!("return {number} is {state:?}");
    until(PATIENCE, &what, async || {
        let request = GetReturnRequest {
            channel: CHANNEL.into(),
            return_number: number.into(),
            include_personal: false,
        };
        let answer = shop.returns.get_return(request).await.ok()?.into_inner();
        answer.shop_return.filter(|view| view.state() == state)
    })
    .await
}

fn cents(money: &Money) -> i64 {
    money.units * 100 + i64::from(money.nanos) / 10_000_000
}

/// Rows 92 to 95, 113.
#[tokio::test(flavor = "multi_thread")]
async fn every_service_may_be_killed_while_goods_come_back() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("returns-killed")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let mut world = World::distributed(Plan::default(), &postgres, &bootstrap).await;
    let mut shop = world.shop().await;
    until(PATIENCE, "the stock of 1004 is known", async || {
        shop.available("1004").await
    })
    .await;
    let orders: Vec<_> = SERVICES
        .iter()
        .map(|service| format!("WEB-{service}"))
        .collect();
    for order in &orders {
        sold(&world, &mut shop, order).await;
    }

    for (order, service) in orders.iter().zip(SERVICES) {
        for (line, part) in PARTS {
            send_back(&mut shop, &format!("{order}-{part}"), order, line).await;
        }
        world.kill(service);
        world.start(service);
        world.ready().await;
        for (_, part) in PARTS {
            reaches(&mut shop, &format!("{order}-{part}"), ReturnState::Posted).await;
        }
        for act in ["receive-return", "inspect-return"] {
            for (_, part) in PARTS {
                office(&world, act, "returnNumber", &format!("{order}-{part}")).await;
            }
        }
        world.kill("returns");
        for (_, part) in PARTS {
            office(
                &world,
                "credit-return",
                "returnNumber",
                &format!("{order}-{part}"),
            )
            .await;
        }
        world.start("returns");
        world.ready().await;
    }

    for order in &orders {
        let mut credited = 0;
        for (_, part) in PARTS {
            let view = reaches(&mut shop, &format!("{order}-{part}"), ReturnState::Credited).await;
            let gross = view.credited.as_ref().and_then(|it| it.gross.as_ref());
            credited += cents(gross.expect("an amount"));
            assert_eq!(view.credit_memo_numbers.len(), 1, "{view:?}");
        }
        assert_eq!(credited, SOLD, "{order}");
        let asked = json!({ "channel": CAPITALS, "orderNumber": order });
        let answer = world
            .simulator
            .office("return-orders", asked)
            .await
            .unwrap();
        let returns = answer["returns"].as_array().unwrap();
        assert_eq!(returns.len(), PARTS.len(), "return orders of {order}");
        until(PATIENCE, "the order shows its returns", async || {
            let view = shop.view(order).await.ok()?;
            let all = view.returns.len() == PARTS.len();
            let done = |it: &millrace_contract::order::v1::OrderReturn| {
                it.state() == ReturnState::Credited
            };
            (all && view.returns.iter().all(done)).then_some(())
        })
        .await;
    }
    let outcome = format!(
        "{} returns, {} services killed, 0 lost, 0 doubled, credited as sold",
        orders.len() * PARTS.len(),
        2 * SERVICES.len()
    );
    soak_result("services-killed-returns", &outcome).unwrap();
}
