//! A log that was restored to an earlier point goes on as another one: positions it gives out again must not be taken for those
//! its readers have seen.

use uuid::Uuid;

use crate::database::place::Place;
use crate::log::StoreError;

/// The fence goes up as well: who held a lease on the log as it was holds nothing any more.
const BEGIN: &str = "UPDATE log_head SET epoch = $1, fence = fence + 1 WHERE shard = 0";

pub(super) async fn begin(place: &Place, epoch: Uuid) -> Result<(), StoreError> {
    match place {
        Place::Postgres(postgres) => {
            let mut connection = postgres.pool.acquire().await?;
            sqlx::query(BEGIN)
                .bind(epoch)
                .execute(&mut *connection)
                .await?;
        }
        Place::Sqlite(sqlite) => {
            let _turn = sqlite.turns.file.lock().await;
            let mut connection = sqlite.pool.acquire().await?;
            sqlx::query(BEGIN)
                .bind(epoch)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}
