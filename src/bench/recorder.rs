//! What one thread has measured. Threads are merged when the run is over.

use super::audit::Audit;
use super::time::Nanos;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Counts by cause, as people read it.
pub(crate) type Causes = BTreeMap<String, u64>;

/// The longest time that is told apart: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// A distribution of times, to a thousandth.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

/// What happened to connections.
#[derive(Debug, Default)]
pub(crate) struct ConnectionRecorder {
    /// The first connection of each client.
    pub first: Attempts,
    /// Connections of clients that had one before.
    pub later: Attempts,
    /// Connections that were open and ended.
    pub lost: Causes,
    /// What failed because of a limit of the machine that the clients run on.
    pub client_limits: Causes,
    /// Open when the run was over.
    pub open_at_end: u64,
}

/// Attempts to open a connection.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    pub begun: u64,
    pub opened: u64,
    pub failed: Causes,
    /// From when a connection was due until its handshake was answered.
    pub handshake: Times,
}

/// What happened to messages.
#[derive(Debug, Default)]
pub(crate) struct MessageRecorder {
    /// Due by the plan. In a closed loop, sent.
    pub planned: u64,
    /// Taken by the socket.
    pub sent: u64,
    /// Of these, no later than [`IN_TIME`] after they were due.
    pub sent_in_time: u64,
    pub unsent: Causes,
    /// Deliveries that were to come of what was planned.
    pub expected: u64,
    /// Deliveries, each counted once.
    pub received: u64,
    /// Not received, though a later one was, so far.
    pub missing: u64,
    pub duplicated: u64,
    pub reordered: u64,
    pub unknown: u64,
    /// First deliveries to the client that sent the message.
    pub own: u64,
    pub acknowledged: u64,
    /// Deliveries to members of another room.
    pub strayed: u64,
    pub damaged: u64,
    pub rewritten: u64,
    /// Deliveries that members missed before the first one that they received.
    pub missed_at_first: u64,
    /// Answers that did not come within the response timeout.
    pub timed_out: u64,
    /// In a storm, members whose connection was cut off.
    pub cut_off: u64,
    /// Turns of members to leave and come back, and those that did not happen since the last one was still under way.
    pub departures: u64,
    pub skipped_departures: u64,
    /// In the measured window: messages sent, deliveries, and bytes of payload of these.
    pub window_sent: u64,
    pub window_received: u64,
    pub window_bytes: u64,
    /// From when measured messages were due until they came.
    pub latency: Times,
    /// From when they were sent until they came.
    pub service_time: Times,
    /// How long messages that never came have been due, or were on the way. These are in the distributions too.
    pub unanswered: Unanswered,
    pub unanswered_service: Unanswered,
    /// From when messages were due until they were sent.
    pub lag: Times,
    /// From a storm until a member's connection was open again.
    pub back: Times,
    /// From a storm until a member received what was sent after it.
    pub served: Times,
    /// Latencies since they were last taken, for the rows of the report.
    pub recent: Times,
    /// The latency of the delivery that came last.
    pub latest: Nanos,
}

/// Times that are lower bounds, since what they wait for never came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unanswered {
    pub count: u64,
    /// The shortest.
    pub least: Option<Nanos>,
}

/// A message is in time that is sent no later than this after it was due.
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

    /// Moves all that was recorded to `other`.
    pub fn hand_over(&mut self, other: &mut Times) {
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
        self.received = audit.heard();
        self.missing = audit.missing();
        self.duplicated = audit.duplicated;
        self.reordered = audit.reordered;
        self.unknown = audit.unknown;
    }

    /// A measured message came, `latency` after it was due, of which the client itself took `lag` until it was sent.
    pub fn answer(&mut self, latency: Nanos, lag: Nanos) {
        self.latency.record(latency);
        self.recent.record(latency);
        self.service_time.record(latency.saturating_sub(lag));
    }

    /// A measured message has not come, `waited` after it was due.
    pub fn miss(&mut self, waited: Nanos) {
        self.latency.record(waited);
        self.unanswered.add(waited);
    }

    /// A measured message has not come, at least `waited` after it was sent.
    pub fn miss_service(&mut self, waited: Nanos) {
        self.service_time.record(waited);
        self.unanswered_service.add(waited);
    }

    /// Adds what another thread has measured.
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
            (&mut self.cut_off, other.cut_off),
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

/// Causes that are told apart, since a server may word each one differently.
const MAX_CAUSES: usize = 64;

pub(crate) fn count(causes: &mut Causes, cause: &str, times: u64) {
    if times == 0 {
        return;
    }
    if let Some(count) = causes.get_mut(cause) {
        *count += times;
    } else {
        let cause = if causes.len() < MAX_CAUSES { cause } else { "further causes" };
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
    fn lag_is_part_of_the_latency_and_not_of_the_service_time() {
        let mut recorder = MessageRecorder::default();
        recorder.answer(Nanos::micros(1_000), Nanos::micros(900));
        assert_eq!(recorder.latency.histogram().max() / 1_000, 1_000);
        assert_eq!(recorder.service_time.histogram().max() / 1_000, 100);
    }

    #[test]
    fn threads_together_are_as_one() {
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
    fn no_time_is_recorded_as_none() {
        let mut recorder = MessageRecorder::default();
        recorder.answer(Nanos::ZERO, Nanos::micros(1));
        assert_eq!((recorder.latency.histogram().len(), recorder.service_time.histogram().max()), (1, 1));
    }
}
