//! The exit status tells scripts how a run went.

use super::misbehaving::{Kind, connections, content, speech};
use super::run::{bench, run, valid_run};

const PLAN: [&str; 10] = ["-c", "5", "--senders", "1", "--rate", "100", "-n", "100", "--warmup", "0"];

#[test]
fn a_valid_run_that_meets_its_expectations_exits_with_0() {
    let server = content::correct(Kind::Room);
    let expect =
        ["--expect", "loss=0", "--expect", "p99<60s", "--expect", "failed=0", "--expect", "duplicated=0"];
    let run = valid_run(&[&["broadcast", &server.url()], &PLAN[..], &expect].concat());
    assert_eq!(run.status, Some(0), "{run}");
    for text in ["loss=0", "p99<60s", "failed=0", "duplicated=0"] {
        assert!(run.is_met(text), "{run}");
    }
}

#[test]
fn an_unmet_expectation_exits_with_1_and_is_shown() {
    let server = content::drops_one_of_100(Kind::Room);
    let expect = ["--expect", "loss=0", "--expect", "failed=0", "--drain-timeout", "1s"];
    let run = valid_run(&[&["broadcast", &server.url()], &PLAN[..], &expect].concat());
    assert_eq!(run.status, Some(1), "{run}");
    assert!(!run.is_met("loss=0") && run.is_met("failed=0"), "{run}");
    assert!(run.stderr.contains("loss=0") || run.stdout.contains("loss=0"), "{run}");
}

#[test]
fn an_invalid_run_exits_with_4_whatever_was_expected() {
    let server = connections::closes_each_after(Kind::Room, 5, 1001, "");
    let url = server.url();
    let arguments = [&["broadcast", &url], &PLAN[..], &["--drain-timeout", "1s"]].concat();
    for expect in [&["--expect", "failed=0"][..], &["--expect", "loss=0"]] {
        let run = run(&[&arguments[..], expect].concat());
        assert_eq!(run.status, Some(4), "{run}");
        assert!(run.stdout.contains("INVALID"), "{run}");
    }
    // With --allow-invalid, only the expectations count.
    for (expect, status) in [("failed=0", 0), ("loss=0", 1)] {
        let run = run(&[&arguments[..], &["--allow-invalid", "--expect", expect]].concat());
        assert_eq!(run.status, Some(status), "{run}");
    }
}

#[test]
fn a_run_that_measures_nothing_meets_no_expectation() {
    let server = content::correct(Kind::Room);
    let plan = ["-c", "5", "--senders", "1", "--rate", "0.1", "--warmup", "300ms", "-d", "300ms"];
    let expect = ["--expect", "loss=0", "--expect", "p99<60s"];
    let run = run(&[&["broadcast", &server.url()], &plan[..], &expect].concat());
    assert!(!run.is_met("p99<60s") && !run.is_met("loss=0"), "{run}");
    assert!(matches!(run.status, Some(1 | 4)), "{run}");
}

#[test]
fn an_unreachable_server_exits_with_3_and_one_line() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (url, why) in [
        (connections::refuses_after(Kind::Echo, 0, connections::UNAVAILABLE).url(), "503"),
        (connections::never_answers_a_handshake().url(), "in time"),
        (format!("ws://{free}/"), "refused"),
    ] {
        let run = bench(&["echo", &url, "-c", "3", "--connect-timeout", "500ms", "--quiet"]);
        assert_eq!(run.status, Some(3), "{run}");
        assert_eq!(run.stderr.lines().count(), 1, "{run}");
        assert!(run.stderr.contains(&url) && run.stderr.contains(why), "{run}");
        assert!(run.stdout.is_empty(), "{run}");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_advice() {
    let url = "ws://127.0.0.1:1/";
    let table: &[(&[&str], &str)] = &[
        (&["echo"], "URL"),
        (&["echo", "http:"], "ws://"),
        (&["echo", url, "--rate", "0"], "0.001"),
        (&["echo", url, "--rate", "20M"], "10M"),
        (&["echo", url, "--message", "hello"], "{id}"),
        (&["echo", url, "--size", "31"], "at least 32"),
        (&["echo", url, "--size", "64KB"], "64KiB"),
        (&["echo", url, "-d", "soon"], "10s"),
        (&["echo", url, "-d", "1s", "-n", "10"], "--duration"),
        (&["echo", url, "--header", "no field"], "Authorization: Bearer"),
        (&["echo", url, "-H", "Sec-WebSocket-Protocol: tea"], "use --subprotocol"),
        (&["echo", url, "-H", "sec-websocket-key: tea"], "Sec-WebSocket-Key is part"),
        (&["echo", url, "-H", "upgrade: tea"], "Upgrade is part"),
        (&["echo", url, "-H", "Connection: close"], "is part"),
        (&["echo", url, "--expect", "speed>1"], "p99"),
        (&["echo", url, "--find-max", "p99<1ms"], "--find-max='p99<1ms'"),
        (&["echo", "wss://127.0.0.1:1/", "--cacert", "/nonexistent.pem"], "/nonexistent.pem"),
        (&["connect", url, "--preset", "mqtt"], "socket.io"),
        (&["connect", url, "--on-open", "{id}"], "--message"),
        (&["broadcast", url, "--rooms", "2"], "{room}"),
        (&["broadcast", "ws://127.0.0.1:1/{room}", "-c", "5", "--rooms", "6"], "--connections"),
        (&["broadcst", url], "broadcast"),
    ];
    for (arguments, hint) in table {
        let run = bench(arguments);
        assert_eq!(run.status, Some(2), "{run}");
        assert!(run.stderr.contains(hint), "{hint} is not in: {run}");
    }
}

#[test]
fn usual_notations_are_accepted() {
    let server = content::correct(Kind::Echo);
    for (flags, setting, value) in [
        (&["-n", "1k", "--rate", "10k"][..], "messages.planned", 1_000.0),
        (&["-n", "100", "--rate", "1k", "--size", "1.5KiB"], "messages.planned", 100.0),
        (&["-d", "1", "--rate", "100"], "messages.planned", 100.0),
        (&["-d", "500ms", "--rate", "0.1k"], "messages.planned", 50.0),
    ] {
        let plan = ["-c", "2", "--warm-up", "0", "--drain-timeout", "1m"];
        let run = run(&[&["echo", &server.url()], &plan[..], flags].concat());
        assert_eq!(run.number(setting), value, "{run}");
        assert_eq!(run.message_count("received"), run.message_count("planned"), "{run}");
    }
}

#[test]
fn old_flags_are_rejected() {
    for (scenario, flag) in [
        ("broadcast", "--patience=1s"),
        ("broadcast", "--hello=x"),
        ("broadcast", "--for=raw"),
        ("connect", "--ramp=10"),
        ("connect", "--at-once=10"),
        ("connect", "--timeout=10s"),
        ("churn", "--restless=10"),
        ("slow", "--stalled=10"),
    ] {
        let run = bench(&[scenario, "ws://127.0.0.1:1/", flag]);
        assert_eq!(run.status, Some(2), "{run}");
    }
}

#[test]
fn more_clients_than_the_file_limit_allows_are_rejected_before_the_run() {
    let server = speech::never_answers(Kind::Echo);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 100; exec \"$0\" bench \"$@\"", env!("CARGO_BIN_EXE_throng")]);
    let output = command.args(["connect", &server.url(), "-c", "500", "-t", "1"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("file limit") || stderr.contains("ulimit"), "{stderr}");
    assert_eq!(server.seen().opened, 0);
}
