//! The tables of the page, with one column for each report.

use super::super::compare::{self, Change, Mark};
use super::super::figure::{ABSENT, DISTRIBUTIONS, Distribution, FIGURES, STATISTICS, Section, Value};
use super::super::units::{micros, percent, rate, thousands};
use super::super::{Causes, Report, Search, Step};
use super::chart::Sample;
use super::{Escaped, state};
use std::collections::BTreeMap;

type Reports = [(String, Report)];

/// A name and the cells of its row; empty cells are `None`.
type Row = (String, Vec<Option<Cell>>);

struct Cell {
    text: String,
    change: Change,
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, change: Change { text: String::new(), mark: Mark::Neutral } }
    }
}

/// Returns the table of key figures with their changes relative to the first report.
pub(super) fn key_figures(reports: &Reports) -> String {
    let rows = compare::rows(reports).map(|row| {
        let cells = row.cells.into_iter().map(|compare::Cell { text, change }| {
            let change = if change.mark == Mark::Neutral && change.text == "0 %" {
                Change { text: String::new(), ..change }
            } else {
                change
            };
            (text != ABSENT).then_some(Cell { text, change })
        });
        (row.label, cells.collect())
    });
    let table = table("Key figures", &heads(reports), rows);
    format!("{table}<p class=\"note\">{}</p>\n", Escaped(compare::RULE))
}

/// Returns the table of the runs of a search.
pub(super) fn steps(search: &Search) -> String {
    let heads = [search.load_label(), "held", "p50", "p99", "loss", "sent", "received", "opened", "why not"];
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    let mut body = String::new();
    for step in &search.steps {
        let Step { load, holds, why, sent_per_second, received_per_second, loss, p50, p99, opened, .. } =
            step;
        let text = |value: &Option<f64>, text: fn(f64) -> String| value.map_or(ABSENT.to_owned(), text);
        let class = if search.highest == Some(*load) { " class=\"highest\"" } else { "" };
        let (mark, held) = if *holds { ("good", "yes") } else { ("bad", "no") };
        body += &format!(
            "<tr{class}><th scope=\"row\">{}</th><td class=\"{mark}\">{held}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td class=\"why\">{}</td></tr>\n",
            search.load_text(*load),
            text(p50, micros),
            text(p99, micros),
            text(loss, percent),
            text(sent_per_second, rate),
            text(received_per_second, rate),
            thousands(*opened),
            Escaped(why.as_deref().unwrap_or_default())
        );
    }
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Steps of the search\" tabindex=\"0\">\n<table>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )
}

pub(super) fn tables(reports: &Reports) -> String {
    let heads = heads(reports);
    let section = |title: &str, section: Section| {
        let figures = section.plain().map(|figure| {
            let cells = reports.iter().map(|(_, report)| match figure.of(report) {
                Value::Absent(_) => None,
                value => Some(figure.text(&value).into()),
            });
            (figure.label(), cells.collect())
        });
        table(title, &heads, figures)
    };
    let texts = |title: &str, of: fn(&Report) -> BTreeMap<String, String>| {
        let maps: Vec<_> = reports.iter().map(|(_, report)| of(report)).collect();
        let rows = compare::side_by_side(&maps).into_iter();
        let rows = rows.map(|(name, texts)| (name, texts.into_iter().map(|it| it.map(Cell::from)).collect()));
        table(title, &heads, rows)
    };
    [
        causes(reports, &heads),
        other_frames(reports, &heads),
        latencies(reports, &heads),
        section("Connections", Section::Connections),
        section("Messages", Section::Messages),
        section("After the storm", Section::Storm),
        section("Cost of the server", Section::Server),
        section("Cost of the client", Section::Client),
        section("Run", Section::Run),
        "<div class=\"texts\">\n".to_owned(),
        texts("Settings", |report| report.settings.clone()),
        texts("Machine of the client", compare::machine),
        "</div>\n".to_owned(),
    ]
    .concat()
}

/// Returns the causes of failed connections and messages, for each figure that has counts by cause.
fn causes(reports: &Reports, heads: &[String]) -> String {
    let tables = FIGURES.iter().filter_map(|figure| {
        let of = figure.causes?;
        let maps = reports.iter().map(|(_, report)| of(report).cloned().unwrap_or_default());
        let label = figure.full_label(&reports.first()?.1);
        Some(counts(&format!("Causes: {label}"), heads, &maps.collect::<Vec<_>>()))
    });
    tables.collect()
}

fn other_frames(reports: &Reports, heads: &[String]) -> String {
    let of = |report: &Report| -> Causes {
        let other = report.messages.iter().flat_map(|messages| &messages.other);
        other.map(|other| (other.sample.clone(), other.count)).collect()
    };
    let maps: Vec<Causes> = reports.iter().map(|(_, report)| of(report)).collect();
    counts("Received, but not deliveries", heads, &maps)
}

