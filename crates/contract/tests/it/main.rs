//! What was said stays readable: every event type has a golden file, a fully filled message as bytes and as JSON. A field
//! that is renamed, renumbered, retyped or removed makes one of them read differently. Golden files are added, not edited:
//! when an event type grows a field, a further file shows it (`<type>.2.json`).
//!
//! What is an event is said by `millrace_tidy::event_types`, here and in `make check`.
//!
//! `MILLRACE_GOLDEN=write cargo test -p millrace-contract` writes the files that are missing and touches no other.

#![cfg(test)]

mod golden;
mod sample;
