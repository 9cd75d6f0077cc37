use super::super::{Latency, Messages, Other, Outcome, Row, sample};
use super::*;

fn page_of(report: &Report) -> String {
    page(&[("run".to_owned(), report.clone())])
}

fn page_of_both(one: Report, other: Report) -> String {
    page(&[("before".to_owned(), one), ("after".to_owned(), other)])
}

/// Returns the tile with this name and value.
fn tile_of(name: &str, value: &str) -> String {
    format!("<dt>{name}</dt><dd>{value}</dd>")
}

#[test]
fn external_text_is_escaped_everywhere() {
    let hostile = || ("<script>".to_owned(), sample::hostile());
    let with = ("two".to_owned(), sample::broadcast());
    for page in [page(&[hostile()]), page(&[hostile(), hostile()]), page(&[hostile(), with])] {
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\u{fffd}[2J\u{fffd}\u{fffd}")
        );
        assert!(!page.contains("<script") && !page.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    }
}

#[test]
fn the_page_loads_no_other_resources() {
    let mut report = sample::search();
    report.url = "ws://example.org/?a=1&b=2".to_owned();
    report.command = "throng bench ws://example.org/?a=1&b=2".to_owned();
    for page in [page_of(&report), page_of_both(report.clone(), report)] {
        let rest = page.replace("ws://example.org/?a=1&amp;b=2", "");
        assert_ne!(rest, page, "the URL is shown");
        for reference in ["://", "src=", "href=", "url(", "@import", "<link", "<script", "<img"] {
            assert!(!rest.contains(reference), "{reference}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn the_page_starts_with_verdict_and_command_line() {
    let valid = page_of(&sample::clean());
    let at = |page: &str, text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(
        at(&valid, "<p class=\"verdict good\">Valid. No message was lost.</p>")
            < at(&valid, "<dl class=\"tiles\"")
    );
    assert!(valid.contains(
        "<code>throng bench broadcast ws://127.0.0.1:8080/chat <code class=\"flag\">-c</code> 10000 "
    ));
    assert!(!valid.contains("<aside"));

    let lossy = page_of(&sample::broadcast());
    assert!(lossy.contains("<p class=\"verdict bad\">Valid. 3 of 10,000 connections failed, "));

    let invalid = page_of(&sample::invalid());
    assert!(invalid.contains("<p class=\"verdict bad\">Not valid: A thread of the client was busy"));
    assert!(invalid.contains("<aside class=\"caveats invalid\">"));
    assert!(invalid.contains("<li>3 of 10,000 connections did not open.</li>"));
    let interrupted = page_of(&Report { interrupted: Some("SIGINT".to_owned()), ..sample::broadcast() });
    assert!(interrupted.contains("<p class=\"verdict bad\">Not complete: SIGINT ended the run early.</p>"));
}

#[test]
fn each_expectation_has_its_result() {
    let mut report = sample::broadcast();
    let why = Some("p99<1ms is not met: it is 4ms".to_owned());
    report.expectations = vec![
        Outcome { text: "loss<1%".to_owned(), is_met: true, why: None },
        Outcome { text: "p99<1ms".to_owned(), is_met: false, why },
    ];
    let page = page_of(&report);
    assert!(page.contains("<span class=\"good\">met</span> loss&lt;1%</li>"));
    assert!(page.contains("<span class=\"bad\">not met</span> p99&lt;1ms is not met: it is 4ms</li>"));
}

#[test]
fn key_figures_and_faults_have_separate_tiles() {
    let page = page_of(&sample::broadcast());
    for (name, value) in [
        ("latency p50", "1 ms"),
        ("latency p99", "4 ms"),
        ("deliveries per second", "999,700/s"),
        ("loss", "&lt;0.01 %"),
        ("server CPU per delivery", "670 ns"),
        ("connections failed", "3"),
        ("lost", "2"),
    ] {
        assert!(page.contains(&tile_of(name, value)), "{name}");
    }
    assert!(page.contains("<div class=\"bad\"><dt>lost</dt>"));
    assert!(!page.contains("<dt>duplicated</dt>"));
}

#[test]
fn lower_bounds_are_marked_and_unknown_counts_shown_as_unknown() {
    let mut report = sample::dead_server();
    report.messages.as_mut().expect("it has messages").unknown = 5;
    let page = page_of(&report);
    assert!(page.contains(&tile_of("latency p99", "≥ 4 ms")));
    assert!(page.contains("<th scope=\"row\">p99.9</th><td>≥ 8 ms</td><td>7.20 ms</td>"));
    assert!(page.contains("<th scope=\"row\">unanswered</th><td>12</td><td>–</td>"));
    assert!(page.contains(&tile_of("duplicated", "unknown")));
    assert!(page.contains("The upper end is a lower bound"));
}

#[test]
fn causes_and_messages_that_are_not_deliveries_are_shown() {
    let mut report = sample::broadcast();
    let messages = Messages {
        unsent: sample::causes(&[("the connection was lost", 40)]),
        other: vec![Other { sample: "{\"error\":\"join first\"}".to_owned(), count: 5_610 }],
        ..Messages::default()
    };
    report.messages = Some(messages);
    let page = page_of(&report);
    for (title, cause, count) in [
        ("Causes: connections failed", "connection refused", "2"),
        ("Causes: unsent", "the connection was lost", "40"),
        ("Received, but not deliveries", "{&quot;error&quot;:&quot;join first&quot;}", "5,610"),
    ] {
        assert!(page.contains(&format!("<h2>{title}</h2>")), "{title}");
        assert!(
            page.contains(&format!("<tr><th scope=\"row\">{cause}</th><td>{count}</td></tr>")),
            "{cause}"
        );
    }
}

#[test]
fn a_search_has_a_headline_steps_and_charts() {
    let page = page_of(&sample::search());
    assert!(page.contains("<h2>Highest rate that held: 800 messages/s (10,000 connections).</h2>"));
    assert!(page.contains("<tr class=\"highest\"><th scope=\"row\">800/s</th><td class=\"good\">yes</td>"));
    assert!(page.contains("<td class=\"why\">loss=0 is not met: loss is 0.68 %</td>"));
    assert!(page.contains("<figcaption>Loss, by load</figcaption>"));
    assert!(page.contains("<title>did not hold</title>"));
    let mut nothing = sample::search();
    let search = nothing.search.as_mut().expect("it is a search");
    (search.highest, search.ended) = (None, "Nothing was delivered.".to_owned());
    search.steps.truncate(1);
    assert!(page_of(&nothing).contains("<h2>No load held: Nothing was delivered.</h2>"));
    assert!(!page_of(&sample::broadcast()).contains("<section class=\"search\">"));
}

#[test]
fn a_storm_shows_how_many_members_recovered_and_when() {
    let page = page_of(&sample::storm());
    for (name, value) in [("back online", "9,996"), ("until back max", "500 ms"), ("never back online", "1")]
    {
        assert!(page.contains(&tile_of(name, value)), "{name}");
    }
    let keys = page.split("</dl>").next().map(|head| head.matches("<dt>").count());
    assert_eq!(keys, Some(4));
    assert!(page.contains("Members back online and served again"));
    assert!(!page_of(&sample::broadcast()).contains("storm"));
}

#[test]
fn a_run_without_messages_shows_handshakes() {
    let page = page_of(&sample::connect());
    assert!(page.contains(&tile_of("handshake p99", "3.20 ms")));
    assert!(page.contains("Handshake, by percentile") && !page.contains("<h2>Messages</h2>"));
    assert!(!page.contains("Cost of the server"));
}

#[test]
fn a_closed_loop_has_service_time_and_no_latency() {
    let page = page_of(&Report { latency: None, ..sample::broadcast() });
    assert!(page.contains(&tile_of("service time p99", "3.60 ms")));
    assert!(page.contains("Service time, by percentile") && !page.contains("latency p99"));
}

#[test]
fn several_runs_share_charts_and_changes_are_marked_by_their_direction() {
    let mut worse = sample::broadcast();
    if let Some(latency) = &mut worse.latency {
        (latency.p99, latency.p999, latency.max) = (40_000.0, 40_000.0, 40_000.0);
        latency.curve.clear();
    }
    worse.settings.insert("rate".to_owned(), "60".to_owned());
    worse.connections.failed.clear();
    let page = page_of_both(sample::broadcast(), worse);
    assert!(page.contains(
        "<tr><th scope=\"row\">latency p99</th><td>4 ms</td><td>40 ms <small class=\"bad\">+900 % worse</small></td>"
    ));
    assert!(page.contains("<small class=\"good\">-100 % better</small>"), "no connection failed");
    assert!(
        page.contains("<tr><th scope=\"row\">latency p50</th><td>1 ms</td><td>1 ms</td></tr>"),
        "unchanged"
    );
    assert!(page.contains("<li>The settings differ: rate (100; 60).</li>"));
    assert!(page.contains("repeat runs before you rely on a small difference"));
    assert_eq!(page.matches("role=\"img\"").count(), page.matches("<figure>").count());
}

#[test]
fn invalid_runs_are_marked_in_comparisons() {
    let invalid = Report { interrupted: Some("SIGINT".to_owned()), ..sample::invalid() };
    let page = page_of_both(sample::broadcast(), invalid);
    assert!(page.contains("<h2>Not all runs are valid</h2>"));
    let marks = " <span class=\"mark\">not valid</span> <span class=\"mark\">interrupted</span>";
    assert!(page.contains(&format!("<b>after</b>{marks}")), "in the heading");
    assert!(page.contains(&format!("</svg> after{marks}</div></th>")), "above a column");
}

#[test]
fn phases_match_their_rows_and_those_not_measured_are_shaded() {
    let phases = charts::phases(&sample::broadcast().rows);
    let shown: Vec<_> = phases.iter().map(|it| (it.name.as_str(), it.from, it.to)).collect();
    assert_eq!(shown[2..4], [("warmup", 1.4, 2.4), ("measuring", 2.4, 4.4)]);
    let page = page_of(&sample::broadcast());
    assert!(page.contains(
        "Shaded, and not measured: connecting (1 s), settling (400 ms), warmup (1 s), draining (120 ms)."
    ));
    assert!(page.contains("<rect class=\"measuring\" x=\"53.10%\""), "{}", page.matches("<rect").count());
}

#[test]
fn rates_are_drawn_at_the_middle_of_their_rows() {
    let row = |from, at, sent| Row { from, at, sent, ..Row::default() };
    let rows = [row(0.0, 2.0, 6), row(2.5, 3.0, 5)];
    let points = charts::by_row(&rows, |row| Some(row.sent as f64 / (row.at - row.from)));
    assert_eq!(points, [(1.0, Some(3.0)), (2.75, Some(10.0))]);
}

#[test]
fn the_count_of_recovered_members_starts_at_zero_and_excludes_lost_ones() {
    let curve = vec![(0.25, 50.0), (0.5, 90.0), (1.0, 900.0)];
    let latency = Latency { count: 4, min: 50.0, max: 900.0, curve, ..Latency::default() };
    let latency = latency.with_unanswered(2, 900_000);
    let expected = [(0.0, 0.0), (50.0, 0.0), (50.0, 1.0), (90.0, 2.0)];
    assert_eq!(charts::growth(Some(&latency)), expected.map(|(at, count)| (at, Some(count))));
}

#[test]
fn flags_in_sentences_are_marked() {
    for (text, html) in [
        ("Give it more --threads, or less.", "Give it more <code class=\"flag\">--threads</code>, or less."),
        ("--<b>", "<code class=\"flag\">--&lt;b</code>&gt;"),
        ("-c 5", "<code class=\"flag\">-c</code> 5"),
        ("-5 %", "-5 %"),
        ("-- and - are <none>", "-- and - are &lt;none&gt;"),
    ] {
        assert_eq!(Sentence(text).to_string(), html);
    }
}

#[test]
fn a_page_can_be_made_of_an_empty_report() {
    assert!(!page_of(&Report::default()).contains("<figure>"));
    assert!(page(&[]).contains("0 runs"));
}
