//! The charts of the page: of one report, or of several with their lines over one another.

use super::super::chart::{Chart, Line, Phase, Quantity};
use super::super::{Latency, Report, Row, compare, figures};
use super::Escaped;
use super::facts::{BACK, DUE, HANDSHAKE, Kind, SENT, SERVED};

type Reports = [(String, Report)];
type Points = Vec<(f64, Option<f64>)>;

/// A row that is shorter, as the last may be, says little of a second.
const SHORTEST: f64 = 0.2;

const SINCE_DUE: &str = "<p class=\"note\">Since due: from when the plan wants a message sent until it comes, so that \
                         what had to wait for a server that stood still counts too.</p>\n";

pub(super) fn charts(reports: &Reports) -> String {
    recoveries(reports) + &latencies(reports) + &times(reports)
}

/// How many were back after the storm, and when.
fn recoveries(reports: &Reports) -> String {
    let (x, y) = (Quantity::Micros, Quantity::Count);
    let chart = |title, lines| Chart { title, x, y, phases: &[], lines }.to_string();
    let (back, served) = (("back", BACK.1), ("served", SERVED.1));
    match reports {
        [(_, report)] => {
            let lines = lines_of(report, &[back, served], growth);
            chart("Members back and served, by time since the storm", lines)
        }
        _ => {
            let lines = |(_, of): Kind| lines(reports, |report| growth(of(report)));
            chart("Members back, by time since the storm", lines(back))
                + &chart("Members served, by time since the storm", lines(served))
        }
    }
}

/// The distribution: since due and since sent, or one line for each of several reports.
fn latencies(reports: &Reports) -> String {
    let (x, y) = (Quantity::Share, Quantity::Micros);
    let chart = |title, lines| Chart { title, x, y, phases: &[], lines }.to_string();
    let has_messages = reports.iter().any(|(_, report)| compare::latency(report).is_some());
    match reports {
        [(_, report)] if report.latency.is_some() => {
            chart("Latency by percentile", lines_of(report, &[DUE, SENT], nines)) + SINCE_DUE
        }
        [_] if has_messages => {
            chart("Latency since sent, by percentile", lines(reports, |report| nines(SENT.1(report))))
        }
        _ if has_messages => {
            chart("Latency by percentile", lines(reports, |report| nines(compare::latency(report))))
        }
        _ => chart("Handshake by percentile", lines(reports, |report| nines(HANDSHAKE.1(report)))),
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

/// A line for each kind.
fn lines_of(report: &Report, kinds: &[Kind], points: fn(Option<&Latency>) -> Points) -> Vec<Line> {
    let line = |(name, of): &Kind| Line { name: (*name).to_owned(), points: points(of(report)) };
    kinds.iter().map(line).collect()
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
