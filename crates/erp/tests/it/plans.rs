//! Whatever is done to the ERP and to the way there: once it is over, what was told equals what the ERP holds.

use std::time::Duration;

use millrace_erp::{Erp, Flow};
use millrace_erp_simulator::faults::{Kind, Rule, When};
use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::mirror::{FLOWS, Facts, Mirror, truth};
use crate::standard::standard_truth;
use crate::world::{World, eventually, standard_world, world};

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    Office(Act, usize, u32),
    Fault(Kind, &'static str, u64, u64),
    Read(usize),
    Restart,
    Restore,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Change,
    Rename,
    Create,
    Delete,
    Variant,
    Price,
    Move,
    Customer,
}

fn acts() -> impl Strategy<Value = Act> {
    proptest::sample::select(vec![
        Act::Change,
        Act::Rename,
        Act::Create,
        Act::Delete,
        Act::Variant,
        Act::Price,
        Act::Move,
        Act::Customer,
    ])
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pages = proptest::sample::select(vec![
        "items",
        "itemVariants",
        "priceLines",
        "stockFigures",
        "customers",
        "changeWindows",
        "",
    ]);
    let reads = proptest::sample::select(vec![
        Kind::Throttle,
        Kind::Unavailable,
        Kind::GatewayTimeout,
        Kind::LostAnswer,
        Kind::TokenExpired,
    ]);
    let writes = proptest::sample::select(vec![Kind::LateCommit, Kind::DirtyRead]);
    let step = prop_oneof![
        6 => (acts(), any::<usize>(), any::<u32>()).prop_map(|(act, which, value)| Step::Office(act, which, value)),
        3 => (reads, pages, 1..4_u64, 0..5_u64).prop_map(|(kind, page, times, skip)| Step::Fault(kind, page, times, skip)),
        2 => (writes, 1..3_u64, 0..3_u64).prop_map(|(kind, times, skip)| Step::Fault(kind, "_office/", times, skip)),
        4 => (0..FLOWS.len()).prop_map(Step::Read),
        1 => Just(Step::Restart),
        1 => Just(Step::Restore),
    ];
    proptest::collection::vec(step, 5..25)
}

#[test]
fn whatever_happened_the_mirror_is_equal_in_the_end() {
    run("fault plans of the companion level", 5, |steps| async {
        play(&world().await, steps, |world| truth(&world.simulator)).await;
    });
}

/// A standard tenant has no epoch, so a restore cannot be seen, and its phantoms are [`crate::standard`]'s matter.
#[test]
fn a_standard_tenant_is_equal_in_the_end() {
    run("fault plans of the standard level", 3, |mut steps| async {
        steps.retain(|step| !matches!(step, Step::Restore | Step::Fault(Kind::DirtyRead, ..)));
        play(&standard_world().await, steps, standard_truth).await;
    });
}

fn run<F: Future<Output = ()>>(what: &str, share: u64, plan: impl Fn(Vec<Step>) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut plans = 0;
    for seed in millrace_test_rig::seeds(what, share, share * 80) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let runs = Runs {
            cases: 1,
            max_shrink_iters: 60,
            failure_persistence: None,
            ..Runs::default()
        };
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        TestRunner::new_with_rng(runs, random)
            .run(&steps(), |steps| {
                runtime.block_on(plan(steps));
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        plans += 1;
    }
    let outcome = format!("{plans} plans, the mirror equal to the ERP after each");
    millrace_test_rig::soak_result(&what.replace(' ', "-"), &outcome).unwrap();
}

async fn play(world: &World, steps: Vec<Step>, truth: impl Fn(&World) -> Facts) {
    let mut mirror = Mirror::default();
    world.simulator.office("backup", json!({})).await.unwrap();
    for step in steps {
        match step {
            Step::Office(act, which, value) => office(world, act, which, value).await,
            Step::Fault(kind, path, times, skip) => {
                let mut rule = Rule::new(kind)
                    .times(times)
                    .delay(Duration::from_millis(30));
                let method = if path == "_office/" { "POST" } else { "GET" };
                rule = rule.on(method, path).when(if times.is_multiple_of(2) {
                    When::Before
                } else {
                    When::After
                });
                rule.skip = skip;
                world.simulator.fault(rule);
            }
            Step::Read(flow) => {
                // A reader that gives up half-way: its cursor stays where it was.
                _ = mirror.step(&*world.erp, FLOWS[flow]).await;
            }
            Step::Restart => _ = world.erp.capabilities().await,
            Step::Restore => _ = world.simulator.office("restore", json!({})).await,
        }
    }
    world.simulator.clear_faults();
    // Postings that hang commit or roll back in the end.
    eventually("the mirror is equal", async || {
        mirror.catch_up_all(&*world.erp).await;
        for flow in [Flow::Items, Flow::Customers] {
            mirror.compare(&*world.erp, flow).await.unwrap();
        }
        mirror.facts == truth(world)
    })
    .await;
    assert!(mirror.unreadable.is_empty(), "{:?}", mirror.unreadable);
}

async fn office(world: &World, act: Act, which: usize, value: u32) {
    let (items, customers): (Vec<String>, Vec<String>) = world.simulator.read(|tables| {
        let items = tables.items.iter().map(|item| item.number.clone());
        let customers = tables
            .customers
            .iter()
            .map(|customer| customer.number.clone());
        (items.collect(), customers.collect())
    });
    let item = &items[which % items.len()];
    let customer = &customers[which % customers.len()];
    let price = f64::from(value % 100_000) / 100.0 + 1.0;
    let (name, body): (&str, Value) = match act {
        Act::Change => (
            "change-item",
            json!({ "number": item, "name": format!("Name {value}"), "unitPrice": price, "blocked": value.is_multiple_of(5) }),
        ),
        Act::Rename => (
            "rename-item",
            json!({ "number": item, "newNumber": format!("R{value}") }),
        ),
        Act::Create => (
            "create-item",
            json!({ "number": format!("C{value}"), "name": "Created", "unitPrice": price }),
        ),
        Act::Delete => ("delete-item", json!({ "number": item })),
        Act::Variant => (
            "create-variant",
            json!({ "item": item, "code": format!("V{}", value % 1000), "description": "Variant" }),
        ),
        Act::Price => (
            "set-price",
            json!({ "item": item, "unitPrice": price, "minimum": value % 3 }),
        ),
        Act::Move => (
            "move-stock",
            json!({ "item": item, "quantity": i64::from(value % 50) - 10, "location": "MAIN" }),
        ),
        Act::Customer => (
            "change-customer",
            json!({ "number": customer, "name": format!("Customer {value}") }),
        ),
    };
    // What the ERP's own rules refuse is no part of this test.
    _ = world.simulator.office(name, body).await;
}
