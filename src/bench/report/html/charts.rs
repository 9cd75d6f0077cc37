//! The charts of the page, with one line for each report.

use super::super::figure::DISTRIBUTIONS;
use super::super::{Latency, Report, Row, Search, units};
use super::Escaped;
use super::chart::{Chart, Dots, Line, Phase, Quantity, Shade};

type Reports = [(String, Report)];
type Points = Vec<(f64, Option<f64>)>;
type Of = fn(&Report) -> Option<&Latency>;

/// Shorter rows, such as the last one, are omitted: their rate is inaccurate. In seconds.
const SHORTEST: f64 = 0.2;

const LATENCY_NOTE: &str = "<p class=\"note\">Latency counts from when a message was due, so it includes the \
                            time that a message waited to be sent. Service time counts from when it was \
                            sent.</p>\n";
const BOUND_NOTE: &str = "<p class=\"note\">The upper end is a lower bound: unanswered messages count with the \
                          time that they had been waiting.</p>\n";

/// The name of the measured phase.
const MEASURING: &str = "measuring";

pub(super) fn charts(reports: &Reports) -> String {
    recoveries(reports) + &latencies(reports) + &times(reports)
}

/// Returns charts of the measurements of a search, by load.
pub(super) fn search(search: &Search) -> String {
    let mut steps: Vec<_> = search.steps.iter().collect();
    steps.sort_by(|one, other| one.load.total_cmp(&other.load));
    let Some(last) = steps.last() else { return String::new() };
    let phase = |name: &str, from, to, shade| Phase { name: name.to_owned(), from, to, shade };
    let highest = search.highest.unwrap_or_default();
    let mut phases = vec![phase("held", 0.0, highest, Shade::Clear)];
    // Loads between the highest that held and the lowest that did not were not tried.
    let fails = steps.iter().map(|step| step.load).find(|&load| load > highest);
    phases.extend(fails.map(|from| phase("did not hold", from, last.load, Shade::Shaded)));
    phases.retain(|phase| phase.to > phase.from);
    let line = |name: &str, of: fn(&super::super::Step) -> Option<f64>| Line {
        name: name.to_owned(),
        points: steps.iter().map(|step| (step.load, of(step))).collect(),
    };
    let chart = |title, y, lines| {
        let x = Quantity::Load(search.load_label());
        Chart { title, x, y, phases: &phases, lines, dots: Dots::Shown }.to_string()
    };
    let times = vec![line("p50", |step| step.p50), line("p99", |step| step.p99)];
    chart("p50 and p99, by load", Quantity::Micros, times)
        + &chart("Loss, by load", Quantity::Percent, vec![line("loss", |step| step.loss)])
}

/// Returns charts of the members that recovered after the storm, over time.
fn recoveries(reports: &Reports) -> String {
    const BACK: Of = |report| report.recovery.as_ref()?.until_back.as_ref();
    const SERVED: Of = |report| report.recovery.as_ref()?.until_served.as_ref();
    let chart = |title, lines| {
        let (x, y) = (Quantity::Micros, Quantity::Count);
        Chart { title, x, y, phases: &[], lines, dots: Dots::Hidden }.to_string()
    };
    match reports {
        [(_, report)] => {
            let line = |name: &str, of: Of| Line { name: name.to_owned(), points: growth(of(report)) };
            let lines = vec![line("back online", BACK), line("served again", SERVED)];
            chart("Members back online and served again, by time since the storm", lines)
        }
        _ => {
            let lines = |of: Of| lines(reports, |report| growth(of(report)));
            chart("Members back online, by time since the storm", lines(BACK))
                + &chart("Members served again, by time since the storm", lines(SERVED))
        }
    }
}

/// Returns the charts of latency by percentile.
fn latencies(reports: &Reports) -> String {
    let chart = |title, lines| {
        let (x, y) = (Quantity::Share, Quantity::Micros);
        Chart { title, x, y, phases: &[], lines, dots: Dots::Hidden }.to_string()
    };
    let main = |report: &Report| nines(report.latency.as_ref().or(report.service_time.as_ref()));
    let has_messages = reports.iter().any(|(_, report)| !main(report).is_empty());
    let is_bound = reports.iter().any(|(_, report)| {
        report.latency.iter().chain(&report.service_time).any(|latency| latency.unanswered > 0)
    });
    let charts = match reports {
        [(_, report)] if report.latency.is_some() => {
            let lines = DISTRIBUTIONS.iter().take(2).map(|distribution| Line {
                name: distribution.label.to_owned(),
                points: nines((distribution.of)(report)),
            });
            chart("Latency and service time, by percentile", lines.collect()) + LATENCY_NOTE
        }
        [_] if has_messages => chart("Service time, by percentile", lines(reports, main)),
        _ if has_messages => chart("Latency, by percentile", lines(reports, main)),
        _ => {
            let handshake = |report: &Report| nines(report.connections.handshake.as_ref());
            chart("Handshake, by percentile", lines(reports, handshake))
        }
    };
    if is_bound { charts + BOUND_NOTE } else { charts }
}

