//! What the governor shows of itself.

use millrace_service_kit::metrics::{Counter, Gauge, Metrics};

/// Figures for `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Requests under way.
    pub in_flight: usize,
    /// Requests waiting for their turn.
    pub waiting: usize,
    /// Requests that the window still allows.
    pub left: usize,
    /// Requests started since the process began.
    pub started: u64,
    /// Answers of 429 since the process began.
    pub throttled: u64,
}

/// [`Usage`] as `/metrics` shows it.
#[derive(Debug, Clone)]
pub(super) struct Meters {
    pub in_flight: Gauge,
    pub waiting: Gauge,
    pub left: Gauge,
    pub started: Counter,
    pub throttled: Counter,
}

impl Meters {
    pub fn register(metrics: &Metrics) -> Self {
        Self {
            in_flight: metrics.register(
                "erp_requests_in_flight",
                "Requests to the ERP under way",
                Gauge::default(),
            ),
            waiting: metrics.register(
                "erp_requests_waiting",
                "Requests to the ERP waiting for their turn",
                Gauge::default(),
            ),
            left: metrics.register(
                "erp_requests_left",
                "Requests the ERP still takes in the current window",
                Gauge::default(),
            ),
            started: metrics.register(
                "erp_requests",
                "Requests sent to the ERP",
                Counter::default(),
            ),
            throttled: metrics.register(
                "erp_throttled",
                "Requests the ERP answered with 429",
                Counter::default(),
            ),
        }
    }
}
