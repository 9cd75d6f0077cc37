use super::super::Row;
use super::super::compare::tests::{sample, storm};
use super::*;

fn page_of(report: Report) -> String {
    page(&[("run".to_owned(), report)])
}

fn cell(name: &str, value: &str) -> String {
    format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>")
}

#[test]
fn what_comes_from_outside_is_escaped() {
    const FOREIGN: &str = "</title><script>alert(\"1\" & '2')</script>";
    let foreign = || FOREIGN.to_owned();
    let mut report = sample();
    report.throng = foreign();
    report.started = foreign();
    report.scenario = foreign();
    report.is_valid = false;
    report.url = foreign();
    report.settings.insert(foreign(), foreign());
    report.machine.system = foreign();
    report.machine.processor = foreign();
    report.warnings.push(foreign());
    report.connections.failed.insert(foreign(), 1);
    report.connections.lost.insert(foreign(), 1);
    report.rows[0].phase = foreign();
    report.settings.insert("rate".to_owned(), foreign());
    let (one, other) = ((foreign(), report), (foreign(), sample()));
    for page in [page(std::slice::from_ref(&one)), page(&[one.clone(), one.clone()]), page(&[one, other])] {
        assert!(!page.contains("<script") && !page.contains("alert(\""));
        assert!(
            page.contains(
                "&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;"
            )
        );
    }
}

#[test]
fn nothing_is_asked_of_any_other_place() {
    let mut report = sample();
    report.url = "ws://example.org/?a=1&b=2".to_owned();
    let pages =
        [page_of(report.clone()), page(&[("one".to_owned(), report.clone()), ("two".to_owned(), report)])];
    for page in pages {
        let rest = page.replace("ws://example.org/?a=1&amp;b=2", "");
        assert_ne!(rest, page, "the URL is told");
        for reference in ["://", "src=", "href=", "url(", "@import", "<link", "<script", "<img"] {
            assert!(!rest.contains(reference), "{reference}");
        }
    }
}

#[test]
fn every_figure_of_a_run_is_there() {
    let page = page_of(sample());
    for (name, value) in [
        ("latency p50", "1.23 ms"),
        ("latency p99", "6.54 ms"),
        ("latency max", "45.6 ms"),
        ("deliveries", "299,987/s"),
        ("received of 3,610,000", "3,609,871"),
        ("deliveries lost", "129"),
        ("connections failed", "2"),
        ("connections of 10,003", "10,001"),
        ("connections lost", "3"),
        ("duplicated", "7"),
        ("server CPU a delivery", "1.37 µs"),
    ] {
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{value}</dd>")), "{name}");
    }
    assert!(page.contains("<div class=\"bad\"><dt>deliveries lost"));
    for (name, value) in [
        ("asked for", "10,003"),
        ("open at the end", "9,998"),
        ("opened a second", "5,210/s"),
        ("lost", "3"),
        ("lost", "129"),
        ("failed: refused", "2"),
        ("lost: closed by the server: 1013", "3"),
        ("planned a second", "30/s"),
        ("sent", "361"),
        ("deliveries expected", "3,610,000"),
        ("deliveries received", "3,609,871"),
        ("duplicated", "7"),
        ("reordered", "11"),
        ("damaged", "13"),
        ("payload a second", "18.3 MiB/s"),
        ("CPU a connection", "22.5 µs"),
        ("CPU, of a core", "41 %"),
        ("memory at its peak", "29.9 MiB"),
        ("busiest thread, of a core", "57.5 %"),
        ("busiest thread, of a core", "40 %"),
        ("its wait for a core", "1 %"),
        ("asking the clock", "25 ns"),
        ("rate", "30"),
        ("processor", "Example 9000 at 3.2 GHz"),
        ("memory", "7.64 GiB"),
    ] {
        assert!(page.contains(&cell(name, value)), "{name}");
    }
    assert!(page.contains(
        "<th scope=\"row\">p99.9</th><td>12.3 ms</td><td>9.84 ms</td><td>3.69 ms</td><td>123 µs</td>"
    ));
    assert!(page.contains("21 November 2026, 11:20:05 UTC"));
    assert_eq!(page.matches("<figure>").count(), 5);
    assert_eq!(
        page.matches("role=\"img\"").count(),
        page.matches("aria-label=\"").count() - page.matches("role=\"region\"").count()
    );
}

