//! When a thread that reads rests.
//!
//! To be woken costs more than to read a message, and what goes to a room comes one by one: who reads each at once is
//! woken for each. A thread that rests while they come finds several. It rests no longer than they have been coming, so
//! that few messages are read as they come, and of many none waits longer than the first was ahead of it.

use std::time::Duration;

/// After a poll that brought so many events there is no need to rest.
const MANY_EVENTS: usize = 32;
/// What comes after a silence of so many nanoseconds is a new burst.
const LULL: u64 = 1_000_000;
/// A burst shorter than that is over before a rest would be, in nanoseconds.
const SHORT: u64 = 100_000;

/// Of one thread.
#[derive(Debug)]
pub struct Rest {
    /// In nanoseconds.
    most: u64,
    /// When the burst began.
    burst: u64,
    /// When something came last.
    last: u64,
}

impl Rest {
    /// At most so long.
    pub fn new(most: Duration) -> Rest {
        Rest { most: most.as_nanos() as u64, burst: 0, last: 0 }
    }

    /// How long to rest after a poll that ended now and brought so many events.
    pub fn after(&mut self, now: u64, events: usize) -> Duration {
        if events == 0 {
            return Duration::ZERO;
        }
        if now.saturating_sub(self.last) > LULL {
            self.burst = now;
        }
        self.last = now;
        let age = now.saturating_sub(self.burst);
        let is_due = events < MANY_EVENTS && age >= SHORT;
        Duration::from_nanos(if is_due { age.min(self.most) } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_rested_in_no_longer_than_it_has_lasted() {
        let mut rest = Rest::new(Duration::from_micros(200));
        let mut after = |now: u64, events| rest.after(now * 1_000, events).as_micros();
        assert_eq!(after(9_000, 1), 0, "the first after a silence");
        assert_eq!(after(9_050, 3), 0, "it may be over");
        assert_eq!(after(9_150, 2), 150);
        assert_eq!(after(9_400, 20), 200);
        assert_eq!(after(9_800, 32), 0, "there are many without it");
        assert_eq!(after(10_100, 0), 0, "there is nothing to come");
        assert_eq!(after(10_900, 1), 0, "the next one");
    }

    #[test]
    fn who_is_not_to_rest_does_not() {
        let mut rest = Rest::new(Duration::ZERO);
        assert_eq!(rest.after(1_000_000, 5), Duration::ZERO);
        assert_eq!(rest.after(1_400_000, 5), Duration::ZERO);
    }
}
