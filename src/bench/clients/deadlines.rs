//! Deadlines of connections.

use super::super::time::Time;
use std::collections::VecDeque;

/// Deadlines with the same delay, so that the first one set is the first one to pass.
#[derive(Debug, Default)]
pub(super) struct Deadlines(VecDeque<Deadline>);

#[derive(Clone, Copy, Debug)]
struct Deadline {
    at: Time,
    client: usize,
    /// The connection to which it belongs, among those of the client.
    generation: u32,
}

impl Deadlines {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn set(&mut self, at: Time, client: usize, generation: u32) {
        self.0.push_back(Deadline { at, client, generation });
    }

    /// Removes the next deadline that has passed by `now`, and returns its client. Deadlines that no longer
    /// matter, by client and generation, are dropped.
    pub fn next_passed(&mut self, now: Time, matters: impl Fn(usize, u32) -> bool) -> Option<usize> {
        while let Some(Deadline { at, client, generation }) = self.0.front().copied() {
            let matters = matters(client, generation);
            if matters && at > now {
                return None;
            }
            self.0.pop_front();
            if matters {
                return Some(client);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::time::Nanos;
    use super::*;

    #[test]
    fn deadlines_pass_in_order_and_outdated_ones_are_dropped() {
        let at = |millis| Time::ZERO + Nanos::millis(millis);
        let mut deadlines = Deadlines::default();
        for (client, millis) in [(0, 10), (1, 11), (2, 12), (3, 20)] {
            deadlines.set(at(millis), client, 7);
        }
        let is_not_1 = |client, generation| client != 1 && generation == 7;
        assert_eq!(deadlines.next_passed(at(9), is_not_1), None);
        assert_eq!(deadlines.next_passed(at(12), is_not_1), Some(0));
        assert_eq!(deadlines.next_passed(at(12), is_not_1), Some(2));
        assert_eq!(deadlines.next_passed(at(12), is_not_1), None);
        assert!(!deadlines.is_empty());
        assert_eq!(deadlines.next_passed(at(12), |_, _| false), None);
        assert!(deadlines.is_empty());
    }
}
