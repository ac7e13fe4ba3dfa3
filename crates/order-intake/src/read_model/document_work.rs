//! Orders whose documents the ERP is to be asked for.

use jiff::Timestamp;
use millrace_contract::order::v1::OrderState;
use millrace_erp_poster::Errands;
use millrace_event_store::StoreError;

/// Of [`Errands`].
pub const TABLE: &str = "document_work";

/// Every order that is in the ERP, or may be on its way there, and not finished.
///
/// # Errors
/// The database is away.
pub async fn ask_all(work: &Errands, now: Timestamp) -> Result<(), StoreError> {
    let state = |state: OrderState| i64::from(i32::from(state));
    let (accepted, posted) = (state(OrderState::Accepted), state(OrderState::Posted));
    let which = format!("state IN ({accepted}, {posted})");
    work.ask_where("orders", &which, now).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millrace_erp_poster::Errand;
    use millrace_event_store::{Database, DatabaseSettings};
    use millrace_service_kit::{Clock, Ids, SystemClock};

    use super::*;

    /// An order in each state, named by its number.
    async fn work() -> Errands {
        let settings = DatabaseSettings::new("sqlite::memory:", "order-intake");
        let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
            .await
            .unwrap();
        let owners = [millrace_operations::migrations(), &crate::MIGRATIONS];
        database.migrate(&owners).await.unwrap();
        for state in 1..=5_i64 {
            sqlx::query("INSERT INTO orders (stream, channel, state, position, version, view) VALUES ($1, 'a', $2, $2, 1, $3)")
                .bind(format!("order/a/{state}"))
                .bind(state)
                .bind(Vec::<u8>::new())
                .execute(database.pool())
                .await
                .unwrap();
        }
        Errands::new(database, Ids::random(), TABLE)
    }

    fn streams(due: &[Errand]) -> Vec<&str> {
        due.iter().map(|due| due.stream.as_str()).collect()
    }

    #[tokio::test]
    async fn orders_that_may_be_in_the_erp_and_are_not_finished_are_asked_for() {
        let work = work().await;
        let now = SystemClock.now();
        ask_all(&work, now).await.unwrap();
        let due = work.due(now, 10).await.unwrap();
        assert_eq!(streams(&due), ["order/a/1", "order/a/3"]);
        work.put_off(&due[0], Timestamp::MAX).await.unwrap();
        work.done(&due[1]).await.unwrap();
        assert_eq!(streams(&work.due(now, 10).await.unwrap()), [""; 0]);
        assert_eq!(work.left().await.unwrap(), 1);
    }

    /// FAULTS.md F7: who was stopped in the middle wakes up late.
    #[tokio::test]
    async fn who_is_late_does_not_take_away_what_was_asked_since() {
        let work = work().await;
        let now = SystemClock.now();
        ask_all(&work, now).await.unwrap();
        let late = work.due(now, 1).await.unwrap().remove(0);
        ask_all(&work, now).await.unwrap();
        work.done(&late).await.unwrap();
        work.put_off(&late, Timestamp::MAX).await.unwrap();
        let due = work.due(now, 10).await.unwrap();
        assert_eq!(streams(&due), ["order/a/1", "order/a/3"]);
    }
}
