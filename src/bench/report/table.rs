//! The table shown in the terminal at the end of a run. Caveats come first. The last line repeats the
//! verdict, since the beginning may have scrolled away.

use super::figure::{
    ABSENT, DISTRIBUTIONS, Distribution, Figure, Place, STATISTICS, Section, Shape, Statistic, Value,
};
use super::text::{Terminal, clean, cut, length, wrap};
use super::units::{micros, percent, rate, short, thousands};
use super::verdict::Verdict;
use super::{Latency, Report, Search, Step};

/// Width of the column with the names of rows.
const NAMES: usize = 15;
/// Width of the column with counts, right of a name.
const COUNTS: usize = 12;
/// Minimum width of a note to the right of figures; narrower ones go on the next line.
const MIN_NOTE: usize = 24;
/// Number of lines of the histogram.
const BUCKETS: usize = 5;
/// Number of lines of the histogram in a short terminal.
const FEW_BUCKETS: usize = 3;
/// Minimum number of values for a histogram. With fewer, percentiles are more useful.
const MIN_COUNT: u64 = 20;
/// Percentiles omitted from narrow lines, in this order.
const DROPPED_FIRST: [&str; 7] = ["p75", "mean", "min", "p95", "p90", "p99.9", "p50"];

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

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
    let mut table = Table { text: String::new(), terminal, detail };
    table.caveats(report);
    if let Some(search) = &report.search {
        table.search(search, report);
    }
    let title = format!(
        "{} on {}, measured for {} s{}",
        report.scenario,
        report.url,
        short(report.seconds),
        report.interrupted.as_ref().map_or(String::new(), |signal| format!(", interrupted by {signal}"))
    );
    table.paragraph("", &title, Some(BOLD));
    table.line("", None);
    for section in [Section::Connections, Section::Messages, Section::Storm] {
        table.section(section, report);
    }
    table.other_messages(report);
    table.latency(report);
    table.spread(report);
    table.cost(report);
    table.verdict(report);
    table.text
}

struct Table {
    text: String,
    terminal: Terminal,
    detail: Detail,
}

impl Table {
    /// Writes the head of a section.
    fn head(&mut self, head: &str) {
        if self.detail != Detail::Least && !self.text.ends_with("\n\n") {
            self.line("", None);
        }
        self.line(head, Some(BOLD));
    }

    /// Writes why the run is not valid, and warnings.
    fn caveats(&mut self, report: &Report) {
        if !report.is_valid {
            self.paragraph("", "INVALID: the figures below do not describe the server.", Some(RED));
        }
        for reason in &report.invalid {
            self.paragraph("- ", reason, Some(RED));
        }
        for warning in &report.warnings {
            self.paragraph("", &format!("warning: {warning}"), Some(YELLOW));
        }
        if !self.text.is_empty() {
            self.line("", None);
        }
    }

    fn search(&mut self, search: &Search, report: &Report) {
        let colour = if search.highest.is_some() { GREEN } else { RED };
        self.paragraph("", &search.headline(report), Some(colour));
        if search.highest.is_some() {
            self.paragraph("", &search.ended, None);
        }
        self.paragraph("", &format!("Conditions: {}.", search.conditions.join(", ")), None);
        let heads = ["load", "held", "p99", "loss", "sent", "opened"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for step in &search.steps {
            let Step { load, holds, sent_per_second, loss, p99, opened, .. } = step;
            let text = |value: Option<f64>, text: fn(f64) -> String| value.map_or(ABSENT.to_owned(), text);
            rows.push(vec![
                search.load_text(*load),
                if *holds { "yes" } else { "no" }.to_owned(),
                text(*p99, micros),
                text(*loss, percent),
                text(*sent_per_second, rate),
                thousands(*opened),
            ]);
        }
        let mut widths = widths(&rows);
        let used = |widths: &[usize]| widths.iter().map(|width| width + 2).sum::<usize>();
        while used(&widths) > self.terminal.width {
            widths.pop();
        }
        let has_room = used(&widths) + MIN_NOTE <= self.terminal.width;
        self.line("", None);
        let notes = std::iter::once(has_room.then_some("why not"));
        let notes = notes.chain(search.steps.iter().map(|step| step.why.as_deref()));
        for (row, note) in rows.iter().zip(notes) {
            let cells: String =
                row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}  ")).collect();
            match note {
                Some(note) if has_room => self.paragraph(&cells, note, None),
                Some(note) => {
                    self.line(&cells, None);
                    self.paragraph("    ", note, None);
                }
                None => self.line(&cells, None),
            }
        }
        self.line("", None);
        if search.highest.is_some() {
            self.paragraph("", "The figures below are of the highest load that held.", None);
            self.line("", None);
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
            self.row(&label, &text, &notes.join(", "), colour);
        }
        if !clean_of.is_empty() {
            self.row("", "0", &clean_of.join(", "), None);
        }
    }

