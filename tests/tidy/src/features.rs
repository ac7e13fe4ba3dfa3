//! Which rows of FEATURES.md have a test that says it shows them.

use std::collections::{BTreeMap, BTreeSet};

/// The rows of the page: number and text.
pub fn rows(page: &str) -> BTreeMap<u32, String> {
    page.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            Some((cells.next()?.parse().ok()?, cells.next()?.to_owned()))
        })
        .collect()
}

/// The rows a source file says it shows: `Row 21.`, `Rows 96 and 98.`, `Rows 1, 2 and 3–5.` in a doc comment.
pub fn rows_named(text: &str) -> BTreeSet<u32> {
    let mut named = BTreeSet::new();
    for line in text
        .lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with("///") || line.starts_with("//!"))
    {
        for (at, _) in line.match_indices("Row") {
            let rest = line[at + 3..].trim_start_matches('s');
            if rest.starts_with(' ') {
                named.extend(numbers(rest));
            }
        }
    }
    named
}

fn numbers(rest: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut last = 0;
    let mut in_range = false;
    let end = rest.find('.').unwrap_or(rest.len());
    for word in rest[..end]
        .replace(',', " ")
        .replace(['–', '-'], " - ")
        .split_whitespace()
    {
        match word.parse::<u32>() {
            Ok(number) => {
                found.extend(if in_range {
                    last..=number
                } else {
                    number..=number
                });
                (last, in_range) = (number, false);
            }
            Err(_) if word == "-" => in_range = true,
            Err(_) if word == "and" => {}
            Err(_) => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_the_tables() {
        let page =
            "| # | capability |\n|---|---|\n| 1 | The ERP is the source |\n| 12 | Prices |\n";
        assert_eq!(
            rows(page),
            BTreeMap::from([
                (1, "The ERP is the source".to_owned()),
                (12, "Prices".to_owned())
            ])
        );
    }

    #[test]
    fn a_doc_comment_names_the_rows_it_shows() {
        assert_eq!(
            rows_named("/// Row 21.\nfn a() {}\n// Row 22."),
            BTreeSet::from([21])
        );
        assert_eq!(
            rows_named("    /// Rows 96 and 98, 3–5. Also 7."),
            BTreeSet::from([3, 4, 5, 96, 98])
        );
        assert_eq!(rows_named("/// Rows of a table"), BTreeSet::new());
    }
}
