//! Large counts: a small share in `make test`, the whole in `make soak`.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

use anyhow::Context;

use crate::{place, say};

/// Is this `make soak`?
pub fn is_soak() -> bool {
    std::env::var("MILLRACE_SOAK").is_ok_and(|value| !value.is_empty() && value != "0")
}

/// How often: `share` in `make test`, `whole` in `make soak`.
pub fn rounds(share: u64, whole: u64) -> u64 {
    if is_soak() { whole } else { share }
}

/// Seeds for `share` (or, in a soak, `whole`) rounds, different in every run.
/// The first is printed; `MILLRACE_TEST_SEED=<first>` repeats the run, `MILLRACE_TEST_SEED` with a share of 1 one round of it.
pub fn seeds(what: &str, share: u64, whole: u64) -> impl Iterator<Item = u64> + use<> {
    let first = match std::env::var("MILLRACE_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        Some(given) => given,
        // Kept short, so that a person can type it.
        None => RandomState::new().hash_one(what) % 1_000_000_000,
    };
    let count = rounds(share, whole);
    say(&format!(
        "{what}: {count} rounds from MILLRACE_TEST_SEED={first}"
    ));
    (0..count).map(move |round| first.wrapping_add(round))
}

/// Says what a long test came to; in a soak it is written to `target/soak/<name>.txt` too.
pub fn soak_result(name: &str, outcome: &str) -> anyhow::Result<()> {
    say(&format!("{name}: {}", outcome.trim_end()));
    if !is_soak() {
        return Ok(());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| place::workspace().join("target"), PathBuf::from);
    let folder = target.join("soak");
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create {}", folder.display()))?;
    let file = folder.join(format!("{name}.txt"));
    fs::write(&file, format!("{}\n", outcome.trim_end()))
        .with_context(|| format!("could not write {}", file.display()))
}
