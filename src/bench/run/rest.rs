//! When a thread that reads rests.
//!
//! To be woken costs more than to read a message, and what goes to a room comes one by one: who reads each at once is
//! woken for each. A thread that rests while they come finds several. It rests no longer than they have been coming, so
//! that few messages are read as they come, and of many none waits longer than the first was ahead of it.

use std::time::Duration;

/// After a poll that brought so many events there is no need to rest.
const MANY_EVENTS: usize = 32;
/// What comes after a silence of so many nanoseconds is a new burst.
const LULL: u64 = 500_000;
/// A burst shorter than that is over before a rest would be, in nanoseconds.
const SHORT: u64 = 100_000;

/// Of one thread.
#[derive(Debug)]
pub struct Rest {
    /// In nanoseconds.
    most: u64,
    /// When the burst began.
    burst: u64,
}

impl Rest {
    /// At most so long.
    pub fn new(most: Duration) -> Rest {
        Rest { most: most.as_nanos() as u64, burst: 0 }
    }

    /// How long to rest after a poll that lasted from one time to the other and brought so many events.
    pub fn after(&mut self, from: u64, to: u64, events: usize) -> Duration {
        if to.saturating_sub(from) > LULL {
            self.burst = to;
        }
        let age = to.saturating_sub(self.burst);
        let is_due = (1..MANY_EVENTS).contains(&events) && age >= SHORT;
        Duration::from_nanos(if is_due { age.min(self.most) } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_rested_in_no_longer_than_it_has_lasted() {
        let mut rest = Rest::new(Duration::from_micros(200));
        let mut after = |from: u64, to: u64, events| rest.after(from * 1_000, to * 1_000, events).as_micros();
        assert_eq!(after(0, 9_000, 1), 0, "the first after a silence");
        assert_eq!(after(9_010, 9_050, 3), 0, "it may be over");
        assert_eq!(after(9_060, 9_150, 2), 150);
        assert_eq!(after(9_300, 9_400, 20), 200);
        assert_eq!(after(9_600, 9_800, 32), 0, "there are many without it");
        assert_eq!(after(9_800, 10_100, 0), 0, "there is nothing to come");
        assert_eq!(after(10_100, 20_000, 1), 0, "the next one");
    }

    #[test]
    fn who_is_not_to_rest_does_not() {
        let mut rest = Rest::new(Duration::ZERO);
        assert_eq!(rest.after(0, 1_000_000, 5), Duration::ZERO);
        assert_eq!(rest.after(1_000_000, 1_400_000, 5), Duration::ZERO);
    }
}
