//! The tables of the page: a column for each report.

use super::super::chart::Sample;
use super::super::{Latency, Report, compare, figures};
use super::facts::{self, Fact};
use super::{Escaped, state};
use std::collections::BTreeMap;

type Reports = [(String, Report)];

/// A name, and a cell for each column that has something there.
type Row = (String, Vec<Option<Cell>>);

struct Cell {
    text: String,
    /// By how much it changed against the first column.
    change: String,
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, change: String::new() }
    }
}

/// The key figures, and their changes against the first.
pub(super) fn key_figures(reports: &Reports) -> String {
    let rows = compare::FIGURES.iter().map(|&(name, of, text)| {
        let before = reports.first().and_then(|(_, report)| of(report));
        let cells = reports.iter().map(|(_, report)| {
            let after = of(report)?;
            let change = before.filter(|before| *before != after);
            let change = change.map_or(String::new(), |before| figures::change(before, after));
            Some(Cell { text: text(after), change })
        });
        (name.to_owned(), cells.collect())
    });
    table("Key figures", &heads(reports), rows)
}

pub(super) fn tables(reports: &Reports) -> String {
    let heads = heads(reports);
    let facts = |facts: &'static [Fact]| {
        facts.iter().map(|(name, of)| {
            let cells = reports.iter().map(|(_, report)| of(report).map(Cell::from));
            ((*name).to_owned(), cells.collect())
        })
    };
    let causes = |what: &'static str, of: fn(&Report) -> &BTreeMap<String, u64>| {
        let maps: Vec<_> = reports.iter().map(|(_, report)| of(report).clone()).collect();
        compare::side_by_side(&maps).into_iter().map(move |(cause, counts)| {
            let cells = counts.into_iter().map(|count| Some(figures::thousands(count?).into()));
            (format!("{what}: {cause}"), cells.collect())
        })
    };
    let texts = |of: fn(&Report) -> BTreeMap<String, String>| {
        let maps: Vec<_> = reports.iter().map(|(_, report)| of(report)).collect();
        let rows = compare::side_by_side(&maps).into_iter();
        rows.map(|(name, texts)| (name, texts.into_iter().map(|text| text.map(Cell::from)).collect()))
    };
    let connections = facts(facts::CONNECTIONS)
        .chain(causes("failed", |report| &report.connections.failed))
        .chain(causes("lost", |report| &report.connections.lost));
    let settings = texts(|report| report.settings.clone());
    [
        latencies(reports, &heads),
        table("Connections", &heads, connections),
        table("Messages", &heads, facts(facts::MESSAGES)),
        table("After the storm", &heads, facts(facts::RECOVERY)),
        table("Cost of the server", &heads, facts(facts::SERVER)),
        table("Cost of the client", &heads, facts(facts::CLIENT)),
        "<div class=\"texts\">\n".to_owned(),
        table("Settings", &heads, settings),
        table("Machine of the client", &heads, texts(compare::machine)),
        "</div>\n".to_owned(),
    ]
    .concat()
}

/// The names of several reports; one needs none.
fn heads(reports: &Reports) -> Vec<String> {
    let heads = reports
        .iter()
        .enumerate()
        .map(|(at, (name, report))| format!("{} {}{}", Sample(at), Escaped(name), state(report)));
    if reports.len() > 1 { heads.collect() } else { Vec::new() }
}

/// One table of all kinds of latency for one report; for several a table for each kind.
fn latencies(reports: &Reports, heads: &[String]) -> String {
    if let [(_, report)] = reports {
        let present =
            facts::LATENCIES.iter().filter_map(|(name, of)| Some(((*name).to_owned(), of(report)?)));
        let (kinds, latencies): (Vec<String>, Vec<_>) =
            present.map(|(name, latency)| (name, Some(latency))).unzip();
        let table = table("Latencies", &kinds, latency_rows(&latencies));
        let is_wide = kinds.len() > 2;
        return if is_wide { format!("<div class=\"across\">\n{table}</div>\n") } else { table };
    }
    let kinds = facts::LATENCIES.iter().map(|(name, of)| {
        let latencies: Vec<_> = reports.iter().map(|(_, report)| of(report)).collect();
        table(&format!("Latency: {name}"), heads, latency_rows(&latencies))
    });
    kinds.collect()
}

fn latency_rows(latencies: &[Option<&Latency>]) -> impl Iterator<Item = Row> {
    facts::LATENCY.iter().map(|(name, of)| {
        let cells = latencies.iter().map(|latency| Some(of((*latency)?).into()));
        ((*name).to_owned(), cells.collect())
    })
}

/// A table without the rows that are empty, or nothing if all are. Heads of columns are HTML.
fn table(title: &str, heads: &[String], rows: impl Iterator<Item = Row>) -> String {
    let mut body = String::new();
    for (name, cells) in rows.filter(|(_, cells)| cells.iter().any(Option::is_some)) {
        let name = Escaped(&name).to_string().replace('/', "/<wbr>");
        body += &format!("<tr><th scope=\"row\">{name}</th>");
        for cell in cells {
            body += &match cell {
                None => "<td>–</td>".to_owned(),
                Some(Cell { text, change }) if change.is_empty() => format!("<td>{}</td>", Escaped(&text)),
                Some(Cell { text, change }) => format!("<td>{} <small>{change}</small></td>", Escaped(&text)),
            };
        }
        body += "</tr>\n";
    }
    if body.is_empty() {
        return body;
    }
    let heads: String =
        heads.iter().map(|head| format!("<th scope=\"col\"><div>{head}</div></th>")).collect();
    let heads = match heads.is_empty() {
        true => heads,
        false => format!("<thead><tr><td></td>{heads}</tr></thead>\n"),
    };
    format!(
        "<section>\n<h2>{title}</h2>\n<div class=\"scroll\" role=\"region\" aria-label=\"{title}\" tabindex=\"0\">\n\
         <table>\n{heads}<tbody>\n{body}</tbody>\n</table>\n</div>\n</section>\n"
    )
}
