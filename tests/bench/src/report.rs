//! The results: a file with one JSON line per case, and a table for people.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::case::{Card, Outcome, Verdict};

/// `target/bench/results.jsonl`. Lines of cases that were not run this time stay.
pub fn write(outcomes: &[Outcome]) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || millrace_test_rig::workspace().join("target"),
        PathBuf::from,
    );
    let file = target.join("bench").join("results.jsonl");
    write_to(&file, outcomes).with_context(|| format!("could not write {}", file.display()))?;
    Ok(file)
}

fn write_to(file: &Path, outcomes: &[Outcome]) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let before = fs::read_to_string(file).unwrap_or_default();
    let is_new = |line: &str| {
        outcomes
            .iter()
            .any(|outcome| line.contains(&format!("\"case\":\"{}\"", outcome.case)))
    };
    let mut lines: Vec<String> = before
        .lines()
        .filter(|line| !is_new(line))
        .map(str::to_owned)
        .collect();
    for outcome in outcomes {
        lines.push(serde_json::to_string(outcome)?);
    }
    Ok(fs::write(file, format!("{}\n", lines.join("\n")))?)
}

/// The table, floor and goal beside each ratio, with what each baseline was below it.
pub fn table(rows: &[(Card, Outcome)]) -> String {
    let mut text = format!(
        "\n{:<26} {:>12} {:<9} {:>12} {:>7}  {:<16} {:<8} verdict\n",
        "case", "value", "unit", "baseline", "ratio", "floor -> goal", "correct"
    );
    for (card, outcome) in rows {
        let baseline = outcome.baseline.map_or("-".to_owned(), number);
        let ratio = outcome
            .ratio
            .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let floor = format!(
            "{} {} -> {}",
            if matches!(card.better, crate::case::Better::Higher) {
                ">="
            } else {
                "<="
            },
            outcome.floor,
            card.goal
        );
        let verdict = match outcome.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Inconclusive => "INCONCLUSIVE",
        };
        let correct = if outcome.correct { "yes" } else { "NO" };
        let _ = writeln!(
            text,
            "{:<26} {:>12} {:<9} {baseline:>12} {ratio:>7}  {floor:<16} {correct:<8} {verdict}",
            outcome.case,
            number(outcome.value),
            outcome.unit
        );
    }
    text.push('\n');
    for (card, _) in rows {
        let _ = writeln!(text, "{:<26} against {}", card.name, card.baseline);
    }
    text
}

fn number(value: f64) -> String {
    if value >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Better;

    fn outcome(case: &str, value: f64) -> Outcome {
        Outcome {
            case: case.to_owned(),
            value,
            unit: "events/s".to_owned(),
            baseline: Some(1.0),
            ratio: Some(value),
            floor: 0.7,
            better: Better::Higher,
            correct: true,
            verdict: Verdict::Pass,
        }
    }

    #[test]
    fn a_case_run_again_replaces_its_line_and_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench/results.jsonl");
        write_to(
            &file,
            &[outcome("append", 1.0), outcome("append-sqlite", 2.0)],
        )
        .unwrap();
        write_to(&file, &[outcome("append", 3.0)]).unwrap();
        let lines: Vec<serde_json::Value> = fs::read_to_string(&file)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let read: Vec<_> = lines
            .iter()
            .map(|line| {
                (
                    line["case"].as_str().unwrap(),
                    line["value"].as_f64().unwrap(),
                )
            })
            .collect();
        assert_eq!(read, [("append-sqlite", 2.0), ("append", 3.0)]);
    }
}
