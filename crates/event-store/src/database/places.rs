//! Places for values in a statement whose length is known only when it runs.

use std::fmt::Write;
use std::ops::Range;

/// `$3, $4, …`: `count` of them, from `$first` on.
#[must_use]
pub fn places(first: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * 6);
    list(&mut text, first..first + count);
    text
}

/// `($1, $2), ($3, $4), …`: the values of `count` rows.
#[must_use]
pub fn places_of_rows(count: usize, columns: usize) -> String {
    let mut text = String::with_capacity(count * (columns * 6 + 4));
    for row in 0..count {
        text.push_str(if row == 0 { "(" } else { ", (" });
        list(&mut text, row * columns + 1..(row + 1) * columns + 1);
        text.push(')');
    }
    text
}

fn list(text: &mut String, places: Range<usize>) {
    let first = places.start;
    for place in places {
        text.push_str(if place == first { "$" } else { ", $" });
        // A text takes everything.
        let _ = write!(text, "{place}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_on_from_row_to_row() {
        assert_eq!(places(3, 2), "$3, $4");
        assert_eq!(places_of_rows(2, 2), "($1, $2), ($3, $4)");
        assert_eq!(places_of_rows(0, 2), "");
    }
}
