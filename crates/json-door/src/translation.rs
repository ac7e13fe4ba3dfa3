//! Where translation happens: long messages beside the workers, which have other calls to answer.

use millrace_service_kit::rejection;
use tonic::Status;
use tracing::error;

/// Bytes that are translated in less time than it takes to hand them to another thread and back, or not much more.
const SHORT: usize = 64 << 10;

/// Does `work` on a message of this length.
pub async fn of<T: Send + 'static>(
    length: usize,
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    if length <= SHORT {
        return work();
    }
    let worked = tokio::task::spawn_blocking(work).await;
    worked.unwrap_or_else(|broken| {
        let cause = &broken as &dyn std::error::Error;
        error!(error = cause, "a message was not translated");
        Err(rejection::broken(
            "NOT_TRANSLATED",
            "the message was not translated",
        ))
    })
}
