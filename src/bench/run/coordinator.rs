//! Moves the threads of a run from phase to phase, and records a row for each second.

use super::super::cli::Action;
use super::super::pacer::Pacer;
use super::super::progress::Snapshot;
use super::super::recorder::Times;
use super::super::report::Row;
use super::super::throng_limits;
use super::super::time::{Nanos, Time};
use super::super::usage::Usage;
use super::super::workload::{Board, Ending, Rooms, Span};
use super::shared::{Beginning, Shared, Stage, Totals};
use super::worker::Results;
use super::{Outcome, Plan, TICK, Watch};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// After this much silence the server is assumed to have greeted all clients.
const SILENCE: Nanos = Nanos::millis(300);
/// Longest time to wait for the server to become silent.
const MAX_SETTLING: Nanos = Nanos::secs(5);
/// Time from the decision to start until the first message is due.
const LEAD_TIME: Nanos = Nanos::millis(20);
/// A phase ends this long before the first message of the next is due, so that rows end between the two.
const AHEAD: Nanos = Nanos::micros(300);
/// Length of a row.
const ROW: Nanos = Nanos::secs(1);
const SHOW_INTERVAL: Nanos = Nanos::millis(200);

/// Reads the resource usage of processes. Figures that cannot be read are `None`.
pub(crate) trait Probe {
    fn client(&mut self) -> Option<Usage>;
    fn server(&mut self) -> Option<Usage>;
    /// Returns how long a CPU quota has throttled this process.
    fn throttled(&mut self) -> Option<Duration>;
}

/// The resource usage of load tester and server at four points of a run.
#[derive(Debug, Default)]
pub(crate) struct Usages {
    pub before: Reading,
    /// When all clients were connected.
    pub settled: Reading,
    /// When measuring started and ended.
    pub begin: Reading,
    pub end: Reading,
}

#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub at: Time,
    pub client: Option<Usage>,
    pub server: Option<Usage>,
    pub throttled: Option<Duration>,
}

/// The current phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Settling,
    Counting,
    Warmup,
    Measuring,
    /// The plan has ended. `received` is the number of deliveries so far.
    Draining {
        received: u64,
    },
    Finishing,
    Over,
}

pub(super) struct Coordinator<'a> {
    plan: &'a Plan<'a>,
    shared: &'a Shared,
    probe: &'a mut dyn Probe,
    watch: &'a mut dyn Watch,
    phase: Phase,
    phase_began: Time,
    outcome: Outcome,
    /// Deliveries received before measuring started.
    received_before: u64,
    snapshot: Snapshot,
    shown: Option<Time>,
    /// Start of the current row, and the totals at that time.
    row_began: Time,
    last: Totals,
}

