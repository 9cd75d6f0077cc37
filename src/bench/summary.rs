//! The report of a run, from what was recorded.

use super::Settings;
use super::options::Scenario;
use super::recorder::Recorder;
use super::report::{Client, Connections, Latency, Messages, Recovery, Report, SCHEMA, Server};
use super::run::Outcome;
use super::usage::{self, Usage};
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// A thread that is busy for more of its time may have been late itself.
const BUSY: f64 = 0.9;
/// So may a client that sent one message of a hundred so much too late, in microseconds.
const LATE: f64 = 10_000.0;

/// Sums up. `settings` are those of the command line.
pub fn report(scenario: &Scenario, settings: Settings, started: SystemTime, outcome: &Outcome) -> Report {
    let common = scenario.common();
    let Outcome { recorder, hearers, rows, connecting, measured, interrupted, .. } = outcome;
    let seconds = *measured as f64 / 1e9;
    let connections = Connections {
        wanted: recorder.begun,
        opened: recorder.opened,
        open_at_end: recorder.open_at_end,
        failed: recorder.failed.clone(),
        lost: recorder.lost.clone(),
        per_second: recorder.opened as f64 / (*connecting as f64 / 1e9),
        handshake: Latency::of(&recorder.handshake),
    };
    let is_in_plan = match scenario {
        Scenario::Connect(_) => false,
        Scenario::Echo(echo) => echo.rate.is_some(),
        _ => true,
    };
    let messages = messages(scenario, recorder, seconds);
    let client = client(outcome, recorder, seconds);
    let server = outcome.server.as_ref().map(|usage| {
        let pid = common.server_pid.unwrap_or_default();
        server(pid, usage, seconds, recorder.opened, outcome.settled, outcome.deliveries)
    });
    let mut report = Report {
        schema: SCHEMA,
        throng: env!("CARGO_PKG_VERSION").to_owned(),
        started: started_text(started),
        scenario: scenario.name().to_owned(),
        url: scenario.urls(),
        settings,
        machine: usage::machine(),
        is_valid: true,
        warnings: Vec::new(),
        interrupted: *interrupted,
        seconds,
        connections,
        messages,
        latency: Latency::of(&recorder.latency).filter(|_| is_in_plan),
        latency_raw: Latency::of(&recorder.latency_raw),
        recovery: matches!(scenario, Scenario::Storm(_)).then(|| recovery(recorder, *hearers)),
        client,
        server,
        rows: rows.clone(),
    };
    warn(&mut report, scenario, recorder);
    report
}

fn started_text(started: SystemTime) -> String {
    jiff::Timestamp::try_from(started)
        .map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn messages(scenario: &Scenario, recorder: &Recorder, seconds: f64) -> Option<Messages> {
    let planned_rate = match (scenario, scenario.talk()) {
        (Scenario::Echo(echo), _) => echo.rate,
        (_, Some(talk)) => Some(talk.rate),
        (_, None) => return None,
    };
    let expected = match scenario {
        // What was said while a member was away was not for it, and nobody knows what that was.
        Scenario::Storm(_) => recorder.received,
        _ if leaves_out_sender(scenario, recorder) => recorder.expected - recorder.sent,
        _ => recorder.expected,
    };
    let a_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    Some(Messages {
        planned_rate,
        sent: recorder.sent,
        expected,
        received: recorder.received,
        lost: expected.saturating_sub(recorder.received),
        duplicated: recorder.duplicated,
        reordered: recorder.reordered,
        strayed: recorder.strayed,
        damaged: recorder.damaged,
        sent_per_second: a_second(recorder.measured_sent),
        received_per_second: a_second(recorder.measured_received),
        bytes_per_second: a_second(recorder.measured_bytes),
    })
}

fn recovery(recorder: &Recorder, members: u64) -> Recovery {
    Recovery {
        members,
        back: recorder.back.len(),
        served: recorder.served.len(),
        until_back: Latency::of(&recorder.back),
        until_served: Latency::of(&recorder.served),
    }
}

/// Whether the server sends a message to all but the one who said it.
fn leaves_out_sender(scenario: &Scenario, recorder: &Recorder) -> bool {
    scenario.talk().is_some()
        && recorder.expected > recorder.sent
        && recorder.received > 0
        && recorder.own == 0
}

fn client(outcome: &Outcome, recorder: &Recorder, seconds: f64) -> Client {
    let Range { start, end } = &outcome.client;
    let cpu = end.cpu().saturating_sub(start.cpu()).as_secs_f64();
    let grown = outcome.client_memory.end.saturating_sub(outcome.client_memory.start);
    let (busiest_thread, waited) = shares(start, end, seconds);
    Client {
        user: end.user - start.user,
        system: end.system - start.system,
        per_delivery: per(cpu, outcome.deliveries),
        busiest_thread,
        waited,
        lag: Latency::of(&recorder.lag),
        clock: usage::clock_cost().as_secs_f64(),
        memory_per_connection: grown as f64 / recorder.opened.max(1) as f64,
    }
}

/// Of the time, what the busiest thread ran and what it waited for a core.
fn shares(start: &Usage, end: &Usage, seconds: f64) -> (f64, f64) {
    let share = |time: Duration| time.as_secs_f64() / seconds.max(1e-9);
    end.busiest_thread_since(start).map_or((0.0, 0.0), |thread| (share(thread.cpu), share(thread.waited)))
}

fn server(
    pid: u32,
    usage: &[Usage; 4],
    seconds: f64,
    opened: u64,
    settled_open: u64,
    deliveries: u64,
) -> Server {
    let [before, settled, start, end] = usage;
    let (busiest_thread, waited) = shares(start, end, seconds);
    let cpu = |from: &Usage, to: &Usage| to.cpu().saturating_sub(from.cpu()).as_secs_f64();
    Server {
        pid,
        user: end.user - start.user,
        system: end.system - start.system,
        per_delivery: per(cpu(start, end), deliveries),
        busiest_thread,
        waited,
        per_connection: per(cpu(before, settled), opened).unwrap_or_default(),
        memory_before: before.memory,
        memory_peak: end.memory_peak,
        memory_after: end.memory,
        memory_per_connection: settled.memory.saturating_sub(before.memory) as f64
            / settled_open.max(1) as f64,
    }
}

/// Microseconds each.
fn per(seconds: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| seconds * 1e6 / count as f64)
}

