//! State shared by the threads of a run and the coordinator.

use super::super::clients::ClientPool;
use super::super::network::Network;
use super::super::recorder::{MessageRecorder, Times, total};
use super::super::time::Time;
use super::super::workload::{Board, Ending, Rooms, Span};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

const RELAXED: Ordering = Ordering::Relaxed;

/// The stages of a run. The coordinator enters them, and the threads acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// Clients connect, and the server greets them.
    Connect,
    /// All attempts to connect have succeeded or failed. The members of each room are counted.
    Count,
    /// Messages are sent and received.
    Run,
    /// No more messages are due, and outstanding deliveries have arrived.
    Finish,
    /// Missing deliveries are counted, and connections are closed.
    Account,
}

/// The state that all threads see.
pub(super) struct Shared {
    stage: AtomicU8,
    /// Per room, the connected clients that are to receive its messages.
    pub recipients: Vec<AtomicU64>,
    /// Set before [`Stage::Run`].
    pub beginning: OnceLock<Beginning>,
    /// Set before [`Stage::Account`].
    pub ending: OnceLock<Ending>,
    /// Whether a thread has failed.
    pub is_aborted: AtomicBool,
    /// The first message of a throng chat in the json format.
    pub greeting: OnceLock<Vec<u8>>,
    /// One gauge per thread.
    pub gauges: Vec<Gauge>,
}

/// The parameters of a run that are known when sending starts.
pub(super) struct Beginning {
    pub span: Span,
    pub rooms: Rooms,
    pub board: Board,
}

/// The progress of one thread.
#[derive(Default)]
pub(super) struct Gauge {
    stage: AtomicU8,
    open: AtomicU64,
    /// First attempts to connect that have succeeded or failed.
    settled: AtomicU64,
    /// Clients that have joined, as defined by the user.
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
    /// When something was last received.
    last_received: AtomicU64,
    latencies: Mutex<Times>,
}

/// The sums over all threads.
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
    pub last_received: Time,
}

impl Shared {
    pub fn new(threads: usize, rooms: usize) -> Shared {
        Shared {
            stage: AtomicU8::new(Stage::Connect as u8),
            recipients: std::iter::repeat_with(AtomicU64::default).take(rooms).collect(),
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

    /// Returns true if every thread has acknowledged a stage.
    pub fn is_acknowledged(&self, stage: Stage) -> bool {
        self.gauges.iter().all(|gauge| gauge.stage.load(Ordering::Acquire) >= stage as u8)
    }

    /// Returns true if every thread has handled all messages that were due.
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
            last_received: sum.last_received.max(Time::from_nanos(gauge.last_received.load(RELAXED))),
        })
    }

    /// Returns the latencies since the last call.
    pub fn take_latencies(&self) -> Times {
        let mut all = Times::default();
        for gauge in &self.gauges {
            if let Ok(mut latencies) = gauge.latencies.lock() {
                latencies.move_to(&mut all);
            }
        }
        all
    }
}

impl Gauge {
    pub fn acknowledge(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// Publishes the state of a thread's connections, of which `begun` clients have tried to connect.
    pub fn publish_connections<N: Network>(&self, pool: &ClientPool<'_, N>, begun: usize, joined: usize) {
        let recorder = &pool.recorder;
        let settled = recorder.first.opened + total(&recorder.first.failed);
        self.open.store(pool.open() as u64, RELAXED);
        self.settled.store(settled.min(begun as u64), RELAXED);
        self.joined.store(joined as u64, RELAXED);
        let failed = total(&recorder.first.failed) + total(&recorder.later.failed) + total(&recorder.lost);
        self.failed.store(failed, RELAXED);
    }

    pub fn publish_last_received(&self, last_received: Time) {
        self.last_received.store(last_received.as_nanos(), RELAXED);
    }

    pub fn publish_messages(&self, recorder: &MessageRecorder, is_sent: bool) {
        self.planned.store(recorder.planned, RELAXED);
        self.sent.store(recorder.sent, RELAXED);
        self.expected.store(recorder.expected, RELAXED);
        self.received.store(recorder.received, RELAXED);
        self.unknown.store(recorder.unknown, RELAXED);
        self.own.store(recorder.own, RELAXED);
        self.missing.store(recorder.missing, RELAXED);
        // Stored after the counts: a reader that sees the flag also sees the final counts.
        self.is_sent.store(is_sent, Ordering::Release);
    }

    /// Publishes the latencies since the last call.
    pub fn publish_latencies(&self, recorder: &mut MessageRecorder) {
        if let Ok(mut latencies) = self.latencies.lock() {
            recorder.recent.move_to(&mut latencies);
        }
    }
}
