//! Rules of the house that neither the compiler nor clippy checks: who may depend on whom, what a domain may know, how long
//! a file may be, what nothing may be called, what the contract must explain. Each rule is a function from text to complaints, so that a rule can be tested;
//! `tests/tidy.rs` applies all of them to this checkout.
//!
//! Deliberately without dependencies: it must build in a second, also where everything else is broken.

mod comments;
mod domain;
mod edges;
mod features;
mod golden;
mod links;
mod names;
mod source;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};

pub use comments::uncommented;
pub use domain::impurities;
pub use edges::{Manifest, forbidden_edges, manifest_habits};
pub use features::{rows, rows_named};
pub use golden::{event_types, golden_faults};
pub use links::dead_links;
pub use names::forbidden_names;
pub use source::{Piece, pieces};
pub use texts::{ignored_tests, long_statements, sleeps, too_long, unexplained_targets};

/// One broken rule: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    pub place: String,
    pub words: String,
}

impl Complaint {
    pub fn new(place: impl Into<String>, words: impl Into<String>) -> Complaint {
        Complaint {
            place: place.into(),
            words: words.into(),
        }
    }
}

/// The root of the checkout.
pub fn workspace() -> PathBuf {
    let tidy = Path::new(env!("CARGO_MANIFEST_DIR"));
    tidy.ancestors()
        .nth(2)
        .expect("tidy stands two levels below the root")
        .to_path_buf()
}

/// A file of the checkout: its path from the root, with `/`, and its text.
#[derive(Debug, Clone)]
pub struct Text {
    pub path: String,
    pub text: String,
}

/// All files below `folder` whose name ends in `ending`, in order of their paths. A folder that is not there holds none.
pub fn files(folder: &str, ending: &str) -> Vec<Text> {
    let root = workspace();
    let mut found = Vec::new();
    let mut open = vec![root.join(folder)];
    while let Some(next) = open.pop() {
        for path in fs::read_dir(&next)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
        {
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending)
                && let Ok(text) = fs::read_to_string(&path)
            {
                let path = path
                    .strip_prefix(&root)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .replace('\\', "/");
                found.push(Text { path, text });
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}
