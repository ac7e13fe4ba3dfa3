//! What the ERP says is there, and what its figure contains.

use millrace_values::{LocationCode, Quantity, Timestamp};

use super::in_flight::Document;

/// The ERP's figures of one item and variant, of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    pub parts: Vec<Part>,
    pub as_of: Timestamp,
    pub contains: Contains,
}

/// One location's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub location: LocationCode,
    pub on_hand: Quantity,
    pub allocated: Quantity,
    pub reserved: Quantity,
    pub safety_stock: Quantity,
}

/// Which documents a figure contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contains {
    /// Documents with a row version below it. `None`: this ERP has none, time decides.
    pub boundary: Option<u64>,
    /// What happened in the ERP up to here is contained for sure: the figure's `as_of` less the margin. Erring towards less
    /// stock: until then it counts as in flight as well.
    pub settled: Timestamp,
    /// Whether the figure knows sales orders. Where it does not (a standard tenant's total), it falls when goods leave.
    pub sales_orders: bool,
}

impl Contains {
    /// Whether the figure contains this document.
    #[must_use]
    pub fn document(&self, document: &Document) -> bool {
        match (self.boundary, document.row_version) {
            (Some(boundary), Some(row_version)) => row_version < boundary,
            (Some(_) | None, _) => self.moment(document.at),
        }
    }

    /// Whether what happened at this moment is contained.
    #[must_use]
    pub fn moment(&self, at: Timestamp) -> bool {
        at <= self.settled
    }
}

/// What tells an item's older figures from its newer ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Rises with every full read: after a restore the ERP's row versions may go backwards.
    pub generation: i64,
    pub boundary: Option<u64>,
    pub as_of: Timestamp,
}

impl Stamp {
    /// Whether figures with this stamp replace those with `known`. A late or repeated answer of the ERP does not: an order that
    /// was contained must not be forgotten.
    #[must_use]
    pub fn replaces(&self, known: &Stamp) -> bool {
        if self.generation != known.generation {
            return self.generation > known.generation;
        }
        match (self.boundary, known.boundary) {
            (Some(new), Some(known)) => new >= known,
            (Some(_) | None, _) => self.as_of >= known.as_of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(generation: i64, boundary: Option<u64>, second: u8) -> Stamp {
        let as_of = Timestamp::parse(&format!("2026-01-01T10:00:{second:02}Z")).unwrap();
        Stamp {
            generation,
            boundary,
            as_of,
        }
    }

    #[test]
    fn an_older_boundary_does_not_replace_a_newer_one_whatever_the_clock_says() {
        assert!(!stamp(1, Some(10), 30).replaces(&stamp(1, Some(11), 20)));
        assert!(stamp(1, Some(11), 20).replaces(&stamp(1, Some(11), 20)));
    }

    #[test]
    fn without_boundaries_time_decides() {
        assert!(stamp(1, None, 21).replaces(&stamp(1, None, 20)));
        assert!(!stamp(1, None, 19).replaces(&stamp(1, None, 20)));
    }

    #[test]
    fn after_a_full_read_anew_row_versions_may_be_lower() {
        assert!(stamp(2, Some(3), 0).replaces(&stamp(1, Some(11), 20)));
        assert!(!stamp(1, Some(11), 20).replaces(&stamp(2, Some(3), 0)));
    }
}
