//! W3C trace context: which trace a piece of work belongs to. It travels in gRPC metadata, Kafka headers and envelopes. [`Work`] is
//! what a trace consists of, for whoever collects traces.

use std::fmt;

use http::{HeaderMap, HeaderValue};
use tracing::{Span, info_span};

use crate::Ids;

pub(crate) mod work;

pub use work::{Kind, Work};

/// Where it stands in gRPC metadata and Kafka headers.
pub(crate) const HEADER: &str = "traceparent";

/// The `traceparent` of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl TraceContext {
    /// A new trace.
    #[must_use]
    pub fn begin(ids: &Ids) -> Self {
        Self {
            trace_id: u128::from_be_bytes(ids.bytes()) | 1,
            span_id: u64::from_be_bytes(ids.bytes()) | 1,
            sampled: true,
        }
    }

    /// The trace named by `traceparent`; `None` when it is not version 00 of the W3C format.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version != "00"
            || trace.len() != 32
            || span.len() != 16
            || flags.len() != 2
            || parts.next().is_some()
        {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self {
            trace_id,
            span_id,
            sampled,
        })
    }

    /// The caller's trace, or a new one.
    #[must_use]
    pub fn of(headers: &HeaderMap, ids: &Ids) -> Self {
        Self::of_value(headers.get(HEADER), ids)
    }

    pub(crate) fn of_value(traceparent: Option<&HeaderValue>, ids: &Ids) -> Self {
        let given = traceparent.and_then(Self::given);
        given.map_or_else(|| Self::begin(ids), |parent| parent.child(ids))
    }

    /// The trace a caller came with.
    pub(crate) fn given(traceparent: &HeaderValue) -> Option<Self> {
        Self::parse(traceparent.to_str().ok()?)
    }

    /// The trace of a gRPC request: the one its span in the log names, where it came through [`crate::grpc::serve`].
    #[must_use]
    pub fn of_request<T>(request: &tonic::Request<T>, ids: &Ids) -> Self {
        if let Some(own) = request.extensions().get::<Self>() {
            return *own;
        }
        let given = request
            .metadata()
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(Self::parse);
        given.map_or_else(|| Self::begin(ids), |parent| parent.child(ids))
    }

    /// The span of work that belongs to this trace, outside of a call.
    #[must_use]
    pub fn span(self) -> Span {
        info_span!("work", trace_id = %self.trace_id())
    }

    /// The next piece of work in the same trace.
    #[must_use]
    pub fn child(self, ids: &Ids) -> Self {
        Self {
            span_id: u64::from_be_bytes(ids.bytes()) | 1,
            ..self
        }
    }

    /// Of the trace and of the piece of work.
    pub(crate) fn ids(self) -> (u128, u64) {
        (self.trace_id, self.span_id)
    }

    /// For log fields: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

/// The span of work on an event: its lines in the log name the trace the event came with.
#[must_use]
pub fn span_of(traceparent: Option<&str>) -> Span {
    traceparent
        .and_then(TraceContext::parse)
        .map_or_else(Span::none, TraceContext::span)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id,
            self.span_id,
            u8::from(self.sampled)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_written_alike() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceContext::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn nonsense_is_no_trace() {
        for text in [
            "",
            "00-0-0-00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-x",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let ids = Ids::seeded(7);
        let parent = TraceContext::begin(&ids);
        assert_eq!(parent.child(&ids).trace_id(), parent.trace_id());
    }
}
