//! Creates the report of a run from its measurements.

use super::audit::Audit;
use super::cli::{Action, Scenario};
use super::recorder::{Attempts, MessageRecorder, Times, Unanswered};
use super::report::{
    Client, Connections, Latency, Messages, Other, Reconnects, Recovery, Report, SCHEMA, Server,
};
use super::run::{Outcome, Usages};
use super::time::Nanos;
use super::usage::{self, Thread, Usage};
use super::validity;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// The settings of a run by the names of their flags.
pub(crate) type Settings = BTreeMap<String, String>;

/// The command line as shown in reports, without secrets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invocation {
    pub settings: Settings,
    /// The command that repeats the run.
    pub command: String,
}

/// Creates the report of a run that started at `started`. Also returns true if the load tester was the limit.
pub(crate) fn report(
    scenario: &Scenario,
    invocation: Invocation,
    started: SystemTime,
    outcome: &Outcome,
) -> (Report, bool) {
    let window = outcome.window.end.since(outcome.window.start);
    let recorder = &outcome.messages;
    let mut report = Report {
        schema: SCHEMA,
        throng: env!("CARGO_PKG_VERSION").to_owned(),
        started: started_text(started),
        scenario: scenario.name().to_owned(),
        url: scenario.urls(),
        command: invocation.command,
        settings: invocation.settings,
        machine: usage::machine(),
        is_valid: true,
        invalid: Vec::new(),
        warnings: Vec::new(),
        interrupted: outcome.interrupted.map(signal_name),
        seconds: window.as_secs_f64(),
        drain_seconds: outcome.drain.as_secs_f64(),
        connections: connections(scenario, outcome),
        messages: scenario.message.as_ref().map(|_| messages(scenario, outcome, window)),
        latency: scenario.rate().and_then(|_| latency(&recorder.latency, recorder.unanswered)),
        service_time: latency(&recorder.service_time, recorder.unanswered_service),
        recovery: matches!(scenario.action, Action::Storm { .. }).then(|| recovery(recorder)),
        client: client(scenario, outcome),
        server: scenario.common.server_pid.map(|pid| server(pid, outcome)),
        rows: outcome.rows.clone(),
        search: None,
        expectations: Vec::new(),
    };
    let judgement = validity::judge(scenario, outcome, &report);
    report.invalid = judgement.invalid();
    report.is_valid = report.invalid.is_empty();
    report.warnings = judgement.warnings;
    (report, !judgement.load_tester.is_empty())
}