impl<'a> Coordinator<'a> {
    pub fn new(
        plan: &'a Plan<'a>,
        shared: &'a Shared,
        probe: &'a mut dyn Probe,
        watch: &'a mut dyn Watch,
        now: Time,
    ) -> Coordinator<'a> {
        let before = read(probe, now);
        let snapshot = Snapshot { planned: plan.scenario.clients() as u64, ..Snapshot::default() };
        Coordinator {
            plan,
            shared,
            probe,
            watch,
            phase: Phase::Connecting,
            phase_began: now,
            outcome: Outcome { usages: Usages { before, ..Usages::default() }, ..Outcome::default() },
            received_before: 0,
            snapshot,
            shown: None,
            row_began: now,
            last: Totals::default(),
        }
    }

    /// Reads the state of the threads and moves to the next phase if it is time. Returns false when the run
    /// is over.
    pub fn step(&mut self, now: Time) -> bool {
        let signal = self.plan.interrupted.load(Relaxed);
        if signal != 0 && self.outcome.interrupted.is_none() {
            self.outcome.interrupted = Some(signal as i32);
            self.interrupt(now);
        }
        if now.since(self.row_began) >= ROW {
            self.end_row(now);
        }
        while let Some(next) = self.next(now) {
            if self.phase != next {
                self.end_row(now);
            }
            self.phase = next;
            self.phase_began = now;
        }
        self.show(now);
        self.phase != Phase::Over
    }

    /// Returns the latest time for the next step.
    pub fn next_step(&self, now: Time) -> Time {
        let tick = now + TICK;
        let boundary = self.shared.beginning.get().map(|beginning| match self.phase {
            Phase::Warmup => beginning.span.measured_from - AHEAD,
            Phase::Measuring => beginning.board.until() - AHEAD,
            _ => tick,
        });
        boundary.map_or(tick, |boundary| if boundary > now { tick.min(boundary) } else { tick })
    }

    /// Merges the measurements of the threads.
    pub fn finish(mut self, now: Time, results: Vec<Results>) -> Outcome {
        for result in results {
            self.outcome.connections.add(&result.connections);
            self.outcome.messages.add(&result.messages);
            self.outcome.other.merge(result.other);
            self.outcome.longest_pause = self.outcome.longest_pause.max(result.longest_pause);
            self.outcome.late_greetings += result.late_greetings;
        }
        self.phase = Phase::Finishing;
        self.end_row(now);
        self.outcome
    }

    /// Ends the plan now. Outstanding deliveries are still waited for.
    fn interrupt(&mut self, now: Time) {
        match self.shared.beginning.get() {
            Some(beginning) => {
                beginning.board.end_at(now);
                if self.phase == Phase::Warmup {
                    self.outcome.window = now..now;
                    self.enter_draining(now);
                }
            }
            None => {
                self.shared.enter(Stage::Finish);
                self.end_row(now);
                self.phase = Phase::Finishing;
            }
        }
    }

    /// Returns the next phase if the current one is over.
    fn next(&mut self, now: Time) -> Option<Phase> {
        let totals = self.shared.totals();
        match self.phase {
            Phase::Connecting => {
                let all = self.plan.scenario.clients() as u64;
                if totals.settled < all {
                    return None;
                }
                self.outcome.connecting = now.since(Time::ZERO);
                if totals.open > 0 {
                    return Some(Phase::Settling);
                }
                self.shared.enter(Stage::Finish);
                Some(Phase::Finishing)
            }
            Phase::Settling if self.is_settled(&totals, now) => {
                self.outcome.settled = totals.open;
                self.outcome.usages.settled = read(self.probe, now);
                self.shared.enter(Stage::Count);
                Some(Phase::Counting)
            }
            Phase::Counting if self.shared.is_acknowledged(Stage::Count) => {
                self.begin(now);
                Some(Phase::Warmup)
            }
            Phase::Warmup => {
                let beginning = self.shared.beginning.get()?;
                if now + AHEAD < beginning.span.measured_from {
                    return None;
                }
                self.received_before = totals.received;
                self.outcome.usages.begin = read(self.probe, now);
                Some(Phase::Measuring)
            }
            Phase::Measuring => {
                let Beginning { span, board, .. } = self.shared.beginning.get()?;
                let is_all_sent = span.until == Time::NEVER && self.shared.is_sent();
                if now + AHEAD < board.until() && !is_all_sent {
                    return None;
                }
                if is_all_sent {
                    board.end_at(now);
                }
                self.outcome.usages.end = read(self.probe, now);
                self.outcome.deliveries = totals.received.saturating_sub(self.received_before);
                self.outcome.window = span.measured_from..board.until();
                self.enter_draining(now);
                Some(self.phase)
            }
            Phase::Draining { received } => self.drain(&totals, received, now),
            Phase::Finishing if self.shared.is_acknowledged(Stage::Finish) => {
                let ending = Ending { at: now, sender_receives: self.outcome.sender_receives };
                let _is_set_once = self.shared.ending.set(ending);
                self.shared.enter(Stage::Account);
                Some(Phase::Over)
            }
            Phase::Settling | Phase::Counting | Phase::Finishing | Phase::Over => None,
        }
        .filter(|next| *next != self.phase)
    }

    fn is_settled(&self, totals: &Totals, now: Time) -> bool {
        let common = &self.plan.scenario.common;
        let settling = now.since(self.phase_began);
        if common.joined_when.is_some() && totals.joined < totals.open {
            return settling > common.connect_timeout.into();
        }
        match common.settle {
            Some(settle) => settling >= settle.into(),
            None if common.joined_when.is_some() => true,
            None => {
                let silence = now.since(totals.last_received.max(self.phase_began));
                silence > SILENCE || settling > MAX_SETTLING
            }
        }
    }

    fn begin(&mut self, now: Time) {
        let scenario = self.plan.scenario;
        let common = &scenario.common;
        let recipients: Vec<u64> = self.shared.recipients.iter().map(|room| room.load(Relaxed)).collect();
        self.outcome.recipients = recipients.iter().sum();
        let rooms =
            Rooms::new(common.connections, scenario.room().map_or(0, |room| room.senders), recipients);
        let start = now + LEAD_TIME;
        let measured_from = start + common.warmup.into();
        let messages = scenario.message.as_ref().and_then(|message| message.messages);
        let until = match (messages, scenario.rate()) {
            (None, _) => measured_from + common.duration.into(),
            (Some(_), None) => Time::NEVER,
            (Some(messages), Some(rate)) => {
                let pacer = Pacer::new(start, rate);
                pacer.due(pacer.count_before(measured_from) + messages)
            }
        };
        let span = Span { start, measured_from, until };
        let board = Board::new(rooms.senders().len(), until);
        if self.shared.beginning.set(Beginning { span, rooms, board }).is_err() {
            unreachable!("a run starts once");
        }
        if let Some(greeting) = self.shared.greeting.get() {
            let conflicts = throng_limits::conflicts(scenario, greeting);
            conflicts.into_iter().for_each(|conflict| self.watch.note(conflict));
        }
        self.shared.enter(Stage::Run);
    }

    fn enter_draining(&mut self, now: Time) {
        self.end_row(now);
        self.phase = Phase::Draining { received: self.shared.totals().received };
        self.phase_began = now;
    }

    /// Waits for outstanding deliveries, for `--drain-timeout` at most.
    fn drain(&mut self, totals: &Totals, received: u64, now: Time) -> Option<Phase> {
        if totals.received > received {
            self.phase = Phase::Draining { received: totals.received };
            self.outcome.drain = now.since(self.outcome.window.end);
        }
        let scenario = self.plan.scenario;
        let is_room = scenario.room().is_some();
        let excludes_sender =
            is_room && totals.own == 0 && totals.received > 0 && totals.expected > totals.planned;
        let expected = totals.expected - if excludes_sender { totals.planned } else { 0 };
        let is_all_sent = scenario.rate().is_none() || self.shared.is_sent();
        // In a storm the expected deliveries are not known yet.
        let is_known = !matches!(scenario.action, Action::Storm { .. });
        let is_over = is_known && is_all_sent && totals.received + totals.unknown >= expected;
        if !is_over && now.since(self.phase_began) <= scenario.common.drain_timeout.into() {
            return None;
        }
        self.outcome.sender_receives = !excludes_sender;
        self.shared.enter(Stage::Finish);
        Some(Phase::Finishing)
    }

    fn end_row(&mut self, now: Time) {
        let totals = self.shared.totals();
        let latencies = self.shared.take_latencies();
        let row = row(self.phase, (self.row_began, now), &totals, &self.last, &latencies);
        let seconds = now.since(self.row_began).as_secs_f64();
        let is_empty = row.sent == 0 && row.received == 0 && row.failed == 0 && row.max.is_none();
        if is_empty && seconds < 0.05 {
            return;
        }
        if seconds > 0.2 {
            self.snapshot.sent_per_second = row.sent as f64 / seconds;
            self.snapshot.received_per_second = row.received as f64 / seconds;
            self.snapshot.p50 = row.p50.unwrap_or_default();
            self.snapshot.p99 = row.p99.unwrap_or_default();
            self.snapshot.max = row.max.unwrap_or_default();
        }
        self.outcome.rows.push(row);
        self.row_began = now;
        self.last = totals;
    }

    fn show(&mut self, now: Time) {
        if self.shown.is_some_and(|shown| now.since(shown) < SHOW_INTERVAL) {
            return;
        }
        self.shown = Some(now);
        let totals = self.shared.totals();
        let common = &self.plan.scenario.common;
        let of = match self.phase {
            Phase::Connecting => common.connect_rate.map(|rate| self.plan.scenario.clients() as f64 / rate),
            Phase::Warmup => Some(common.warmup.as_secs_f64()),
            Phase::Measuring => Some(common.duration.as_secs_f64()),
            _ => None,
        };
        self.snapshot = Snapshot {
            phase: name(self.phase),
            elapsed: now.since(self.phase_began).as_secs_f64(),
            of,
            open: totals.open,
            failed: totals.failed,
            lost: totals.missing,
            ..self.snapshot.clone()
        };
        self.watch.show(&self.snapshot);
    }
}

fn read(probe: &mut dyn Probe, at: Time) -> Reading {
    Reading { at, client: probe.client(), server: probe.server(), throttled: probe.throttled() }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::Settling | Phase::Counting => "settling",
        Phase::Warmup => "warmup",
        Phase::Measuring => "measuring",
        Phase::Draining { .. } | Phase::Finishing | Phase::Over => "draining",
    }
}

fn row(phase: Phase, (from, at): (Time, Time), totals: &Totals, last: &Totals, latencies: &Times) -> Row {
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let histogram = Some(latencies.histogram()).filter(|histogram| !histogram.is_empty());
    Row {
        from: from.as_secs_f64(),
        at: at.as_secs_f64(),
        phase: name(phase).to_owned(),
        open: totals.open,
        failed: totals.failed - last.failed,
        sent: totals.sent - last.sent,
        received: totals.received - last.received,
        p50: histogram.map(|it| micros(it.value_at_quantile(0.5))),
        p99: histogram.map(|it| micros(it.value_at_quantile(0.99))),
        max: histogram.map(|it| micros(it.max())),
    }
}
