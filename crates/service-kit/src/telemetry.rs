//! Logs to standard error: sentences for people, or JSON for machines; and traces for a collector, where there is one.

use serde::Deserialize;
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, filter, fmt};

use crate::Secret;
use crate::trace::work::TARGET;

mod export;

pub use export::{Otlp, Telling};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Pretty,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub format: Format,
    /// As `tracing-subscriber` reads it: `info,millrace_erp=debug`.
    pub filter: String,
    pub otlp: Otlp,
}

/// Installs the process's log, and tells its traces as those of `service`, until what it returns is dropped. Which traces are told
/// depends on `key`, which all processes share and callers do not know. Call once.
///
/// # Errors
/// A setting cannot be meant, or a log is installed already.
pub fn init(
    config: &Config,
    service: &str,
    key: &Secret,
) -> Result<Telling, Box<dyn std::error::Error + Send + Sync>> {
    if !(0.0..=1.0).contains(&config.otlp.sample) {
        return Err("otlp.sample is a share, from 0 to 1".into());
    }
    let Some((export, telling)) = export::export(&config.otlp, service, key)? else {
        log(config, std::io::stderr)?.try_init()?;
        return Ok(Telling::default());
    };
    // Each layer has a filter of its own: what is told to the collector is not for the log.
    let done = filter::filter_fn(|told| told.target() == TARGET);
    let registry = tracing_subscriber::registry().with(export.with_filter(done));
    let wanted = EnvFilter::try_new(&config.filter)?;
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match config.format {
        Format::Json => {
            let lines = lines
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(true);
            registry.with(lines.with_filter(wanted)).try_init()?;
        }
        Format::Pretty => {
            let lines = lines.with_target(false).compact();
            registry.with(lines.with_filter(wanted)).try_init()?;
        }
    }
    Ok(telling)
}

/// A log as configured, into `writer`. Spans stand in every line: they say which call or event it belongs to, and its trace.
fn log<W>(config: &Config, writer: W) -> Result<Dispatch, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.filter)?)
        .with_writer(writer)
        .with_span_events(FmtSpan::NONE);
    Ok(match config.format {
        // All spans, not the innermost alone: the trace stands in the outermost.
        Format::Json => subscriber
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .into(),
        Format::Pretty => subscriber.with_target(false).compact().into(),
    })
}

/// A log that a test can read.
#[cfg(test)]
pub(crate) mod paper {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::Dispatch;

    use super::{Config, Format, Otlp, log};

    #[derive(Clone, Default)]
    pub struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        pub fn log(&self, format: Format, filter: &str) -> Dispatch {
            let (target, filter) = (self.clone(), filter.to_owned());
            let otlp = Otlp {
                endpoint: String::new(),
                sample: 1.0,
            };
            let config = Config {
                format,
                filter,
                otlp,
            };
            log(&config, move || target.clone()).unwrap()
        }

        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        /// Written as JSON.
        pub fn lines(&self) -> Vec<serde_json::Value> {
            let text = self.text();
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::{info, info_span};

    use super::paper::Paper;
    use super::*;
    use crate::trace::span_of;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// What is logged about work on an event of [`TRACE`], a span of our own in between.
    fn logged(format: Format, filter: &str) -> Paper {
        let paper = Paper::default();
        tracing::dispatcher::with_default(&paper.log(format, filter), || {
            span_of(Some(&format!("00-{TRACE}-00f067aa0ba902b7-01"))).in_scope(|| {
                info_span!("inner").in_scope(|| info!(attempt = 1, "order 1 handed to the erp"));
            });
        });
        paper
    }

    #[test]
    fn a_line_for_machines_names_the_trace() {
        let paper = logged(Format::Json, "info");
        let line = &paper.lines()[0];
        assert_eq!(line["message"], "order 1 handed to the erp");
        assert_eq!(line["spans"][0]["trace_id"], TRACE, "{line}");
    }

    #[test]
    fn a_line_for_people_names_the_trace() {
        let text = logged(Format::Pretty, "info").text();
        assert!(text.contains("order 1 handed to the erp"), "{text}");
        assert!(text.contains(TRACE), "{text}");
    }

    #[test]
    fn what_the_filter_leaves_out_is_not_written() {
        assert_eq!(logged(Format::Json, "warn").text(), "");
    }
}
