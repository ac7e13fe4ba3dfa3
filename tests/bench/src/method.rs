//! How a case is measured and judged: both arms interleaved in the order A-B-B-A, at least five pairs, medians, the 95 %
//! bootstrap interval of the per-pair ratios. What is inconclusive is measured once more with twice the pairs.

use anyhow::{Context, Result};

use crate::case::{Arm, Better, Card, Case, Floor, Length, Outcome, Verdict};
use crate::statistics::{difference, interval, median};

const PAIRS: usize = 5;

/// Two runs of one arm of a long case may differ by this much.
const UNSTEADY: f64 = 0.20;

/// The runs of a case, in the order of pairs: `baseline[i]` and `subject[i]` were neighbours in time.
#[derive(Debug, Default)]
struct Runs {
    baseline: Vec<f64>,
    subject: Vec<f64>,
}

/// Measures the case, repeats it when in doubt, checks it, and says what came out. `tell` hears about every run.
pub async fn measure(case: &mut dyn Case, tell: &mut (dyn FnMut(&str) + Send)) -> Result<Outcome> {
    let card = case.card();
    let pairs = match (card.floor, card.length) {
        (Floor::Ratio(_), Length::Short) => PAIRS,
        // A long case's one pair is A-B-B-A itself; a value without a baseline is just measured twice.
        (_, Length::Long) | (Floor::Value(_), Length::Short) => 2,
    };
    let mut judged = judge(&card, &runs(case, &card, pairs, tell).await?)?;
    if judged.verdict == Verdict::Inconclusive {
        tell("inconclusive; once more with twice the pairs");
        judged = judge(&card, &runs(case, &card, pairs * 2, tell).await?)?;
    }
    if let Err(wrong) = case.check().await {
        tell(&format!("NOT CORRECT: {wrong:#}"));
        judged.correct = false;
        judged.verdict = Verdict::Fail;
    }
    Ok(judged)
}

async fn runs(
    case: &mut dyn Case,
    card: &Card,
    pairs: usize,
    tell: &mut (dyn FnMut(&str) + Send),
) -> Result<Runs> {
    let mut runs = Runs::default();
    for pair in 0..pairs {
        for arm in order(card.floor, pair) {
            let value = case
                .run(arm)
                .await
                .with_context(|| format!("{} could not be measured", card.name))?;
            tell(&format!(
                "pair {} of {pairs}: {arm:?} {value:.3} {}",
                pair + 1,
                card.unit
            ));
            match arm {
                Arm::Baseline => runs.baseline.push(value),
                Arm::Subject => runs.subject.push(value),
            }
        }
    }
    Ok(runs)
}

/// A-B, B-A, A-B …: a machine that gets slower or faster meanwhile harms both arms alike.
fn order(floor: Floor, pair: usize) -> Vec<Arm> {
    match (floor, pair % 2) {
        (Floor::Value(_), _) => vec![Arm::Subject],
        (Floor::Ratio(_), 0) => vec![Arm::Baseline, Arm::Subject],
        (Floor::Ratio(_), _) => vec![Arm::Subject, Arm::Baseline],
    }
}

