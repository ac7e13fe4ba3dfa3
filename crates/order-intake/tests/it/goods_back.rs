//! What comes back of an order, as the topic `returns` tells of it.

use millrace_contract::order::v1::{OrderReturn, OrderState};
use millrace_contract::returns::v1::{
    self as returns, HoldKind, HoldReason, LineState, LineStatus, Return, ReturnLine, ReturnState,
};
use millrace_contract::values::v1::Quantity;
use prost::Message;

use crate::sale::{CHANNEL, order};
use crate::world::World;

fn pieces(units: i64) -> Option<Quantity> {
    Some(Quantity {
        units,
        nanos: 0,
        unit: "PCS".into(),
    })
}

async fn tell(world: &World, number: &str, kind: &str, payload: Vec<u8>) {
    let stream = format!("return/{CHANNEL}/{number}");
    let kind = format!("millrace.returns.v1.Return{kind}");
    world.tell(stream, &kind, payload).await;
}

async fn submitted(world: &World, number: &str, order: &str) {
    let message = returns::ReturnSubmitted {
        shop_return: Some(Return {
            channel: CHANNEL.into(),
            return_number: number.into(),
            order_number: order.into(),
            lines: vec![ReturnLine {
                line_number: 1,
                order_line: 1,
                quantity: pieces(2),
                reason_code: "DEFECT".into(),
                condition: String::new(),
            }],
            ..Return::default()
        }),
        content_hash: vec![1].into(),
        lines: lines(0, LineState::Requested),
    };
    tell(world, number, "Submitted", message.encode_to_vec()).await;
}

async fn held(world: &World, number: &str, kind: HoldKind) {
    let message = returns::ReturnHeld {
        reasons: vec![HoldReason {
            kind: kind.into(),
            ..HoldReason::default()
        }],
        lines: lines(0, LineState::Requested),
    };
    tell(world, number, "Held", message.encode_to_vec()).await;
}

async fn cleared(world: &World, number: &str) {
    let message = returns::ReturnCleared {
        lines: lines(0, LineState::Requested),
        ..returns::ReturnCleared::default()
    };
    tell(world, number, "Cleared", message.encode_to_vec()).await;
}

fn lines(received: i64, state: LineState) -> Vec<LineStatus> {
    vec![LineStatus {
        line_number: 1,
        order_line: 1,
        requested: pieces(2),
        received: pieces(received),
        state: state.into(),
        ..LineStatus::default()
    }]
}

/// Row 95, as the shop sees it at the order.
#[tokio::test]
async fn an_order_shows_what_comes_back_of_it() {
    let world = World::new().await;
    let instance = world.instance().await;
    for number in ["4001", "4002"] {
        let order = order(number, &world.customer(), 3);
        instance.submit(order).await.unwrap();
        instance.until_state(number, OrderState::Posted).await;
    }
    submitted(&world, "R-1", "4001").await;
    submitted(&world, "R-2", "4001").await;
    // Told of by a topic whose beginning is gone: nobody knows of which order it is.
    let lost = returns::ReturnReceived {
        lines: lines(1, LineState::PartlyReceived),
        ..returns::ReturnReceived::default()
    };
    tell(&world, "R-0", "Received", lost.encode_to_vec()).await;
    cleared(&world, "R-1").await;
    let received = returns::ReturnReceived {
        lines: lines(2, LineState::Received),
        ..returns::ReturnReceived::default()
    };
    tell(&world, "R-1", "Received", received.encode_to_vec()).await;
    held(&world, "R-2", HoldKind::PeriodOver).await;
    let refused = returns::ReturnRefused {
        text: "used".into(),
        lines: lines(0, LineState::Cancelled),
    };
    tell(&world, "R-2", "Refused", refused.encode_to_vec()).await;

    let view = millrace_test_rig::until(crate::world::PATIENCE, "both returns", async || {
        let view = instance.get("4001").await;
        let stands = |index: usize, state| {
            let shown: Option<&OrderReturn> = view.returns.get(index);
            shown.is_some_and(|shown| shown.state() == state)
        };
        (stands(0, ReturnState::Received) && stands(1, ReturnState::Refused)).then_some(view)
    })
    .await;
    let numbers: Vec<_> = view.returns.iter().map(|it| &it.return_number).collect();
    assert_eq!(numbers, ["R-1", "R-2"]);
    assert_eq!(view.returns[0].lines, lines(2, LineState::Received));
    assert_eq!(view.returns[1].lines, lines(0, LineState::Cancelled));
    assert!(instance.get("4002").await.returns.is_empty());
    instance.stop().await;
}

/// A stranger's return is nothing the buyer has to do with, until somebody finds that it is his.
#[tokio::test]
async fn an_order_does_not_show_what_somebody_else_wants_to_send_back() {
    let world = World::new().await;
    let instance = world.instance().await;
    let order = order("4001", &world.customer(), 3);
    instance.submit(order).await.unwrap();
    instance.until_state("4001", OrderState::Posted).await;
    submitted(&world, "R-1", "4001").await;
    held(&world, "R-1", HoldKind::CustomerMismatch).await;
    submitted(&world, "R-2", "4001").await;
    cleared(&world, "R-2").await;
    let shown = async |count: usize| {
        millrace_test_rig::until(crate::world::PATIENCE, "returns are shown", async || {
            let returns = instance.get("4001").await.returns;
            (returns.len() >= count).then_some(returns)
        })
        .await
    };
    let numbers = |returns: Vec<OrderReturn>| -> Vec<String> {
        returns.into_iter().map(|it| it.return_number).collect()
    };
    assert_eq!(numbers(shown(1).await), ["R-2"]);
    let refused = returns::ReturnRefused {
        text: "not yours".into(),
        lines: lines(0, LineState::Cancelled),
    };
    submitted(&world, "R-3", "4001").await;
    held(&world, "R-3", HoldKind::CustomerMismatch).await;
    tell(&world, "R-3", "Refused", refused.encode_to_vec()).await;
    cleared(&world, "R-1").await;
    submitted(&world, "R-4", "4001").await;
    cleared(&world, "R-4").await;
    assert_eq!(numbers(shown(3).await), ["R-1", "R-2", "R-4"]);
    instance.stop().await;
}
