//! The table shown in the terminal at the end of a run. Caveats come first. The last line repeats the
//! verdict, since the beginning may have scrolled away.

mod histogram;
mod lines;
mod search;
#[cfg(test)]
mod tests;

use super::Report;
use super::figure::{
    ABSENT, DISTRIBUTIONS, Distribution, Figure, Place, STATISTICS, Section, Shape, Statistic, Value,
};
use super::text::{Terminal, cut, length};
use super::units::{micros, percent, short, thousands};
use super::verdict::Verdict;
use histogram::buckets;
use lines::{BOLD, GREEN, Lines, RED, YELLOW};

/// Width of the column with the names of rows.
const NAMES: usize = 15;
/// Number of lines of the histogram.
const BUCKETS: usize = 5;
/// Number of lines of the histogram in a short terminal.
const FEW_BUCKETS: usize = 3;
/// Minimum number of values for a histogram. With fewer, percentiles are more useful.
const MIN_COUNT: u64 = 20;
/// Percentiles omitted from narrow lines, in this order.
const DROPPED_FIRST: [&str; 7] = ["p75", "mean", "min", "p95", "p90", "p99.9", "p50"];

/// Cost figures that are omitted first in a short terminal.
const DROPPED_COSTS: [&str; 3] = ["server-cpu-per-connection", "server-waited", "client-waited"];

/// How much is shown. Only figures of a valid run are omitted; faults are always shown.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Detail {
    All,
    /// A smaller histogram, and no handshakes next to messages.
    Less,
    /// Like `Less`, without the histogram and with fewer cost figures.
    Little,
    /// Like `Little`, without blank lines between sections.
    Least,
}

/// Formats the report as text. The least useful lines are omitted if the terminal has too few.
pub(crate) fn table(report: &Report, terminal: Terminal) -> String {
    let mut text = String::new();
    for detail in [Detail::All, Detail::Less, Detail::Little, Detail::Least] {
        text = render(report, terminal, detail);
        // The prompt takes one line.
        if terminal.height.is_none_or(|height| text.lines().count() < height) {
            break;
        }
    }
    text
}

fn render(report: &Report, terminal: Terminal, detail: Detail) -> String {
    let mut table = Table { lines: Lines::new(terminal), detail };
    table.caveats(report);
    if let Some(search) = &report.search {
        search::write(&mut table.lines, search, report);
    }
    let title = format!(
        "{} on {}, measured for {} s{}",
        report.scenario,
        report.url,
        short(report.seconds),
        report.interrupted.as_ref().map_or(String::new(), |signal| format!(", interrupted by {signal}"))
    );
    table.lines.paragraph("", &title, Some(BOLD));
    table.lines.line("", None);
    for section in [Section::Connections, Section::Messages, Section::Storm] {
        table.section(section, report);
    }
    table.other_messages(report);
    table.latency(report);
    table.spread(report);
    table.cost(report);
    table.verdict(report);
    table.lines.text
}

struct Table {
    lines: Lines,
    detail: Detail,
}

impl Table {
    /// Writes the head of a section.
    fn head(&mut self, head: &str) {
        if self.detail != Detail::Least && !self.lines.text.ends_with("\n\n") {
            self.lines.line("", None);
        }
        self.lines.line(head, Some(BOLD));
    }

    /// Writes why the run is not valid, and warnings.
    fn caveats(&mut self, report: &Report) {
        if !report.is_valid {
            self.lines.paragraph("", "INVALID: the figures below do not describe the server.", Some(RED));
        }
        for reason in &report.invalid {
            self.lines.paragraph("- ", reason, Some(RED));
        }
        for warning in &report.warnings {
            self.lines.paragraph("", &format!("warning: {warning}"), Some(YELLOW));
        }
        if !self.lines.text.is_empty() {
            self.lines.line("", None);
        }
    }

