//! Reports beside one another: the table for the terminal, and what it shares with the page.

use super::table::{WIDTH, printable, wrap};
use super::{Latency, Report, figures};
use std::collections::{BTreeMap, BTreeSet};

const ABSENT: &str = "–";

/// What runs are compared by: its name, where it stands in a report, and how it is written.
pub(super) type Figure = (&'static str, fn(&Report) -> Option<f64>, fn(f64) -> String);

pub(super) const FIGURES: &[Figure] = &[
    ("connections opened", |report| Some(report.connections.opened as f64), count),
    ("connections failed", |report| Some(total(&report.connections.failed) as f64), count),
    ("connections lost", |report| Some(total(&report.connections.lost) as f64), count),
    ("connections/s", |report| Some(report.connections.per_second), figures::rate),
    ("handshake p50", |report| Some(report.connections.handshake.as_ref()?.p50), figures::micros),
    ("handshake p99", |report| Some(report.connections.handshake.as_ref()?.p99), figures::micros),
    ("sent", |report| Some(report.messages.as_ref()?.sent as f64), count),
    ("received", |report| Some(report.messages.as_ref()?.received as f64), count),
    ("lost", |report| Some(report.messages.as_ref()?.lost as f64), count),
    ("duplicated", |report| Some(report.messages.as_ref()?.duplicated as f64), count),
    ("reordered", |report| Some(report.messages.as_ref()?.reordered as f64), count),
    ("damaged", |report| Some(report.messages.as_ref()?.damaged as f64), count),
    ("strayed", |report| strayed(report).map(|count| count as f64), count),
    ("p50", |report| Some(latency(report)?.p50), figures::micros),
    ("p95", |report| Some(latency(report)?.p95), figures::micros),
    ("p99", |report| Some(latency(report)?.p99), figures::micros),
    ("p99.9", |report| Some(latency(report)?.p999), figures::micros),
    ("max", |report| Some(latency(report)?.max), figures::micros),
    ("members back", |report| Some(report.recovery.as_ref()?.back as f64), count),
    ("half back after", |report| Some(report.recovery.as_ref()?.until_back.as_ref()?.p50), figures::micros),
    ("last back after", |report| Some(report.recovery.as_ref()?.until_back.as_ref()?.max), figures::micros),
    ("members served", |report| Some(report.recovery.as_ref()?.served as f64), count),
    (
        "half served after",
        |report| Some(report.recovery.as_ref()?.until_served.as_ref()?.p50),
        figures::micros,
    ),
    (
        "last served after",
        |report| Some(report.recovery.as_ref()?.until_served.as_ref()?.max),
        figures::micros,
    ),
    ("deliveries/s", |report| Some(report.messages.as_ref()?.received_per_second), figures::rate),
    ("server CPU/delivery", |report| report.server.as_ref()?.per_delivery, figures::micros),
    ("server CPU/connection", |report| Some(report.server.as_ref()?.per_connection), figures::micros),
    (
        "server memory/connection",
        |report| Some(report.server.as_ref()?.memory_per_connection),
        figures::bytes,
    ),
    ("client CPU/delivery", |report| report.client.per_delivery, figures::micros),
];

/// The key figures of named reports side by side, within 80 columns, with the change of each against the first.
/// Above them stands what to know before comparing.
pub fn table(reports: &[(String, Report)]) -> String {
    let mut out = String::new();
    for caveat in caveats(reports) {
        paragraph(&format!("! {caveat}"), &mut out);
    }
    for (name, report) in reports {
        let Report { scenario, url, started, seconds, throng, .. } = report;
        paragraph(
            &format!("{name}: {scenario}, {url}, {started}, {seconds:.0} s, throng {throng}"),
            &mut out,
        );
    }
    let Some(((first, baseline), others)) = reports.split_first() else { return out };
    let rows: Vec<Figures> =
        FIGURES.iter().filter_map(|figure| Figures::of(figure, baseline, others)).collect();
    let layout = Layout::of(&rows);
    let mut shown = 0;
    loop {
        let columns = shown..others.len().min(shown + layout.others);
        out.push('\n');
        layout.write(&rows, first, &others[columns.clone()], shown, &mut out);
        shown = columns.end;
        if shown == others.len() {
            return out;
        }
    }
}

/// What to know before any figure, in sentences: of each run, and of what makes several hard to compare.
fn caveats(reports: &[(String, Report)]) -> Vec<String> {
    let mut caveats = Vec::new();
    for (name, report) in reports {
        caveats.extend(warnings(report).iter().map(|warning| format!("{name}: {warning}")));
    }
    for Difference { what, values } in differences(reports) {
        let told = values.iter().map(|(name, values)| {
            let values: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or(ABSENT)).collect();
            format!("{name} ({})", values.join("; "))
        });
        caveats.push(format!("The {what} differ: {}.", told.collect::<Vec<_>>().join(", ")));
    }
    caveats.extend(mixed_plans(reports).map(str::to_owned));
    caveats
}

/// What to know before any figure of a run, in sentences.
pub(super) fn warnings(report: &Report) -> Vec<String> {
    let invalid = "This run is not valid: its figures are not the server's.".to_owned();
    (!report.is_valid).then_some(invalid).into_iter().chain(report.warnings.iter().cloned()).collect()
}

/// What is not the same in all reports.
pub(super) struct Difference {
    /// A plural.
    pub what: &'static str,
    pub values: Beside<String>,
}

/// Names, and what each report has under them.
pub(super) type Beside<T> = Vec<(String, Vec<Option<T>>)>;

