//! One item in one store: customers reserve, people look, till and office book, all at once. What the ERP has there is never promised
//! twice, and when all is quiet the shop's figure is the ERP's again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use millrace_contract::personal::v1::Personal;
use millrace_contract::reservation::v1::reservation_service_client::ReservationServiceClient;
use millrace_contract::reservation::v1::{
    CancelReservationRequest, CreateReservationRequest, GetReservationRequest,
    PickUpReservationRequest, PostReservationRequest, ReservationState, ReservationView,
};
use millrace_contract::reservations::v1::{Reservation, ReservationLine, TransferState};
use millrace_contract::values::v1::Quantity;
use millrace_erp_simulator::Simulator;
use millrace_service_kit::Ids;
use millrace_test_rig::until;
use rust_decimal::Decimal;
use serde_json::json;
use tonic::Code;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;

use crate::shop::{Bearer, Connection};
use crate::world::{ALMIGHTY_SHOP_TOKEN, CHANNEL, PATIENCE, Plan, World};

pub const STORE: &str = "STORE-HH";
const ITEM: &str = "TILL-1";
const PIECES: i64 = 12;
const CUSTOMERS: usize = 8;
const ROUNDS: usize = 5;
/// A till tells its sale within this.
const TILL: Duration = Duration::from_millis(200);
/// Longer, so that a till may be slow on a busy machine.
const MARGIN: &str = "[stock_availability]\nmargin = \"3s\"\n";

type Client = ReservationServiceClient<Connection>;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_store_is_promised_once() {
    for seed in millrace_test_rig::seeds("reservations and tills", 1, 20) {
        cross(seed).await;
    }
    millrace_test_rig::soak_result("reservations-and-tills", "no piece was promised twice")
        .unwrap();
}

async fn cross(seed: u64) {
    let plan = Plan {
        look_every: Duration::from_millis(50),
        more_settings: MARGIN.to_owned(),
        ..Plan::default()
    };
    let world = World::in_one_process(plan).await;
    let office = async |act: &str, body| world.simulator.office(act, body).await.unwrap();
    office(
        "create-item",
        json!({ "number": ITEM, "name": "Wanted", "unitPrice": 10 }),
    )
    .await;
    let arrived = json!({ "item": ITEM, "quantity": PIECES, "location": STORE });
    office("move-stock", arrived).await;
    let address = format!("http://{}", world.process("reservation").grpc);
    let channel = Endpoint::from_shared(address).unwrap().connect_lazy();
    let mut shop = world.shop().await;
    let bearer = Bearer::of(ALMIGHTY_SHOP_TOKEN);
    let client = ReservationServiceClient::new(InterceptedService::new(channel, bearer));
    until(PATIENCE, "the shop knows what the store has", async || {
        let stock = shop
            .availabilities(&[(ITEM.to_owned(), String::new())])
            .await;
        let seen = stock.ok()?;
        let mut places = seen[0].locations.iter();
        places.any(|at| at.location_code == STORE).then_some(())
    })
    .await;
    let promised = Promised::default();
    let customers = (0..CUSTOMERS).map(|customer| {
        let chance = Ids::seeded(seed + 1_000 * (1 + customer as u64));
        come(
            &world.simulator,
            client.clone(),
            &promised,
            customer,
            chance,
        )
    });
    let sold: i64 = join_all(customers).await.into_iter().sum();
    assert!(sold > 0, "nobody bought anything, seed {seed}");

    let left = PIECES - sold;
    until(PATIENCE, "the shop's figure is the ERP's", async || {
        let seen = shop
            .availabilities(&[(ITEM.to_owned(), String::new())])
            .await
            .ok()?;
        let figure = seen[0]
            .locations
            .iter()
            .find(|at| at.location_code == STORE)?;
        (figure.available.as_ref()?.units == left).then_some(())
    })
    .await;
    let in_erp = there(&world.simulator);
    assert_eq!(in_erp, (Decimal::from(left), Decimal::ZERO), "seed {seed}");
    // To the last piece, and no more.
    let mut last = client.clone();
    let more = last
        .create_reservation(wish_for(ITEM, "MORE", left + 1))
        .await;
    assert_eq!(
        more.unwrap_err().code(),
        Code::FailedPrecondition,
        "seed {seed}"
    );
    if left > 0 {
        until(PATIENCE, "the last pieces are free", async || {
            last.create_reservation(wish_for(ITEM, "LAST", left))
                .await
                .ok()
        })
        .await;
    }
}

/// On hand in the store, and reserved there.
fn there(simulator: &Simulator) -> (Decimal, Decimal) {
    simulator.read(|tables| {
        let item = tables.items.by_key(ITEM).unwrap().id;
        let figure = tables
            .figures
            .iter()
            .find(|figure| figure.item == item && figure.location == STORE)
            .unwrap();
        (figure.on_hand, figure.reserved)
    })
}

/// Pieces that customers have, or were promised. Counted after they were promised and given up before they are, so that what stands
/// here is never more than what is true.
#[derive(Default)]
struct Promised(AtomicI64);

impl Promised {
    fn more(&self, pieces: i64) {
        let now = self.0.fetch_add(pieces, Ordering::SeqCst) + pieces;
        assert!(now <= PIECES, "{now} of {PIECES} pieces are promised");
    }

