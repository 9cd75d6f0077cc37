use super::super::{Client, Connections, Machine, Messages, Recovery, Row, SCHEMA, Server};
use super::*;

/// A run like one of a broadcast to 10,000 members.
pub(in crate::bench::report) fn sample() -> Report {
    let latency = |slower: f64| Latency {
        count: 2_999_871,
        min: 61.0 * slower,
        mean: 1_702.0 * slower,
        p50: 1_234.0 * slower,
        p90: 3_150.0 * slower,
        p95: 4_020.0 * slower,
        p99: 6_540.0 * slower,
        p999: 12_300.0 * slower,
        max: 45_600.0 * slower,
        curve: [
            (0.0, 61.0),
            (0.5, 1_234.0),
            (0.9, 3_150.0),
            (0.99, 6_540.0),
            (0.999, 12_300.0),
            (1.0, 45_600.0),
        ]
        .map(|(share, micros)| (share, micros * slower))
        .to_vec(),
    };
    let row = |second: u32| {
        let (phase, open) = match second {
            1..=2 => ("connecting", u64::from(second) * 5_000),
            3..=4 => ("warming up", 10_000),
            5..=14 => ("measuring", 10_000),
            _ => ("draining", 10_000),
        };
        let sent = if (3..15).contains(&second) { 30 } else { 0 };
        let is_busy = f64::from(u8::from(sent > 0));
        Row {
            at: f64::from(second),
            phase: phase.to_owned(),
            open,
            failed: 0,
            sent,
            received: sent * 10_000,
            p50: 1_200.0 * is_busy,
            p99: (6_000.0 + 90.0 * f64::from(second)) * is_busy,
            max: 20_000.0 * is_busy,
        }
    };
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Report {
        schema: SCHEMA,
        throng: "0.1.0".to_owned(),
        started: "2026-11-21T11:20:05Z".to_owned(),
        scenario: "broadcast".to_owned(),
        url: "ws://127.0.0.1:9001/chat/hall".to_owned(),
        settings: [setting("connections", "10000"), setting("rate", "30"), setting("size", "64")].into(),
        machine: Machine {
            system: "Linux 6.12.8".to_owned(),
            processor: "Example 9000 at 3.2 GHz".to_owned(),
            cores: 2,
            memory: 8_200_000_000,
        },
        is_valid: true,
        warnings: Vec::new(),
        interrupted: false,
        seconds: 10.0,
        connections: Connections {
            wanted: 10_003,
            opened: 10_001,
            open_at_end: 9_998,
            failed: [("refused".to_owned(), 2)].into(),
            lost: [("closed by the server: 1013".to_owned(), 3)].into(),
            per_second: 5_210.0,
            handshake: Some(latency(0.3)),
        },
        messages: Some(Messages {
            planned_rate: Some(30.0),
            sent: 361,
            expected: 3_610_000,
            received: 3_609_871,
            lost: 129,
            duplicated: 7,
            reordered: 11,
            strayed: 0,
            damaged: 13,
            sent_per_second: 30.0,
            received_per_second: 299_987.0,
            bytes_per_second: 19_200_000.0,
        }),
        latency: Some(latency(1.0)),
        latency_raw: Some(latency(0.8)),
        recovery: None,
        client: Client {
            user: 1.5,
            system: 4.25,
            per_delivery: Some(1.92),
            busiest_thread: 0.575,
            waited: 0.01,
            lag: Some(latency(0.01)),
            clock: 0.000_000_025,
            memory_per_connection: 812.0,
        },
        server: Some(Server {
            pid: 4_711,
            user: 0.9,
            system: 3.2,
            per_delivery: Some(1.37),
            busiest_thread: 0.4,
            waited: 0.01,
            per_connection: 22.5,
            memory_before: 5_100_000,
            memory_peak: 31_400_000,
            memory_after: 14_200_000,
            memory_per_connection: 617.0,
        }),
        rows: (1..=16).map(row).collect(),
    }
}

/// The same where all members were cut off.
pub(in crate::bench::report) fn storm() -> Report {
    let Report { latency, .. } = sample();
    let slower = |by: f64| {
        let mut latency = latency.clone().unwrap_or_default();
        (latency.p50, latency.max) = (latency.p50 * by, latency.max * by);
        latency.curve.iter_mut().for_each(|(_, micros)| *micros *= by);
        latency
    };
    let recovery = Recovery {
        members: 10_000,
        back: 9_998,
        served: 9_997,
        until_back: Some(slower(100.0)),
        until_served: Some(slower(200.0)),
    };
    Report { scenario: "storm".to_owned(), recovery: Some(recovery), ..sample() }
}

fn named(name: &str, report: Report) -> (String, Report) {
    (name.to_owned(), report)
}

