//! Several flows of one company at the same moment: what they want alike is asked once, and nobody gets an answer from
//! before the news he was told of.

use std::sync::Arc;
use std::time::Duration;

use millrace_erp::business_central::BusinessCentral;
use millrace_erp::business_central::webhooks::receiver;
use millrace_erp::{Erp, Flow, Observed, Page};
use millrace_erp_simulator::Config;
use millrace_erp_simulator::faults::{Kind, Rule, When};
use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use crate::mirror::{FLOWS, Mirror, truth};
use crate::world::{World, adapter, eventually, settings, world_with};

const ALL: [Flow; 5] = [
    Flow::Items,
    Flow::Prices,
    Flow::Stock,
    Flow::Customers,
    Flow::Documents,
];

/// Three of each flow.
const READERS: usize = 12;

fn numbers(world: &World) -> Vec<String> {
    world.simulator.read(|tables| {
        let numbers = tables.items.iter().map(|item| item.number.clone());
        numbers.collect()
    })
}

#[tokio::test]
async fn five_flows_at_one_hint_look_at_the_queue_and_at_the_item_once() {
    let world = world_with(Config::default(), |settings| {
        settings.reading.page_size = 500;
    })
    .await;
    let mut mirror = Mirror::default();
    for flow in ALL {
        mirror.catch_up(&*world.erp, flow).await;
    }
    let number = &numbers(&world)[0];
    world
        .simulator
        .office(
            "rename-item",
            json!({ "number": number, "newNumber": "NEW-1" }),
        )
        .await
        .unwrap();
    // Slow enough that all of them are there while the first is answered; counted by the way.
    let slow = |path: &str| {
        Rule::new(Kind::SlowAnswer)
            .on("GET", path)
            .times(0)
            .delay(Duration::from_millis(200))
    };
    world.simulator.fault(slow("changeWindows"));
    world.simulator.fault(slow("/items"));
    let before = world.erp.usage().started;
    let reads = ALL.map(|flow| {
        let (erp, cursor) = (world.erp.clone(), mirror.cursor(flow));
        async move { erp.read(flow, cursor.as_ref()).await.unwrap() }
    });
    let pages = futures::future::join_all(reads).await;
    let told: Vec<usize> = pages.iter().map(|page| page.observations.len()).collect();
    assert_eq!(told, [1, 1, 1, 0, 0]);
    assert_eq!(world.simulator.fired("slowAnswer"), 2);
    // The queue, the status feed, the item, its variants, its prices, its figures.
    assert_eq!(world.erp.usage().started - before, 6);
    world.simulator.clear_faults();
}

/// Changes something, and comes back when it was hinted at.
async fn hinted(world: &World, erp: &BusinessCentral, number: &str, name: &str) {
    let mut hints = erp.hints(Flow::Items);
    hints.borrow_and_update();
    let body = json!({ "number": number, "name": name });
    world.simulator.office("change-item", body).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), hints.changed())
        .await
        .expect("a hint comes")
        .unwrap();
}

fn names(page: &Page) -> Vec<&str> {
    let items = page.observations.iter().map(|observed| match observed {
        Observed::Item(item) => item.display_name.as_str(),
        other => panic!("{other:?}"),
    });
    items.collect()
}

/// The answer of a look that is under way was made before the change; who was woken by the change must not be given it.
#[tokio::test]
async fn who_was_hinted_at_does_not_join_a_look_that_began_before() {
    let (world, erp, _listening) = hooked().await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&*erp, Flow::Items).await;
    let cursor = mirror.cursor(Flow::Items).unwrap();
    let read = || {
        let (erp, cursor) = (erp.clone(), cursor.clone());
        tokio::spawn(async move { erp.read(Flow::Items, Some(&cursor)).await.unwrap() })
    };
    let slow = |path: &str| {
        Rule::new(Kind::SlowAnswer)
            .on("GET", path)
            .delay(Duration::from_millis(700))
    };
    let number = &numbers(&world)[0];

    world.simulator.fault(slow("changeWindows"));
    let early = read();
    eventually("the queue is looked at", async || {
        world.simulator.fired("slowAnswer") == 1
    })
    .await;
    hinted(&world, &erp, number, "first").await;
    assert_eq!(names(&read().await.unwrap()), ["first"]);
    assert!(!early.is_finished());
    assert!(early.await.unwrap().observations.is_empty());

    // The same one step later: the records of an earlier window.
    world.simulator.fault(slow("/items"));
    let early = read();
    eventually("the item is read", async || {
        world.simulator.fired("slowAnswer") == 2
    })
    .await;
    hinted(&world, &erp, number, "second").await;
    assert_eq!(names(&read().await.unwrap()), ["second"]);
    assert!(!early.is_finished());
    assert_eq!(names(&early.await.unwrap()), ["first"]);
}

