//! Measurements of one thread. Those of all threads are merged at the end of the run.

use super::audit::Audit;
use super::time::Nanos;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Counts by cause, in words.
pub(crate) type Causes = BTreeMap<String, u64>;

/// The longest time recorded exactly: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// A distribution of times with three significant digits.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

/// What happened to connections.
#[derive(Debug, Default)]
pub(crate) struct ConnectionRecorder {
    /// The first connection of each client.
    pub first: Attempts,
    /// Later connections of clients that reconnect.
    pub later: Attempts,
    /// Open connections that ended, by cause.
    pub lost: Causes,
    /// Failures caused by limits of the client machine.
    pub client_limits: Causes,
    /// Connections open at the end of the run.
    pub open_at_end: u64,
}

/// Attempts to open a connection.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    pub begun: u64,
    pub opened: u64,
    pub failed: Causes,
    /// Time from when a connection was due until its handshake was answered.
    pub handshake: Times,
}

/// What happened to messages.
#[derive(Debug, Default)]
pub(crate) struct MessageRecorder {
    /// Messages due by the plan. In a closed loop, messages sent.
    pub planned: u64,
    /// Messages accepted by the socket.
    pub sent: u64,
    /// Messages sent at most [`IN_TIME`] after they were due.
    pub sent_in_time: u64,
    pub unsent: Causes,
    /// Deliveries expected for the planned messages.
    pub expected: u64,
    /// Deliveries, each counted once.
    pub received: u64,
    /// Messages not received so far although a later one was.
    pub missing: u64,
    pub duplicated: u64,
    pub reordered: u64,
    pub unknown: u64,
    /// Deliveries to the client that sent the message, duplicates excluded.
    pub own: u64,
    pub acknowledged: u64,
    /// Deliveries to members of another room.
    pub strayed: u64,
    pub damaged: u64,
    pub rewritten: u64,
    /// Deliveries before the first one that a member received.
    pub missed_at_first: u64,
    /// Replies that did not arrive within the response timeout.
    pub timed_out: u64,
    /// In a storm, members whose connection was dropped.
    pub dropped: u64,
    /// Planned disconnects of churners, and those skipped because the previous one was still in progress.
    pub departures: u64,
    pub skipped_departures: u64,
    /// In the measured window: messages sent, deliveries, and bytes of payload delivered.
    pub window_sent: u64,
    pub window_received: u64,
    pub window_bytes: u64,
    /// Time from when measured messages were due until they arrived.
    pub latency: Times,
    /// Time from when measured messages were sent until they arrived.
    pub service_time: Times,
    /// Waiting times of messages that never arrived, since they were due and since they were sent. The
    /// distributions include them.
    pub unanswered: Unanswered,
    pub unanswered_service: Unanswered,
    /// Time from when messages were due until they were sent.
    pub lag: Times,
    /// Time from a storm until a member was connected again.
    pub back: Times,
    /// Time from a storm until a member received a message sent after it.
    pub served: Times,
    /// Latencies since the last row of the report.
    pub recent: Times,
    /// The latency of the last delivery.
    pub latest: Nanos,
}

/// Times that are lower bounds, since the awaited event never happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unanswered {
    pub count: u64,
    /// The shortest time.
    pub least: Option<Nanos>,
}

/// A message sent at most this long after it was due counts as in time.
pub(crate) const IN_TIME: Nanos = Nanos::millis(10);

impl Default for Times {
    fn default() -> Times {
        Times(Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are sound"))
    }
}

impl Times {
    pub fn record(&mut self, time: Nanos) {
        self.0.saturating_record(time.get().max(1));
    }

    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    pub fn add(&mut self, other: &Times) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// Moves all recorded times to `other`.
    pub fn move_to(&mut self, other: &mut Times) {
        if !self.0.is_empty() {
            other.add(self);
            self.0.reset();
        }
    }
}

impl Unanswered {
    fn add(&mut self, waited: Nanos) {
        self.merge(Unanswered { count: 1, least: Some(waited) });
    }

    fn merge(&mut self, other: Unanswered) {
        self.count += other.count;
        self.least = self.least.into_iter().chain(other.least).min();
    }
}

impl MessageRecorder {
    pub fn take_over(&mut self, audit: &Audit) {
        self.received = audit.received();
        self.missing = audit.missing();
        self.duplicated = audit.duplicated;
        self.reordered = audit.reordered;
        self.unknown = audit.unknown;
    }

    /// Records that a measured message arrived `latency` after it was due, of which `lag` passed before it
    /// was sent.
    pub fn answer(&mut self, latency: Nanos, lag: Nanos) {
        self.latency.record(latency);
        self.recent.record(latency);
        self.service_time.record(latency.saturating_sub(lag));
    }

