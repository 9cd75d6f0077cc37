//! Comparison of reports: the table for the terminal, and the parts shared with the HTML page.

use super::Report;
use super::figure::{ABSENT, Better, FIGURES, Figure, Place, Unit, Value};
use super::text::{Terminal, clean, length, wrap};
use super::units;
use std::collections::{BTreeMap, BTreeSet};

/// A change is marked if it exceeds this fraction of the first value. Identical runs differ by about as much.
const NOISE: f64 = 0.03;
/// Smaller differences, in microseconds, are noise of the clock and the scheduler.
const MIN_TIME: f64 = 5.0;

/// Explains the marks to the reader.
pub(super) const RULE: &str = "better, worse: differs from the first run by more than 3 % (times also by more than 5 µs). \
                               One run shows no spread: repeat runs before you rely on a small difference.";

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Formats the key figures of named reports side by side, with the change of each against the first. Caveats
/// come first.
pub(crate) fn table(reports: &[(String, Report)], terminal: Terminal) -> String {
    let mut out = String::new();
    for caveat in caveats(reports) {
        paragraph(&format!("! {caveat}"), terminal, Some(YELLOW), &mut out);
    }
    if let Some(note) = notes(reports) {
        paragraph(&note, terminal, None, &mut out);
    }
    for (name, report) in reports {
        let Report { scenario, url, started, seconds, throng, .. } = report;
        let text = format!("{name}: {scenario}, {url}, {started}, {seconds:.0} s, throng {throng}");
        paragraph(&text, terminal, None, &mut out);
    }
    let rows: Vec<Row> = rows(reports).collect();
    let Some(((first, _), others)) = reports.split_first() else { return out };
    let layout = Layout::of(&rows, terminal);
    for (block, names) in others.chunks(layout.others).enumerate() {
        out.push('\n');
        layout.write(&rows, first, names, block * layout.others, &mut out);
    }
    out.push('\n');
    paragraph(RULE, terminal, None, &mut out);
    out
}

/// One figure in all reports.
pub(super) struct Row {
    pub label: String,
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub text: String,
    pub change: Change,
}

/// The change of a value relative to the first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// `+12.3 %`, or empty if a percentage makes no sense.
    pub text: String,
    pub mark: Mark,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mark {
    Better,
    Worse,
    /// Within noise, or neither direction is better.
    Neutral,
}

impl Mark {
    pub fn word(self) -> &'static str {
        match self {
            Mark::Better => "better",
            Mark::Worse => "worse",
            Mark::Neutral => "",
        }
    }
}

/// Returns the rows of the comparison, without figures that no report has and faults that no run had.
pub(super) fn rows(reports: &[(String, Report)]) -> impl Iterator<Item = Row> {
    FIGURES.iter().filter(|figure| figure.is_at(Place::Compare)).filter_map(|figure| {
        let values: Vec<Value> = reports.iter().map(|(_, report)| figure.of(report)).collect();
        let (first, _) = values.split_first()?;
        let is_absent = values.iter().all(|value| matches!(value, Value::Absent(_)));
        let is_fault = figure.better == Better::Zero;
        let is_clean = is_fault && !values.iter().any(|value| figure.is_faulty(value));
        if is_absent || is_clean {
            return None;
        }
        let mut figure = *figure;
        if figure.name() == "opened" && !has_one_plan(reports) {
            figure.better = Better::Neither;
        }
        let cell = |(at, value): (usize, &Value)| Cell {
            text: figure.text(value),
            change: if at == 0 { Change::none() } else { Change::of(&figure, first, value) },
        };
        let (_, report) = reports
            .iter()
            .zip(&values)
            .find_map(|(report, value)| (!matches!(value, Value::Absent(_))).then_some(report))?;
        Some(Row { label: figure.full_label(report), cells: values.iter().enumerate().map(cell).collect() })
    })
}

/// Returns true if all runs planned the same number of connections. Otherwise a larger number opened is not
/// better.
fn has_one_plan(reports: &[(String, Report)]) -> bool {
    reports.windows(2).all(|pair| pair[0].1.connections.planned == pair[1].1.connections.planned)
}

impl Change {
    fn none() -> Change {
        Change { text: String::new(), mark: Mark::Neutral }
    }

