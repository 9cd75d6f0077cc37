//! A run: threads of clients, and the phases through which they go together.
//!
//! Connecting → settling, until the server has greeted all → running, warm-up first → draining, until what is on the
//! way has come. The threads tell what they do in gauges that are read a few times a second; what they measured is
//! merged when they have ended.

use super::crowd::{Access, Behaviour, Clock, Crowd, Pen};
use super::descriptors::take_own_table;
use super::marker::Tag;
use super::options::{self, Scenario};
use super::pacer::Pacer;
use super::progress::Snapshot;
use super::recorder::{Recorder, recent};
use super::report::Row;
use super::template::Template;
use super::usage::Usage;
use super::work::{Broadcast, Churn, Echo, Idle, Slow, Span, Storm, Wording, Work};
use crate::ws::{Message, Opcode};
use hdrhistogram::Histogram;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// The longest that a thread sleeps, so that it sees a new phase.
const GLANCE: Duration = Duration::from_millis(10);
/// A server that was silent for so long has greeted all.
const SETTLED: u64 = 300_000_000;
/// Whatever it says, after this it is begun.
const SETTLED_AT_LAST: u64 = 5_000_000_000;
/// The first message is due so long after the decision to begin.
const RUN_UP: u64 = 20_000_000;
/// After a poll that brought few events a thread rests, so that the next brings more: to be woken costs more than to
/// read a message.
const FEW_EVENTS: usize = 32;
/// How often a thread tells latencies, and how long a row is, in nanoseconds.
const TOLD_EVERY: u64 = 200_000_000;
const ROW: u64 = 1_000_000_000;
const SHOWN_EVERY: u64 = 200_000_000;
/// For the closing handshakes of all, in nanoseconds.
const FAREWELL: u64 = 2_000_000_000;
/// After so many in which nothing came, nothing more will.
const SILENT_GLANCES: u32 = 30;
/// How the format `json` of throng's chat begins.
const THRONG_GREETS: &[u8] = br#"{"type":"welcome","uid":"#;

/// What is to be done.
pub struct Plan<'a> {
    /// Of whom.
    pub scenario: &'a Scenario,
    /// How the server is reached.
    pub access: &'a Access,
    /// Of this run.
    pub tag: Tag,
    /// Of the clients.
    pub threads: usize,
    /// Chance.
    pub seed: u64,
    /// How long a thread that has little to do rests; latencies are that much too long at most.
    pub rest: Duration,
    /// Set when the user wants no more.
    pub interrupted: &'a AtomicBool,
}

/// What came of it.
pub struct Outcome {
    /// Of all threads together.
    pub recorder: Recorder,
    /// Connections that were open when the run began, of those that hear everything.
    pub hearers: u64,
    /// All that were open then.
    pub settled: u64,
    /// A row a second.
    pub rows: Vec<Row>,
    /// From the first connection until all had opened or failed, in nanoseconds.
    pub connecting: u64,
    /// When measuring began, and how long it was until the last delivery, in nanoseconds.
    pub measured_from: u64,
    /// Likewise.
    pub measured: u64,
    /// Whether what the user asked for ended before its time.
    pub interrupted: bool,
    /// Of this process, when measuring began and ended.
    pub client: Range<Usage>,
    /// Memory of this process before the first connection and when all had settled.
    pub client_memory: Range<u64>,
    /// Of the server: before the first connection, when all had settled, when measuring began and when it ended.
    pub server: Option<[Usage; 4]>,
}

/// What the threads and the main thread share.
struct Shared {
    clock: Clock,
    /// A phase, once all were told to enter it.
    run: OnceLock<Span>,
    /// Nothing more is to be done.
    is_over: AtomicBool,
    speaks_throng: AtomicBool,
    gauges: Vec<Gauge>,
}

/// What one thread tells while it works.
#[derive(Default)]
struct Gauge {
    open: AtomicU64,
    /// Connections that were open when the run began, of those that hear everything.
    hearers: AtomicU64,
    /// Connections that were begun and have opened or failed.
    settled: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    missing: AtomicU64,
    /// When something came last.
    last_heard: AtomicU64,
    latencies: Mutex<Option<Histogram<u64>>>,
}

