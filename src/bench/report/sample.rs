//! Reports for tests: a broadcast with a few faults of each kind, and variations of it.

use super::{
    Causes, Client, Connections, Latency, Machine, Messages, Other, Outcome, Reconnects, Recovery, Report,
    Row, SCHEMA, Search, Server, Step,
};
use std::collections::BTreeMap;

pub(crate) fn broadcast() -> Report {
    let settings = [("connections", "10000"), ("duration", "30s"), ("rate", "100"), ("size", "128")];
    Report {
        schema: SCHEMA,
        throng: "0.1.0".to_owned(),
        started: "2026-11-21T11:30:00Z".to_owned(),
        scenario: "broadcast".to_owned(),
        url: "ws://127.0.0.1:8080/chat".to_owned(),
        command: "throng bench broadcast ws://127.0.0.1:8080/chat -c 10000 -r 100 -d 30s".to_owned(),
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        machine: Machine {
            system: "Linux 6.12".to_owned(),
            processor: "AMD EPYC 7443".to_owned(),
            cores: 8,
            memory: 16 << 30,
        },
        is_valid: true,
        seconds: 30.0,
        drain_seconds: 0.12,
        connections: Connections {
            planned: 10_000,
            opened: 9_997,
            open_at_end: 9_995,
            failed: causes(&[("connection refused", 2), ("timed out", 1)]),
            lost: causes(&[("connection reset", 2)]),
            per_second: 4_321.4,
            handshake: Some(latency(800.0)),
            reconnects: None,
        },
        messages: Some(Messages {
            planned_rate: Some(100.0),
            planned: 3_000,
            sent: 3_000,
            sent_in_time: 2_999,
            expected: 29_991_000,
            received: 29_990_998,
            lost: 2,
            reordered: 1,
            sent_per_second: 99.97,
            received_per_second: 999_700.2,
            bytes_per_second: 126.3e6,
            ..Messages::default()
        }),
        latency: Some(latency(1_000.0)),
        service_time: Some(latency(900.0)),
        client: Client {
            user: 4.1,
            system: 8.2,
            cpu_per_delivery: Some(0.412),
            busiest_thread: Some(0.41),
            waited: Some(0.01),
            paused: 0.001,
            throttled: Some(0.0),
            lag: Some(latency(12.0)),
            clock: 21e-9,
            memory_per_connection: Some(1_740.0),
            audit_memory: 4 << 20,
        },
        server: Some(Server {
            pid: 4711,
            user: Some(3.0),
            system: Some(17.1),
            cpu_per_delivery: Some(0.67),
            busiest_thread: Some(0.4),
            waited: Some(0.01),
            cpu_per_connection: Some(41.3),
            memory_before: Some(4_300_000),
            memory_peak: Some(36_900_000),
            memory_after: Some(31_400_000),
            memory_per_connection: Some(2_150.4),
        }),
        rows: rows(),
        ..Report::default()
    }
}

/// Returns a broadcast without faults.
pub(crate) fn clean() -> Report {
    let mut report = broadcast();
    report.connections.opened = report.connections.planned;
    report.connections.open_at_end = report.connections.planned;
    report.connections.failed.clear();
    report.connections.lost.clear();
    if let Some(messages) = &mut report.messages {
        (messages.received, messages.lost, messages.reordered) = (messages.expected, 0, 0);
        messages.rewritten = messages.received;
    }
    report
}

/// Returns a run that only connects, without faults and without measurements of the server.
pub(crate) fn connect() -> Report {
    let broadcast = broadcast();
    Report {
        scenario: "connect".to_owned(),
        connections: Connections {
            opened: 10_000,
            failed: Causes::new(),
            lost: Causes::new(),
            ..broadcast.connections
        },
        messages: None,
        latency: None,
        service_time: None,
        client: Client { cpu_per_delivery: None, lag: None, ..broadcast.client },
        server: None,
        ..broadcast
    }
}

/// Returns a storm in which some members did not recover.
pub(crate) fn storm() -> Report {
    let mut report = broadcast();
    report.scenario = "storm".to_owned();
    report.connections.reconnects = Some(Reconnects {
        begun: 10_020,
        opened: 9_996,
        failed: causes(&[("HTTP status 503", 24)]),
        handshake: Some(latency(700.0)),
    });
    report.recovery = Some(Recovery {
        members: 9_997,
        back: 9_996,
        served: 9_990,
        until_back: Some(latency(50_000.0)),
        until_served: Some(latency(70_000.0)),
    });
    report
}

/// Returns a run in which the client was the limit.
pub(crate) fn invalid() -> Report {
    Report {
        is_valid: false,
        invalid: vec![
            "A thread of the client was busy for 98 % of the time. Give it more --threads.".to_owned(),
        ],
        warnings: vec!["3 of 10,000 connections did not open.".to_owned()],
        ..broadcast()
    }
}