    /// Writes the figures of a section, one per line. Faults with a count of zero share a line.
    fn section(&mut self, section: Section, report: &Report) {
        let figures: Vec<(&Figure, Value)> = super::figure::FIGURES
            .iter()
            .filter(|figure| figure.section == section)
            .map(|figure| (figure, figure.of(report)))
            .filter(|(_, value)| !matches!(value, Value::Absent(_)))
            .collect();
        let mut clean_of = Vec::new();
        let mut lines: Vec<(String, String, Vec<String>, Option<&str>)> = Vec::new();
        let mut takes_notes = false;
        for (figure, value) in figures {
            if figure.is_at(Place::Line) || figure.is_at(Place::LineIfAny) {
                let is_none = value == Value::Exact(0.0);
                let is_fault = figure.better == super::figure::Better::Zero;
                takes_notes = !(is_none && (is_fault || figure.is_at(Place::LineIfAny)));
                if !takes_notes {
                    clean_of.extend(figure.is_at(Place::Line).then(|| figure.label()));
                    continue;
                }
                let mut notes = causes(figure, report);
                if let Value::Unknown(why) | Value::AtLeast(_, why) = &value {
                    notes.push(why.clone());
                }
                let colour = figure.is_faulty(&value).then_some(RED);
                lines.push((figure.label(), figure.text(&value), notes, colour));
            } else if let (Some(template), true, Some(line)) = (figure.note(), takes_notes, lines.last_mut())
            {
                let mut note = template.replace("{}", &figure.text(&value));
                let causes = causes(figure, report);
                if value == Value::Exact(0.0) && figure.causes.is_some() {
                    continue;
                }
                if !causes.is_empty() {
                    note += &format!(" ({})", causes.join(", "));
                }
                line.2.push(note);
            }
        }
        if lines.is_empty() && clean_of.is_empty() {
            return;
        }
        self.head(section.title());
        for (label, text, notes, colour) in lines {
            self.lines.row(&label, &text, &notes.join(", "), colour);
        }
        if !clean_of.is_empty() {
            self.lines.row("", "0", &clean_of.join(", "), None);
        }
    }

    /// Writes samples of messages that are not deliveries, one line per kind.
    fn other_messages(&mut self, report: &Report) {
        let Some(messages) = report.messages.as_ref().filter(|messages| !messages.other.is_empty()) else {
            return;
        };
        const MOST: usize = 3;
        let all: u64 = messages.other.iter().map(|other| other.count).sum();
        self.lines.row("other messages", &thousands(all), "received that are not deliveries:", None);
        for other in messages.other.iter().take(MOST) {
            let line = format!("      {} × {}", thousands(other.count), other.sample);
            self.lines.line(&cut(&line, self.lines.width()), None);
        }
        match messages.other.len().saturating_sub(MOST) {
            0 => {}
            1 => self.lines.line("      and 1 more kind", None),
            more => self.lines.line(&format!("      and {more} more kinds"), None),
        }
    }

    fn latency(&mut self, report: &Report) {
        let rows: Vec<(&str, Vec<String>)> = DISTRIBUTIONS
            .iter()
            .filter(|distribution| (distribution.of)(report).is_some())
            .filter(|distribution| self.detail == Detail::All || !is_aside(distribution, report))
            .map(|distribution| (distribution.label, cells(distribution, report)))
            .collect();
        if rows.is_empty() {
            return;
        }
        let mut columns: Vec<usize> = (0..STATISTICS.len())
            .filter(|&column| !matches!(STATISTICS[column], Statistic::Min | Statistic::Mean))
            .collect();
        let name = |column: usize| STATISTICS[column].name();
        let width = |column: usize| {
            let cells = rows.iter().map(|(_, cells)| length(&cells[column]));
            cells.chain([length(&name(column))]).max().unwrap_or_default() + 2
        };
        let used = |columns: &[usize]| NAMES + columns.iter().map(|&column| width(column)).sum::<usize>();
        for dropped in DROPPED_FIRST {
            if used(&columns) > self.lines.width() {
                columns.retain(|&column| name(column) != dropped);
            }
        }
        let head = columns.iter().map(|&column| format!("{:>1$}", name(column), width(column)));
        self.head(&format!("{:NAMES$}{}", "times", head.collect::<String>()));
        for (label, cells) in &rows {
            let cells = columns.iter().map(|&column| format!("{:>1$}", cells[column], width(column)));
            self.lines.line(&format!("  {label:<0$}{1}", NAMES - 2, cells.collect::<String>()), None);
        }
    }

