//! Who may ask Business Central next. BC gives a service principal five requests at once and 6000 in five minutes, and
//! answers more than that with 429; the governor stays below both, lets what people wait for pass first, and slows down
//! when BC says so. It knows one process: several processes under one principal are slowed by the 429s alone.

mod meters;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use millrace_service_kit::metrics::Metrics;
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::meters::Meters;
pub use self::meters::Usage;

/// What a request is for; earlier passes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A shopper waits.
    Live,
    /// An order or a customer waits.
    Order,
    /// News.
    Follow,
    /// A full read.
    Bulk,
}

const CLASSES: usize = 4;
/// Every so many grants the queue is served from its end, so that nobody starves.
const TURN: u64 = 8;
/// After this many answers without a 429 one more request at once is tried again.
const CALM: u32 = 20;
/// Of our own backoff.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// Longer than BC's window of requests: what asks for more is a mistake.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

#[derive(Debug, Clone)]
pub struct Governor(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    most_at_once: usize,
    at_once: usize,
    requests: usize,
    window: Duration,
    in_flight: usize,
    starts: VecDeque<Instant>,
    waiting: [VecDeque<oneshot::Sender<Permit>>; CLASSES],
    paused_until: Option<Instant>,
    streak: u32,
    calm: u32,
    started: u64,
    throttled: u64,
    meters: Option<Meters>,
}

/// Leave to send one request; given back when dropped.
#[derive(Debug)]
pub struct Permit(Option<Governor>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(governor) = self.0.take() {
            let mut state = governor.lock();
            state.in_flight -= 1;
            state.serve(&governor);
        }
    }
}

impl Governor {
    #[must_use]
    pub fn new(at_once: usize, requests: usize, window: Duration) -> Self {
        Self(Arc::new(Mutex::new(State {
            most_at_once: at_once,
            at_once,
            requests,
            window,
            in_flight: 0,
            starts: VecDeque::new(),
            waiting: Default::default(),
            paused_until: None,
            streak: 0,
            calm: 0,
            started: 0,
            throttled: 0,
            meters: None,
        })))
    }

    /// Waits for its turn: by priority, within one priority in the order asked.
    pub async fn acquire(&self, priority: Priority) -> Permit {
        let (sender, mut granted) = oneshot::channel();
        let mut wake = {
            let mut state = self.lock();
            state.waiting[priority as usize].push_back(sender);
            state.serve(self)
        };
        loop {
            // Somebody else's release serves us too; the timer is for limits that only time lifts.
            let until = wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
            tokio::select! {
                biased;
                permit = &mut granted => {
                    if let Ok(permit) = permit {
                        return permit;
                    }
                    // The sender is kept in the queue until it is used; it cannot be dropped unused while we hold the governor.
                    let (sender, again) = oneshot::channel();
                    granted = again;
                    self.lock().waiting[priority as usize].push_back(sender);
                }
                () = tokio::time::sleep_until(until) => {}
            }
            wake = self.lock().serve(self);
        }
    }

    /// BC said 429: everybody waits, and fewer go at once afterwards. `jitter` is in `0.0..1.0`.
    pub fn throttled(&self, retry_after: Option<Duration>, jitter: f64) -> Duration {
        let mut state = self.lock();
        state.throttled += 1;
        if let Some(meters) = &state.meters {
            meters.throttled.inc();
        }
        state.calm = 0;
        state.at_once = (state.at_once / 2).max(1);
        let backoff = Duration::from_millis(500).saturating_mul(1 << state.streak.min(7));
        let pause = match retry_after {
            // A little more than asked for, not all at the same moment.
            Some(wanted) => wanted.min(LONGEST_PAUSE) + Duration::from_millis(250).mul_f64(jitter),
            None => backoff.mul_f64(0.5 + jitter / 2.0).min(LONGEST_BACKOFF),
        };
        state.streak += 1;
        let until = Instant::now() + pause;
        state.paused_until = Some(state.paused_until.map_or(until, |paused| paused.max(until)));
        pause
    }

