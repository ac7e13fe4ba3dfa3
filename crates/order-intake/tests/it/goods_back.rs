//! What comes back of an order, as the topic `returns` tells of it.

use millrace_contract::order::v1::{OrderReturn, OrderState};
use millrace_contract::returns::v1::{
    self as returns, LineState, LineStatus, Return, ReturnLine, ReturnState,
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
    let received = returns::ReturnReceived {
        lines: lines(2, LineState::Received),
        ..returns::ReturnReceived::default()
    };
    tell(&world, "R-1", "Received", received.encode_to_vec()).await;
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