    fn of(figure: &Figure, before: &Value, after: &Value) -> Change {
        let (text, from, to) = match (before, after) {
            (Value::Exact(from), Value::Exact(to)) => (units::change(*from, *to), *from, *to),
            // The value certainly grew, but it is unknown by how much.
            (Value::Exact(from), Value::AtLeast(to, _)) if to > from => (String::new(), *from, *to),
            (Value::AtLeast(from, _), Value::Exact(to)) if from > to => (String::new(), *from, *to),
            _ => return Change::none(),
        };
        let grows_better = match figure.better {
            Better::Higher => true,
            Better::Lower | Better::Zero => false,
            Better::Neither => return Change { text, mark: Mark::Neutral },
        };
        let difference = (to - from).abs();
        let is_noise =
            difference <= from.abs() * NOISE || (figure.unit == Unit::Time && difference < MIN_TIME);
        let mark = match (is_noise, (to > from) == grows_better) {
            (true, _) => Mark::Neutral,
            (false, true) => Mark::Better,
            (false, false) => Mark::Worse,
        };
        Change { text, mark }
    }

    fn full_text(&self) -> String {
        format!("{} {}", self.text, self.mark.word()).trim().to_owned()
    }
}

/// Returns the caveats of each run, and the differences that make the runs hard to compare.
fn caveats(reports: &[(String, Report)]) -> Vec<String> {
    let of_runs = reports
        .iter()
        .flat_map(|(name, report)| warnings(report).into_iter().map(move |it| format!("{name}: {it}")));
    of_runs.chain(differences(reports).iter().map(Difference::sentence)).chain(mixed_plans(reports)).collect()
}

/// Returns the caveats of a run, as sentences.
pub(super) fn warnings(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    if !report.is_valid {
        warnings.push("This run is not valid: its figures do not describe the server.".to_owned());
    }
    warnings.extend(report.invalid.iter().cloned());
    warnings.extend(report.interrupted.iter().map(|signal| format!("{signal} ended this run early.")));
    warnings.extend(report.warnings.iter().cloned());
    warnings
}

/// A property that differs between the reports.
pub(super) struct Difference {
    /// The start of the sentence that describes it.
    pub what: &'static str,
    pub values: SideBySide<String>,
    /// A sentence that explains why it matters.
    advice: &'static str,
}

/// Names, each with its value in every report.
pub(super) type SideBySide<T> = Vec<(String, Vec<Option<T>>)>;

impl Difference {
    pub fn sentence(&self) -> String {
        let shown = self.values.iter().map(|(name, values)| {
            let values: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or(ABSENT)).collect();
            format!("{name} ({})", values.join("; "))
        });
        let shown: Vec<String> = shown.collect();
        format!("{}: {}.{}", self.what, shown.join(", "), self.advice)
    }
}

/// A report of `slow-readers` is meant to be compared with one of `broadcast`.
const BROADCAST: &str = "broadcast";
const SLOW_READERS: &str = "slow-readers";
/// Settings that exist only for slow readers.
const OF_SLOW_READERS: [&str; 3] = ["stalled-readers", "read-rate", "receive-buffer"];

/// Returns true if the runs are broadcasts with and without slow readers.
fn is_slow_reader_pair(reports: &[(String, Report)]) -> bool {
    let scenarios: BTreeSet<&str> = reports.iter().map(|(_, report)| report.scenario.as_str()).collect();
    scenarios == BTreeSet::from([BROADCAST, SLOW_READERS])
}

/// Returns a sentence that explains how to read the comparison.
pub(super) fn notes(reports: &[(String, Report)]) -> Option<String> {
    is_slow_reader_pair(reports).then(|| {
        "A broadcast with and without slow readers. The difference is what the slow readers cost the other members."
            .to_owned()
    })
}

pub(super) fn differences(reports: &[(String, Report)]) -> Vec<Difference> {
    let is_pair = is_slow_reader_pair(reports);
    let difference = |what, advice, of: fn(&Report) -> BTreeMap<String, String>| {
        let maps: Vec<_> = reports.iter().map(|(_, report)| of(report)).collect();
        let mut values = side_by_side(&maps);
        values.retain(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]));
        if is_pair {
            values.retain(|(name, _)| name != "scenario" && !OF_SLOW_READERS.contains(&name.as_str()));
        }
        (!values.is_empty()).then_some(Difference { what, values, advice })
    };
    fn only(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }
    let differences = [
        difference("The scenarios differ", " Their figures do not measure the same thing.", |report| {
            only("scenario", &report.scenario)
        }),
        difference("The servers differ", "", |report| only("URL", &report.url)),
        difference("The settings differ", "", |report| report.settings.clone()),
        difference("The versions of throng differ", "", |report| only("version", &report.throng)),
        difference("The client machines differ", "", machine),
    ];
    differences.into_iter().flatten().collect()
}

