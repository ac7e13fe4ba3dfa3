//! Counts calls by method and outcome at next to no cost per call.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::Code;

use super::Call;
use crate::metrics::Metrics;

/// Methods remembered by name: a caller who invents paths does not grow the metrics.
const METHODS: usize = 256;
const UNKNOWN: &str = "unknown";

#[derive(Debug)]
pub struct Counters {
    calls: Family<Call, Counter>,
    /// The usual case without touching the family's lock and labels.
    ok: RwLock<HashMap<Box<str>, Counter>>,
}

impl Counters {
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            calls: metrics.register(
                "grpc_calls",
                "Calls answered, by method and gRPC code of the response's head",
                Family::default(),
            ),
            ok: RwLock::default(),
        }
    }

    /// `None`: the call was refused before anybody looked whether there is such a method.
    pub fn count(&self, method: Option<&str>, code: Code) {
        let method = method.unwrap_or(UNKNOWN);
        if code == Code::Ok {
            self.count_ok(method);
            return;
        }
        // An unknown method is one label, whatever it was called; anybody may invent some.
        let method = match code {
            Code::Unimplemented => UNKNOWN,
            _ => method,
        };
        self.calls.get_or_create(&call(method, code)).inc();
    }

    fn count_ok(&self, method: &str) {
        if let Some(counter) = self
            .ok
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(method)
        {
            counter.inc();
            return;
        }
        let mut known = self.ok.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < METHODS {
            let counter = self.calls.get_or_create(&call(method, Code::Ok)).clone();
            counter.inc();
            known.insert(method.into(), counter);
        }
    }
}

fn call(method: &str, code: Code) -> Call {
    Call {
        method: method.to_owned(),
        code: i32::from(code).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_methods_are_one_label() {
        let metrics = Metrics::default();
        let counters = Counters::new(&metrics);
        counters.count(
            Some("/millrace.order.v1.OrderService/GetOrder"),
            Code::NotFound,
        );
        let before = metrics.text().lines().count();
        for (number, code) in [Code::Unimplemented; 50].into_iter().enumerate() {
            counters.count(Some(&format!("/invented/{number}")), code);
            counters.count(None, Code::Unavailable);
        }
        assert_eq!(metrics.text().lines().count(), before + 2);
    }
}
