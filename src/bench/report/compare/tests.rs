use super::super::sample;
use super::*;

const WIDE: Terminal = Terminal { width: 80, height: None, colour: false };

fn named(reports: impl IntoIterator<Item = Report>) -> Vec<(String, Report)> {
    ('a'..).map(String::from).zip(reports).collect()
}

fn faster() -> Report {
    let mut report = sample::broadcast();
    if let Some(latency) = &mut report.latency {
        (latency.p99, latency.p999, latency.curve) = (2_000.0, 8_000.0, Vec::new());
    }
    report
}

/// The line of a figure.
fn line<'a>(table: &'a str, label: &str) -> &'a str {
    table.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("{label} in\n{table}"))
}

#[test]
fn a_change_is_told_against_the_first_and_called_better_or_worse_by_its_figure() {
    let mut worse = faster();
    let messages = worse.messages.as_mut().expect("it has messages");
    (messages.received_per_second, messages.duplicated) = (500_000.0, 7);
    let text = table(&named([sample::broadcast(), worse]), WIDE);
    assert!(line(&text, "latency p99 ").ends_with("-50 % better"), "{text}");
    assert!(line(&text, "deliveries per second").ends_with("-50.0 % worse"), "{text}");
    assert!(line(&text, "duplicated").ends_with(" worse"), "{text}");
    assert!(!text.contains("damaged"), "there are none in either");
    assert!(line(&text, "sent").ends_with("0 %"), "{text}");
}

#[test]
fn a_change_within_noise_is_not_called_anything() {
    let figure = Figure::named("p99").expect("it is a percentile");
    let mark = |from: f64, to: f64| Change::of(&figure, &Value::Exact(from), &Value::Exact(to)).mark;
    assert_eq!(mark(1_000.0, 1_029.0), Mark::Neutral);
    assert_eq!(mark(1_000.0, 1_031.0), Mark::Worse);
    assert_eq!(mark(1_000.0, 969.0), Mark::Better);
    assert_eq!(mark(10.0, 14.0), Mark::Neutral, "4 µs");
    let neutral = Figure::named("sent").expect("it is in the list");
    assert_eq!(Change::of(&neutral, &Value::Exact(1.0), &Value::Exact(9.0)).mark, Mark::Neutral);
}

#[test]
fn more_connections_are_better_only_where_as_many_were_planned() {
    let mut more = sample::broadcast();
    (more.connections.planned, more.connections.opened) = (20_000, 19_997);
    let text = table(&named([sample::broadcast(), more.clone()]), WIDE);
    let opened = line(&text, "connections opened ");
    assert!(opened.contains("+100 %") && !opened.contains("better"), "{opened}");
    more.connections.planned = 10_000;
    let text = table(&named([sample::broadcast(), more]), WIDE);
    assert!(line(&text, "connections opened ").ends_with("better"), "{text}");
}

#[test]
fn a_lower_bound_is_worse_than_a_lower_value_and_has_no_percentage() {
    let text = table(&named([faster(), sample::dead_server()]), WIDE);
    let line = line(&text, "latency p99 ");
    assert!(line.contains("≥ 4 ms") && line.ends_with("worse") && !line.contains('%'), "{line}");
    let figure = Figure::named("p99").expect("it is a percentile");
    let bound = Value::AtLeast(1_000.0, String::new());
    assert_eq!(Change::of(&figure, &Value::Exact(2_000.0), &bound), Change::none(), "it may be more");
    assert_eq!(Change::of(&figure, &bound, &Value::Exact(500.0)).mark, Mark::Better);
}

#[test]
fn what_only_some_runs_have_is_absent_in_the_others_and_what_none_has_is_left_out() {
    let text = table(&named([sample::broadcast(), sample::connect()]), WIDE);
    assert!(line(&text, "latency p50").trim_end().ends_with('–'), "{text}");
    assert!(!text.contains("came back"));
    assert!(line(&text, "server CPU per delivery").trim_end().ends_with('–'));
}

#[test]
fn other_scenarios_servers_settings_versions_and_machines_are_told() {
    let mut other = sample::broadcast();
    other.scenario = "echo".to_owned();
    other.url = "ws://other".to_owned();
    other.throng = "0.2.0".to_owned();
    other.machine.cores = 2;
    other.settings.insert("rate".to_owned(), "200".to_owned());
    let caveats = caveats(&named([sample::broadcast(), other]));
    assert_eq!(
        caveats,
        [
            "The scenarios differ: scenario (broadcast; echo). Their figures do not measure the same thing.",
            "The servers differ: URL (ws://127.0.0.1:8080/chat; ws://other).",
            "The settings differ: rate (100; 200).",
            "The versions of throng differ: version (0.1.0; 0.2.0).",
            "The client machines differ: cores (8; 2).",
        ]
    );
}

#[test]
fn a_broadcast_beside_one_with_slow_readers_is_no_reason_to_warn() {
    let mut slow = sample::broadcast();
    slow.scenario = "slow-readers".to_owned();
    slow.settings.insert("stalled-readers".to_owned(), "100".to_owned());
    slow.settings.insert("read-rate".to_owned(), "0".to_owned());
    let reports = named([sample::broadcast(), slow]);
    assert_eq!(caveats(&reports), Vec::<String>::new());
    assert!(table(&reports, WIDE).starts_with("A broadcast with and without slow readers"));
}

#[test]
fn runs_that_are_not_valid_or_not_complete_are_told() {
    let interrupted = Report { interrupted: Some("SIGINT".to_owned()), ..sample::broadcast() };
    let text = table(&named([sample::invalid(), interrupted]), WIDE);
    assert!(text.starts_with("! a: This run is not valid"), "{text}");
    assert!(text.contains("\n! b: SIGINT ended this run early.\n"), "{text}");
}

#[test]
fn latency_beside_service_time_is_told() {
    let closed = Report { latency: None, ..sample::broadcast() };
    assert!(mixed_plans(&named([sample::broadcast(), closed.clone()])).is_some());
    assert_eq!(mixed_plans(&named([closed.clone(), closed.clone(), sample::connect()])), None);
    let text = table(&named([closed.clone(), closed]), WIDE);
    assert!(text.contains("service time p99") && !text.contains("latency"), "{text}");
}

#[test]
fn no_line_is_longer_than_the_terminal_is_wide_and_every_run_is_there() {
    let many = ["short", "a/very/long/path/of/a/report/that/somebody/kept.json", "third", "fourth"];
    let reports: Vec<_> = many.iter().map(|name| ((*name).to_owned(), sample::storm())).collect();
    for width in [50, 80] {
        let text = table(&reports, Terminal { width, height: None, colour: false });
        for line in text.lines() {
            assert!(length(line) <= width, "{width}: {line}");
        }
        assert!(text.contains("third") && text.contains("fourth"));
    }
}

#[test]
fn a_terminal_does_not_obey_what_a_file_says() {
    let text =
        table(&[("\u{1b}[2J".to_owned(), sample::hostile()), ("b".to_owned(), sample::hostile())], WIDE);
    assert!(text.contains("alert(1)") && !text.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
}

#[test]
fn one_report_or_none_is_no_reason_to_fail() {
    assert_eq!(table(&[], WIDE), "");
    assert!(table(&named([sample::broadcast()]), WIDE).contains("broadcast"));
}
