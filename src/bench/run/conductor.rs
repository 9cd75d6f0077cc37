//! Leads the threads of a run from phase to phase, and keeps a row for each second.

use super::super::options::Scenario;
use super::super::progress::Snapshot;
use super::super::recorder::Recorder;
use super::super::report::Row;
use super::super::usage::Usage;
use super::super::work::{Rooms, Span};
use super::shared::{Beginning, Shared, Totals};
use super::{GLANCE, Outcome, Plan};
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

/// A server that was silent for so long has greeted all.
const SETTLED: u64 = 300_000_000;
/// Whatever it says, after this it is begun.
const SETTLED_AT_LAST: u64 = 5_000_000_000;
/// The first message is due so long after the decision to begin.
const RUN_UP: u64 = 20_000_000;
/// How long a row is, in nanoseconds.
const ROW: u64 = 1_000_000_000;
const SHOWN_EVERY: u64 = 200_000_000;

/// Leads the threads. What it returns lacks what they recorded.
pub fn conduct(plan: &Plan<'_>, shared: &Shared, watch: &mut dyn FnMut(&Snapshot)) -> io::Result<Outcome> {
    let common = plan.scenario.common();
    let clock = shared.clock;
    let client = || Usage::of(std::process::id());
    let server = || common.server_pid.map(Usage::of).transpose();
    let mut conductor = Conductor {
        shared,
        interrupted: plan.interrupted,
        watch,
        snapshot: Snapshot { wanted: plan.scenario.clients() as u64, ..Snapshot::default() },
        rows: Vec::new(),
        last: Totals::default(),
        row_begins: clock.now(),
    };

    let (client_before, server_before) = (client()?, server()?);
    let of = common.ramp.map(|ramp| Duration::from_secs_f64(plan.scenario.clients() as f64 / ramp));
    let mut goes_on =
        conductor.wait("connecting", of, |totals, _| totals.settled == plan.scenario.clients() as u64);
    let connecting = clock.now();
    let nobody_came = shared.totals().open == 0;
    goes_on &= !nobody_came;
    goes_on = goes_on
        && conductor.wait("settling", None, |totals, now| {
            now > totals.last_heard.max(connecting) + SETTLED || now > connecting + SETTLED_AT_LAST
        });
    let (client_settled, server_settled) = (client()?, server()?);
    let settled_open = shared.totals().open;

    shared.roll_call.store(true, Relaxed);
    goes_on = goes_on
        && conductor.wait("settling", None, |_, _| shared.counted.load(Acquire) == shared.gauges.len());
    let hearers = shared.hearers.iter().map(|room| room.load(Relaxed)).collect();
    let senders = plan.scenario.talk().map_or(0, |talk| talk.senders);
    let rooms = Rooms::new(common.connections, senders, hearers);
    let hearers = rooms.all_hearers();

    let start = clock.now() + RUN_UP;
    let measured_from = start + common.warm_up.as_nanos() as u64;
    let measured = measured_from..measured_from + common.duration.as_nanos() as u64;
    let span = Span { start, measured: measured.clone() };
    if goes_on && shared.beginning.set(Beginning { span, rooms }).is_err() {
        unreachable!("a run begins once");
    }
    goes_on = goes_on && conductor.wait("warming up", Some(common.warm_up), |_, now| now >= measured.start);
    let (client_start, server_start) = (client()?, server()?);
    let received_before = shared.totals().received;
    goes_on = goes_on && conductor.wait("measuring", Some(common.duration), |_, now| now >= measured.end);
    let is_all_heard = |totals: &Totals| match plan.scenario {
        // Nobody knows who was away.
        Scenario::Storm(_) => false,
        _ => totals.received >= totals.expected,
    };
    let patience = common.patience.as_nanos() as u64;
    let (mut received, mut delivered_at) = (0, measured.end);
    if goes_on {
        conductor.wait("draining", None, |totals, now| {
            // What else a server says, as some do all the time, is not waited for.
            if totals.received > received {
                (received, delivered_at) = (totals.received, now);
            }
            is_all_heard(totals) || now > delivered_at + patience
        });
    }
    let totals = shared.totals();
    let last = totals.last_heard.min(delivered_at).max(measured.end).min(clock.now());
    let (client_end, server_end) = (client()?, server()?);
    conductor.end_row("draining", clock.now());
    let server = match (server_before, server_settled, server_start, server_end) {
        (Some(before), Some(settled), Some(start), Some(end)) => Some([before, settled, start, end]),
        _ => None,
    };
    Ok(Outcome {
        recorder: Recorder::default(),
        hearers,
        settled: settled_open,
        rows: conductor.rows,
        connecting,
        measured_from: measured.start,
        measured: last.saturating_sub(measured.start),
        interrupted: !goes_on && !nobody_came,
        deliveries: totals.received - received_before,
        client_memory: client_before.memory..client_settled.memory,
        client: client_start..client_end,
        server,
    })
}

struct Conductor<'a> {
    shared: &'a Shared,
    interrupted: &'a AtomicBool,
    watch: &'a mut dyn FnMut(&Snapshot),
    snapshot: Snapshot,
    rows: Vec<Row>,
    /// When the last row ended.
    last: Totals,
    row_begins: u64,
}

impl Conductor<'_> {
    /// Waits until something is so; `false` if the run is to end instead.
    fn wait(
        &mut self,
        phase: &'static str,
        of: Option<Duration>,
        mut is_so: impl FnMut(&Totals, u64) -> bool,
    ) -> bool {
        let begins = self.shared.clock.now();
        let mut shown = 0;
        loop {
            let now = self.shared.clock.now();
            if now >= self.row_begins + ROW {
                self.end_row(phase, now);
            }
            let totals = self.shared.totals();
            if is_so(&totals, now) {
                return true;
            }
            if now >= shown + SHOWN_EVERY {
                shown = now;
                self.snapshot = Snapshot {
                    phase,
                    elapsed: (now - begins) as f64 / 1e9,
                    of: of.map(|of| of.as_secs_f64()),
                    open: totals.open,
                    failed: totals.failed,
                    lost: totals.missing,
                    ..self.snapshot.clone()
                };
                (self.watch)(&self.snapshot);
            }
            if self.interrupted.load(Relaxed) || self.shared.is_over.load(Relaxed) {
                return false;
            }
            std::thread::sleep(GLANCE);
        }
    }

    fn end_row(&mut self, phase: &str, now: u64) {
        let (totals, latencies) = (self.shared.totals(), self.shared.take_latencies());
        let micros = |nanos: u64| nanos as f64 / 1e3;
        let at =
            |quantile| if latencies.is_empty() { 0.0 } else { micros(latencies.value_at_quantile(quantile)) };
        let row = Row {
            at: now as f64 / 1e9,
            phase: phase.to_owned(),
            open: totals.open,
            failed: totals.failed - self.last.failed,
            sent: totals.sent - self.last.sent,
            received: totals.received - self.last.received,
            p50: at(0.5),
            p99: at(0.99),
            max: if latencies.is_empty() { 0.0 } else { micros(latencies.max()) },
        };
        let seconds = (now - self.row_begins).max(1) as f64 / 1e9;
        self.snapshot.sent_per_second = row.sent as f64 / seconds;
        self.snapshot.received_per_second = row.received as f64 / seconds;
        (self.snapshot.p50, self.snapshot.p99, self.snapshot.max) = (row.p50, row.p99, row.max);
        self.rows.push(row);
        self.last = totals;
        self.row_begins = now;
    }
}
