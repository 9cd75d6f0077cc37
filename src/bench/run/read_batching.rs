//! Decides when a receiving thread pauses to let messages accumulate.
//!
//! Waking up costs more than reading a message, and a broadcast arrives one member at a time: a thread that
//! reads each message at once wakes up for each. A thread that pauses while messages arrive finds several at
//! a time. A pause is limited to a small part of the latency being measured, so no latency is wrong by more
//! than that part.

use super::super::time::{Nanos, Time};

/// Number of events in one poll from which a pause saves nothing.
const MANY_EVENTS: usize = 64;
/// Silence after which a new burst starts.
const LULL: Nanos = Nanos::millis(1);
/// A burst shorter than this would be over before a pause.
const SHORT: Nanos = Nanos::micros(100);
/// Longest pause.
const LONGEST: Nanos = Nanos::micros(400);
/// The divisor of the latency that limits a pause to 10 % of it. A message waits for half a pause on average.
const PART: u64 = 10;

/// The decision for one thread.
#[derive(Debug)]
pub(super) struct ReadBatching {
    is_on: bool,
    burst_began: Time,
    last: Time,
}

impl ReadBatching {
    pub fn new(is_on: bool) -> ReadBatching {
        ReadBatching { is_on, burst_began: Time::ZERO, last: Time::ZERO }
    }

    /// Returns how long to pause after a poll that ended at `now` with `events` events. `latency` is that of
    /// the last delivery among them.
    pub fn pause(&mut self, now: Time, events: usize, latency: Nanos) -> Nanos {
        if !self.is_on || events == 0 {
            return Nanos::ZERO;
        }
        if now.since(self.last) > LULL {
            self.burst_began = now;
        }
        self.last = now;
        let age = now.since(self.burst_began);
        if events >= MANY_EVENTS || age < SHORT {
            return Nanos::ZERO;
        }
        Nanos::new(latency.get() / PART).min(age).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(is_on: bool) -> impl FnMut(u64, usize, u64) -> u64 {
        let mut batching = ReadBatching::new(is_on);
        move |micros, events, latency| {
            let now = Time::ZERO + Nanos::micros(micros);
            batching.pause(now, events, Nanos::micros(latency)).get() / 1_000
        }
    }

    #[test]
    fn a_pause_is_a_small_part_of_the_measured_latency() {
        let mut pause = pauses(true);
        assert_eq!(pause(9_000, 1, 2_000), 0, "the first after a silence");
        assert_eq!(pause(9_050, 3, 2_000), 0, "the burst may be over");
        assert_eq!(pause(9_150, 2, 1_000), 100);
        assert_eq!(pause(9_250, 2, 20), 2);
        assert_eq!(pause(9_300, 2, 90_000), 300, "no longer than the burst has lasted");
        assert_eq!(pause(9_900, 2, 90_000), 400, "limited to the longest");
        assert_eq!(pause(9_950, 64, 2_000), 0, "many events without a pause");
        assert_eq!(pause(10_100, 0, 2_000), 0, "no events");
        assert_eq!(pause(11_900, 1, 2_000), 0, "the next burst");
    }

    #[test]
    fn batching_can_be_disabled() {
        let mut pause = pauses(false);
        assert_eq!([1_000, 1_400, 1_800].map(|micros| pause(micros, 5, 90_000)), [0; 3]);
    }
}
