//! Business Central's webhooks, used as what they are: hints to look at once. They are lost, doubled and gathered, they
//! carry nothing, and whoever knows our address can send them; so nothing is believed but "there may be news", and only
//! from somebody who knows the client state.
//!
//! [`BusinessCentral::webhooks`](super::BusinessCentral::webhooks) keeps the subscriptions alive; [`receiver`] is the
//! listener that Business Central calls.

mod receiver;
mod subscriptions;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::Flow;

pub use self::receiver::{Receiver, receiver};
pub(crate) use self::subscriptions::client_state;

const FLOWS: [Flow; 7] = [
    Flow::Items,
    Flow::Prices,
    Flow::Stock,
    Flow::Customers,
    Flow::Documents,
    Flow::Transfers,
    Flow::Returns,
];

/// One counter per flow; it moves when something hints that the flow has news.
#[derive(Debug)]
pub(crate) struct Hints {
    flows: HashMap<Flow, watch::Sender<u64>>,
    given: AtomicU64,
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            flows: FLOWS
                .into_iter()
                .map(|flow| (flow, watch::Sender::new(0)))
                .collect(),
            given: AtomicU64::new(0),
        }
    }
}

impl Hints {
    pub fn of(&self, flow: Flow) -> watch::Receiver<u64> {
        self.flows[&flow].subscribe()
    }

    /// One hint for all these flows: they may look together.
    pub fn give(&self, flows: &[Flow]) {
        if flows.is_empty() {
            return;
        }
        // Before anybody wakes: who was woken must not find the number from before his hint.
        self.given.fetch_add(1, Ordering::SeqCst);
        for flow in flows {
            self.flows[flow].send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// How many were given so far, whatever for.
    pub fn given(&self) -> u64 {
        self.given.load(Ordering::SeqCst)
    }
}

/// The flows that a notification about this resource concerns: by the name of its entity set.
pub(crate) fn flows_of(resource: &str) -> &'static [Flow] {
    let path = resource
        .split('?')
        .next()
        .unwrap_or_default()
        .trim_end_matches('/');
    let set = path
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .split('(')
        .next()
        .unwrap_or_default();
    match set {
        "changeEntries" => &FLOWS,
        "items" => &[Flow::Items, Flow::Prices, Flow::Stock],
        "customers" => &[Flow::Customers],
        "salesOrders" | "salesInvoices" => &[Flow::Documents, Flow::Stock],
        "salesCreditMemos" => &[Flow::Documents, Flow::Returns, Flow::Stock],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_for_many_flows_is_one_and_counted_before_it_is_seen() {
        let hints = Hints::default();
        let mut stock = hints.of(Flow::Stock);
        hints.give(&[]);
        assert_eq!(hints.given(), 0);
        hints.give(&FLOWS);
        assert!(stock.has_changed().unwrap());
        stock.borrow_and_update();
        hints.give(&[Flow::Customers]);
        assert!(!stock.has_changed().unwrap());
        assert_eq!(hints.given(), 2);
    }

    #[test]
    fn a_resource_names_its_flows() {
        assert_eq!(
            flows_of("api/v2.0/companies(5d1)/customers(7ab)"),
            [Flow::Customers]
        );
        assert_eq!(
            flows_of("api/v2.0/companies(5d1)/customers?$filter=lastModifiedDateTime gt 2026"),
            [Flow::Customers]
        );
        assert_eq!(
            flows_of("/api/millrace/commerce/v1.0/companies(5d1)/changeEntries(1)"),
            FLOWS
        );
        assert!(flows_of("nonsense").is_empty());
    }
}
