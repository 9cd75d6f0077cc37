//! The time by which peers are judged late.
//!
//! After the process was stopped, or while it is busy, data that peers sent in time still waits in their sockets. So
//! timeouts are not compared with the current time, but with a time from before a poll, and only after everything
//! that was ready at that time has been reported and read.

use std::time::{Duration, Instant};

/// A time in which the loop did not run counts for a timeout up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The time by which peers are judged late.
#[derive(Debug)]
pub(super) struct Lateness {
    time: Instant,
    /// The time before the first of the polls since `time` that left some events unreported.
    begun: Option<Instant>,
    /// Events reported since then.
    reported: usize,
}

/// What a poll reported.
pub(super) struct Polled {
    /// A time before it.
    pub(super) before: Instant,
    pub(super) events: usize,
    /// It reported as many events as it could, so there may be more.
    pub(super) is_full: bool,
}

impl Lateness {
    pub(super) fn new(now: Instant) -> Lateness {
        Lateness { time: now, begun: None, reported: 0 }
    }

    /// Everything that was ready at this time has been read.
    pub(super) fn time(&self) -> Instant {
        self.time
    }

    /// Takes note of a poll whose events have been handled. The system reports in the order in which sockets became
    /// ready, so that after as many events as there are `sockets` each has been reported, even if every poll is full.
    pub(super) fn polled(&mut self, poll: &Polled, sockets: usize) {
        let begun = *self.begun.get_or_insert(poll.before);
        self.reported += poll.events;
        if !poll.is_full || self.reported >= sockets {
            self.time = begun;
            self.begun = None;
            self.reported = 0;
        }
    }
}

/// Returns by how much to extend all timeouts, given the time between two readings of the clock. If more than
/// `expected` has passed, this process was stopped or got no CPU, and could not read what peers had sent.
pub(super) fn lost_time(elapsed: Duration, expected: Duration) -> Option<Duration> {
    (elapsed > expected.saturating_add(LONGEST_PAUSE)).then(|| elapsed - LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_poll_that_is_not_full_has_reported_all_that_was_ready_before_it() {
        let start = Instant::now();
        let mut lateness = Lateness::new(start);
        let poll = |second: u32, events, is_full| Polled { before: start + second * SECOND, events, is_full };
        lateness.polled(&poll(1, 3, false), 100);
        assert_eq!(lateness.time(), start + SECOND);
        for second in 2..5 {
            lateness.polled(&poll(second, 8, true), 100);
            assert_eq!(lateness.time(), start + SECOND, "events may be left");
        }
        lateness.polled(&poll(5, 0, false), 100);
        assert_eq!(
            lateness.time(),
            start + 2 * SECOND,
            "what became ready meanwhile may not be reported yet"
        );
        lateness.polled(&poll(6, 0, false), 100);
        assert_eq!(lateness.time(), start + 6 * SECOND);
    }

    #[test]
    fn polls_that_are_always_full_do_not_stop_the_time() {
        let start = Instant::now();
        let mut lateness = Lateness::new(start);
        for second in 1..=26 {
            let before = start + second * SECOND;
            lateness.polled(&Polled { before, events: 8, is_full: true }, 100);
        }
        assert_eq!(lateness.time(), start + 14 * SECOND, "13 polls report more than 100 events");
    }

    #[test]
    fn time_in_which_the_process_did_not_run_is_lost_but_for_a_second() {
        assert_eq!(lost_time(SECOND, Duration::ZERO), None);
        assert_eq!(lost_time(20 * SECOND, 20 * SECOND), None);
        assert_eq!(lost_time(60 * SECOND, 20 * SECOND), Some(59 * SECOND));
        assert_eq!(lost_time(60 * SECOND, Duration::MAX), None);
    }
}
