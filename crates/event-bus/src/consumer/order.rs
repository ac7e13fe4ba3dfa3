//! Where several topics begin, those named first are read first: what others refer to. Without it most of what a new reader
//! meets would be kept aside, only to heal a moment later. A convenience, not a promise: whatever refers to something that is not
//! here yet waits all the same. On the embedded bus a log is read in the order it was written in, and nothing is held back.

use std::time::Duration;

use tokio::time::Instant;

use crate::bus::BusError;
use crate::consumer::worker::{Own, Worker};
use crate::subscription::{Partition, Subscription, Taken};

/// When nothing came for so long of what is awaited, nothing is held back any more: the end of what stands there may be marks of
/// transactions, which nobody is given.
pub(super) const QUIET: Duration = Duration::from_millis(500);

impl Own {
    /// It still reads what was there when it began.
    fn begins(&self) -> bool {
        self.mark.next.max(0) < self.mark.old_until
    }
}

impl Worker {
    /// Whether some of `records` are what others are held back for. To be asked before they are taken. What a partition that begins
    /// still has to read is finite, so others wait for an end.
    pub(super) fn are_awaited(&self, records: &[Taken]) -> bool {
        !self.held_back.is_empty()
            && records.iter().any(|taken| {
                let own = self.own.get(&taken.partition);
                own.is_some_and(Own::begins)
            })
    }

    /// Holds back what has come to us and should not be read yet.
    pub(super) async fn hold_back(
        &mut self,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        self.held_back
            .retain(|partition| self.own.contains_key(partition));
        let late: Vec<Partition> = self
            .own
            .iter()
            .filter(|(partition, own)| {
                own.mark.stalled.is_none()
                    && !self.held_back.contains(partition)
                    && self.is_early(partition, own)
            })
            .map(|(partition, _)| partition.clone())
            .collect();
        for partition in late {
            subscription.pause(&partition, true).await?;
            self.held_back.insert(partition);
        }
        Ok(())
    }

    /// Lets go what need not be held back any more.
    pub(super) async fn let_go(
        &mut self,
        subscription: &mut dyn Subscription,
    ) -> Result<(), BusError> {
        if self.held_back.is_empty() {
            return Ok(());
        }
        let quiet = self.awaited_at + QUIET <= Instant::now();
        let free: Vec<Partition> = self
            .held_back
            .iter()
            .filter(|partition| {
                let own = self.own.get(partition);
                quiet || own.is_none_or(|own| !self.is_early(partition, own))
            })
            .cloned()
            .collect();
        for partition in free {
            self.held_back.remove(&partition);
            if self.flows(&partition) {
                subscription.pause(&partition, false).await?;
            }
        }
        Ok(())
    }

    /// It begins, and so does one of a topic named before its own.
    fn is_early(&self, partition: &Partition, own: &Own) -> bool {
        let rank = self.rank(partition);
        own.begins()
            && self
                .own
                .iter()
                .any(|(other, own)| self.rank(other) < rank && own.begins() && self.flows(other))
    }

    fn rank(&self, partition: &Partition) -> Option<usize> {
        let mut topics = self.topics.iter();
        topics.position(|topic| topic.name == partition.topic)
    }
}