fn judge(card: &Card, runs: &Runs) -> Result<Outcome> {
    let value = median(&runs.subject).context("the case was not run")?;
    let baseline = median(&runs.baseline);
    let ratios: Vec<f64> = runs
        .subject
        .iter()
        .zip(&runs.baseline)
        .map(|(subject, baseline)| subject / baseline)
        .collect();
    let (ratio, measured, in_doubt) = match (card.floor, card.length) {
        (Floor::Value(_), _) => (None, value, difference(&runs.subject) > UNSTEADY),
        (Floor::Ratio(floor), Length::Short) => {
            let (low, high) = interval(&ratios).context("the case was not run")?;
            let ratio = median(&ratios).context("the case was not run")?;
            (Some(ratio), ratio, low <= floor && floor <= high)
        }
        (Floor::Ratio(_), Length::Long) => {
            let ratio = value / baseline.context("the baseline was not run")?;
            (
                Some(ratio),
                ratio,
                difference(&runs.subject) > UNSTEADY || difference(&runs.baseline) > UNSTEADY,
            )
        }
    };
    let holds = match card.better {
        Better::Higher => measured >= card.floor.number(),
        Better::Lower => measured <= card.floor.number(),
    };
    let verdict = match (in_doubt, holds) {
        (true, _) => Verdict::Inconclusive,
        (false, true) => Verdict::Pass,
        (false, false) => Verdict::Fail,
    };
    Ok(Outcome {
        case: card.name.to_owned(),
        value,
        unit: card.unit.to_owned(),
        baseline,
        ratio,
        floor: card.floor.number(),
        better: card.better,
        correct: true,
        verdict,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::bail;
    use async_trait::async_trait;

    use super::*;

    /// A case that reads its values from a script.
    struct Scripted {
        card: Card,
        order: Vec<Arm>,
        subject: Box<dyn Fn(usize) -> f64 + Send>,
        is_correct: bool,
    }

    #[async_trait]
    impl Case for Scripted {
        fn card(&self) -> Card {
            self.card.clone()
        }

        async fn run(&mut self, arm: Arm) -> Result<f64> {
            self.order.push(arm);
            let before = self
                .order
                .iter()
                .filter(|earlier| **earlier == Arm::Subject)
                .count();
            Ok(match arm {
                Arm::Baseline => 100.0,
                Arm::Subject => (self.subject)(before - 1),
            })
        }

        async fn check(&mut self) -> Result<()> {
            if self.is_correct {
                Ok(())
            } else {
                bail!("an event is missing")
            }
        }
    }

    fn scripted(
        floor: Floor,
        better: Better,
        length: Length,
        subject: impl Fn(usize) -> f64 + Send + 'static,
    ) -> Scripted {
        let card = Card {
            name: "scripted",
            unit: "things",
            better,
            floor,
            goal: 1.0,
            length,
            baseline: "a hundred things",
        };
        Scripted {
            card,
            order: Vec::new(),
            subject: Box::new(subject),
            is_correct: true,
        }
    }

    async fn outcome(case: &mut Scripted) -> Outcome {
        measure(case, &mut |_| {}).await.unwrap()
    }

    #[tokio::test]
    async fn arms_are_interleaved_so_that_drift_harms_both() {
        let mut case = scripted(Floor::Ratio(0.7), Better::Higher, Length::Short, |_| 90.0);
        let outcome = outcome(&mut case).await;
        use Arm::{Baseline as A, Subject as B};
        assert_eq!(case.order, [A, B, B, A, A, B, B, A, A, B]);
        assert_eq!((outcome.verdict, outcome.ratio), (Verdict::Pass, Some(0.9)));
    }

    #[tokio::test]
    async fn below_the_floor_a_case_fails_and_lower_may_be_better() {
        let mut slow = scripted(Floor::Ratio(0.7), Better::Higher, Length::Short, |_| 60.0);
        assert_eq!(outcome(&mut slow).await.verdict, Verdict::Fail);
        let mut quick = scripted(Floor::Ratio(1.5), Better::Lower, Length::Short, |_| 120.0);
        assert_eq!(outcome(&mut quick).await.verdict, Verdict::Pass);
        let mut late = scripted(Floor::Ratio(1.5), Better::Lower, Length::Short, |_| 160.0);
        assert_eq!(outcome(&mut late).await.verdict, Verdict::Fail);
    }

    #[tokio::test]
    async fn an_interval_around_the_floor_is_measured_once_more_with_twice_the_pairs() {
        let mut case = scripted(Floor::Ratio(0.7), Better::Higher, Length::Short, |run| {
            if run < 5 { [60.0, 80.0][run % 2] } else { 90.0 }
        });
        assert_eq!(outcome(&mut case).await.verdict, Verdict::Pass);
        assert_eq!(case.order.len(), 10 + 20);
    }

    #[tokio::test]
    async fn a_case_that_stays_inconclusive_is_no_pass() {
        let mut case = scripted(Floor::Ratio(0.7), Better::Higher, Length::Short, |run| {
            [60.0, 80.0][run % 2]
        });
        assert_eq!(outcome(&mut case).await.verdict, Verdict::Inconclusive);
    }

    #[tokio::test]
    async fn a_long_case_is_one_pair_with_two_runs_per_arm() {
        let mut case = scripted(Floor::Ratio(0.6), Better::Higher, Length::Long, |run| {
            [80.0, 84.0][run]
        });
        let outcome = outcome(&mut case).await;
        use Arm::{Baseline as A, Subject as B};
        assert_eq!(case.order, [A, B, B, A]);
        assert_eq!(
            (outcome.verdict, outcome.ratio),
            (Verdict::Pass, Some(0.82))
        );
    }

    #[tokio::test]
    async fn a_long_case_whose_runs_differ_too_much_is_inconclusive() {
        let mut case = scripted(Floor::Ratio(0.6), Better::Higher, Length::Long, |run| {
            [80.0, 100.0][run % 2]
        });
        assert_eq!(outcome(&mut case).await.verdict, Verdict::Inconclusive);
        assert_eq!(case.order.len(), 4 + 8);
    }

    #[tokio::test]
    async fn a_floor_with_a_unit_is_held_against_the_value() {
        let mut case = scripted(Floor::Value(80.0), Better::Lower, Length::Long, |_| 61.0);
        let outcome = outcome(&mut case).await;
        assert_eq!(
            (
                outcome.verdict,
                outcome.value,
                outcome.ratio,
                outcome.baseline
            ),
            (Verdict::Pass, 61.0, None, None)
        );
    }

    #[tokio::test]
    async fn a_fast_but_wrong_run_fails() {
        let mut case = scripted(Floor::Ratio(0.7), Better::Higher, Length::Short, |_| 500.0);
        case.is_correct = false;
        let outcome = outcome(&mut case).await;
        assert_eq!((outcome.correct, outcome.verdict), (false, Verdict::Fail));
    }
}
