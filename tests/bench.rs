//! `throng bench` against throng, and against servers that do something wrong: the report shows exactly that.

mod faulty;
mod support;

use faulty::{Fault, Kind};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::Server;
use throng::bench::report::{Messages, Report};

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_throng")).arg("bench").args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The report of a run that ends well.
fn report(arguments: &[&str]) -> Report {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let file = format!("{}/report-{}-{run}.json", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let output = bench(&[arguments, &["--json", &file]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// 400 messages of one sender to 20 members.
fn broadcast(url: &str, more: &[&str]) -> Report {
    let plan = ["--connections", "20", "--rate", "200", "--warm-up", "500ms", "--duration", "1500ms"];
    report(&[&["broadcast", url], &plan[..], &["--patience", "1s"], more].concat())
}

/// 400 messages of one client.
fn echo(url: &str, more: &[&str]) -> Report {
    let plan = ["--connections", "1", "--rate", "200", "--warm-up", "500ms", "--duration", "1500ms"];
    report(&[&["echo", url], &plan[..], &["--patience", "2s"], more].concat())
}

fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/")
}

/// Sent, expected, received; lost, duplicated, reordered, damaged.
fn counts(report: &Report) -> ([u64; 3], [u64; 4]) {
    let messages: &Messages = report.messages.as_ref().unwrap();
    let Messages { sent, expected, received, lost, duplicated, reordered, damaged, .. } = *messages;
    ([sent, expected, received], [lost, duplicated, reordered, damaged])
}

/// What the report warns of, but for a client that was late: that is the machine's affair.
fn warnings(report: &Report) -> Vec<&str> {
    let is_late =
        |text: &&str| text.starts_with("A thread of the client") || text.starts_with("The client sent");
    report.warnings.iter().map(String::as_str).filter(|text| !is_late(text)).collect()
}

#[test]
fn a_room_of_throng_is_loaded_without_any_setting_in_every_format() {
    let server = Server::start(&["--rate", "0"]);
    for path in ["chat", "chat/tea?format=raw", "chat/milk?format=lines", "chat/rum?format=html", ""] {
        let report = broadcast(&format!("ws://127.0.0.1:{}/{path}", server.address().port()), &[]);
        assert_eq!(counts(&report), ([400, 8_000, 8_000], [0; 4]), "{path}");
        assert_eq!(report.connections.opened, 20);
        assert_eq!(report.connections.open_at_end, 20);
        assert_eq!(warnings(&report), [""; 0], "{path}");
        let (latency, raw) = (report.latency.unwrap(), report.latency_raw.unwrap());
        assert_eq!((latency.count, raw.count), (6_000, 6_000), "what was due while it was measured");
        assert!(raw.p50 <= latency.p50 && latency.p50 <= latency.p99 && latency.p99 <= latency.max);
    }
}

#[test]
fn clients_of_several_threads_are_one_crowd() {
    let server = Server::start(&["--rate", "0"]);
    let url = format!("ws://127.0.0.1:{}/chat?format=raw", server.address().port());
    let report = broadcast(&url, &["--threads", "3", "--senders", "7", "--deflate", "--size", "300"]);
    assert_eq!(counts(&report), ([400, 8_000, 8_000], [0; 4]));
}

#[test]
fn several_rooms_are_told_apart_by_path_by_hello_or_by_message() {
    let server = Server::start(&["--rate", "0"]);
    let at = |path: &str| format!("ws://127.0.0.1:{}{path}", server.address().port());
    let hello = r#"{"type":"join","room":"r{room}"}"#;
    let message = r#"{"type":"say","room":"r{room}","text":"{id}"}"#;
    for (path, more) in [
        ("/chat/{room}", &["--senders", "2", "--threads", "3"][..]),
        ("/", &["--for", "throng"]),
        ("/?format=json", &["--hello", hello, "--message", message]),
    ] {
        let report = broadcast(&at(path), &[more, &["--rooms", "5"]].concat());
        assert_eq!(counts(&report), ([400, 1_600, 1_600], [0; 4]), "{path}");
        assert_eq!(warnings(&report), [""; 0], "{path}");
    }
}

#[test]
fn what_comes_from_another_room_is_no_delivery() {
    let server = Server::start(&["--rate", "0"]);
    let url = format!("ws://127.0.0.1:{}/chat?format=raw", server.address().port());
    let report = broadcast(&url, &["--rooms", "4", "--message", "{id} in {room}"]);
    assert_eq!(counts(&report), ([400, 2_000, 2_000], [0; 4]));
    assert_eq!(warnings(&report), ["6000 deliveries came to members of another room."]);
    assert_eq!(report.messages.unwrap().strayed, 6_000);
}

#[test]
fn several_servers_are_loaded_at_a_time() {
    let servers = [Server::start(&["--rate", "0"]), Server::start(&["--rate", "0"])];
    let urls = servers
        .each_ref()
        .map(|server| format!("ws://127.0.0.1:{}/chat/{{room}}?format=raw", server.address().port()));
    let report = broadcast(&urls[0], &[&urls[1], "--rooms", "2"]);
    assert_eq!(counts(&report), ([400, 4_000, 4_000], [0; 4]));
    assert_eq!(report.url, urls.join(", "));
}

#[test]
fn an_echo_is_checked_in_closed_and_open_loop() {
    let server = Server::start(&[]);
    let url = format!("ws://127.0.0.1:{}/echo", server.address().port());
    for more in [&["--depth", "1"][..], &["--depth", "16", "--binary", "--size", "5000"]] {
        let plan = ["--connections", "5", "--warm-up", "100ms", "--duration", "1s", "--deflate"];
        let report = report(&[&["echo", &url], &plan[..], more].concat());
        let ([sent, expected, received], faults) = counts(&report);
        assert!(sent > 5 && sent == expected && sent == received, "{sent} {expected} {received}");
        assert_eq!(faults, [0; 4]);
        assert!(report.latency.is_none(), "a closed loop has no plan");
        assert!(report.latency_raw.is_some());
    }
    let report = echo(&url, &["--message", r#"{"id":"{id}","from":{client},"noise":"{random:50}"}"#]);
    assert_eq!(counts(&report), ([400, 400, 400], [0; 4]));
    assert_eq!(report.latency.unwrap().count, 300);
}

#[test]
fn a_report_names_header_fields_and_keeps_what_they_and_the_hello_hold_to_itself() {
    let server = Server::start(&[]);
    let url = format!("ws://127.0.0.1:{}/echo", server.address().port());
    let headers = ["--header", "Authorization: Bearer hush", "--header", "X-Seat: 7:hush"];
    let hello = ["--hello", r#"{"token":"hush"}"#];
    let report = report(&[&["connect", &url, "-c", "1", "-d", "100ms"], &headers[..], &hello].concat());
    assert_eq!(report.settings["header"], "Authorization, X-Seat");
    assert_eq!(report.settings["hello"], "…");
    assert!(!serde_json::to_string(&report).unwrap().contains("hush"));
}

#[test]
fn connections_are_opened_held_and_counted() {
    let server = Server::start(&["--max-connections", "30"]);
    let url = format!("ws://127.0.0.1:{}/chat", server.address().port());
    let report = report(&[
        "connect",
        &url,
        "-c",
        "50",
        "--ramp",
        "200",
        "-d",
        "300ms",
        "--server-pid",
        &server.pid().to_string(),
    ]);
    let connections = &report.connections;
    assert_eq!((connections.wanted, connections.opened, connections.open_at_end), (50, 30, 30));
    assert_eq!(connections.failed["the handshake was answered with status 503"], 20);
    assert_eq!(connections.handshake.as_ref().unwrap().count, 30);
    assert!(connections.per_second <= 200.0, "{}", connections.per_second);
    assert_eq!(warnings(&report), ["20 of 50 connections did not open."]);
    assert!(report.server.unwrap().memory_peak > 0);
}

#[test]
fn what_a_server_leaves_out_doubles_reorders_or_damages_is_counted() {
    for (fault, expected) in [
        (Fault::None, ([400, 8_000, 8_000], [0, 0, 0, 0])),
        (Fault::Drops, ([400, 8_000, 7_920], [80, 0, 0, 0])),
        (Fault::Doubles, ([400, 8_000, 8_000], [0, 80, 0, 0])),
        (Fault::Reorders, ([400, 8_000, 8_000], [0, 0, 80, 0])),
        (Fault::LeavesOutSpeaker, ([400, 7_600, 7_600], [0, 0, 0, 0])),
    ] {
        let report = broadcast(&url(faulty::start(Kind::Room, fault)), &["--senders", "1"]);
        assert_eq!(counts(&report), expected, "{fault:?}");
    }
    for (fault, expected) in [
        (Fault::Drops, ([400, 400, 396], [4, 0, 0, 0])),
        (Fault::Doubles, ([400, 400, 400], [0, 4, 0, 0])),
        (Fault::Reorders, ([400, 400, 400], [0, 0, 4, 0])),
        (Fault::Damages, ([400, 400, 400], [0, 0, 0, 4])),
    ] {
        let report = echo(&url(faulty::start(Kind::Echo, fault)), &["--depth", "1000"]);
        assert_eq!(counts(&report), expected, "{fault:?}");
    }
}

#[test]
fn a_server_that_always_says_something_is_not_waited_for() {
    let report = echo(&url(faulty::start(Kind::Echo, Fault::Chatters)), &["--depth", "1000"]);
    assert_eq!(counts(&report), ([400, 400, 396], [4, 0, 0, 0]));
}

#[test]
fn an_answer_that_is_late_is_late_by_so_much() {
    let late = Duration::from_millis(200);
    let port = faulty::start(Kind::Echo, Fault::Late(late));
    let report = report(&["echo", &url(port), "-c", "3", "--warm-up", "0", "-d", "500ms"]);
    assert!(report.latency_raw.unwrap().min >= 200_000.0);
}

#[test]
fn a_stall_shows_in_what_was_due_and_hardly_in_what_was_sent() {
    let port = faulty::start(Kind::Echo, Fault::Stalls(Duration::from_secs(1)));
    let report = report(&["echo", &url(port), "-c", "1", "--rate", "200", "--warm-up", "0", "-d", "2s"]);
    assert_eq!(counts(&report), ([400, 400, 400], [0; 4]));
    let (latency, raw) = (report.latency.unwrap(), report.latency_raw.unwrap());
    assert!(raw.max >= 1_000_000.0, "the one that waited: {}", raw.max);
    assert!(latency.p90 >= 500_000.0, "200 were due in that second: {}", latency.p90);
    assert!(raw.p90 < latency.p90 / 2.0, "only one was on the way: {} {}", raw.p90, latency.p90);
}

#[test]
fn connections_that_end_during_the_run_are_told_by_cause() {
    let report = broadcast(&url(faulty::start(Kind::Room, Fault::Closes)), &[]);
    assert_eq!(report.connections.lost["closed by the server with 1001"], 20);
    assert_eq!((report.connections.opened, report.connections.open_at_end), (20, 0));
}

#[test]
fn a_server_that_cannot_be_reached_is_told_in_one_line_and_status_3() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (port, why) in [
        (faulty::start(Kind::Echo, Fault::Refuses), "the handshake was answered with status 503"),
        (faulty::start(Kind::Echo, Fault::Silent), "no answer to the handshake in time"),
        (free, "connection refused"),
    ] {
        let output = bench(&["echo", &url(port), "-c", "3", "--timeout", "500ms", "--quiet"]);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert_eq!(stderr(&output), format!("throng bench: cannot connect to {}: {why}\n", url(port)));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn wrong_usage_is_status_2_and_says_what_to_write() {
    for (arguments, hint) in [
        (&["echo"][..], "URL"),
        (&["echo", "http:"], "ws://"),
        (&["echo", "ws://127.0.0.1:1/", "--rate", "0"], "how many a second"),
        (&["echo", "ws://127.0.0.1:1/", "--message", "hello"], "{id}"),
        (&["echo", "ws://127.0.0.1:1/", "--header", "no field"], "NAME: VALUE"),
        (&["connect", "ws://127.0.0.1:1/", "-c", "999999999"], "file limit"),
        (&["broadcast", "ws://127.0.0.1:1/", "--rooms", "2"], "{room}"),
        (&["broadcast", "ws://127.0.0.1:1/{room}", "-c", "5", "--rooms", "6"], "--connections"),
        (&["connect", "ws://127.0.0.1:1/", "--hello", "{id}"], "no {id}"),
        (&["connect", "ws://127.0.0.1:1/", "--for", "mqtt"], "socket.io"),
    ] {
        let output = bench(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(hint), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn members_that_do_not_read_are_told_apart_from_those_that_do() {
    let server = Server::start(&["--rate", "0", "--max-queue", "100KiB", "--close-timeout", "200ms"]);
    let url = format!("ws://127.0.0.1:{}/chat?format=raw", server.address().port());
    let plan = [
        "-c",
        "20",
        "--stalled",
        "5",
        "--rate",
        "200",
        "--warm-up",
        "500ms",
        "-d",
        "1500ms",
        "--size",
        "60000",
    ];
    let report = report(&[&["slow", &url], &plan[..]].concat());
    assert_eq!(counts(&report), ([400, 8_000, 8_000], [0; 4]), "to those that read");
    assert_eq!(report.connections.opened, 25);
    assert_eq!(report.connections.lost.values().sum::<u64>(), 5, "{:?}", report.connections);
    assert_eq!(report.connections.open_at_end, 20);
}

#[test]
fn members_come_and_go_while_others_miss_nothing() {
    let server = Server::start(&["--rate", "0"]);
    let url = format!("ws://127.0.0.1:{}/chat", server.address().port());
    let plan = [
        "-c",
        "20",
        "--restless",
        "10",
        "--churn",
        "100",
        "--rate",
        "200",
        "--warm-up",
        "500ms",
        "-d",
        "1500ms",
    ];
    let report = report(&[&["churn", &url], &plan[..]].concat());
    assert_eq!(counts(&report), ([400, 8_000, 8_000], [0; 4]));
    assert_eq!(report.connections.wanted, 30 + 200);
    assert_eq!(report.connections.opened, 30 + 200);
    assert!(report.connections.failed.is_empty() && report.connections.lost.is_empty());
}

#[test]
fn all_that_a_storm_cuts_off_come_back_and_are_served() {
    let server = Server::start(&["--rate", "0"]);
    let url = format!("ws://127.0.0.1:{}/chat", server.address().port());
    for jitter in ["0", "300ms"] {
        let plan = ["-c", "100", "--rate", "200", "--warm-up", "300ms", "-d", "2s", "--jitter", jitter];
        let report = report(&[&["storm", &url], &plan[..]].concat());
        let recovery = report.recovery.unwrap();
        assert_eq!((recovery.members, recovery.back, recovery.served), (100, 100, 100));
        let (back, served) = (recovery.until_back.unwrap(), recovery.until_served.unwrap());
        assert!(back.max <= served.max && served.count == 100);
        assert_eq!(report.connections.open_at_end, 100);
        let messages = report.messages.unwrap();
        assert_eq!((messages.duplicated, messages.reordered, messages.damaged), (0, 0, 0));
    }
}
