//! The process's metrics, in the Prometheus text format.

use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;

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
