//! What is ready, and what is in trouble. Readiness waits for the first catch-up of every component and then stays: a
//! source that lags later is a trouble that is shown, not a reason to take the service away.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use tokio::sync::watch;

#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    components: Mutex<BTreeMap<String, Condition>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Condition {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

/// One part of a process that has to come up, and may get into trouble later.
#[derive(Debug, Clone)]
pub struct Component {
    health: Health,
    name: String,
}

/// What `/ready` answers.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub ready: bool,
    components: BTreeMap<String, Condition>,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Inner {
            components: Mutex::default(),
            changed: watch::Sender::new(0),
        }))
    }
}

impl Health {
    /// Registers a component: not ready until it says so.
    #[must_use]
    pub fn component(&self, name: impl Into<String>) -> Component {
        let component = Component {
            health: self.clone(),
            name: name.into(),
        };
        component.set(|condition| condition.trouble = Some("starting".into()));
        component
    }

    #[must_use]
    pub fn report(&self) -> Report {
        let components = self
            .0
            .components
            .lock()
            .expect("no holder of this lock panics")
            .clone();
        Report {
            ready: components.values().all(|condition| condition.ready),
            components,
        }
    }

    /// Changes whenever a component does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }
}

impl Component {
    /// Caught up for the first time, or out of trouble again.
    pub fn ready(&self) {
        self.set(|condition| {
            *condition = Condition {
                ready: true,
                trouble: None,
            }
        });
    }

    /// Something is wrong: one line for people. Keeps readiness as it is. Answers whether this is news, so that it is logged once.
    pub fn trouble(&self, why: impl Into<String>) -> bool {
        let why = why.into();
        self.set(|condition| condition.trouble = Some(why))
    }

    /// Takes readiness back: the process is stopping.
    pub fn stopping(&self) {
        self.set(|condition| {
            *condition = Condition {
                ready: false,
                trouble: Some("stopping".into()),
            }
        });
    }

    fn set(&self, change: impl FnOnce(&mut Condition)) -> bool {
        let mut components = self
            .health
            .0
            .components
            .lock()
            .expect("no holder of this lock panics");
        let condition = components.entry(self.name.clone()).or_insert(Condition {
            ready: false,
            trouble: None,
        });
        let before = condition.clone();
        change(condition);
        let news = *condition != before;
        drop(components);
        if news {
            self.health.0.changed.send_modify(|count| *count += 1);
        }
        news
    }
}

/// An error and its causes in one line, for [`Component::trouble`]. A cause that the line ends with already is not said twice.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Trouble {
        #[error("the page cannot be written")]
        Page(#[source] Box<Trouble>),
        #[error("the log: {0}")]
        Log(#[source] Box<Trouble>),
        #[error("disk full")]
        Disk,
    }

    #[test]
    fn an_error_is_told_in_one_line_with_every_cause_once() {
        let log = Trouble::Log(Box::new(Trouble::Disk));
        let page = Trouble::Page(Box::new(log));
        assert_eq!(
            chain(&page),
            "the page cannot be written: the log: disk full"
        );
    }

    #[test]
    fn readiness_waits_for_every_component_and_stays_through_trouble() {
        let health = Health::default();
        let (index, erp) = (health.component("index"), health.component("erp"));
        index.ready();
        assert!(!health.report().ready);
        erp.ready();
        assert!(health.report().ready);
        assert!(erp.trouble("the erp is away"));
        assert!(
            !erp.trouble("the erp is away"),
            "the same trouble is no news"
        );
        assert!(health.report().ready);
    }
}