/// Returns a caveat if only some runs were open loops.
pub(super) fn mixed_plans(reports: &[(String, Report)]) -> Option<String> {
    let timed = || {
        let reports = reports.iter().map(|(_, report)| report);
        reports.filter(|report| report.latency.is_some() || report.service_time.is_some())
    };
    let is_open = |report: &Report| report.latency.is_some();
    (timed().any(is_open) && !timed().all(is_open)).then(|| {
        "Only some runs had a planned rate: they show latency, counted from when a message was due; the others \
         show service time, counted from when it was sent."
            .to_owned()
    })
}

/// Returns the properties of the machine by name.
pub(super) fn machine(report: &Report) -> BTreeMap<String, String> {
    let machine = &report.machine;
    BTreeMap::from([
        ("system".to_owned(), machine.system.clone()),
        ("processor".to_owned(), machine.processor.clone()),
        ("cores".to_owned(), machine.cores.to_string()),
        ("memory".to_owned(), units::bytes(machine.memory as f64)),
    ])
}

/// Returns, for every name in any of the maps, its value in each map.
pub(super) fn side_by_side<T: Clone>(maps: &[BTreeMap<String, T>]) -> SideBySide<T> {
    let names: BTreeSet<&String> = maps.iter().flat_map(BTreeMap::keys).collect();
    let values = |name| maps.iter().map(|map| map.get(name).cloned()).collect();
    names.into_iter().map(|name| (name.clone(), values(name))).collect()
}

/// Widths of columns, and the number of reports that fit next to the first.
struct Layout {
    label: usize,
    value: usize,
    change: usize,
    others: usize,
    terminal: Terminal,
}

impl Layout {
    fn of(rows: &[Row], terminal: Terminal) -> Layout {
        let cells = || rows.iter().flat_map(|row| &row.cells);
        let label = widest(rows.iter().map(|row| row.label.as_str()));
        let value = widest(cells().map(|cell| cell.text.as_str()));
        let changes: Vec<String> = cells().map(|cell| cell.change.full_text()).collect();
        let change = widest(changes.iter().map(String::as_str));
        // On a narrow terminal, shorten labels rather than figures.
        let least = 2 * value + change + 5;
        let label = label.min(terminal.width.saturating_sub(least).max(12));
        let room = terminal.width.saturating_sub(label + 2 + value);
        Layout { label, value, change, others: (room / (value + change + 3)).max(1), terminal }
    }

    /// Writes a block of columns: the first report and `names`, which follow the `before` reports of earlier
    /// blocks.
    fn write(&self, rows: &[Row], first: &str, names: &[(String, Report)], before: usize, out: &mut String) {
        let Layout { label, value, change, terminal, .. } = *self;
        let other = value + change + 1;
        // A long name may use the space that the other columns leave.
        let width = terminal.width.saturating_sub(label + 2 + names.len() * (other + 2));
        let width = length(first).min(width).max(value);
        *out += &format!("{:label$}  {:>width$}", "", shortened(first, width));
        for (title, _) in names {
            *out += &format!("  {:>other$}", shortened(title, other));
        }
        out.push('\n');
        for Row { label: name, cells } in rows {
            *out += &format!("{:label$}  {:>width$}", shortened(name, label), cells[0].text);
            for Cell { text, change: by } in &cells[before + 1..=before + names.len()] {
                let colour = match by.mark {
                    Mark::Better => Some(GREEN),
                    Mark::Worse => Some(RED),
                    Mark::Neutral => None,
                };
                let by = format!("{:>change$}", by.full_text());
                let by = match colour.filter(|_| terminal.colour) {
                    Some(colour) => format!("{colour}{by}{PLAIN}"),
                    None => by,
                };
                *out += &format!("  {text:>value$} {by}");
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
    }
}

/// Shortens a name at its start, since file names usually differ at the end.
fn shortened(name: &str, width: usize) -> String {
    let name = clean(name);
    let excess = length(&name).saturating_sub(width);
    match excess {
        0 => name,
        _ => format!("…{}", name.chars().skip(excess + 1).collect::<String>()),
    }
}

/// Appends a paragraph. All lines but the first are indented.
fn paragraph(text: &str, terminal: Terminal, colour: Option<&str>, out: &mut String) {
    let text = wrap(text, terminal.width - 2).join("\n  ");
    *out += &match colour.filter(|_| terminal.colour) {
        Some(colour) => format!("{colour}{text}{PLAIN}\n"),
        None => format!("{text}\n"),
    };
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(length).max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
