//! One process of a service becomes three, its leader dies, and it becomes one again; meanwhile people buy, reserve, send back and
//! change things in the ERP. Nothing is lost, nothing is done twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millrace_contract::order::v1::OrderState;
use millrace_contract::reservation::v1::reservation_service_client::ReservationServiceClient;
use millrace_contract::returns::v1::ReturnState;
use millrace_erp_simulator::Simulator;
use millrace_test_rig::{soak_result, until};
use serde_json::json;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;

use crate::a_store_sells_no_piece_twice::{STORE, wish_for};
use crate::orders_survive_everything::{documents, is_passing, submit};
use crate::returns_survive_everything::{reaches, send_back, sold_pieces};
use crate::shop::{Bearer, Connection, Shop};
use crate::tables::Tables;
use crate::world::{ALMIGHTY_SHOP_TOKEN, CHANNEL, PATIENCE, Plan, SERVICES, World};

/// DESIGN.md §2: how long work that one process does at a time may stand still when that process dies.
const TAKEOVER: Duration = Duration::from_secs(10);
/// Reserved piece by piece.
const WANTED: &str = "WANTED-1";
const PIECES: i64 = 1_000;
/// Sent back piece by piece.
const SOLD: &str = "WEB-SENT-BACK";

/// Rows 113, 129.
#[tokio::test(flavor = "multi_thread")]
async fn every_service_grows_to_three_and_back_and_outlives_its_leader() {
    let postgres = millrace_test_rig::postgres()
        .await
        .create_database("roles")
        .await
        .unwrap();
    let bootstrap = millrace_test_rig::kafka().await.bootstrap();
    let mut world = World::distributed(Plan::default(), &postgres, &bootstrap).await;
    let tables = Tables::open(&postgres).await;
    let mut day = Day::begin(&world).await;

    let over = AtomicBool::new(false);
    let scaling = async {
        let mut slowest = Duration::ZERO;
        for service in SERVICES {
            slowest = slowest.max(grow_and_shrink(&mut world, &tables, service).await);
        }
        over.store(true, Ordering::SeqCst);
        slowest
    };
    let (done, slowest) = tokio::join!(day.goes_on(&over), scaling);
    day.adds_up(&world, done).await;
    let outcome = format!(
        "{} services 1 → 3 → 1 with their leaders killed, {done} orders, reservations and returns each, 0 lost, 0 doubled, \
         the slowest takeover after {:.1} s",
        SERVICES.len(),
        slowest.as_secs_f64()
    );
    soak_result("services-scaled", &outcome).unwrap();
}

/// From one process to three, whose leader dies and is replaced, and back to one. Answers how long nobody led.
async fn grow_and_shrink(world: &mut World, tables: &Tables, service: &str) -> Duration {
    let leader = world.position(service);
    for _ in 0..2 {
        world.add(service, &[]);
    }
    world.ready().await;
    let led = tables.leases(service).await;
    assert!(!led.is_empty(), "{service} does nothing one at a time");

    world.processes[leader].kill();
    let killed = Instant::now();
    let what = format!("others lead {service}: {led:?}");
    until(TAKEOVER, &what, async || {
        let now = tables.leases(service).await;
        led.iter()
            .all(|(lease, holder)| now.get(lease).is_some_and(|now| now != holder))
            .then_some(())
    })
    .await;
    let took = killed.elapsed();

    world.processes[leader].start();
    world.ready().await;
    for _ in 0..2 {
        let mut process = world.processes.pop().expect("it was added");
        let ended = process.stop().await;
        assert!(ended.success(), "{service} ended with {ended}");
    }
    took
}

/// What goes on in shops, stores and the office.
struct Day {
    simulator: Arc<Simulator>,
    shop: Shop,
    store: ReservationServiceClient<Connection>,
    /// Of item 1004, in the beginning.
    stock: i64,
}

