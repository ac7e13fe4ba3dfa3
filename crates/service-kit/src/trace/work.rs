//! Pieces of work that a trace consists of. A [`Work`] is told when it is dropped, to whoever takes traces; while nobody does, it
//! costs a look at a flag and nothing else.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::Level;

use super::TraceContext;
use crate::Ids;

/// Under which everything done is told; see [`crate::telemetry`].
pub(crate) const TARGET: &str = "millrace::traces";

/// A batch names so many traces at most.
const LINKS: usize = 128;
/// Up to so many events, each trace gets a span of its own besides the batch's: live changes come in small batches, and a first
/// load in large ones.
const FEW: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// Dropped when it is done.
#[derive(Debug)]
#[must_use]
pub struct Work(Option<Box<Begun>>);

#[derive(Debug)]
struct Begun {
    done: Done,
    failed: OnceLock<String>,
    renamed: OnceLock<&'static str>,
    began: Instant,
}

/// What is told of a piece of work. Names and facts are words of ours: nothing personal, no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub name: String,
    pub kind: Kind,
    /// Its `traceparent`.
    pub own: String,
    pub parent: Option<String>,
    /// `traceparent`s of other traces it belongs to.
    pub links: Vec<String>,
    pub facts: Vec<(String, String)>,
    pub failed: Option<String>,
    pub took: Duration,
}

impl Work {
    /// Work that nobody is told of.
    pub fn untold() -> Self {
        Self(None)
    }

    /// What a new trace begins with: events that name `trace` hang below it.
    pub fn begin(name: &str, trace: TraceContext) -> Self {
        Self::start(name, trace, None, Vec::new())
    }

    /// A call that came with the trace `given`, or with none; `trace` is what we make of it.
    pub fn serve(name: &str, trace: TraceContext, given: Option<TraceContext>) -> Self {
        Self::start(name, trace, given, Vec::new()).of(Kind::Server)
    }

    /// What follows from an event with this `traceparent`.
    pub fn follow(name: &str, traceparent: Option<&str>) -> Self {
        if !is_told() {
            return Self(None);
        }
        match traceparent.and_then(TraceContext::parse) {
            Some(parent) => Self::below(name, parent),
            None => Self(None),
        }
    }

    /// What is done with several events at once: one span linked to the traces of all of them, and where they are few, a span in
    /// each trace.
    #[must_use]
    pub fn on<'a>(
        name: &str,
        kind: Kind,
        traceparents: impl Iterator<Item = &'a str>,
    ) -> Vec<Self> {
        if !is_told() {
            return Vec::new();
        }
        let mut traces: Vec<TraceContext> = Vec::new();
        let mut events = 0_usize;
        for trace in traceparents.filter_map(TraceContext::parse) {
            events += 1;
            if traces.len() < LINKS && !traces.contains(&trace) {
                traces.push(trace);
            }
        }
        let mut works = Vec::new();
        if traces.len() > 1 {
            let links = traces.iter().map(TraceContext::to_string).collect();
            let own = TraceContext::begin(&Ids::random());
            let batch = Self::start(name, own, None, links).of(kind);
            works.push(batch.with("messaging.batch.message_count", &events));
        }
        if traces.len() <= FEW {
            let own = traces.into_iter();
            works.extend(own.map(|trace| Self::below(name, trace).of(kind)));
        }
        works
    }

    fn below(name: &str, parent: TraceContext) -> Self {
        let own = parent.child(&Ids::random());
        Self::start(name, own, Some(parent), Vec::new())
    }

    fn start(
        name: &str,
        own: TraceContext,
        parent: Option<TraceContext>,
        links: Vec<String>,
    ) -> Self {
        if !is_told() {
            return Self(None);
        }
        let done = Done {
            name: name.to_owned(),
            kind: Kind::Internal,
            own: own.to_string(),
            parent: parent.map(|parent| parent.to_string()),
            links,
            facts: Vec::new(),
            failed: None,
            took: Duration::ZERO,
        };
        Self(Some(Box::new(Begun {
            done,
            failed: OnceLock::new(),
            renamed: OnceLock::new(),
            began: Instant::now(),
        })))
    }

    pub fn of(mut self, kind: Kind) -> Self {
        if let Some(begun) = &mut self.0 {
            begun.done.kind = kind;
        }
        self
    }

    /// Something to find it by. Nothing personal.
    pub fn with(mut self, fact: &str, value: &impl ToString) -> Self {
        if let Some(begun) = &mut self.0 {
            begun.done.facts.push((fact.to_owned(), value.to_string()));
        }
        self
    }

    /// The first reason counts.
    pub fn failed(&self, why: &impl ToString) {
        if let Some(begun) = &self.0 {
            let _ = begun.failed.set(why.to_string());
        }
    }

    /// Its name was a caller's word, and turned out to mean nothing here.
    pub(crate) fn rename(&self, name: &'static str) {
        if let Some(begun) = &self.0 {
            let _ = begun.renamed.set(name);
        }
    }
}

fn is_told() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

impl Drop for Work {
    fn drop(&mut self) {
        let Some(mut begun) = self.0.take() else {
            return;
        };
        begun.done.took = begun.began.elapsed();
        begun.done.failed = begun.failed.take();
        if let Some(name) = begun.renamed.take() {
            begun.done.name = name.to_owned();
        }
        if let Ok(done) = serde_json::to_string(&begun.done) {
            tracing::trace!(target: TARGET, done);
        }
    }
}
