//! Work that one process at a time may do: pollers, schedules. The others stand by and take over.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};

use millrace_service_kit::Shutdown;

use crate::log::{EventLog, Held, StoreError};

/// Which work, and who asks for it.
#[derive(Debug, Clone)]
pub struct Post {
    /// The lease, e.g. `poll-items/bc-main`.
    pub lease: String,
    /// This process, unique among all that may ask.
    pub holder: String,
    /// How long the others wait for one that fell silent.
    pub ttl: Duration,
}

/// Runs `work` whenever this process holds the lease, until shutdown is asked. The lease is renewed meanwhile; when it is lost, the
/// token given to `work` is cancelled: it finishes what is in hand and returns (appends that name the lease are refused by then).
/// Work that returns by itself is begun again. `standing_by` is told each time another process is found to hold the lease.
///
/// # Errors
/// The log was closed. A database that is away is waited for.
pub async fn while_holding<W, F>(
    log: &Arc<dyn EventLog>,
    post: &Post,
    shutdown: &Shutdown,
    standing_by: impl Fn() + Send + Sync,
    work: W,
) -> Result<(), StoreError>
where
    W: Fn(Held, Shutdown) -> F + Send + Sync,
    F: Future<Output = ()> + Send,
{
    let mut away = false;
    while !shutdown.is_cancelled() {
        match log.take_lease(&post.lease, &post.holder, post.ttl).await {
            Ok(Some(held)) => {
                away = false;
                info!(
                    lease = post.lease,
                    epoch = held.lease.epoch,
                    "{} is done here now",
                    post.lease
                );
                hold(log, post, &held, shutdown, &work).await;
                if let Err(error) = log.release_lease(&held.lease).await {
                    let cause = &error as &dyn std::error::Error;
                    warn!(
                        lease = post.lease,
                        error = cause,
                        "lease {} could not be given back",
                        post.lease
                    );
                }
            }
            Ok(None) => {
                away = false;
                standing_by();
            }
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(error) => {
                let cause = &error as &dyn std::error::Error;
                if !away {
                    error!(
                        lease = post.lease,
                        error = cause,
                        "lease {} could not be asked for, trying again",
                        post.lease
                    );
                }
                away = true;
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(post.ttl / 4) => {}
        }
    }
    Ok(())
}

async fn hold<W, F>(
    log: &Arc<dyn EventLog>,
    post: &Post,
    held: &Held,
    shutdown: &Shutdown,
    work: &W,
) where
    W: Fn(Held, Shutdown) -> F + Send + Sync,
    F: Future<Output = ()> + Send,
{
    let stop = shutdown.child_token();
    let working = work(held.clone(), stop.clone());
    tokio::pin!(working);
    tokio::select! {
        () = &mut working => return,
        () = until_lost(log, post, held) => {}
    }
    warn!(
        lease = post.lease,
        epoch = held.lease.epoch,
        "lease {} was lost, another process takes over",
        post.lease
    );
    stop.cancel();
    working.await;
}

/// Renews until the lease is somebody else's, or may be.
async fn until_lost(log: &Arc<dyn EventLog>, post: &Post, held: &Held) {
    let mut good_until = Instant::now() + post.ttl;
    loop {
        tokio::time::sleep(post.ttl / 4).await;
        let asked = Instant::now();
        match tokio::time::timeout_at(
            good_until,
            log.take_lease(&post.lease, &post.holder, post.ttl),
        )
        .await
        {
            Ok(Ok(Some(renewed))) if renewed.lease == held.lease => good_until = asked + post.ttl,
            Ok(Ok(_)) => return,
            Ok(Err(_)) if Instant::now() < good_until => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