/// Something that happens while readers that wait for hints and never poll are at work.
#[derive(Debug, Clone)]
enum Step {
    Act(usize, u32),
    /// This page answers this late from now on, with what it saw at once.
    Slow(&'static str, u64),
    Wait(u64),
    /// A reader is cancelled in the middle and begins again at its cursor.
    Restart(usize),
    /// Everything arrives, before anything else hints.
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pages = proptest::sample::select(vec![
        "changeWindows",
        "changeWindows",
        "items",
        "itemVariants",
        "priceLines",
        "stockFigures",
        "customers",
    ]);
    let step = prop_oneof![
        8 => (0..5_usize, any::<u32>()).prop_map(|(act, value)| Step::Act(act, value)),
        5 => (pages, 1..40_u64).prop_map(|(page, delay)| Step::Slow(page, delay)),
        5 => (0..25_u64).prop_map(Step::Wait),
        1 => (0..READERS).prop_map(Step::Restart),
        3 => Just(Step::Settle),
    ];
    proptest::collection::vec(step, 10..60)
}

#[test]
fn no_change_is_missed_by_readers_that_only_follow_hints() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for seed in millrace_test_rig::seeds("flows that share their reads", 6, 200) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let runs = Runs {
            cases: 1,
            max_shrink_iters: 30,
            failure_persistence: None,
            ..Runs::default()
        };
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        TestRunner::new_with_rng(runs, random)
            .run(&steps(), |steps| {
                runtime.block_on(play(steps));
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
}

async fn play(steps: Vec<Step>) {
    let (world, erp, _listening) = hooked().await;
    // Each reader has a mirror of its own, and takes its own time between a hint and its read.
    let mirrors: Vec<(Flow, Arc<Mutex<Mirror>>)> = (0..READERS)
        .map(|reader| (FLOWS[reader % FLOWS.len()], Arc::default()))
        .collect();
    for (flow, mirror) in &mirrors {
        mirror.lock().await.catch_up(&*erp, *flow).await;
    }
    let follow = |reader: usize| {
        let (flow, mirror) = &mirrors[reader];
        let haste = Duration::from_millis(reader as u64 * 7 % 31);
        tokio::spawn(follow(erp.clone(), *flow, mirror.clone(), haste))
    };
    let mut readers: Vec<_> = (0..READERS).map(follow).collect();
    for step in steps {
        match step {
            Step::Act(act, value) => office(&world, act, value).await,
            Step::Slow(page, delay) => {
                let rule = Rule::new(Kind::SlowAnswer)
                    .on("GET", page)
                    .times(2)
                    .when(When::After)
                    .delay(Duration::from_millis(delay));
                world.simulator.fault(rule);
            }
            Step::Wait(delay) => pass(Duration::from_millis(delay)).await,
            Step::Settle => settled(&world, &mirrors).await,
            Step::Restart(reader) => {
                readers[reader].abort();
                readers[reader] = follow(reader);
            }
        }
    }
    settled(&world, &mirrors).await;
    for reader in readers {
        reader.abort();
    }
}

async fn settled(world: &World, mirrors: &[(Flow, Arc<Mutex<Mirror>>)]) {
    eventually("what was hinted at was read", async || {
        let truth = truth(&world.simulator);
        for (flow, mirror) in mirrors {
            let mirror = mirror.lock().await;
            assert_eq!(mirror.unreadable, Vec::<String>::new());
            let facts = &mirror.facts;
            let equal = match flow {
                Flow::Items => facts.items == truth.items,
                Flow::Prices => facts.prices == truth.prices,
                Flow::Stock => facts.stock == truth.stock,
                Flow::Customers => facts.customers == truth.customers,
                Flow::Documents | Flow::Transfers | Flow::Returns => true,
            };
            if !equal {
                return false;
            }
        }
        true
    })
    .await;
}

/// Lets time pass, so that hints and reads meet in another way.
async fn pass(time: Duration) {
    _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Reads at hints alone, never by a clock: what a hint told of and its read did not show is never seen.
async fn follow(
    erp: Arc<BusinessCentral>,
    flow: Flow,
    mirror: Arc<Mutex<Mirror>>,
    haste: Duration,
) {
    let mut hints = erp.hints(flow);
    loop {
        hints.borrow_and_update();
        pass(haste).await;
        while mirror.lock().await.step(&*erp, flow).await.unwrap() {}
        hints.changed().await.unwrap();
    }
}

async fn hooked() -> (World, Arc<BusinessCentral>, AbortOnDropHandle<()>) {
    // Hints come at once, so that they meet reads under way.
    let config = Config {
        webhook_delay: Duration::from_millis(1),
        ..Config::default()
    };
    let world = world_with(config, |_| {}).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hooks", listener.local_addr().unwrap());
    let erp = adapter(settings(&world.simulator));
    let (routes, _) = receiver(vec![erp.clone()]);
    let listening = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    erp.check_subscriptions(&address).await.unwrap();
    (world, erp, AbortOnDropHandle::new(listening))
}

async fn office(world: &World, act: usize, value: u32) {
    let numbers = numbers(world);
    // Few items, so that changes meet.
    let item = &numbers[value as usize % 3];
    let (act, body) = match act {
        0 => (
            "change-item",
            json!({ "number": item, "name": format!("Name {value}") }),
        ),
        1 => (
            "rename-item",
            json!({ "number": item, "newNumber": format!("R{value}") }),
        ),
        2 => (
            "create-variant",
            json!({ "item": item, "code": format!("V{}", value % 1000), "description": "Variant" }),
        ),
        3 => (
            "set-price",
            json!({ "item": item, "unitPrice": value % 1000 + 1, "minimum": value % 3 }),
        ),
        _ => (
            "move-stock",
            json!({ "item": item, "quantity": value % 50, "location": "MAIN" }),
        ),
    };
    // What the ERP's own rules refuse is no part of this test.
    _ = world.simulator.office(act, body).await;
}