fn started_text(started: SystemTime) -> String {
    jiff::Timestamp::try_from(started)
        .map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn signal_name(signal: i32) -> String {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal").to_owned()
}

fn connections(scenario: &Scenario, outcome: &Outcome) -> Connections {
    let recorder = &outcome.connections;
    let Attempts { opened, failed, handshake, .. } = &recorder.first;
    let reconnects = matches!(scenario.action, Action::Churn { .. } | Action::Storm { .. });
    Connections {
        planned: scenario.clients() as u64,
        opened: *opened,
        open_at_end: recorder.open_at_end,
        failed: failed.clone(),
        lost: recorder.lost.clone(),
        per_second: per_second(*opened, outcome.connecting),
        handshake: Latency::of(handshake.histogram()),
        reconnects: reconnects.then(|| Reconnects {
            begun: recorder.later.begun,
            opened: recorder.later.opened,
            failed: recorder.later.failed.clone(),
            handshake: Latency::of(recorder.later.handshake.histogram()),
        }),
    }
}

fn messages(scenario: &Scenario, outcome: &Outcome, window: Nanos) -> Messages {
    let recorder = &outcome.messages;
    let mut other: Vec<Other> = outcome
        .other
        .by_frequency()
        .into_iter()
        .map(|(sample, count)| Other { sample: sample.to_owned(), count })
        .collect();
    if outcome.other.beyond > 0 {
        other.push(Other { sample: "of other kinds".to_owned(), count: outcome.other.beyond });
    }
    Messages {
        planned_rate: scenario.rate(),
        planned: recorder.planned,
        sent: recorder.sent,
        sent_in_time: recorder.sent_in_time.min(recorder.sent),
        unsent: recorder.unsent.clone(),
        expected: recorder.expected,
        received: recorder.received,
        lost: recorder.expected.saturating_sub(recorder.received),
        duplicated: recorder.duplicated,
        reordered: recorder.reordered,
        unknown: recorder.unknown,
        acknowledged: recorder.acknowledged,
        strayed: recorder.strayed,
        damaged: recorder.damaged,
        rewritten: recorder.rewritten,
        timed_out: recorder.timed_out,
        sent_per_second: per_second(recorder.window_sent, window),
        received_per_second: per_second(recorder.window_received, window),
        bytes_per_second: per_second(recorder.window_bytes, window),
        other,
    }
}

fn per_second(count: u64, time: Nanos) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

fn latency(times: &Times, unanswered: Unanswered) -> Option<Latency> {
    let latency = Latency::of(times.histogram())?;
    Some(match unanswered.least {
        Some(least) => latency.with_unanswered(unanswered.count, least.get()),
        None => latency,
    })
}

fn recovery(recorder: &MessageRecorder) -> Recovery {
    Recovery {
        members: recorder.dropped,
        back: recorder.back.histogram().len(),
        served: recorder.served.histogram().len(),
        until_back: Latency::of(recorder.back.histogram()),
        until_served: Latency::of(recorder.served.histogram()),
    }
}

/// The resource usage of a process between two readings.
struct Used {
    user: f64,
    system: f64,
    cpu: Duration,
    /// Shares of the time that the busiest thread ran and waited for a core.
    busiest_thread: Option<f64>,
    waited: Option<f64>,
}

fn used(begin: Option<&Usage>, end: Option<&Usage>, time: Nanos) -> Option<Used> {
    let (begin, end) = (begin?, end?);
    let busiest = end.busiest_thread_since(begin).filter(|_| !time.is_zero());
    let share = |part: fn(&Thread) -> Duration| {
        busiest.as_ref().map(|thread| part(thread).as_secs_f64() / time.as_secs_f64())
    };
    Some(Used {
        user: end.user - begin.user,
        system: end.system - begin.system,
        cpu: end.cpu().saturating_sub(begin.cpu()),
        busiest_thread: share(|thread| thread.cpu),
        waited: share(|thread| thread.waited),
    })
}

fn client(scenario: &Scenario, outcome: &Outcome) -> Client {
    let Usages { before, settled, begin, end } = &outcome.usages;
    let used = used(begin.client.as_ref(), end.client.as_ref(), end.at.since(begin.at));
    let grown = || {
        let (before, settled) = (before.client.as_ref()?, settled.client.as_ref()?);
        let opened = outcome.connections.first.opened;
        (opened > 0).then(|| settled.memory.saturating_sub(before.memory) as f64 / opened as f64)
    };
    let throttled = || Some(end.throttled?.saturating_sub(begin.throttled?).as_secs_f64());
    Client {
        user: used.as_ref().map_or(0.0, |used| used.user),
        system: used.as_ref().map_or(0.0, |used| used.system),
        cpu_per_delivery: used.as_ref().and_then(|used| per(used.cpu, outcome.deliveries)),
        busiest_thread: used.as_ref().and_then(|used| used.busiest_thread),
        waited: used.as_ref().and_then(|used| used.waited),
        paused: outcome.longest_pause.as_secs_f64(),
        throttled: throttled(),
        lag: Latency::of(outcome.messages.lag.histogram()),
        clock: usage::clock_cost().as_secs_f64(),
        memory_per_connection: grown(),
        audit_memory: audit_memory(scenario),
    }
}

/// Returns the memory that the audit of a scenario needs, in bytes.
pub(crate) fn audit_memory(scenario: &Scenario) -> u64 {
    match scenario.room() {
        Some(room) => Audit::memory(scenario.clients(), room.senders),
        None if scenario.is_echo() => Audit::memory(scenario.clients(), 1),
        None => 0,
    }
}

fn server(pid: u32, outcome: &Outcome) -> Server {
    let Usages { before, settled, begin, end } = &outcome.usages;
    let used_in_run = used(begin.server.as_ref(), end.server.as_ref(), end.at.since(begin.at));
    let connecting = used(before.server.as_ref(), settled.server.as_ref(), Nanos::ZERO);
    let memory = |usage: &Option<Usage>| usage.as_ref().map(|usage| usage.memory);
    let grown = || {
        let grown = memory(&settled.server)?.saturating_sub(memory(&before.server)?);
        (outcome.settled > 0).then(|| grown as f64 / outcome.settled as f64)
    };
    Server {
        pid,
        user: used_in_run.as_ref().map(|used| used.user),
        system: used_in_run.as_ref().map(|used| used.system),
        cpu_per_delivery: used_in_run.as_ref().and_then(|used| per(used.cpu, outcome.deliveries)),
        busiest_thread: used_in_run.as_ref().and_then(|used| used.busiest_thread),
        waited: used_in_run.as_ref().and_then(|used| used.waited),
        cpu_per_connection: connecting.and_then(|used| per(used.cpu, outcome.connections.first.opened)),
        memory_before: memory(&before.server),
        memory_peak: end.server.as_ref().map(|usage| usage.memory_peak),
        memory_after: memory(&end.server),
        memory_per_connection: grown(),
    }
}

/// Returns the microseconds per item.
fn per(time: Duration, count: u64) -> Option<f64> {
    (count > 0).then(|| time.as_secs_f64() * 1e6 / count as f64)
}
