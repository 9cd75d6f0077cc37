use super::super::compare::tests::sample;
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
    report.url = foreign();
    report.settings.insert(foreign(), foreign());
    report.machine.system = foreign();
    report.machine.processor = foreign();
    report.warnings.push(foreign());
    report.connections.failed.insert(foreign(), 1);
    report.connections.lost.insert(foreign(), 1);
    report.rows[0].phase = foreign();
    let one = (foreign(), report);
    for page in [page(std::slice::from_ref(&one)), page(&[one.clone(), one.clone()])] {
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
        ("lost of 3,610,000", "129"),
        ("connections of 10,003", "10,001"),
        ("connections lost", "3"),
        ("duplicated", "7"),
        ("server CPU a delivery", "1.37 µs"),
    ] {
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{value}</dd>")), "{name}");
    }
    assert!(page.contains("<div class=\"bad\"><dt>lost of"));
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
fn a_run_that_is_not_valid_says_so_before_anything_else() {
    let mut report = sample();
    assert!(!page_of(report.clone()).contains("<aside"));
    report.is_valid = false;
    report.warnings.push("The client was late.".to_owned());
    let page = page_of(report);
    let (box_at, header_at) = (page.find("<aside class=\"caveats invalid\">"), page.find("<header>"));
    assert!(box_at.is_some() && box_at < header_at);
    assert!(page.contains("<h2>Not valid</h2>") && page.contains("<li>The client was late.</li>"));
}

#[test]
fn several_runs_share_charts_and_are_compared_with_the_first() {
    let mut slower = sample();
    slower.latency.as_mut().unwrap().p99 *= 1.1;
    slower.settings.insert("rate".to_owned(), "60".to_owned());
    let page = page(&[("before".to_owned(), sample()), ("after".to_owned(), slower)]);
    assert!(
        page.contains("<tr><th scope=\"row\">p99</th><td>6.54 ms</td><td>7.19 ms</td><td>+10 %</td></tr>")
    );
    assert!(page.contains("<tr><th scope=\"row\">rate</th><td>30</td><td>60</td></tr>"));
    assert!(page.contains("The settings differ: rate (30; 60)."));
    assert_eq!(page.matches("<figure>").count(), 5);
    let lines = page.matches("<path class=\"c1 s1\"").count();
    assert_eq!(lines, 5 + 5 + 1, "one in each chart, one in each legend, one in the heading");
}

#[test]
fn a_run_without_messages_is_told_by_its_handshakes() {
    let mut report = sample();
    (report.messages, report.latency, report.latency_raw, report.server) = (None, None, None, None);
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
