//! A distribution of times.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Number of points of the curve for each halving of the remaining share.
const STEPS: u32 = 10;
/// Shares that differ by less are equal: a decimal fraction is not exact in binary.
const ROUNDING: f64 = 1e-10;

/// A distribution of times, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub count: u64,
    /// Number of values without an answer at the end of the run. They count with the time that they had been
    /// waiting.
    pub unanswered: u64,
    /// Values at or above this are lower bounds, since unanswered values are among them.
    pub exact_below: Option<f64>,
    pub min: f64,
    pub mean: f64,
    pub p50: f64,
    pub p75: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    /// Pairs of a share from 0 to 1 and the value that this share of values does not exceed.
    pub curve: Vec<(f64, f64)>,
}

impl Latency {
    /// Creates the distribution from a histogram of nanoseconds; `None` if it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        if histogram.is_empty() {
            return None;
        }
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        let curve =
            histogram.iter_quantiles(STEPS).map(|step| (step.quantile(), micros(step.value_iterated_to())));
        Some(Latency {
            count: histogram.len(),
            unanswered: 0,
            exact_below: None,
            min: micros(histogram.min()),
            mean: histogram.mean() / 1e3,
            p50: at(0.5),
            p75: at(0.75),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: micros(histogram.max()),
            curve: curve.collect(),
        })
    }

    /// Sets the number of unanswered values, and the shortest time that one of them had been waiting.
    pub fn with_unanswered(self, count: u64, least_nanos: u64) -> Latency {
        let exact_below = (count > 0).then_some(least_nanos as f64 / 1e3);
        Latency { unanswered: count, exact_below, ..self }
    }

    /// Returns the value that a share of values, from 0 to 1, does not exceed. Between two known points it is
    /// the upper one, so the result is never too low.
    pub fn at(&self, share: f64) -> f64 {
        let Latency { p50, p75, p90, p95, p99, p999, max, .. } = *self;
        let named = [(0.5, p50), (0.75, p75), (0.9, p90), (0.95, p95), (0.99, p99), (0.999, p999)];
        let known = self.curve.iter().copied().chain(named);
        known.filter(|&(at, _)| at >= share - ROUNDING).map(|(_, value)| value).fold(max, f64::min)
    }

    /// Returns true if a value is a lower bound, because unanswered messages are among the values up to it.
    pub fn is_lower_bound(&self, micros: f64) -> bool {
        self.exact_below.is_some_and(|exact| micros >= exact)
    }

    /// Returns the share of values up to this one, interpolated between known points.
    pub fn share_up_to(&self, micros: f64) -> f64 {
        if micros >= self.max {
            return 1.0;
        }
        let (mut share, mut value) = (0.0, self.min);
        for &(next_share, next) in &self.curve {
            if next > micros {
                let part = if next > value { ((micros - value) / (next - value)).max(0.0) } else { 0.0 };
                return share + (next_share - share) * part;
            }
            (share, value) = (next_share, next);
        }
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Latency {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are sound");
        for value in values {
            histogram.record(value).expect("the value is within the bounds");
        }
        Latency::of(&histogram).expect("something was recorded")
    }

    #[test]
    fn an_empty_histogram_has_no_latency() {
        assert_eq!(Latency::of(&Histogram::new(3).expect("three digits are allowed")), None);
    }

    #[test]
    fn percentiles_are_exact_to_the_next_point_of_the_curve_and_never_too_low() {
        let latency = of((1..=100_000).map(|micros| micros * 1_000));
        for share in [0.0001, 0.1, 0.333, 0.5, 0.75, 0.9, 0.97, 0.99, 0.999, 0.9999, 1.0] {
            let (right, found) = (share * 100_000.0, latency.at(share));
            assert!(found >= right && found <= right + 6_000.0, "{share}: {found}");
        }
        assert_eq!(latency.at(99.9 / 100.0), latency.p999);
        assert_eq!(latency.at(0.5), latency.p50);
        assert_eq!(latency.at(1.0), latency.max);
    }

    #[test]
    fn values_from_the_least_unanswered_one_upwards_are_lower_bounds() {
        let latency = of([1_000, 2_000_000, 900_000_000]).with_unanswered(1, 900_000_000);
        assert!(latency.is_lower_bound(latency.max));
        assert!(!latency.is_lower_bound(latency.p50));
        assert!(!latency.clone().with_unanswered(0, 0).is_lower_bound(latency.max));
    }

    #[test]
    fn shares_of_a_uniform_distribution_are_in_proportion() {
        let latency = of((1..=10_000).map(|micros| micros * 1_000));
        for share in [0.1, 0.25, 0.5, 0.9] {
            assert!((latency.share_up_to(share * 10_000.0) - share).abs() < 0.02, "{share}");
        }
        assert_eq!((latency.share_up_to(0.0), latency.share_up_to(1e9)), (0.0, 1.0));
    }
}
