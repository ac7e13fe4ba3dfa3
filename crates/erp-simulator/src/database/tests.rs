//! Random work against a model: whatever is committed, held, rolled back or refused, tables and their indexes agree.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use millrace_service_kit::Ids;
use uuid::Uuid;

use super::{Context, Database, Ended, Item, Marks, Row, Transaction, Variant};

const ITEMS: u64 = 6;

fn database() -> Database {
    Database::new(Marks {
        version: 0,
        environment: Uuid::nil(),
        epoch: Uuid::nil(),
        company: Uuid::nil(),
        company_name: String::new(),
        local_currency: "EUR".to_owned(),
        oldest_cursor: 0,
        series: BTreeMap::new(),
        without_series: BTreeSet::new(),
    })
}

fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(number + 1, 0)
}

/// One step of a transaction: change an item's name, delete it, or add a variant below it.
fn step(tx: &mut Transaction<'_>, item: u64, name: u64, what: u64) {
    match what {
        0 => tx.delete::<Item>(id(item)),
        1 => {
            tx.put(Variant {
                id: id(100 + name),
                item: id(item),
                code: format!("V{name}"),
                ..Variant::default()
            });
        }
        _ => {
            tx.put(Item {
                id: id(item),
                number: format!("I{item}"),
                name: format!("N{name}"),
                ..Item::default()
            });
        }
    }
}

type Model = BTreeMap<Uuid, String>;

fn names(database: &Database) -> Model {
    database
        .tables()
        .items
        .iter()
        .map(|item| (item.id, item.name.clone()))
        .collect()
}

fn check_indexes(database: &Database) {
    let tables = database.tables();
    for item in tables.items.iter() {
        let key = item.key().expect("items have a key");
        assert_eq!(
            tables.items.by_key(&key).map(|found| found.id),
            Some(item.id)
        );
    }
    for number in 0..ITEMS {
        let children = tables.variants.children(id(number)).count();
        let counted = tables
            .variants
            .iter()
            .filter(|variant| variant.item == id(number))
            .count();
        assert_eq!(children, counted);
        if tables.items.get(id(number)).is_none() {
            assert!(tables.items.by_key(&format!("I{number}")).is_none());
        }
    }
}

fn run(seed: u64) {
    let ids = Ids::seeded(seed);
    let draw = |below: u64| u64::from(ids.bytes::<1>()[0]) % below;
    let context = Context {
        now: Timestamp::UNIX_EPOCH,
        actor: "test",
        ids: &ids,
    };
    let mut database = database();
    let mut held: Vec<u64> = Vec::new();
    let mut last_boundary = 0;
    for _ in 0..200 {
        let before = names(&database);
        let steps: Vec<(u64, u64, u64)> = (0..=draw(3))
            .map(|_| (draw(ITEMS), draw(50), draw(6)))
            .collect();
        match draw(10) {
            0 if !held.is_empty() => {
                let at = usize::try_from(draw(held.len() as u64)).unwrap_or_default();
                let commit = draw(2) == 0;
                database
                    .finish(held.remove(at), commit)
                    .expect("it is held");
                if !commit {
                    assert_eq!(
                        names(&database),
                        before,
                        "seed {seed}: a rollback changes nothing"
                    );
                }
            }
            1 => {
                let refused: Result<(Ended<()>, _), &str> = database.transact(
                    |tx| {
                        steps
                            .iter()
                            .for_each(|(item, name, what)| step(tx, *item, *name, *what));
                        Err("no")
                    },
                    &context,
                    false,
                );
                assert!(refused.is_err());
                assert_eq!(
                    names(&database),
                    before,
                    "seed {seed}: a refused transaction leaves nothing"
                );
            }
            other => {
                let done: Result<_, std::convert::Infallible> = database.transact(
                    |tx| {
                        steps
                            .iter()
                            .for_each(|(item, name, what)| step(tx, *item, *name, *what));
                        Ok(())
                    },
                    &context,
                    other == 2,
                );
                match done.map(|(ended, _)| ended) {
                    Ok(Ended::Held { id, .. }) => held.push(id),
                    Ok(Ended::Committed(())) => {}
                    Ok(Ended::Blocked) => assert!(!held.is_empty()),
                    Err(never) => match never {},
                }
                if other == 2 {
                    assert_eq!(
                        names(&database),
                        before,
                        "seed {seed}: what is held is not seen"
                    );
                }
            }
        }
        let committed = names(&database);
        database.read_uncommitted(|_| ());
        assert_eq!(
            names(&database),
            committed,
            "seed {seed}: a dirty read leaves no trace"
        );
        let boundary = database.boundary();
        assert!(
            boundary >= last_boundary,
            "seed {seed}: the boundary never goes back"
        );
        assert!(held.is_empty() == (boundary == database.marks().version + 1));
        last_boundary = boundary;
        check_indexes(&database);
    }
}

#[test]
fn whatever_is_committed_held_or_refused_tables_and_indexes_agree() {
    for seed in 0..40 {
        run(seed);
    }
}
