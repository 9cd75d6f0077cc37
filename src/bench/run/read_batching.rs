//! When a thread that receives lets messages gather.
//!
//! Waking up costs more than reading a message, and a broadcast arrives one member at a time: a thread that reads each
//! message at once wakes up for each. A thread that pauses while they arrive finds several. The pause is a small part
//! of the latency that is being measured, so that no latency is wrong by more than that part.

use super::super::time::{Nanos, Time};

/// Events of one poll from which on a pause saves nothing.
const MANY_EVENTS: usize = 64;
/// What comes after so long a silence begins a new burst.
const LULL: Nanos = Nanos::millis(1);
/// A shorter burst is over before a pause would be.
const SHORT: Nanos = Nanos::micros(100);
/// The longest pause.
const LONGEST: Nanos = Nanos::micros(400);
/// The part of a latency that a pause may take: 10 %. On average a message waits for half of a pause.
const PART: u64 = 10;

/// Decides for one thread.
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

    /// How long to pause after a poll that ended now and found `events` events, the last of them a delivery that took
    /// `latency`.
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
    fn a_pause_is_a_small_part_of_the_latency_of_what_comes() {
        let mut pause = pauses(true);
        assert_eq!(pause(9_000, 1, 2_000), 0, "the first after a silence");
        assert_eq!(pause(9_050, 3, 2_000), 0, "it may be over");
        assert_eq!(pause(9_150, 2, 1_000), 100);
        assert_eq!(pause(9_250, 2, 20), 2);
        assert_eq!(pause(9_300, 2, 90_000), 300, "no longer than the burst has lasted");
        assert_eq!(pause(9_900, 2, 90_000), 400, "the longest");
        assert_eq!(pause(9_950, 64, 2_000), 0, "there are many without it");
        assert_eq!(pause(10_100, 0, 2_000), 0, "nothing comes");
        assert_eq!(pause(11_900, 1, 2_000), 0, "the next burst");
    }

    #[test]
    fn it_can_be_off() {
        let mut pause = pauses(false);
        assert_eq!([1_000, 1_400, 1_800].map(|micros| pause(micros, 5, 90_000)), [0; 3]);
    }
}