/// Plays a scenario. `watch` is called a few times a second.
pub fn run(plan: &Plan<'_>, clock: Clock, mut watch: impl FnMut(&Snapshot)) -> io::Result<Outcome> {
    let threads = plan.threads.min(plan.scenario.clients());
    let shared = Shared {
        clock,
        run: OnceLock::new(),
        is_over: AtomicBool::new(false),
        speaks_throng: AtomicBool::new(false),
        gauges: std::iter::repeat_with(Gauge::default).take(threads).collect(),
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let shared = &shared;
                scope.spawn(move || {
                    let outcome = worker(plan, shared, thread, threads);
                    // One that cannot go on ends the run for all.
                    if outcome.is_err() {
                        shared.is_over.store(true, Relaxed);
                    }
                    outcome
                })
            })
            .collect();
        let watched = conduct(plan, &shared, &mut watch);
        shared.is_over.store(true, Relaxed);
        let mut recorder = Recorder::default();
        for worker in workers {
            recorder.add(&worker.join().expect("a thread of clients does not panic")?);
        }
        watched.map(|outcome| Outcome { recorder, ..outcome })
    })
}

/// What one thread does from the first connection to the last word.
fn worker(plan: &Plan<'_>, shared: &Shared, thread: usize, threads: usize) -> io::Result<Recorder> {
    let common = plan.scenario.common();
    let all = plan.scenario.clients();
    let own = thread * all / threads..(thread + 1) * all / threads;
    let hearers = common.connections.clamp(own.start, own.end) - own.start;
    let rng = StdRng::seed_from_u64(plan.seed.wrapping_add(thread as u64));
    take_own_table();
    let mut crowd = Crowd::new(plan.access, shared.clock, own.start, own.len(), rng)?;
    let mut player = Player { shared, last_heard: 0, work: None };
    let gauge = &shared.gauges[thread];
    let at_once = common.at_once.div_ceil(threads);
    let ramp = common.ramp.map(|rate| Pacer::new(0, rate / threads as f64));
    let (mut begun, mut told) = (0, 0);
    while !shared.is_over.load(Relaxed) {
        let mut now = shared.clock.now();
        let mut due = None;
        if begun < own.len() {
            let allowed = ramp.map_or(own.len(), |ramp| ramp.count_before(now + 1) as usize).min(own.len());
            while begun < allowed && crowd.unopened() < at_once {
                crowd.connect(begun);
                begun += 1;
            }
            due = ramp.map(|ramp| ramp.due(begun as u64)).filter(|due| *due > now);
        }
        if player.work.is_none()
            && let Some(span) = shared.run.get()
        {
            let open = (0..hearers).filter(|client| crowd.is_open(*client)).count();
            gauge.hearers.store(open as u64, Relaxed);
            crowd.acknowledge_late();
            player.work = Some(begin_work(plan, shared, span, own.clone()));
        }
        if let Some(work) = &mut player.work {
            due = work.send_due(&mut crowd, now);
        }
        now = shared.clock.now();
        let left = due.map_or(GLANCE, |due| Duration::from_nanos(due.saturating_sub(now)).min(GLANCE));
        // The system counts in milliseconds here.
        let events = crowd.poll(Duration::from_millis(left.as_millis() as u64), &mut player)?;
        crowd.expire();
        gauge.tell(&crowd, &mut player, begun, &mut told);
        if events < FEW_EVENTS {
            let left = due.map_or(GLANCE, |due| Duration::from_nanos(due.saturating_sub(shared.clock.now())));
            let rest = if left < Duration::from_millis(1) { left } else { Duration::ZERO };
            std::thread::sleep(if events > 0 { plan.rest.min(left) } else { rest });
        }
    }
    if player.work.as_mut().is_some_and(|work| work.finish(&mut crowd)) {
        let until = shared.clock.now() + FAREWELL;
        let mut silent = 0;
        while silent < SILENT_GLANCES && shared.clock.now() < until {
            let events = crowd.poll(GLANCE, &mut player)?;
            silent = if events == 0 { silent + 1 } else { 0 };
        }
    }
    crowd.recorder.open_at_end = crowd.open() as u64;
    let mut recorder = std::mem::take(&mut crowd.recorder);
    if let Some(work) = &mut player.work {
        recorder.add(work.recorder());
    }
    crowd.say_farewell();
    let patience = shared.clock.now() + FAREWELL;
    while crowd.open() > 0 && shared.clock.now() < patience {
        crowd.poll(GLANCE, &mut Idle::default())?;
    }
    Ok(recorder)
}

