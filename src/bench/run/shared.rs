//! What the threads of a run and the coordinator tell one another.

use super::super::clients::ClientPool;
use super::super::network::Network;
use super::super::recorder::{MessageRecorder, Times, total};
use super::super::time::Time;
use super::super::workload::{Board, Ending, Rooms, Span};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

const RELAXED: Ordering = Ordering::Relaxed;

/// How far a run has come. The coordinator leads, and the threads acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// Clients connect, and the server greets them.
    Connect,
    /// All attempts to connect have succeeded or failed: the members of each room are counted.
    Count,
    /// Messages are sent and received.
    Run,
    /// Nothing is due any more, and what was on the way has come.
    Finish,
    /// What is missing is counted, and connections are closed.
    Account,
}

/// What all threads see.
pub(super) struct Shared {
    stage: AtomicU8,
    /// Per room, clients that are connected and are to receive its messages.
    pub hearers: Vec<AtomicU64>,
    /// Set before [`Stage::Run`].
    pub beginning: OnceLock<Beginning>,
    /// Set before [`Stage::Account`].
    pub ending: OnceLock<Ending>,
    /// A thread cannot go on.
    pub is_aborted: AtomicBool,
    /// What throng's chat says first in the format json.
    pub greeting: OnceLock<Vec<u8>>,
    /// One for each thread.
    pub gauges: Vec<Gauge>,
}

/// What a run begins with.
pub(super) struct Beginning {
    pub span: Span,
    pub rooms: Rooms,
    pub board: Board,
}

/// What one thread tells while it works.
#[derive(Default)]
pub(super) struct Gauge {
    stage: AtomicU8,
    open: AtomicU64,
    /// First attempts to connect that have succeeded or failed.
    settled: AtomicU64,
    /// Clients that have joined, by the user's definition.
    joined: AtomicU64,
    failed: AtomicU64,
    is_sent: AtomicBool,
    planned: AtomicU64,
    sent: AtomicU64,
    expected: AtomicU64,
    received: AtomicU64,
    unknown: AtomicU64,
    own: AtomicU64,
    missing: AtomicU64,
    /// When something was received last.
    last_heard: AtomicU64,
    latencies: Mutex<Times>,
}

/// What the threads tell, summed up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub open: u64,
    pub settled: u64,
    pub joined: u64,
    pub failed: u64,
    pub planned: u64,
    pub sent: u64,
    pub expected: u64,
    pub received: u64,
    /// Deliveries that may be duplicates.
    pub unknown: u64,
    pub own: u64,
    pub missing: u64,
    pub last_heard: Time,
}

impl Shared {
    pub fn new(threads: usize, rooms: usize) -> Shared {
        Shared {
            stage: AtomicU8::new(Stage::Connect as u8),
            hearers: std::iter::repeat_with(AtomicU64::default).take(rooms).collect(),
            beginning: OnceLock::new(),
            ending: OnceLock::new(),
            is_aborted: AtomicBool::new(false),
            greeting: OnceLock::new(),
            gauges: std::iter::repeat_with(Gauge::default).take(threads).collect(),
        }
    }

    pub fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    pub fn has_entered(&self, stage: Stage) -> bool {
        self.stage.load(Ordering::Acquire) >= stage as u8
    }

    /// Whether every thread has done what a stage asks for.
    pub fn is_acknowledged(&self, stage: Stage) -> bool {
        self.gauges.iter().all(|gauge| gauge.stage.load(Ordering::Acquire) >= stage as u8)
    }

    /// Whether every thread has handled all that was due.
    pub fn is_sent(&self) -> bool {
        self.gauges.iter().all(|gauge| gauge.is_sent.load(Ordering::Acquire))
    }

    pub fn totals(&self) -> Totals {
        self.gauges.iter().fold(Totals::default(), |sum, gauge| Totals {
            open: sum.open + gauge.open.load(RELAXED),
            settled: sum.settled + gauge.settled.load(RELAXED),
            joined: sum.joined + gauge.joined.load(RELAXED),
            failed: sum.failed + gauge.failed.load(RELAXED),
            planned: sum.planned + gauge.planned.load(RELAXED),
            sent: sum.sent + gauge.sent.load(RELAXED),
            expected: sum.expected + gauge.expected.load(RELAXED),
            received: sum.received + gauge.received.load(RELAXED),
            unknown: sum.unknown + gauge.unknown.load(RELAXED),
            own: sum.own + gauge.own.load(RELAXED),
            missing: sum.missing + gauge.missing.load(RELAXED),
            last_heard: sum.last_heard.max(Time::from_nanos(gauge.last_heard.load(RELAXED))),
        })
    }

    /// Latencies since they were last taken.
    pub fn take_latencies(&self) -> Times {
        let mut all = Times::default();
        for gauge in &self.gauges {
            if let Ok(mut latencies) = gauge.latencies.lock() {
                latencies.hand_over(&mut all);
            }
        }
        all
    }
}

impl Gauge {
    pub fn acknowledge(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// Tells of the connections of a thread, of which `begun` were begun for the first time.
    pub fn tell_connections<N: Network>(&self, pool: &ClientPool<'_, N>, begun: usize, joined: usize) {
        let recorder = &pool.recorder;
        let settled = recorder.first.opened + total(&recorder.first.failed);
        self.open.store(pool.open() as u64, RELAXED);
        self.settled.store(settled.min(begun as u64), RELAXED);
        self.joined.store(joined as u64, RELAXED);
        let failed = total(&recorder.first.failed) + total(&recorder.later.failed) + total(&recorder.lost);
        self.failed.store(failed, RELAXED);
    }

    pub fn tell_last_heard(&self, last_heard: Time) {
        self.last_heard.store(last_heard.as_nanos(), RELAXED);
    }

    pub fn tell_messages(&self, recorder: &MessageRecorder, is_sent: bool) {
        self.planned.store(recorder.planned, RELAXED);
        self.sent.store(recorder.sent, RELAXED);
        self.expected.store(recorder.expected, RELAXED);
        self.received.store(recorder.received, RELAXED);
        self.unknown.store(recorder.unknown, RELAXED);
        self.own.store(recorder.own, RELAXED);
        self.missing.store(recorder.missing, RELAXED);
        // After the counts, so that who sees that all is sent sees how much that is.
        self.is_sent.store(is_sent, Ordering::Release);
    }

    /// Hands over the latencies since the last time.
    pub fn tell_latencies(&self, recorder: &mut MessageRecorder) {
        if let Ok(mut latencies) = self.latencies.lock() {
            recorder.recent.hand_over(&mut latencies);
        }
    }
}