pub(super) fn differences(reports: &[(String, Report)]) -> Vec<Difference> {
    let difference = |what, of: fn(&Report) -> BTreeMap<String, String>| {
        let maps: Vec<_> = reports.iter().map(|(_, report)| of(report)).collect();
        let mut values = side_by_side(&maps);
        values.retain(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]));
        (!values.is_empty()).then_some(Difference { what, values })
    };
    let scenario = |report: &Report| BTreeMap::from([("scenario".to_owned(), report.scenario.clone())]);
    let differences = [
        difference("runs", scenario),
        difference("settings", |report| report.settings.clone()),
        difference("machines", machine),
    ];
    differences.into_iter().flatten().collect()
}

/// What makes latencies hard to compare.
pub(super) fn mixed_plans(reports: &[(String, Report)]) -> Option<&'static str> {
    let is_planned = |report: &Report| report.latency.is_some();
    let with_latency = || reports.iter().map(|(_, report)| report).filter(|report| latency(report).is_some());
    let some_only = with_latency().any(is_planned) && !with_latency().all(is_planned);
    some_only.then_some(
        "Only some runs had a plan: their latencies count from when a message was due, those of the others from when \
         it was sent.",
    )
}

/// Of deliveries: from when they were due, or from when they were sent if there was no plan.
pub(super) fn latency(report: &Report) -> Option<&Latency> {
    report.latency.as_ref().or(report.latency_raw.as_ref())
}

/// Deliveries that strayed, if any did: without rooms there is nowhere to stray to.
pub(super) fn strayed(report: &Report) -> Option<u64> {
    report.messages.as_ref().map(|messages| messages.strayed).filter(|strayed| *strayed > 0)
}

/// The sum of what is counted by cause.
pub(super) fn total(by_cause: &BTreeMap<String, u64>) -> u64 {
    by_cause.values().sum()
}

/// The machine by the names of its parts.
pub(super) fn machine(report: &Report) -> BTreeMap<String, String> {
    let machine = &report.machine;
    BTreeMap::from([
        ("system".to_owned(), machine.system.clone()),
        ("processor".to_owned(), machine.processor.clone()),
        ("cores".to_owned(), machine.cores.to_string()),
        ("memory".to_owned(), figures::bytes(machine.memory as f64)),
    ])
}

/// What each map holds under each name that any of them has.
pub(super) fn side_by_side<T: Clone>(maps: &[BTreeMap<String, T>]) -> Beside<T> {
    let names: BTreeSet<&String> = maps.iter().flat_map(BTreeMap::keys).collect();
    let values = |name| maps.iter().map(|map| map.get(name).cloned()).collect();
    names.into_iter().map(|name| (name.clone(), values(name))).collect()
}

fn count(value: f64) -> String {
    figures::thousands(value as u64)
}

/// A row: a figure of the first report, and of the others with its change.
struct Figures {
    name: &'static str,
    first: String,
    others: Vec<(String, String)>,
}

impl Figures {
    /// `None` if no report has the figure.
    fn of(&(name, of, text): &Figure, baseline: &Report, others: &[(String, Report)]) -> Option<Figures> {
        let before = of(baseline);
        let written = |value: Option<f64>| value.map_or(ABSENT.to_owned(), text);
        let values: Vec<Option<f64>> = others.iter().map(|(_, report)| of(report)).collect();
        if before.is_none() && values.iter().all(Option::is_none) {
            return None;
        }
        let change = |after: Option<f64>| Some(figures::change(before?, after?));
        let others = values.into_iter().map(|value| (written(value), change(value).unwrap_or_default()));
        Some(Figures { name, first: written(before), others: others.collect() })
    }
}

/// Widths of columns, and how many reports beside the first have room.
struct Layout {
    name: usize,
    value: usize,
    change: usize,
    others: usize,
}

impl Layout {
    fn of(rows: &[Figures]) -> Layout {
        let others = || rows.iter().flat_map(|row| &row.others);
        let name = widest(rows.iter().map(|row| row.name));
        let first = rows.iter().map(|row| row.first.as_str());
        let value = widest(first.chain(others().map(|(value, _)| value.as_str())));
        let change = widest(others().map(|(_, change)| change.as_str()));
        let room = WIDTH.saturating_sub(name + 2 + value);
        Layout { name, value, change, others: (room / (value + change + 3)).max(1) }
    }

    /// Writes a block: the first report and some of the others, of which so many were shown before.
    fn write(
        &self,
        rows: &[Figures],
        first: &str,
        names: &[(String, Report)],
        before: usize,
        out: &mut String,
    ) {
        let Layout { name, value, change, .. } = *self;
        let other = value + change + 1;
        // A long name takes what the others leave of the line.
        let width = WIDTH.saturating_sub(name + 2 + names.len() * (other + 2));
        let width = length(first).min(width).max(value);
        *out += &format!("{:name$}  {:>width$}", "", shortened(first, width));
        for (title, _) in names {
            *out += &format!("  {:>other$}", shortened(title, other));
        }
        out.push('\n');
        for row in rows {
            *out += &format!("{:name$}  {:>width$}", row.name, row.first);
            for (now, by) in &row.others[before..before + names.len()] {
                *out += &format!("  {now:>value$} {by:>change$}");
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
    }
}

/// The end of a name that is too long, since names of files differ there.
fn shortened(name: &str, width: usize) -> String {
    let excess = length(name).saturating_sub(width);
    let name: String = name.chars().map(printable).collect();
    match excess {
        0 => name,
        _ => format!("…{}", name.chars().skip(excess + 1).collect::<String>()),
    }
}

/// Appends a paragraph, all but its first line indented.
fn paragraph(text: &str, out: &mut String) {
    *out += &wrap(text, WIDTH - 2).join("\n  ");
    out.push('\n');
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(length).max().unwrap_or_default()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
pub(super) mod tests;