/// The line of a table that begins with a name.
fn line<'a>(table: &'a str, name: &str) -> &'a str {
    table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in\n{table}"))
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn changes_are_told_against_the_first() {
    let mut slower = sample();
    slower.latency.as_mut().unwrap().p99 *= 1.1;
    slower.messages.as_mut().unwrap().received_per_second /= 2.0;
    slower.connections.failed.clear();
    let mut alone = sample();
    alone.server = None;
    let table = table(&[named("before", sample()), named("after", slower), named("alone", alone)]);
    for (name, said) in [
        ("p99 ", "p99 6.54 ms 7.19 ms +10 % 6.54 ms 0 %"),
        ("deliveries/s", "deliveries/s 299,987/s 149,994/s -50 % 299,987/s 0 %"),
        ("connections failed", "connections failed 2 0 -100 % 2 0 %"),
        ("server CPU/delivery", "server CPU/delivery 1.37 µs 1.37 µs 0 % –"),
    ] {
        assert_eq!(words(line(&table, name)), said);
    }
}

#[test]
fn every_key_figure_of_a_run_is_there() {
    let table = table(&[named("run", sample())]);
    for (name, value) in [
        ("connections opened", "10,001"),
        ("connections failed", "2"),
        ("connections lost", "3"),
        ("connections/s", "5,210/s"),
        ("handshake p50", "370 µs"),
        ("handshake p99", "1.96 ms"),
        ("sent", "361"),
        ("received", "3,609,871"),
        ("lost", "129"),
        ("duplicated", "7"),
        ("reordered", "11"),
        ("damaged", "13"),
        ("p50", "1.23 ms"),
        ("p95", "4.02 ms"),
        ("p99 ", "6.54 ms"),
        ("p99.9", "12.3 ms"),
        ("max", "45.6 ms"),
        ("deliveries/s", "299,987/s"),
        ("server CPU/delivery", "1.37 µs"),
        ("server CPU/connection", "22.5 µs"),
        ("server memory/connection", "617 B"),
        ("client CPU/delivery", "1.92 µs"),
    ] {
        assert_eq!(words(line(&table, name)), format!("{} {value}", name.trim()));
    }
    assert!(!table.contains('!'), "nothing to warn of");
}

#[test]
fn any_number_of_reports_fits_80_columns() {
    for count in 0..9 {
        let reports: Vec<_> = (0..count)
            .map(|at| {
                let mut report = sample();
                report.messages.as_mut().unwrap().received *= 1_000 * (at + 1);
                report.settings.insert("header".to_owned(), "x".repeat(100 * at as usize));
                named(&format!("a/rather/long/folder/of/reports/with-{at}.json"), report)
            })
            .collect();
        let table = table(&reports);
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        for (at, _) in reports.iter().enumerate() {
            assert!(
                table.contains(&format!("with-{at}.json\n")) || table.contains(&format!("with-{at}.json ")),
                "{table}"
            );
        }
    }
}

#[test]
fn three_ordinary_reports_stand_in_one_block() {
    let table = table(&[named("one", sample()), named("two", sample()), named("three", sample())]);
    assert_eq!(table.matches("handshake p99").count(), 1, "{table}");
}

#[test]
fn what_differs_is_named_above() {
    let mut other = sample();
    other.scenario = "echo".to_owned();
    other.settings.insert("rate".to_owned(), "60".to_owned());
    other.settings.remove("size");
    other.machine.cores = 4;
    other.latency = None;
    let caveats = caveats(&[named("one", sample()), named("two", other)]);
    assert_eq!(
        caveats[..3],
        [
            "The runs differ: scenario (broadcast; echo).",
            "The settings differ: rate (30; 60), size (64; –).",
            "The machines differ: cores (2; 4).",
        ]
    );
    assert!(caveats[3].starts_with("Only some runs had a plan"));
}

#[test]
fn what_is_wrong_with_a_run_is_told_above_with_its_name() {
    let mut wrong = sample();
    wrong.is_valid = false;
    wrong.warnings.push("The client was late.\u{1b}[2J".to_owned());
    let table = table(&[named("one", sample()), named("two", wrong)]);
    let lines: Vec<_> = table.lines().take(2).collect();
    assert_eq!(
        lines,
        [
            "! two: This run is not valid: its figures are not the server's.",
            "! two: The client was late.\u{fffd}[2J",
        ]
    );
}

#[test]
fn storms_are_compared_by_how_everybody_came_back() {
    let mut worse = storm();
    let recovery = worse.recovery.as_mut().unwrap();
    recovery.served = 9_000;
    recovery.until_served.as_mut().unwrap().max *= 2.0;
    let table = table(&[named("before", storm()), named("after", worse)]);
    for (name, said) in [
        ("members back", "members back 9,998 9,998 0 %"),
        ("half back after", "half back after 123 ms 123 ms 0 %"),
        ("last back after", "last back after 4.56 s 4.56 s 0 %"),
        ("members served", "members served 9,997 9,000 -9.97 %"),
        ("half served after", "half served after 247 ms 247 ms 0 %"),
        ("last served after", "last served after 9.12 s 18.2 s +100 %"),
    ] {
        assert_eq!(words(line(&table, name)), said);
    }
}

#[test]
fn runs_without_latencies_do_not_count_as_runs_without_a_plan() {
    let mut connect = sample();
    (connect.messages, connect.latency, connect.latency_raw) = (None, None, None);
    assert_eq!(mixed_plans(&[named("one", sample()), named("two", connect.clone())]), None);
    assert_eq!(mixed_plans(&[named("one", connect.clone()), named("two", connect)]), None);
}
