//! Looks under way, and which documents they look at. However a look ends, its document is in hand no longer.

use std::collections::HashMap;

use tokio::task::{Id, JoinError, JoinSet};

#[derive(Debug)]
pub struct Looks<T> {
    tasks: JoinSet<T>,
    streams: HashMap<Id, String>,
}

impl<T: Send + 'static> Looks<T> {
    #[must_use]
    pub fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            streams: HashMap::new(),
        }
    }

    pub fn begin(&mut self, stream: String, look: impl Future<Output = T> + Send + 'static) {
        let task = self.tasks.spawn(look);
        self.streams.insert(task.id(), stream);
    }

    /// Waits for a look to end. `None`: none is under way. May be given up at any time without losing one.
    pub async fn next(&mut self) -> Option<Result<T, JoinError>> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        self.streams.remove(&id);
        Some(ended.map(|(_, told)| told))
    }

    /// The documents in hand.
    #[must_use]
    pub fn streams(&self) -> Vec<String> {
        self.streams.values().cloned().collect()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_document_is_in_hand_until_its_look_ends_however_it_ends() {
        let mut looks = Looks::new();
        looks.begin("order/a/1".into(), std::future::pending());
        looks.begin("order/a/2".into(), async {});
        assert_eq!(looks.streams().len(), 2);
        assert!(looks.next().await.unwrap().is_ok());
        assert_eq!(looks.streams(), ["order/a/1"]);
        looks.begin("order/a/3".into(), async { panic!("on purpose") });
        assert!(looks.next().await.unwrap().is_err());
        assert_eq!(looks.streams(), ["order/a/1"]);
    }
}
