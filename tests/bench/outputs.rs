//! All outputs agree, and a failure to write one does not affect the others.

use super::SERVER_PROCESS;
use super::misbehaving::content::{self, Acknowledged};
use super::misbehaving::process::{Fate, Process};
use super::misbehaving::wire::Frame;
use super::misbehaving::{Act, Incoming, Kind, Script, Server, speech};
use super::run::{Run, bench, command, run, scratch, valid_bench};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

/// One and a half seconds of 40 messages per second, a third of it warm-up.
const PLAN: [&str; 10] = ["-c", "5", "--senders", "1", "--rate", "40", "--warmup", "500ms", "-d", "1s"];

fn broadcast(server: &Server, more: &[&str]) -> Run {
    run(&[&["broadcast", &server.url()], &PLAN[..], more].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Parses the rows of a CSV: for each field, its name in JSON and its value. The units in the header are
/// removed.
fn parse_csv(text: &str) -> Vec<Vec<(&str, &str)>> {
    let mut lines = text.split_terminator("\r\n").map(|line| line.split(',').collect::<Vec<_>>());
    let names: Vec<&str> = { lines.next().unwrap().into_iter() }
        .map(|name| match name {
            "to_s" => "at",
            _ => name.trim_end_matches("_us").trim_end_matches("_s"),
        })
        .collect();
    let rows = lines.map(|values| {
        assert_eq!(values.len(), names.len(), "{text}");
        names.iter().copied().zip(values).collect()
    });
    rows.collect()
}

#[test]
fn csv_has_the_rows_of_the_report() {
    let file = scratch("rows.csv");
    let run = broadcast(&content::correct(Kind::Room), &["--csv", text(&file)]);
    let csv = fs::read_to_string(&file).unwrap();
    let (rows, expected) = (parse_csv(&csv), run.at("rows").as_array().unwrap());
    assert_eq!(rows.len(), expected.len(), "{csv}");
    for (row, expected) in rows.iter().zip(expected) {
        assert_eq!(row.len(), expected.as_object().unwrap().len(), "{csv}");
        for (name, value) in row {
            match &expected[*name] {
                Value::Null => assert_eq!(*value, "", "{name}: {csv}"),
                Value::String(text) => assert_eq!(value, text, "{name}: {csv}"),
                number => assert_eq!(value.parse::<f64>().ok(), number.as_f64(), "{name}: {csv}"),
            }
        }
    }
}

#[test]
fn rows_have_no_gaps_and_agree_with_the_totals() {
    let server = content::correct(Kind::Room);
    let mut seen = String::new();
    // On a busy machine a message may be sent after its phase has ended.
    let is_right = (0..5).any(|_| {
        let run = broadcast(&server, &[]);
        let rows = run.at("rows").as_array().unwrap();
        let sum = |field: &str, of: &[&str]| -> u64 {
            let rows = rows.iter().filter(|row| of.contains(&row["phase"].as_str().unwrap()));
            rows.map(|row| row[field].as_u64().unwrap()).sum()
        };
        let phases = ["connecting", "settling", "warmup", "measuring", "draining"];
        let places: Vec<usize> = { rows.iter() }
            .map(|row| phases.iter().position(|phase| row["phase"] == *phase).expect("a known phase"))
            .collect();
        assert!(places.is_sorted(), "{run} {rows:?}");
        for pair in rows.windows(2) {
            assert_eq!(pair[0]["at"], pair[1]["from"], "{rows:?}");
        }
        for row in rows {
            assert!(row["from"].as_f64() <= row["at"].as_f64(), "{row}");
            let is_over = row["max"].as_f64() > run.at("latency.max").as_f64();
            assert!(row["phase"] != "measuring" || !is_over, "{row} {run}");
        }
        for (name, field) in [("sent", "sent"), ("received", "received")] {
            assert_eq!(sum(field, &phases), run.message_count(name), "{run} {rows:?}");
        }
        assert_eq!(sum("sent", &["connecting", "settling"]), 0, "{rows:?}");
        seen += &format!("{} {}; ", sum("sent", &["warmup"]), sum("sent", &["measuring"]));
        sum("sent", &["warmup"]) == 20 && sum("sent", &["measuring"]) == 40
    });
    assert!(
        is_right,
        "20 messages in the warm-up and 40 measured ones were due, but these were sent: {seen}"
    );
}

#[test]
fn an_hdr_log_has_both_distributions_of_the_report() {
    let file = scratch("latency.hdr");
    let run = broadcast(&content::correct(Kind::Room), &["--hdr", text(&file)]);
    let log = fs::read(&file).unwrap();
    let mut tags = Vec::new();
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.unwrap() else { continue };
        let tag = interval.tag().unwrap().as_str().to_owned();
        let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        assert_eq!(histogram.len(), run.count(&format!("{tag}.count")), "{run}");
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            let (micros, reported) =
                (histogram.value_at_quantile(quantile) as f64 / 1e3, run.number(&format!("{tag}.{name}")));
            assert!((micros - reported).abs() <= reported / 100.0, "{tag} {name}: {micros} {reported}");
        }
        tags.push(tag);
    }
    tags.sort();
    assert_eq!(tags, ["latency", "service_time"]);
}