/// Returns a run in which deliveries never arrived.
pub(crate) fn dead_server() -> Report {
    Report { latency: Some(latency(1_000.0).with_unanswered(12, 3_500_000)), ..broadcast() }
}

pub(crate) fn search() -> Report {
    let step = |load: f64, why: Option<&str>| Step {
        load,
        holds: why.is_none(),
        why: why.map(str::to_owned),
        sent_per_second: Some(load * 0.999),
        received_per_second: Some(load * 9_997.0),
        loss: Some(if why.is_none() { 0.0 } else { 0.0068 }),
        p50: Some(load),
        p95: Some(load * 3.0),
        p99: Some(load * 5.0),
        opened: 10_000,
        failed: 0,
        is_valid: true,
    };
    let search = Search {
        load: "rate".to_owned(),
        conditions: vec!["p95<500ms".to_owned(), "loss=0".to_owned()],
        highest: Some(800.0),
        ended: "835/s did not hold, and the next step would differ by less than 5 %.".to_owned(),
        steps: vec![
            step(100.0, None),
            step(400.0, None),
            step(1_600.0, Some("loss=0 is not met: loss is 0.68 %")),
            step(800.0, None),
            step(835.0, Some("loss=0 is not met: loss is 0.68 %")),
        ],
    };
    Report { search: Some(search), ..broadcast() }
}

/// Returns a report whose texts try to control the program that shows it.
pub(crate) fn hostile() -> Report {
    const TEXT: &str = "<script>alert(1)</script>\"'&\u{1b}[2J\u{202e}\u{9b}\n";
    let mut report = search();
    report.url = format!("ws://host/{TEXT}");
    report.scenario = TEXT.to_owned();
    report.command = TEXT.to_owned();
    report.started = TEXT.to_owned();
    report.throng = TEXT.to_owned();
    report.settings.insert(TEXT.to_owned(), TEXT.to_owned());
    report.machine.processor = TEXT.to_owned();
    report.invalid = vec![TEXT.to_owned()];
    report.warnings = vec![TEXT.to_owned()];
    report.interrupted = Some(TEXT.to_owned());
    report.is_valid = false;
    report.connections.lost = causes(&[(TEXT, 1)]);
    report.expectations = vec![Outcome { text: TEXT.to_owned(), is_met: false, why: Some(TEXT.to_owned()) }];
    if let Some(messages) = &mut report.messages {
        messages.unsent = causes(&[(TEXT, 1)]);
        messages.other = vec![Other { sample: TEXT.to_owned(), count: 5 }];
    }
    if let Some(search) = &mut report.search {
        search.load = TEXT.to_owned();
        search.ended = TEXT.to_owned();
        search.conditions = vec![TEXT.to_owned()];
        search.steps.iter_mut().for_each(|step| step.why = Some(TEXT.to_owned()));
    }
    report.rows.iter_mut().for_each(|row| row.phase = TEXT.to_owned());
    report
}

pub(crate) fn causes(causes: &[(&str, u64)]) -> BTreeMap<String, u64> {
    causes.iter().map(|&(cause, count)| (cause.to_owned(), count)).collect()
}

fn rows() -> Vec<Row> {
    let row = |from: f64, at: f64, phase: &str| Row { from, at, phase: phase.to_owned(), ..Row::default() };
    let busy = |row: Row| Row {
        open: 9_997,
        sent: 100,
        received: 999_700,
        p50: Some(1_000.25),
        p99: Some(4_000.0),
        max: Some(10_000.0),
        ..row
    };
    vec![
        Row { open: 4_321, failed: 3, ..row(0.0, 1.0, "connecting") },
        Row { open: 9_997, ..row(1.0, 1.4, "settling") },
        busy(row(1.4, 2.4, "warmup")),
        busy(row(2.4, 3.4, "measuring")),
        busy(row(3.4, 4.4, "measuring")),
        Row { open: 9_995, received: 12, ..row(4.4, 4.52, "draining") },
    ]
}

fn latency(p50: f64) -> Latency {
    Latency {
        count: 29_990_998,
        unanswered: 0,
        exact_below: None,
        min: p50 / 10.0,
        mean: p50 * 1.2,
        p50,
        p75: p50 * 1.5,
        p90: p50 * 2.0,
        p95: p50 * 3.0,
        p99: p50 * 4.0,
        p999: p50 * 8.0,
        max: p50 * 10.0,
        curve: vec![
            (0.0, p50 / 10.0),
            (0.25, p50 / 2.0),
            (0.5, p50),
            (0.75, p50 * 1.5),
            (0.9, p50 * 2.0),
            (0.95, p50 * 3.0),
            (0.99, p50 * 4.0),
            (0.999, p50 * 8.0),
            (1.0, p50 * 10.0),
        ],
    }
}
