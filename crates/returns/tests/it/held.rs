//! Returns that wait go on by themselves when what they lacked arrives.

use std::time::Duration;

use millrace_contract::returns::v1::{HoldKind, ReturnState};
use millrace_contract::webshop_orders::v1::Buyer;
use millrace_returns::Config;
use serde_json::json;

use crate::instance::{config, kinds};
use crate::sale::{goods, order};
use crate::world::{World, knows, migrated};

/// No net: nothing but being woken makes a return go on.
fn without_recheck() -> Config {
    Config {
        recheck_every: Duration::from_secs(3600),
        ..config()
    }
}

/// Row 94.
#[tokio::test]
async fn an_order_that_comes_later_and_is_shipped_later_lets_its_return_go_on() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-0", &customer, 1).await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), without_recheck()).await;
    knows(&database, "S-0").await;
    let held = instance.taken(goods("R-1", "S-1", &customer, 1)).await;
    assert_eq!(held.state(), ReturnState::Held);
    assert_eq!(kinds(&held), [HoldKind::OrderUnknown]);
    assert!(held.hold_reasons[0].heals_by_itself);
    world.sell("S-1", &customer, 2).await;
    instance
        .until("R-1", "it waits for the shipment", |view| {
            kinds(view) == [HoldKind::NotDelivered]
        })
        .await;
    world.ship("S-1", 2).await;
    instance.until_state("R-1", ReturnState::Posted).await;
    assert_eq!(world.return_orders("R-1").await, 1);
    instance.stop().await;
}

#[tokio::test]
async fn a_reason_that_comes_later_lets_its_return_go_on() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), without_recheck()).await;
    knows(&database, "S-1").await;
    let mut odd = goods("R-1", "S-1", &customer, 1);
    odd.lines[0].reason_code = "COLOUR".into();
    let held = instance.taken(odd).await;
    assert_eq!(kinds(&held), [HoldKind::ReasonUnknown]);
    let new = json!({ "code": "COLOUR", "description": "Other colour" });
    world
        .simulator
        .office("set-return-reason", new)
        .await
        .unwrap();
    instance.until_state("R-1", ReturnState::Posted).await;
    instance.stop().await;
}

#[tokio::test]
async fn pieces_that_another_return_gives_back_let_one_go_on_that_asked_for_too_many() {
    let world = World::new().await;
    let customer = world.customer();
    world.delivered("S-1", &customer, 2).await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), without_recheck()).await;
    knows(&database, "S-1").await;
    instance.taken(goods("R-1", "S-1", &customer, 2)).await;
    instance.until_state("R-1", ReturnState::Posted).await;
    let held = instance.taken(goods("R-2", "S-1", &customer, 1)).await;
    assert_eq!(kinds(&held), [HoldKind::TooMany]);
    assert_eq!(held.hold_reasons[0].subject, "0");
    instance.cancel("R-1").await.unwrap();
    instance.until_state("R-2", ReturnState::Posted).await;
    instance.stop().await;
}

/// A return for an order of another customer, or channel.
#[tokio::test]
async fn somebody_elses_order_is_held_and_never_shown() {
    let world = World::new().await;
    let customers = world.customers();
    world.delivered("S-1", &customers[0], 2).await;
    let instance = world.instance_that_knows("S-1").await;
    let held = instance.taken(goods("R-1", "S-1", &customers[1], 1)).await;
    assert_eq!(kinds(&held), [HoldKind::CustomerMismatch]);
    assert_eq!(held.lines[0].item_number, "");
    let answer = instance.answer("R-1").await.unwrap();
    assert_eq!(answer.order, None);
    assert!(!format!("{answer:?}").contains(&customers[0]));
    assert_eq!(world.return_orders("R-1").await, 0);
    instance.stop().await;
}

#[tokio::test]
async fn a_guest_is_known_by_the_shops_number_and_a_gift_by_nothing() {
    let world = World::new().await;
    let customer = world.customer();
    world.sell("S-1", &customer, 3).await;
    let mut guests = order("S-1", "", 3);
    guests.buyer = Some(Buyer {
        customer_number: String::new(),
        shop_customer_number: "guest-7".into(),
    });
    // As order-intake tells of it: who bought was not in the ERP before.
    world.tell_sold("S-2", guests).await;
    world.ship("S-1", 3).await;
    world.ship("S-2", 3).await;
    let instance = world.instance_that_knows("S-2").await;
    let mut by_guest = goods("R-1", "S-2", "", 1);
    by_guest.shop_customer_number = "guest-8".into();
    let held = instance.taken(by_guest.clone()).await;
    assert_eq!(kinds(&held), [HoldKind::CustomerMismatch]);
    by_guest.return_number = "R-2".into();
    by_guest.shop_customer_number = "guest-7".into();
    let taken = instance.taken(by_guest).await;
    assert_eq!(taken.state(), ReturnState::Accepted);
    let mut gift = goods("R-3", "S-1", "", 1);
    gift.gift = true;
    instance.taken(gift).await;
    let posted = instance.until_state("R-3", ReturnState::Posted).await;
    let way = posted.credits[0].way();
    assert_eq!(way, millrace_contract::returns::v1::RefundWay::Voucher);
    // Whoever was given the goods learns neither who bought them, nor what else, nor for how much.
    let shown = instance.answer("R-3").await.unwrap().order.unwrap();
    assert_eq!(shown.shipments[0].lines.len(), 1);
    let bought = shown.order.as_ref().unwrap();
    assert_eq!(bought.lines[0].item_number, crate::sale::CHAIR);
    assert_eq!(bought.lines[0].gross, None);
    assert!(bought.buyer.is_none() && bought.totals.is_none());
    assert!(!format!("{shown:?}").contains(&customer));
    instance.stop().await;
}

#[tokio::test]
async fn settings_that_changed_with_a_restart_free_what_waited_for_them() {
    let world = World::new().await;
    let customers = world.customers();
    world.delivered("S-1", &customers[0], 2).await;
    let database = migrated("sqlite::memory:").await;
    let instance = world.instance_on(database.clone(), config()).await;
    knows(&database, "S-1").await;
    let held = instance.taken(goods("R-1", "S-1", &customers[1], 1)).await;
    assert_eq!(held.state(), ReturnState::Held);
    instance.stop().await;
    let channels = toml::from_str::<Config>(
        "[[channels]]\nchannel = 'furniture-de'\noff = ['customer-mismatch']",
    );
    let off = Config {
        channels: channels.unwrap().channels,
        ..config()
    };
    let again = world.instance_on(database, off).await;
    again.until_state("R-1", ReturnState::Posted).await;
    again.stop().await;
}