    /// Writes a histogram of the main distribution.
    fn spread(&mut self, report: &Report) {
        let lines = match self.detail {
            Detail::All => BUCKETS,
            Detail::Less => FEW_BUCKETS,
            Detail::Little | Detail::Least => return,
        };
        let (label, latency) = match (Shape::of(report), &report.latency, &report.service_time) {
            (Shape::Connections, ..) => ("handshake", report.connections.handshake.as_ref()),
            (_, Some(latency), _) => ("latency", Some(latency)),
            (_, None, service_time) => ("service time", service_time.as_ref()),
        };
        let Some(latency) = latency.filter(|it| it.count >= MIN_COUNT && !it.curve.is_empty()) else {
            return;
        };
        let buckets = buckets(latency, lines);
        if buckets.len() < 2 {
            return;
        }
        self.head(&format!("spread of {label}"));
        let greatest = buckets.iter().map(|(_, share)| *share).fold(f64::MIN_POSITIVE, f64::max);
        let room = (self.lines.width() - NAMES - 10).min(50);
        for (text, share) in buckets {
            let bar = "■".repeat(((share / greatest) * room as f64).round() as usize);
            self.lines.line(&format!("  {text:<0$}{1:>8}  {bar}", NAMES - 4, percent(share)), None);
        }
    }

    /// Writes the cost of the run for server and client, next to each other.
    fn cost(&mut self, report: &Report) {
        let is_short = self.detail >= Detail::Little && report.is_valid;
        let is_shown = move |figure: &&Figure| {
            figure.is_at(Place::Line) && !(is_short && DROPPED_COSTS.contains(&&*figure.name()))
        };
        let of = |section: Section| {
            section.plain().filter(is_shown).map(move |figure| {
                let value = figure.of(report);
                let text = (!matches!(value, Value::Absent(_))).then(|| figure.text(&value));
                (figure.label(), text)
            })
        };
        let mut rows: Vec<(String, [Option<String>; 2])> =
            of(Section::Server).map(|(label, text)| (label, [text, None])).collect();
        for (label, text) in of(Section::Client) {
            match rows.iter_mut().find(|(name, _)| *name == label) {
                Some((_, texts)) => texts[1] = text,
                None => rows.push((label, [None, text])),
            }
        }
        rows.retain(|(_, texts)| texts.iter().any(Option::is_some));
        if rows.is_empty() {
            return;
        }
        let labels = rows.iter().map(|(label, _)| length(label)).max().unwrap_or_default() + 2;
        let texts = rows.iter().flat_map(|(_, texts)| texts.iter().flatten().map(|text| length(text)));
        let cells = texts.max().unwrap_or_default().max("server".len()) + 2;
        let shown: &[usize] = if report.server.is_some() { &[0, 1] } else { &[1] };
        let is_narrow = labels + cells * shown.len() > self.lines.width();
        let labels = if is_narrow { NAMES } else { labels };
        let head: String = shown.iter().map(|&at| format!("{:>cells$}", ["server", "client"][at])).collect();
        self.head(&format!("{:labels$}{head}", "cost"));
        for (label, texts) in rows {
            let texts = shown.iter().map(|&at| format!("{:>cells$}", texts[at].as_deref().unwrap_or(ABSENT)));
            let texts: String = texts.collect();
            if is_narrow {
                self.lines.line(&format!("  {label}"), None);
                self.lines.line(&format!("{:labels$}{texts}", ""), None);
            } else {
                self.lines.line(&format!("  {label:<0$}{texts}", labels - 2), None);
            }
        }
    }

    fn verdict(&mut self, report: &Report) {
        self.lines.line("", None);
        for outcome in report.expectations.iter().filter(|outcome| !outcome.is_met) {
            let why = outcome.why.clone().unwrap_or_else(|| format!("{} is not met", outcome.text));
            self.lines.paragraph("", &format!("{why}."), Some(RED));
        }
        let verdict = Verdict::of(report);
        let colour = if verdict.is_good { GREEN } else { RED };
        self.lines.paragraph("", &verdict.last_line(report), Some(colour));
    }
}

/// Returns true for the times of handshakes in a run about messages.
fn is_aside(distribution: &Distribution, report: &Report) -> bool {
    Shape::of(report) == Shape::Messages && distribution.prefix == "handshake-"
}

fn causes(figure: &Figure, report: &Report) -> Vec<String> {
    let causes = figure.causes.and_then(|causes| causes(report)).into_iter().flatten();
    causes.map(|(cause, &count)| format!("{} × {cause}", thousands(count))).collect()
}

fn cells(distribution: &Distribution, report: &Report) -> Vec<String> {
    let text = |statistic: &Statistic| match distribution.value(report, *statistic) {
        Value::Exact(value) => micros(value),
        Value::AtLeast(value, _) => format!("≥ {}", micros(value)),
        Value::Unknown(_) | Value::Absent(_) => ABSENT.to_owned(),
    };
    STATISTICS.iter().map(text).collect()
}
