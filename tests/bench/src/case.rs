//! What a case is, and the words of its result.

use anyhow::Result;
use async_trait::async_trait;
use serde::{Serialize, Serializer};

/// One of the two things that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arm {
    Baseline,
    Subject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    Higher,
    Lower,
}

/// What has to be reached for the case to pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Floor {
    /// Of subject ÷ baseline.
    Ratio(f64),
    /// Of the subject's value itself; there is no baseline then.
    Value(f64),
}

impl Floor {
    pub fn number(self) -> f64 {
        match self {
            Floor::Ratio(number) | Floor::Value(number) => number,
        }
    }
}

/// How a case is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// At least five pairs, judged by the bootstrap interval of their ratios.
    Short,
    /// One pair with two runs per arm, judged by how far the two runs differ.
    Long,
}

/// A case's card: printed with its result, so that a number is never read without what it is compared with.
#[derive(Debug, Clone)]
pub struct Card {
    pub name: &'static str,
    pub unit: &'static str,
    pub better: Better,
    pub floor: Floor,
    /// What we would like to reach; the floor decides.
    pub goal: f64,
    pub length: Length,
    /// What the baseline does, in a sentence.
    pub baseline: &'static str,
}

/// One thing to measure.
#[async_trait]
pub trait Case: Send {
    fn card(&self) -> Card;

    /// One run of one arm, warm-up included but not counted. Every run begins with equal, fresh data.
    /// Never called with [`Arm::Baseline`] when the floor is a value.
    async fn run(&mut self, arm: Arm) -> Result<f64>;

    /// Was everything that the subject claims to have done so far done right? Says what was not.
    async fn check(&mut self) -> Result<()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Fail,
    Inconclusive,
}

/// One line of `target/bench/results.jsonl`.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub case: String,
    #[serde(serialize_with = "rounded")]
    pub value: f64,
    pub unit: String,
    #[serde(serialize_with = "rounded_option")]
    pub baseline: Option<f64>,
    #[serde(serialize_with = "rounded_option")]
    pub ratio: Option<f64>,
    pub floor: f64,
    pub better: Better,
    /// The run's own correctness check.
    pub correct: bool,
    pub verdict: Verdict,
}

/// Four significant digits: more would pretend.
fn significant(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(significant(*value))
}

fn rounded_option<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(significant).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_one_line_with_the_agreed_fields() {
        let outcome = Outcome {
            case: "append-vs-unnest".to_owned(),
            value: 71_234.56,
            unit: "events/s".to_owned(),
            baseline: Some(80_000.0),
            ratio: Some(0.890_432),
            floor: 0.7,
            better: Better::Higher,
            correct: true,
            verdict: Verdict::Pass,
        };
        assert_eq!(
            serde_json::to_string(&outcome).unwrap(),
            r#"{"case":"append-vs-unnest","value":71230.0,"unit":"events/s","baseline":80000.0,"ratio":0.8904,"floor":0.7,"better":"higher","correct":true,"verdict":"pass"}"#
        );
    }

    #[test]
    fn a_case_without_a_baseline_has_no_ratio() {
        let outcome = Outcome {
            case: "idle-rss-mib".to_owned(),
            value: 61.0,
            unit: "MiB".to_owned(),
            baseline: None,
            ratio: None,
            floor: 80.0,
            better: Better::Lower,
            correct: true,
            verdict: Verdict::Pass,
        };
        let line = serde_json::to_string(&outcome).unwrap();
        assert!(
            line.contains(r#""baseline":null,"ratio":null,"floor":80.0"#),
            "{line}"
        );
    }
}