fn counts(title: &str, heads: &[String], maps: &[Causes]) -> String {
    let rows = compare::side_by_side(maps).into_iter().map(|(cause, counts)| {
        (cause, counts.into_iter().map(|count| Some(thousands(count?).into())).collect())
    });
    let table = table(title, heads, rows);
    if table.is_empty() { table } else { format!("<div class=\"causes\">\n{table}</div>\n") }
}

/// Returns the names of several reports as column headers; none for a single report.
fn heads(reports: &Reports) -> Vec<String> {
    let heads = reports
        .iter()
        .enumerate()
        .map(|(at, (name, report))| format!("{} {}{}", Sample(at), Escaped(name), state(report)));
    if reports.len() > 1 { heads.collect() } else { Vec::new() }
}

/// Returns one table of all distributions for one report, or a table per distribution for several reports.
fn latencies(reports: &Reports, heads: &[String]) -> String {
    let is_in = |distribution: &&&'static Distribution, report: &Report| (distribution.of)(report).is_some();
    if let [(_, report)] = reports {
        let present: Vec<_> = DISTRIBUTIONS.iter().filter(|it| is_in(it, report)).collect();
        let labels: Vec<String> = present.iter().map(|distribution| distribution.label.to_owned()).collect();
        let columns: Vec<_> = present.iter().map(|distribution| (**distribution, report)).collect();
        let table = table("Times", &labels, times(&columns));
        return if labels.len() > 2 { format!("<div class=\"across\">\n{table}</div>\n") } else { table };
    }
    let tables = DISTRIBUTIONS.iter().map(|distribution| {
        let columns: Vec<_> = reports.iter().map(|(_, report)| (*distribution, report)).collect();
        table(&format!("Times: {}", distribution.label), heads, times(&columns))
    });
    tables.collect()
}

/// Returns a row for each statistic.
fn times(columns: &[(&'static Distribution, &Report)]) -> impl Iterator<Item = Row> {
    let of_count = columns.iter().map(|(distribution, report)| {
        (distribution.of)(report).map(|latency| thousands(latency.count).into())
    });
    let unanswered = columns.iter().map(|(distribution, report)| {
        let latency = (distribution.of)(report).filter(|latency| latency.unanswered > 0)?;
        Some(thousands(latency.unanswered).into())
    });
    let statistics = STATISTICS.iter().map(|statistic| {
        let cells = columns.iter().map(|(distribution, report)| {
            let text = match distribution.value(report, *statistic) {
                Value::Exact(value) => micros(value),
                Value::AtLeast(value, _) => format!("≥ {}", micros(value)),
                Value::Unknown(_) | Value::Absent(_) => return None,
            };
            Some(text.into())
        });
        (statistic.name(), cells.collect())
    });
    let counts = [("count".to_owned(), of_count.collect()), ("unanswered".to_owned(), unanswered.collect())];
    counts.into_iter().chain(statistics)
}

/// Formats a table without empty rows, or nothing if all rows are empty. The column headers are HTML.
fn table(title: &str, heads: &[String], rows: impl Iterator<Item = Row>) -> String {
    let mut body = String::new();
    for (name, cells) in rows.filter(|(_, cells)| cells.iter().any(Option::is_some)) {
        let name = Escaped(&name).to_string().replace('/', "/<wbr>");
        body += &format!("<tr><th scope=\"row\">{name}</th>");
        for cell in cells {
            body += &cell.map_or_else(|| format!("<td>{ABSENT}</td>"), |cell| cell.html());
        }
        body += "</tr>\n";
    }
    if body.is_empty() {
        return body;
    }
    let heads: String =
        heads.iter().map(|head| format!("<th scope=\"col\"><div>{head}</div></th>")).collect();
    let heads = if heads.is_empty() { heads } else { format!("<thead><tr><td></td>{heads}</tr></thead>\n") };
    let title = Escaped(title);
    format!(
        "<section>\n<h2>{title}</h2>\n<div class=\"scroll\" role=\"region\" aria-label=\"{title}\" tabindex=\"0\">\n\
         <table>\n{heads}<tbody>\n{body}</tbody>\n</table>\n</div>\n</section>\n"
    )
}

impl Cell {
    fn html(&self) -> String {
        let text = Escaped(&self.text);
        let Change { text: change, mark } = &self.change;
        let class = match mark {
            Mark::Better => "good",
            Mark::Worse => "bad",
            Mark::Neutral if change.is_empty() => return format!("<td>{text}</td>"),
            Mark::Neutral => return format!("<td>{text} <small>{change}</small></td>"),
        };
        format!("<td>{text} <small class=\"{class}\">{change} {}</small></td>", mark.word())
    }
}
