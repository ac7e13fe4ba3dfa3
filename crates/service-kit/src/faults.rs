//! Everything that is malformed in one message, field by field.

use std::fmt::Display;

use tonic::Status;

use crate::rejection;

/// More is not told: who sent a thousand broken lines has seen enough.
const MOST: usize = 20;

/// Collects what is malformed; empty means well-formed.
#[derive(Debug, Default)]
pub struct Faults(Vec<(String, String)>);

impl Faults {
    pub fn add(&mut self, field: impl Into<String>, why: impl Display) {
        if self.0.len() < MOST {
            self.0.push((field.into(), why.to_string()));
        }
    }

    /// The value, or `None` with its fault noted.
    pub fn take<T, E: Display>(
        &mut self,
        field: impl Into<String>,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(why) => {
                self.add(field, why);
                None
            }
        }
    }

    /// The value, or `None` with all of its faults noted.
    pub fn gather<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(faults) => {
                self.0.extend(faults.0);
                self.0.truncate(MOST);
                None
            }
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// INVALID_ARGUMENT with every field.
    #[must_use]
    pub fn into_status(self) -> Status {
        rejection::bad_requests(self.0)
    }
}

impl Display for Faults {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        for (field, why) in &self.0 {
            write!(formatter, "{separator}{field}: {why}")?;
            separator = "; ";
        }
        Ok(())
    }
}
