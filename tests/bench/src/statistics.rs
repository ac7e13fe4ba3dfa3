//! Medians, per-pair ratios and their bootstrap interval.

/// Middle value; of an even count the mean of the two in the middle. `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// 95 % bootstrap interval of the median. The resampling is seeded: the same values give the same interval.
pub fn interval(values: &[f64]) -> Option<(f64, f64)> {
    const RESAMPLES: usize = 10_000;
    if values.is_empty() {
        return None;
    }
    let mut dice = Dice(0x4d69_6c6c_7261_6365);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let sample: Vec<f64> = values
                .iter()
                .map(|_| values[dice.below(values.len())])
                .collect();
            median(&sample)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    Some((
        medians[RESAMPLES * 25 / 1000],
        medians[RESAMPLES * 975 / 1000],
    ))
}

/// By how much two runs of the same thing differ, relative to the smaller one.
pub fn difference(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.len() < 2 || least <= 0.0 {
        0.0
    } else {
        most / least - 1.0
    }
}

/// splitmix64: enough to draw samples, and the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_interval_of_equal_values_is_a_point() {
        assert_eq!(interval(&[0.9; 5]), Some((0.9, 0.9)));
    }

    #[test]
    fn the_interval_lies_within_the_values_and_holds_their_median() {
        let values = [0.7, 0.8, 0.9, 1.0, 1.1];
        let (low, high) = interval(&values).unwrap();
        assert!(
            (0.7..=0.9).contains(&low) && (0.9..=1.1).contains(&high),
            "{low} {high}"
        );
        assert!(low < high);
    }

    #[test]
    fn more_pairs_give_a_narrower_interval() {
        let few: Vec<f64> = (0..5).map(|step| f64::from(step) / 5.0).collect();
        let many: Vec<f64> = (0..50).map(|step| f64::from(step % 5) / 5.0).collect();
        let width = |values: &[f64]| interval(values).map(|(low, high)| high - low).unwrap();
        assert!(width(&many) < width(&few));
    }

    #[test]
    fn the_difference_of_two_runs_is_relative() {
        assert!((difference(&[100.0, 121.0]) - 0.21).abs() < 1e-9);
        assert!(difference(&[100.0]).abs() < f64::EPSILON);
    }
}