    /// Writes samples of messages that are not deliveries, one line per kind.
    fn other_messages(&mut self, report: &Report) {
        let Some(messages) = report.messages.as_ref().filter(|messages| !messages.other.is_empty()) else {
            return;
        };
        const MOST: usize = 3;
        let all: u64 = messages.other.iter().map(|other| other.count).sum();
        self.row("other messages", &thousands(all), "received that are not deliveries:", None);
        for other in messages.other.iter().take(MOST) {
            let line = format!("      {} × {}", thousands(other.count), other.sample);
            self.line(&cut(&line, self.terminal.width), None);
        }
        match messages.other.len().saturating_sub(MOST) {
            0 => {}
            1 => self.line("      and 1 more kind", None),
            more => self.line(&format!("      and {more} more kinds"), None),
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
            if used(&columns) > self.terminal.width {
                columns.retain(|&column| name(column) != dropped);
            }
        }
        let head = columns.iter().map(|&column| format!("{:>1$}", name(column), width(column)));
        self.head(&format!("{:NAMES$}{}", "times", head.collect::<String>()));
        for (label, cells) in &rows {
            let cells = columns.iter().map(|&column| format!("{:>1$}", cells[column], width(column)));
            self.line(&format!("  {label:<0$}{1}", NAMES - 2, cells.collect::<String>()), None);
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
        let room = (self.terminal.width - NAMES - 10).min(50);
        for (text, share) in buckets {
            let bar = "■".repeat(((share / greatest) * room as f64).round() as usize);
            self.line(&format!("  {text:<0$}{1:>8}  {bar}", NAMES - 4, percent(share)), None);
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
        let is_narrow = labels + cells * shown.len() > self.terminal.width;
        let labels = if is_narrow { NAMES } else { labels };
        let head: String = shown.iter().map(|&at| format!("{:>cells$}", ["server", "client"][at])).collect();
        self.head(&format!("{:labels$}{head}", "cost"));
        for (label, texts) in rows {
            let texts = shown.iter().map(|&at| format!("{:>cells$}", texts[at].as_deref().unwrap_or(ABSENT)));
            let texts: String = texts.collect();
            if is_narrow {
                self.line(&format!("  {label}"), None);
                self.line(&format!("{:labels$}{texts}", ""), None);
            } else {
                self.line(&format!("  {label:<0$}{texts}", labels - 2), None);
            }
        }
    }

    fn verdict(&mut self, report: &Report) {
        self.line("", None);
        for outcome in report.expectations.iter().filter(|outcome| !outcome.is_met) {
            let why = outcome.why.clone().unwrap_or_else(|| format!("{} is not met", outcome.text));
            self.paragraph("", &format!("{why}."), Some(RED));
        }
        let verdict = Verdict::of(report);
        let colour = if verdict.is_good { GREEN } else { RED };
        self.paragraph("", &verdict.last_line(report), Some(colour));
    }

    fn row(&mut self, label: &str, text: &str, note: &str, colour: Option<&str>) {
        let width = NAMES.max(length(label) + 2) - 2;
        let counts = (NAMES + COUNTS - 2).saturating_sub(width);
        let start = format!("  {label:<width$}{text:>counts$}  ");
        if note.is_empty() || length(&start) + MIN_NOTE <= self.terminal.width {
            self.paragraph(&start, note, colour);
        } else {
            self.line(&start, colour);
            self.paragraph("    ", note, colour);
        }
    }

    /// Writes text after `start`. Lines are wrapped and indented to the width of `start`.
    fn paragraph(&mut self, start: &str, text: &str, colour: Option<&str>) {
        let indent = length(start);
        for (index, line) in wrap(text, self.terminal.width - indent).iter().enumerate() {
            let start = if index == 0 { start.to_owned() } else { " ".repeat(indent) };
            self.line(&(start + line), colour);
        }
    }

    fn line(&mut self, line: &str, colour: Option<&str>) {
        let line = clean(line.trim_end());
        match colour.filter(|_| self.terminal.colour && !line.is_empty()) {
            Some(colour) => self.text += &format!("{colour}{line}{PLAIN}\n"),
            None => self.text += &format!("{line}\n"),
        }
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

/// Returns the buckets of a histogram: an upper edge, and the share of values between it and the previous
/// edge. Edges grow by a constant factor, since the tail may be a thousand times the median. All values that
/// are lower bounds are in the last bucket.
fn buckets(latency: &Latency, count: usize) -> Vec<(String, f64)> {
    let (low, high) = (latency.min.max(1e-3), latency.max);
    if high <= low * 1.01 {
        return Vec::new();
    }
    let edge = |at: usize| low * (high / low).powf(at as f64 / count as f64);
    let (mut from, mut below) = (low, 0.0);
    let mut buckets = Vec::new();
    for at in 1..=count {
        let to = if at == count { high } else { edge(at) };
        if latency.is_lower_bound(to) {
            buckets.push((format!("> {}", micros(from)), 1.0 - below));
            break;
        }
        let up_to = latency.share_up_to(to);
        buckets.push((format!("≤ {}", micros(to)), up_to - below));
        (from, below) = (to, up_to);
    }
    buckets
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns).map(|column| rows.iter().map(|row| length(&row[column])).max().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Messages, Other, Outcome, sample};
    use super::*;

    const WIDE: Terminal = Terminal { width: 80, height: None, colour: false };

    fn shown(report: &Report) -> String {
        table(report, WIDE)
    }

    /// Returns the text with single spaces.
    fn squeezed(text: &str) -> String {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
        text.lines().map(words).collect()
    }

    #[test]
    fn the_counts_and_times_of_a_broadcast_are_shown() {
        let text = squeezed(&shown(&sample::broadcast()));
        for expected in [
            "broadcast on ws://127.0.0.1:8080/chat, measured for 30 s\n",
            "\nopened 9,997 of 10,000 planned, 4,321/s, 9,995 open at the end\n",
            "\nfailed 3 2 × connection refused, 1 × timed out\n",
            "\nreceived 29,990,998 of 29,991,000 expected, 999,700/s, 120 MiB/s\n",
            "\nlost 2 <0.01 %\n",
            "\n0 unsent, duplicated, damaged\n",
            "\nlatency 1 ms 1.50 ms 2 ms 3 ms 4 ms 8 ms 10 ms\n",
            "\nCPU per delivery 670 ns 412 ns\n",
            "\nbusiest thread waited for a core 1 % 1 %\n",
            "\nValid. 3 of 10,000 connections failed, 2 connections lost,",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
    }

    #[test]
    fn the_verdict_is_the_last_line_and_follows_unmet_expectations() {
        let mut report = sample::invalid();
        let why = "p99<1ms is not met: p99 is 4 ms".to_owned();
        report.expectations = vec![
            Outcome { text: "p99<1ms".to_owned(), is_met: false, why: Some(why) },
            Outcome { text: "loss<1%".to_owned(), is_met: true, why: None },
        ];
        let text = shown(&report);
        assert!(text.starts_with("INVALID"), "{text}");
        let last = "Not valid: A thread of the client was busy for 98 % of the time.";
        assert_eq!(text.lines().last(), Some(last));
        assert!(text.contains("\np99<1ms is not met: p99 is 4 ms.\n") && !text.contains("loss<1%"));
        let report = Report { expectations: report.expectations, ..sample::clean() };
        let last = "Valid. No message was lost. 1 of 2 expectations met.";
        assert_eq!(shown(&report).lines().last(), Some(last));
    }

    #[test]
    fn an_interruption_is_shown_in_the_title_and_the_last_line() {
        let text = shown(&Report { interrupted: Some("SIGTERM".to_owned()), ..sample::broadcast() });
        assert!(text.contains("interrupted by SIGTERM"), "{text}");
        assert!(text.lines().last().is_some_and(|line| line.starts_with("Not complete: SIGTERM")));
    }

    #[test]
    fn lower_bounds_are_marked_and_unknown_counts_shown_as_unknown() {
        let mut report = sample::dead_server();
        report.messages.as_mut().expect("it has messages").unknown = 5;
        let text = shown(&report);
        let line = text.lines().find(|line| line.starts_with("  latency")).expect("it has latency");
        assert!(line.contains("≥ 4 ms") && line.contains("≥ 10 ms") && !line.contains("≥ 1 ms"), "{line}");
        assert!(squeezed(&text).contains("\nduplicated unknown 5 deliveries"), "{text}");
    }

    #[test]
    fn figures_that_a_scenario_lacks_are_omitted() {
        let text = shown(&sample::connect());
        for absent in ["messages", "latency", "server", "per delivery", "send lag", "storm", "–"] {
            assert!(!text.contains(absent), "{absent} in\n{text}");
        }
        assert!(text.contains("spread of handshake"));
        let closed = shown(&Report { latency: None, ..sample::broadcast() });
        assert!(closed.contains("  service time") && !closed.contains("  latency"), "{closed}");
    }

    #[test]
    fn a_storm_shows_how_many_members_recovered_and_when() {
        let text = squeezed(&shown(&sample::storm()));
        assert!(
            text.contains("\nback online 9,996 of 9,997 dropped, half in 50 ms, last in 500 ms\n"),
            "{text}"
        );
        assert!(text.contains("never back online") && text.contains("never served again"));
        assert!(text.contains("\nreconnected 9,996 of 10,020 attempts, 24 failed (24 × HTTP"), "{text}");
    }

    #[test]
    fn the_result_and_steps_of_a_search_come_first() {
        let text = shown(&sample::search());
        assert!(text.starts_with("Highest rate that held: 800 messages/s (10,000 connections).\n"), "{text}");
        let step = text.lines().find(|line| line.starts_with("  835/s")).expect("it was tried");
        assert!(
            step.contains(" no ") && step.contains("0.68 %") && step.contains("loss=0 is not met"),
            "{step}"
        );
        let mut report = sample::search();
        report.search.as_mut().expect("it is a search").highest = None;
        assert!(shown(&report).starts_with("No load held: "));
    }

    #[test]
    fn messages_that_are_not_deliveries_are_shown_one_line_per_kind() {
        let mut report = sample::broadcast();
        let other = Other { sample: "\"rate_limited\"".to_owned(), count: 5_610 };
        let long = Other { sample: "you are too fast ".repeat(20), count: 2 };
        let mut with = |other: Vec<Other>| {
            report.messages = Some(Messages { other, ..Messages::default() });
            shown(&report)
        };
        let text = with(vec![long, other.clone(), other.clone(), other.clone(), other.clone()]);
        assert!(
            squeezed(&text).contains("\nother messages 22,442 received that are not deliveries:\n"),
            "{text}"
        );
        assert!(text.contains("5,610 × \"rate_limited\"") && text.contains("and 2 more kinds\n"), "{text}");
        assert!(text.lines().any(|line| line.starts_with("      2 × you") && line.ends_with('…')), "{text}");
        assert!(with(vec![other; 4]).contains("and 1 more kind\n"));
    }

    #[test]
    fn a_run_without_faults_fits_in_24_lines() {
        let short = Terminal { height: Some(24), ..WIDE };
        let alone = Report { server: None, ..sample::clean() };
        for report in [&sample::clean(), &alone, &sample::connect()] {
            let text = table(report, short);
            assert!(text.lines().count() < 24, "{text}");
            for kept in ["opened", "busiest thread ran", "\nValid."] {
                assert!(text.contains(kept), "{kept} in\n{text}");
            }
        }
        let high = Terminal { height: Some(100), ..WIDE };
        assert_eq!(table(&alone, high), shown(&alone));
    }

    #[test]
    fn faults_are_never_omitted_in_a_short_terminal() {
        let text = table(&sample::invalid(), Terminal { height: Some(24), ..WIDE });
        for kept in ["INVALID", "failed  ", "disconnected  ", "lost  ", "reordered  ", "waited for a core"] {
            assert!(text.contains(kept), "{kept} in\n{text}");
        }
    }

    #[test]
    fn lines_fit_the_width_of_the_terminal() {
        let mut long = sample::hostile();
        long.url = format!("ws://127.0.0.1:8080/chat/{}", "room".repeat(40));
        long.warnings = vec!["These are words. ".repeat(20), "x".repeat(200)];
        long.connections.failed =
            (500..520).map(|status| (format!("HTTP status {status}"), 10_000_000)).collect();
        long.latency =
            long.latency.map(|latency| Latency { min: 1e7, p50: 123.4e6, ..latency }.with_unanswered(9, 1));
        for width in [40, 50, 60, 80] {
            for report in [&long, &sample::storm(), &sample::search(), &sample::connect(), &sample::invalid()]
            {
                let text = table(report, Terminal { width, height: None, colour: false });
                let longest = text.lines().max_by_key(|line| length(line)).expect("there are lines");
                assert!(length(longest) <= width, "{width}: {longest}");
            }
        }
    }

    #[test]
    fn shares_of_the_histogram_add_up_and_take_few_lines() {
        let report = sample::broadcast();
        let buckets = buckets(report.latency.as_ref().expect("it has latency"), BUCKETS);
        let sum: f64 = buckets.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-9 && buckets.len() <= 6, "{buckets:?}");
        assert!(buckets.iter().all(|(_, share)| *share >= 0.0));
    }

    #[test]
    fn control_characters_of_the_server_are_replaced() {
        let text = shown(&sample::hostile());
        assert!(text.contains("alert(1)"));
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    }

    #[test]
    fn the_text_is_the_same_without_colour() {
        for report in [sample::invalid(), sample::search(), sample::storm()] {
            let coloured = table(&report, Terminal { colour: true, ..WIDE });
            let codes = [RED, GREEN, YELLOW, BOLD, PLAIN];
            assert!(codes.iter().any(|code| coloured.contains(code)));
            let bare = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
            assert_eq!(bare, shown(&report));
        }
    }
}
