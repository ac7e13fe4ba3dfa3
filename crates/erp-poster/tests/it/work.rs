//! What has to be looked at, and by whom.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use millrace_erp_poster::{Claim, Tables, Work, arrived};
use millrace_event_store::{Database, DatabaseSettings};
use millrace_service_kit::{Clock, Ids, ManualClock};

const TABLES: Tables = Tables {
    rows: "papers",
    waits: "paper_waits",
    work: "paper_work",
    held: &[2],
};

/// Held documents that are asked for at once.
const SHARE: i64 = 200;

struct Desk {
    database: Database,
    clock: ManualClock,
}

impl Desk {
    async fn new() -> Self {
        let clock = ManualClock::at("2026-11-22T10:00:00Z".parse().unwrap());
        let settings = DatabaseSettings::new("sqlite::memory:", "order-intake");
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let database = Database::open(&settings, shared, Ids::seeded(1))
            .await
            .unwrap();
        database.migrate(&[]).await.unwrap();
        let mut tx = database.begin().await.unwrap();
        sqlx::raw_sql(include_str!("tables.sql"))
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Self { database, clock }
    }

    /// One more process on the same database.
    fn process(&self, seed: u64) -> Work {
        let clock = Arc::new(self.clock.clone());
        Work::new(
            TABLES,
            self.database.clone(),
            clock,
            &Ids::seeded(seed),
            Duration::from_secs(30),
        )
    }
}

fn streams(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.stream.as_str()).collect()
}

#[tokio::test]
async fn an_order_is_looked_at_by_one_process_at_a_time() {
    let desk = Desk::new().await;
    let (one, two) = (desk.process(1), desk.process(2));
    one.ask_now("a", &["order/a/1".into()]).await.unwrap();
    let claims = one.take(4).await.unwrap();
    assert_eq!(streams(&claims), ["order/a/1"]);
    assert_eq!(two.take(4).await.unwrap(), []);
    one.settle(&claims[0]).await.unwrap();
    assert_eq!(two.take(4).await.unwrap(), []);
    assert_eq!(two.waiting().await.unwrap(), 0);
}

#[tokio::test]
async fn a_claim_that_is_not_renewed_expires() {
    let desk = Desk::new().await;
    let (one, two) = (desk.process(1), desk.process(2));
    one.ask_now("a", &["order/a/1".into()]).await.unwrap();
    let claims = one.take(1).await.unwrap();
    desk.clock.advance(SignedDuration::from_secs(29));
    one.renew(vec!["order/a/1".into()]).await.unwrap();
    desk.clock.advance(SignedDuration::from_secs(29));
    assert_eq!(two.take(1).await.unwrap(), [], "renewed");
    desk.clock.advance(SignedDuration::from_secs(2));
    assert_eq!(streams(&two.take(1).await.unwrap()), ["order/a/1"]);
    // The one that came too late settles nothing of somebody else's.
    one.settle(&claims[0]).await.unwrap();
    assert_eq!(two.waiting().await.unwrap(), 1);
}

#[tokio::test]
async fn a_claim_whose_look_is_over_expires_while_others_are_kept() {
    let desk = Desk::new().await;
    let (one, two) = (desk.process(1), desk.process(2));
    let both = ["order/a/1".into(), "order/a/2".into()];
    one.ask_now("a", &both).await.unwrap();
    assert_eq!(one.take(2).await.unwrap().len(), 2);
    for _ in 0..3 {
        desk.clock.advance(SignedDuration::from_secs(11));
        one.renew(vec!["order/a/2".into()]).await.unwrap();
    }
    assert_eq!(streams(&two.take(2).await.unwrap()), ["order/a/1"]);
}