#[test]
fn one_output_may_use_standard_output_exclusively() {
    let server = content::correct(Kind::Room);
    let url = server.url();
    let arguments = [&["broadcast", &url], &PLAN[..]].concat();
    let run = bench(&[&arguments[..], &["--json", "-"]].concat());
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run}"));
    assert_eq!(report["messages"]["sent"], 60, "{run}");
    assert!(run.stderr.contains("received"), "the table is printed to standard error: {run}");
    for (flag, begins) in [("--csv", "from_s,to_s,phase"), ("--hdr", "#"), ("--html", "<!doctype html>")] {
        let run = valid_bench(&[&arguments[..], &[flag, "-", "--quiet"]].concat());
        assert!(run.stdout.to_lowercase().starts_with(begins), "{run}");
        assert_eq!(run.stderr, "", "{run}");
    }
    let run = bench(&[&arguments[..], &["--json", "-", "--csv", "-"]].concat());
    assert_eq!(run.status, Some(2), "{run}");
}

/// Text that would control a terminal or run a script in a page.
const HOSTILE: &str = "\u{1b}[31m<script>alert('x')</script>\u{7}&\"<img src=x onerror=alert(1)>";

/// Starts a server that sends hostile text with each message, and closes its last member with a hostile
/// reason.
fn hostile() -> Server {
    let act = |said: Incoming| {
        let mut acts = vec![Act::Reply(Frame::text(HOSTILE))];
        if said.of_all == 30 {
            acts.push(Act::CloseMember(said.from + 4, 4001, HOSTILE));
        }
        [said.deliver(), acts].concat()
    };
    Script::new(Kind::Room).on_message(act).start()
}

#[test]
fn hostile_text_of_a_server_is_shown_as_text() {
    let (page, order) = (scratch("report.html"), ["--connect-concurrency", "1", "--threads", "1"]);
    let server = hostile();
    let run = broadcast(&server, &[&order[..], &["--html", text(&page)]].concat());
    run.assert_cause("connections.lost", &["4001", "script"], 1);
    assert!(run.others()[0].0.contains("alert"), "{run}");
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }
    assert_self_contained(&fs::read_to_string(&page).unwrap());
}

/// Asserts that a page loads nothing, runs nothing, and shows the hostile text as text.
#[track_caller]
fn assert_self_contained(page: &str) {
    let lower = page.to_lowercase();
    for part in
        ["<script", "<img", "onerror=alert(1)>", "@import", "src=\"http", "url(http", "<link", "<iframe"]
    {
        assert!(!lower.contains(part), "{part} is in the page");
    }
    assert!(lower.contains("&lt;script"), "the reason is shown");
    assert!(!page.contains('\u{1b}'));
}

