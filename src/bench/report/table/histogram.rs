//! The buckets of a histogram.

use super::super::Latency;
use super::super::units::micros;

/// Returns the buckets of a histogram: an upper edge, and the share of values between it and the previous
/// edge. Edges grow by a constant factor, since the tail may be a thousand times the median. All values that
/// are lower bounds are in the last bucket.
pub(super) fn buckets(latency: &Latency, count: usize) -> Vec<(String, f64)> {
    let (low, high) = (latency.min.max(1e-3), latency.max);
    if high <= low * 1.01 {
        return Vec::new();
    }
    let edge = |at: usize| low * (high / low).powf(at as f64 / count as f64);
    let (mut from, mut below) = (low, 0.0);
    let mut buckets = Vec::new();
    for at in 1..=count {
        let to = if at == count { high } else { edge(at) };
        if latency.is_lower_bound(to) {
            buckets.push((format!("> {}", micros(from)), 1.0 - below));
            break;
        }
        let up_to = latency.share_up_to(to);
        buckets.push((format!("≤ {}", micros(to)), up_to - below));
        (from, below) = (to, up_to);
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::super::BUCKETS;
    use super::*;

    #[test]
    fn shares_of_the_histogram_add_up_and_take_few_lines() {
        let report = sample::broadcast();
        let buckets = buckets(report.latency.as_ref().expect("it has latency"), BUCKETS);
        let sum: f64 = buckets.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-9 && buckets.len() <= 6, "{buckets:?}");
        assert!(buckets.iter().all(|(_, share)| *share >= 0.0));
    }
}
