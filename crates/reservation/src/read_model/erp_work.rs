//! Reservations that ask something of the ERP.

use jiff::Timestamp;
use millrace_erp_poster::Errands;
use millrace_event_store::StoreError;

/// Of [`Errands`].
pub const TABLE: &str = "erp_work";

/// Which reservations of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those nobody has looked for and that the ERP was not told of.
    NotTold,
    /// Those that have not ended, here or there.
    All,
}

/// Every reservation that the ERP may have, or ought to: what is known of it may be wrong.
///
/// # Errors
/// The database is away.
pub async fn ask_all(work: &Errands, which: Which, now: Timestamp) -> Result<(), StoreError> {
    let which = match which {
        Which::NotTold => "state = 1 AND in_erp = 0",
        Which::All => "state IN (1, 2) OR in_erp = 1",
    };
    work.ask_where("reservations", which, now).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millrace_event_store::{Database, DatabaseSettings};
    use millrace_service_kit::{Clock, Ids, SystemClock};

    use super::*;

    /// FAULTS.md F7: who was stopped in the middle wakes up late.
    #[tokio::test]
    async fn who_is_late_does_not_take_away_what_was_asked_since() {
        let settings = DatabaseSettings::new("sqlite::memory:", "reservation");
        let database = Database::open(&settings, Arc::new(SystemClock), Ids::random())
            .await
            .unwrap();
        database.migrate(&[&crate::MIGRATIONS]).await.unwrap();
        let work = Errands::new(database, Ids::random(), TABLE);
        let now = SystemClock.now();
        let ask = async || {
            work.ask_one("reservation/a/1", now).await.unwrap();
            work.due(now, 10).await.unwrap().remove(0)
        };
        let late = ask().await;
        let by_the_other = work.due(now, 10).await.unwrap().remove(0);
        work.done(&by_the_other).await.unwrap();
        ask().await;
        work.done(&late).await.unwrap();
        work.put_off(&late, SystemClock.now()).await.unwrap();
        let left = work.due(now, 10).await.unwrap();
        assert_eq!((left.len(), left[0].attempts), (1, 0));
    }
}