#[test]
fn two_reports_are_compared_with_their_differences() {
    let files = ["one.json", "other.json"].map(scratch);
    let servers = [content::correct(Kind::Room), speech::hangs_after(Kind::Room, 20)];
    for (server, file) in servers.iter().zip(&files) {
        let plan = [&PLAN[..], &["--json", text(file), "--quiet"]].concat();
        bench(&[&["broadcast", &server.url()], &plan[..]].concat());
    }
    let page = scratch("comparison.html");
    let [one, other] = files.each_ref().map(|file| text(file));
    let compared = bench(&["compare", one, other, "--html", text(&page)]);
    assert_eq!(compared.status, Some(0), "{compared}");
    let shown = compared.stdout.to_lowercase();
    assert!(shown.contains("url"), "the runs were made with different servers: {compared}");
    assert!(shown.contains('≥'), "the second has only lower bounds: {compared}");
    assert!(fs::read_to_string(&page).unwrap().contains('≥'));

    let alone = bench(&["compare", one, "/nonexistent/report.json"]);
    assert!(alone.status != Some(0) && alone.stderr.contains("/nonexistent/report.json"), "{alone}");
}

#[test]
fn reports_of_the_same_server_do_not_differ_in_settings() {
    let server = content::correct(Kind::Room);
    let files = ["one.json", "other.json"].map(scratch);
    for file in &files {
        bench(&[&["broadcast", &server.url()], &PLAN[..], &["--json", text(file), "--quiet"]].concat());
    }
    let compared = bench(&["compare", text(&files[0]), text(&files[1])]);
    assert_eq!(compared.status, Some(0), "{compared}");
    assert!(!compared.stdout.contains("differ: url"), "{compared}");
}

#[test]
fn a_file_that_cannot_be_opened_is_reported_before_the_run() {
    for flag in ["--json", "--csv", "--hdr", "--html"] {
        let server = content::correct(Kind::Room);
        let run = bench(&[&["broadcast", &server.url()], &PLAN[..], &[flag, "/nonexistent/file"]].concat());
        assert_eq!(run.status, Some(5), "{run}");
        assert!(run.stderr.contains("/nonexistent/file"), "{run}");
        assert_eq!(server.seen().opened, 0, "no connection was made");
    }
}

#[test]
fn a_file_that_cannot_be_written_does_not_affect_others() {
    let server = content::correct(Kind::Room);
    let (csv, json) = (scratch("rows.csv"), scratch("report.json"));
    for full in ["--html", "--hdr"] {
        let files = [full, "/dev/full", "--csv", text(&csv), "--json", text(&json), "--expect", "loss=0"];
        let run = valid_bench(&[&["broadcast", &server.url()], &PLAN[..], &files].concat());
        assert_eq!(run.status, Some(5), "{run}");
        assert!(run.stderr.contains("/dev/full") && run.stdout.contains("received"), "{run}");
        assert!(parse_csv(&fs::read_to_string(&csv).unwrap()).len() > 1);
        let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
        assert_eq!(report["messages"]["sent"], 60);
    }
}

/// Asserts that a run whose output is lost ends normally and has written its report.
#[track_caller]
fn assert_ends_normally(mut command: Command, report: &Path) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(matches!(output.status.code(), Some(0 | 4 | 5)), "{:?}: {stderr}", output.status);
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["messages"]["sent"], 60);
}

#[test]
fn full_or_closed_standard_output_and_error_do_not_crash_a_run() {
    let server = content::correct(Kind::Room);
    let url = server.url();
    let arguments = [&["broadcast", &url], &PLAN[..]].concat();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    for (stdout, stderr) in [
        (full(), Stdio::piped()),
        (Stdio::piped(), full()),
        (full(), full()),
        (gone(), Stdio::piped()),
        (Stdio::piped(), gone()),
        (gone(), gone()),
    ] {
        let report = scratch("report.json");
        let mut command = command(&arguments);
        command.arg("--json").arg(&report).stdout(stdout).stderr(stderr);
        assert_ends_normally(command, &report);
    }
    for closed in [">&-", "2>&-", ">&- 2>&-"] {
        let report = scratch("report.json");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec \"$0\" bench \"$@\" {closed}"), env!("CARGO_BIN_EXE_throng")]);
        command.args(&arguments).arg("--json").arg(&report);
        assert_ends_normally(command, &report);
    }
}

