//! The charts of the page: of one report, or of several with their lines over one another.

use super::super::chart::{Chart, Line, Phase, Quantity};
use super::super::{Latency, Report, Row, compare, figures};
use super::Escaped;

type Reports = [(String, Report)];
/// A name of latencies, and where they stand in a report.
type Kind = (&'static str, fn(&Report) -> Option<&Latency>);

/// A row that is shorter, as the last may be, says little of a second.
const SHORTEST: f64 = 0.2;

const SINCE_DUE: &str = "<p class=\"note\">Since due: from when the plan wants a message sent until it comes, so that \
                         what had to wait for a server that stood still counts too.</p>\n";

const BACK: Kind = ("back", |report| report.recovery.as_ref()?.until_back.as_ref());
const SERVED: Kind = ("served", |report| report.recovery.as_ref()?.until_served.as_ref());
const DUE: Kind = ("since due", |report| report.latency.as_ref());
const SENT: Kind = ("since sent", |report| report.latency_raw.as_ref());

pub(super) fn charts(reports: &Reports) -> String {
    recoveries(reports) + &latencies(reports) + &times(reports)
}

/// How many were back after the storm, and when.
fn recoveries(reports: &Reports) -> String {
    let (x, y) = (Quantity::Micros, Quantity::Count);
    let chart = |title, lines| Chart { title, x, y, phases: &[], lines }.to_string();
    match reports {
        [(_, report)] => {
            let line = |(name, of): Kind| Line { name: name.to_owned(), points: growth(of(report)) };
            chart("Members back and served, by time since the storm", vec![line(BACK), line(SERVED)])
        }
        _ => {
            let lines = |(_, of): Kind| lines(reports, |report| growth(of(report)));
            chart("Members back, by time since the storm", lines(BACK))
                + &chart("Members served, by time since the storm", lines(SERVED))
        }
    }
}

/// The distribution: since due and since sent, or one line for each of several reports.
fn latencies(reports: &Reports) -> String {
    let chart = |title, lines| {
        Chart { title, x: Quantity::Share, y: Quantity::Micros, phases: &[], lines }.to_string()
    };
    let has_messages = reports.iter().any(|(_, report)| compare::latency(report).is_some());
    match reports {
        [(_, report)] if report.latency.is_some() => {
            let line = |(name, of): Kind| Line { name: name.to_owned(), points: nines(of(report)) };
            chart("Latency by percentile", vec![line(DUE), line(SENT)]) + SINCE_DUE
        }
        _ if has_messages => {
            let is_one = reports.len() == 1;
            let title = if is_one { "Latency since sent, by percentile" } else { "Latency by percentile" };
            chart(title, lines(reports, |report| nines(compare::latency(report))))
        }
        _ => {
            let handshake = |report: &Report| nines(report.connections.handshake.as_ref());
            chart("Handshake by percentile", lines(reports, handshake))
        }
    }
}

/// What happened in each second.
fn times(reports: &Reports) -> String {
    let first = reports.first().map(|(_, report)| report.rows.as_slice()).unwrap_or_default();
    let phases = phases(first);
    if phases.is_empty() {
        return String::new();
    }
    let chart =
        |title, y, lines| Chart { title, x: Quantity::Seconds, y, phases: &phases, lines }.to_string();
    let over_time = |title, y, of: fn(&Row, f64) -> Option<f64>| {
        chart(title, y, lines(reports, |report| by_row(&report.rows, of)))
    };
    let mut charts = shading(&phases, reports) + "<div class=\"charts\">\n";
    if reports.iter().any(|(_, report)| report.messages.is_some()) {
        charts += &over_time("Deliveries a second", Quantity::Count, |row, seconds| {
            (seconds > SHORTEST).then(|| row.received as f64 / seconds)
        });
        charts += &over_time("Sent a second", Quantity::Count, |row, seconds| {
            (seconds > SHORTEST).then(|| row.sent as f64 / seconds)
        });
    }
    charts += &match reports {
        [(_, report)] => {
            let line = |name: &str, of: fn(&Row, f64) -> Option<f64>| Line {
                name: name.to_owned(),
                points: by_row(&report.rows, of),
            };
            let p50 = line("p50", |row, _| (row.p50 > 0.0).then_some(row.p50));
            let p99 = line("p99", |row, _| (row.p99 > 0.0).then_some(row.p99));
            let max = line("max", |row, _| (row.max > 0.0).then_some(row.max));
            chart("Latency in each second", Quantity::Micros, vec![p50, p99, max])
        }
        _ => over_time("p99 in each second", Quantity::Micros, |row, _| (row.p99 > 0.0).then_some(row.p99)),
    };
    let open = |report: &Report| {
        let ends = report.rows.iter().map(|row| (row.at, Some(row.open as f64)));
        std::iter::once((0.0, Some(0.0))).chain(ends).collect()
    };
    charts += &chart("Open connections", Quantity::Count, lines(reports, open));
    if reports.iter().any(|(_, report)| report.rows.iter().any(|row| row.failed > 0)) {
        charts += &over_time("Connections failed or lost in each second", Quantity::Count, |row, _| {
            Some(row.failed as f64)
        });
    }
    charts + "</div>\n"
}

type Points = Vec<(f64, Option<f64>)>;

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

/// How many took no longer, over time.
pub(super) fn growth(latency: Option<&Latency>) -> Points {
    let Some(latency) = latency else { return Points::new() };
    let grown = latency.curve.iter().map(|&(share, micros)| (micros, Some(share * latency.count as f64)));
    [(0.0, Some(0.0)), (latency.min, Some(0.0))].into_iter().chain(grown).collect()
}

/// What `of` says of each row and its seconds, in the middle of it.
pub(super) fn by_row(rows: &[Row], of: fn(&Row, f64) -> Option<f64>) -> Points {
    let mut from = 0.0;
    let point = |row: &Row| {
        let begins = std::mem::replace(&mut from, row.at);
        ((begins + row.at) / 2.0, of(row, row.at - begins))
    };
    rows.iter().map(point).collect()
}

fn phases(rows: &[Row]) -> Vec<Phase> {
    let mut from = 0.0;
    let phase = |rows: &[Row]| {
        let to = rows.last()?.at;
        Some(Phase { name: rows.last()?.phase.clone(), from: std::mem::replace(&mut from, to), to })
    };
    rows.chunk_by(|one, next| one.phase == next.phase).filter_map(phase).collect()
}

/// Says what the shades of the charts are.
fn shading(phases: &[Phase], reports: &Reports) -> String {
    let shaded: Vec<String> = phases
        .iter()
        .filter(|phase| !phase.is_measured())
        .map(|phase| format!("{} ({})", phase.name, figures::micros((phase.to - phase.from) * 1e6)))
        .collect();
    let whose = match reports {
        [(first, _), _, ..] => format!(" of {first}"),
        _ => String::new(),
    };
    if shaded.is_empty() {
        return String::new();
    }
    let text = format!("Shaded is what was not measured{whose}: {}.", shaded.join(", "));
    format!("<p class=\"note\">{}</p>\n", Escaped(&text))
}
