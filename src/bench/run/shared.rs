//! What the threads and the one that leads them tell each other.

use super::super::crowd::{Clock, Crowd};
use super::super::recorder::{Recorder, recent};
use super::super::work::{Rooms, Span};
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};

/// What all know.
pub struct Shared {
    pub clock: Clock,
    /// All that would come have come: who is there is to be counted.
    pub roll_call: AtomicBool,
    /// Threads that have counted.
    pub counted: AtomicUsize,
    /// Of each room, connections that are to hear something.
    pub hearers: Vec<AtomicU64>,
    /// Set when all were counted.
    pub beginning: OnceLock<Beginning>,
    /// Nothing more is to be done.
    pub is_over: AtomicBool,
    /// The server has greeted as a chat of throng does.
    pub speaks_throng: AtomicBool,
    /// One for each thread.
    pub gauges: Vec<Gauge>,
}

/// With what a run begins.
pub struct Beginning {
    pub span: Span,
    pub rooms: Rooms,
}

/// What one thread tells while it works.
#[derive(Default)]
pub struct Gauge {
    open: AtomicU64,
    /// Connections that were begun and have opened or failed.
    settled: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    expected: AtomicU64,
    received: AtomicU64,
    missing: AtomicU64,
    /// When something came last.
    last_heard: AtomicU64,
    latencies: Mutex<Option<Histogram<u64>>>,
}

/// What the threads tell, summed up.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    pub open: u64,
    pub settled: u64,
    pub failed: u64,
    pub sent: u64,
    pub expected: u64,
    pub received: u64,
    pub missing: u64,
    pub last_heard: u64,
}

impl Shared {
    pub fn new(clock: Clock, threads: usize, rooms: usize) -> Shared {
        Shared {
            clock,
            roll_call: AtomicBool::new(false),
            counted: AtomicUsize::new(0),
            hearers: std::iter::repeat_with(AtomicU64::default).take(rooms).collect(),
            beginning: OnceLock::new(),
            is_over: AtomicBool::new(false),
            speaks_throng: AtomicBool::new(false),
            gauges: std::iter::repeat_with(Gauge::default).take(threads).collect(),
        }
    }

    pub fn totals(&self) -> Totals {
        self.gauges.iter().fold(Totals::default(), |sum, gauge| Totals {
            open: sum.open + gauge.open.load(Relaxed),
            settled: sum.settled + gauge.settled.load(Relaxed),
            failed: sum.failed + gauge.failed.load(Relaxed),
            sent: sum.sent + gauge.sent.load(Relaxed),
            expected: sum.expected + gauge.expected.load(Relaxed),
            received: sum.received + gauge.received.load(Relaxed),
            missing: sum.missing + gauge.missing.load(Relaxed),
            last_heard: sum.last_heard.max(gauge.last_heard.load(Relaxed)),
        })
    }

    /// Latencies since they were last taken.
    pub fn take_latencies(&self) -> Histogram<u64> {
        let mut all = recent();
        for gauge in &self.gauges {
            if let Some(latencies) = gauge.latencies.lock().ok().and_then(|mut latencies| latencies.take()) {
                all.add(latencies).expect("all have the same bounds");
            }
        }
        all
    }
}

impl Gauge {
    /// Tells of the connections of a thread, of which so many were begun.
    pub fn tell_connections(&self, crowd: &Crowd<'_>, begun: usize) {
        let failed: u64 = crowd.recorder.failed.values().sum();
        let lost: u64 = crowd.recorder.lost.values().sum();
        self.open.store(crowd.open() as u64, Relaxed);
        self.settled.store((begun - crowd.unopened()) as u64, Relaxed);
        self.failed.store(failed + lost, Relaxed);
    }

    /// Tells when something came last.
    pub fn tell_last_heard(&self, last_heard: u64) {
        self.last_heard.store(last_heard, Relaxed);
    }

    /// Tells of messages.
    pub fn tell_messages(&self, recorder: &Recorder) {
        self.sent.store(recorder.sent, Relaxed);
        self.expected.store(recorder.expected, Relaxed);
        self.received.store(recorder.received, Relaxed);
        self.missing.store(recorder.missing, Relaxed);
    }

    /// Hands over the latencies since the last time.
    pub fn tell_latencies(&self, recorder: &mut Recorder) {
        if let Ok(mut latencies) = self.latencies.lock() {
            latencies.get_or_insert_with(recent).add(&recorder.recent).expect("all have the same bounds");
            recorder.recent.reset();
        }
    }
}
