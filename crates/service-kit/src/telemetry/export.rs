//! Traces for an OpenTelemetry collector, over OTLP. What is told at [`TARGET`] becomes a span with exactly the ids that stand in
//! the log, in events and in headers, which is why no other bridge between `tracing` and OpenTelemetry is used: it would give out
//! ids of its own. Spans wait in a bounded queue for a thread of their own; one that finds no room is dropped. A collector that is
//! away slows nobody and is logged once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::trace::TraceContext;
use crate::trace::work::{Done, Kind};
use crate::{Clock, Secret, SystemClock};

/// At a stop, spans that wait get so long.
const LAST: Duration = Duration::from_secs(2);
/// Standard variables that name a collector.
const VARIABLES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// The collector: `http://collector:4317`. Empty: none, unless `OTEL_EXPORTER_OTLP_ENDPOINT` names one.
    pub endpoint: String,
    /// Share of the traces that are told, from 0 to 1; every process chooses the same ones.
    pub sample: f64,
}

impl Otlp {
    fn is_on(&self) -> bool {
        let is_set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
        !self.endpoint.is_empty() || VARIABLES.iter().any(is_set)
    }
}

/// Lets the traces out that still wait, when it is dropped.
#[derive(Debug, Default)]
pub struct Telling(Option<Arc<BatchSpanProcessor>>);

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(processor) = &self.0 {
            // A collector that is away has been logged already.
            let _ = processor.shutdown_with_timeout(LAST);
        }
    }
}

/// A layer that exports, and what lets the rest out at the end. `None`: traces are not wanted.
pub(super) fn export(
    otlp: &Otlp,
    service: &str,
    key: &Secret,
) -> Result<Option<(Export, Telling)>, ExporterBuildError> {
    if !otlp.is_on() {
        return Ok(None);
    }
    let mut exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic();
    if !otlp.endpoint.is_empty() {
        exporter = exporter.with_endpoint(otlp.endpoint.clone());
    }
    let mut processor = BatchSpanProcessor::builder(Patient {
        collector: exporter.build()?,
        away: AtomicBool::new(false),
    })
    .build();
    processor.set_resource(&resource(service));
    let processor = Arc::new(processor);
    let export = Export {
        processor: processor.clone(),
        choice: Choice::new(otlp.sample, key),
        clock: SystemClock,
    };
    Ok(Some((export, Telling(Some(processor)))))
}

fn resource(service: &str) -> Resource {
    let mut resource = Resource::builder();
    if std::env::var("OTEL_SERVICE_NAME").is_err() {
        resource = resource.with_service_name(service.to_owned());
    }
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    resource.with_attribute(version).build()
}

/// Which traces are told. Callers name traces, and none of them can name one that is surely chosen: a key goes into the choice.
struct Choice {
    keyed: Sha256,
    below: u64,
}

impl Choice {
    fn new(sample: f64, key: &Secret) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of the whole range, and the cast saturates"
        )]
        let below = (sample.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
        let key = Sha256::digest(key.expose());
        let keyed = Sha256::new_with_prefix(b"traces").chain_update(key);
        Self { keyed, below }
    }

    fn takes(&self, trace: TraceContext) -> bool {
        if self.below == u64::MAX {
            return true;
        }
        let digest = self.keyed.clone().chain_update(trace.ids().0.to_be_bytes());
        let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = digest.finalize().into();
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) < self.below
    }
}

pub(super) struct Export {
    processor: Arc<BatchSpanProcessor>,
    choice: Choice,
    clock: SystemClock,
}

impl<S: Subscriber> Layer<S> for Export {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut told = Told(None);
        event.record(&mut told);
        if let Some(done) = told.0
            && let Some(span) = span(&done, self.clock.now().into(), &self.choice)
        {
            self.processor.on_end(span);
        }
    }
}