fn begin_work(plan: &Plan<'_>, shared: &Shared, span: &Span, own: Range<usize>) -> Box<dyn Work> {
    let steady = plan.scenario.common().connections;
    let all = plan.scenario.clients();
    let span = span.clone();
    let wording = |options: &options::Wording| Wording {
        template: match &options.message {
            Some(template) => template.clone(),
            None if shared.speaks_throng.load(Relaxed) => Template::throng(),
            None => Template::plain(),
        },
        tag: plan.tag,
        size: options.size,
        opcode: if options.binary { Opcode::Binary } else { Opcode::Text },
    };
    let room = |talk: &options::Talk| {
        let count = talk.senders.min(steady);
        let senders = (0..count).map(|sender| sender * steady / count).collect();
        let pacer = Pacer::new(span.start, talk.rate);
        Broadcast::new(span.clone(), pacer, wording(&talk.wording), own.clone(), senders)
    };
    // Of this thread, those beside the steady ones.
    let further = steady.clamp(own.start, own.end) - own.start..own.len();
    match plan.scenario {
        Scenario::Connect(_) => Box::new(Idle::default()),
        Scenario::Echo(echo) => {
            let wording = wording(&echo.wording);
            Box::new(Echo::new(span, wording, shared.clock, (echo.depth, echo.rate), own, all))
        }
        Scenario::Broadcast(broadcast) => Box::new(room(&broadcast.talk)),
        Scenario::Slow(slow) => Box::new(Slow::new(room(&slow.talk), further, slow.read_rate as u64)),
        Scenario::Storm(storm) => {
            let seed = plan.seed.wrapping_add(own.start as u64).wrapping_mul(31);
            Box::new(Storm::new(room(&storm.talk), &span, own.len(), storm.jitter.as_nanos() as u64, seed))
        }
        Scenario::Churn(churn) => {
            let first = (own.start + further.start).saturating_sub(steady);
            Box::new(Churn::new(room(&churn.talk), further, &span, churn.churn, first, churn.restless))
        }
    }
}

/// The clients of a thread: until the run begins they listen what kind of server it is.
struct Player<'a> {
    shared: &'a Shared,
    last_heard: u64,
    work: Option<Box<dyn Work>>,
}

impl Behaviour for Player<'_> {
    fn open(&mut self, client: usize, now: u64, pen: &mut Pen<'_>) {
        if let Some(work) = &mut self.work {
            work.open(client, now, pen);
        }
    }

    fn hear(&mut self, client: usize, message: &Message<'_>, now: u64, pen: &mut Pen<'_>) {
        self.last_heard = now;
        match &mut self.work {
            Some(work) => work.hear(client, message, now, pen),
            None if message.payload().starts_with(THRONG_GREETS) => {
                self.shared.speaks_throng.store(true, Relaxed);
            }
            None => {}
        }
    }

    fn lose(&mut self, client: usize) {
        if let Some(work) = &mut self.work {
            work.lose(client);
        }
    }
}

