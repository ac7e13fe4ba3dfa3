//! What is held of one item in one store. The figure says what is there; a shelf never holds more than that.

use std::fmt;

use millrace_values::{ErpCode, LocationCode, Quantity, SystemId, VariantCode};

/// An item, or a variant of it, in a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShelfKey {
    pub erp: ErpCode,
    pub location: LocationCode,
    pub item: SystemId,
    pub variant: Option<VariantCode>,
}

impl ShelfKey {
    /// Its stream.
    #[must_use]
    pub fn stream(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for ShelfKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            erp,
            location,
            item,
            variant,
        } = self;
        let variant = variant.as_ref().map_or("", VariantCode::as_str);
        write!(formatter, "shelf/{erp}/{location}/{item}/{variant}")
    }
}

/// So much more is taken from a shelf, or, negative, given back to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub shelf: ShelfKey,
    pub quantity: Quantity,
}

/// What is held after `moved`. `there` is what the last figure leaves to reservations; `None`: nobody knows.
///
/// # Errors
/// Not enough is there. What is given back is always taken: the figure may have fallen below what is held.
pub fn after(
    held: Quantity,
    moved: Quantity,
    there: Option<Quantity>,
) -> Result<Quantity, NotThere> {
    let after = held + moved;
    if !moved.is_positive() {
        return Ok(after.at_least_zero());
    }
    let Some(there) = there else {
        return Err(NotThere::Unknown);
    };
    if after > there {
        return Err(NotThere::TooLow {
            left: (there - held).at_least_zero(),
        });
    }
    Ok(after)
}

/// Why a shelf does not give what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotThere {
    /// No figure of the store is known.
    Unknown,
    TooLow {
        /// What could still be taken.
        left: Quantity,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(count: u32) -> Quantity {
        Quantity::from(count)
    }

    #[test]
    fn a_shelf_gives_what_is_there_to_the_last_piece_and_no_more() {
        assert_eq!(after(pieces(3), pieces(2), Some(pieces(5))), Ok(pieces(5)));
        let short = NotThere::TooLow { left: pieces(0) };
        assert_eq!(after(pieces(5), pieces(1), Some(pieces(5))), Err(short));
    }

    #[test]
    fn unknown_stock_is_not_zero_and_gives_nothing() {
        assert_eq!(after(pieces(0), pieces(1), None), Err(NotThere::Unknown));
    }

    #[test]
    fn what_comes_back_is_taken_whatever_the_figure_says() {
        assert_eq!(after(pieces(5), -pieces(2), Some(pieces(1))), Ok(pieces(3)));
        assert_eq!(after(pieces(5), -pieces(2), None), Ok(pieces(3)));
    }

    #[test]
    fn after_the_figure_fell_below_what_is_held_nothing_is_left() {
        let short = NotThere::TooLow { left: pieces(0) };
        assert_eq!(after(pieces(5), pieces(1), Some(pieces(2))), Err(short));
    }
}
