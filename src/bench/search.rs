//! A search for the highest value at which a condition holds. It doubles the value while the condition holds,
//! then bisects.

/// The state of a search.
#[derive(Clone, Debug)]
pub(crate) struct Bisection {
    /// The highest value that held.
    holds: Option<f64>,
    /// The lowest value that did not hold.
    fails: Option<f64>,
    start: f64,
    least: f64,
    most: f64,
    precision: f64,
    is_whole: bool,
}

impl Bisection {
    /// Creates a search from `start`, between `least` and `most`. It ends when the highest value that held
    /// and the lowest that did not differ by at most the factor `precision`.
    pub fn new(start: f64, least: f64, most: f64, precision: f64) -> Bisection {
        Bisection {
            holds: None,
            fails: None,
            start: start.clamp(least, most),
            least,
            most,
            precision,
            is_whole: false,
        }
    }

    /// Restricts the search to whole numbers.
    pub fn whole(self) -> Bisection {
        Bisection { is_whole: true, ..self }
    }

    /// Returns the next value to try, or `None` at the end of the search.
    pub fn next(&self) -> Option<f64> {
        match (self.holds, self.fails) {
            (None, None) => Some(self.start),
            (Some(holds), None) => (holds < self.most).then(|| (holds * 2.0).min(self.most)),
            (None, Some(fails)) => (fails > self.least).then(|| (fails / 2.0).max(self.least)),
            (Some(holds), Some(fails)) => {
                let between = (holds * fails).sqrt();
                let next = if self.is_whole { between.round() } else { between };
                (fails / holds > self.precision && next > holds && next < fails).then_some(next)
            }
        }
    }

    /// Records whether the condition held for a value.
    pub fn record(&mut self, value: f64, held: bool) {
        match held {
            true => self.holds = Some(self.holds.map_or(value, |best| best.max(value))),
            false => self.fails = Some(self.fails.map_or(value, |worst| worst.min(value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(start: f64, limit: f64) -> (Option<f64>, usize) {
        find(Bisection::new(start, 1.0, 1e9, 1.05), limit)
    }

    fn find(mut search: Bisection, limit: f64) -> (Option<f64>, usize) {
        let mut tries = 0;
        while let Some(value) = search.next() {
            search.record(value, value <= limit);
            tries += 1;
            assert!(tries < 100);
        }
        (search.holds, tries)
    }

    #[test]
    fn the_ends_of_the_range_are_found() {
        assert_eq!(found(100.0, 0.0).0, None);
        assert_eq!(found(100.0, f64::INFINITY).0, Some(1e9));
        assert_eq!(found(100.0, 1.0).0, Some(1.0));
    }

    #[test]
    fn whole_numbers_are_found_exactly() {
        for limit in 1..100 {
            let search = Bisection::new(7.0, 1.0, 1000.0, 1.0).whole();
            assert_eq!(find(search, f64::from(limit)).0, Some(f64::from(limit)));
        }
    }

    proptest! {
        #[test]
        fn the_result_holds_and_a_slightly_higher_value_does_not(start in 1.0..1e6f64, limit in 1.0..1e8f64) {
            let (best, tries) = found(start, limit);
            let best = best.unwrap();
            prop_assert!(best <= limit && best * 1.06 > limit, "{best}");
            prop_assert!(tries < 50, "{tries}");
        }
    }
}