#[test]
fn a_report_that_cannot_be_written_to_standard_output_is_status_5() {
    let server = content::correct(Kind::Room);
    for flag in ["--json", "--csv", "--hdr", "--html"] {
        // On a busy machine the run may not be valid, which has a status of its own.
        let more = ["--allow-invalid", flag, "-"];
        let mut command = command(&[&["broadcast", &server.url()], &PLAN[..], &more].concat());
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_search_writes_its_report_if_standard_error_is_full() {
    let server = speech::never_answers(Kind::Echo);
    let report = scratch("report.json");
    let plan = ["-c", "2", "--find-max", "-d", "300ms", "--warmup", "0", "--drain-timeout", "1s"];
    let mut command = command(&[&["echo", &server.url()], &plan[..]].concat());
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command.arg("--json").arg(&report).stderr(full).output().unwrap();
    assert_ne!(output.status.code(), Some(101));
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert!(report["search"]["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{report}");
}

#[test]
fn secrets_are_in_no_output() {
    let server = content::acknowledges(Acknowledged::Last);
    let url = format!("{}tea?token=hush", server.url());
    let [json, csv, html] = ["report.json", "rows.csv", "report.html"].map(scratch);
    let secrets = [
        "-H",
        "Authorization: Bearer hush",
        "-H",
        "X-Seat: 7:hush",
        "--on-open",
        r#"{"token":"hush"}"#,
        "--subprotocol",
        "bearer.hush",
        "--message",
        r#"{"key":"hush","text":"{id}"}"#,
    ];
    let files = ["--json", text(&json), "--csv", text(&csv), "--html", text(&html)];
    let run = bench(&[&["broadcast", &url], &PLAN[..], &secrets, &files].concat());
    let [json, csv, html] = [json, csv, html].map(|file| fs::read_to_string(file).unwrap());
    let report: Value = serde_json::from_str(&json).unwrap();
    assert!(report["command"].as_str().unwrap().contains('…'), "{report}");
    // Messages of the server are shown, since users need to see them. Here they contain the client's own
    // text.
    let mut report = report;
    report["messages"]["other"] = Value::Null;
    for (name, text) in [("JSON", &report.to_string()), ("CSV", &csv)] {
        assert!(!text.contains("hush"), "{name}: {text}");
    }
    for (name, text) in [("HTML", &html), ("table", &run.stdout)] {
        for secret in ["token=hush", "Bearer hush", "7:hush", "bearer.hush"] {
            assert!(!text.contains(secret), "{name}: {text}");
        }
    }
}

#[test]
fn a_report_is_written_if_the_server_ends() {
    let mut server = Process::start(SERVER_PROCESS, Kind::Echo, Fate::DiesAfter(50));
    let plan = ["-c", "2", "--rate", "200", "-n", "200", "--warmup", "0", "--drain-timeout", "2s"];
    let run = run(&[&["echo", server.url()], &plan[..], &["--server-pid", &server.pid()]].concat());
    server.wait();
    let [planned, received] = ["planned", "received"].map(|name| run.message_count(name));
    assert_eq!((planned, received), (200, 50), "{run}");
    assert_eq!(run.sum("connections.lost"), 2, "{run}");
    assert!(!run.list("warnings").is_empty(), "{run}");
    assert_eq!(run.status, Some(4), "{run}");
}

#[test]
fn an_unknown_pid_affects_only_the_figures_of_the_server() {
    // Above the largest process id on Linux (2^22).
    let run = broadcast(&content::correct(Kind::Room), &["--server-pid", "4999999"]);
    assert_eq!(run.message_count("sent"), 60);
    run.assert_says("warnings", &["4999999"]);
}
