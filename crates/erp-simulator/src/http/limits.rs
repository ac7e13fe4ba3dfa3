//! What one client may do: requests at once, requests waiting, requests in a sliding window.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::{Budget, Config};
use crate::refusal::Refusal;

#[derive(Debug)]
pub struct Limits {
    budget: Budget,
    at_once: usize,
    queued: usize,
    queue_limit: Duration,
    served: AtomicU64,
    clients: Mutex<HashMap<String, Arc<Client>>>,
}

#[derive(Debug)]
struct Client {
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    recent: Mutex<VecDeque<Instant>>,
}

impl Limits {
    pub fn new(config: &Config) -> Self {
        Self {
            budget: config.budget,
            at_once: config.at_once,
            queued: config.queued,
            queue_limit: config.queue_limit,
            served: AtomicU64::new(0),
            clients: Mutex::new(HashMap::new()),
        }
    }

    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Waits for the client's turn; the permit is held while the request is served.
    pub async fn admit(&self, client: &str) -> Result<OwnedSemaphorePermit, Refusal> {
        self.served.fetch_add(1, Ordering::Relaxed);
        let client = self.client(client);
        if !client.spend(self.budget) {
            return Err(too_many());
        }
        if let Ok(permit) = client.slots.clone().try_acquire_owned() {
            return Ok(permit);
        }
        if client.waiting.fetch_add(1, Ordering::SeqCst) >= self.queued {
            client.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(too_many());
        }
        let _waiting = Waiting(&client.waiting);
        match tokio::time::timeout(self.queue_limit, client.slots.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Refusal::new(
                503,
                "Application_Unavailable",
                "The request waited too long for its turn.",
            )),
        }
    }

    fn client(&self, name: &str) -> Arc<Client> {
        let mut clients = self.clients.lock().expect("no holder of this lock panics");
        let fresh = || {
            Arc::new(Client {
                slots: Arc::new(Semaphore::new(self.at_once)),
                waiting: AtomicUsize::new(0),
                recent: Mutex::new(VecDeque::new()),
            })
        };
        clients.entry(name.to_owned()).or_insert_with(fresh).clone()
    }
}

/// A place in the queue, given back also when the client hangs up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Client {
    /// Whether the sliding window has room for one more.
    fn spend(&self, budget: Budget) -> bool {
        let now = Instant::now();
        let mut recent = self.recent.lock().expect("no holder of this lock panics");
        while recent
            .front()
            .is_some_and(|at| now.duration_since(*at) >= budget.window)
        {
            recent.pop_front();
        }
        if recent.len() >= budget.requests {
            return false;
        }
        recent.push_back(now);
        true
    }
}

pub fn too_many() -> Refusal {
    Refusal::new(
        429,
        "Application_TooManyRequests",
        "Too many requests reached. Actual (100). Maximum (100).",
    )
}
