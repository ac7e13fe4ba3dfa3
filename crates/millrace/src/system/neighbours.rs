//! Looks after what all services of a process lean on, for `/ready` alone: who meets the trouble in his work logs it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use millrace_event_bus::Bus;
use millrace_event_store::Database;
use millrace_service_kit::Shutdown;
use millrace_service_kit::health::Component;

use crate::exit;

const EVERY: Duration = Duration::from_secs(5);

/// Silence is a trouble, and no reason to send callers away: who has to catch up with topics first waits for that himself.
pub async fn watch_kafka(
    bus: Arc<dyn Bus>,
    component: Component,
    shutdown: Shutdown,
) -> Result<(), Infallible> {
    component.ready();
    while !shutdown.is_cancelled() {
        let checked = tokio::select! {
            () = shutdown.cancelled() => break,
            checked = bus.check() => checked,
        };
        show(&component, "kafka", checked);
        pause(&shutdown).await;
    }
    Ok(())
}

/// Ready after the first answer; a later silence is a trouble.
pub async fn watch_database(
    database: Database,
    component: Component,
    shutdown: Shutdown,
) -> Result<(), Infallible> {
    while !shutdown.is_cancelled() {
        let answered = tokio::select! {
            () = shutdown.cancelled() => break,
            answered = database.ping() => answered,
        };
        show(&component, "the database", answered);
        pause(&shutdown).await;
    }
    Ok(())
}

fn show<E>(component: &Component, who: &str, answered: Result<(), E>)
where
    E: std::error::Error + Send + Sync + 'static,
{
    match answered {
        Ok(()) => component.ready(),
        Err(error) => {
            let why = exit::line(&anyhow::Error::new(error));
            component.trouble(format!("{who} is away: {why}"));
        }
    }
}

async fn pause(shutdown: &Shutdown) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(EVERY) => {}
    }
}
