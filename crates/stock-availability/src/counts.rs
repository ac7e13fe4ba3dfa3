//! What this service counts for its operators.

use millrace_service_kit::metrics::{Counter, Gauge, Metrics};

#[derive(Debug, Clone)]
pub(crate) struct Counts {
    /// Items and variants in the index.
    pub known: Gauge,
    pub published: Counter,
    pub unreadable: Counter,
    pub live: Counter,
    pub live_failed: Counter,
}

impl Counts {
    pub fn new(metrics: &Metrics) -> Self {
        let counter = |name: &str, help: &str| metrics.register(name, help, Counter::default());
        let gauge = |name: &str, help: &str| metrics.register(name, help, Gauge::default());
        Self {
            known: gauge("stock_known_items", "Items and variants in the index"),
            published: counter(
                "stock_inventories_published",
                "Inventories appended because they differ",
            ),
            unreadable: counter(
                "stock_figures_unreadable",
                "Figures of the ERP or inventories that cannot be read",
            ),
            live: counter(
                "stock_live_requests",
                "Requests for live figures to the ERP",
            ),
            live_failed: counter(
                "stock_live_failed",
                "Requests for live figures that failed; the index answered",
            ),
        }
    }
}
