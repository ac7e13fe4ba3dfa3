//! SIGTERM and Ctrl-C: the process is asked to stop.

use millrace_service_kit::Shutdown;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// A shutdown that SIGTERM or SIGINT asks for. A second SIGINT ends the process at once.
pub fn on_signal() -> Shutdown {
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) else {
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("asked to stop; finishing what is in hand");
        asked.cancel();
        interrupt.recv().await;
        std::process::exit(130);
    });
    shutdown
}
