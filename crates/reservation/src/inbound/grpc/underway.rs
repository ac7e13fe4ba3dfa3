//! Reservations of customers that rows may not show yet, so that calls of one moment see each other. Only those of this process do:
//! what another one makes in the same moment is seen once rows show it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use millrace_values::{ChannelCode, CustomerNumber};

/// Rows do not lag behind the log for so long; and if they do, no customer is kept waiting for them.
const SHOWN_AFTER: Duration = Duration::from_secs(60);

type Customer = (ChannelCode, CustomerNumber);

/// Customers remembered before those that rows have shown for long are forgotten.
const MANY: usize = 1_000;

#[derive(Clone, Default)]
pub struct Underway(Arc<Mutex<HashMap<Customer, Vec<Begun>>>>);

struct Begun {
    stream: String,
    at: Timestamp,
}

impl Begun {
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).unsigned_abs() < SHOWN_AFTER
    }
}

/// A place in the customer's line; given back unless the reservation was made.
pub struct Place {
    underway: Underway,
    customer: Customer,
    stream: String,
    made: bool,
}

impl Underway {
    /// The reservation joins those of its customer. With its place: the others that were there before it.
    pub fn join(&self, customer: Customer, stream: &str, now: Timestamp) -> (Place, Vec<String>) {
        let mut all = self.0.lock().expect("no holder of this lock panics");
        if all.len() >= MANY {
            all.retain(|_, line| line.iter().any(|begun| begun.is_fresh(now)));
        }
        let line = all.entry(customer.clone()).or_default();
        line.retain(|begun| begun.is_fresh(now));
        let others = line.iter().map(|begun| begun.stream.clone());
        let others = others.filter(|other| other != stream).collect();
        line.push(Begun {
            stream: stream.to_owned(),
            at: now,
        });
        let place = Place {
            underway: self.clone(),
            customer,
            stream: stream.to_owned(),
            made: false,
        };
        (place, others)
    }
}

impl Place {
    /// It counts, until rows show it.
    pub fn keep(mut self) {
        self.made = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.made {
            return;
        }
        let mut all = self
            .underway
            .0
            .lock()
            .expect("no holder of this lock panics");
        if let Some(line) = all.get_mut(&self.customer)
            && let Some(at) = line.iter().rposition(|begun| begun.stream == self.stream)
        {
            line.remove(at);
        }
    }
}
