//! How far it has come, written down and shown.

use std::time::Duration;

use millrace_event_store::still_held;
use tokio::time::Instant;

use super::Round;
use crate::doorbells::figures::Here;
use crate::doorbells::follow::pending;
use crate::doorbells::ringer::Broken;
use crate::read_model::{Replay, forget_replay, save_bell, save_replay};

/// What is pending is counted at most so often.
const COUNT: Duration = Duration::from_secs(5);

impl Round<'_> {
    pub(super) async fn keep(&mut self) -> Result<(), Broken> {
        let replays = self.replays.clone();
        self.keep_with_replays(&replays).await
    }

    /// Writes down how far it has come, unless another process goes on by now. Lost with a machine, it is rung again.
    pub(super) async fn keep_with_replays(&mut self, before: &[Replay]) -> Result<(), Broken> {
        let name = &self.ringer.doorbell.name;
        let mut tx = self.ringer.feed.database.begin_derived().await?;
        if !still_held(&mut tx, self.lease).await? {
            tx.rollback().await?;
            return Err(Broken::Lost);
        }
        save_bell(&mut tx, name, &self.bell).await?;
        for replay in before {
            if self.replays.iter().all(|kept| kept.asked != replay.asked) {
                forget_replay(&mut tx, name, replay.asked).await?;
            }
        }
        for replay in self
            .replays
            .iter()
            .filter(|replay| !before.contains(replay))
        {
            save_replay(&mut tx, name, replay).await?;
        }
        tx.commit().await?;
        self.kept = true;
        self.show();
        Ok(())
    }

    pub(super) async fn count(&mut self) -> Result<(), Broken> {
        if self
            .counted
            .is_some_and(|counted| counted.elapsed() < COUNT)
        {
            return Ok(());
        }
        self.counted = Some(Instant::now());
        let (log, doorbell) = (&self.ringer.feed.log, &self.ringer.doorbell);
        self.pending = match self.bell.rung_up_to() {
            Some(rung) => {
                pending(log, &doorbell.chosen, rung.max(self.looked))
                    .await?
                    .0
            }
            None => 0,
        };
        self.show();
        Ok(())
    }

    /// At `/metrics`: as it is written down.
    fn show(&self) {
        let here = Here {
            pending: self.pending,
            failing: self.bell.trouble.is_some(),
            off: self.bell.off.is_some(),
        };
        self.ringer.show(Some(here));
    }
}
