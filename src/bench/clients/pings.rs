//! The times of pings, and the clients whose answer is missing.

use super::super::time::{Nanos, Time};

/// The pings of one thread's clients.
#[derive(Debug, Default)]
pub(super) struct Pings {
    schedule: Option<Schedule>,
    /// For each client, whether it waits for a pong. Empty unless [`Pings::expect`] was called.
    awaiting: Vec<bool>,
}

/// A schedule of pings, which are spread evenly over the interval, one client after the other.
#[derive(Debug)]
struct Schedule {
    interval: Nanos,
    next: Time,
    client: usize,
}

impl Pings {
    /// Makes each client send a ping every `interval` from `now` on.
    pub fn schedule(&mut self, interval: Nanos, now: Time) {
        self.schedule = Some(Schedule { interval, next: now, client: 0 });
    }

    /// Returns when the next ping of the schedule is due.
    pub fn next_at(&self) -> Option<Time> {
        self.schedule.as_ref().map(|schedule| schedule.next)
    }

    /// Returns the next of `clients` clients whose ping is due by `now`, and moves on to the one after it.
    pub fn next_due(&mut self, now: Time, clients: usize) -> Option<usize> {
        let schedule = self.schedule.as_mut().filter(|schedule| schedule.next <= now && clients > 0)?;
        let client = schedule.client;
        schedule.next = schedule.next + Nanos::new((schedule.interval.get() / clients as u64).max(1));
        schedule.client = (client + 1) % clients;
        Some(client)
    }

    /// Expects a pong from each client for which `clients` yields true.
    pub fn expect(&mut self, clients: impl Iterator<Item = bool>) {
        self.awaiting = clients.collect();
    }

    /// Records that the client has sent a pong or its connection has ended.
    pub fn settle(&mut self, client: usize) {
        if let Some(awaits) = self.awaiting.get_mut(client) {
            *awaits = false;
        }
    }

    /// Returns the number of clients whose pong is missing.
    pub fn unanswered(&self) -> usize {
        self.awaiting.iter().filter(|awaits| **awaits).count()
    }

    /// Returns the clients whose pong is missing, and no longer expects any.
    pub fn take_unanswered(&mut self) -> Vec<usize> {
        let awaiting = std::mem::take(&mut self.awaiting);
        awaiting.iter().enumerate().filter(|(_, awaits)| **awaits).map(|(client, _)| client).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Nanos::millis(millis)
    }

    #[test]
    fn pings_are_spread_over_the_interval() {
        let mut pings = Pings::default();
        assert_eq!((pings.next_at(), pings.next_due(at(0), 2)), (None, None));
        pings.schedule(Nanos::millis(100), at(0));
        assert_eq!(pings.next_due(at(0), 2), Some(0));
        assert_eq!((pings.next_due(at(49), 2), pings.next_at()), (None, Some(at(50))));
        assert_eq!(pings.next_due(at(100), 2), Some(1));
        assert_eq!(pings.next_due(at(100), 2), Some(0));
        assert_eq!(pings.next_due(at(100), 2), None);
    }

    #[test]
    fn unanswered_pings_are_counted() {
        let mut pings = Pings::default();
        pings.settle(5);
        pings.expect([true, false, true, true].into_iter());
        pings.settle(2);
        assert_eq!(pings.unanswered(), 2);
        assert_eq!(pings.take_unanswered(), [0, 3]);
        assert_eq!(pings.unanswered(), 0);
    }
}
