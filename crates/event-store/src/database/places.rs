//! Places for values in a statement whose length is known only when it runs.

/// `$3, $4, …`: `count` of them, from `$first` on.
#[must_use]
pub fn places(first: usize, count: usize) -> String {
    (first..first + count)
        .map(|place| format!("${place}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `($1, $2), ($3, $4), …`: the values of `count` rows.
#[must_use]
pub fn places_of_rows(count: usize, columns: usize) -> String {
    (0..count)
        .map(|row| format!("({})", places(row * columns + 1, columns)))
        .collect::<Vec<_>>()
        .join(", ")
}
