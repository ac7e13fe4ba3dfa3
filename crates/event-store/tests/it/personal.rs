//! What a sealer promises.

use std::sync::Arc;

use millrace_event_store::{Database, DatabaseSettings, SealError, Sealer};
use millrace_service_kit::{Clock, Ids, ManualClock, SystemClock};

use crate::everywhere;
use crate::world::{On, World, open};

everywhere!(
    what_was_sealed_opens_for_the_same_person_and_place_only,
    an_erased_person_is_gone_and_stays_gone,
    two_processes_seal_with_the_same_key,
    without_the_wrapping_key_nothing_opens,
    a_fingerprint_tells_changes_of_one_person_and_nothing_else,
    the_keys_of_a_page_of_people_are_made_together,
);

const WRAPPING: [u8; 32] = [7; 32];

async fn erase(database: &Database, sealer: &Sealer, person: &str) {
    let mut tx = database.begin().await.unwrap();
    sealer.erase(&mut tx, person).await.unwrap();
    tx.commit().await.unwrap();
}

async fn what_was_sealed_opens_for_the_same_person_and_place_only(on: On) {
    let world = World::new(on).await;
    let sealer = Sealer::new(world.database.clone(), &WRAPPING);
    let sealed = sealer
        .seal("anna", b"Anna Larsson", b"order/1")
        .await
        .unwrap();
    assert!(!sealed.windows(4).any(|window| window == b"Anna"));
    assert_ne!(
        sealed,
        sealer
            .seal("anna", b"Anna Larsson", b"order/1")
            .await
            .unwrap(),
        "equal words do not look equal"
    );
    assert_eq!(
        sealer.open("anna", &sealed, b"order/1").await.unwrap(),
        b"Anna Larsson"
    );
    sealer.seal("bert", b"Bert", b"order/1").await.unwrap();
    let mut altered = sealed.clone();
    *altered.last_mut().unwrap() ^= 1;
    for (person, sealed, bound) in [
        ("bert", &sealed, "order/1"),
        ("anna", &sealed, "order/2"),
        ("anna", &altered, "order/1"),
        ("nobody", &sealed, "order/1"),
        ("anna", &vec![], "order/1"),
        ("anna", &vec![1, 2], "order/1"),
    ] {
        assert!(
            matches!(
                sealer.open(person, sealed, bound.as_bytes()).await,
                Err(SealError::Broken)
            ),
            "{person} {bound}"
        );
    }
}

async fn an_erased_person_is_gone_and_stays_gone(on: On) {
    let world = World::new(on).await;
    let sealer = Sealer::new(world.database.clone(), &WRAPPING);
    let sealed = sealer.seal("anna", b"Anna", b"").await.unwrap();
    let other = sealer.seal("bert", b"Bert", b"").await.unwrap();
    erase(&world.database, &sealer, "anna").await;
    erase(&world.database, &sealer, "anna").await;
    erase(&world.database, &sealer, "never seen").await;
    assert!(matches!(
        sealer.open("anna", &sealed, b"").await,
        Err(SealError::Erased)
    ));
    assert!(matches!(
        sealer.seal("anna", b"again", b"").await,
        Err(SealError::Erased)
    ));
    assert!(matches!(
        sealer.seal("never seen", b"again", b"").await,
        Err(SealError::Erased)
    ));
    assert_eq!(sealer.open("bert", &other, b"").await.unwrap(), b"Bert");
    let left = "SELECT CAST(count(*) AS BIGINT) FROM personal_keys WHERE person = 'anna' AND wrapped IS NOT NULL";
    let (left,): (i64,) = sqlx::query_as(left)
        .fetch_one(world.database.pool())
        .await
        .unwrap();
    assert_eq!(left, 0, "the key itself is gone from the table");
}

async fn two_processes_seal_with_the_same_key(on: On) {
    let world = World::new(on).await;
    let other = if on == On::Postgres {
        open(&world.settings).await
    } else {
        world.database.clone()
    };
    let one = Arc::new(Sealer::new(world.database.clone(), &WRAPPING));
    let two = Arc::new(Sealer::new(other, &WRAPPING));
    let (first, second) =
        tokio::join!(one.seal("anna", b"one", b""), two.seal("anna", b"two", b""));
    assert_eq!(
        two.open("anna", &first.unwrap(), b"").await.unwrap(),
        b"one"
    );
    assert_eq!(
        one.open("anna", &second.unwrap(), b"").await.unwrap(),
        b"two"
    );
}

async fn without_the_wrapping_key_nothing_opens(on: On) {
    let world = World::new(on).await;
    let sealed = Sealer::new(world.database.clone(), &WRAPPING)
        .seal("anna", b"Anna", b"")
        .await
        .unwrap();
    let stranger = Sealer::new(world.database.clone(), &[8; 32]);
    assert!(matches!(
        stranger.open("anna", &sealed, b"").await,
        Err(SealError::Broken)
    ));
    assert!(matches!(
        stranger.seal("anna", b"x", b"").await,
        Err(SealError::Broken)
    ));
}

async fn a_fingerprint_tells_changes_of_one_person_and_nothing_else(on: On) {
    let world = World::new(on).await;
    let sealer = Sealer::new(world.database.clone(), &WRAPPING);
    let first = sealer.fingerprint("anna", b"Anna").await.unwrap();
    assert_eq!(sealer.fingerprint("anna", b"Anna").await.unwrap(), first);
    assert_ne!(sealer.fingerprint("anna", b"Anne").await.unwrap(), first);
    assert_ne!(
        sealer.fingerprint("bert", b"Anna").await.unwrap(),
        first,
        "equal people do not look equal"
    );
    erase(&world.database, &sealer, "anna").await;
    assert!(matches!(
        sealer.fingerprint("anna", b"Anna").await,
        Err(SealError::Erased)
    ));
}

async fn the_keys_of_a_page_of_people_are_made_together(on: On) {
    let world = World::new(on).await;
    let sealer = Sealer::new(world.database.clone(), &WRAPPING);
    let sealed = sealer.seal("person-3", b"known before", b"").await.unwrap();
    erase(&world.database, &sealer, "person-4").await;
    let people: Vec<String> = (0..50).map(|number| format!("person-{number}")).collect();
    sealer.prepare(&people).await.unwrap();
    sealer.prepare(&people).await.unwrap();
    let count = "SELECT CAST(count(*) AS BIGINT) FROM personal_keys WHERE wrapped IS NOT NULL";
    let (keys,): (i64,) = sqlx::query_as(count)
        .fetch_one(world.database.pool())
        .await
        .unwrap();
    assert_eq!(keys, 49, "all but the erased one");
    assert_eq!(
        sealer.open("person-3", &sealed, b"").await.unwrap(),
        b"known before"
    );
}

#[tokio::test]
async fn a_person_erased_by_another_process_is_forgotten_within_half_a_minute() {
    let clock = ManualClock::at(SystemClock.now());
    let database = Database::open(
        &DatabaseSettings::new("sqlite::memory:", "log"),
        Arc::new(clock.clone()),
        Ids::random(),
    )
    .await
    .unwrap();
    database.migrate(&[]).await.unwrap();
    let (here, elsewhere) = (
        Sealer::new(database.clone(), &WRAPPING),
        Sealer::new(database.clone(), &WRAPPING),
    );
    let sealed = here.seal("anna", b"Anna", b"").await.unwrap();
    erase(&database, &elsewhere, "anna").await;
    clock.advance(jiff::SignedDuration::from_secs(30));
    assert!(matches!(
        here.open("anna", &sealed, b"").await,
        Err(SealError::Erased)
    ));
}