    /// How long nobody may go, because BC said so.
    #[must_use]
    pub fn pause(&self) -> Duration {
        let paused_until = self.lock().paused_until;
        paused_until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    /// BC answered; it is not overloaded by us.
    pub fn answered(&self) {
        let mut state = self.lock();
        state.streak = 0;
        state.calm += 1;
        if state.calm >= CALM && state.at_once < state.most_at_once {
            state.calm = 0;
            state.at_once += 1;
        }
    }

    /// Shows its figures from now on.
    pub fn show(&self, metrics: &Metrics) {
        let meters = Meters::register(metrics);
        let mut state = self.lock();
        meters.started.inc_by(state.started);
        meters.throttled.inc_by(state.throttled);
        state.meters = Some(meters);
        state.measure();
    }

    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut state = self.lock();
        state.forget_old(Instant::now());
        Usage {
            in_flight: state.in_flight,
            waiting: state.waiting.iter().map(VecDeque::len).sum(),
            left: state.requests.saturating_sub(state.starts.len()),
            started: state.started,
            throttled: state.throttled,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn forget_old(&mut self, now: Instant) {
        while self
            .starts
            .front()
            .is_some_and(|start| *start + self.window <= now)
        {
            self.starts.pop_front();
        }
    }

    /// Gives leave to whoever may go now; says when to look again where only time helps.
    fn serve(&mut self, governor: &Governor) -> Option<Instant> {
        let when = self.grant(governor);
        self.measure();
        when
    }

    fn measure(&self) {
        let Some(meters) = &self.meters else { return };
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        meters.in_flight.set(count(self.in_flight));
        meters
            .waiting
            .set(count(self.waiting.iter().map(VecDeque::len).sum()));
        meters
            .left
            .set(count(self.requests.saturating_sub(self.starts.len())));
    }

    fn grant(&mut self, governor: &Governor) -> Option<Instant> {
        let now = Instant::now();
        self.forget_old(now);
        if let Some(paused) = self.paused_until {
            if paused > now {
                return Some(paused);
            }
            self.paused_until = None;
        }
        while let Some(first) = self.first_waiting() {
            let class = match self.may_go(first) {
                Ok(()) => self.turn().unwrap_or(first),
                Err(when) => return when,
            };
            let Some(sender) = self.waiting[class].pop_front() else {
                break;
            };
            match sender.send(Permit(Some(governor.clone()))) {
                Ok(()) => {
                    self.in_flight += 1;
                    self.started += 1;
                    self.starts.push_back(now);
                    if let Some(meters) = &self.meters {
                        meters.started.inc();
                    }
                }
                // It no longer waits. The permit was never counted, and its drop would take the lock we hold.
                Err(mut permit) => permit.0 = None,
            }
        }
        None
    }

    fn first_waiting(&self) -> Option<usize> {
        (0..CLASSES).find(|class| !self.waiting[*class].is_empty())
    }

    /// Whose turn it is against the priorities, if it is anybody's.
    fn turn(&self) -> Option<usize> {
        if self.started % TURN != TURN - 1 {
            return None;
        }
        let last = (0..CLASSES)
            .rev()
            .find(|class| !self.waiting[*class].is_empty())?;
        self.may_go(last).is_ok().then_some(last)
    }

    /// If not now: when time alone will help.
    fn may_go(&self, class: usize) -> Result<(), Option<Instant>> {
        if self.in_flight >= self.most_at_once_of(class) {
            return Err(None);
        }
        let budget = self.budget_of(class);
        if self.starts.len() >= budget {
            return Err(self
                .starts
                .get(self.starts.len() - budget)
                .map(|start| *start + self.window));
        }
        Ok(())
    }

    /// One place is kept free of full reads, whose pages take long: news is short, and people wait for the rest.
    fn most_at_once_of(&self, class: usize) -> usize {
        if class <= Priority::Follow as usize {
            self.at_once
        } else {
            self.at_once.saturating_sub(1).max(1)
        }
    }

    /// A full read leaves a fifth of the window to the others, the news a twentieth.
    fn budget_of(&self, class: usize) -> usize {
        let share = match class {
            0 | 1 => self.requests,
            2 => self.requests - self.requests / 20,
            _ => self.requests - self.requests / 5,
        };
        share.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_five_go_at_once() {
        let governor = Governor::new(5, 6000, Duration::from_secs(300));
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(governor.acquire(Priority::Live).await);
        }
        let sixth =
            tokio::time::timeout(Duration::from_secs(5), governor.acquire(Priority::Live)).await;
        assert!(sixth.is_err());
        held.pop();
        governor.acquire(Priority::Live).await;
    }

    #[tokio::test]
    async fn where_nobody_is_before_it_a_request_goes_at_once() {
        use futures::FutureExt;
        let governor = Governor::new(5, 6000, Duration::from_secs(300));
        // More than one turn against the priorities.
        for _ in 0..20 {
            for priority in [
                Priority::Live,
                Priority::Order,
                Priority::Follow,
                Priority::Bulk,
            ] {
                assert!(governor.acquire(priority).now_or_never().is_some());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_read_leaves_a_place_for_an_order() {
        let governor = Governor::new(2, 6000, Duration::from_secs(300));
        let _bulk = governor.acquire(Priority::Bulk).await;
        let second =
            tokio::time::timeout(Duration::from_secs(5), governor.acquire(Priority::Bulk)).await;
        assert!(second.is_err());
        governor.acquire(Priority::Order).await;
    }

    /// Row 124.
    #[tokio::test(start_paused = true)]
    async fn a_live_lookup_overtakes_a_full_read_that_waits() {
        let governor = Governor::new(1, 6000, Duration::from_secs(300));
        let held = governor.acquire(Priority::Live).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for priority in [Priority::Bulk, Priority::Follow, Priority::Live] {
            let (governor, order) = (governor.clone(), order.clone());
            tasks.spawn(async move {
                let _permit = governor.acquire(priority).await;
                order.lock().unwrap().push(priority);
            });
        }
        while governor.usage().waiting < 3 {
            tokio::task::yield_now().await;
        }
        drop(held);
        tasks.join_all().await;
        assert_eq!(
            *order.lock().unwrap(),
            [Priority::Live, Priority::Follow, Priority::Bulk]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_starves_behind_a_crowd() {
        let governor = Governor::new(1, 6000, Duration::from_secs(300));
        let held = governor.acquire(Priority::Live).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for priority in [Priority::Live; 20].into_iter().chain([Priority::Bulk]) {
            let (governor, order) = (governor.clone(), order.clone());
            tasks.spawn(async move {
                let _permit = governor.acquire(priority).await;
                order.lock().unwrap().push(priority);
            });
        }
        while governor.usage().waiting < 21 {
            tokio::task::yield_now().await;
        }
        drop(held);
        tasks.join_all().await;
        let place = order
            .lock()
            .unwrap()
            .iter()
            .position(|priority| *priority == Priority::Bulk);
        assert!(place.unwrap() < 8, "{place:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_slides() {
        let governor = Governor::new(5, 10, Duration::from_secs(300));
        for _ in 0..10 {
            drop(governor.acquire(Priority::Live).await);
        }
        assert_eq!(governor.usage().left, 0);
        let began = Instant::now();
        drop(governor.acquire(Priority::Live).await);
        assert!(began.elapsed() >= Duration::from_secs(299));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_read_never_eats_the_last_fifth_of_the_window() {
        let governor = Governor::new(5, 10, Duration::from_secs(300));
        for _ in 0..8 {
            drop(governor.acquire(Priority::Bulk).await);
        }
        let ninth =
            tokio::time::timeout(Duration::from_secs(200), governor.acquire(Priority::Bulk)).await;
        assert!(ninth.is_err());
        drop(governor.acquire(Priority::Order).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_principal_waits_as_long_as_it_is_told() {
        let governor = Governor::new(5, 6000, Duration::from_secs(300));
        governor.throttled(Some(Duration::from_secs(7)), 0.0);
        let began = Instant::now();
        drop(governor.acquire(Priority::Live).await);
        assert!(began.elapsed() >= Duration::from_secs(7));
    }

    /// A window of BC is five minutes long.
    #[tokio::test(start_paused = true)]
    async fn a_long_pause_is_kept_as_it_was_told() {
        let governor = Governor::new(5, 6000, Duration::from_secs(300));
        governor.throttled(Some(Duration::from_secs(290)), 0.0);
        assert_eq!(governor.pause(), Duration::from_secs(290));
        let began = Instant::now();
        drop(governor.acquire(Priority::Live).await);
        assert!(began.elapsed() >= Duration::from_secs(290));
        assert_eq!(governor.pause(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_cannot_be_meant_ends_and_our_own_stay_short() {
        let governor = Governor::new(5, 6000, Duration::from_secs(300));
        let told = governor.throttled(Some(Duration::from_secs(7 * 24 * 3600)), 0.0);
        assert_eq!(told, Duration::from_secs(600));
        for _ in 0..20 {
            let own = governor.throttled(None, 1.0);
            assert!(own <= Duration::from_secs(60), "{own:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_being_told_the_pauses_grow() {
        let governor = Governor::new(5, 6000, Duration::from_secs(300));
        let first = governor.throttled(None, 0.5);
        let second = governor.throttled(None, 0.5);
        assert!(second > first);
        governor.answered();
        assert_eq!(governor.throttled(None, 0.5), first);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gave_up_waiting_takes_no_place() {
        let governor = Governor::new(1, 6000, Duration::from_secs(300));
        let held = governor.acquire(Priority::Live).await;
        let gave_up =
            tokio::time::timeout(Duration::from_millis(5), governor.acquire(Priority::Live)).await;
        assert!(gave_up.is_err());
        drop(held);
        drop(governor.acquire(Priority::Live).await);
        assert_eq!(governor.usage().in_flight, 0);
    }
}
