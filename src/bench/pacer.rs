//! Due times of planned events: a pure calculation, independent of clock and load.

use super::time::{Nanos, Time};

/// A steady rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pacer {
    start: Time,
    per_second: f64,
}

impl Pacer {
    /// Creates a pacer for `per_second` events per second, the first of them due at `start`.
    pub fn new(start: Time, per_second: f64) -> Pacer {
        Pacer { start, per_second }
    }

    /// Returns the due time of event `number`, counted from 0.
    pub fn due(&self, number: u64) -> Time {
        self.start + Nanos::new((number as f64 / self.per_second * 1e9).round() as u64)
    }

    /// Returns the number of events due before `time`.
    pub fn count_before(&self, time: Time) -> u64 {
        if time < self.start {
            return 0;
        }
        let mut count = (time.since(self.start).as_secs_f64() * self.per_second).ceil() as u64;
        while count > 0 && self.due(count - 1) >= time {
            count -= 1;
        }
        while self.due(count) < time {
            count += 1;
        }
        count
    }
}

/// The part of a plan that one thread carries out. Events go to all participants in turn, some of which
/// belong to the thread.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    /// Numbers of the thread's participants, in ascending order.
    own: Vec<u32>,
    all: u32,
}

impl Share {
    /// Creates the share of a thread whose participants are `own`, out of `all`.
    pub fn new(own: Vec<u32>, all: u32) -> Share {
        debug_assert!(own.is_sorted() && own.last().is_none_or(|last| *last < all));
        Share { own, all }
    }

    /// Returns, for the thread's event `number`, the index of its participant in `own` and the number of the
    /// event in the whole plan. Returns `None` if the thread has no participants.
    pub fn event(&self, number: u64) -> Option<(usize, u64)> {
        let len = self.own.len() as u64;
        let place = number.checked_rem(len)? as usize;
        Some((place, number / len * u64::from(self.all) + u64::from(self.own[place])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn due_times_do_not_drift() {
        let pacer = Pacer::new(Time::from_nanos(1_000), 4.0);
        let due: Vec<u64> = (0..4).map(|number| pacer.due(number).as_nanos()).collect();
        assert_eq!(due, [1_000, 250_001_000, 500_001_000, 750_001_000]);
        assert_eq!(pacer.due(4_000_000).as_nanos(), 1_000_000_000_001_000, "exact after days");
    }

    #[test]
    fn an_event_is_counted_after_its_due_time() {
        let pacer = Pacer::new(Time::from_nanos(1_000), 4.0);
        for (time, count) in [(0, 0), (1_000, 0), (1_001, 1), (250_001_000, 1), (250_001_001, 2)] {
            assert_eq!(pacer.count_before(Time::from_nanos(time)), count, "{time}");
        }
    }

    #[test]
    fn the_shares_of_all_threads_together_are_the_plan() {
        let shares = [Share::new(vec![0, 3], 5), Share::new(vec![1, 2, 4], 5), Share::new(vec![], 5)];
        let mut events: Vec<u64> = Vec::new();
        for share in &shares {
            let own: Vec<u64> = (0..6).filter_map(|number| Some(share.event(number)?.1)).collect();
            assert!(own.is_sorted());
            events.extend(own.iter().filter(|event| **event < 10));
        }
        events.sort_unstable();
        assert_eq!(events, Vec::from_iter(0..10));
        assert_eq!(shares[1].event(4), Some((1, 7)));
    }

    proptest! {
        #[test]
        fn counting_and_timing_agree(start in 0..1u64 << 40, rate in 0.01..1e6f64, number in 0..1u64 << 32) {
            let pacer = Pacer::new(Time::from_nanos(start), rate);
            let due = pacer.due(number);
            prop_assert!(pacer.count_before(due) <= number);
            prop_assert!(pacer.count_before(due + Nanos::new(1)) > number);
        }
    }
}
