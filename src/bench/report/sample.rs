//! A report for tests: a broadcast in which a little of everything went wrong.

use super::{Client, Connections, Latency, Machine, Messages, Recovery, Report, Row, SCHEMA, Server};
use std::collections::BTreeMap;

/// The whole of it.
pub(in super::super) fn broadcast() -> Report {
    Report {
        schema: SCHEMA,
        throng: "0.1.0".to_owned(),
        started: "2026-11-21T11:30:00Z".to_owned(),
        scenario: "broadcast".to_owned(),
        url: "ws://127.0.0.1:8080/chat".to_owned(),
        settings: BTreeMap::new(),
        machine: Machine::default(),
        is_valid: true,
        warnings: Vec::new(),
        interrupted: false,
        seconds: 30.0,
        connections: Connections {
            wanted: 10_000,
            opened: 9_997,
            open_at_end: 9_995,
            failed: causes(&[("connection refused", 2), ("timed out", 1)]),
            lost: causes(&[("connection reset", 2)]),
            per_second: 4_321.4,
            handshake: Some(latency(800.0)),
        },
        messages: Some(Messages {
            planned_rate: Some(100.0),
            sent: 3_000,
            expected: 29_991_000,
            received: 29_990_998,
            lost: 2,
            duplicated: 0,
            reordered: 1,
            strayed: 0,
            damaged: 0,
            sent_per_second: 99.97,
            received_per_second: 999_700.2,
            bytes_per_second: 126.3e6,
        }),
        latency: Some(latency(1_000.0)),
        latency_raw: Some(latency(900.0)),
        recovery: None,
        client: Client {
            user: 4.1,
            system: 8.2,
            per_delivery: Some(0.412),
            busiest_thread: 0.41,
            waited: 0.01,
            lag: Some(latency(12.0)),
            clock: 21e-9,
            memory_per_connection: 1_740.0,
        },
        server: Some(Server {
            pid: 4711,
            user: 3.0,
            system: 17.1,
            per_delivery: Some(0.67),
            busiest_thread: 0.4,
            waited: 0.01,
            per_connection: 41.3,
            memory_before: 4_300_000,
            memory_peak: 36_900_000,
            memory_after: 31_400_000,
            memory_per_connection: 2_150.4,
        }),
        rows: vec![
            Row { at: 1.0, phase: "connecting".to_owned(), open: 4_321, failed: 3, ..Row::default() },
            Row {
                at: 2.001,
                phase: "measuring".to_owned(),
                open: 9_997,
                failed: 0,
                sent: 100,
                received: 999_700,
                p50: 1_000.25,
                p99: 4_000.0,
                max: 10_000.0,
            },
        ],
    }
}

/// Connections only, and none of them failed.
pub(super) fn connect() -> Report {
    Report {
        scenario: "connect".to_owned(),
        connections: Connections { failed: causes(&[]), lost: causes(&[]), ..broadcast().connections },
        messages: None,
        latency: None,
        latency_raw: None,
        recovery: None,
        client: Client { per_delivery: None, lag: None, ..broadcast().client },
        server: None,
        ..broadcast()
    }
}

/// Of members that were cut off, some did not come back.
pub(super) fn recovery() -> Recovery {
    Recovery {
        members: 9_997,
        back: 9_996,
        served: 9_990,
        until_back: Some(latency(50_000.0)),
        until_served: Some(latency(70_000.0)),
    }
}

fn causes(causes: &[(&str, u64)]) -> BTreeMap<String, u64> {
    causes.iter().map(|&(cause, count)| (cause.to_owned(), count)).collect()
}

fn latency(p50: f64) -> Latency {
    Latency {
        count: 29_990_998,
        min: p50 / 10.0,
        mean: p50 * 1.2,
        p50,
        p90: p50 * 2.0,
        p95: p50 * 3.0,
        p99: p50 * 4.0,
        p999: p50 * 8.0,
        max: p50 * 10.0,
        curve: Vec::new(),
    }
}