impl Day {
    async fn begin(world: &World) -> Self {
        let address = format!("http://{}", world.process("reservation").grpc);
        let channel = Endpoint::from_shared(address).unwrap().connect_lazy();
        let bearer = Bearer::of(ALMIGHTY_SHOP_TOKEN);
        let mut shop = world.shop().await;
        let stock = until(PATIENCE, "the stock of 1004 is known", async || {
            shop.available("1004").await
        })
        .await;
        let mut day = Self {
            simulator: world.simulator.clone(),
            shop,
            store: ReservationServiceClient::new(InterceptedService::new(channel, bearer)),
            stock,
        };
        let wanted = json!({ "number": WANTED, "name": "Wanted", "unitPrice": 10 });
        day.office("create-item", wanted).await;
        let arrived = json!({ "item": WANTED, "quantity": PIECES, "location": STORE });
        day.office("move-stock", arrived).await;
        let stocked = json!({ "item": "1004", "location": "MAIN", "quantity": PIECES });
        day.office("move-stock", stocked).await;
        sold_pieces(world, &mut day.shop, SOLD, PIECES).await;
        day
    }

    async fn office(&self, act: &str, body: serde_json::Value) {
        self.simulator.office(act, body).await.unwrap();
    }

    /// Until it is over: one of everything, and again as soon as the order is in the ERP. Answers how often.
    async fn goes_on(&mut self, over: &AtomicBool) -> i64 {
        let mut done = 0;
        while !over.load(Ordering::SeqCst) {
            done += 1;
            let order = format!("WEB-{done}");
            submit(&mut self.shop, &order).await;
            self.reserve(done).await;
            send_back(&mut self.shop, &format!("RET-{done}"), SOLD, 1).await;
            // One more than the order takes: the last ones find something too.
            let moved = json!({ "item": "1004", "location": "MAIN", "quantity": 3 });
            self.office("move-stock", moved).await;
            let renamed = json!({ "number": "1503", "name": format!("Name {done}") });
            self.office("change-item", renamed).await;
            self.shop.reaches(&order, OrderState::Posted).await;
        }
        done
    }

    async fn reserve(&self, number: i64) {
        let request = wish_for(WANTED, &format!("R-{number}"), 1);
        let what = format!("reservation {number} is made");
        until(PATIENCE, &what, async || {
            match self.store.clone().create_reservation(request.clone()).await {
                Ok(_) => Some(()),
                // The figure may not have come through yet.
                Err(status)
                    if is_passing(&status) || status.code() == tonic::Code::FailedPrecondition =>
                {
                    None
                }
                Err(status) => panic!("reservation {number} was refused: {status}"),
            }
        })
        .await;
    }

    /// Everything that was asked for is there, once.
    async fn adds_up(&mut self, world: &World, done: i64) {
        for number in 1..=done {
            let order = format!("WEB-{number}");
            assert_eq!(documents(world, &order).await, 1, "documents of {order}");
            reaches(
                &mut self.shop,
                &format!("RET-{number}"),
                ReturnState::Posted,
            )
            .await;
        }
        let count = usize::try_from(done).unwrap();
        let asked = json!({ "channel": CHANNEL.to_uppercase(), "orderNumber": SOLD });
        let answer = self.simulator.office("return-orders", asked).await.unwrap();
        assert_eq!(answer["returns"].as_array().unwrap().len(), count);
        let what = format!("{count} transfer requests are in the ERP");
        let in_erp = async || {
            let requests = self.simulator.read(|tables| {
                let mut count = BTreeMap::new();
                for request in tables.transfers.iter() {
                    *count.entry(request.number.clone()).or_insert(0) += 1;
                }
                count
            });
            (requests.len() == count).then_some(requests)
        };
        let requests = until(PATIENCE, &what, in_erp).await;
        assert!(requests.values().all(|count| *count == 1), "{requests:?}");
        until(
            PATIENCE,
            "the figure contains every order and every movement once",
            async || {
                (self.shop.available("1004").await? == self.stock - 2 * done + 3 * done)
                    .then_some(())
            },
        )
        .await;
        let last = format!("Name {done}");
        until(PATIENCE, "the shop sees the last name", async || {
            let items = self.shop.items().await.ok()?;
            let mut items = items.into_iter().filter_map(|item| item.item);
            items.any(|item| item.display_name == last).then_some(())
        })
        .await;
    }
}
