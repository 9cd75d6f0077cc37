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

/// Returns the line of a figure.
fn line<'a>(table: &'a str, label: &str) -> &'a str {
    table.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("{label} in\n{table}"))
}

#[test]
fn changes_are_relative_to_the_first_run_and_marked_better_or_worse() {
    let mut worse = faster();
    let messages = worse.messages.as_mut().expect("it has messages");
    (messages.received_per_second, messages.duplicated) = (500_000.0, 7);
    let text = table(&named([sample::broadcast(), worse]), WIDE);
    assert!(line(&text, "latency p99 ").ends_with("-50 % better"), "{text}");
    assert!(line(&text, "deliveries per second").ends_with("-50.0 % worse"), "{text}");
    assert!(line(&text, "duplicated").ends_with(" worse"), "{text}");
    assert!(!text.contains("damaged"), "neither run has any");
    assert!(line(&text, "sent").ends_with("0 %"), "{text}");
}

#[test]
fn changes_within_noise_are_not_marked() {
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
fn more_connections_are_better_only_if_the_same_number_was_planned() {
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
fn a_lower_bound_is_compared_without_a_percentage() {
    let text = table(&named([faster(), sample::dead_server()]), WIDE);
    let line = line(&text, "latency p99 ");
    assert!(line.contains("≥ 4 ms") && line.ends_with("worse") && !line.contains('%'), "{line}");
    let figure = Figure::named("p99").expect("it is a percentile");
    let bound = Value::AtLeast(1_000.0, String::new());
    assert_eq!(
        Change::of(&figure, &Value::Exact(2_000.0), &bound),
        Change::none(),
        "the true value may be larger"
    );
    assert_eq!(Change::of(&figure, &bound, &Value::Exact(500.0)).mark, Mark::Better);
}

#[test]
fn figures_that_some_runs_lack_are_marked_absent_and_those_that_all_lack_are_omitted() {
    let text = table(&named([sample::broadcast(), sample::connect()]), WIDE);
    assert!(line(&text, "latency p50").trim_end().ends_with('–'), "{text}");
    assert!(!text.contains("back online"));
    assert!(line(&text, "server CPU per delivery").trim_end().ends_with('–'));
}

#[test]
fn differences_of_scenario_server_settings_version_and_machine_are_caveats() {
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
fn comparing_a_broadcast_with_and_without_slow_readers_gives_no_caveat() {
    let mut slow = sample::broadcast();
    slow.scenario = "slow-readers".to_owned();
    slow.settings.insert("stalled-readers".to_owned(), "100".to_owned());
    slow.settings.insert("read-rate".to_owned(), "0".to_owned());
    let reports = named([sample::broadcast(), slow]);
    assert_eq!(caveats(&reports), Vec::<String>::new());
    assert!(table(&reports, WIDE).starts_with("A broadcast with and without slow readers"));
}

#[test]
fn invalid_and_incomplete_runs_are_caveats() {
    let interrupted = Report { interrupted: Some("SIGINT".to_owned()), ..sample::broadcast() };
    let text = table(&named([sample::invalid(), interrupted]), WIDE);
    assert!(text.starts_with("! a: This run is not valid"), "{text}");
    assert!(text.contains("\n! b: SIGINT ended this run early.\n"), "{text}");
}

#[test]
fn comparing_latency_with_service_time_is_a_caveat() {
    let closed = Report { latency: None, ..sample::broadcast() };
    assert!(mixed_plans(&named([sample::broadcast(), closed.clone()])).is_some());
    assert_eq!(mixed_plans(&named([closed.clone(), closed.clone(), sample::connect()])), None);
    let text = table(&named([closed.clone(), closed]), WIDE);
    assert!(text.contains("service time p99") && !text.contains("latency"), "{text}");
}

#[test]
fn lines_fit_the_terminal_and_every_run_is_shown() {
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
fn control_characters_in_reports_are_replaced() {
    let text =
        table(&[("\u{1b}[2J".to_owned(), sample::hostile()), ("b".to_owned(), sample::hostile())], WIDE);
    assert!(text.contains("alert(1)") && !text.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
}

#[test]
fn one_report_or_none_can_be_compared() {
    assert_eq!(table(&[], WIDE), "");
    assert!(table(&named([sample::broadcast()]), WIDE).contains("broadcast"));
}