#[test]
fn a_run_that_is_not_valid_says_so_before_anything_else_and_is_marked() {
    let mut report = sample();
    assert!(
        !page_of(report.clone()).contains("<aside")
            && !page_of(report.clone()).contains("<span class=\"mark")
    );
    report.is_valid = false;
    report.warnings.push("The client was late.".to_owned());
    let alone = page_of(report.clone());
    let (box_at, header_at) = (alone.find("<aside class=\"caveats invalid\">"), alone.find("<header>"));
    assert!(box_at.is_some() && box_at < header_at);
    assert!(alone.contains("<h2>Not valid</h2>") && alone.contains("<li>The client was late.</li>"));
    assert!(alone.contains("<h1>broadcast <span class=\"mark\">not valid</span></h1>"));

    report.interrupted = true;
    let compared = page(&[("one".to_owned(), sample()), ("two".to_owned(), report)]);
    assert!(compared.contains("<h2>Not all of this is valid</h2>"));
    assert!(compared.contains("<b>two</b>: The client was late.</li>"));
    let marks = " <span class=\"mark\">not valid</span> <span class=\"mark\">interrupted</span>";
    assert!(compared.contains(&format!("<b>two</b>{marks}")), "in the heading");
    assert!(compared.contains(&format!("</svg> two{marks}</div></th>")), "above a column");
    assert!(compared.contains("<b>one</b> <span class=\"mark\">2 connections failed</span>"), "faults too");
}

#[test]
fn deliveries_that_strayed_are_a_fault_of_a_run() {
    let mut astray = sample();
    astray.messages.as_mut().unwrap().strayed = 17;
    let alone = page_of(astray.clone());
    assert!(alone.contains("<div class=\"bad\"><dt>strayed</dt><dd>17</dd></div>"));
    assert!(alone.contains(&cell("strayed", "17")) && !page_of(sample()).contains("strayed"));
    let compared = page(&[("one".to_owned(), sample()), ("two".to_owned(), astray)]);
    assert_eq!(compared.matches("<th scope=\"row\">strayed</th><td>–</td><td>17</td>").count(), 2);
}

#[test]
fn flags_are_set_apart_in_sentences() {
    for (text, html) in [
        ("Give it more --threads, or less.", "Give it more <code class=\"flag\">--threads</code>, or less."),
        ("--server-pid", "<code class=\"flag\">--server-pid</code>"),
        ("--<b>", "<code class=\"flag\">--&lt;b</code>&gt;"),
        ("-- and - are <none>", "-- and - are &lt;none&gt;"),
    ] {
        assert_eq!(Sentence(text).to_string(), html);
    }
}

#[test]
fn several_runs_share_charts_and_are_compared_with_the_first() {
    let mut slower = sample();
    slower.latency.as_mut().unwrap().p99 *= 1.1;
    slower.settings.insert("rate".to_owned(), "60".to_owned());
    slower.connections.failed.clear();
    let page = page(&[("before".to_owned(), sample()), ("after".to_owned(), slower)]);
    assert!(page.contains(
        "<tr><th scope=\"row\">p99</th><td>6.54 ms</td><td>7.19 ms <small>+10 %</small></td></tr>"
    ));
    assert!(
        page.contains("<tr><th scope=\"row\">p50</th><td>1.23 ms</td><td>1.23 ms</td></tr>"),
        "unchanged"
    );
    assert!(page.contains("<tr><th scope=\"row\">failed: refused</th><td>2</td><td>–</td></tr>"));
    assert!(page.contains("<tr><th scope=\"row\">rate</th><td>30</td><td>60</td></tr>"));
    assert!(page.contains("<li>The settings differ: <span class=\"flag\">rate</span>.</li>"));
    assert!(page.contains("<p class=\"settings\"><span>rate</span> <b>60</b></p>"), "told beside its run");
    assert_eq!(page.matches("<figure>").count(), 5);
    let tables = page.matches("<table>").count();
    let samples = page.matches("<path class=\"c1 s1\" d=\"M0 6h34\"").count();
    assert_eq!(samples, 5 + tables + 1, "in each legend, above each column, and in the heading");
}