/// Returns the charts of events in each second.
fn times(reports: &Reports) -> String {
    let first = reports.first().map(|(_, report)| report.rows.as_slice()).unwrap_or_default();
    let phases = phases(first);
    if phases.is_empty() {
        return String::new();
    }
    let chart = |title, y, lines| {
        Chart { title, x: Quantity::Seconds, y, phases: &phases, lines, dots: Dots::Hidden }.to_string()
    };
    let over_time = |title, y, of: fn(&Row) -> Option<f64>| {
        chart(title, y, lines(reports, |report| by_row(&report.rows, of)))
    };
    let mut charts = shading(&phases, reports) + "<div class=\"charts\">\n";
    if reports.iter().any(|(_, report)| report.messages.is_some()) {
        charts += &over_time("Deliveries per second", Quantity::Count, |row| per_second(row, row.received));
        charts += &over_time("Messages sent per second", Quantity::Count, |row| per_second(row, row.sent));
    }
    charts += &match reports {
        [(_, report)] => {
            let line = |name: &str, of: fn(&Row) -> Option<f64>| Line {
                name: name.to_owned(),
                points: by_row(&report.rows, of),
            };
            let lines =
                vec![line("p50", |row| row.p50), line("p99", |row| row.p99), line("max", |row| row.max)];
            chart("Latency in each second", Quantity::Micros, lines)
        }
        _ => over_time("p99 in each second", Quantity::Micros, |row| row.p99),
    };
    let open = |report: &Report| {
        let ends = report.rows.iter().map(|row| (row.at, Some(row.open as f64)));
        std::iter::once((0.0, Some(0.0))).chain(ends).collect()
    };
    charts += &chart("Open connections", Quantity::Count, lines(reports, open));
    if reports.iter().any(|(_, report)| report.rows.iter().any(|row| row.failed > 0)) {
        charts += &over_time("Connections failed or lost in each second", Quantity::Count, |row| {
            Some(row.failed as f64)
        });
    }
    charts + "</div>\n"
}

/// Returns a line for each report.
fn lines(reports: &Reports, points: impl Fn(&Report) -> Points) -> Vec<Line> {
    reports.iter().map(|(name, report)| Line { name: name.clone(), points: points(report) }).collect()
}

/// Returns the points of latency by percentile.
fn nines(latency: Option<&Latency>) -> Points {
    let Some(latency) = latency else { return Points::new() };
    // The maximum of a thousand values is drawn at the last thousandth.
    let last = 1.0 - 1.0 / latency.count.max(1) as f64;
    latency.curve.iter().map(|&(share, micros)| (share.min(last), Some(micros))).collect()
}

/// Returns the cumulative count over time. Unanswered values are never counted.
pub(super) fn growth(latency: Option<&Latency>) -> Points {
    let Some(latency) = latency else { return Points::new() };
    let answered = latency.curve.iter().filter(|&&(_, micros)| !latency.is_lower_bound(micros));
    let grown = answered.map(|&(share, micros)| (micros, Some(share * latency.count as f64)));
    [(0.0, Some(0.0)), (latency.min, Some(0.0))].into_iter().chain(grown).collect()
}

/// Returns one value per row, at the middle of the row's time.
pub(super) fn by_row(rows: &[Row], of: fn(&Row) -> Option<f64>) -> Points {
    rows.iter().map(|row| ((row.from + row.at) / 2.0, of(row))).collect()
}

fn per_second(row: &Row, count: u64) -> Option<f64> {
    let seconds = row.at - row.from;
    (seconds > SHORTEST).then(|| count as f64 / seconds)
}

/// Returns the phases, each from the start of its first row to the end of its last.
pub(super) fn phases(rows: &[Row]) -> Vec<Phase> {
    let phase = |rows: &[Row]| {
        let (first, last) = (rows.first()?, rows.last()?);
        let shade = if first.phase == MEASURING { Shade::Clear } else { Shade::Shaded };
        Some(Phase { name: first.phase.clone(), from: first.from, to: last.at, shade })
    };
    rows.chunk_by(|one, next| one.phase == next.phase).filter_map(phase).collect()
}

/// Returns the legend of the shaded phases.
fn shading(phases: &[Phase], reports: &Reports) -> String {
    let shaded: Vec<String> = phases
        .iter()
        .filter(|phase| phase.shade == Shade::Shaded)
        .map(|phase| format!("{} ({})", phase.name, units::micros((phase.to - phase.from) * 1e6)))
        .collect();
    let whose = match reports {
        [(first, _), _, ..] => format!(" (the phases of {first})"),
        _ => String::new(),
    };
    if shaded.is_empty() {
        return String::new();
    }
    let text = format!("Shaded, and not measured{whose}: {}.", shaded.join(", "));
    format!("<p class=\"note\">{}</p>\n", Escaped(&text))
}
