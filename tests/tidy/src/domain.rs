//! A domain is pure: no async, no clock, no randomness, no I/O, no framework.

use crate::Complaint;
use crate::source::{Kind, pieces};

/// Crates and keywords a domain never names.
const FOREIGN: [&str; 21] = [
    "async",
    "await",
    "async_trait",
    "axum",
    "config",
    "futures",
    "hyper",
    "millrace_service_kit",
    "prost",
    "rand",
    "rdkafka",
    "reqwest",
    "serde",
    "serde_json",
    "sqlx",
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "tracing",
    "millrace_event_bus",
];

/// `std::` modules that reach outside.
const OUTSIDE: [&str; 6] = ["env", "fs", "io", "net", "process", "thread"];

/// Is this file part of a domain?
fn is_domain(path: &str) -> bool {
    path.starts_with("crates/")
        && (path.contains("/src/domain/") || path.ends_with("/src/domain.rs"))
}

/// What a domain file names that it must not know.
pub fn impurities(path: &str, text: &str) -> Vec<Complaint> {
    if !is_domain(path) {
        return Vec::new();
    }
    let code: Vec<_> = pieces(text)
        .into_iter()
        .filter(|piece| piece.kind != Kind::Comment)
        .collect();
    let mut complaints = Vec::new();
    for (index, piece) in code
        .iter()
        .enumerate()
        .filter(|(_, piece)| piece.kind == Kind::Word)
    {
        let before = |count: usize| {
            index
                .checked_sub(count)
                .and_then(|at| code.get(at))
                .map(|piece| piece.text)
        };
        let follows_path = before(1) == Some(":") && before(2) == Some(":");
        let is_member = before(1) == Some(".");
        let is_path = code.get(index + 1).is_some_and(|next| next.text == ":")
            && code.get(index + 2).is_some_and(|next| next.text == ":");
        let starts_path = is_path && !follows_path && !is_member;
        let after_use = before(1) == Some("use");
        let is_foreign = FOREIGN.contains(&piece.text)
            && (starts_path || after_use || ["async", "await"].contains(&piece.text));
        let is_outside = OUTSIDE.contains(&piece.text) && follows_path && before(3) == Some("std");
        let is_clock = piece.text == "now"
            && follows_path
            && ["SystemTime", "Instant", "Timestamp", "Zoned"]
                .iter()
                .any(|clock| before(3) == Some(clock));
        let is_random =
            (piece.text.starts_with("now_v") || piece.text.starts_with("new_v4")) && follows_path;
        if is_foreign || is_outside || is_clock || is_random {
            complaints.push(Complaint::new(
                format!("{path}:{}", piece.line),
                format!("a domain is pure and does not know `{}`", piece.text),
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        impurities("crates/order-intake/src/domain/order.rs", text)
            .into_iter()
            .map(|complaint| complaint.place)
            .collect()
    }

    #[test]
    fn a_rule_that_only_computes_is_pure() {
        let text = "//! tokio is not used here\nuse millrace_values::Sku;\nfn decide(order: &Order, at: Timestamp) -> Result<Vec<Event>, Rejection> { order.config }";
        assert_eq!(complaints(text), Vec::<String>::new());
    }

    #[test]
    fn frameworks_clocks_and_the_world_are_named() {
        let text = "use tokio::sync::Mutex;\nfn a() { Timestamp::now(); }\nasync fn b() {}\nuse std::fs;\nfn c() { Uuid::now_v7(); }\nlet x: serde_json::Value;";
        let place = |line: usize| format!("crates/order-intake/src/domain/order.rs:{line}");
        assert_eq!(
            complaints(text),
            [place(1), place(2), place(3), place(4), place(5), place(6)]
        );
    }

    #[test]
    fn other_rooms_may_know_the_world() {
        assert_eq!(
            impurities(
                "crates/order-intake/src/service.rs",
                "use tokio::sync::Mutex;"
            ),
            []
        );
    }
}
