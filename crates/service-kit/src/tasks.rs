//! The tasks of a process. One that ends before it was asked to takes the process down: better restarted than half alive.

use std::future::Future;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinSet;
use tracing::{error, warn};

use crate::Shutdown;

#[derive(Debug, Error)]
pub enum TaskError {
    #[error("{name} failed")]
    Failed {
        name: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{name} ended before it was asked to")]
    Ended { name: &'static str },
    #[error("a task panicked")]
    Panicked,
    #[error("work in hand was not finished within {0:?}")]
    DrainTimeout(Duration),
}

type Outcome = (
    &'static str,
    Result<(), Box<dyn std::error::Error + Send + Sync>>,
);

#[derive(Debug, Default)]
pub struct Tasks(JoinSet<Outcome>);

impl Tasks {
    pub fn spawn<F, E>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.0
            .spawn(async move { (name, task.await.map_err(Into::into)) });
    }

    /// Waits until shutdown is asked and every task has returned, at most `drain` after that. A task that ends earlier asks for
    /// shutdown itself.
    ///
    /// # Errors
    /// The first task that failed, or that tasks were still busy when the time was up.
    pub async fn run(mut self, shutdown: &Shutdown, drain: Duration) -> Result<(), TaskError> {
        let mut result = Ok(());
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => {}
                ended = self.0.join_next() => {
                    let Some(ended) = ended else { return Ok(()) };
                    result = early(ended, shutdown.is_cancelled());
                    shutdown.cancel();
                }
            }
        }
        let drained = tokio::time::timeout(drain, async {
            while let Some(ended) = self.0.join_next().await {
                if let Err(failure) = early(ended, true) {
                    warn!(
                        error = &failure as &dyn std::error::Error,
                        "a task failed while stopping"
                    );
                }
            }
        });
        if drained.await.is_err() {
            self.0.abort_all();
            return result.and(Err(TaskError::DrainTimeout(drain)));
        }
        result
    }
}

fn early(ended: Result<Outcome, tokio::task::JoinError>, stopping: bool) -> Result<(), TaskError> {
    match ended {
        Ok((name, Err(source))) => {
            error!(
                task = name,
                error = &*source as &dyn std::error::Error,
                "{name} failed"
            );
            Err(TaskError::Failed { name, source })
        }
        Ok((name, Ok(()))) if !stopping => Err(TaskError::Ended { name }),
        Ok((_, Ok(()))) => Ok(()),
        Err(error) if error.is_panic() => Err(TaskError::Panicked),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_dies_takes_the_others_down() {
        let shutdown = Shutdown::new();
        let mut tasks = Tasks::default();
        let token = shutdown.clone();
        tasks.spawn("steady", async move {
            token.cancelled().await;
            Ok::<(), std::io::Error>(())
        });
        tasks.spawn("broken", async { Err(std::io::Error::other("gone")) });
        let result = tasks.run(&shutdown, Duration::from_secs(5)).await;
        assert!(
            matches!(result, Err(TaskError::Failed { name: "broken", .. })),
            "{result:?}"
        );
        assert!(shutdown.is_cancelled());
    }

    #[tokio::test]
    async fn a_stop_that_was_asked_for_is_no_failure() {
        let shutdown = Shutdown::new();
        let mut tasks = Tasks::default();
        let token = shutdown.clone();
        tasks.spawn("steady", async move {
            token.cancelled().await;
            Ok::<(), std::io::Error>(())
        });
        shutdown.cancel();
        assert!(tasks.run(&shutdown, Duration::from_secs(5)).await.is_ok());
    }
}
