//! The charts of the page, with a line for each report.

use super::super::figure::DISTRIBUTIONS;
use super::super::{Latency, Report, Row, Search, units};
use super::Escaped;
use super::chart::{Chart, Dots, Line, Phase, Quantity, Shade};

type Reports = [(String, Report)];
type Points = Vec<(f64, Option<f64>)>;
type Of = fn(&Report) -> Option<&Latency>;

/// Rows shorter than this, such as the last one, are left out: their rate is inaccurate.
const SHORTEST: f64 = 0.2;

const LATENCY_NOTE: &str = "<p class=\"note\">Latency counts from when a message was due by the plan, so that the time \
                            for which a message waited to be sent counts too. Service time counts from when it was \
                            sent.</p>\n";
const BOUND_NOTE: &str = "<p class=\"note\">The upper end is a lower bound: messages without an answer count with the \
                          time for which they had waited.</p>\n";

/// The measured phase.
const MEASURING: &str = "measuring";

pub(super) fn charts(reports: &Reports) -> String {
    recoveries(reports) + &latencies(reports) + &times(reports)
}

/// What the steps of a search measured, over their load.
pub(super) fn search(search: &Search) -> String {
    let mut steps: Vec<_> = search.steps.iter().collect();
    steps.sort_by(|one, other| one.load.total_cmp(&other.load));
    let Some(last) = steps.last() else { return String::new() };
    let phase = |name: &str, from, to, shade| Phase { name: name.to_owned(), from, to, shade };
    let highest = search.highest.unwrap_or_default();
    let mut phases = vec![phase("held", 0.0, highest, Shade::Clear)];
    // Between the highest that held and the lowest that did not, nothing was tried.
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

/// Members that are back after the storm, over time.
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
            let lines = vec![line("came back", BACK), line("served again", SERVED)];
            chart("Members that came back and were served again, by time since the storm", lines)
        }
        _ => {
            let lines = |of: Of| lines(reports, |report| growth(of(report)));
            chart("Members that came back, by time since the storm", lines(BACK))
                + &chart("Members served again, by time since the storm", lines(SERVED))
        }
    }
}

/// Latency by percentile.
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

/// What happened in each second.
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

/// A line for each report.
fn lines(reports: &Reports, points: impl Fn(&Report) -> Points) -> Vec<Line> {
    reports.iter().map(|(name, report)| Line { name: name.clone(), points: points(report) }).collect()
}

/// Latencies over their share.
fn nines(latency: Option<&Latency>) -> Points {
    let Some(latency) = latency else { return Points::new() };
    // The greatest of a thousand stands where the last of a thousand does.
    let last = 1.0 - 1.0 / latency.count.max(1) as f64;
    latency.curve.iter().map(|&(share, micros)| (share.min(last), Some(micros))).collect()
}

/// The cumulative count over time. Values without an answer are never counted.
pub(super) fn growth(latency: Option<&Latency>) -> Points {
    let Some(latency) = latency else { return Points::new() };
    let answered = latency.curve.iter().filter(|&&(_, micros)| !latency.is_lower_bound(micros));
    let grown = answered.map(|&(share, micros)| (micros, Some(share * latency.count as f64)));
    [(0.0, Some(0.0)), (latency.min, Some(0.0))].into_iter().chain(grown).collect()
}

/// A value of each row, at the middle of its time.
pub(super) fn by_row(rows: &[Row], of: fn(&Row) -> Option<f64>) -> Points {
    rows.iter().map(|row| ((row.from + row.at) / 2.0, of(row))).collect()
}

fn per_second(row: &Row, count: u64) -> Option<f64> {
    let seconds = row.at - row.from;
    (seconds > SHORTEST).then(|| count as f64 / seconds)
}

/// From where the first row of a phase begins to where its last ends.
pub(super) fn phases(rows: &[Row]) -> Vec<Phase> {
    let phase = |rows: &[Row]| {
        let (first, last) = (rows.first()?, rows.last()?);
        let shade = if first.phase == MEASURING { Shade::Clear } else { Shade::Shaded };
        Some(Phase { name: first.phase.clone(), from: first.from, to: last.at, shade })
    };
    rows.chunk_by(|one, next| one.phase == next.phase).filter_map(phase).collect()
}

/// The legend of the shaded phases.
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