    fn fewer(&self, pieces: i64) {
        self.0.fetch_sub(pieces, Ordering::SeqCst);
    }
}

/// One customer, and the people who serve him; how many pieces he bought.
async fn come(
    simulator: &Simulator,
    client: Client,
    promised: &Promised,
    customer: usize,
    chance: Ids,
) -> i64 {
    let mut bought = 0;
    for round in 0..ROUNDS {
        let number = format!("R-{customer}-{round}");
        let wanted = 1 + pick(&chance, 3) as i64;
        if !is_promised(client.clone(), &number, wanted).await {
            continue;
        }
        promised.more(wanted);
        let fate = pick(&chance, 6);
        let by_office = pick(&chance, 2) == 0;
        if fate > 0 {
            put_aside(simulator, client.clone(), &number, by_office).await;
        }
        if fate > 2 {
            bought += fetch(simulator, client.clone(), &number).await;
        } else {
            let cancel = CancelReservationRequest {
                channel: CHANNEL.to_owned(),
                reservation_number: number.clone(),
                note: String::new(),
            };
            promised.fewer(wanted);
            client.clone().cancel_reservation(cancel).await.unwrap();
        }
        until(PATIENCE, "the ERP's part is over", async || {
            let view = get(client.clone(), &number).await;
            // Given up before the ERP heard of it.
            let Some(transfer) = view.transfer.as_ref() else {
                return (fate == 0).then_some(());
            };
            let state = transfer.state();
            matches!(state, TransferState::Cancelled | TransferState::Returned).then_some(())
        })
        .await;
    }
    bought
}

/// Asks for a while.
async fn is_promised(client: Client, number: &str, pieces: i64) -> bool {
    for _ in 0..40 {
        let made = client
            .clone()
            .create_reservation(wish_for(ITEM, number, pieces))
            .await;
        let Err(refused) = made else { return true };
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
        passes(Duration::from_millis(25)).await;
    }
    false
}

/// Time that people take.
async fn passes(time: Duration) {
    let never = std::future::pending::<()>();
    tokio::time::timeout(time, never).await.unwrap_err();
}

async fn put_aside(simulator: &Simulator, client: Client, number: &str, by_office: bool) {
    if by_office {
        let there = json!({ "channel": CHANNEL.to_uppercase(), "reservationNumber": number });
        until(PATIENCE, "a person finds it in the ERP", async || {
            simulator.office("post-transfer", there.clone()).await.ok()
        })
        .await;
    } else {
        let post = PostReservationRequest {
            channel: CHANNEL.to_owned(),
            reservation_number: number.to_owned(),
            found: vec![],
        };
        client.clone().post_reservation(post).await.unwrap();
    }
    until(PATIENCE, "it is put aside", async || {
        let view = get(client.clone(), number).await;
        (view.state() == ReservationState::Posted).then_some(())
    })
    .await;
}

/// Taken to the till and paid there, which the till tells a little later.
async fn fetch(simulator: &Simulator, client: Client, number: &str) -> i64 {
    let view = get(client.clone(), number).await;
    let pick_up = PickUpReservationRequest {
        channel: CHANNEL.to_owned(),
        store: STORE.to_owned(),
        document_number: view.document_number,
        customer_number: String::new(),
    };
    until(PATIENCE, "it is handed over", async || {
        client
            .clone()
            .pick_up_reservation(pick_up.clone())
            .await
            .ok()
    })
    .await;
    until(PATIENCE, "it is back in the store's stock", async || {
        let view = get(client.clone(), number).await;
        (view.transfer.as_ref()?.state() == TransferState::Returned).then_some(())
    })
    .await;
    passes(TILL).await;
    let pieces = view.lines[0].found.as_ref().unwrap().units;
    let sale = json!({ "item": ITEM, "quantity": pieces, "location": STORE });
    simulator.office("sell-at-till", sale).await.unwrap();
    pieces
}

async fn get(client: Client, number: &str) -> ReservationView {
    let request = GetReservationRequest {
        channel: CHANNEL.to_owned(),
        reservation_number: number.to_owned(),
        include_personal: false,
    };
    let answer = client.clone().get_reservation(request).await.unwrap();
    answer.into_inner().reservation.unwrap()
}

/// Of one item, by a guest.
pub fn wish_for(item: &str, number: &str, pieces: i64) -> CreateReservationRequest {
    CreateReservationRequest {
        reservation: Some(Reservation {
            channel: CHANNEL.to_owned(),
            reservation_number: number.to_owned(),
            store: STORE.to_owned(),
            placed_at: Some(prost_types::Timestamp::default()),
            lines: vec![ReservationLine {
                line_number: 1,
                item_number: item.to_owned(),
                variant_code: String::new(),
                quantity: Some(Quantity {
                    units: pieces,
                    nanos: 0,
                    unit: String::new(),
                }),
            }],
            ..Reservation::default()
        }),
        contact: Some(Personal {
            email: "erika@example.com".to_owned(),
            ..Personal::default()
        }),
    }
}

/// Below `limit`, by chance.
fn pick(chance: &Ids, limit: usize) -> usize {
    (chance.fraction() * limit as f64) as usize
}