/// Says what makes the figures doubtful, first of all whether they are the client's.
fn warn(report: &mut Report, scenario: &Scenario, recorder: &Recorder) {
    let busiest = report.client.busiest_thread;
    let mut warnings = Vec::new();
    if busiest > BUSY {
        report.is_valid = false;
        let percent = (busiest * 100.0).min(100.0);
        warnings.push(format!(
            "A thread of the client was busy for {percent:.0} % of the time, so that the figures are the client's as \
             much as the server's. Give it more --threads, or less to do."
        ));
    }
    if let Some(lag) = report.client.lag.as_ref().map(|lag| lag.p99).filter(|lag| *lag > LATE) {
        report.is_valid = false;
        let late = Duration::from_micros(lag as u64);
        warnings.push(format!(
            "The client sent one message of a hundred {late:.0?} late or later, so that the latencies are its own as \
             much as the server's."
        ));
    }
    if report.interrupted {
        warnings.push("The run was ended before its time.".to_owned());
    }
    let missing = report.connections.wanted - report.connections.opened;
    if missing > 0 {
        warnings.push(format!("{missing} of {} connections did not open.", report.connections.wanted));
    }
    if leaves_out_sender(scenario, recorder) {
        warnings.push(
            "The server does not send a message to the one who said it; that is not counted as loss."
                .to_owned(),
        );
    }
    if recorder.strayed > 0 {
        warnings.push(format!("{} deliveries came to members of another room.", recorder.strayed));
    }
    if report.messages.as_ref().is_some_and(|messages| messages.sent > 0 && messages.received == 0) {
        warnings.push(
            "Nothing that was sent came back. The server may want another --message, --subprotocol or path."
                .to_owned(),
        );
    }
    report.warnings = warnings;
}

#[cfg(test)]
mod tests {
    use super::super::options::Order;
    use super::super::usage::Thread;
    use super::*;
    use crate::config::{Cli, Command};
    use clap::Parser;

    fn used(millis: u64) -> Usage {
        let thread = Thread { id: 1, cpu: Duration::from_millis(millis), waited: Duration::ZERO };
        Usage { threads: vec![thread], ..Usage::default() }
    }

    #[test]
    fn cpu_is_shared_among_all_that_came_meanwhile_be_it_of_the_warm_up() {
        let cli = Cli::parse_from(["throng", "bench", "broadcast", "ws://127.0.0.1"]);
        let Command::Bench(bench) = cli.into_command() else { panic!("not a bench") };
        let Order::Play(scenario) = &bench.order else { panic!("nothing to play") };
        let outcome = Outcome {
            recorder: Recorder { measured_received: 20, ..Recorder::default() },
            hearers: 1,
            settled: 1,
            rows: Vec::new(),
            connecting: 1,
            measured_from: 0,
            measured: 1_000_000_000,
            interrupted: false,
            deliveries: 100,
            client: used(5)..used(7),
            client_memory: 0..0,
            server: Some([used(0), used(10), used(20), used(30)]),
        };
        let report = report(scenario, Settings::new(), SystemTime::now(), &outcome);
        assert_eq!(report.client.per_delivery, Some(20.0));
        assert_eq!(report.server.and_then(|server| server.per_delivery), Some(100.0));
    }
}