    /// Records that a measured message has not arrived `waited` after it was due.
    pub fn miss(&mut self, waited: Nanos) {
        self.latency.record(waited);
        self.unanswered.add(waited);
    }

    /// Records that a measured message has not arrived at least `waited` after it was sent.
    pub fn miss_service(&mut self, waited: Nanos) {
        self.service_time.record(waited);
        self.unanswered_service.add(waited);
    }

    /// Adds the measurements of another thread.
    pub fn add(&mut self, other: &MessageRecorder) {
        for (own, others) in [
            (&mut self.planned, other.planned),
            (&mut self.sent, other.sent),
            (&mut self.sent_in_time, other.sent_in_time),
            (&mut self.expected, other.expected),
            (&mut self.received, other.received),
            (&mut self.duplicated, other.duplicated),
            (&mut self.reordered, other.reordered),
            (&mut self.unknown, other.unknown),
            (&mut self.own, other.own),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.strayed, other.strayed),
            (&mut self.damaged, other.damaged),
            (&mut self.rewritten, other.rewritten),
            (&mut self.missed_at_first, other.missed_at_first),
            (&mut self.timed_out, other.timed_out),
            (&mut self.dropped, other.dropped),
            (&mut self.departures, other.departures),
            (&mut self.skipped_departures, other.skipped_departures),
            (&mut self.window_sent, other.window_sent),
            (&mut self.window_received, other.window_received),
            (&mut self.window_bytes, other.window_bytes),
        ] {
            *own += others;
        }
        add_causes(&mut self.unsent, &other.unsent);
        self.unanswered.merge(other.unanswered);
        self.unanswered_service.merge(other.unanswered_service);
        for (own, others) in [
            (&mut self.latency, &other.latency),
            (&mut self.service_time, &other.service_time),
            (&mut self.lag, &other.lag),
            (&mut self.back, &other.back),
            (&mut self.served, &other.served),
        ] {
            own.add(others);
        }
    }
}

impl ConnectionRecorder {
    pub fn add(&mut self, other: &ConnectionRecorder) {
        self.first.add(&other.first);
        self.later.add(&other.later);
        self.open_at_end += other.open_at_end;
        add_causes(&mut self.lost, &other.lost);
        add_causes(&mut self.client_limits, &other.client_limits);
    }
}

impl Attempts {
    fn add(&mut self, other: &Attempts) {
        self.begun += other.begun;
        self.opened += other.opened;
        add_causes(&mut self.failed, &other.failed);
        self.handshake.add(&other.handshake);
    }
}

/// Largest number of distinct causes: a server may word each one differently.
const MAX_CAUSES: usize = 64;

pub(crate) fn count(causes: &mut Causes, cause: &str, times: u64) {
    if times == 0 {
        return;
    }
    if let Some(count) = causes.get_mut(cause) {
        *count += times;
    } else {
        let cause = if causes.len() < MAX_CAUSES { cause } else { "other causes" };
        *causes.entry(cause.to_owned()).or_default() += times;
    }
}

pub(crate) fn total(causes: &Causes) -> u64 {
    causes.values().sum()
}

fn add_causes(own: &mut Causes, others: &Causes) {
    for (cause, times) in others {
        count(own, cause, *times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_counts_as_latency_but_not_as_service_time() {
        let mut recorder = MessageRecorder::default();
        recorder.answer(Nanos::micros(1_000), Nanos::micros(900));
        assert_eq!(recorder.latency.histogram().max() / 1_000, 1_000);
        assert_eq!(recorder.service_time.histogram().max() / 1_000, 100);
    }

    #[test]
    fn measurements_of_threads_are_added() {
        let (mut one, mut other) = (MessageRecorder::default(), MessageRecorder::default());
        for (recorder, latency) in [(&mut one, 5), (&mut other, 7)] {
            recorder.answer(Nanos::micros(latency), Nanos::ZERO);
            recorder.miss(Nanos::micros(latency * 100));
            recorder.sent += 1;
            count(&mut recorder.unsent, "late", 1);
        }
        one.add(&other);
        assert_eq!((one.sent, one.unsent["late"]), (2, 2));
        assert_eq!((one.latency.histogram().len(), one.latency.histogram().max() / 1_000), (4, 700));
        assert_eq!((one.unanswered.count, one.unanswered.least), (2, Some(Nanos::micros(500))));
    }

    #[test]
    fn a_time_of_zero_is_recorded() {
        let mut recorder = MessageRecorder::default();
        recorder.answer(Nanos::ZERO, Nanos::micros(1));
        assert_eq!((recorder.latency.histogram().len(), recorder.service_time.histogram().max()), (1, 1));
    }
}
