//! Wakes the other processes that follow this log: a NOTIFY after the commit, on a connection of its own and at most every few
//! milliseconds (NOTIFY inside an append would serialise every commit of the server), and a slow look as a safety net.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::database::PostgresPlace;
use crate::row::whole;

const DEBOUNCE: Duration = Duration::from_millis(5);
const SAFETY: Duration = Duration::from_secs(1);

pub(super) fn start(place: &PostgresPlace, moved: watch::Sender<u64>, stop: CancellationToken) {
    let channel = format!("millrace_{}", place.schema);
    let heard = Arc::new(AtomicU64::new(0));
    let told = tell(
        place.pool.clone(),
        channel.clone(),
        moved.subscribe(),
        heard.clone(),
    );
    tokio::spawn(stop.clone().run_until_cancelled_owned(told));
    tokio::spawn(stop.run_until_cancelled_owned(hear(place.pool.clone(), channel, moved, heard)));
}

async fn tell(
    pool: PgPool,
    channel: String,
    mut moved: watch::Receiver<u64>,
    heard: Arc<AtomicU64>,
) {
    while moved.changed().await.is_ok() {
        let head = *moved.borrow_and_update();
        if head <= heard.load(Ordering::Relaxed) {
            // Another process said it; nobody needs to hear it twice.
            continue;
        }
        let told = sqlx::query("SELECT pg_notify($1, $2)")
            .bind(&channel)
            .bind(head.to_string())
            .execute(&pool)
            .await;
        if let Err(error) = told {
            debug!(%error, "other processes could not be woken; they look by themselves");
        }
        tokio::time::sleep(DEBOUNCE).await;
    }
}

async fn hear(pool: PgPool, channel: String, moved: watch::Sender<u64>, heard: Arc<AtomicU64>) {
    loop {
        if let Err(error) = listen(&pool, &channel, &moved, &heard).await {
            debug!(%error, "cannot hear other processes for a moment");
        }
        tokio::time::sleep(SAFETY).await;
        if let Ok(head) = look(&pool).await {
            raise(&moved, &heard, head);
        }
    }
}

async fn listen(
    pool: &PgPool,
    channel: &str,
    moved: &watch::Sender<u64>,
    heard: &AtomicU64,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    loop {
        match tokio::time::timeout(SAFETY, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                raise(moved, heard, notification.payload().parse().unwrap_or(0))
            }
            // The connection was lost and what was told meanwhile with it.
            Ok(Ok(None)) | Err(_) => raise(moved, heard, look(pool).await?),
            Ok(Err(error)) => return Err(error),
        }
    }
}

async fn look(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let (position,): (i64,) = sqlx::query_as("SELECT position FROM log_head WHERE shard = 0")
        .fetch_one(pool)
        .await?;
    Ok(whole(position))
}

fn raise(moved: &watch::Sender<u64>, heard: &AtomicU64, head: u64) {
    moved.send_if_modified(|known| {
        let higher = head > *known;
        if higher {
            heard.store(head, Ordering::Relaxed);
        }
        *known = head.max(*known);
        higher
    });
}
