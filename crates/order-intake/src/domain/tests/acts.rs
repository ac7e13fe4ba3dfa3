//! What happens to an order, in short words.

use millrace_event_store::Decider;
use millrace_values::CustomerNumber;

use super::sales::{self, amount, at, chairs, id, verdict};
use crate::domain::check::Verdict;
use crate::domain::line::{self, Movement};
use crate::domain::{
    Command, Document, DocumentKind, Event, HoldKind, HoldReason, Known, LineQuantity, LineStatus,
    Order, ShopOrder, State, Submitted, Taken, check,
};

pub fn submitted(order: Order) -> Submitted {
    Submitted {
        verdict: verdict(&order),
        order: Box::new(order),
        content_hash: vec![1],
        at: at(),
        same_person: true,
    }
}

pub fn submit(order: Order) -> Command {
    Command::Submit(submitted(order))
}

pub fn lines() -> Vec<LineStatus> {
    verdict(&chairs()).lines
}

pub fn nothing_known() -> Verdict {
    check::check(&chairs(), &sales::channel(), &Known::default())
}

pub fn accepted() -> Event {
    Event::Accepted {
        order: Box::new(chairs()),
        content_hash: vec![1],
        at: at(),
        lines: lines(),
    }
}

pub fn cleared() -> Event {
    Event::Cleared { lines: lines() }
}

pub fn held() -> Event {
    Event::Held {
        reasons: nothing_known().reasons,
        lines: lines(),
    }
}

pub fn document(kind: DocumentKind, number: u128) -> Document {
    Document {
        kind,
        system_id: id(number),
        number: format!("D-{number}"),
        row_version: Some(40),
        posted_at: at(),
    }
}

pub fn posted() -> Event {
    Event::Posted {
        document: document(DocumentKind::SalesOrder, 1),
        customer: Some((Some(id(90)), CustomerNumber::parse("10000").unwrap())),
        total_difference: None,
        lines: lines(),
    }
}

pub fn post(gross: &str) -> Command {
    Command::Posted {
        document: document(DocumentKind::SalesOrder, 1),
        customer_system_id: Some(id(90)),
        customer: CustomerNumber::parse("10000").unwrap(),
        booked_gross: amount(gross),
    }
}

pub fn no() -> HoldReason {
    HoldReason::of_order(HoldKind::ErpRefused, "TOTALS", "the ERP refuses the order")
}

pub fn refuse() -> Command {
    Command::Refused { reason: no() }
}

pub fn refused() -> Event {
    Event::Refused {
        reason: no(),
        lines: lines(),
    }
}

pub fn mend(expected_version: Option<u64>) -> Command {
    let order = chairs();
    Command::Mend {
        verdict: verdict(&order),
        order: Box::new(order),
        note: "typing error".into(),
        expected_version,
    }
}

pub fn mended() -> Event {
    Event::Mended {
        order: Box::new(chairs()),
        note: "typing error".into(),
        lines: lines(),
    }
}

pub fn give_up() -> Command {
    Command::Drop {
        note: "customer called".into(),
    }
}

pub fn moved(quantity: u32) -> Vec<LineQuantity> {
    vec![LineQuantity {
        line: 1,
        quantity: quantity.into(),
    }]
}

pub fn dropped() -> Event {
    let lines = line::after(&lines(), Movement::Cancel, &moved(2));
    Event::Cancelled {
        document: None,
        cancelled: moved(2),
        note: "customer called".into(),
        lines,
    }
}

pub fn shipped(quantity: u32) -> Event {
    Event::Shipped {
        document: document(DocumentKind::Shipment, 2),
        shipped: moved(quantity),
        carrier: "DHL".into(),
        tracking_number: "JD0001".into(),
        lines: line::after(&lines(), Movement::Ship, &moved(quantity)),
    }
}

pub fn observe(kind: DocumentKind, number: u128, quantity: u32) -> Command {
    Command::Observed {
        document: document(kind, number),
        lines: moved(quantity),
        carrier: "DHL".into(),
        tracking_number: "JD0001".into(),
    }
}

pub fn given_events<const N: usize>(events: [Event; N]) -> State {
    ShopOrder::replay(&events)
}

pub fn state<const N: usize>(events: [Event; N]) -> Taken {
    *given_events(events).0.unwrap()
}

pub fn given_state<const N: usize>(events: [Event; N], command: Command) -> Taken {
    let state = given_events(events);
    let events = ShopOrder::decide(&state, command).unwrap();
    *events.iter().fold(state, ShopOrder::evolve).0.unwrap()
}

/// The ERP's word of the sales order itself, without lines.
pub fn released() -> Command {
    Command::Observed {
        document: document(DocumentKind::SalesOrder, 1),
        lines: vec![],
        carrier: String::new(),
        tracking_number: String::new(),
    }
}
