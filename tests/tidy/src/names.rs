//! Names that say nothing are not given.

use crate::Complaint;

const FORBIDDEN: [&str; 10] = [
    "util",
    "utils",
    "common",
    "shared",
    "core",
    "helper",
    "helpers",
    "types",
    "misc",
    "lib_common",
];

/// A crate's folder or a module named so that anything would fit into it.
pub fn forbidden_names(path: &str) -> Vec<Complaint> {
    let parts = path.split('/').map(|part| part.trim_end_matches(".rs"));
    // `crates/<name>/src/<module…>`: the first and everything after it.
    parts
        .filter(|part| FORBIDDEN.contains(&part.replace('-', "_").trim_start_matches("millrace_")))
        .map(|part| Complaint::new(path, format!("`{part}` says nothing about what is in it")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_where_anything_would_fit_has_no_name() {
        assert_eq!(forbidden_names("crates/erp/src/util.rs").len(), 1);
        assert_eq!(forbidden_names("crates/common/src/lib.rs").len(), 1);
        assert_eq!(forbidden_names("crates/erp/src/paging.rs"), []);
    }
}