/// Finds the one field.
struct Told(Option<Done>);

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "done" {
            self.0 = serde_json::from_str(value).ok();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

fn span(done: &Done, end_time: SystemTime, choice: &Choice) -> Option<SpanData> {
    let own = TraceContext::parse(&done.own)?;
    if !choice.takes(own) {
        return None;
    }
    let parent = done.parent.as_deref().and_then(TraceContext::parse);
    let mut links = SpanLinks::default();
    let linked = done
        .links
        .iter()
        .filter_map(|link| TraceContext::parse(link));
    links.links = linked
        .map(|link| Link::new(link.span_context(), Vec::new(), 0))
        .collect();
    let facts = done.facts.iter();
    Some(SpanData {
        span_context: own.span_context(),
        parent_span_id: parent.map_or(SpanId::INVALID, |parent| parent.span_context().span_id()),
        parent_span_is_remote: parent.is_some(),
        span_kind: match done.kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
        },
        name: done.name.clone().into(),
        start_time: end_time.checked_sub(done.took).unwrap_or(end_time),
        end_time,
        attributes: facts
            .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
            .collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status: match &done.failed {
            Some(why) => Status::error(why.clone()),
            None => Status::Unset,
        },
        instrumentation_scope: InstrumentationScope::builder("millrace").build(),
    })
}

impl TraceContext {
    fn span_context(self) -> SpanContext {
        let (trace, span) = self.ids();
        SpanContext::new(
            TraceId::from(trace),
            SpanId::from(span),
            TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        )
    }
}

/// An exporter whose troubles are logged once.
#[derive(Debug)]
struct Patient {
    collector: opentelemetry_otlp::SpanExporter,
    away: AtomicBool,
}

impl SpanExporter for Patient {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exported = self.collector.export(batch).await;
        match (
            &exported,
            self.away.swap(exported.is_err(), Ordering::Relaxed),
        ) {
            (Err(error), false) => {
                let reason = error.to_string();
                warn!(
                    reason,
                    "the collector does not take traces, they are dropped until it does: {reason}"
                );
            }
            (Ok(()), true) => info!("the collector takes traces again"),
            (Err(_), true) | (Ok(()), false) => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.collector.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.collector.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const OTHER: &str = "00-5bf92f3577b34da6a3ce929d0e0e4736-10f067aa0ba902b7-01";

    fn done() -> Done {
        Done {
            name: "publish items".to_owned(),
            kind: Kind::Producer,
            own: TRACE.to_owned(),
            parent: None,
            links: vec![OTHER.to_owned()],
            facts: vec![("topic".to_owned(), "items".to_owned())],
            failed: None,
            took: Duration::from_secs(2),
        }
    }

    #[test]
    fn a_span_has_the_ids_that_stand_in_the_log() {
        let end = SystemClock.now().into();
        let span = span(&done(), end, &choice(1.0, "key")).unwrap();
        let ids = span.span_context;
        assert_eq!(ids.trace_id().to_string(), TRACE[3..35]);
        assert_eq!(ids.span_id().to_string(), TRACE[36..52]);
        assert_eq!(
            span.links[0].span_context.trace_id().to_string(),
            OTHER[3..35]
        );
        assert_eq!(span.start_time + Duration::from_secs(2), end);
    }

    #[test]
    fn a_sample_is_a_share_of_the_traces_and_the_same_one_everywhere() {
        let end = SystemClock.now().into();
        assert!(span(&done(), end, &choice(0.0, "key")).is_none());
        assert!(span(&done(), end, &choice(1.0, "key")).is_some());
        let chosen = chosen_with("key");
        assert!((200..300).contains(&chosen.len()), "{}", chosen.len());
        assert_eq!(chosen, chosen_with("key"));
    }

    #[test]
    fn who_does_not_know_the_key_cannot_name_a_trace_that_is_chosen() {
        assert_ne!(chosen_with("key"), chosen_with("another"));
    }

    fn choice(sample: f64, key: &str) -> Choice {
        Choice::new(sample, &Secret::new(key))
    }

    /// A quarter of a thousand.
    fn chosen_with(key: &str) -> Vec<String> {
        let (ids, choice) = (crate::Ids::seeded(1), choice(0.25, key));
        let traces = (0..1000).map(|_| TraceContext::begin(&ids));
        traces
            .filter(|trace| choice.takes(*trace))
            .map(TraceContext::trace_id)
            .collect()
    }
}
