use super::super::{Latency, Messages, Other, Outcome, sample};
use super::lines::PLAIN;
use super::*;

const WIDE: Terminal = Terminal { width: 80, height: None, colour: false };

fn shown(report: &Report) -> String {
    table(report, WIDE)
}

/// Returns the text with single spaces.
fn squeezed(text: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(words).collect()
}

#[test]
fn the_counts_and_times_of_a_broadcast_are_shown() {
    let text = squeezed(&shown(&sample::broadcast()));
    for expected in [
        "broadcast on ws://127.0.0.1:8080/chat, measured for 30 s\n",
        "\nopened 9,997 of 10,000 planned, 4,321/s, 9,995 open at the end\n",
        "\nfailed 3 2 × connection refused, 1 × timed out\n",
        "\nreceived 29,990,998 of 29,991,000 expected, 999,700/s, 120 MiB/s\n",
        "\nlost 2 <0.01 %\n",
        "\n0 unsent, duplicated, damaged\n",
        "\nlatency 1 ms 1.50 ms 2 ms 3 ms 4 ms 8 ms 10 ms\n",
        "\nCPU per delivery 670 ns 412 ns\n",
        "\nbusiest thread waited for a core 1 % 1 %\n",
        "\nValid. 3 of 10,000 connections failed, 2 connections lost,",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn the_verdict_is_the_last_line_and_follows_unmet_expectations() {
    let mut report = sample::invalid();
    let why = "p99<1ms is not met: p99 is 4 ms".to_owned();
    report.expectations = vec![
        Outcome { text: "p99<1ms".to_owned(), is_met: false, why: Some(why) },
        Outcome { text: "loss<1%".to_owned(), is_met: true, why: None },
    ];
    let text = shown(&report);
    assert!(text.starts_with("INVALID"), "{text}");
    let last = "Not valid: A thread of the client was busy for 98 % of the time.";
    assert_eq!(text.lines().last(), Some(last));
    assert!(text.contains("\np99<1ms is not met: p99 is 4 ms.\n") && !text.contains("loss<1%"));
    let report = Report { expectations: report.expectations, ..sample::clean() };
    let last = "Valid. No message was lost. 1 of 2 expectations met.";
    assert_eq!(shown(&report).lines().last(), Some(last));
}

#[test]
fn an_interruption_is_shown_in_the_title_and_the_last_line() {
    let text = shown(&Report { interrupted: Some("SIGTERM".to_owned()), ..sample::broadcast() });
    assert!(text.contains("interrupted by SIGTERM"), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.starts_with("Not complete: SIGTERM")));
}

#[test]
fn lower_bounds_are_marked_and_unknown_counts_shown_as_unknown() {
    let mut report = sample::dead_server();
    report.messages.as_mut().expect("it has messages").unknown = 5;
    let text = shown(&report);
    let line = text.lines().find(|line| line.starts_with("  latency")).expect("it has latency");
    assert!(line.contains("≥ 4 ms") && line.contains("≥ 10 ms") && !line.contains("≥ 1 ms"), "{line}");
    assert!(squeezed(&text).contains("\nduplicated unknown 5 deliveries"), "{text}");
}

#[test]
fn figures_that_a_scenario_lacks_are_omitted() {
    let text = shown(&sample::connect());
    for absent in ["messages", "latency", "server", "per delivery", "send lag", "storm", "–"] {
        assert!(!text.contains(absent), "{absent} in\n{text}");
    }
    assert!(text.contains("spread of handshake"));
    let closed = shown(&Report { latency: None, ..sample::broadcast() });
    assert!(closed.contains("  service time") && !closed.contains("  latency"), "{closed}");
}

#[test]
fn a_storm_shows_how_many_members_recovered_and_when() {
    let text = squeezed(&shown(&sample::storm()));
    assert!(text.contains("\nback online 9,996 of 9,997 dropped, half in 50 ms, last in 500 ms\n"), "{text}");
    assert!(text.contains("never back online") && text.contains("never served again"));
    assert!(text.contains("\nreconnected 9,996 of 10,020 attempts, 24 failed (24 × HTTP"), "{text}");
}

#[test]
fn the_result_and_steps_of_a_search_come_first() {
    let text = shown(&sample::search());
    assert!(text.starts_with("Highest rate that held: 800 messages/s (10,000 connections).\n"), "{text}");
    let step = text.lines().find(|line| line.starts_with("  835/s")).expect("it was tried");
    assert!(step.contains(" no ") && step.contains("0.68 %") && step.contains("loss=0 is not met"), "{step}");
    let mut report = sample::search();
    report.search.as_mut().expect("it is a search").highest = None;
    assert!(shown(&report).starts_with("No load held: "));
}

#[test]
fn messages_that_are_not_deliveries_are_shown_one_line_per_kind() {
    let mut report = sample::broadcast();
    let other = Other { sample: "\"rate_limited\"".to_owned(), count: 5_610 };
    let long = Other { sample: "you are too fast ".repeat(20), count: 2 };
    let mut with = |other: Vec<Other>| {
        report.messages = Some(Messages { other, ..Messages::default() });
        shown(&report)
    };
    let text = with(vec![long, other.clone(), other.clone(), other.clone(), other.clone()]);
    assert!(
        squeezed(&text).contains("\nother messages 22,442 received that are not deliveries:\n"),
        "{text}"
    );
    assert!(text.contains("5,610 × \"rate_limited\"") && text.contains("and 2 more kinds\n"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("      2 × you") && line.ends_with('…')), "{text}");
    assert!(with(vec![other; 4]).contains("and 1 more kind\n"));
}

#[test]
fn a_run_without_faults_fits_in_24_lines() {
    let short = Terminal { height: Some(24), ..WIDE };
    let alone = Report { server: None, ..sample::clean() };
    for report in [&sample::clean(), &alone, &sample::connect()] {
        let text = table(report, short);
        assert!(text.lines().count() < 24, "{text}");
        for kept in ["opened", "busiest thread ran", "\nValid."] {
            assert!(text.contains(kept), "{kept} in\n{text}");
        }
    }
    let high = Terminal { height: Some(100), ..WIDE };
    assert_eq!(table(&alone, high), shown(&alone));
}

#[test]
fn faults_are_never_omitted_in_a_short_terminal() {
    let text = table(&sample::invalid(), Terminal { height: Some(24), ..WIDE });
    for kept in ["INVALID", "failed  ", "disconnected  ", "lost  ", "reordered  ", "waited for a core"] {
        assert!(text.contains(kept), "{kept} in\n{text}");
    }
}

#[test]
fn lines_fit_the_width_of_the_terminal() {
    let mut long = sample::hostile();
    long.url = format!("ws://127.0.0.1:8080/chat/{}", "room".repeat(40));
    long.warnings = vec!["These are words. ".repeat(20), "x".repeat(200)];
    long.connections.failed =
        (500..520).map(|status| (format!("HTTP status {status}"), 10_000_000)).collect();
    long.latency =
        long.latency.map(|latency| Latency { min: 1e7, p50: 123.4e6, ..latency }.with_unanswered(9, 1));
    for width in [40, 50, 60, 80] {
        for report in [&long, &sample::storm(), &sample::search(), &sample::connect(), &sample::invalid()] {
            let text = table(report, Terminal { width, height: None, colour: false });
            let longest = text.lines().max_by_key(|line| length(line)).expect("there are lines");
            assert!(length(longest) <= width, "{width}: {longest}");
        }
    }
}

#[test]
fn control_characters_of_the_server_are_replaced() {
    let text = shown(&sample::hostile());
    assert!(text.contains("alert(1)"));
    assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
}

#[test]
fn the_text_is_the_same_without_colour() {
    for report in [sample::invalid(), sample::search(), sample::storm()] {
        let coloured = table(&report, Terminal { colour: true, ..WIDE });
        let codes = [RED, GREEN, YELLOW, BOLD, PLAIN];
        assert!(codes.iter().any(|code| coloured.contains(code)));
        let bare = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(bare, shown(&report));
    }
}
