//! A lease also fences what its holder writes beside the log.

use crate::database::Tx;
use crate::log::{LeaseEpoch, StoreError};

/// Whether `lease` stands in its epoch still. If so, nobody takes it over before the transaction has ended; if not, its holder was
/// replaced and must roll back.
///
/// # Errors
/// The database did not do its part.
pub async fn still_held(tx: &mut Tx, lease: &LeaseEpoch) -> Result<bool, StoreError> {
    // An update that changes nothing: the row is locked, in both databases with the same words.
    let lock = "UPDATE leases SET epoch = epoch WHERE name = $1 AND epoch = $2";
    let held = sqlx::query(lock)
        .bind(&lease.name)
        .bind(i64::try_from(lease.epoch).unwrap_or(i64::MAX))
        .execute(&mut **tx)
        .await?;
    Ok(held.rows_affected() == 1)
}