impl Gauge {
    fn tell(&self, crowd: &Crowd<'_>, player: &mut Player<'_>, begun: usize, told: &mut u64) {
        let failed: u64 = crowd.recorder.failed.values().sum();
        let lost: u64 = crowd.recorder.lost.values().sum();
        self.open.store(crowd.open() as u64, Relaxed);
        self.settled.store((begun - crowd.unopened()) as u64, Relaxed);
        self.failed.store(failed + lost, Relaxed);
        self.last_heard.store(player.last_heard, Relaxed);
        let Some(work) = &mut player.work else { return };
        let recorder = work.recorder();
        self.sent.store(recorder.sent, Relaxed);
        self.received.store(recorder.received, Relaxed);
        self.missing.store(recorder.missing, Relaxed);
        if player.last_heard > *told + TOLD_EVERY
            && let Ok(mut latencies) = self.latencies.lock()
        {
            *told = player.last_heard;
            latencies.get_or_insert_with(recent).add(&recorder.recent).expect("all have the same bounds");
            recorder.recent.reset();
        }
    }
}

/// What the threads tell, summed up.
#[derive(Clone, Copy, Default)]
struct Totals {
    open: u64,
    hearers: u64,
    settled: u64,
    failed: u64,
    sent: u64,
    received: u64,
    missing: u64,
    last_heard: u64,
}

impl Shared {
    fn totals(&self) -> Totals {
        self.gauges.iter().fold(Totals::default(), |sum, gauge| Totals {
            open: sum.open + gauge.open.load(Relaxed),
            hearers: sum.hearers + gauge.hearers.load(Relaxed),
            settled: sum.settled + gauge.settled.load(Relaxed),
            failed: sum.failed + gauge.failed.load(Relaxed),
            sent: sum.sent + gauge.sent.load(Relaxed),
            received: sum.received + gauge.received.load(Relaxed),
            missing: sum.missing + gauge.missing.load(Relaxed),
            last_heard: sum.last_heard.max(gauge.last_heard.load(Relaxed)),
        })
    }

    fn take_latencies(&self) -> Histogram<u64> {
        let mut all = recent();
        for gauge in &self.gauges {
            if let Some(latencies) = gauge.latencies.lock().ok().and_then(|mut latencies| latencies.take()) {
                all.add(latencies).expect("all have the same bounds");
            }
        }
        all
    }
}

/// Leads the threads from phase to phase. What it returns lacks what they recorded.
fn conduct(plan: &Plan<'_>, shared: &Shared, watch: &mut dyn FnMut(&Snapshot)) -> io::Result<Outcome> {
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

    let start = clock.now() + RUN_UP;
    let measured_from = start + common.warm_up.as_nanos() as u64;
    let measured = measured_from..measured_from + common.duration.as_nanos() as u64;
    if goes_on && shared.run.set(Span { start, measured: measured.clone() }).is_err() {
        unreachable!("a run begins once");
    }
    goes_on = goes_on && conductor.wait("warming up", Some(common.warm_up), |_, now| now >= measured.start);
    let (client_start, server_start) = (client()?, server()?);
    goes_on = goes_on && conductor.wait("measuring", Some(common.duration), |_, now| now >= measured.end);
    let expected = |totals: &Totals| match plan.scenario {
        Scenario::Connect(_) => 0,
        // Nobody knows who was away.
        Scenario::Storm(_) => u64::MAX,
        Scenario::Echo(_) => totals.sent,
        Scenario::Broadcast(_) | Scenario::Slow(_) | Scenario::Churn(_) => totals.sent * totals.hearers,
    };
    let patience = common.patience.as_nanos() as u64;
    if goes_on {
        conductor.wait("draining", None, |totals, now| {
            totals.received >= expected(totals) || now > totals.last_heard.max(measured.end) + patience
        });
    }
    let last = shared.totals().last_heard.max(measured.end).min(clock.now());
    let (client_end, server_end) = (client()?, server()?);
    conductor.end_row("draining", clock.now());
    let server = match (server_before, server_settled, server_start, server_end) {
        (Some(before), Some(settled), Some(start), Some(end)) => Some([before, settled, start, end]),
        _ => None,
    };
    Ok(Outcome {
        recorder: Recorder::default(),
        hearers: shared.totals().hearers,
        settled: settled_open,
        rows: conductor.rows,
        connecting,
        measured_from: measured.start,
        measured: last.saturating_sub(measured.start),
        interrupted: !goes_on && !nobody_came,
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