#[test]
fn a_storm_is_told_by_how_everybody_came_back() {
    let alone = page_of(storm());
    for (name, value) in [
        ("back of 10,000", "9,998"),
        ("last back after", "4.56 s"),
        ("served of 10,000", "9,997"),
        ("half served after", "247 ms"),
        ("last served after", "9.12 s"),
        ("never served", "3"),
    ] {
        assert!(alone.contains(&format!("<dt>{name}</dt><dd>{value}</dd>")), "{name}");
    }
    assert!(alone.contains("<th scope=\"col\"><div>until served</div></th>"));
    assert!(alone.contains("Members back and served, by time since the storm: back up to "));
    assert!(!page_of(sample()).contains("storm"));
    let compared = page(&[("one".to_owned(), storm()), ("two".to_owned(), storm())]);
    assert!(compared.contains("<figcaption>Members served, by time since the storm</figcaption>"));
    assert!(
        compared.contains("<tr><th scope=\"row\">last served after</th><td>9.12 s</td><td>9.12 s</td></tr>")
    );
}

#[test]
fn nobody_is_back_before_the_first_is() {
    let latency =
        Latency { count: 4, min: 50.0, curve: vec![(0.25, 50.0), (1.0, 90.0)], ..Latency::default() };
    let expected = [(0.0, 0.0), (50.0, 0.0), (50.0, 1.0), (90.0, 4.0)];
    assert_eq!(charts::growth(Some(&latency)), expected.map(|(at, count)| (at, Some(count))));
}

#[test]
fn rates_stand_in_the_middle_of_the_time_they_are_of() {
    let row = |at, sent| Row { at, sent, ..Row::default() };
    let points = charts::by_row(&[row(2.0, 6), row(3.0, 5)], |row, seconds| Some(row.sent as f64 / seconds));
    assert_eq!(points, [(1.0, Some(3.0)), (2.5, Some(5.0))]);
}

#[test]
fn a_closed_loop_has_latencies_since_sent_only() {
    let mut report = sample();
    report.latency = None;
    let page = page_of(report);
    assert!(page.contains("<dt>latency since sent p50</dt><dd>987 µs</dd>"));
    assert!(page.contains("Latency since sent, by percentile") && !page.contains("ince due"));
}

#[test]
fn phases_that_are_shaded_are_named_with_their_length() {
    let mut report = sample();
    report.rows.last_mut().unwrap().at = 14.0 + 1.0 / 64.0;
    report.rows.remove(14);
    assert!(page_of(report).contains(
        "Shaded is what was not measured: connecting (2 s), warming up (2 s), draining (15.6 ms)."
    ));
}

#[test]
fn a_run_without_messages_is_told_by_its_handshakes() {
    let mut report = sample();
    (report.messages, report.latency, report.latency_raw) = (None, None, None);
    report.server.as_mut().unwrap().per_delivery = None;
    let page_with_server = page_of(report.clone());
    for (name, value) in [("CPU", "22.5 µs"), ("memory", "617 B")] {
        let tile = format!("<dt>server {name} a connection</dt><dd>{value}</dd>");
        assert!(page_with_server.contains(&tile), "{name}");
    }
    report.server = None;
    let page = page_of(report);
    assert!(page.contains("<dt>handshake p99</dt><dd>1.96 ms</dd>"));
    assert!(page.contains("Handshake by percentile") && !page.contains("<h2>Messages</h2>"));
    assert!(!page.contains("Cost of the server"));
}

#[test]
fn a_run_that_ended_at_once_has_a_page() {
    let mut report = sample();
    (report.messages, report.latency, report.latency_raw, report.server) = (None, None, None, None);
    (report.connections.handshake, report.rows, report.seconds) = (None, Vec::new(), 0.0);
    assert!(!page_of(report).contains("<figure>"));
    assert!(page(&[]).contains("0 runs"));
}
