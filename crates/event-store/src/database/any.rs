//! The read model's connections.

use sqlx::AnyPool;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{ConnectOptions, Connection};

use crate::database::place::{PRESUMED_ALIVE, Place};
use crate::log::StoreError;

pub(super) async fn pool(place: &Place, connections: u32) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_url(&place.any_url())?;
    let pool = AnyPoolOptions::new()
        .max_connections(connections.max(2))
        .acquire_timeout(std::time::Duration::from_secs(10));
    let pool = match place {
        Place::Postgres(_) => pool
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    Ok(meta.idle_for < PRESUMED_ALIVE || connection.ping().await.is_ok())
                })
            }),
        Place::Sqlite(place) => {
            let pragmas = place.pragmas();
            pool.test_before_acquire(false)
                // An idle connection keeps a thread and a page cache.
                .idle_timeout(std::time::Duration::from_secs(60))
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        sqlx::raw_sql(pragmas).execute(connection).await?;
                        Ok(())
                    })
                })
        }
    };
    Ok(pool.connect_with(options).await?)
}
