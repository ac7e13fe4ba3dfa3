//! Wakes the publisher.

use tokio::sync::Notify;

/// Told after a commit, or shortly before one: who is woken looks at once and, finding nothing, again soon.
#[derive(Debug, Default)]
pub(crate) struct Wake(Notify);

impl Wake {
    pub fn up(&self) {
        self.0.notify_one();
    }

    pub async fn woken(&self) {
        self.0.notified().await;
    }
}
