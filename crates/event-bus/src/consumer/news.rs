//! What is said about records kept aside, once it is true. A parked one needs a person, so each is named; those that heal by
//! themselves come by the thousand when a service starts, and are only counted.

use tracing::{info, warn};

use crate::consumer::held::Status;

/// Gathered while a transaction is filled, told when it was committed.
#[derive(Debug, Default)]
pub(super) struct News(Vec<Line>);

#[derive(Debug)]
struct Line {
    topic: &'static str,
    key: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Parked { reason: String },
    Healed,
    Superseded,
}

impl News {
    /// A record is kept aside that was not, or for another reason than before.
    pub(super) fn kept(&mut self, topic: &'static str, key: &str, status: &Status) {
        match status {
            Status::Parked { reason } => {
                let reason = reason.clone();
                self.add(topic, key, What::Parked { reason });
            }
            Status::Unresolved { .. } | Status::Waiting => {}
        }
    }

    /// A parked record was handled after all.
    pub(super) fn healed(&mut self, topic: &'static str, key: &str) {
        self.add(topic, key, What::Healed);
    }

    /// A newer record took the place of a parked one.
    pub(super) fn superseded(&mut self, topic: &'static str, key: &str) {
        self.add(topic, key, What::Superseded);
    }

    fn add(&mut self, topic: &'static str, key: &str, what: What) {
        let key = key.to_owned();
        self.0.push(Line { topic, key, what });
    }

    pub(super) fn tell(self, consumer: &str) {
        for Line { topic, key, what } in self.0 {
            match what {
                What::Parked { reason } => warn!(
                    consumer,
                    topic, key, reason, "a record of {topic} is parked by {consumer}: {reason}"
                ),
                What::Healed => info!(
                    consumer,
                    topic, key, "a parked record of {topic} was handled by {consumer} after all"
                ),
                What::Superseded => info!(
                    consumer,
                    topic,
                    key,
                    "a parked record of {topic} has given way to a newer one of its key"
                ),
            }
        }
    }
}
