//! What one thread has measured; threads are merged when the run is over.

use super::audit::Audit;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Counts by cause, as people read it.
pub type Causes = BTreeMap<String, u64>;

/// The longest latency told apart, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// A histogram of nanoseconds, to a thousandth.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are sound")
}

/// One that is coarse and small.
pub fn recent() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 1).expect("the bounds are sound")
}

/// What happened to connections and messages.
#[derive(Debug)]
pub struct Recorder {
    /// Connections that were begun.
    pub begun: u64,
    /// Handshakes answered well.
    pub opened: u64,
    /// Connections that never opened.
    pub failed: Causes,
    /// Connections that opened and ended during the run.
    pub lost: Causes,
    /// Open when the run was over.
    pub open_at_end: u64,
    /// From the beginning of a connection until its handshake was answered.
    pub handshake: Histogram<u64>,
    /// Messages sent in all.
    pub sent: u64,
    /// Deliveries that are to come of these.
    pub expected: u64,
    /// Deliveries in all, each counted once.
    pub received: u64,
    /// Deliveries that a later one has overtaken, so far.
    pub missing: u64,
    /// See [`Audit`].
    pub duplicated: u64,
    /// Likewise.
    pub reordered: u64,
    /// Deliveries to the client that had sent the message itself.
    pub own: u64,
    /// Deliveries to members of another room.
    pub strayed: u64,
    /// Not what was sent.
    pub damaged: u64,
    /// Of messages that were due while it was measured: how many there were.
    pub measured_sent: u64,
    /// Deliveries of these.
    pub measured_received: u64,
    /// Bytes of payload of these deliveries.
    pub measured_bytes: u64,
    /// From when they were due until they came.
    pub latency: Histogram<u64>,
    /// From when they were sent until they came.
    pub latency_raw: Histogram<u64>,
    /// From when they were due until they were sent.
    pub lag: Histogram<u64>,
    /// From a storm until a client's connection was open again.
    pub back: Histogram<u64>,
    /// From a storm until a client heard what was said after it.
    pub served: Histogram<u64>,
    /// Latencies since they were last taken, to be shown.
    pub recent: Histogram<u64>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder {
            begun: 0,
            opened: 0,
            failed: Causes::new(),
            lost: Causes::new(),
            open_at_end: 0,
            handshake: histogram(),
            sent: 0,
            expected: 0,
            received: 0,
            missing: 0,
            duplicated: 0,
            reordered: 0,
            own: 0,
            strayed: 0,
            damaged: 0,
            measured_sent: 0,
            measured_received: 0,
            measured_bytes: 0,
            latency: histogram(),
            latency_raw: histogram(),
            lag: histogram(),
            back: histogram(),
            served: histogram(),
            recent: recent(),
        }
    }
}

impl Recorder {
    /// What the members of this thread have heard so far.
    pub fn take_over(&mut self, audit: &Audit) {
        self.received = audit.heard();
        self.missing = audit.missing();
        self.duplicated = audit.duplicated;
        self.reordered = audit.reordered;
    }

    /// A message that was due while it is measured left so much later.
    pub fn send(&mut self, lag: u64) {
        self.measured_sent += 1;
        self.lag.saturating_record(lag.max(1));
    }

    /// A message that was due while it is measured came.
    pub fn receive(&mut self, due: u64, lag: u64, now: u64, bytes: usize) {
        self.measured_received += 1;
        self.measured_bytes += bytes as u64;
        let latency = now.saturating_sub(due);
        self.latency.saturating_record(latency.max(1));
        self.recent.saturating_record(latency.max(1));
        self.latency_raw.saturating_record(latency.saturating_sub(lag).max(1));
    }

    /// Adds what another thread has measured.
    pub fn add(&mut self, other: &Recorder) {
        self.begun += other.begun;
        self.opened += other.opened;
        self.open_at_end += other.open_at_end;
        self.sent += other.sent;
        self.expected += other.expected;
        self.received += other.received;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.own += other.own;
        self.strayed += other.strayed;
        self.damaged += other.damaged;
        self.measured_sent += other.measured_sent;
        self.measured_received += other.measured_received;
        self.measured_bytes += other.measured_bytes;
        for (own, others) in [(&mut self.failed, &other.failed), (&mut self.lost, &other.lost)] {
            for (cause, count) in others {
                *own.entry(cause.clone()).or_default() += count;
            }
        }
        for (own, others) in [
            (&mut self.handshake, &other.handshake),
            (&mut self.latency, &other.latency),
            (&mut self.latency_raw, &other.latency_raw),
            (&mut self.lag, &other.lag),
            (&mut self.back, &other.back),
            (&mut self.served, &other.served),
        ] {
            own.add(others).expect("all have the same bounds");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_late_is_late_by_the_plan_and_not_by_the_sending() {
        let mut recorder = Recorder::default();
        recorder.receive(1_000, 0, 2_000, 64);
        recorder.receive(1_000, 900_000, 1_001_000, 64);
        assert_eq!(recorder.latency.max() / 1_000, 1_000);
        assert_eq!(recorder.latency_raw.max() / 1_000, 100);
        assert_eq!((recorder.measured_received, recorder.measured_bytes), (2, 128));
    }

    #[test]
    fn threads_together_are_as_one() {
        let (mut one, mut other) = (Recorder::default(), Recorder::default());
        for (recorder, latency) in [(&mut one, 5_000), (&mut other, 7_000)] {
            recorder.receive(0, 0, latency, 1);
            recorder.send(3);
            *recorder.failed.entry("refused".into()).or_default() += 1;
        }
        one.add(&other);
        assert_eq!((one.measured_received, one.measured_sent, one.failed["refused"]), (2, 2, 2));
        assert_eq!((one.latency.len(), one.latency.max() / 1_000), (2, 7));
    }

    #[test]
    fn a_clock_that_seems_to_go_back_is_no_latency() {
        let mut recorder = Recorder::default();
        recorder.receive(10, 0, 5, 0);
        assert_eq!(recorder.latency.max(), 1);
    }
}
