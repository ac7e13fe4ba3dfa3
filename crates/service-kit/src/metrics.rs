//! The process's metrics, in the Prometheus text format.

mod figures;

use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;

pub use figures::{Figure, Figures, Kind, Value};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
pub use prometheus_client::registry::Metric;

/// Cheap to share. Names begin with `millrace_` by themselves.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Registry::with_prefix("millrace"))))
    }
}

impl Metrics {
    /// Registers a metric under `name` (no prefix, unit at the end) and gives it back. Labels stay few: no numbers of orders or items.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .register(name, help, metric.clone());
        metric
    }

    /// Shows from now on what `figures` keeps. A name is shown by one only.
    pub fn show(&self, figures: impl Figures) {
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .register_collector(Box::new(figures::Asked(figures)));
    }

    /// The text that `/metrics` answers.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.0.lock().expect("no holder of this lock panics");
        prometheus_client::encoding::text::encode(&mut text, &registry)
            .expect("writing to a string does not fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lag;

    impl Figures for Lag {
        fn read(&self) -> Vec<Figure> {
            let mut lag = Figure::new("consumer_lag", "Records not read yet", Kind::Gauge);
            lag.add([("consumer", "reader"), ("topic", "items")], 7);
            let mut handled = Figure::new("consumer_handled", "Records handled", Kind::Counter);
            handled.add([("consumer", "reader")], 40);
            vec![lag, handled]
        }
    }

    #[test]
    fn figures_that_others_keep_are_shown_as_they_are_when_asked() {
        let metrics = Metrics::default();
        metrics.show(Lag);
        let text = metrics.text();
        for line in [
            "# TYPE millrace_consumer_lag gauge",
            "millrace_consumer_lag{consumer=\"reader\",topic=\"items\"} 7",
            "# TYPE millrace_consumer_handled counter",
            "millrace_consumer_handled_total{consumer=\"reader\"} 40",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line:?} is not in {text}"
            );
        }
    }
}
