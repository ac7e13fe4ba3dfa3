//! Reads that several flows want at the same moment, made once. Who asks for what is being read already waits for that
//! answer; once it is there it is nobody else's, so nothing here can grow old. What a reader must not be given, an answer
//! from before the news it was told of, is settled by the key: see [`Since`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use url::Url;
use uuid::Uuid;

use crate::ErpError;

/// What is read, and from when on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub url: Url,
    pub since: Since,
}

/// The state of the ERP that an answer must not be older than. A request begins after its key was made, so that whoever has
/// the same key may have the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Since {
    /// So many hints were given: whoever was woken by a later one must see what it told of.
    Hints(u64),
    /// A look at the change queue ended here: everything below the boundary was committed before. Who looked further must not
    /// get records from before, for he never comes back to them.
    Window {
        epoch: Uuid,
        upper_bound: i64,
        boundary: i64,
    },
}

type Landing<T> = Result<Arc<T>, ErpError>;
/// Driven by all who wait for it, so one that gives up hinders nobody; ends unfinished when all gave up.
type Flight<T> = BoxFuture<'static, Landing<T>>;

pub(crate) struct Flights<T>(Mutex<HashMap<Key, WeakShared<Flight<T>>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send + Sync + 'static> Flights<T> {
    /// The answer to `key`: of the read under way, or of the one that `read` makes. An error is everybody's, too: each of them
    /// would have tried as often and found the same.
    pub fn join<F>(&self, key: Key, read: impl FnOnce() -> F) -> Shared<Flight<T>>
    where
        F: Future<Output = Landing<T>> + Send + 'static,
    {
        let mut under_way = self.0.lock().expect("no holder of this lock panics");
        under_way.retain(|_, flight| {
            flight
                .upgrade()
                .is_some_and(|flight| flight.peek().is_none())
        });
        if let Some(flight) = under_way.get(&key).and_then(WeakShared::upgrade)
            && flight.peek().is_none()
        {
            return flight;
        }
        let flight = read().boxed().shared();
        // It has not been polled, so it has not ended, and there is something to find.
        if let Some(found) = flight.downgrade() {
            under_way.insert(key, found);
        }
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often it was asked; an answer comes when it is let go.
    #[derive(Default)]
    struct Source {
        asked: AtomicU32,
        open: Mutex<Vec<oneshot::Sender<Landing<u32>>>>,
    }

    impl Source {
        fn join(&self, flights: &Flights<u32>, since: Since) -> Shared<Flight<u32>> {
            let url = Url::parse("http://bc/items").unwrap();
            flights.join(Key { url, since }, || {
                self.asked.fetch_add(1, Ordering::Relaxed);
                let (sender, answer) = oneshot::channel();
                self.open.lock().unwrap().push(sender);
                async move { answer.await.unwrap() }
            })
        }

        fn answer(&self, landing: Landing<u32>) {
            let sender = self.open.lock().unwrap().remove(0);
            sender.send(landing).unwrap();
        }

        fn asked(&self) -> u32 {
            self.asked.load(Ordering::Relaxed)
        }
    }

    fn window(upper_bound: i64, boundary: i64) -> Since {
        Since::Window {
            epoch: Uuid::from_u128(1),
            upper_bound,
            boundary,
        }
    }

    #[tokio::test]
    async fn who_asks_meanwhile_waits_for_the_same_answer() {
        let (flights, source) = (Flights::default(), Source::default());
        let five: Vec<_> = (0..5)
            .map(|_| tokio::spawn(source.join(&flights, Since::Hints(3))))
            .collect();
        source.answer(Ok(Arc::new(7)));
        for one in five {
            assert_eq!(*one.await.unwrap().unwrap(), 7);
        }
        assert_eq!(source.asked(), 1);
    }

    #[tokio::test]
    async fn an_answer_that_is_there_is_asked_for_again() {
        let (flights, source) = (Flights::default(), Source::default());
        let first = source.join(&flights, Since::Hints(3));
        let slow = first.clone();
        source.answer(Ok(Arc::new(7)));
        first.await.unwrap();
        // Somebody has not fetched it yet; that does not make it younger.
        drop(source.join(&flights, Since::Hints(3)));
        assert_eq!(source.asked(), 2);
        assert_eq!(*slow.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn who_was_hinted_at_later_asks_anew() {
        let (flights, source) = (Flights::default(), Source::default());
        let _early = source.join(&flights, Since::Hints(3));
        let _late = source.join(&flights, Since::Hints(4));
        assert_eq!(source.asked(), 2);
    }

    #[tokio::test]
    async fn records_from_before_a_window_are_not_given_to_it() {
        let (flights, source) = (Flights::default(), Source::default());
        let _early = source.join(&flights, window(20, 21));
        let _further = source.join(&flights, window(25, 26));
        let _same_entries_later = source.join(&flights, window(20, 26));
        assert_eq!(source.asked(), 3);
        let _again = source.join(&flights, window(20, 21));
        assert_eq!(source.asked(), 3);
    }

    #[tokio::test]
    async fn who_gives_up_hinders_nobody() {
        let (flights, source) = (Flights::default(), Source::default());
        let leader = tokio::spawn(source.join(&flights, Since::Hints(1)));
        let other = tokio::spawn(source.join(&flights, Since::Hints(1)));
        tokio::task::yield_now().await;
        leader.abort();
        assert!(leader.await.unwrap_err().is_cancelled());
        source.answer(Ok(Arc::new(9)));
        assert_eq!(*other.await.unwrap().unwrap(), 9);
        assert_eq!(source.asked(), 1);
    }

    #[tokio::test]
    async fn what_everybody_gave_up_is_begun_anew() {
        let (flights, source) = (Flights::default(), Source::default());
        drop(source.join(&flights, Since::Hints(1)));
        let again = source.join(&flights, Since::Hints(1));
        assert_eq!(source.asked(), 2);
        // The first read ended with its last waiter.
        assert!(source.open.lock().unwrap().remove(0).is_closed());
        source.answer(Ok(Arc::new(1)));
        again.await.unwrap();
    }

    #[tokio::test]
    async fn an_error_is_told_to_all_and_kept_from_the_next() {
        let (flights, source) = (Flights::default(), Source::default());
        let two = [(); 2].map(|()| source.join(&flights, Since::Hints(1)));
        source.answer(Err(ErpError::Unknown));
        for one in two {
            assert!(matches!(one.await, Err(ErpError::Unknown)));
        }
        let next = source.join(&flights, Since::Hints(1));
        source.answer(Ok(Arc::new(1)));
        next.await.unwrap();
    }
}