#[tokio::test]
async fn held_orders_are_asked_for_in_shares_until_all_had_their_turn() {
    let desk = Desk::new().await;
    let work = desk.process(1);
    let mut tx = desk.database.begin().await.unwrap();
    for number in 0..SHARE + 1 {
        sqlx::query("INSERT INTO papers (stream, channel, state) VALUES ($1, 'a', 2)")
            .bind(format!("order/a/{number:03}"))
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let after = work.ask_some_held("").await.unwrap();
    assert_eq!(work.waiting().await.unwrap(), SHARE);
    assert_eq!(work.ask_some_held(&after).await.unwrap(), "");
    assert_eq!(work.waiting().await.unwrap(), SHARE + 1);
}

#[tokio::test]
async fn a_wish_that_comes_during_a_look_is_looked_at_afterwards() {
    let desk = Desk::new().await;
    let work = desk.process(1);
    work.ask_now("a", &["order/a/1".into()]).await.unwrap();
    let claims = work.take(1).await.unwrap();
    work.ask_now("a", &["order/a/1".into()]).await.unwrap();
    assert_eq!(work.take(1).await.unwrap(), [], "one look at a time");
    work.settle(&claims[0]).await.unwrap();
    assert_eq!(streams(&work.take(1).await.unwrap()), ["order/a/1"]);
}

#[tokio::test]
async fn what_was_put_off_comes_back_after_its_pause_or_when_somebody_asks() {
    let desk = Desk::new().await;
    let work = desk.process(1);
    for _ in 0..2 {
        work.ask_now("a", &["order/a/1".into()]).await.unwrap();
        let claims = work.take(1).await.unwrap();
        work.put_off(&claims[0], Duration::from_secs(60), "the erp is away")
            .await
            .unwrap();
        assert_eq!(work.take(1).await.unwrap(), []);
    }
    desk.clock.advance(SignedDuration::from_secs(60));
    let claims = work.take(1).await.unwrap();
    assert_eq!(claims[0].attempts, 2);
}

/// I7.
#[tokio::test]
async fn channels_take_turns() {
    let desk = Desk::new().await;
    let work = desk.process(1);
    let many: Vec<String> = (0..100)
        .map(|number| format!("order/a/{number:03}"))
        .collect();
    work.ask_now("a", &many).await.unwrap();
    desk.clock.advance(SignedDuration::from_secs(1));
    work.ask_now("b", &["order/b/1".into(), "order/b/2".into()])
        .await
        .unwrap();
    let claims = work.take(4).await.unwrap();
    assert_eq!(
        streams(&claims),
        ["order/a/000", "order/a/001", "order/b/1", "order/b/2"]
    );
}

#[tokio::test]
async fn whoever_waits_for_what_arrived_is_looked_at() {
    let desk = Desk::new().await;
    let work = desk.process(1);
    let mut tx = desk.database.begin().await.unwrap();
    for stream in ["order/a/1", "order/a/2"] {
        sqlx::query("INSERT INTO papers (stream, channel, state) VALUES ($1, 'a', 2)")
            .bind(stream)
            .execute(&mut *tx)
            .await
            .unwrap();
        let subject = stream.replace("order/a", "item");
        work.waits(&mut tx, stream, true, [subject]).await.unwrap();
    }
    arrived(&mut tx, &["item/2".to_owned(), "item/3".to_owned()].into())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    work.ask_for_arrived().await.unwrap();
    assert_eq!(streams(&work.take(4).await.unwrap()), ["order/a/2"]);
}

#[tokio::test]
async fn what_nobody_may_touch_yet_is_left_alone_whatever_news_comes() {
    let desk = Desk::new().await;
    let (work, other) = (desk.process(1), desk.process(2));
    let paper = ["order/a/1".to_owned()];
    work.ask_now("a", &paper).await.unwrap();
    let claim = work.take(1).await.unwrap().remove(0);
    let minutes = Duration::from_secs(8 * 60);
    work.close(&claim, minutes, "in doubt").await.unwrap();
    other.ask_now("a", &paper).await.unwrap();
    other.all_due().await.unwrap();
    assert_eq!(other.take(1).await.unwrap(), []);
    assert_eq!(other.take_one("a", "order/a/1").await.unwrap(), None);
    desk.clock.advance(SignedDuration::from_mins(8));
    let again = other.take_one("a", "order/a/1").await.unwrap().unwrap();
    assert_eq!((again.attempts, &*again.trouble), (1, "in doubt"));
    assert_eq!(work.take(1).await.unwrap(), [], "it is taken");
}
